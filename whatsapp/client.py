"""One client in the Go library: the thread its event loop runs on, and the way its callbacks come back."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Concatenate, ParamSpec, TypeVar

import structlog

from whatsapp.event_codes import HOSTED, EventCode
from whatsapp.gate import Gate
from whatsapp.library import EventCallback, Library, ProxySettings, StringCallback
from whatsapp.log_lines import LOG_LEVEL, make_log_callback, redact
from whatsapp.protobufs import companion
from whatsapp.threads import start_thread

_log = structlog.stdlib.get_logger("whatsapp.client")

P = ParamSpec("P")
T = TypeVar("T")
OnEvent = Callable[[int, bytes], None]
OnReturn = Callable[[str], None]
CLIENT_NOT_FOUND = "client not found"
"""What `SetProxyAddress` answers for an id the library does not have (main.go)."""


class ClientGone(Exception):
    """The client was closed."""


def device_props() -> bytes:
    """How the linked device is named on the phone, for the library's registration. A desktop-like web client."""
    props = companion.DeviceProps(os="Perene", platformType=companion.DeviceProps.CHROME, requireFullSync=False)
    return props.SerializeToString()


class DeadEnd:
    """A proxy address where no connection can ever be made: the last proxy of a client that is being stopped."""

    def __init__(self) -> None:
        # Port 0 cannot be listened on, so a dial is refused at once, whatever runs on this machine.
        self.settings = ProxySettings(b"http://127.0.0.1:0", False, False, False)


@dataclass
class CallbackCounters:
    """What happened in callbacks from Go, where an exception can go nowhere."""

    errors: int = 0
    unclaimed: int = 0
    """Events of clients that nobody holds any more."""


class Switchboard:
    """The C callbacks shared by all clients of a process; they find a client's handler by its id.

    They are never freed: a goroutine may call one after its client is gone.
    """

    def __init__(self) -> None:
        self.counters = CallbackCounters()
        self._handlers: dict[bytes, OnEvent] = {}
        self.event_callback = EventCallback(self._on_event)
        self.string_callback = StringCallback(self._on_string)
        self.log_callback = make_log_callback()

    def connect(self, client: bytes, on_event: OnEvent) -> None:
        """Deliver the events of `client` to `on_event`, on the client's own thread."""
        self._handlers[client] = on_event

    def disconnect(self, client: bytes) -> None:
        """Deliver no more."""
        self._handlers.pop(client, None)

    def _on_event(self, client: bytes | None, data: int | None, size: int, code: int) -> None:
        try:
            handler = self._handlers.get(client or b"")
            if handler is None:
                self.counters.unclaimed += 1
                return
            handler(code, ctypes.string_at(data, size) if data else b"")
        except Exception as error:  # noqa: BLE001 - nothing can be raised into Go
            self.counters.errors += 1
            _log.error("event callback failed", code=code, error=type(error).__name__)

    def _on_string(self, client: int | None, text: int | None) -> None:
        """A hosted client shows no QR code; the library wants the callback all the same."""


@dataclass(eq=False)
class Client:
    """One incarnation of a session in the library. Methods block; all but `wait` go through the gate."""

    library: Library
    gate: Gate
    switchboard: Switchboard
    dead_end: DeadEnd
    id: bytes
    database: str
    jid: bytes
    proxy: str | None
    on_event: OnEvent
    on_return: OnReturn
    entered: bool = False
    """Whether the event loop runs: the first connection is made and the maps will be read no more."""
    finished: bool = False
    """Whether the library's call has returned: no callback comes any more."""
    forgotten: bool = False
    """Whether the library was told to forget it: a call for it would abort the process."""
    last_event: float = 0.0
    """Monotonic seconds."""
    _started: bool = False
    _settled: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)

    def start(self, patience: float) -> None:
        """Start, alone in the gate until the event loop runs, the start fails, or `patience` seconds have passed.

        The limit keeps a server that does not answer from holding up everybody. What is left after it are two map
        reads of some nanoseconds, which would have to meet another start's write to do harm.
        """
        with self.gate.exclusive():
            self._started = True
            self.switchboard.connect(self.id, self._handle)
            start_thread(f"whatsapp-{self.id.decode()}", self._run)
            self._settled.wait(patience)

    def close(self, quiet: float, most: float) -> None:
        """Close the socket and end the event loop. When it returns, no socket of this client is open or will be.

        whatsmeow's `Disconnect` alone does not promise that: a reconnection that has finished its waiting and not yet
        taken the socket lock dials after it (`autoReconnect` in client.go). So the client is first given a proxy
        that leads nowhere. A dial before that holds the lock that `Disconnect` waits for, and is closed by it; a dial
        after it fails. Events already on their way are waited for: until `quiet` seconds without one, at most `most`.
        """
        if not self._started:
            return
        while True:
            settled = self._settled.is_set()
            if self._set_dead_end():
                self.call(self.library.disconnect)
            if settled:
                break
            self._settled.wait(0.25)
        if self.entered:
            self._drain(quiet, most)
        with self.gate.exclusive():
            self.forgotten = True
            self.library.stop(self.id)
        self._over.wait()
        self.switchboard.disconnect(self.id)

    def is_alive(self) -> bool:
        """Whether the socket is open and logged in; waits for a dial in progress."""
        try:
            return self.entered and self.call(self.library.is_connected) and self.call(self.library.is_logged_in)
        except ClientGone:
            return False

    def call(self, function: Callable[Concatenate[bytes, P], T], *arguments: P.args, **named: P.kwargs) -> T:
        """Call an exported function for this client through the gate. Raises ClientGone once it is closed."""
        with self.gate.shared():
            if self.forgotten or not self._started:
                raise ClientGone
            return function(self.id, *arguments, **named)

    def _set_dead_end(self) -> bool:
        try:
            error = self.call(self.library.set_proxy, self.dead_end.settings)
        except ClientGone:
            return False
        if error and error != CLIENT_NOT_FOUND:
            _log.error("proxy of a closing client not set", error=redact(error))
        return error != CLIENT_NOT_FOUND

    def _drain(self, quiet: float, most: float) -> None:
        began = time.monotonic()
        while (now := time.monotonic()) - began < most:
            remaining = max(self.last_event, began) + quiet - now
            if remaining <= 0 or self._over.wait(remaining):
                return

    def _handle(self, code: int, data: bytes) -> None:
        if code == EventCode.DEVICE:
            self.entered = True
            self._settled.set()
        self.last_event = time.monotonic()
        self.on_event(code, data)

    def _run(self) -> None:
        error = "the client's thread failed"
        try:
            error = self.library.start(
                database=self.database,
                client=self.id,
                jid=self.jid,
                log_level=LOG_LEVEL,
                on_qr=self.switchboard.string_callback,
                on_pairing_end=self.switchboard.string_callback,
                on_event=self.switchboard.event_callback,
                on_log=self.switchboard.log_callback,
                subscribed=HOSTED,
                device_props=device_props(),
                proxy=None if self.proxy is None else ProxySettings(self.proxy.encode(), False, False, False),
            )
        finally:
            self.finished = True
            self._over.set()
            self._settled.set()
            self.on_return(error)
