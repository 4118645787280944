"""The Socket.IO server: who may connect, which rooms they hear, and catching up after an absence."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, cast
from urllib.parse import parse_qsl

import socketio  # pyright: ignore[reportMissingTypeStubs]
import structlog
from socketio.exceptions import ConnectionRefusedError as Refused  # pyright: ignore[reportMissingTypeStubs]

from api.audience import Audiences, Listener, chat_room
from api.auth import Authenticator, Credentials
from api.cross_origin import Origins
from api.deadlines import database
from api.delivery import Delivery
from api.ports import Outbox, Sessions
from contracts.errors import ConnectionNotFound, PereneError
from contracts.ids import is_connection_id

MAX_ROOMS: Final = 500
"""Rooms one socket may be in."""
MAX_ROOM_NAME: Final = 512
_MAX_EVENT_ID: Final = 2**63 - 1
_MAX_CANDIDATES: Final = 8

Ack = dict[str, Any]

_log = structlog.get_logger()


class InvalidPayload(PereneError):
    """A client event's payload cannot be used."""

    code = "INVALID_REQUEST"


class SocketWire:
    """`api.delivery.Wire` over python-socketio."""

    def __init__(self, server: socketio.AsyncServer) -> None:
        self._server: Any = server  # The library has no type hints.

    async def emit(self, name: str, payload: dict[str, Any], sid: str) -> None:
        # It puts the packet into the socket's own queue and does not wait for the client.
        await self._server.emit(name, payload, to=sid)

    def backlog(self, sid: str) -> int:
        transport_id = self._server.manager.eio_sid_from_sid(sid, "/")
        socket = self._server.eio.sockets.get(transport_id)
        return 0 if socket is None else int(socket.queue.qsize())

    async def disconnect(self, sid: str) -> None:
        await self._server.disconnect(sid)


