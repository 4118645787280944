"""Session rows as the API reads them, and the making of new ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import asyncpg

from contracts.errors import ConnectionAlreadyExists, ConnectionNotFound, MaxConnectionsReached
from contracts.states import HOSTED_STATES, MEANINGS, PAIRING_STATES, SessionState
from store import storable
from store.pool import Database, Json

LIVE_STATES = HOSTED_STATES | PAIRING_STATES
"""States that `autoInit` finds."""

UNPAIRED_PER_PAIRED = 20
"""How many connections may wait to be scanned for each that the quota allows: each costs a process while it waits."""


@dataclass(frozen=True, slots=True)
class NewSession:
    """A connection to be made. `window_seconds` is how long its QR is renewed; `config` JSON of settings."""

    connection_id: str
    name: str
    proxy: str | None = None
    window_seconds: float = 600.0
    config: dict[str, object] = field(default_factory=dict[str, object])


class SessionRow(NamedTuple):
    """One connection. `qr_code` is None once `qr_expires_at` is over. Times are UTC.

    The fields stand in the order of `_COLUMNS`: a row becomes a tuple as it is, so that a thousand take a few
    milliseconds.
    `is_held`: whether a host with a live lease holds it now. Between the death of a worker and the claim of the next
    one the row still says what was last written.
    """

    id: str
    connection_id: str
    owner_id: str
    session_name: str
    status: str
    state: SessionState
    state_reason: str | None
    state_detail: Json
    state_changed_at: datetime | None
    sequence: int
    qr_code: str | None
    qr_expires_at: datetime | None
    phone_number: str | None
    whatsapp_id: str | None
    whatsapp_info: Json | None
    jid: str | None
    lid: str | None
    proxy: str | None
    window_seconds: float
    config: Json
    host_id: str | None
    is_held: bool
    lease_epoch: int
    duplicate_reason: str | None
    superseded_by: str | None
    has_connected: bool
    connected_at: datetime | None
    disconnected_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One line of a connection's history. `id` grows with time and is the cursor of the next page."""

    id: int
    sequence: int
    event: str
    from_state: str | None
    to_state: str | None
    reason: str | None
    detail: Json
    at: datetime


