"""A host over a library that detects calls which would meet in Go's maps, and calls that would abort the process."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest

from contracts.device import Banned, Connected, DeviceEvent, Disconnected, LoggedOut
from contracts.errors import PereneError
from contracts.ports import SendOutcomeUnknown, SendRefused
from contracts.session import Device
from whatsapp import hosting, live_session
from whatsapp.client import CLIENT_NOT_FOUND
from whatsapp.event_codes import EventCode
from whatsapp.hosting import HostingRefused, NeonizeHost
from whatsapp.live_session import NeonizeSession
from whatsapp.protobufs import events

DEVICE = Device(jid="5511999990001:3@s.whatsapp.net", phone="5511999990001")
PATIENCE = 10.0


class FakeLibrary:
    """Behaves like goneonize at its edges: plain maps, an event loop a client, an abort for an unknown client."""

    path = Path("/nowhere")

    def __init__(self) -> None:
        self.aborts: list[str] = []
        self.clients: dict[bytes, FakeClient] = {}
        self.refusals: list[str] = []
        self.answer = events.SendMessageReturnFunction(
            SendResponse=events.SendResponse(Timestamp=1_760_000_000, ID="3EB0", ServerID=0, DebugTimings=_no_timings())
        ).SerializeToString()
        self.send_hangs = threading.Event()
        self.send_hangs.set()
        self.logout_error = ""
        self._count = threading.Lock()
        self._readers = 0
        self._writing = False

    def _touch(self, *, write: bool) -> None:
        with self._count:
            if self._writing or (write and self._readers):
                self.aborts.append("concurrent map access")
            if write:
                self._writing = True
            else:
                self._readers += 1
        time.sleep(0.0005)
        with self._count:
            if write:
                self._writing = False
            else:
                self._readers -= 1

    def _known(self, client: bytes) -> FakeClient:
        self._touch(write=False)
        if client not in self.clients:
            self.aborts.append(f"unknown client {client!r}")
        return self.clients[client]

    def start(self, *, client: bytes, on_event: Callable[..., None], **_: Any) -> str:
        self._touch(write=True)
        made = self.clients[client] = FakeClient(client, on_event)
        if self.refusals:
            return self.refusals.pop()
        made.connected = True
        self._touch(write=False)
        made.say(EventCode.DEVICE, _device())
        made.say(EventCode.CONNECTED, events.Connected(status=True).SerializeToString())
        made.over.wait()
        return made.error

    def stop(self, client: bytes) -> None:
        self._touch(write=True)
        gone = self.clients.pop(client, None)
        if gone is not None:
            gone.connected = False
            gone.over.set()

    def set_proxy(self, client: bytes, _: object) -> str:
        self._touch(write=False)
        return "" if client in self.clients else CLIENT_NOT_FOUND

    def disconnect(self, client: bytes) -> None:
        self._known(client).connected = False

    def is_connected(self, client: bytes) -> bool:
        return self._known(client).connected

    def is_logged_in(self, client: bytes) -> bool:
        return self._known(client).connected

    def send_message(self, client: bytes, _: bytes, __: bytes) -> bytes:
        self._known(client)
        self.send_hangs.wait(PATIENCE)
        return self.answer

    def mark_read(self, client: bytes, *_: object) -> str:
        self._known(client)
        return ""

    def logout(self, client: bytes) -> str:
        self._known(client)
        return self.logout_error


class FakeClient:
    def __init__(self, client: bytes, on_event: Callable[..., None]) -> None:
        self.id = client
        self.connected = False
        self.error = ""
        self.over = threading.Event()
        self._on_event = on_event

    def say(self, code: int, data: bytes) -> None:
        """An event, on a thread that is not the event loop's."""
        self._on_event(self.id, data, len(data), code)

    def end(self, error: str) -> None:
        """The event loop ends on an event that cannot be encoded."""
        self.error = error
        self.over.set()


def _no_timings() -> events.MessageDebugTimings:
    timings = events.MessageDebugTimings()
    for field in timings.DESCRIPTOR.fields:
        setattr(timings, field.name, 0)
    return timings


def _device() -> bytes:
    return events.Device(Platform="android", BussinessName="", PushName="Loja", Initialized=True).SerializeToString()


