"""A Socket.IO client that notes what it hears, in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import socketio

from contracts.realtime import ClientEvent

PATIENCE_SECONDS = 10.0


class SocketClient:
    """`heard` holds (event name, payload) in the order they came."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self._news = asyncio.Condition()
        self.socket = socketio.AsyncClient(reconnection=False, http_session=session)
        for event in ClientEvent:
            self._listen(event.value)

    def _listen(self, name: str) -> None:
        async def take(payload: dict[str, Any]) -> None:
            async with self._news:
                self.heard.append((name, payload))
                self._news.notify_all()

        self.socket.on(name, take)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.heard]

    @property
    def ids(self) -> list[int]:
        return [payload["eventId"] for _, payload in self.heard]

    async def hears(self, count: int) -> list[tuple[str, dict[str, Any]]]:
        """Wait until `count` events were heard."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._news:
            await self._news.wait_for(lambda: len(self.heard) >= count)
        return self.heard

    async def hears_event(self, event_id: int) -> None:
        """Wait until the event of this number was heard."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._news:
            await self._news.wait_for(lambda: event_id in self.ids)

    async def ask(self, event: str, *payload: Any) -> Any:
        """Emit and wait for the acknowledgement."""
        data = payload[0] if len(payload) == 1 else payload or None
        return await self.socket.call(event, data, timeout=PATIENCE_SECONDS)


@asynccontextmanager
async def connected(
    url: str, *, owner: str | None = None, transport: str = "websocket", auth: dict[str, Any] | None = None
) -> AsyncGenerator[SocketClient]:
    """A client that is connected while in here."""
    session = aiohttp.ClientSession()
    client = SocketClient(session)
    headers = {"x-user-id": owner} if owner else {}
    try:
        await client.socket.connect(
            url, headers=headers, transports=[transport], auth=auth, wait_timeout=PATIENCE_SECONDS
        )
        yield client
    finally:
        if transport == "polling":
            # Its library leaves the last poll hanging; a browser aborts it.
            await session.close()
            await client.socket.wait()
        else:
            await client.socket.disconnect()
            await session.close()
