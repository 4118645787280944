"""Conversations as the API lists them: chats, their messages, and contacts. Newest first, by keyset."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from store.message_rows import MessageRow
from store.pages import NEWEST, Position
from store.pool import Connection, Database


@dataclass(frozen=True, slots=True)
class ChatRow:
    """A row of chats with the state of its atendimento (None where it never had one). Times are UTC."""

    chat_id: str
    name: str | None
    phone: str | None
    unread_count: int
    last_message: str | None
    last_message_type: str | None
    last_message_from: str | None
    last_message_at: datetime
    atendimento_id: str | None
    atendimento_status: str | None
    atendimento_mode: str | None


@dataclass(frozen=True, slots=True)
class ContactRow:
    """Somebody who wrote to a connection. Times are UTC."""

    jid: str
    phone: str | None
    push_name: str | None
    created_at: datetime
    updated_at: datetime


class ChatRows:
    """What the API reads of conversations, under the role perene_api. Every method may raise DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def chats(
        self, owner_id: str, connection_id: str, *, after: Position = NEWEST, limit: int = 50
    ) -> list[ChatRow]:
        """At most `limit` chats after `after` (its key: a chat id), the one with the newest message first."""
        async with self._database.tenant(owner_id) as connection:
            rows = await connection.fetch(
                f"""
                {_CHAT}
                WHERE chats.owner_id = $1 AND chats.connection_id = $2 AND chats.last_message_at <= $3
                    AND (chats.last_message_at < $3 OR chats.chat_id > $4)
                ORDER BY chats.last_message_at DESC, chats.chat_id LIMIT $5
                """,
                owner_id,
                connection_id,
                after.at,
                after.key,
                limit,
            )
        return [ChatRow(**dict(row)) for row in rows]

    async def messages(
        self, owner_id: str, connection_id: str, chat_id: str, *, after: Position = NEWEST, limit: int = 50
    ) -> list[MessageRow]:
        """At most `limit` messages of a chat after `after` (its key: a row's id), newest first.

        Without attachments' keys and the library's own form.
        """
        async with self._database.tenant(owner_id) as connection:
            rows = await connection.fetch(
                """
                SELECT id::text, message_id, chat_id, direction, remetente, participant, phone, wpp_name, message_type,
                    conteudo, quoted_id, media_type, media_url, media_mime, status, lida, "timestamp",
                    atendimento_id::text
                FROM whatsapp_mensagens
                WHERE owner_id = $1 AND connection_id = $2 AND chat_id = $3 AND "timestamp" <= $4
                    AND ("timestamp" < $4 OR id < $5::uuid)
                ORDER BY "timestamp" DESC, id DESC LIMIT $6
                """,
                owner_id,
                connection_id,
                chat_id,
                after.at,
                after.key,
                limit,
            )
        return [_message(row) for row in rows]

    async def contacts(
        self, owner_id: str, connection_id: str, *, after: Position = NEWEST, limit: int = 50
    ) -> list[ContactRow]:
        """At most `limit` contacts after `after` (its key: a JID), the one met last first."""
        async with self._database.tenant(owner_id) as connection:
            rows = await connection.fetch(
                """
                SELECT jid, phone, push_name, created_at, updated_at FROM contacts
                WHERE owner_id = $1 AND connection_id = $2 AND created_at <= $3 AND (created_at < $3 OR jid > $4)
                ORDER BY created_at DESC, jid LIMIT $5
                """,
                owner_id,
                connection_id,
                after.at,
                after.key,
                limit,
            )
        return [ContactRow(**dict(row)) for row in rows]


async def find_chat(connection: Connection, owner_id: str, connection_id: str, chat_id: str) -> ChatRow | None:
    """One chat, as the transaction sees it."""
    row = await connection.fetchrow(
        f"{_CHAT} WHERE chats.owner_id = $1 AND chats.connection_id = $2 AND chats.chat_id = $3",
        owner_id,
        connection_id,
        chat_id,
    )
    return None if row is None else ChatRow(**dict(row))


_CHAT = """
    SELECT chats.chat_id, chats.name, chats.phone, chats.unread_count, chats.last_message, chats.last_message_type,
        chats.last_message_from, chats.last_message_at, chats.atendimento_id::text,
        atendimento.status AS atendimento_status, atendimento.mode AS atendimento_mode
    FROM chats LEFT JOIN whatsapp_atendimentos AS atendimento
        ON atendimento.id = chats.atendimento_id AND atendimento.owner_id = chats.owner_id
"""


def _message(row: asyncpg.Record) -> MessageRow:
    return MessageRow(**dict(row), media=None, raw={})
