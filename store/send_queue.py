"""The send queue as the holder of a session works it off. At most once on the wire."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC
from uuid import uuid4

import asyncpg

from contracts.errors import StaleEpoch
from contracts.messages import READ_JOB, DeliveryStatus, MessageType, Sender, SendJob, SentMessage
from contracts.ports import Lease
from contracts.realtime import SENDS_CHANNEL, ClientEvent
from store import storable
from store.conversations import write_messages
from store.leases import hold
from store.listener import notifications
from store.message_rows import MEDIA_TYPES, MessageRow
from store.outbox import NewEvent, queue_events
from store.pool import Connection, Database, Json

INTERRUPTED = "SEND_INTERRUPTED"
"""The error code of a send whose holder died between dispatching and recording it."""
_LISTEN_IDLE_SECONDS = 5.0

_TYPES = {
    "text": MessageType.TEXT,
    "image": MessageType.IMAGE,
    "video": MessageType.VIDEO,
    "audio": MessageType.AUDIO,
    "document": MessageType.DOCUMENT,
    "sticker": MessageType.STICKER,
    "location": MessageType.LOCATION,
    "contact": MessageType.CONTACT,
    "reaction": MessageType.REACTION,
    "poll": MessageType.POLL,
}


class PostgresSendQueue:
    """`contracts.ports.SendQueue` on PostgreSQL, under the role perene_worker."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def recover(self, lease: Lease) -> int:
        """Turn sends that an earlier epoch dispatched and never recorded to `unknown`; how many. Raises StaleEpoch."""
        async with self._database.tenant(lease.owner_id) as connection:
            await hold(connection, lease)
            rows = await connection.fetch(
                f"""
                UPDATE send_queue SET state = 'unknown', error_code = $4, settled_at = clock_timestamp()
                WHERE owner_id = $1 AND connection_id = $2 AND state = 'dispatched' AND epoch < $3
                RETURNING {_COLUMNS}
                """,  # noqa: S608
                lease.owner_id,
                lease.connection_id,
                lease.epoch,
                INTERRUPTED,
            )
            events = [event for row in rows for event in _status_events(row, DeliveryStatus.UNKNOWN)]
            await queue_events(connection, lease.owner_id, lease.connection_id, events)
        return len(rows)

    async def next(self, lease: Lease) -> SendJob | None:
        """The oldest accepted send of this session, marked dispatched (committed) before it is returned.

        Raises StaleEpoch.
        """
        async with self._database.tenant(lease.owner_id) as connection:
            await hold(connection, lease)
            row = await connection.fetchrow(
                f"""
                UPDATE send_queue SET state = 'dispatched', epoch = $3, dispatched_at = clock_timestamp()
                WHERE owner_id = $1 AND id = (
                    SELECT id FROM send_queue
                    WHERE owner_id = $1 AND connection_id = $2 AND state = 'accepted' ORDER BY id LIMIT 1
                )
                RETURNING {_COLUMNS}
                """,  # noqa: S608
                lease.owner_id,
                lease.connection_id,
                lease.epoch,
            )
        if row is None:
            return None
        return SendJob(
            id=row["id"],
            connection_id=row["connection_id"],
            chat=row["chat_id"],
            type=row["type"],
            payload=row["payload"],
        )

    async def sent(self, lease: Lease, job: SendJob, sent: SentMessage) -> None:
        """Record the server's id; writes the message row and its events.

        What happened to a send is a fact of the epoch that dispatched it, so it is taken also after the session went to
        another holder. Raises StaleEpoch if that epoch is not `lease`'s.
        """
        async with self._database.tenant(lease.owner_id) as connection:
            row = await _settle(connection, lease, job, DeliveryStatus.SENT, message_id=sent.message_id)
            if row is None:
                return
            message = _message(job, row["payload"], sent)
            _, events = await write_messages(connection, lease.owner_id, lease.connection_id, [message])
            events = [*_status_events(row, DeliveryStatus.SENT), *events]
            await queue_events(connection, lease.owner_id, lease.connection_id, events)

    async def receipted(self, lease: Lease, job: SendJob) -> None:
        """Record that the read receipts of a `READ_JOB` left: no message, no event. Raises StaleEpoch like `sent`."""
        await self._ended_without_id(lease, job, DeliveryStatus.SENT)

    async def failed(self, lease: Lease, job: SendJob, code: str, detail: str) -> None:
        """Record a send that certainly did not reach the wire. Raises StaleEpoch as `sent` does."""
        await self._ended_without_id(lease, job, DeliveryStatus.FAILED, code, detail)

    async def unknown(self, lease: Lease, job: SendJob, detail: str) -> None:
        """Record a send whose outcome nobody can know; it is never repeated. Raises StaleEpoch as `sent` does."""
        await self._ended_without_id(lease, job, DeliveryStatus.UNKNOWN, INTERRUPTED, detail)

    async def accepted(self) -> AsyncGenerator[str]:
        """Connection ids with a newly accepted send (LISTEN), for ever; "" after a reconnect: look at all."""
        wakes = notifications(
            self._database.url, SENDS_CHANNEL, idle_seconds=_LISTEN_IDLE_SECONDS, name="perene-accepted-sends"
        )
        async with aclosing(wakes):
            async for connection_ids in wakes:
                for connection_id in connection_ids:
                    yield connection_id

    async def _ended_without_id(
        self, lease: Lease, job: SendJob, status: DeliveryStatus, code: str | None = None, detail: str | None = None
    ) -> None:
        async with self._database.tenant(lease.owner_id) as connection:
            row = await _settle(connection, lease, job, status, code=code, detail=detail)
            if row is None:
                return
            await queue_events(connection, lease.owner_id, lease.connection_id, _status_events(row, status))


