"""One part of the local stack, as the supervisor sees it: how to start it, when it is ready, how to stop it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

PartKind = Literal["api", "worker", "postgres", "temporal", "simulator"]

STACK_VARIABLE = "PERENE_STACK"
"""Set in every child to the stack's data folder, so that what a killed supervisor left behind can be found."""


class PartError(Exception):
    """A part cannot be started; the text says why and what to do."""


@dataclass(frozen=True)
class StopStep:
    """Send a signal, then wait this many seconds for the process to end."""

    signal: signal.Signals
    seconds: float


@dataclass(frozen=True)
class Launch:
    """A command to run: absolute paths, a whole environment, optionally under another OS user (uid, gid)."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)  # holds passwords
    owner: tuple[int, int] | None = None
    death_signal: signal.Signals = signal.SIGKILL
    """What the process gets from the kernel when the supervisor dies (Linux)."""


class Part(Protocol):
    """A supervised process. `prepare` runs before every start, so it may repair what a crash left."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> PartKind: ...

    @property
    def stop_steps(self) -> tuple[StopStep, ...]: ...

    async def prepare(self) -> Launch:
        """Give the command for the next start. Raises PartError."""
        ...

    async def is_ready(self) -> bool:
        """Whether the process answers as it should; it must return within a few seconds."""
        ...


def base_environment(data_dir: Path) -> dict[str, str]:
    """The environment that children share: this process's own, without what would redirect a database client."""
    # libpq, lib/pq and asyncpg read PG*; the temporal command reads TEMPORAL_*.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "TEMPORAL_"))}
    return {**kept, STACK_VARIABLE: str(data_dir), "PYTHONUNBUFFERED": "1"}


def python_module(module: str) -> tuple[str, ...]:
    """The command that runs a module of ours with this interpreter.

    -P: a folder `api` where the user happens to stand must not be taken for ours.
    """
    return (sys.executable, "-P", "-m", module)


def installed_binary(name: str) -> str:
    """The path of a program that a package put beside this interpreter. Raises PartError if it is missing."""
    path = Path(sys.executable).parent / name
    if not path.exists():
        raise PartError(f"{path} is missing; run `make setup`")
    return str(path)
