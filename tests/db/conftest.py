"""A database for each test, cloned from the migrated one, reached under the real roles."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from uuid import uuid4

import asyncpg
import pytest

from store.accepted_sends import AcceptedSends
from store.atendimentos import Atendimentos
from store.chats import ChatRows
from store.leases import PostgresLeases
from store.messages import PostgresMessages
from store.pool import Database
from store.read_marks import ReadMarks
from store.send_queue import PostgresSendQueue
from store.session_rows import SessionRows
from store.sessions import PostgresSessions
from tests.db.parts import Parts
from tests.postgres import ThrowAwayServer

OpenDatabase = Callable[[str], Awaitable[Database]]
_names = (f"test_{number}" for number in itertools.count())


@pytest.fixture(scope="session")
def postgres() -> Generator[ThrowAwayServer]:
    """The server of this test session, with its migrated template. Do not kill it: see `own_postgres`."""
    with ThrowAwayServer() as server:
        asyncio.run(server.migrate())
        yield server


@pytest.fixture(scope="module")
def fragile_postgres() -> Generator[ThrowAwayServer]:
    """A server for tests that kill theirs."""
    with ThrowAwayServer() as server:
        asyncio.run(server.migrate())
        yield server


@pytest.fixture
def own_postgres(fragile_postgres: ThrowAwayServer) -> ThrowAwayServer:
    """A running server that the test may stop, kill and freeze. It keeps what earlier tests of the file wrote."""
    fragile_postgres.ensure_running()
    return fragile_postgres


@pytest.fixture
def database_name(postgres: ThrowAwayServer) -> Generator[str]:
    """A fresh copy of the template."""
    name = next(_names)
    postgres.clone(name)
    yield name
    postgres.drop(name)


@pytest.fixture
async def open_database(postgres: ThrowAwayServer, database_name: str) -> AsyncGenerator[OpenDatabase]:
    """Open the test's database under a role; closed at the end."""
    opened: list[Database] = []

    async def connect(role: str) -> Database:
        database = await Database.open(postgres.url(role, database_name))
        opened.append(database)
        return database

    yield connect
    for database in opened:
        await database.close()


@pytest.fixture
async def superuser(postgres: ThrowAwayServer, database_name: str) -> AsyncGenerator[asyncpg.Connection]:
    """Sees and may do everything: to look at what the store did, and to arrange what it cannot."""
    connection = await asyncpg.connect(postgres.url(database=database_name))
    yield connection
    await connection.close()


@pytest.fixture
def owner() -> str:
    return str(uuid4())


@pytest.fixture
async def parts(open_database: OpenDatabase) -> Parts:
    api, worker = await open_database("perene_api"), await open_database("perene_worker")
    return Parts(
        api,
        worker,
        SessionRows(api),
        PostgresSessions(worker),
        PostgresLeases(worker),
        PostgresMessages(worker),
        AcceptedSends(api),
        PostgresSendQueue(worker),
        ChatRows(api),
        ReadMarks(api),
        Atendimentos(api),
    )