class Collected:
    """A session's events as they come."""

    def __init__(self, session: NeonizeSession) -> None:
        self.session = session
        self.seen: list[DeviceEvent] = []
        self.task = asyncio.create_task(self._collect())

    async def _collect(self) -> None:
        async for event in self.session.events():
            self.seen.append(event)

    async def kinds(self, *kinds: type) -> None:
        """Wait until the events' kinds are these."""
        ends = time.monotonic() + PATIENCE
        while [type(event) for event in self.seen] != list(kinds):
            assert time.monotonic() < ends, f"seen: {self.seen}"
            await asyncio.sleep(0.005)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> FakeLibrary:
    fake = FakeLibrary()

    def give(_: object) -> FakeLibrary:
        return fake

    monkeypatch.setattr(hosting, "load", give)
    monkeypatch.setattr("whatsapp.client.EventCallback", lambda function: function)
    monkeypatch.setattr("ctypes.string_at", lambda data, size: data[:size])
    monkeypatch.setattr(live_session, "RESTART_FIRST", 0.02)
    monkeypatch.setattr(live_session, "QUIET", 0.01)
    return fake


@pytest.fixture
async def host(library: FakeLibrary) -> AsyncGenerator[NeonizeHost]:
    made = NeonizeHost("postgres://x@/y", 40)
    yield made
    library.send_hangs.set()
    await made.close()
    assert library.aborts == []
    assert library.clients == {}


async def _open(host: NeonizeHost, key: str = "c@1") -> Collected:
    return Collected(await host.open(key, DEVICE, None))


def _client(library: FakeLibrary) -> FakeClient:
    (client,) = library.clients.values()
    return client


async def test_a_session_logs_in_and_ends_with_its_stop(host: NeonizeHost, library: FakeLibrary) -> None:
    session = await _open(host)
    await session.kinds(Connected)
    assert session.seen == [Connected("Loja")]
    assert set(library.clients) == {b"c@1#1"}
    await session.session.stop()
    await session.task
    assert library.clients == {}


async def test_sessions_start_stop_and_send_together_without_meeting_in_a_map(host: NeonizeHost) -> None:
    busy = [await _open(host, f"busy{number}") for number in range(4)]
    for session in busy:
        await session.kinds(Connected)
    stop = asyncio.Event()

    async def keep_sending(session: NeonizeSession) -> int:
        count = 0
        while not stop.is_set():
            await session.send_text("5511988880001", "oi")
            await session.mark_read("5511988880001", None, ["A"])
            count += 1
        return count

    sending = [asyncio.create_task(keep_sending(session.session)) for session in busy]
    for turn in range(3):
        opened = await asyncio.gather(*(_open(host, f"s{number}@{turn}") for number in range(25)))
        await asyncio.gather(*(session.session.stop() for session in opened))
    stop.set()
    assert min(await asyncio.gather(*sending)) > 0


async def test_a_first_connection_that_fails_is_tried_again(host: NeonizeHost, library: FakeLibrary) -> None:
    library.refusals = ["failed to dial", "failed to dial"]
    session = await _open(host)
    await session.kinds(Disconnected, Connected)
    assert session.session.counters.starts == 3


async def test_an_event_loop_that_ended_on_an_unknown_receipt_is_started_again(
    host: NeonizeHost, library: FakeLibrary
) -> None:
    session = await _open(host)
    await session.kinds(Connected)
    _client(library).end("proto: required field neonize.Receipt.Type not set")
    await session.kinds(Connected, Disconnected, Connected)


async def test_an_event_loop_that_ended_on_an_unknown_ban_is_a_ban(host: NeonizeHost, library: FakeLibrary) -> None:
    session = await _open(host)
    await session.kinds(Connected)
    _client(library).end("proto: required field neonize.TemporaryBan.Code not set")
    await session.kinds(Connected, Banned)
    with pytest.raises(SendRefused):
        await session.session.send_text("5511988880001", "oi")


async def test_a_socket_that_does_not_answer_is_made_anew(host: NeonizeHost, library: FakeLibrary) -> None:
    session = await _open(host)
    await session.kinds(Connected)
    timeout = events.KeepAliveTimeout(ErrorCount=2, LastSuccess=0).SerializeToString()
    await asyncio.to_thread(_client(library).say, EventCode.KEEP_ALIVE_TIMEOUT, timeout)
    await session.kinds(Connected, Disconnected, Connected)


async def test_a_loss_that_the_library_does_not_report_is_found(host: NeonizeHost, library: FakeLibrary) -> None:
    session = await _open(host)
    await session.kinds(Connected)
    _client(library).connected = False
    await session.session.check()
    await session.kinds(Connected, Disconnected, Connected)


async def test_nothing_is_tried_after_an_end(host: NeonizeHost, library: FakeLibrary) -> None:
    session = await _open(host)
    await session.kinds(Connected)
    logged_out = events.LoggedOut(OnConnect=False, Reason=events.ConnectFailureReason.LOGGED_OUT)
    client = _client(library)
    await asyncio.to_thread(client.say, EventCode.LOGGED_OUT, logged_out.SerializeToString())
    client.end("proto: something else")
    await session.kinds(Connected, LoggedOut)
    await session.session.check()
    assert session.session.counters.starts == 1


