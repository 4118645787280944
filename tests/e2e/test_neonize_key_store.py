"""whatsmeow's tables are made before any client starts, by however many processes at once."""

from __future__ import annotations

import asyncio
from collections.abc import Generator

import asyncpg
import pytest

from contracts.errors import DatabaseUnavailable
from tests.postgres import ThrowAwayServer
from whatsapp.key_store import ensure_schema


@pytest.fixture(scope="module")
def empty_store() -> Generator[ThrowAwayServer]:
    with ThrowAwayServer() as server:
        asyncio.run(server.migrate())
        yield server


async def _until_ready(url: str) -> int:
    for tries in range(1, 20):
        try:
            await ensure_schema(url)
            return tries
        except DatabaseUnavailable:
            continue
    raise AssertionError("the tables were never made")


async def test_processes_that_start_together_all_find_the_tables(empty_store: ThrowAwayServer) -> None:
    url = empty_store.url("perene_device")
    await asyncio.gather(*(_until_ready(url) for _ in range(4)))
    assert await _until_ready(url) == 1
    connection = await asyncpg.connect(url)
    try:
        assert await connection.fetchval("SELECT count(*) FROM whatsmeow.whatsmeow_device") == 0
        prekeys_wait = await connection.fetchval(
            "SELECT count(*) FROM pg_trigger WHERE tgname = 'prekeys_commit_together' AND tgenabled = 'O'"
        )
        assert prekeys_wait == 1
    finally:
        await connection.close()


async def test_a_database_that_cannot_be_used_is_unavailable(empty_store: ThrowAwayServer) -> None:
    for url in (
        empty_store.url("perene_device").replace("perene_device-password", "wrong"),
        empty_store.url("perene_device", "no_such_database"),
        "postgres://perene_device:secret@/perene?host=/nowhere",
    ):
        with pytest.raises(DatabaseUnavailable) as unavailable:
            await ensure_schema(url)
        assert "wrong" not in str(unavailable.value)
        assert "secret" not in str(unavailable.value)
