"""The catalogue: no table with an owner is without forced row-level security, and no role has more than it needs."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from tests.db.conftest import OpenDatabase
from tests.db.parts import Parts
from tests.postgres import ThrowAwayServer

SECRETS = {
    "whatsapp_sessions": ["qr_code", "proxy"],
    "session_pairings": ["adv_key"],
    "outbox": ["payload"],
    "whatsapp_mensagens": ["conteudo", "media", "raw"],
    "chats": ["last_message"],
    "send_queue": ["payload"],
}


async def test_every_table_with_an_owner_forces_row_security_with_a_tenant_policy(
    superuser: asyncpg.Connection,
) -> None:
    tables = await superuser.fetch(
        """
        SELECT c.oid::regclass::text AS name, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
            EXISTS (
                SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'tenant' AND p.polcmd = '*'
                    AND p.polpermissive AND p.polroles = '{0}'
                    AND pg_get_expr(p.polqual, c.oid) LIKE '%owner_id = ( SELECT perene.owner_id()%'
                    AND pg_get_expr(p.polwithcheck, c.oid) LIKE '%owner_id = ( SELECT perene.owner_id()%'
            ) AS has_policy
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'owner_id' AND NOT a.attisdropped
        WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
        """
    )
    assert len(tables) >= 9
    wanting = [table["name"] for table in tables if not (table["enabled"] and table["forced"] and table["has_policy"])]
    assert wanting == [], f"tables with owner_id and without forced row-level security: {wanting}"


async def test_policies_that_cross_owners_are_those_we_know(superuser: asyncpg.Connection) -> None:
    rows = await superuser.fetch(
        """
        SELECT tablename || '.' || policyname AS name, roles::text[] AS roles FROM pg_policies
        WHERE policyname <> 'tenant'
        """
    )
    wide = {row["name"]: row["roles"] for row in rows if row["roles"] not in (["perene_ops"], ["perene_backup"])}
    assert wide == {
        "whatsapp_sessions.worker_reconciles": ["perene_worker"],
        "whatsapp_sessions.retire_reads": ["perene_owner"],
        "whatsapp_sessions.retire_releases": ["perene_owner"],
        "outbox.relay_reads": ["perene_relay"],
        "outbox.relay_numbers": ["perene_relay"],
        "outbox.relay_prunes": ["perene_relay"],
    }


async def test_no_role_is_a_superuser_or_bypasses_policies_but_for_dumps(superuser: asyncpg.Connection) -> None:
    rows = await superuser.fetch(
        """
        SELECT rolname, rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication AS mighty, rolbypassrls AS bypasses
        FROM pg_roles WHERE rolname LIKE 'perene_%'
        """
    )
    assert len(rows) == 7
    assert [row["rolname"] for row in rows if row["mighty"]] == []
    assert [row["rolname"] for row in rows if row["bypasses"]] == ["perene_backup"]


async def test_nobody_may_change_whose_a_row_is(superuser: asyncpg.Connection) -> None:
    rows = await superuser.fetch(
        """
        SELECT grantee, table_name, column_name FROM information_schema.column_privileges
        WHERE table_schema = 'public' AND privilege_type = 'UPDATE' AND column_name IN ('owner_id', 'connection_id')
            AND grantee NOT IN ('perene_owner', 'postgres')
        """
    )
    assert rows == []


async def test_security_definer_functions_are_those_we_know_and_nobodys_by_default(
    superuser: asyncpg.Connection,
) -> None:
    rows = await superuser.fetch(
        """
        SELECT proname, proconfig, has_function_privilege('perene_api', oid, 'EXECUTE') AS api FROM pg_proc
        WHERE pronamespace IN ('public'::regnamespace, 'perene'::regnamespace) AND prosecdef
        """
    )
    assert [(row["proname"], row["api"]) for row in rows] == [("retire_host", False)]
    assert all("search_path=pg_catalog" in row["proconfig"] for row in rows)


@pytest.mark.parametrize("role", ["perene_api", "perene_worker"])
async def test_without_an_owner_nothing_is_seen_or_written(
    open_database: OpenDatabase, parts: Parts, owner: str, role: str
) -> None:
    await parts.create(owner)
    database = await open_database(role)
    async with database.ownerless() as connection:
        for table in ("whatsapp_sessions", "session_events", "outbox", "whatsapp_mensagens", "chats", "send_queue"):
            assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.ownerless() as connection:
            await connection.execute(
                "INSERT INTO outbox (owner_id, connection_id, event, payload) VALUES ($1, 'c1', 'alert', '{}')", owner
            )


async def test_the_schemas_owner_is_bound_by_the_policies_too(
    open_database: OpenDatabase, parts: Parts, owner: str
) -> None:
    await parts.create(owner)
    database = await open_database("perene_owner")
    async with database.ownerless() as connection:
        assert await connection.fetchval("SELECT count(*) FROM whatsapp_sessions") == 0


async def test_history_cannot_be_changed_by_anybody(parts: Parts, owner: str, superuser: asyncpg.Connection) -> None:
    await parts.create(owner)
    for statement in ("UPDATE session_events SET event = 'x'", "DELETE FROM session_events", "TRUNCATE session_events"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await superuser.execute(statement)


async def test_operators_see_every_owner_and_no_secret(open_database: OpenDatabase, parts: Parts, owner: str) -> None:
    await parts.create(owner)
    ops = await open_database("perene_ops")
    async with ops.ownerless() as connection:
        assert await connection.fetchval("SELECT count(connection_id) FROM whatsapp_sessions") == 1
    for table, columns in SECRETS.items():
        for column in columns:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with ops.ownerless() as connection:
                    await connection.fetch(f"SELECT {column} FROM {table}")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with ops.ownerless() as connection:
            await connection.execute("SET TRANSACTION READ WRITE; DELETE FROM whatsapp_sessions")


async def test_the_device_role_sees_its_own_schema_alone(open_database: OpenDatabase) -> None:
    device = await open_database("perene_device")
    async with device.ownerless() as connection:
        assert await connection.fetchval("SHOW search_path") == "whatsmeow"
        assert await connection.fetchval("SHOW idle_session_timeout") == "2s"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with device.ownerless() as connection:
            await connection.fetch("SELECT * FROM public.whatsapp_sessions")


async def test_a_supabase_token_names_the_owner_where_the_application_does_not(
    parts: Parts, owner: str, superuser: asyncpg.Connection
) -> None:
    await parts.create(owner)
    await superuser.execute("GRANT SELECT ON whatsapp_sessions TO perene_device")
    count = "SELECT count(*) FROM whatsapp_sessions"
    async with superuser.transaction():
        await superuser.execute("SET LOCAL ROLE perene_device")
        assert await superuser.fetchval(count) == 0
        await superuser.execute("SELECT set_config('request.jwt.claims', $1, true)", f'{{"sub": "{owner}"}}')
        assert await superuser.fetchval(count) == 1
        other = "00000000-0000-4000-8000-00000000000b"
        await superuser.execute("SELECT set_config('perene.owner_id', $1, true)", other)
        assert await superuser.fetchval(count) == 0


async def test_a_dump_by_the_backup_role_holds_every_owners_rows(
    postgres: ThrowAwayServer, database_name: str, open_database: OpenDatabase, parts: Parts, owner: str
) -> None:
    await parts.create(owner, "mine")
    await parts.create("00000000-0000-4000-8000-00000000000b", "theirs")
    device = await open_database("perene_device")
    async with device.ownerless() as connection:
        await connection.execute(
            "CREATE TABLE whatsmeow_device (jid text); INSERT INTO whatsmeow_device VALUES ('a key')"
        )
    process = await asyncio.create_subprocess_exec(
        str(postgres.program("pg_dump")),
        f"--dbname={postgres.url('perene_backup', database_name)}",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    dumped, problem = await process.communicate()
    assert process.returncode == 0, problem.decode()
    for kept in (b"mine", b"theirs", b"a key"):
        assert kept in dumped
