"""What the API needs of the outside, as Protocols, and the rows that cross them. Adapters arrive by constructor.

Every method may raise `DatabaseUnavailable`, or `OrchestratorUnavailable` where it is Temporal that is asked.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from contracts.session import CommandResult, LogoutResult, PairingCode, PairingCodeRequest, SessionInput
from store.accepted_sends import AcceptedSend
from store.atendimentos import Atendimento
from store.chats import ChatRow, ContactRow
from store.message_rows import MessageRow
from store.outbox import OutboxEvent, Replay
from store.pages import Position
from store.session_rows import HistoryEntry, NewSession, SessionRow


class Sessions(Protocol):
    """The connections of one owner at a time (`store.session_rows.SessionRows`)."""

    async def create(self, owner_id: str, new: NewSession, *, max_connections: int) -> SessionRow:
        """Insert the row. Raises ConnectionAlreadyExists, or MaxConnectionsReached with the counts in `data`."""
        ...

    async def discard(self, owner_id: str, connection_id: str) -> bool:
        """Take back a row that no workflow has written to; False if there is none such."""
        ...

    async def get(self, owner_id: str, connection_id: str) -> SessionRow:
        """One connection. Raises ConnectionNotFound, also where it is another owner's."""
        ...

    async def newest_first(self, owner_id: str) -> list[SessionRow]:
        """All of the owner's connections."""
        ...

    async def live(self, owner_id: str) -> SessionRow | None:
        """The connection that `autoInit` goes on with."""
        ...

    async def history(
        self, owner_id: str, connection_id: str, *, before: int | None = None, limit: int = 50
    ) -> list[HistoryEntry]:
        """At most `limit` entries with an id below `before`, newest first; a removed connection keeps its own."""
        ...


class Sends(Protocol):
    """The queue of accepted sends (`store.accepted_sends.AcceptedSends`)."""

    async def accept(
        self,
        owner_id: str,
        connection_id: str,
        chat_id: str,
        type_: str,
        payload: dict[str, object],
        client_message_id: str | None,
    ) -> AcceptedSend:
        """Commit the send; a repeated `client_message_id` gives the first one. Raises ConnectionNotFound."""
        ...

    async def wait_settled(self, owner_id: str, send_id: int, timeout: float) -> AcceptedSend | None:
        """The send as it is once it has ended, or when `timeout` seconds are over."""
        ...


class Chats(Protocol):
    """What is said in conversations (`store.chats.ChatRows`); pages begin after a position, newest first."""

    async def chats(self, owner_id: str, connection_id: str, *, after: Position, limit: int) -> list[ChatRow]:
        """At most `limit` chats."""
        ...

    async def messages(
        self, owner_id: str, connection_id: str, chat_id: str, *, after: Position, limit: int
    ) -> list[MessageRow]:
        """At most `limit` messages of a chat."""
        ...

    async def contacts(self, owner_id: str, connection_id: str, *, after: Position, limit: int) -> list[ContactRow]:
        """At most `limit` contacts."""
        ...


class ReadMarks(Protocol):
    """Reading (`store.read_marks.ReadMarks`)."""

    async def mark_read(self, owner_id: str, connection_id: str, chat_id: str) -> int:
        """Mark what the customer wrote as read, here and by receipts; how many were not. Raises ConnectionNotFound."""
        ...


class Atendimentos(Protocol):
    """Opening, closing and steering (`store.atendimentos.Atendimentos`). Writers raise ConnectionNotFound."""

    async def get(self, owner_id: str, atendimento_id: str) -> Atendimento | None:
        """One of the owner's; `atendimento_id` is a UUID."""
        ...

    async def open(self, owner_id: str, connection_id: str, chat_id: str) -> Atendimento:
        """The chat's open atendimento, or its latest one opened again, or a new one."""
        ...

    async def close(self, owner_id: str, connection_id: str, chat_id: str) -> Atendimento | None:
        """The chat's atendimento, finished; None if it never had one."""
        ...

    async def change_mode(self, owner_id: str, connection_id: str, chat_id: str, mode: str) -> Atendimento | None:
        """The chat's open atendimento in this mode; None if none is open."""
        ...


class Outbox(Protocol):
    """What an owner missed."""

    async def replay(self, owner_id: str, after: int, limit: int) -> Replay:
        """At most `limit` of the owner's numbered events above `after`, oldest first."""
        ...


class Tail(Protocol):
    """New events of every owner, in the order of their numbers, for ever (`store.outbox.OutboxTail`)."""

    @property
    def position(self) -> int | None:
        """The newest number handed out; None before the database was reached for the first time."""
        ...

    def events(self) -> AsyncGenerator[OutboxEvent]: ...


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
