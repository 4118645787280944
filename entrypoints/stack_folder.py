"""Where the local stack keeps its files.

    <data dir>/run/         lock, state, readiness of workers, PostgreSQL's socket
    <data dir>/logs/        one file for each part
    <data dir>/whatsapp/    what lasts, of sessions on the real WhatsApp
    <data dir>/simulator/   the same of sessions on the simulator

The two worlds never share a database: a session paired on one would be logged out, and its keys deleted, by the other.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from entrypoints.settings import SettingsError

MOST_SOCKET_PATH_BYTES = 100
"""sockaddr_un holds 107 bytes on Linux and 103 on macOS."""
_SOCKET_NAME = ".s.PGSQL.5432"


class AlreadyRunningError(Exception):
    """Another supervisor holds this data folder."""


@dataclass(frozen=True)
class StackFolder:
    """Paths under one data folder, for one of the two worlds."""

    data_dir: Path
    simulated: bool

    @property
    def run(self) -> Path:
        return self.data_dir / "run"

    @property
    def logs(self) -> Path:
        return self.data_dir / "logs"

    @property
    def state_file(self) -> Path:
        return self.run / "state.json"

    @property
    def lasting(self) -> Path:
        return self.data_dir / ("simulator" if self.simulated else "whatsapp")

    @property
    def postgres(self) -> Path:
        return self.lasting / "postgres"

    @property
    def temporal(self) -> Path:
        return self.lasting / "temporal"

    @property
    def secrets(self) -> Path:
        return self.lasting / "secrets"

    @property
    def simulator(self) -> Path:
        return self.lasting / "phones"

    def ready_file(self, part: str) -> Path:
        return self.run / f"{part}.ready"

    def log_file(self, part: str) -> Path:
        return self.logs / f"{part}.log"

    def create(self) -> None:
        """Make the folders; what could give something away is readable by this user alone."""
        for folder in (self.run, self.logs, self.lasting, self.temporal, self.secrets, self.simulator):
            folder.mkdir(parents=True, exist_ok=True)
        for folder in (self.logs, self.temporal, self.secrets, self.simulator):
            folder.chmod(0o700)

    def socket_folder(self) -> Path:
        """The folder of PostgreSQL's socket: `run/postgres`, or a short one under the temporary folder if too long."""
        folder = self.run / "postgres"
        if len(os.fsencode(folder / _SOCKET_NAME)) <= MOST_SOCKET_PATH_BYTES:
            return folder
        digest = hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"perene-{os.getuid()}-{digest}"


@contextmanager
def held(data_dir: Path, patience_seconds: float = 0.5) -> Generator[None]:
    """Hold the data folder for this process. The kernel lets go when it dies.

    Raises AlreadyRunningError, and SettingsError for a folder that cannot be written.

    The patience is for a `perene status` that looks at the lock (see `holder`) in this very moment.
    """
    descriptor = os.open(subfolder(data_dir, "run") / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(descriptor, data_dir, patience_seconds)
        os.truncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        yield
    finally:
        os.close(descriptor)


def subfolder(data_dir: Path, name: str) -> Path:
    """A folder of the data folder, made if it is missing. Raises SettingsError where that is impossible."""
    folder = data_dir / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise SettingsError(f"PERENE_DATA_DIR ({data_dir}) cannot be used: {problem}") from problem
    return folder


def holder(data_dir: Path) -> int | None:
    """The pid of the supervisor that holds the data folder now, or None."""
    try:
        descriptor = os.open(data_dir / "run" / "lock", os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        _lock(descriptor, data_dir, patience_seconds=0)
    except AlreadyRunningError:
        # Empty for the instant between the lock and the writing of the number.
        return int(os.read(descriptor, 20) or 0)
    else:
        return None
    finally:
        os.close(descriptor)


def _lock(descriptor: int, data_dir: Path, patience_seconds: float) -> None:
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as busy:
            if time.monotonic() >= deadline:
                raise AlreadyRunningError(str(data_dir)) from busy
            time.sleep(0.05)
