"""Processes of a stack whose supervisor is gone: find them and end them before anything is started again.

On Linux the kernel ends the children of a killed supervisor (see launcher.py), but not their own children, and on macOS
none of them; a database must never be started beside its own former self.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path

import psutil

from entrypoints.part import STACK_VARIABLE

PATIENCE_SECONDS = 10.0


def find(data_dir: Path) -> list[psutil.Process]:
    """Every process that belongs to the stack of this folder, by its environment or, for PostgreSQL, its folder."""
    me = psutil.Process()
    mine = {me.pid, *(parent.pid for parent in me.parents())}
    return [process for process in psutil.process_iter() if process.pid not in mine and _belongs(process, data_dir)]


def end(data_dir: Path) -> int:
    """End them all and give their number: asked first, then killed."""
    found = find(data_dir)
    for process in found:
        # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for its clients.
        send(process, signal.SIGINT if _is_postgres(process) else signal.SIGTERM)
    alive = survivors(found, PATIENCE_SECONDS)
    for process in alive:
        send(process, signal.SIGKILL)
    survivors(alive, PATIENCE_SECONDS)
    return len(found)


def survivors(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait for processes to end; gives those that still live. One that only waits to be reaped has ended: in a
    container the first process often never reaps what it inherits."""
    deadline = time.monotonic() + seconds
    while (alive := [process for process in processes if _lives(process)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return alive


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _belongs(process: psutil.Process, data_dir: Path) -> bool:
    try:
        if _is_postgres(process):
            # PostgreSQL writes its title over its environment; its working folder is the database.
            return Path(process.cwd()).is_relative_to(data_dir)
        return process.environ().get(STACK_VARIABLE) == str(data_dir) and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):  # gone meanwhile, or another user's
        return False


def _is_postgres(process: psutil.Process) -> bool:
    try:
        return process.name() == "postgres"
    except psutil.Error:
        return False


def send(process: psutil.Process, number: signal.Signals) -> None:
    """Signal a process that may have ended meanwhile."""
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
