"""What a scenario of the adapter needs: a real host and pairer, and the simulator's control API."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp

from contracts.device import Connected, DeviceEvent, MessageArrived, Paired, PairingEvent, QrShown
from contracts.session import Device
from whatsapp.hosting import NeonizeHost
from whatsapp.library import Simulator
from whatsapp.live_session import NeonizeSession
from whatsapp.pairing import ForkserverPairer

T = TypeVar("T")
PATIENCE = 40.0


async def until(condition: Callable[[], Awaitable[T | None]], what: str, seconds: float = PATIENCE) -> T:
    """The first truthy result of `condition`, looked at again and again."""
    ends = time.monotonic() + seconds
    while True:
        found = await condition()
        if found:
            return found
        assert time.monotonic() < ends, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(0.02)


@dataclass
class Watched:
    """A session whose events are collected as they come."""

    session: NeonizeSession
    seen: list[DeviceEvent] = field(default_factory=list[DeviceEvent])
    ended: bool = False
    _task: asyncio.Task[None] | None = None

    def watch(self) -> Watched:
        self._task = asyncio.create_task(self._collect())
        return self

    async def _collect(self) -> None:
        async for event in self.session.events():
            self.seen.append(event)
        self.ended = True

    async def saw(self, kind: type[T], after: int = 0, seconds: float = PATIENCE) -> T:
        """The first event of `kind` at or after position `after`."""

        async def look() -> T | None:
            return next((event for event in self.seen[after:] if isinstance(event, kind)), None)

        try:
            return await until(look, kind.__name__, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; seen: {[type(event).__name__ for event in self.seen]}") from error

    def texts(self) -> list[str | None]:
        return [event.message.text for event in self.seen if isinstance(event, MessageArrived)]


class AdapterWorld:
    """One process's host and pairer against one simulator."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.url: str = config["simulator"]
        self.database: str = config["database"]
        self.simulator = Simulator(config["info"]["proxy"], bytes.fromhex(config["info"]["noiseRoot"]))
        self.host = NeonizeHost(self.database, 200, simulator=self.simulator)
        self.pairer = ForkserverPairer(self.database, simulator=self.simulator)
        self.options: dict[str, Any] = config.get("options", {})
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60))

    async def close(self) -> None:
        await self.host.close()
        await self.pairer.close()
        await self._http.close()

    async def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        async with self._http.request(method, self.url + path, json=body) as answer:
            text = await answer.text()
            assert answer.status < 400, f"{method} {path}: {answer.status} {text}"
            return json.loads(text) if text else {}

    async def fault(self, target: str, kind: str, **more: object) -> None:
        await self.call("POST", "/faults", {"target": target, "kind": kind, **more})

    async def no_faults(self) -> None:
        await self.call("DELETE", "/faults")

    async def device(self, jid: str) -> dict[str, Any]:
        devices = (await self.call("GET", "/devices"))["devices"]
        return next(device for device in devices if device["jid"] == jid)

    async def scan(self, qr: str, phone: str, name: str = "Loja") -> None:
        await self.call("POST", "/phone/scan", {"qr": qr, "phone": phone, "name": name})

    async def pair(self, phone: str) -> Device:
        """Link a new device of `phone`."""
        async with self.pairer.attempt(None) as attempt:
            async for event in attempt.events():
                match event:
                    case QrShown(payload):
                        await self.scan(payload, phone)
                    case Paired(device):
                        return device
                    case _:
                        raise AssertionError(f"not paired: {event}")
        raise AssertionError("the attempt ended without a result")

    async def host_device(self, key: str, device: Device) -> Watched:
        """Open a session and watch it."""
        return Watched(await self.host.open(key, device, None)).watch()

    async def connected(self, key: str, phone: str) -> tuple[Device, Watched]:
        """A paired, hosted, logged-in session."""
        device = await self.pair(phone)
        watched = await self.host_device(key, device)
        await watched.saw(Connected)
        return device, watched


async def events_of(attempt: Any, most: int = 100) -> list[PairingEvent]:
    """All events of a pairing attempt."""
    found: list[PairingEvent] = []
    async for event in attempt.events():
        found.append(event)
        assert len(found) <= most
    return found
