"""The outbox: client events written with what they tell, numbered after the commit, read in their order."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from contracts.errors import DatabaseUnavailable
from contracts.realtime import OUTBOX_CHANNEL, ClientEvent
from store.listener import notifications
from store.pool import Connection, Database, Json

_log = logging.getLogger(__name__)

RETENTION = timedelta(days=7)
POLL_SECONDS = 1.0
"""How long an event can wait whose notification was lost."""
_BATCH = 500


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to be written. `chat_id` where the event's audience is a chat."""

    event: ClientEvent
    payload: dict[str, object]
    chat_id: str | None = None


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """A committed event. `event_id` grows in the order in which events may be told, without holes but removed ones."""

    event_id: int
    owner_id: str
    connection_id: str
    chat_id: str | None
    event: str
    payload: Json
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Replay:
    """What an owner missed. `complete` is false where older events than these were removed already: read anew then."""

    events: list[OutboxEvent]
    complete: bool


async def queue_events(connection: Connection, owner_id: str, connection_id: str, events: Sequence[NewEvent]) -> None:
    """Write events, in this order, in the transaction of `connection`.

    Events of one connection keep their order if every writer holds the lock of its session row (`hold`, `record`).
    """
    if not events:
        return
    await connection.execute(
        """
        INSERT INTO outbox (owner_id, connection_id, chat_id, event, payload)
        SELECT $1, $2, item ->> 'chat_id', item ->> 'event', item -> 'payload'
        FROM jsonb_array_elements($3::jsonb) WITH ORDINALITY AS given (item, place)
        ORDER BY place
        """,
        owner_id,
        connection_id,
        [{"chat_id": event.chat_id, "event": event.event.value, "payload": event.payload} for event in events],
    )


async def replay(database: Database, owner_id: str, after: int, limit: int = 500) -> Replay:
    """The owner's events with a number greater than `after`, oldest first. Raises DatabaseUnavailable."""
    async with database.tenant(owner_id) as connection:
        pruned = await connection.fetchval("SELECT pruned_through FROM outbox_position")
        rows = await connection.fetch(
            f"SELECT {_COLUMNS} FROM outbox WHERE owner_id = $1 AND event_id > $2 ORDER BY event_id LIMIT $3",  # noqa: S608
            owner_id,
            after,
            limit,
        )
    return Replay([_event(row) for row in rows], complete=after >= pruned)


class OutboxTail:
    """Follows the outbox of all owners, under the role perene_relay. Any number of nodes may each run one."""

    def __init__(self, database: Database, *, after: int | None = None, poll_seconds: float = POLL_SECONDS) -> None:
        """Begin after event `after`; None: with what is not numbered when the tail starts."""
        self._database = database
        self._position = after
        self._poll_seconds = poll_seconds

    @property
    def position(self) -> int | None:
        """The number of the newest event handed out; None before the database was reached for the first time."""
        return self._position

    async def events(self) -> AsyncGenerator[OutboxEvent]:
        """Events in the order of their numbers, for ever, across restarts of PostgreSQL. One reader a tail."""
        wakes = notifications(
            self._database.url, OUTBOX_CHANNEL, idle_seconds=self._poll_seconds, name="perene-outbox-tail"
        )
        async with aclosing(wakes):
            async for _ in wakes:
                full = True
                while full:
                    try:
                        batch = await self._advance()
                    except DatabaseUnavailable as problem:
                        _log.warning("the outbox waits for PostgreSQL: %s", problem)
                        break
                    for event in batch:
                        self._position = event.event_id
                        yield event
                    full = len(batch) == _BATCH

    async def _advance(self) -> list[OutboxEvent]:
        if self._position is None:
            async with self._database.ownerless() as connection:
                self._position = await connection.fetchval("SELECT last_event_id FROM outbox_position")
        # A transaction of its own: the numbers are committed, and the lock is gone, before anybody reads them.
        async with self._database.ownerless() as connection:
            last: int = await connection.fetchval("SELECT perene.outbox_sequence()")
        if self._position is not None and last <= self._position:
            return []
        async with self._database.ownerless() as connection:
            rows = await connection.fetch(
                f"SELECT {_COLUMNS} FROM outbox WHERE event_id > $1 ORDER BY event_id LIMIT {_BATCH}",  # noqa: S608
                self._position,
            )
        return [_event(row) for row in rows]


async def prune(database: Database, older_than: timedelta = RETENTION) -> int:
    """Remove events older than `older_than`, under the role perene_relay; how many. Raises DatabaseUnavailable."""
    removed = 0
    while True:
        async with database.ownerless() as connection:
            row = await connection.fetchrow(
                """
                WITH old AS (
                    SELECT id FROM outbox WHERE event_id IS NOT NULL AND created_at < clock_timestamp() - $1::interval
                    ORDER BY created_at LIMIT 5000
                ), gone AS (
                    DELETE FROM outbox USING old WHERE outbox.id = old.id RETURNING event_id
                ), told AS (
                    UPDATE outbox_position
                    SET pruned_through = greatest(pruned_through, (SELECT max(event_id) FROM gone))
                    WHERE EXISTS (SELECT FROM gone)
                )
                SELECT count(*) AS removed FROM gone
                """,
                older_than,
            )
        assert row is not None
        removed += row["removed"]
        if row["removed"] < 5000:
            return removed


_COLUMNS = "event_id, owner_id, connection_id, chat_id, event, payload, created_at"


def _event(row: asyncpg.Record) -> OutboxEvent:
    return OutboxEvent(
        event_id=row["event_id"],
        owner_id=str(row["owner_id"]),
        connection_id=row["connection_id"],
        chat_id=row["chat_id"],
        event=row["event"],
        payload=row["payload"],
        created_at=row["created_at"],
    )