async def test_an_event_that_cannot_be_read_is_counted_and_the_next_one_is_read(
    host: NeonizeHost, library: FakeLibrary
) -> None:
    session = await _open(host)
    await session.kinds(Connected)
    await asyncio.to_thread(_client(library).say, EventCode.MESSAGE, b"\xff\xff")
    await asyncio.to_thread(_client(library).say, EventCode.DISCONNECTED, b"\x08\x01")
    await session.kinds(Connected, Disconnected)
    assert host.counters.handler_errors == 1


async def test_a_send_that_hangs_holds_up_no_other_session(host: NeonizeHost, library: FakeLibrary) -> None:
    first, second = await _open(host, "a"), await _open(host, "b")
    await first.kinds(Connected)
    await second.kinds(Connected)
    library.send_hangs.clear()
    hanging = asyncio.create_task(first.session.send_text("5511988880001", "oi"))
    await asyncio.sleep(0)
    await asyncio.wait_for(second.session.mark_read("5511988880001", None, ["A"]), 5)
    third = await asyncio.wait_for(_open(host, "c"), 5)
    await third.kinds(Connected)
    await asyncio.wait_for(second.session.stop(), 5)
    library.send_hangs.set()
    assert (await hanging).message_id == "3EB0"


async def test_a_hanging_send_is_unknown_and_the_next_is_refused_at_once(
    host: NeonizeHost, library: FakeLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whatsapp.commands.SEND_TIMEOUT", 0.05)
    session = await _open(host)
    await session.kinds(Connected)
    library.send_hangs.clear()
    with pytest.raises(SendOutcomeUnknown):
        await session.session.send_text("5511988880001", "oi")
    with pytest.raises(SendRefused, match="earlier send"):
        await session.session.send_text("5511988880001", "oi")


async def test_errors_of_a_send_are_told_apart(host: NeonizeHost, library: FakeLibrary) -> None:
    session = await _open(host)
    await session.kinds(Connected)
    library.answer = events.SendMessageReturnFunction(Error="server returned error 479").SerializeToString()
    with pytest.raises(SendRefused):
        await session.session.send_text("5511988880001", "oi")
    library.answer = events.SendMessageReturnFunction(Error="websocket closed").SerializeToString()
    with pytest.raises(SendOutcomeUnknown):
        await session.session.send_text("5511988880001", "oi")


async def test_a_log_out_that_fails_leaves_the_session_alive(host: NeonizeHost, library: FakeLibrary) -> None:
    session = await _open(host)
    await session.kinds(Connected)
    library.logout_error = "error sending logout request: websocket not connected"
    with pytest.raises(PereneError) as refused:
        await session.session.logout()
    assert refused.value.code == "SESSION_NOT_CONNECTED"
    assert session.session.is_logged_in
    library.logout_error = ""
    await session.session.logout()
    assert not session.session.is_logged_in


async def test_a_key_is_used_once_and_a_host_holds_no_more_than_its_capacity(library: FakeLibrary) -> None:
    host = NeonizeHost("postgres://x@/y", 2)
    await _open(host, "a")
    with pytest.raises(HostingRefused, match="open already"):
        await _open(host, "a")
    await _open(host, "b")
    with pytest.raises(HostingRefused, match="2 sessions"):
        await _open(host, "c")
    await host.close()
    await host.close()
    with pytest.raises(HostingRefused, match="closing"):
        await _open(host, "d")
    assert (library.clients, library.aborts) == ({}, [])


async def test_an_opening_that_is_cancelled_leaves_no_client(host: NeonizeHost, library: FakeLibrary) -> None:
    opening = asyncio.create_task(_open(host))
    await asyncio.sleep(0.001)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert library.clients == {}
    session = await _open(host)
    await session.kinds(Connected)


async def test_a_stop_that_is_cancelled_goes_on(host: NeonizeHost, library: FakeLibrary) -> None:
    session = await _open(host)
    await session.kinds(Connected)
    stopping = asyncio.create_task(session.session.stop())
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    await asyncio.wait_for(session.task, PATIENCE)
    assert library.clients == {}


async def test_a_device_without_an_address_is_refused_before_the_library_sees_it(host: NeonizeHost) -> None:
    with pytest.raises(ValueError, match="JID"):
        await host.open("x", Device(jid="", phone=""), None)
    with pytest.raises(ValueError, match="postgres"):
        NeonizeHost("sqlite.db", 1)
