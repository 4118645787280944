"""The server is killed, stopped and frozen under the pool: callers are told in time, and it heals."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from uuid import uuid4

import asyncpg
import pytest

from contracts.errors import DatabaseUnavailable
from contracts.realtime import ClientEvent
from store.outbox import NewEvent, OutboxTail, queue_events
from store.pool import COMMAND_SECONDS, CONNECT_SECONDS, Database
from tests.postgres import ThrowAwayServer

OWNER = str(uuid4())
IN_TIME = CONNECT_SECONDS + COMMAND_SECONDS + 2


@pytest.fixture
async def api(own_postgres: ThrowAwayServer) -> AsyncGenerator[Database]:
    database = await Database.open(own_postgres.url("perene_api"), size=4, command_seconds=2)
    yield database
    await database.close()


async def _ask(database: Database) -> int:
    async with database.tenant(OWNER) as connection:
        return await connection.fetchval("SELECT count(*) FROM whatsapp_sessions")


async def _fill(database: Database) -> None:
    await asyncio.gather(*(_ask(database) for _ in range(8)))


async def test_a_killed_server_is_said_and_the_pool_heals_at_once(own_postgres: ThrowAwayServer, api: Database) -> None:
    await _fill(api)
    own_postgres.kill()
    with pytest.raises(DatabaseUnavailable):
        await _ask(api)
    own_postgres.start()
    # Not even the first call meets a connection of the dead server.
    assert await asyncio.gather(*(_ask(api) for _ in range(8))) == [0] * 8


async def test_a_restart_between_two_calls_is_not_noticed(own_postgres: ThrowAwayServer, api: Database) -> None:
    await _fill(api)
    own_postgres.stop()
    own_postgres.start()
    assert await asyncio.gather(*(_ask(api) for _ in range(8))) == [0] * 8


async def test_a_statement_on_a_server_that_dies_is_said(own_postgres: ThrowAwayServer, api: Database) -> None:
    async def long() -> None:
        async with api.tenant(OWNER) as connection:
            began.set()
            await connection.execute("SELECT pg_sleep(60)", timeout=60)

    began = asyncio.Event()
    running = asyncio.create_task(long())
    await began.wait()
    own_postgres.kill()
    with pytest.raises(DatabaseUnavailable):
        await running


async def test_a_frozen_server_is_said_in_time_and_the_pool_heals(own_postgres: ThrowAwayServer, api: Database) -> None:
    await _fill(api)
    own_postgres.freeze()
    begun = time.monotonic()
    results = await asyncio.gather(*(_ask(api) for _ in range(8)), return_exceptions=True)
    assert time.monotonic() - begun < IN_TIME
    assert [type(result) for result in results] == [DatabaseUnavailable] * 8
    own_postgres.thaw()
    assert await asyncio.gather(*(_ask(api) for _ in range(8))) == [0] * 8


async def test_a_pool_opened_while_the_server_is_away_works_once_it_is_there(own_postgres: ThrowAwayServer) -> None:
    own_postgres.stop()
    database = await Database.open(own_postgres.url("perene_api"))
    with pytest.raises(DatabaseUnavailable):
        await _ask(database)
    own_postgres.start()
    assert await _ask(database) == 0
    await database.close()


async def test_a_busy_pool_is_said_in_time(own_postgres: ThrowAwayServer) -> None:
    database = await Database.open(own_postgres.url("perene_api"), size=1, queue_seconds=0.1)
    async with database.tenant(OWNER):
        with pytest.raises(DatabaseUnavailable):
            await _ask(database)
    assert await _ask(database) == 0
    await database.close()


async def test_a_crowd_waits_its_turn_and_is_served(own_postgres: ThrowAwayServer, api: Database) -> None:
    assert await asyncio.gather(*(_ask(api) for _ in range(500))) == [0] * 500


async def test_an_error_of_the_caller_undoes_the_transaction_and_is_not_renamed(
    own_postgres: ThrowAwayServer, api: Database
) -> None:
    async def fail() -> None:
        async with api.tenant(OWNER) as connection:
            await queue_events(connection, OWNER, "undone", [NewEvent(ClientEvent.ALERT, {})])
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    with pytest.raises(asyncpg.DataError):
        async with api.tenant(OWNER) as connection:
            await connection.execute("SELECT $1::int", "not a number")
    async with api.tenant(OWNER) as connection:
        assert await connection.fetchval("SELECT count(*) FROM outbox WHERE connection_id = 'undone'") == 0


async def test_a_cancelled_call_leaves_a_usable_pool(own_postgres: ThrowAwayServer) -> None:
    database = await Database.open(own_postgres.url("perene_api"), size=1)

    async def long() -> None:
        async with database.tenant(OWNER) as connection:
            began.set()
            await connection.execute("SELECT pg_sleep(60)")

    began = asyncio.Event()
    running = asyncio.create_task(long())
    await began.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await _ask(database) == 0
    await database.close()


@pytest.mark.parametrize("weather", ["kill", "freeze"])
async def test_the_tail_goes_on_after_the_server_was_away(
    own_postgres: ThrowAwayServer, api: Database, weather: str
) -> None:
    relay = await Database.open(own_postgres.url("perene_relay"))
    tail = OutboxTail(relay, poll_seconds=0.2)
    names: list[str] = []
    arrived = asyncio.Condition()

    async def follow() -> None:
        async for event in tail.events():
            async with arrived:
                names.append(event.payload["name"])
                arrived.notify_all()

    async def write(name: str) -> None:
        async with api.tenant(OWNER) as connection:
            await queue_events(connection, OWNER, "c1", [NewEvent(ClientEvent.ALERT, {"name": name})])

    following = asyncio.create_task(follow())
    async with asyncio.timeout(30):
        await write("before")
        async with arrived:
            await arrived.wait_for(lambda: names == ["before"])
        if weather == "kill":
            own_postgres.kill()
        else:
            own_postgres.freeze()
        with pytest.raises(DatabaseUnavailable):
            await write("lost")
        if weather == "kill":
            own_postgres.start()
        else:
            own_postgres.thaw()
        await write("after")
        async with arrived:
            await arrived.wait_for(lambda: names[-1] == "after")
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
    await relay.close()
