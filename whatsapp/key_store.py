"""whatsmeow's own tables, where the keys of paired devices live."""

from __future__ import annotations

import asyncio
import json
import os
import sys

import asyncpg

from contracts.errors import DatabaseUnavailable
from whatsapp.library import LogCallback, load, process_environment
from whatsapp.log_lines import redact

SCHEMA_TIMEOUT = 60.0
CONNECT_TIMEOUT = 5.0
_PREKEYS_COMMIT_TOGETHER = """
CREATE OR REPLACE FUNCTION commit_without_waiting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER prekeys_commit_together BEFORE INSERT ON whatsmeow_pre_keys
    FOR EACH ROW WHEN (NOT NEW.uploaded) EXECUTE FUNCTION commit_without_waiting();
"""
"""The first login makes 812 one-time prekeys, each in a transaction of its own (`genOnePreKey` in sqlstore/store.go):
as many waits for the disk, up to three seconds. None of them counts before WhatsApp has them and they are marked as
uploaded, which commits, and waits, for all that came before."""
_ERROR = "error: "
"""How an answer of `GetAllDevices` begins that is an error, and not a list of devices (main.go)."""


async def ensure_schema(device_database_url: str) -> None:
    """Create whatsmeow's tables or bring them up to date, once, before any client starts. Idempotent.

    whatsmeow does so whenever it opens the database, without a lock: several processes that start on an empty database
    hinder each other, and a client that meets an error there does not start. It runs in a process of its own, since
    the library keeps a pool of connections for what it once opened.

    Raises DatabaseUnavailable if the tables are not there afterwards; another try is harmless.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "whatsapp.key_store",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=process_environment(os.environ),
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(device_database_url.encode()), SCHEMA_TIMEOUT)
    except TimeoutError as error:
        raise DatabaseUnavailable(f"the key store did not answer within {SCHEMA_TIMEOUT:g} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0 or not output:
        raise DatabaseUnavailable(f"the key store's tables could not be prepared (exit code {process.returncode})")
    error = json.loads(output)["error"]
    if error:
        raise DatabaseUnavailable(f"the key store's tables could not be prepared: {redact(error)}")
    try:
        connection = await asyncpg.connect(device_database_url, timeout=CONNECT_TIMEOUT)
        try:
            async with connection.transaction():
                # Workers that start at once would replace the function under each other's hands.
                await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('perene.key_store', 0))")
                await connection.execute(_PREKEYS_COMMIT_TOGETHER)
        finally:
            await connection.close(timeout=CONNECT_TIMEOUT)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as problem:
        raise DatabaseUnavailable(f"the key store could not be prepared: {type(problem).__name__}") from problem


def main() -> None:
    """The process: the database's URL on standard input, `{"error": text}` on standard output."""
    answer = os.dup(1)
    os.dup2(2, 1)
    url = sys.stdin.read().strip()
    result = load().all_devices(url, LogCallback(_ignore))
    error = result.removeprefix(_ERROR) if result.startswith(_ERROR) else ""
    os.write(answer, json.dumps({"error": error}).encode())
    os._exit(0)


def _ignore(_: int | None, __: int) -> None:
    """The list of devices is not wanted."""


if __name__ == "__main__":
    main()
