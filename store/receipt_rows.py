"""Receipts: how far our messages came, and what our other devices have read."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from contracts.messages import DeliveryStatus, Receipt
from contracts.realtime import ClientEvent
from store.message_rows import MessageRow
from store.outbox import NewEvent
from store.pool import Connection

_ORDER = [status.value for status in DeliveryStatus]
"""A message's status only moves forward in this order."""


async def apply(
    connection: Connection, owner_id: str, connection_id: str, receipts: Sequence[Receipt]
) -> list[NewEvent]:
    """Apply receipts in their order; the events to be queued. The caller holds the lock of the session's row."""
    events: list[NewEvent] = []
    delivered = [receipt for receipt in receipts if not receipt.own]
    if delivered:
        await _remember(connection, owner_id, connection_id, delivered)
        ids = [message_id for receipt in delivered for message_id in receipt.message_ids]
        events += await _advance(connection, owner_id, connection_id, ids)
    for receipt in receipts:
        if receipt.own and receipt.status in (DeliveryStatus.READ, DeliveryStatus.PLAYED):
            events += await _read_elsewhere(connection, owner_id, connection_id, receipt)
    return events


async def apply_early(
    connection: Connection, owner_id: str, connection_id: str, rows: Sequence[MessageRow]
) -> list[NewEvent]:
    """Apply what came before these messages were written."""
    if not rows:
        return []
    return await _advance(connection, owner_id, connection_id, [row.message_id for row in rows])


async def _remember(connection: Connection, owner_id: str, connection_id: str, receipts: Sequence[Receipt]) -> None:
    # Of messages sent before we kept them there is nothing to wait for.
    await connection.execute(
        """
        DELETE FROM early_receipts
        WHERE owner_id = $1 AND connection_id = $2 AND created_at < clock_timestamp() - interval '1 day'
        """,
        owner_id,
        connection_id,
    )
    await connection.execute(
        """
        INSERT INTO early_receipts (owner_id, connection_id, message_id, status, at)
        SELECT $1, $2, message_id, status, max(at)
        FROM jsonb_to_recordset($3::jsonb) AS given (message_id text, status text, at timestamptz)
        GROUP BY message_id, status
        ON CONFLICT (owner_id, connection_id, message_id, status) DO NOTHING
        """,
        owner_id,
        connection_id,
        [
            {"message_id": message_id, "status": receipt.status.value, "at": receipt.timestamp.isoformat()}
            for receipt in receipts
            for message_id in receipt.message_ids
        ],
    )


async def _advance(
    connection: Connection, owner_id: str, connection_id: str, message_ids: Sequence[str]
) -> list[NewEvent]:
    """Move those messages that are there as far as their receipts say, and forget these."""
    moved = await connection.fetch(
        """
        WITH ours AS (
            SELECT id, message_id, status FROM whatsapp_mensagens
            WHERE owner_id = $1 AND connection_id = $2 AND message_id = ANY($3) AND direction = 'out'
        ), used AS (
            DELETE FROM early_receipts USING ours
            WHERE early_receipts.owner_id = $1 AND early_receipts.connection_id = $2
                AND early_receipts.message_id = ours.message_id
            RETURNING ours.id, array_position($4::text[], early_receipts.status) AS place
        ), furthest AS (
            SELECT id, max(place) AS place FROM used GROUP BY id
        )
        UPDATE whatsapp_mensagens SET status = ($4::text[])[furthest.place]
        FROM furthest
        WHERE whatsapp_mensagens.id = furthest.id
            AND furthest.place > coalesce(array_position($4::text[], whatsapp_mensagens.status), 0)
        RETURNING whatsapp_mensagens.message_id, whatsapp_mensagens.chat_id, whatsapp_mensagens.status
        """,
        owner_id,
        connection_id,
        list(message_ids),
        _ORDER,
    )
    return [status_event(connection_id, row) for row in moved]


def status_event(connection_id: str, row: asyncpg.Record) -> NewEvent:
    """The `message:status` event of a row with message_id, chat_id and status."""
    return NewEvent(
        ClientEvent.MESSAGE_STATUS,
        {
            "connectionId": connection_id,
            "message_id": row["message_id"],
            "chat_id": row["chat_id"],
            "status": row["status"],
        },
        chat_id=row["chat_id"],
    )


async def _read_elsewhere(
    connection: Connection, owner_id: str, connection_id: str, receipt: Receipt
) -> list[NewEvent]:
    """Another device of ours has read up to these messages, and with them what came before in the chat."""
    read = await connection.fetch(
        """
        UPDATE whatsapp_mensagens SET lida = true
        WHERE owner_id = $1 AND connection_id = $2 AND chat_id = $3 AND direction = 'in' AND NOT lida
            AND "timestamp" <= (
                SELECT max("timestamp") FROM whatsapp_mensagens
                WHERE owner_id = $1 AND connection_id = $2 AND message_id = ANY($4)
            )
        RETURNING id
        """,
        owner_id,
        connection_id,
        receipt.chat,
        list(receipt.message_ids),
    )
    if not read:
        return []
    unread: int = await connection.fetchval(
        """
        SELECT count(*) FROM whatsapp_mensagens
        WHERE owner_id = $1 AND connection_id = $2 AND chat_id = $3 AND direction = 'in' AND NOT lida
        """,
        owner_id,
        connection_id,
        receipt.chat,
    )
    await connection.execute(
        "UPDATE chats SET unread_count = $4 WHERE owner_id = $1 AND connection_id = $2 AND chat_id = $3",
        owner_id,
        connection_id,
        receipt.chat,
        unread,
    )
    payload: dict[str, object] = {
        "connectionId": connection_id,
        "conversationId": receipt.chat,
        "unread_count": unread,
    }
    return [NewEvent(ClientEvent.CONVERSATION_READ, payload, chat_id=receipt.chat)]