async def _settle(
    connection: Connection,
    lease: Lease,
    job: SendJob,
    status: DeliveryStatus,
    *,
    message_id: str | None = None,
    code: str | None = None,
    detail: str | None = None,
) -> asyncpg.Record | None:
    """The row, or None if all this was recorded before (the answer to the first time was lost)."""
    # The lock alone, so that this connection's writes are committed one after another; the epoch may be a newer one.
    await connection.execute(
        "SELECT FROM whatsapp_sessions WHERE connection_id = $1 AND owner_id = $2 FOR NO KEY UPDATE",
        lease.connection_id,
        lease.owner_id,
    )
    row = await connection.fetchrow(
        f"""
        UPDATE send_queue SET
            state = $5, message_id = $6, error_code = $7, error_detail = $8, settled_at = clock_timestamp()
        WHERE owner_id = $1 AND connection_id = $2 AND id = $3 AND epoch = $4 AND state IN ('dispatched', 'unknown')
        RETURNING {_COLUMNS}
        """,  # noqa: S608
        lease.owner_id,
        lease.connection_id,
        job.id,
        lease.epoch,
        status.value,
        message_id,
        code,
        storable.text(detail, 1000),
    )
    if row is not None:
        return row
    recorded = await connection.fetchval(
        """
        SELECT true FROM send_queue
        WHERE owner_id = $1 AND connection_id = $2 AND id = $3 AND epoch = $4 AND state = $5
            AND message_id IS NOT DISTINCT FROM $6
        """,
        lease.owner_id,
        lease.connection_id,
        job.id,
        lease.epoch,
        status.value,
        message_id,
    )
    if recorded is None:
        raise StaleEpoch(f"send {job.id} was not dispatched under epoch {lease.epoch}")
    return None


def _status_events(row: asyncpg.Record, status: DeliveryStatus) -> list[NewEvent]:
    """One `message:status`, unless the job was no message. `message_id` falls back to the client's own id."""
    if row["type"] == READ_JOB:
        return []
    event = NewEvent(
        ClientEvent.MESSAGE_STATUS,
        {
            "connectionId": row["connection_id"],
            "message_id": row["message_id"] or row["client_message_id"] or f"send-{row['id']}",
            "chat_id": row["chat_id"],
            "status": status.value,
            "clientMessageId": row["client_message_id"],
            "sendId": row["id"],
        },
        chat_id=row["chat_id"],
    )
    return [event]


def _message(job: SendJob, payload: Json, sent: SentMessage) -> MessageRow:
    kind = _TYPES.get(job.type, MessageType.UNKNOWN)
    user, _, server = job.chat.rpartition("@")
    return MessageRow(
        id=str(uuid4()),
        message_id=sent.message_id,
        chat_id=job.chat,
        direction="out",
        remetente=Sender.AGENT.value,
        participant=None,
        phone=user if server == "s.whatsapp.net" else None,
        wpp_name=None,
        message_type=kind.value,
        conteudo=_text(payload),
        quoted_id=_optional(payload, "quotedMessageId"),
        media_type=MEDIA_TYPES.get(kind),
        media_url=_optional(payload, "mediaUrl"),
        media_mime=_optional(payload, "mimeType"),
        media=None,
        raw={},
        status=DeliveryStatus.SENT.value,
        lida=True,
        timestamp=sent.timestamp.astimezone(UTC),
    )


def _text(payload: Json) -> str | None:
    return _optional(payload, "text") or _optional(payload, "caption")


def _optional(payload: Json, name: str) -> str | None:
    value = payload.get(name)
    return value if isinstance(value, str) else None


_COLUMNS = "id, connection_id, chat_id, type, payload, client_message_id, message_id"
