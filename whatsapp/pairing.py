"""Pairing a new device: each attempt in a process that is thrown away (see `pairing_server`, `pairing_child`)."""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager

import structlog

from contracts.device import Paired, PairingEvent, PairingFailed, QrShown
from contracts.errors import PereneError
from contracts.hosting import PairResult
from contracts.session import Device
from whatsapp import pairing_packets
from whatsapp.library import Simulator, process_environment

_log = structlog.stdlib.get_logger("whatsapp.pairing")

NOWHERE = "http://127.0.0.1:0"
"""A proxy that refuses every connection: nothing can listen on port 0."""
BIRTH_TIMEOUT = 10.0
DEATH_TIMEOUT = 5.0
PAIRING_CODE_TIMEOUT = 30.0


class PairingProcessError(Exception):
    """The pairing server or one of its children cannot be started."""


def server_environment(base: Mapping[str, str]) -> dict[str, str]:
    """The environment of the pairing server: a device that was just paired must find no way to log in from there."""
    kept = {name: value for name, value in base.items() if name.lower() not in {"https_proxy", "no_proxy"}}
    return {**process_environment(kept), "HTTPS_PROXY": NOWHERE}


def adv_key_of(payload: str) -> bytes:
    """The 32-byte secret in a QR payload: the field before the last (`makeQRData` in whatsmeow's pair.go).

    Raises ValueError for anything else.
    """
    fields = payload.rsplit(",", 2)
    key = base64.b64decode(fields[1], validate=True) if len(fields) == 3 else b""
    if len(key) != 32:
        raise ValueError("the QR payload has another form than whatsmeow's")
    return key


