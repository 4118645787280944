"""One hosted device: its client in the library, kept alive, and its events in order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import get_args

import structlog

from contracts.device import Connected, DeviceEvent, Disconnected, EndEvent
from contracts.errors import PereneError
from contracts.ids import Jid
from contracts.messages import SendJob, SentMessage
from contracts.ports import SendRefused
from contracts.session import Device
from whatsapp.client import Client
from whatsapp.commands import Commands
from whatsapp.endings import loop_failure
from whatsapp.jids import chat_address, to_protobuf
from whatsapp.log_lines import redact
from whatsapp.session_events import Introduced, Undecryptable, Wedged, decode
from whatsapp.workshop import Workshop

_log = structlog.stdlib.get_logger("whatsapp.session")

_END_EVENTS = get_args(EndEvent)
QUIET = 0.15
"""Seconds without an event after which a closed client has nothing more to deliver."""
QUIET_MOST = 2.0
RESTART_FIRST = 1.0
RESTART_MOST = 20.0
LOGOUT_TIMEOUT = 25.0


@dataclass
class SessionCounters:
    """What one session has been through."""

    starts: int = 0
    """Clients made. Each leaves a small pool behind in the library: see `HostCounters`."""
    logins: int = 0
    undecryptable: int = 0
    handler_errors: int = 0


class NeonizeSession:
    """`contracts.ports.LiveSession` over one client at a time. Lives on the event loop that made it.

    whatsmeow reconnects by itself after a lost socket, but not if the first dial fails, if its event loop ends on an
    event it cannot encode, or if a socket is open and dead. In these cases the client is made anew here, with capped
    back-off and jitter, until `stop` or an end event.
    """

    def __init__(
        self, workshop: Workshop, key: str, device: Device, proxy: str | None, forget: Callable[[str], None]
    ) -> None:
        self._workshop = workshop
        self._loop = asyncio.get_running_loop()
        self._key = key
        self._jid = to_protobuf(Jid.parse(device.jid)).SerializeToString()
        self._proxy = proxy
        self._forget = forget
        self._queue: asyncio.Queue[DeviceEvent | None] = asyncio.Queue()
        self._client: Client | None = None
        self._changing = asyncio.Lock()
        self._restart: asyncio.Task[None] | None = None
        self._stop: asyncio.Task[None] | None = None
        self._logged_in = False
        self._ended = False
        self._lost = False
        self._failures = 0
        self._push_name: str | None = device.push_name
        self._checks: set[asyncio.Task[None]] = set()
        self._commands = Commands(workshop)
        self.counters = SessionCounters()

    @property
    def is_logged_in(self) -> bool:
        """Whether the last thing heard is that it is logged in."""
        return self._logged_in

    @property
    def waiting_events(self) -> int:
        """Events that came and were not yet taken."""
        return self._queue.qsize()

    async def open(self) -> None:
        """Start the first client. Its login, or its failure, comes as an event."""
        starting = asyncio.ensure_future(self._start_client())
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            await asyncio.gather(starting, return_exceptions=True)
            await self.stop()
            raise

    async def events(self) -> AsyncIterator[DeviceEvent]:
        """See `contracts.ports.LiveSession.events`."""
        while (event := await self._queue.get()) is not None:
            yield event

    async def stop(self) -> None:
        """See `contracts.ports.LiveSession.stop`. A cancelled caller leaves the stop running."""
        if self._stop is None:
            self._stop = self._loop.create_task(self._stop_all(), name=f"stop {self._key}")
        await asyncio.shield(self._stop)

    async def logout(self) -> None:
        """See `contracts.ports.LiveSession.logout`. WhatsApp has 25 s to answer."""
        client = self._ready_client()
        if client is None:
            raise PereneError("not logged in to WhatsApp", code="SESSION_NOT_CONNECTED")
        self._ended = True
        try:
            error = await self._commands.logout(client, LOGOUT_TIMEOUT)
        except TimeoutError as timeout:
            self._ended = False
            raise PereneError("WhatsApp did not answer the unlinking", code="SESSION_NOT_CONNECTED") from timeout
        if error:
            self._ended = False
            raise PereneError(redact(error), code="SESSION_NOT_CONNECTED")
        self._logged_in = False

    async def send_text(self, chat: str, text: str) -> SentMessage:
        """See `contracts.ports.LiveSession.send_text`."""
        return await self.send(SendJob(0, "", chat, "text", {"text": text}))

    async def send(self, job: SendJob) -> SentMessage:
        """See `contracts.ports.LiveSession.send`; payloads are listed in `whatsapp.outgoing`."""
        client = self._ready_client()
        if client is None:
            raise SendRefused("not logged in to WhatsApp")
        return await self._commands.send(client, job)

    async def mark_read(self, chat: str, participant: str | None, message_ids: Sequence[str]) -> None:
        """See `contracts.ports.LiveSession.mark_read`. Raises SESSION_NOT_CONNECTED or INVALID_CHAT_ID."""
        client = self._ready_client()
        if client is None:
            raise PereneError("not logged in to WhatsApp", code="SESSION_NOT_CONNECTED")
        try:
            to, sender = chat_address(chat), chat_address(participant) if participant else None
        except ValueError as error:
            raise PereneError(str(error), code="INVALID_CHAT_ID") from error
        await self._commands.mark_read(client, to, sender, message_ids)

    async def check(self) -> None:
        """Make the client anew if it believes to be logged in and is not: some losses whatsmeow does not report."""
        client = self._ready_client()
        if client is None or await self._workshop.call(client.is_alive):
            return
        if client is self._client and self._logged_in:
            self._lose("the socket is gone", restart=False)
            self._schedule_restart(client, only_if_dead=True)

    def _ready_client(self) -> Client | None:
        if self._ended or self._stop is not None or not self._logged_in:
            return None
        return self._client

    async def _start_client(self) -> None:
        async with self._changing:
            if self._stop is not None or self._ended:
                return
            self.counters.starts += 1
            number = self.counters.starts
            client = self._workshop.client(
                f"{self._key}#{number}",
                self._jid,
                self._proxy,
                lambda code, data: self._hand_over(self._on_event, number, code, data),
                lambda error: self._hand_over(self._on_return, number, error),
            )
            self._client = client
            await self._workshop.start(client)

    def _hand_over(self, handler: Callable[..., None], *arguments: object) -> None:
        """From a thread of the library to the event loop, in order."""
        try:
            self._loop.call_soon_threadsafe(handler, *arguments)
        except RuntimeError:
            self._workshop.switchboard.counters.unclaimed += 1  # the loop is closed: the process is ending

    def _on_event(self, number: int, code: int, data: bytes) -> None:
        if number != self.counters.starts:
            return
        try:
            decoded = decode(code, data)
        except Exception as error:  # noqa: BLE001 - one event that cannot be read must not end the session
            self.counters.handler_errors += 1
            self._workshop.counters.handler_errors += 1
            _log.error("event not understood", session=self._key, code=code, error=type(error).__name__)
            return
        match decoded:
            case None:
                return
            case Introduced(push_name):
                self._push_name = push_name or self._push_name
            case Undecryptable():
                self.counters.undecryptable += 1
                self._workshop.counters.undecryptable += 1
            case Wedged(detail):
                self._lose(detail, restart=True)
            case Connected():
                self._on_connected()
            case Disconnected(detail):
                self._lose(detail or "", restart=False)
            case _:
                self._emit(decoded)

    def _on_connected(self) -> None:
        self._logged_in = True
        self._lost = False
        self._failures = 0
        self.counters.logins += 1
        self._workshop.counters.logins += 1
        self._emit(Connected(self._push_name))
        # whatsmeow also says so when the socket fell during the login (handleConnectSuccess ignores the failed iq).
        check = self._loop.create_task(self.check(), name=f"check {self._key}")
        self._checks.add(check)
        check.add_done_callback(self._checks.discard)

    def _on_return(self, number: int, error: str) -> None:
        client = self._client
        if number != self.counters.starts or self._stop is not None or self._ended or client is None:
            return
        if not client.entered:
            self._lose(redact(error) or "the connection could not be made", restart=True)
            return
        _log.warning("event loop ended", session=self._key, error=redact(error))
        meaning = loop_failure(error)
        if isinstance(meaning, Disconnected):
            self._lose(meaning.detail or "", restart=True)
        else:
            self._emit(meaning)

    def _lose(self, detail: str, *, restart: bool) -> None:
        self._logged_in = False
        if not self._ended and not self._lost:
            self._lost = True
            self._emit(Disconnected(detail))
        if restart and self._client is not None:
            self._schedule_restart(self._client, only_if_dead=False)

    def _emit(self, event: DeviceEvent) -> None:
        if isinstance(event, _END_EVENTS):
            if self._ended:
                return
            self._ended = True
            self._logged_in = False
        self._queue.put_nowait(event)

    def _schedule_restart(self, client: Client, *, only_if_dead: bool) -> None:
        if self._ended or self._stop is not None or (self._restart is not None and not self._restart.done()):
            return
        self._failures += 1
        delay = min(RESTART_MOST, RESTART_FIRST * 2 ** (self._failures - 1)) * random.uniform(0.5, 1.0)
        self._restart = self._loop.create_task(
            self._restart_client(client, delay, only_if_dead=only_if_dead), name=f"restart {self._key}"
        )

    async def _restart_client(self, client: Client, delay: float, *, only_if_dead: bool) -> None:
        await asyncio.sleep(delay)
        if only_if_dead and (self._logged_in or await self._workshop.call(client.is_alive)):
            return
        async with self._changing:
            if self._client is not client or self._ended:
                return
            await self._workshop.call(client.close, QUIET, QUIET_MOST)
        self._restart = None
        await self._start_client()

    async def _stop_all(self) -> None:
        tasks = [task for task in (self._restart, *self._checks) if task is not None and not task.done()]
        for task in tasks:
            if task is not self._restart:
                task.cancel()
        async with self._changing:  # a start or a close that is under way is waited for: it cannot be taken back
            if self._restart is not None:
                self._restart.cancel()
            if self._client is not None:
                await self._workshop.call(self._client.close, QUIET, QUIET_MOST)
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # events handed over while closing
        self._logged_in = False
        self._queue.put_nowait(None)
        self._forget(self._key)