class Sockets:
    """Wires the client events to the audience."""

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        sessions: Sessions,
        outbox: Outbox,
        origins: Origins,
        newest: Callable[[], int | None],
    ) -> None:
        """`newest`: the highest event number the relay has seen, or None."""
        self.server: Any = socketio.AsyncServer(
            async_mode="asgi",
            cors_allowed_origins=origins.check_environ,
            # One socket's events are handled in their order: a join that was sent before a resume counts for it.
            async_handlers=False,
            logger=False,
            engineio_logger=False,
        )
        self.audiences = Audiences()
        self.delivery = Delivery(self.audiences, outbox, SocketWire(self.server), newest=newest)
        self._authenticator = authenticator
        self._sessions = sessions
        self._expiries: dict[str, asyncio.TimerHandle] = {}
        self._ending: set[asyncio.Future[None]] = set()
        self.server.on("connect", self._connect)
        self.server.on("disconnect", self._disconnect)
        self.server.on("join", self._join)
        self.server.on("joinConnection", self._join_connection)
        self.server.on("leave", self._leave)
        self.server.on("resume", self._resume)

    async def close(self) -> None:
        """Let every client go: those that poll would hold up the end of the process."""
        for socket in list(self.server.eio.sockets.values()):
            await socket.close(wait=False)

    async def _connect(self, sid: str, environ: dict[str, Any], auth: object = None) -> None:
        scope = cast("dict[str, Any]", environ["asgi.scope"])
        try:
            caller = await self._authenticator.authenticate(_credentials(scope, auth))
        except PereneError as error:
            raise Refused(error.code) from error
        if caller.expires_at is not None:
            self._expiries[sid] = asyncio.get_running_loop().call_later(
                max(0.0, caller.expires_at - time.time()), self._expire, sid
            )
        self.audiences.add(Listener(sid, caller.owner_id))

    async def _disconnect(self, sid: str, _reason: str = "") -> None:
        self.audiences.remove(sid)
        if (expiry := self._expiries.pop(sid, None)) is not None:
            expiry.cancel()

    def _expire(self, sid: str) -> None:
        """End a socket whose token is over; it hears nothing from this moment on."""
        self.audiences.remove(sid)
        task = asyncio.ensure_future(self.server.disconnect(sid))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _join(self, sid: str, *arguments: object) -> Ack:
        return await self._answer(self._join_room(sid, arguments))

    async def _join_connection(self, sid: str, *arguments: object) -> Ack:
        async def work() -> Ack:
            connection_id = _text(_payload(arguments), "connectionId")
            await self._enter(sid, connection_id, [connection_id])
            return {}

        return await self._answer(work())

    async def _leave(self, sid: str, *arguments: object) -> Ack:
        async def work() -> Ack:
            payload = _payload(arguments)
            listener = self._listener(sid)
            room = _text(payload, "room") if "room" in payload else _conversation_room(payload)
            listener.rooms.discard(room)
            return {}

        return await self._answer(work())

    async def _resume(self, sid: str, *arguments: object) -> Ack:
        async def work() -> Ack:
            after = _payload(arguments).get("after")
            if isinstance(after, bool) or not isinstance(after, int) or not 0 <= after <= _MAX_EVENT_ID:
                raise InvalidPayload
            resumed = await self.delivery.resume(self._listener(sid), after)
            return {"last": resumed.last, "complete": resumed.complete}

        return await self._answer(work())

    async def _join_room(self, sid: str, arguments: tuple[object, ...]) -> Ack:
        payload = _payload(arguments)
        if "room" in payload:
            room = _text(payload, "room")
            await self._enter(sid, room, _possible_connections(room))
        else:
            await self._enter(sid, _conversation_room(payload), [_text(payload, "connectionId")])
        return {}

    async def _enter(self, sid: str, room: str, possible_connections: list[str]) -> None:
        """Join `room` if one of the connections it may belong to is the owner's. Raises ConnectionNotFound."""
        listener = self._listener(sid)
        if room in listener.rooms:
            return
        for connection_id in possible_connections:
            if is_connection_id(connection_id):
                try:
                    await database(self._sessions.get(listener.owner_id, connection_id))
                except ConnectionNotFound:
                    continue
                if len(listener.rooms) >= MAX_ROOMS:
                    raise InvalidPayload("too many rooms")
                listener.rooms.add(room)
                await self.delivery.joined(listener, room)
                return
        raise ConnectionNotFound

    def _listener(self, sid: str) -> Listener:
        listener = self.audiences.get(sid)
        if listener is None:
            raise PereneError("the socket was cut off", code="UNAUTHENTICATED")
        return listener

    async def _answer(self, work: Awaitable[Ack]) -> Ack:
        try:
            return {"ok": True, **await work}
        except PereneError as error:
            return {"ok": False, "code": error.code}
        except Exception:  # noqa: BLE001 - a client waits for its acknowledgement, whatever happened here
            _log.exception("socket_event_failed")
            return {"ok": False, "code": "INTERNAL_ERROR"}


def _credentials(scope: Mapping[str, Any], auth: object) -> Credentials:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    query = dict(parse_qsl(cast(bytes, scope.get("query_string", b"")).decode("latin-1")))
    given = cast("dict[str, Any]", auth) if isinstance(auth, dict) else {}
    return Credentials(headers, query, given)


def _payload(arguments: tuple[object, ...]) -> Mapping[str, object]:
    if len(arguments) != 1 or not isinstance(arguments[0], dict):
        raise InvalidPayload
    return cast("dict[str, object]", arguments[0])


def _text(payload: Mapping[str, object], name: str) -> str:
    value = payload.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_ROOM_NAME:
        raise InvalidPayload
    return value


def _conversation_room(payload: Mapping[str, object]) -> str:
    connection_id = _text(payload, "connectionId")
    if payload.get("conversationId") is None:
        return connection_id
    return chat_room(connection_id, _text(payload, "conversationId"))


def _possible_connections(room: str) -> list[str]:
    """A room is `<connectionId>` or `<connectionId>-<chatId>`, and an id may hold dashes itself: the longest first."""
    parts = room.split("-")
    return ["-".join(parts[:count]) for count in range(len(parts), 0, -1)][:_MAX_CANDIDATES]
