"""What the API needs of the outside, as Protocols, and the rows that cross them. Adapters arrive by constructor.

Every method may raise `DatabaseUnavailable`, or `OrchestratorUnavailable` where it is Temporal that is asked.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from contracts.session import CommandResult, LogoutResult, PairingCode, PairingCodeRequest, SessionInput
from contracts.states import SessionState


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A connection as its owner may see it. Times are UTC; `qr_code` holds a pairing secret: never log it."""

    connection_id: str
    owner_id: str
    name: str
    state: SessionState
    reason: str | None
    duplicate_reason: str | None
    has_device: bool
    phone_number: str | None
    whatsapp_id: str | None
    whatsapp_info: Mapping[str, Any] | None
    qr_code: str | None
    qr_expires_at: datetime | None
    created_at: datetime
    updated_at: datetime
    connected_at: datetime | None
    disconnected_at: datetime | None


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One entry of a connection's history. `id` grows with time and serves as the cursor of paging."""

    id: int
    event: str
    from_state: str | None
    to_state: str | None
    reason: str | None
    detail: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True)
class NewSession:
    """What a client may choose about a new connection. `proxy` may hold a password: never log it."""

    connection_id: str
    owner_id: str
    name: str
    proxy: str | None
    window_seconds: float


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """One committed client event. `event_id` grows without gaps that are filled later."""

    event_id: int
    owner_id: str
    connection_id: str
    chat_id: str | None
    event: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Settled:
    """Where an accepted send is. `status` is a `contracts.messages.DeliveryStatus` value."""

    id: int
    status: str
    message_id: str | None
    error_code: str | None
    error_detail: str | None


class Sessions(Protocol):
    """The owner's connections."""

    async def create(self, new: NewSession, *, max_connections: int) -> SessionRow:
        """Insert the row. Raises ConnectionAlreadyExists, or MaxConnectionsReached with the counts in `data`."""
        ...

    async def discard(self, owner_id: str, connection_id: str) -> bool:
        """Take back a row that no workflow has written to; False if there is none such."""
        ...

    async def get(self, owner_id: str, connection_id: str) -> SessionRow | None: ...

    async def list(self, owner_id: str) -> Sequence[SessionRow]:
        """All of the owner's connections, newest first."""
        ...

    async def owned(self, owner_id: str, connection_ids: Sequence[str]) -> set[str]:
        """Which of these are the owner's connections."""
        ...

    async def history(
        self, owner_id: str, connection_id: str, *, before: int | None, limit: int
    ) -> Sequence[HistoryRow]:
        """At most `limit` entries with an id below `before`, newest first."""
        ...

    async def session_input(self, owner_id: str, connection_id: str) -> SessionInput | None:
        """What its workflow is started with, rebuilt from the row."""
        ...


class Sends(Protocol):
    """The queue of accepted sends."""

    async def accept(
        self,
        *,
        owner_id: str,
        connection_id: str,
        chat: str,
        type: str,
        payload: Mapping[str, Any],
        client_message_id: str | None,
    ) -> Settled:
        """Commit the send; a repeated `client_message_id` gives the first one. Raises ConnectionNotFound."""
        ...

    async def wait_settled(self, owner_id: str, send_id: int, *, timeout: float) -> Settled:
        """Wait until it is settled, at most `timeout` seconds; then where it is."""
        ...


class Outbox(Protocol):
    """Committed client events, in the order of their ids."""

    async def position(self) -> int:
        """The id of the newest event that was given a number."""
        ...

    async def after(self, event_id: int, *, limit: int) -> Sequence[OutboxEvent]:
        """Every owner's events above `event_id`, oldest first."""
        ...

    async def replay(self, owner_id: str, *, after: int, through: int, limit: int) -> Sequence[OutboxEvent]:
        """The owner's events in `(after, through]`, oldest first."""
        ...

    def follow(self) -> AsyncIterator[Sequence[OutboxEvent]]:
        """New events of every owner from now on, in batches, for ever; it heals by itself."""
        ...


class Probe(Protocol):
    """Cheap questions for the health check."""

    async def ping(self) -> None:
        """Return if PostgreSQL answers."""
        ...

    async def live_hosts(self) -> int:
        """How many worker processes hold a live lease."""
        ...


class Revive(Protocol):
    """Gives what a missing workflow is started with. Raises ConnectionNotFound where its row is gone too."""

    async def __call__(self) -> SessionInput: ...


class Orchestrator(Protocol):
    """The SessionWorkflows. Refusals arrive as PereneError with the workflow's code."""

    async def start(self, session: SessionInput) -> None:
        """Start the workflow of a session; nothing happens if it runs already."""
        ...

    async def refresh_qr(self, connection_id: str, revive: Revive) -> CommandResult: ...

    async def reconnect(self, connection_id: str, revive: Revive) -> CommandResult: ...

    async def disconnect(self, connection_id: str, revive: Revive) -> CommandResult: ...

    async def logout(self, connection_id: str, revive: Revive) -> LogoutResult: ...

    async def delete(self, connection_id: str, revive: Revive) -> CommandResult: ...

    async def pairing_code(self, connection_id: str, request: PairingCodeRequest, revive: Revive) -> PairingCode: ...

    async def healthy(self) -> bool:
        """Whether Temporal answers; never raises for its absence."""
        ...