class ForkserverPairer:
    """`contracts.ports.Pairer`. The server is started by `start` or the first attempt, and again if it has died.

    `start` and `attempt` belong on the process's main thread, on the event loop: the server dies with the thread
    that started it.
    """

    def __init__(self, device_database_url: str, *, simulator: Simulator | None = None) -> None:
        self._database = device_database_url
        self._simulator = simulator
        self._server: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._starting = asyncio.Lock()

    async def start(self) -> None:
        """Start the server unless it runs. Raises PairingProcessError."""
        async with self._starting:
            if self._server is not None and self._server.poll() is None:
                return
            self._drop_server()
            ours, theirs = pairing_packets.pair()
            with theirs:
                command = [sys.executable, "-m", "whatsapp.pairing_server", str(theirs.fileno()), str(os.getpid())]
                self._server = subprocess.Popen(  # noqa: ASYNC220 - posix_spawn takes a millisecond
                    command,
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    env=server_environment(os.environ),
                    start_new_session=False,
                )
            ours.setblocking(False)
            self._control = ours
            packet, _ = await _receive(ours, BIRTH_TIMEOUT)
            if packet is None:
                self._drop_server()
                raise PairingProcessError("the pairing server did not start")

    async def close(self) -> None:
        """End the server and with it every attempt. Idempotent."""
        self._drop_server()

    @asynccontextmanager
    async def attempt(self, proxy: str | None) -> AsyncGenerator[NeonizePairing]:
        """See `contracts.ports.Pairer.attempt`. Raises PairingProcessError."""
        await self.start()
        pairing = await self._fork(proxy)
        try:
            yield pairing
        finally:
            await pairing.close()

    async def _fork(self, proxy: str | None) -> NeonizePairing:
        assert self._control is not None
        used = self._simulator.proxy if self._simulator is not None else proxy or _proxy_of_environment()
        request = {
            "database": self._database,
            "proxy": used,
            "simulator": None
            if self._simulator is None
            else {"proxy": self._simulator.proxy, "noise_root": self._simulator.noise_root.hex()},
        }
        ours, theirs = pairing_packets.pair()
        ours.setblocking(False)
        try:
            with theirs:
                pairing_packets.send(self._control, request, theirs.fileno())
            packet, descriptors = await _receive(ours, BIRTH_TIMEOUT)
            if packet is None or not descriptors:
                raise PairingProcessError("the pairing process did not start")
        except BaseException:
            ours.close()  # the child, if there is one, ends at the end of file
            raise
        return NeonizePairing(ours, descriptors[0])

    def _drop_server(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None


class NeonizePairing:
    """`contracts.ports.PairingAttempt`: the worker's end of one pairing process."""

    def __init__(self, end: socket.socket, process: int) -> None:
        """`process` is a pidfd; it becomes readable when the process and all its sockets are gone."""
        self._end = end
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[PairingEvent | None] = asyncio.Queue()
        self._gone = asyncio.Event()
        self._ids = itertools.count(1)
        self._codes: dict[int, asyncio.Future[str]] = {}
        self._final = False
        self._paired: Device | None = None
        self._loop.add_reader(self._end.fileno(), self._read)
        self._loop.add_reader(self._process, self._on_gone)

    async def events(self) -> AsyncIterator[PairingEvent]:
        """See `contracts.ports.PairingAttempt.events`. `Paired` comes when the process is gone."""
        while (event := await self._events.get()) is not None:
            yield event

    async def pairing_code(self, phone: str) -> str:
        """See `contracts.ports.PairingAttempt.pairing_code`."""
        if self._final:
            raise PereneError("the pairing is over", code="PAIRING_CODE_UNAVAILABLE")
        number = next(self._ids)
        answer = self._codes[number] = self._loop.create_future()
        try:
            pairing_packets.send(self._end, {"kind": "pairing_code", "id": number, "phone": phone})
            return await asyncio.wait_for(answer, PAIRING_CODE_TIMEOUT)
        except (OSError, TimeoutError) as error:
            raise PereneError("no pairing code came", code="PAIRING_CODE_UNAVAILABLE") from error
        finally:
            self._codes.pop(number, None)

    async def close(self) -> None:
        """Kill the process and wait until it is gone. Idempotent."""
        if not self._gone.is_set():
            try:
                signal.pidfd_send_signal(self._process, signal.SIGKILL)
            except ProcessLookupError:
                self._on_gone()
            await asyncio.shield(self._gone.wait())

    def _read(self) -> None:
        try:
            while True:
                packet, _ = pairing_packets.receive(self._end)
                if packet is None:
                    self._loop.remove_reader(self._end.fileno())
                    return
                self._take(packet)
        except BlockingIOError:
            return
        except (OSError, ValueError, KeyError) as error:
            _log.error("pairing process not understood", error=type(error).__name__)
            self._fail(PairResult.REFUSED, "the pairing process was not understood")
            self._loop.remove_reader(self._end.fileno())

    def _take(self, packet: pairing_packets.Packet) -> None:
        match packet["kind"]:
            case "qr":
                payload = str(packet["payload"])
                self._say(QrShown(payload, float(packet["lifetime"]), float(packet["at"]), adv_key_of(payload)))
            case "paired":
                self._paired = Device(**packet["device"])
            case "failed":
                self._fail(PairResult(packet["result"]), packet["detail"])
            case "pairing_code":
                answer = self._codes.get(int(packet["id"]))
                if answer is not None and not answer.done():
                    if packet["code"]:
                        answer.set_result(str(packet["code"]))
                    else:
                        answer.set_exception(PereneError(packet["error"], code="PAIRING_CODE_UNAVAILABLE"))
            case kind:
                raise ValueError(f"unknown packet {kind!r}")

    def _on_gone(self) -> None:
        if self._gone.is_set():
            return
        self._read_rest()
        self._loop.remove_reader(self._process)
        os.close(self._process)
        self._end.close()
        if self._paired is not None and not self._final:
            self._final = True
            self._events.put_nowait(Paired(self._paired))
        self._fail(PairResult.UNREACHABLE, "the pairing process died")
        self._events.put_nowait(None)
        for answer in self._codes.values():
            if not answer.done():
                answer.set_exception(PereneError("the pairing is over", code="PAIRING_CODE_UNAVAILABLE"))
        self._gone.set()

    def _read_rest(self) -> None:
        if select.select([self._end], [], [], 0)[0]:
            self._read()
        self._loop.remove_reader(self._end.fileno())

    def _say(self, event: PairingEvent) -> None:
        if not self._final:
            self._events.put_nowait(event)

    def _fail(self, result: PairResult, detail: str | None) -> None:
        if not self._final:
            self._final = True
            self._events.put_nowait(PairingFailed(str(result), detail))


def _proxy_of_environment() -> str | None:
    return os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy")


async def _receive(end: socket.socket, timeout: float) -> tuple[pairing_packets.Packet | None, list[int]]:
    loop = asyncio.get_running_loop()
    readable = loop.create_future()
    loop.add_reader(end.fileno(), lambda: readable.done() or readable.set_result(None))
    try:
        await asyncio.wait_for(readable, timeout)
    except TimeoutError:
        return None, []
    finally:
        loop.remove_reader(end.fileno())
    return pairing_packets.receive(end)
