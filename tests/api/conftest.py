"""The API as a client meets it: on a port, over a real PostgreSQL under the real roles."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from api.app import rest_app, whole_app
from api.auth import LocalAuthenticator
from api.cross_origin import Origins
from api.relay import relay
from api.services import Services
from api.sockets import Sockets
from api.store_outbox import StoreOutbox
from api.store_probe import StoreProbe
from contracts.ids import DEFAULT_OWNER_ID
from store.accepted_sends import AcceptedSends
from store.atendimentos import Atendimentos
from store.chats import ChatRows
from store.leases import PostgresLeases
from store.outbox import OutboxTail
from store.pool import Database
from store.read_marks import ReadMarks
from store.session_rows import SessionRows
from store.sessions import PostgresSessions
from tests.api.orchestrators import StandInOrchestrator
from tests.api.serving import Served, serve_app
from tests.postgres import ThrowAwayServer

_names = (f"api_{number}" for number in itertools.count())


@pytest.fixture(scope="session")
def postgres() -> Generator[ThrowAwayServer]:
    """The server of this test session, with its migrated template. Do not kill it: see `own_postgres`."""
    with ThrowAwayServer() as server:
        asyncio.run(server.migrate())
        yield server


@pytest.fixture
def own_postgres() -> Generator[ThrowAwayServer]:
    """A server that the test may kill and freeze."""
    with ThrowAwayServer() as server:
        asyncio.run(server.migrate())
        yield server


@dataclass
class Api:
    """A served API and both ends of its database: `sessions` writes what a worker would."""

    served: Served
    http: httpx.AsyncClient
    orchestrator: StandInOrchestrator
    rows: SessionRows
    sessions: PostgresSessions
    leases: PostgresLeases
    sockets: Sockets
    relay_database: Database
    worker_database: Database

    @property
    def url(self) -> str:
        return self.served.url


@asynccontextmanager
async def running_api(
    server: ThrowAwayServer, database_name: str, *, max_connections: int = 100
) -> AsyncGenerator[Api]:
    """The API on a free port, with a stand-in for Temporal."""
    async with AsyncExitStack() as stack:

        async def opened(role: str) -> Database:
            database = await Database.open(server.url(role, database_name))
            stack.push_async_callback(database.close)
            return database

        database, relay_database, worker = (
            await opened("perene_api"),
            await opened("perene_relay"),
            await opened("perene_worker"),
        )
        rows, sends, tail = SessionRows(database), AcceptedSends(database), OutboxTail(relay_database)
        orchestrator = StandInOrchestrator()
        origins = Origins(loopback_only=True)
        authenticator = LocalAuthenticator(DEFAULT_OWNER_ID)
        sockets = Sockets(
            authenticator=authenticator,
            sessions=rows,
            outbox=StoreOutbox(database),
            origins=origins,
            newest=lambda: tail.position,
        )
        services = Services(
            sessions=rows,
            sends=sends,
            chats=ChatRows(database),
            read_marks=ReadMarks(database),
            atendimentos=Atendimentos(database),
            probe=StoreProbe(database),
            orchestrator=orchestrator,
            authenticator=authenticator,
            max_connections=max_connections,
            window_seconds=600.0,
            version="1.2.3",
        )
        relaying = asyncio.create_task(relay(tail, sockets.delivery))
        try:
            await stack.enter_async_context(sends.listening())
            served = await stack.enter_async_context(
                serve_app(whole_app(rest_app(services, origins), sockets), sockets)
            )
            http = await stack.enter_async_context(
                httpx.AsyncClient(base_url=f"{served.url}/api/baileys-simple", timeout=20)
            )
            yield Api(
                served,
                http,
                orchestrator,
                rows,
                PostgresSessions(worker),
                PostgresLeases(worker),
                sockets,
                relay_database,
                worker,
            )
        finally:
            relaying.cancel()
            await asyncio.gather(relaying, return_exceptions=True)


@pytest.fixture
def database_name(postgres: ThrowAwayServer) -> Generator[str]:
    """A fresh copy of the template."""
    name = next(_names)
    postgres.clone(name)
    yield name
    postgres.drop(name)


@pytest.fixture
async def api(postgres: ThrowAwayServer, database_name: str) -> AsyncGenerator[Api]:
    async with running_api(postgres, database_name) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_api(postgres: ThrowAwayServer) -> AsyncGenerator[Api]:
    """One API for the tests of a module that leave nothing for each other to trip over."""
    name = next(_names)
    await asyncio.to_thread(postgres.clone, name)
    async with running_api(postgres, name, max_connections=10_000) as running:
        yield running
    await asyncio.to_thread(postgres.drop, name)


@pytest.fixture
def owner() -> str:
    return str(uuid4())
