"""The other side: phones, customers and the weather, through the simulator's control API."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.conditions import PATIENCE_SECONDS, eventually

_numbers = itertools.count(os.getpid() % 10_000 * 1_000)


def fresh_phone() -> str:
    """A phone number that no other test of this run uses."""
    return f"55119{next(_numbers):08d}"


class PhoneWorld:
    """What people do with their phones, and what WhatsApp does to its clients."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def ask(self, method: str, path: str, body: object = None) -> httpx.Response:
        return await self._http.request(method, path, json=body, timeout=PATIENCE_SECONDS)

    async def _call(self, method: str, path: str, body: object = None) -> Any:
        answer = await self.ask(method, path, body)
        assert answer.status_code == 200, f"{path}: {answer.text}"
        return answer.json()

    async def scan(self, code: str, phone: str) -> str:
        """Scan a QR code that must be good; the JID of the linked device."""
        return (await self._call("POST", "/phone/scan", {"qr": code, "phone": phone}))["jid"]

    async def refusal(self, code: str, phone: str) -> str:
        """Scan a QR code that must be refused; the refusal's code."""
        answer = await self.ask("POST", "/phone/scan", {"qr": code, "phone": phone})
        assert answer.status_code >= 400, "the code could be scanned"
        return answer.json()["code"]

    async def unlink(self, phone: str) -> None:
        """Remove every linked device, on the phone."""
        await self._call("POST", f"/phone/{phone}/unlink")

    async def send(self, customer: str, to: str, text: str) -> None:
        await self._call("POST", f"/phone/{customer}/send", {"to": to, "text": text})

    async def receives(self, customer: str, text: str) -> None:
        """Wait until a customer's phone shows this text."""

        async def look() -> bool:
            answer = await self._call("GET", f"/phone/{customer}/messages")
            return any(message["text"] == text for message in answer["messages"])

        await eventually(look, f"{text!r} reaches {customer}")

    async def devices(self, phone: str) -> list[dict[str, Any]]:
        """The linked devices of a phone, as the server sees them."""
        answer = await self._call("GET", "/devices")
        return [device for device in answer["devices"] if device["phone"] == phone]

    async def device(self, phone: str) -> dict[str, Any]:
        """The one linked device of a phone."""
        (device,) = await self.devices(phone)
        return device

    async def connected(self, phone: str) -> dict[str, Any]:
        """Wait until the one linked device of a phone is logged in."""

        async def look() -> dict[str, Any] | None:
            devices = [device for device in await self.devices(phone) if device["connected"]]
            return devices[0] if devices else None

        return await eventually(look, f"the device of {phone} is connected")

    async def waiting(self) -> list[str]:
        """The references of all codes that are shown now."""
        return [pairing["ref"] for pairing in (await self._call("GET", "/pairings"))["pairings"]]

    async def fault(self, target: str, kind: str, **details: object) -> None:
        await self._call("POST", "/faults", {"target": target, "kind": kind, **details})

    async def fair_weather(self) -> None:
        """End all faults."""
        await self._call("DELETE", "/faults")

    async def stats(self) -> dict[str, Any]:
        return await self._call("GET", "/stats")


@asynccontextmanager
async def open_phone_world(address: str) -> AsyncGenerator[PhoneWorld]:
    """The simulator at an address."""
    async with httpx.AsyncClient(base_url=address, trust_env=False) as http:
        yield PhoneWorld(http)
