"""The API process: REST and Socket.IO on one port.

`python -m entrypoints.api`, configured by the environment (see entrypoints.settings). It starts and serves reads
without Temporal, and answers 503 without PostgreSQL. SIGTERM ends it within five seconds.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import cast

import structlog
import uvicorn
from litestar.types import ASGIApp

from api.app import rest_app, whole_app
from api.auth import Authenticator, LocalAuthenticator
from api.cross_origin import Origins
from api.gateway import Gateway, lazy_client
from api.jwt_auth import JwtAuthenticator
from api.relay import relay
from api.services import Services
from api.sockets import Sockets
from api.store_outbox import StoreOutbox
from api.store_probe import StoreProbe
from contracts.errors import DatabaseUnavailable
from entrypoints.log_format import configure_logging
from entrypoints.settings import ApiSettings, Environment, SettingsError, api_settings
from entrypoints.temporal_client import make_runtime
from store.accepted_sends import AcceptedSends
from store.atendimentos import Atendimentos
from store.chats import ChatRows
from store.outbox import OutboxTail, prune
from store.pool import Database
from store.read_marks import ReadMarks
from store.session_rows import SessionRows

GRACEFUL_SECONDS = 3
DATABASE_CONNECTIONS = 10
RELAY_CONNECTIONS = 2
PRUNE_EVERY_SECONDS = 3600.0

log = structlog.get_logger(__name__)


@asynccontextmanager
async def parts(settings: ApiSettings, cors_origins: Sequence[str]) -> AsyncGenerator[tuple[ASGIApp, Sockets]]:
    """The ASGI application and its sockets, with everything behind them open for as long as the context lasts."""
    database = await Database.open(settings.database_url, size=DATABASE_CONNECTIONS, name=settings.process_name)
    relay_database = await Database.open(
        settings.relay_database_url, size=RELAY_CONNECTIONS, name=f"{settings.process_name}-relay"
    )
    client = await lazy_client(settings.temporal.address, settings.temporal.namespace, make_runtime())
    origins = Origins(cors_origins, loopback_only=settings.auth_mode == "local")
    authenticator = _authenticator(settings)
    tail = OutboxTail(relay_database)
    sessions, sends = SessionRows(database), AcceptedSends(database)
    sockets = Sockets(
        authenticator=authenticator,
        sessions=sessions,
        outbox=StoreOutbox(database),
        origins=origins,
        newest=lambda: tail.position,
    )
    services = Services(
        sessions=sessions,
        sends=sends,
        chats=ChatRows(database),
        read_marks=ReadMarks(database),
        atendimentos=Atendimentos(database),
        probe=StoreProbe(database),
        orchestrator=Gateway(client),
        authenticator=authenticator,
        max_connections=settings.max_connections,
        window_seconds=settings.pairing_window_seconds,
        version=version("perene"),
    )
    background = [
        asyncio.create_task(relay(tail, sockets.delivery), name="relay"),
        asyncio.create_task(_prune_for_ever(relay_database), name="outbox-pruning"),
    ]
    try:
        async with sends.listening():
            yield whole_app(rest_app(services, origins), sockets), sockets
    finally:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await asyncio.gather(database.close(), relay_database.close())


async def _prune_for_ever(database: Database) -> None:
    """Remove events past their retention, hourly: nobody resumes from a week ago."""
    while True:
        try:
            removed = await prune(database)
        except DatabaseUnavailable as problem:
            log.warning("outbox_pruning_delayed", problem=str(problem))
        else:
            if removed:
                log.info("outbox_pruned", removed=removed)
        await asyncio.sleep(PRUNE_EVERY_SECONDS)


def _authenticator(settings: ApiSettings) -> Authenticator:
    if settings.auth_mode == "local":
        return LocalAuthenticator(str(settings.default_owner_id))
    environment = Environment()
    return JwtAuthenticator(
        secret=settings.jwt_secret,
        jwks_url=settings.jwks_url,
        audience=environment.optional("PERENE_JWT_AUDIENCE"),
        issuer=environment.optional("PERENE_JWT_ISSUER"),
    )


class ApiServer(uvicorn.Server):
    """Tells where it listens, in the ready file and the log; ends with status 0 on SIGTERM and SIGINT."""

    def __init__(self, config: uvicorn.Config, sockets: Sockets, ready_file: Path | None) -> None:
        super().__init__(config)
        self._sockets = sockets
        self._ready_file = ready_file

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Instead of uvicorn's handlers, which raise the signal again at the end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        yield

    def stop(self) -> None:
        """Begin the graceful end."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.started:
            return
        port = cast(int, self.servers[0].sockets[0].getsockname()[1])
        log.info("api_ready", host=self.config.host, port=port)
        if self._ready_file is not None:
            self._ready_file.write_text(json.dumps({"ready": True, "port": port}))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        log.info("api_stopping")
        await self._sockets.close()
        await super().shutdown(sockets)


async def serve(settings: ApiSettings, *, cors_origins: Sequence[str], ready_file: Path | None) -> None:
    """Serve until SIGTERM or SIGINT."""
    async with parts(settings, cors_origins) as (application, sockets):
        config = uvicorn.Config(
            application,
            host=settings.host,
            port=settings.port,
            access_log=False,
            log_config=None,
            log_level="warning",
            # Nobody stands before us in local mode, and what stands before us otherwise is not known here.
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=GRACEFUL_SECONDS,
            ws_max_size=1_000_000,
        )
        await ApiServer(config, sockets, ready_file).serve()


def main() -> None:
    """Run the API."""
    environment = Environment()
    try:
        settings = api_settings()
    except SettingsError as error:
        sys.exit(f"perene api: {error}")
    configure_logging(settings.log_format, settings.process_name)
    ready_file = environment.optional("PERENE_READY_FILE")
    cors_origins = (environment.optional("PERENE_CORS_ORIGINS") or "").replace(",", " ").split()
    asyncio.run(serve(settings, cors_origins=cors_origins, ready_file=Path(ready_file) if ready_file else None))
    # Everything is closed by now; Temporal's SDK may abort the process in its own exit handlers.
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
