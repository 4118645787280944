"""Migrations: what they make is what schema.sql says, for a superuser and for an administrator who is none."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Generator

import asyncpg
import pytest

from store import migrate as migrations
from store.pool import Database
from store.session_rows import NewSession, SessionRows
from tests.postgres import ROLES, ThrowAwayServer

OWNER = "00000000-0000-4000-8000-00000000000a"
SEED = """
CREATE TABLE whatsapp_sessions (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    owner_id UUID NOT NULL,
    session_name VARCHAR(255) NOT NULL,
    status VARCHAR(50) NOT NULL DEFAULT 'disconnected',
    connection_id VARCHAR(255) UNIQUE NOT NULL,
    qr_code TEXT,
    phone_number VARCHAR(20),
    whatsapp_id VARCHAR(255),
    whatsapp_info JSONB,
    connected_at TIMESTAMP WITH TIME ZONE,
    disconnected_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    duplicate_reason VARCHAR(100)
);
CREATE TABLE whatsapp_atendimentos (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    chat_id VARCHAR(255) NOT NULL,
    status VARCHAR(50) NOT NULL DEFAULT 'ATIVO',
    owner_id UUID NOT NULL,
    connection_id VARCHAR(255) NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW()
);
"""
COLUMNS = """
SELECT table_name, column_name, udt_name, character_maximum_length, is_nullable, column_default
FROM information_schema.columns
WHERE table_name IN ('whatsapp_sessions', 'whatsapp_atendimentos') AND table_schema = 'public'
ORDER BY table_name, ordinal_position
"""


@pytest.fixture
def empty_database(postgres: ThrowAwayServer) -> Generator[str]:
    name = "from_nothing"
    yield name
    postgres.drop(name)


async def test_schema_sql_is_what_the_migrations_make(postgres: ThrowAwayServer) -> None:
    written = (migrations.SQL / "schema.sql").read_text(encoding="utf-8")
    made = await migrations.dump_schema(postgres.url())
    assert made == written, "run `python -m tests.postgres` and commit sql/schema.sql"


async def test_the_protected_structure_is_the_seeds_to_the_letter(
    postgres: ThrowAwayServer, superuser: asyncpg.Connection, empty_database: str
) -> None:
    await postgres.execute(f"CREATE DATABASE {empty_database}")
    seed = await asyncpg.connect(postgres.url(database=empty_database))
    await seed.execute(SEED)
    wanted = [tuple(row) for row in await seed.fetch(COLUMNS)]
    await seed.close()
    ours = {tuple(row) for row in await superuser.fetch(COLUMNS)}
    assert len(wanted) == 21
    assert [column for column in wanted if column not in ours] == []


async def test_migrating_again_and_twice_at_once_changes_nothing(
    postgres: ThrowAwayServer, empty_database: str
) -> None:
    await asyncio.gather(postgres.migrate(empty_database), postgres.migrate(empty_database))
    first = await migrations.dump_schema(postgres.url(database=empty_database))
    await postgres.migrate(empty_database)
    assert await migrations.dump_schema(postgres.url(database=empty_database)) == first


async def test_tables_of_the_server_being_replaced_are_adopted_with_their_rows(
    postgres: ThrowAwayServer, empty_database: str
) -> None:
    await postgres.execute(f"CREATE DATABASE {empty_database}")
    await postgres.execute(SEED, empty_database)
    await postgres.execute(
        f"INSERT INTO whatsapp_sessions (owner_id, session_name, connection_id) VALUES ('{OWNER}', 'antiga', 'c1')",
        empty_database,
    )
    await postgres.migrate(empty_database)
    database = await Database.open(postgres.url("perene_api", empty_database))
    rows = await SessionRows(database).newest_first(OWNER)
    await database.close()
    assert [(row.session_name, row.state.value, row.status) for row in rows] == [("antiga", "stopped", "disconnected")]
    assert await migrations.dump_schema(postgres.url(database=empty_database)) == (
        migrations.SQL / "schema.sql"
    ).read_text(encoding="utf-8")


async def test_every_migration_can_be_undone_and_done_again(postgres: ThrowAwayServer, empty_database: str) -> None:
    await postgres.migrate(empty_database)
    url = postgres.url(database=empty_database)
    first = await migrations.dump_schema(url)
    for _ in (migrations.SQL / "migrations").glob("*.sql"):
        await migrations.roll_back(url)
    assert "CREATE TABLE public.outbox" not in await migrations.dump_schema(url)
    await postgres.migrate(empty_database)
    assert await migrations.dump_schema(url) == first


async def test_a_protected_table_with_rows_is_not_dropped_by_rolling_back(
    postgres: ThrowAwayServer, empty_database: str
) -> None:
    await postgres.migrate(empty_database)
    url = postgres.url(database=empty_database)
    await postgres.execute(
        f"INSERT INTO whatsapp_atendimentos (chat_id, owner_id, connection_id) VALUES ('x', '{OWNER}', 'c1')",
        empty_database,
    )

    async def roll_back_all() -> None:
        for _ in (migrations.SQL / "migrations").glob("*.sql"):
            await migrations.roll_back(url)

    with pytest.raises(migrations.MigrationError, match="protected"):
        await roll_back_all()
    assert "CREATE TABLE public.whatsapp_atendimentos" in await migrations.dump_schema(url)


def test_an_administrator_who_is_no_superuser_is_enough() -> None:
    with ThrowAwayServer() as server:
        asyncio.run(
            server.execute("CREATE ROLE dba LOGIN CREATEROLE PASSWORD 'dba-password'; ")  # as on Supabase
        )
        asyncio.run(server.execute("CREATE DATABASE perene OWNER dba"))
        server.passwords["dba"] = "dba-password"

        async def check() -> None:
            await migrations.migrate(server.url("dba"), {role: server.passwords[role] for role in ROLES})
            await migrations.migrate(server.url("dba"), {})
            database = await Database.open(server.url("perene_api"))
            made = await SessionRows(database).create(OWNER, NewSession("c1", "x"), max_connections=1)
            await database.close()
            assert made.connection_id == "c1"

        asyncio.run(check())


def test_migrations_say_whether_they_go_before_or_after_the_code() -> None:
    names = [path.name for path in sorted((migrations.SQL / "migrations").glob("*.sql"))]
    assert all(re.fullmatch(r"\d{4}_(pre|post)_[a-z_]+\.sql", name) for name in names)
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))


def test_passwords_are_not_in_the_command_line(postgres: ThrowAwayServer, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    run = migrations._run  # pyright: ignore[reportPrivateUsage]

    async def watch(command: list[str], extra: dict[str, str] | None = None) -> str:
        seen.append(command)
        return await run(command, extra)

    monkeypatch.setattr(migrations, "_run", watch)
    asyncio.run(migrations.migrate(postgres.url(), {}))
    asyncio.run(migrations.dump_schema(postgres.url()))
    assert not any("superuser-password" in argument for command in seen for argument in command)