class SessionRows:
    """What the API does with connections, under the role perene_api. Every method may raise DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, owner_id: str, new: NewSession, *, max_connections: int) -> SessionRow:
        """Make the row, in state `starting`. `max_connections`: how many linked sessions in use the owner may have.

        Raises ConnectionAlreadyExists (also where the id is another owner's) and MaxConnectionsReached.
        """
        try:
            async with self._database.tenant(owner_id) as connection:
                # Of two creations at once the second counts the first.
                await connection.execute(
                    "SELECT pg_advisory_xact_lock(hashtextextended('perene.quota', 0) # hashtextextended($1, 0))",
                    owner_id,
                )
                taken = await connection.fetchval(
                    "SELECT true FROM whatsapp_sessions WHERE connection_id = $1", new.connection_id
                )
                if taken:
                    raise ConnectionAlreadyExists
                in_use = await connection.fetchrow(
                    """
                    SELECT count(*) FILTER (WHERE state = ANY($2)) AS paired, count(*) AS all
                    FROM whatsapp_sessions WHERE owner_id = $1 AND state = ANY($3)
                    """,
                    owner_id,
                    [state.value for state in HOSTED_STATES],
                    [state.value for state in LIVE_STATES],
                )
                assert in_use is not None
                for active, most in (
                    (in_use["paired"], max_connections),
                    (in_use["all"], max_connections * UNPAIRED_PER_PAIRED),
                ):
                    if active >= most:
                        raise MaxConnectionsReached(data={"activeConnections": active, "maxConnections": most})
                row = await connection.fetchrow(
                    f"""
                    INSERT INTO whatsapp_sessions
                        (connection_id, owner_id, session_name, status, state, state_changed_at, proxy, window_seconds,
                         config)
                    VALUES ($1, $2, $3, $4, $5, now(), $6, $7, $8)
                    RETURNING {_COLUMNS}
                    """,  # noqa: S608
                    new.connection_id,
                    owner_id,
                    storable.text(new.name, 255),
                    MEANINGS[SessionState.STARTING].status.value,
                    SessionState.STARTING.value,
                    storable.text(new.proxy),
                    new.window_seconds,
                    storable.json_object(new.config),
                )
                await connection.execute(
                    """
                    INSERT INTO session_events (connection_id, owner_id, sequence, event, to_state, at)
                    VALUES ($1, $2, 0, 'created', $3, clock_timestamp())
                    """,
                    new.connection_id,
                    owner_id,
                    SessionState.STARTING.value,
                )
        except asyncpg.UniqueViolationError as problem:
            raise ConnectionAlreadyExists from problem
        assert row is not None
        return _row(row)

    async def discard(self, owner_id: str, connection_id: str) -> bool:
        """Remove a row that no workflow has written to yet, because none could be started; whether it was there."""
        async with self._database.tenant(owner_id) as connection:
            gone = await connection.fetchval(
                """
                DELETE FROM whatsapp_sessions WHERE connection_id = $1 AND owner_id = $2 AND sequence = 0
                RETURNING true
                """,
                connection_id,
                owner_id,
            )
        return gone is True

    async def get(self, owner_id: str, connection_id: str) -> SessionRow:
        """One connection. Raises ConnectionNotFound, also where it is another owner's."""
        async with self._database.tenant(owner_id) as connection:
            row = await connection.fetchrow(
                f"SELECT {_COLUMNS} FROM whatsapp_sessions WHERE connection_id = $1 AND owner_id = $2",  # noqa: S608
                connection_id,
                owner_id,
            )
        if row is None:
            raise ConnectionNotFound
        return _row(row)

    async def newest_first(self, owner_id: str) -> list[SessionRow]:
        """All the owner's connections."""
        async with self._database.tenant(owner_id) as connection:
            rows = await connection.fetch(
                f"""
                SELECT {_COLUMNS} FROM whatsapp_sessions WHERE owner_id = $1
                ORDER BY created_at DESC, whatsapp_sessions.id DESC
                """,  # noqa: S608
                owner_id,
            )
        return [_row(row) for row in rows]

    async def live(self, owner_id: str) -> SessionRow | None:
        """The connection that `autoInit` goes on with: a connected one before others, the newest first."""
        async with self._database.tenant(owner_id) as connection:
            row = await connection.fetchrow(
                f"""
                SELECT {_COLUMNS} FROM whatsapp_sessions WHERE owner_id = $1 AND state = ANY($2)
                ORDER BY state = 'connected' DESC, created_at DESC, whatsapp_sessions.id DESC LIMIT 1
                """,  # noqa: S608
                owner_id,
                [state.value for state in LIVE_STATES],
            )
        return None if row is None else _row(row)

    async def history(
        self, owner_id: str, connection_id: str, *, before: int | None = None, limit: int = 50
    ) -> list[HistoryEntry]:
        """Newest first, at most `limit`; `before` is the `id` of the last entry of the page before.

        A removed connection keeps its history; an unknown one has none.
        """
        async with self._database.tenant(owner_id) as connection:
            rows = await connection.fetch(
                """
                SELECT id, sequence, event, from_state, to_state, reason, detail, at FROM session_events
                WHERE owner_id = $1 AND connection_id = $2 AND ($3::bigint IS NULL OR id < $3)
                ORDER BY id DESC LIMIT $4
                """,
                owner_id,
                connection_id,
                before,
                limit,
            )
        return [HistoryEntry(**dict(row)) for row in rows]


_COLUMNS = """
    id::text, connection_id, owner_id::text, session_name, status, state, state_reason, state_detail, state_changed_at,
    sequence,
    CASE WHEN qr_expires_at > clock_timestamp() THEN qr_code END AS qr_code, qr_expires_at, phone_number, whatsapp_id,
    whatsapp_info, jid, lid, proxy, window_seconds, config, host_id,
    EXISTS (
        SELECT FROM session_hosts
        WHERE session_hosts.host_id = whatsapp_sessions.host_id AND session_hosts.expires_at > clock_timestamp()
    ) AS is_held,
    lease_epoch, duplicate_reason, superseded_by,
    has_connected, connected_at, disconnected_at, created_at, updated_at
"""


_STATES = {state.value: state for state in SessionState}
_STATE = SessionRow._fields.index("state")


def _row(row: asyncpg.Record) -> SessionRow:
    values = list(row.values())
    values[_STATE] = _STATES[values[_STATE]]
    return SessionRow._make(values)
