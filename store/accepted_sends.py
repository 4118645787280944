"""Sends as the API accepts them, and the wait for how they end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import asyncpg

from contracts.errors import ConnectionNotFound
from store import storable
from store.listener import notifications
from store.pool import Database, Json

SETTLED_CHANNEL = "perene_settled"
"""LISTEN/NOTIFY channel: a send has ended; the payload is its id."""

SETTLED_STATES = ("sent", "failed", "unknown")
_POLL_SECONDS = 0.5
_LISTEN_IDLE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class AcceptedSend:
    """A row of the send queue. `state`: accepted, dispatched, or an end (sent, failed, unknown).

    `created` is false where an earlier request with the same client message id had made it.
    """

    id: int
    connection_id: str
    chat_id: str
    type: str
    payload: Json
    client_message_id: str | None
    state: str
    message_id: str | None
    error_code: str | None
    error_detail: str | None
    created: bool = False

    @property
    def settled(self) -> bool:
        """Whether it has ended."""
        return self.state in SETTLED_STATES


class AcceptedSends:
    """What the API does with sends, under the role perene_api. Every method may raise DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[int, set[asyncio.Event]] = {}

    async def accept(
        self,
        owner_id: str,
        connection_id: str,
        chat_id: str,
        type_: str,
        payload: dict[str, object],
        client_message_id: str | None,
    ) -> AcceptedSend:
        """Commit a send. One with a client message id that was accepted before gives that one, whatever it says.

        Raises ConnectionNotFound.
        """
        client_message_id = storable.text(client_message_id)
        async with self._database.tenant(owner_id) as connection:
            exists = await connection.fetchval(
                "SELECT true FROM whatsapp_sessions WHERE connection_id = $1 AND owner_id = $2",
                connection_id,
                owner_id,
            )
            if exists is None:
                raise ConnectionNotFound
            row = await connection.fetchrow(
                f"""
                INSERT INTO send_queue (owner_id, connection_id, chat_id, type, payload, client_message_id)
                VALUES ($1, $2, $3, $4, $5, $6)
                ON CONFLICT (owner_id, connection_id, client_message_id) DO NOTHING
                RETURNING {_COLUMNS}
                """,  # noqa: S608
                owner_id,
                connection_id,
                chat_id,
                type_,
                storable.json_object(payload),
                client_message_id,
            )
            if row is not None:
                return _send(row, created=True)
            row = await connection.fetchrow(
                f"""
                SELECT {_COLUMNS} FROM send_queue
                WHERE owner_id = $1 AND connection_id = $2 AND client_message_id = $3
                """,  # noqa: S608
                owner_id,
                connection_id,
                client_message_id,
            )
        assert row is not None
        return _send(row)

    async def get(self, owner_id: str, send_id: int) -> AcceptedSend | None:
        """One of the owner's sends."""
        async with self._database.tenant(owner_id) as connection:
            row = await connection.fetchrow(
                f"SELECT {_COLUMNS} FROM send_queue WHERE owner_id = $1 AND id = $2",  # noqa: S608
                owner_id,
                send_id,
            )
        return None if row is None else _send(row)

    async def wait_settled(self, owner_id: str, send_id: int, timeout: float) -> AcceptedSend | None:
        """The send as it is once it has ended, or when `timeout` seconds are over."""
        deadline = time.monotonic() + timeout
        told = asyncio.Event()
        self._waiting.setdefault(send_id, set()).add(told)
        try:
            while True:
                told.clear()
                send = await self.get(owner_id, send_id)
                left = deadline - time.monotonic()
                if send is None or send.settled or left <= 0:
                    return send
                try:
                    async with asyncio.timeout(min(left, _POLL_SECONDS)):
                        await told.wait()
                except TimeoutError:
                    # A notification may be lost; the row is not.
                    continue
        finally:
            self._waiting[send_id].discard(told)
            if not self._waiting[send_id]:
                del self._waiting[send_id]

    @asynccontextmanager
    async def listening(self) -> AsyncGenerator[None]:
        """While in here `wait_settled` is told at once; otherwise it looks twice a second."""
        listening = asyncio.create_task(self._listen(), name="settled sends")
        try:
            yield
        finally:
            listening.cancel()
            await asyncio.wait([listening])

    async def _listen(self) -> None:
        wakes = notifications(
            self._database.url, SETTLED_CHANNEL, idle_seconds=_LISTEN_IDLE_SECONDS, name="perene-settled-sends"
        )
        async with aclosing(wakes):
            async for payloads in wakes:
                for payload in payloads:
                    told = [int(payload)] if payload else list(self._waiting)
                    for send_id in told:
                        for event in self._waiting.get(send_id, ()):
                            event.set()


_COLUMNS = """
    id, connection_id, chat_id, type, payload, client_message_id, state, message_id, error_code, error_detail
"""


def _send(row: asyncpg.Record, *, created: bool = False) -> AcceptedSend:
    return AcceptedSend(**dict(row), created=created)
