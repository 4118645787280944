"""The data plane's writes: batches of messages and receipts."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.messages import InboundMessage, Receipt
from contracts.ports import Lease
from store import message_rows, receipt_rows
from store.conversations import write_messages
from store.leases import hold
from store.outbox import queue_events
from store.pool import Database


class PostgresMessages:
    """`contracts.ports.MessageStore` on PostgreSQL, under the role perene_worker."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, lease: Lease, messages: Sequence[InboundMessage], receipts: Sequence[Receipt]) -> int:
        """Write a batch with its chats, atendimentos and outbox events in one transaction; how many were new.

        Idempotent on (connection, message id). Raises StaleEpoch.
        """
        rows = [message_rows.from_library(message) for message in messages]
        async with self._database.tenant(lease.owner_id) as connection:
            await hold(connection, lease)
            new, events = await write_messages(connection, lease.owner_id, lease.connection_id, rows)
            # After the messages: a batch may hold a message and its receipt.
            events += await receipt_rows.apply(connection, lease.owner_id, lease.connection_id, receipts)
            await queue_events(connection, lease.owner_id, lease.connection_id, events)
        return len(new)
