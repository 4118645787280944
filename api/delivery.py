"""From committed events to sockets: in order, none skipped by a resume, and never waiting for a slow client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog

from api import qr_image
from api.audience import Audiences, Listener, hears
from api.deadlines import database
from api.ports import Outbox
from contracts.realtime import ClientEvent
from store.outbox import OutboxEvent

REPLAY_PAGE: Final = 200
MAX_PENDING: Final = 2_000
MAX_BACKLOG: Final = 1_000
"""Packets that may wait for one socket; a client that falls further behind is cut off, and can resume."""
RESUME_JOIN_SECONDS: Final = 10.0
"""For so long after a resume, joining a room also replays what was missed in it: clients do both in any order."""

_log = structlog.get_logger()


class Wire(Protocol):
    """The Socket.IO server, as delivery uses it."""

    async def emit(self, name: str, payload: dict[str, Any], sid: str) -> None: ...

    def backlog(self, sid: str) -> int:
        """How many packets wait to be taken by the client."""
        ...

    async def disconnect(self, sid: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Resumed:
    """`last`: the newest event the client has now. `complete` is false where older events were removed: read anew."""

    last: int
    complete: bool


class Delivery:
    """Gives events to listeners."""

    def __init__(
        self,
        audiences: Audiences,
        outbox: Outbox,
        wire: Wire,
        *,
        newest: Callable[[], int | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`newest`: the highest event number known to have been given, or None."""
        self._audiences = audiences
        self._outbox = outbox
        self._wire = wire
        self._newest = newest
        self._clock = clock
        self._cutting_off: set[asyncio.Task[None]] = set()

    async def publish(self, event: OutboxEvent) -> None:
        """A live event, to every socket it is for. Called in the order of the events, one at a time."""
        for listener in self._audiences.listeners_of(event):
            if listener.replaying:
                self._hold(listener, event)
            # A replay reads the database, which may be ahead of the live events.
            elif event.event_id > listener.delivered:
                await self._give(listener, event)

    async def resume(self, listener: Listener, after: int) -> Resumed:
        """Replay what `listener` missed since event `after`, then go on live.

        Raises DatabaseUnavailable; live events go on then too, and the client may ask again.
        """
        listener.resumed_from, listener.resumed_at = after, self._clock()
        # Starting over is what was asked for, so events it has had are given again, in their place.
        listener.delivered = 0
        complete = await self._replay(listener, after, lambda event: hears(event, listener.rooms))
        newest = self._newest()
        if listener.delivered == 0 and newest is not None and after > newest:
            # A number that was never given: the client knew another database than the one that is here now.
            return Resumed(newest, complete=False)
        return Resumed(max(listener.delivered, after), complete=complete)

    async def joined(self, listener: Listener, room: str) -> None:
        """`listener` has just joined `room`: if it resumed a moment ago, what it missed there comes first."""
        already = listener.rooms - {room}
        if listener.resumed_from is None or self._clock() - listener.resumed_at > RESUME_JOIN_SECONDS:
            return
        await self._replay(
            listener, listener.resumed_from, lambda event: hears(event, {room}) and not hears(event, already)
        )

    async def _replay(self, listener: Listener, after: int, wanted: Callable[[OutboxEvent], bool]) -> bool:
        """Give what is `wanted` after event `after`, then what is live; False if older events were removed already."""
        reached, complete = after, True
        caught_up_with = listener.delivered
        listener.replaying = True
        try:
            while True:
                page = await database(self._outbox.replay(listener.owner_id, reached, REPLAY_PAGE))
                complete = complete and page.complete
                for event in page.events:
                    reached = event.event_id
                    # What is newer than all it was given yet is simply next in line, for every room it is in.
                    if wanted(event) or (reached > caught_up_with and listener.wants(event)):
                        await self._give(listener, event)
                if not page.events and await self._catch_up(listener, reached):
                    return complete
        except BaseException:
            # What was held is given all the same: the client is told of the failure, and asks again.
            listener.overflowed = False
            await self._catch_up(listener, reached)
            listener.replaying = False
            raise

    async def _catch_up(self, listener: Listener, reached: int) -> bool:
        """Give the live events that were held; False if some did not fit, and have to be read."""
        # Giving one lets the next live one in, so this ends only in a moment in which nothing is left.
        while listener.pending and not listener.overflowed:
            event = listener.pending.popleft()
            if event.event_id > reached:
                await self._give(listener, event)
        if listener.overflowed:
            listener.overflowed = False
            listener.pending.clear()
            return False
        listener.replaying = False
        return True

    def _hold(self, listener: Listener, event: OutboxEvent) -> None:
        if len(listener.pending) < MAX_PENDING:
            listener.pending.append(event)
        else:
            listener.overflowed = True

    async def _give(self, listener: Listener, event: OutboxEvent) -> None:
        if self._audiences.get(listener.sid) is not listener:
            return
        if self._wire.backlog(listener.sid) > MAX_BACKLOG:
            self._cut_off(listener)
            return
        listener.delivered = max(listener.delivered, event.event_id)
        await self._wire.emit(event.event, client_payload(event), listener.sid)

    def _cut_off(self, listener: Listener) -> None:
        _log.warning("slow_client_cut_off", sid=listener.sid, owner_id=listener.owner_id, rooms=len(listener.rooms))
        self._audiences.remove(listener.sid)
        task = asyncio.create_task(self._wire.disconnect(listener.sid))
        self._cutting_off.add(task)
        task.add_done_callback(self._cutting_off.discard)


def client_payload(event: OutboxEvent) -> dict[str, Any]:
    """What clients get: the event's own fields, its number, and the picture of a QR code."""
    payload = {**event.payload, "eventId": event.event_id}
    if event.event == ClientEvent.QR_CODE and isinstance(code := payload.get("qrCode"), str):
        payload["qrCodeImage"] = qr_image.data_uri(code)
    return payload
