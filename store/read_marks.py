"""Reading a customer's messages: here, and by a job that tells WhatsApp of it."""

from __future__ import annotations

from collections.abc import Iterable

import asyncpg

from contracts.messages import READ_JOB
from contracts.realtime import ClientEvent
from store.outbox import NewEvent, queue_events
from store.pool import Connection, Database
from store.session_locks import lock_session

IDS_PER_RECEIPT = 100


class ReadMarks:
    """What the API marks as read, under the role perene_api. Every method may raise DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def mark_read(self, owner_id: str, connection_id: str, chat_id: str) -> int:
        """Mark what the customer wrote in a chat as read; how many messages were not. Raises ConnectionNotFound.

        The read receipts are queued among the sends, if a device is linked that could send them.
        """
        async with self._database.tenant(owner_id) as connection:
            linked = await lock_session(connection, owner_id, connection_id)
            read = await connection.fetch(
                """
                WITH read AS (
                    UPDATE whatsapp_mensagens SET lida = true
                    WHERE owner_id = $1 AND connection_id = $2 AND chat_id = $3 AND direction = 'in' AND NOT lida
                    RETURNING message_id, participant, "timestamp"
                )
                SELECT message_id, participant FROM read ORDER BY "timestamp", message_id
                """,
                owner_id,
                connection_id,
                chat_id,
            )
            counted = await connection.fetchval(
                """
                UPDATE chats SET unread_count = 0
                WHERE owner_id = $1 AND connection_id = $2 AND chat_id = $3 AND unread_count <> 0
                RETURNING true
                """,
                owner_id,
                connection_id,
                chat_id,
            )
            if read and linked:
                await _queue_receipts(connection, owner_id, connection_id, chat_id, read)
            if read or counted:
                payload: dict[str, object] = {
                    "connectionId": connection_id,
                    "conversationId": chat_id,
                    "unread_count": 0,
                }
                event = NewEvent(ClientEvent.CONVERSATION_READ, payload, chat_id=chat_id)
                await queue_events(connection, owner_id, connection_id, [event])
        return len(read)


async def _queue_receipts(
    connection: Connection, owner_id: str, connection_id: str, chat_id: str, read: Iterable[asyncpg.Record]
) -> None:
    # A receipt names one author, so in a group each has their own.
    by_author: dict[str | None, list[str]] = {}
    for row in read:
        by_author.setdefault(row["participant"], []).append(row["message_id"])
    jobs: list[dict[str, object]] = [
        {"messageIds": ids[first : first + IDS_PER_RECEIPT], "participant": author}
        for author, ids in by_author.items()
        for first in range(0, len(ids), IDS_PER_RECEIPT)
    ]
    await connection.execute(
        """
        INSERT INTO send_queue (owner_id, connection_id, chat_id, type, payload)
        SELECT $1, $2, $3, $4, payload
        FROM jsonb_array_elements($5::jsonb) WITH ORDINALITY AS given (payload, place) ORDER BY place
        """,
        owner_id,
        connection_id,
        chat_id,
        READ_JOB,
        jobs,
    )
