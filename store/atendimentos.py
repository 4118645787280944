"""Atendimentos as people open, close and steer them; a customer's message opens one too (store/conversations.py)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import asyncpg

from contracts.realtime import ClientEvent
from store.chats import find_chat
from store.conversations import ACTIVE
from store.outbox import NewEvent, queue_events
from store.pool import Connection, Database
from store.session_locks import lock_session

FINISHED = "FINALIZADO"


@dataclass(frozen=True, slots=True)
class Atendimento:
    """A row of whatsapp_atendimentos. `changed`: whether the call that gave it changed it. Times are UTC."""

    id: str
    connection_id: str
    chat_id: str
    status: str
    mode: str | None
    nome_cliente: str | None
    numero_cliente: str | None
    last_message_at: datetime | None
    finished_at: datetime | None
    created_at: datetime
    updated_at: datetime
    changed: bool = False


class Atendimentos:
    """What the API does with atendimentos, under the role perene_api. Every method may raise DatabaseUnavailable.

    Those that write raise ConnectionNotFound, and are in the order of the connection's other writes.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, owner_id: str, atendimento_id: str) -> Atendimento | None:
        """One of the owner's; `atendimento_id` is a UUID."""
        async with self._database.tenant(owner_id) as connection:
            row = await connection.fetchrow(
                f"SELECT {_COLUMNS} FROM whatsapp_atendimentos WHERE id = $1 AND owner_id = $2",  # noqa: S608
                atendimento_id,
                owner_id,
            )
        return None if row is None else Atendimento(**dict(row))

    async def open(self, owner_id: str, connection_id: str, chat_id: str) -> Atendimento:
        """The chat's open atendimento, or its latest one opened again, or a new one."""
        async with self._database.tenant(owner_id) as connection:
            await lock_session(connection, owner_id, connection_id)
            known = await _latest(connection, owner_id, connection_id, chat_id)
            if known is not None and known.status != FINISHED:
                return known
            if known is None:
                opened = await _insert(connection, owner_id, connection_id, chat_id)
            else:
                opened = await _update(connection, owner_id, known, "status = $3, finished_at = NULL", ACTIVE)
            await connection.execute(
                """
                UPDATE chats SET atendimento_id = $4 WHERE owner_id = $1 AND connection_id = $2 AND chat_id = $3
                """,
                owner_id,
                connection_id,
                chat_id,
                opened.id,
            )
            await _tell_update(connection, owner_id, opened)
        return opened

    async def close(self, owner_id: str, connection_id: str, chat_id: str) -> Atendimento | None:
        """The chat's atendimento, finished; None if it never had one."""
        async with self._database.tenant(owner_id) as connection:
            await lock_session(connection, owner_id, connection_id)
            known = await _latest(connection, owner_id, connection_id, chat_id)
            if known is None or known.status == FINISHED:
                return known
            closed = await _update(
                connection, owner_id, known, "status = $3, finished_at = clock_timestamp()", FINISHED
            )
            payload: dict[str, object] = {
                "connectionId": connection_id,
                "conversationId": chat_id,
                "status": FINISHED,
                "atendimento_id": closed.id,
            }
            event = NewEvent(ClientEvent.CONVERSATION_FINALIZED, payload, chat_id=chat_id)
            await queue_events(connection, owner_id, connection_id, [event])
        return closed

    async def change_mode(self, owner_id: str, connection_id: str, chat_id: str, mode: str) -> Atendimento | None:
        """The chat's open atendimento in this mode (a word of the frontends); None if none is open."""
        async with self._database.tenant(owner_id) as connection:
            await lock_session(connection, owner_id, connection_id)
            known = await _latest(connection, owner_id, connection_id, chat_id)
            if known is None or known.status == FINISHED:
                return None
            if known.mode == mode:
                return known
            changed = await _update(connection, owner_id, known, "mode = $3", mode)
            await _tell_update(connection, owner_id, changed)
        return changed


async def _latest(connection: Connection, owner_id: str, connection_id: str, chat_id: str) -> Atendimento | None:
    """The chat's open atendimento, or its newest one."""
    row = await connection.fetchrow(
        f"""
        SELECT {_COLUMNS} FROM whatsapp_atendimentos
        WHERE owner_id = $1 AND connection_id = $2 AND chat_id = $3
        ORDER BY status <> $4 DESC, created_at DESC, whatsapp_atendimentos.id DESC LIMIT 1
        """,  # noqa: S608
        owner_id,
        connection_id,
        chat_id,
        FINISHED,
    )
    return None if row is None else Atendimento(**dict(row))


async def _insert(connection: Connection, owner_id: str, connection_id: str, chat_id: str) -> Atendimento:
    chat = await find_chat(connection, owner_id, connection_id, chat_id)
    user, _, server = chat_id.rpartition("@")
    phone = chat.phone if chat is not None else None
    row = await connection.fetchrow(
        f"""
        INSERT INTO whatsapp_atendimentos
            (owner_id, connection_id, chat_id, status, nome_cliente, numero_cliente, last_message_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        RETURNING {_COLUMNS}
        """,  # noqa: S608
        owner_id,
        connection_id,
        chat_id,
        ACTIVE,
        None if chat is None else chat.name,
        phone or (user if server == "s.whatsapp.net" else None),
        None if chat is None else chat.last_message_at,
    )
    return _changed(row)


async def _update(connection: Connection, owner_id: str, known: Atendimento, change: str, value: str) -> Atendimento:
    row = await connection.fetchrow(
        f"UPDATE whatsapp_atendimentos SET {change} WHERE id = $1 AND owner_id = $2 RETURNING {_COLUMNS}",  # noqa: S608
        known.id,
        owner_id,
        value,
    )
    return _changed(row)


def _changed(row: asyncpg.Record | None) -> Atendimento:
    assert row is not None
    return replace(Atendimento(**dict(row)), changed=True)


async def _tell_update(connection: Connection, owner_id: str, atendimento: Atendimento) -> None:
    """`conversation:updated` with nothing new in the chat but its atendimento."""
    chat = await find_chat(connection, owner_id, atendimento.connection_id, atendimento.chat_id)
    payload: dict[str, object] = {
        "connectionId": atendimento.connection_id,
        "conversationId": atendimento.chat_id,
        "lastMessageAt": None if chat is None else chat.last_message_at.isoformat(),
        "last_message": None if chat is None else chat.last_message,
        "preview": None if chat is None else chat.last_message,
        "from": None if chat is None else chat.last_message_from,
        "unread_count_delta": 0,
        "nome_cliente": (None if chat is None else chat.name) or atendimento.nome_cliente,
        "numero_cliente": (None if chat is None else chat.phone) or atendimento.numero_cliente,
        "atendimento_id": atendimento.id,
        "status": atendimento.status,
        "mode": atendimento.mode,
    }
    event = NewEvent(ClientEvent.CONVERSATION_UPDATED, payload, chat_id=atendimento.chat_id)
    await queue_events(connection, owner_id, atendimento.connection_id, [event])


_COLUMNS = """
    id::text, connection_id, chat_id, status, mode, nome_cliente, numero_cliente, last_message_at, finished_at,
    created_at, updated_at
"""
