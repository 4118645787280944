"""How long one session's steps take, against a stack on the simulator that runs on this machine.

Each round is a new connection of an owner of its own: create it, see its QR code on Socket.IO, scan it, see it
connected, send a message to a customer and receive one, and remove it.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Any
from uuid import uuid4

import aiohttp
import socketio  # pyright: ignore[reportMissingTypeStubs]

BASE = "/api/baileys-simple"
CUSTOMER = "5521977770001"
PATIENCE_SECONDS = 60.0

STEPS = {
    "qr": "POST → QR code on Socket.IO",
    "connected": "scan → connected on Socket.IO",
    "out": "POST send-message → WhatsApp's server has it",
    "in": "customer's send → newMessage on Socket.IO",
}


class Round:
    """One connection's life, and what each step of it took, in seconds."""

    def __init__(self, api: str, simulator: str, http: aiohttp.ClientSession, number: int):
        self._api = api + BASE
        self._root = api
        self._simulator = simulator
        self._http = http
        self._phone = f"5511{930000000 + number}"
        self._owner = str(uuid4())
        self._events: asyncio.Queue[tuple[str, dict[str, Any], float]] = asyncio.Queue()
        self.times: dict[str, float] = {}

    async def run(self) -> None:
        """Raises TimeoutError where a step does not come true."""
        client = socketio.AsyncClient(reconnection=False)
        for name in ("qrCode", "connectionUpdate", "newMessage"):
            client.on(name, lambda payload, name=name: self._events.put_nowait((name, payload, time.perf_counter())))  # pyright: ignore
        await client.connect(self._root, auth={"userId": self._owner}, transports=["websocket"])  # pyright: ignore
        try:
            began = time.perf_counter()
            connection = (await self._call("POST", "/connections"))["data"]["id"]
            shown, at = await self._event("qrCode")
            self.times["qr"] = at - began
            await client.call("joinConnection", {"connectionId": connection})  # pyright: ignore
            began = time.perf_counter()
            await self._phone_call("/phone/scan", {"qr": shown["qrCode"], "phone": self._phone})
            while (update := await self._event("connectionUpdate"))[0]["update"]["state"] != "connected":
                continue
            self.times["connected"] = update[1] - began
            began = time.perf_counter()
            body = {"chatId": CUSTOMER, "type": "text", "text": "Bom dia"}
            await self._call("POST", f"/connections/{connection}/send-message", body)
            self.times["out"] = time.perf_counter() - began
            began = time.perf_counter()
            await self._phone_call(f"/phone/{CUSTOMER}/send", {"to": self._phone, "text": "Olá"})
            while (message := await self._event("newMessage"))[0]["conteudo"] != "Olá":
                continue
            self.times["in"] = message[1] - began
            await self._call("DELETE", f"/connections/{connection}")
        finally:
            await client.disconnect()  # pyright: ignore

    async def _event(self, name: str) -> tuple[dict[str, Any], float]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                seen, payload, at = await self._events.get()
                if seen == name:
                    return payload, at

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        headers = {"x-user-id": self._owner}
        async with self._http.request(method, self._api + path, json=body, headers=headers) as response:
            response.raise_for_status()
            return await response.json()

    async def _phone_call(self, path: str, body: dict[str, Any]) -> None:
        async with self._http.post(self._simulator + path, json=body) as response:
            response.raise_for_status()


async def measure(api: str, simulator: str, rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds by step: p50, p99 and most, over `rounds` connections, one after the other."""
    times: dict[str, list[float]] = {step: [] for step in STEPS}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS)) as http:
        # The first round starts the simulated customer's phone, and is not counted.
        for number in range(rounds + 1):
            one = Round(api, simulator, http, number)
            await one.run()
            for step, seconds in one.times.items():
                if number:
                    times[step].append(1000 * seconds)
    return {step: _summary(values) for step, values in times.items()}


def _summary(values: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {"p50": round(cuts[49], 1), "p99": round(cuts[98], 1), "max": round(max(values), 1)}
