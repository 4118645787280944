"""The simulator as a server: one port for everything, started and stopped in order."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable

from aiohttp import web

from simulator.certificates import server_context
from simulator.chat_socket import ChatSocket
from simulator.control import control_app
from simulator.doorway import Doorway
from simulator.media_store import media_app
from simulator.phone_errors import PhoneError
from simulator.phones import Phones
from simulator.settings import Settings
from simulator.world import World

_BACKLOG = 2048
_PATIENCE = 1.0
"""Seconds that a request at hand may take when the server stops."""
_log = logging.getLogger(__name__)


class Server:
    """Serves chat clients, media, the control API and the page. `start` it, and `close` it."""

    tls: ssl.SSLContext

    def __init__(self, settings: Settings) -> None:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._settings = settings
        self.tls = server_context(settings.data_dir)
        self.world = World(settings)
        self._http: Callable[[], asyncio.Protocol] | None = None
        self._media: Callable[[], asyncio.Protocol] | None = None
        self._runners: list[web.AppRunner] = []
        self._listener: asyncio.Server | None = None
        self._phones: Phones | None = None
        self._resuming: asyncio.Task[None] | None = None

    async def start(self) -> int:
        """Listen; the port."""
        settings, loop = self._settings, asyncio.get_running_loop()
        self._listener = await loop.create_server(
            lambda: Doorway(self), settings.host, settings.port, backlog=_BACKLOG, start_serving=False
        )
        port: int = self._listener.sockets[0].getsockname()[1]
        self._phones = Phones(
            port, settings.data_dir / "ca.pem", self.world.keys.root.public, settings.data_dir, self.world.scan
        )
        if settings.phones_on_demand:
            self.world.wake = self._switch_on
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        self._http = await self._serve(control_app(self.world, self._phones, f"http://{host}:{port}"))
        self._media = await self._serve(media_app(settings.data_dir / "media"))
        await self._listener.start_serving()
        self._resuming = asyncio.create_task(self._resume(self._phones))
        return port

    async def close(self) -> None:
        """Stop listening, end the phones, cut all clients."""
        if self._listener is not None:
            self._listener.close()
        if self._resuming is not None:
            self._resuming.cancel()
        if self._phones is not None:
            await self._phones.close()
        for runner in self._runners:
            await runner.cleanup()
        await self.world.close()

    def refuses_connections(self) -> bool:
        return self.world.refuses_connections()

    def chat(self) -> asyncio.Protocol:
        return ChatSocket(self.world)

    def http(self) -> asyncio.Protocol:
        assert self._http is not None
        return self._http()

    def media(self) -> asyncio.Protocol:
        assert self._media is not None
        return self._media()

    async def _serve(self, app: web.Application) -> Callable[[], asyncio.Protocol]:
        runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=_PATIENCE)
        await runner.setup()
        self._runners.append(runner)
        assert runner.server is not None
        return runner.server

    async def _switch_on(self, number: str) -> None:
        assert self._phones is not None
        try:
            await self._phones.ensure(number)
        except PhoneError as error:
            _log.warning("phone %s could not be switched on: %s", number, error)

    async def _resume(self, phones: Phones) -> None:
        try:
            await phones.resume()
        except PhoneError as error:
            _log.warning("the phones of the last run did not come back: %s", error)
