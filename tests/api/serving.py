"""An ASGI application on a free port of loopback, inside the test's own event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

from api.sockets import Sockets


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield  # Signals are pytest's.


@dataclass(frozen=True)
class Served:
    """Where it is served; `uvicorn` is the server."""

    port: int
    uvicorn: uvicorn.Server

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def serve_app(application: Any, sockets: Sockets | None = None) -> AsyncGenerator[Served]:
    """Serve until the context ends."""
    config = uvicorn.Config(
        application, host="127.0.0.1", port=0, log_config=None, access_log=False, timeout_graceful_shutdown=1
    )
    server = _Server(config)
    started = asyncio.Event()
    original = server.startup

    async def startup(sockets: Any = None) -> None:
        await original(sockets)
        started.set()

    server.startup = startup  # type: ignore[method-assign]
    running = asyncio.create_task(server.serve())
    waiting = asyncio.create_task(started.wait())
    await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if running.done():
        running.result()
    try:
        yield Served(server.servers[0].sockets[0].getsockname()[1], server)
    finally:
        if sockets is not None:
            await sockets.close()
        server.should_exit = True
        await running
