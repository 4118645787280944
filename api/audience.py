"""Who is listening: the sockets of this process, by owner, with the rooms each has joined.

Rooms live inside their owner's audience, so whatever room a client names, it can only ever hear its own owner.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from contracts.realtime import AUDIENCES, Audience, ClientEvent
from store.outbox import OutboxEvent

_KNOWN = frozenset(event.value for event in AUDIENCES)


@dataclass(slots=True, eq=False)
class Listener:
    """One socket. `delivered` is the newest event it was given.

    While `replaying`, live events wait in `pending`; `overflowed` says that some did not fit and are to be read again.
    `resumed_from` and `resumed_at` (monotonic seconds) tell of its last resume.
    """

    sid: str
    owner_id: str
    rooms: set[str] = field(default_factory=set[str])
    delivered: int = 0
    replaying: bool = False
    overflowed: bool = False
    pending: deque[OutboxEvent] = field(default_factory=deque[OutboxEvent])
    resumed_from: int | None = None
    resumed_at: float = 0.0

    def wants(self, event: OutboxEvent) -> bool:
        """Whether the event is for this socket."""
        return event.owner_id == self.owner_id and hears(event, self.rooms)


class Audiences:
    """The listeners of this process."""

    def __init__(self) -> None:
        self._by_sid: dict[str, Listener] = {}
        self._by_owner: dict[str, dict[str, Listener]] = {}

    def __len__(self) -> int:
        return len(self._by_sid)

    def add(self, listener: Listener) -> None:
        self._by_sid[listener.sid] = listener
        self._by_owner.setdefault(listener.owner_id, {})[listener.sid] = listener

    def remove(self, sid: str) -> None:
        """Forget a socket; unknown ones too, as a refused connection was never added."""
        listener = self._by_sid.pop(sid, None)
        if listener is None:
            return
        sockets = self._by_owner[listener.owner_id]
        del sockets[sid]
        if not sockets:
            del self._by_owner[listener.owner_id]

    def get(self, sid: str) -> Listener | None:
        return self._by_sid.get(sid)

    def listeners_of(self, event: OutboxEvent) -> Iterator[Listener]:
        """Every socket the event is for, each once."""
        for listener in list(self._by_owner.get(event.owner_id, {}).values()):
            if listener.wants(event):
                yield listener


def chat_room(connection_id: str, chat_id: str) -> str:
    """The room of one conversation, as the clients spell it."""
    return f"{connection_id}-{chat_id}"


def hears(event: OutboxEvent, rooms: set[str]) -> bool:
    """Whether a socket of the event's owner that has joined `rooms` is in its audience."""
    if event.event not in _KNOWN:
        # A newer worker may know events that this version has no word for.
        return False
    match AUDIENCES[ClientEvent(event.event)]:
        case Audience.OWNER | Audience.OPERATIONS:
            return True
        case Audience.CONNECTION:
            return event.connection_id in rooms
        case Audience.CHAT:
            in_chat = event.chat_id is not None and chat_room(event.connection_id, event.chat_id) in rooms
            return in_chat or event.connection_id in rooms
