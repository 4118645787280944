"""A CRM as a test plays it: REST calls of one owner, and a Socket.IO client that remembers what it heard."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import httpx
import socketio

from contracts.realtime import ClientEvent
from tests.conditions import PATIENCE_SECONDS, eventually

BASE = "/api/baileys-simple"
ANSWER_SECONDS = 6.0
"""Nothing may hang: an answer that takes longer fails the test, whatever it says. Commands may take longer."""
COMMAND_SECONDS = 30.0


class Crm:
    """One owner's frontend."""

    def __init__(self, owner: str, http: httpx.AsyncClient, socket: socketio.AsyncClient) -> None:
        self.owner = owner
        self.http = http
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self._socket = socket
        self._news = asyncio.Condition()
        for event in ClientEvent:
            self._listen(event.value)

    def _listen(self, name: str) -> None:
        async def take(payload: dict[str, Any]) -> None:
            async with self._news:
                self.heard.append((name, payload))
                self._news.notify_all()

        self._socket.on(name, take)

    # REST.

    async def ask(
        self, method: str, path: str, body: object = None, *, language: str = "pt-BR", within: float = ANSWER_SECONDS
    ) -> httpx.Response:
        """One request, whatever its answer. Raises httpx.TimeoutException past `within` seconds."""
        headers = {"Accept-Language": language}
        return await self.http.request(method, BASE + path, json=body, headers=headers, timeout=within)

    async def get(self, path: str, *, language: str = "pt-BR") -> Any:
        """The `data` of a read that must succeed."""
        return _data(await self.ask("GET", path, language=language))

    async def create(self, **fields: object) -> str:
        """A new connection; its id."""
        return _data(await self.ask("POST", "/connections", fields))["id"]

    async def command(self, connection: str, name: str) -> dict[str, Any]:
        """A lifecycle command that must succeed; the whole answer."""
        answer = await self.ask("POST", f"/connections/{connection}/{name}", within=COMMAND_SECONDS)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def delete(self, connection: str) -> None:
        answer = await self.ask("DELETE", f"/connections/{connection}", within=COMMAND_SECONDS)
        assert answer.status_code == 200, answer.text

    async def connection(self, connection: str, *, language: str = "pt-BR") -> dict[str, Any]:
        return await self.get(f"/connections/{connection}", language=language)

    async def history(self, connection: str) -> list[dict[str, Any]]:
        """What happened to it, oldest first."""
        return list(reversed(await self.get(f"/connections/{connection}/history?limit=200")))

    async def events_of(self, connection: str) -> list[str]:
        """The names of what happened to it, oldest first."""
        return [entry["event"] for entry in await self.history(connection)]

    async def in_state(self, connection: str, *states: str, within: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """Wait until the API shows it in one of these states."""

        async def look() -> dict[str, Any] | None:
            shown = await self.connection(connection)
            return shown if shown["state"] in states else None

        return await eventually(look, f"{connection} is {' or '.join(states)}", within=within)

    async def code(self, connection: str, *, other_than: str | None = None, within: float = PATIENCE_SECONDS) -> str:
        """Wait for a QR payload that can be scanned now, and is another than the one given."""

        async def look() -> str | None:
            shown = (await self.get(f"/connections/{connection}/qr"))["qrCode"]
            return shown if shown != other_than else None

        return await eventually(look, f"{connection} shows a code", within=within)

    async def send_text(self, connection: str, to: str, text: str) -> dict[str, Any]:
        body = {"chatId": to, "type": "text", "text": text}
        answer = await self.ask("POST", f"/connections/{connection}/send-message", body, within=COMMAND_SECONDS)
        assert answer.status_code < 300, answer.text
        return answer.json()

    # Socket.IO.

    def now(self) -> int:
        """A place in what was heard, for `hears`."""
        return len(self.heard)

    async def join(self, connection: str) -> None:
        answer = await self._socket.call("joinConnection", {"connectionId": connection}, timeout=10)
        assert answer["ok"], answer

    async def hears(
        self,
        name: str,
        connection: str,
        fits: Callable[[dict[str, Any]], bool] = lambda _: True,
        *,
        after: int = 0,
        within: float = PATIENCE_SECONDS,
    ) -> dict[str, Any]:
        """Wait for an event of this name, about this connection, that fits; heard at or after place `after`."""

        def found() -> dict[str, Any] | None:
            for heard, payload in self.heard[after:]:
                about = payload.get("connectionId", payload.get("connection_id"))
                if heard == name and about == connection and fits(payload):
                    return payload
            return None

        async with self._news:
            try:
                async with asyncio.timeout(within):
                    await self._news.wait_for(lambda: found() is not None)
            except TimeoutError:
                heard = [(name, payload.get("update")) for name, payload in self.heard[after:]]
                raise AssertionError(f"no fitting {name} of {connection} within {within:g} s; heard {heard}") from None
        payload = found()
        assert payload is not None
        return payload

    async def hears_state(self, connection: str, state: str, *, after: int = 0) -> dict[str, Any]:
        """Wait to be told that it is in a state; the `update`."""
        told = await self.hears(
            "connectionUpdate", connection, lambda payload: payload["update"]["state"] == state, after=after
        )
        return told["update"]


def _data(answer: httpx.Response) -> Any:
    assert answer.status_code < 300, answer.text
    body = answer.json()
    assert body["success"] is True, body
    return body["data"]


@asynccontextmanager
async def open_crm(api: str, *, owner: str | None = None) -> AsyncGenerator[Crm]:
    """A CRM of a new owner (or the one given) that listens while in here. Its socket comes back when the API does."""
    owner = owner or str(uuid.uuid4())
    session = aiohttp.ClientSession()
    socket = socketio.AsyncClient(
        http_session=session, reconnection_delay=0.2, reconnection_delay_max=1, randomization_factor=0
    )
    async with httpx.AsyncClient(base_url=api, headers={"x-user-id": owner}, trust_env=False) as http:
        crm = Crm(owner, http, socket)
        try:
            await socket.connect(api, headers={"x-user-id": owner}, transports=["websocket"], wait_timeout=10)
            yield crm
        finally:
            await socket.shutdown()
            await session.close()
