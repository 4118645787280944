"""From the library's callback to PostgreSQL: batches, in order, and never without the lease."""

from __future__ import annotations

import asyncio

import structlog

from contracts.errors import DatabaseUnavailable
from contracts.messages import InboundMessage, Receipt
from contracts.ports import Lease, MessageStore

log = structlog.get_logger(__name__)

BATCH_LIMIT = 200
BUFFER_LIMIT = 5_000
"""Messages held while PostgreSQL is away; past this the reader waits, and the library's own buffer fills."""


class Inbox:
    """Writes what arrived, many at a time. The library acknowledged these already: the way to the commit is short."""

    def __init__(self, lease: Lease, store: MessageStore):
        self._lease = lease
        self._store = store
        self._queue: asyncio.Queue[InboundMessage | Receipt] = asyncio.Queue(BUFFER_LIMIT)
        self.written = 0
        self.task = asyncio.create_task(self._write_for_ever(), name=f"inbox-{lease.connection_id}")

    async def put(self, item: InboundMessage | Receipt) -> None:
        """Hand over one message or receipt; waits while the buffer is full."""
        await self._queue.put(item)

    async def _write_for_ever(self) -> None:
        while True:
            batch = [await self._queue.get()]
            while len(batch) < BATCH_LIMIT and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            await self._write(batch)
            for _ in batch:
                self._queue.task_done()

    async def _write(self, batch: list[InboundMessage | Receipt]) -> None:
        messages = [item for item in batch if isinstance(item, InboundMessage)]
        receipts = [item for item in batch if isinstance(item, Receipt)]
        delay = 0.05
        while True:
            try:
                self.written += await self._store.write(self._lease, messages, receipts)
                return
            except DatabaseUnavailable as error:
                log.warning(
                    "messages_waiting_for_database",
                    connection=self._lease.connection_id,
                    waiting=len(batch) + self._queue.qsize(),
                    error=str(error),
                )
                await asyncio.sleep(delay)
                delay = min(delay * 2, 2.0)

    async def drain(self, within: float) -> None:
        """Wait until all that was put is committed, at most `within` seconds; then stop."""
        joined = asyncio.create_task(self._queue.join())
        await asyncio.wait({joined, self.task}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        if not joined.done():
            log.error("messages_not_written", connection=self._lease.connection_id, count=self._queue.qsize())
        for task in (joined, self.task):
            task.cancel()
        await asyncio.gather(joined, self.task, return_exceptions=True)
