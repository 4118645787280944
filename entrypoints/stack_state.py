"""What the supervisor tells the other commands: one JSON file, replaced whole at every change."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from entrypoints.part import PartKind

ProcessState = Literal["waiting", "starting", "ready", "unhealthy", "restarting", "stopping", "stopped"]
Phase = Literal["starting", "running", "stopping", "stopped", "failed"]


@dataclass(frozen=True)
class Addresses:
    """Where the parts listen; `simulator` is None without it."""

    api: str
    temporal: str
    temporal_ui: str
    simulator: str | None

    def as_json(self) -> dict[str, str | None]:
        return {
            "api": self.api,
            "temporal": self.temporal,
            "temporalUi": self.temporal_ui,
            "simulator": self.simulator,
        }


@dataclass(frozen=True)
class ProcessStatus:
    """One part: `pid` is None while it has no process; `restarts` counts starts after the first."""

    name: str
    kind: PartKind
    pid: int | None
    state: ProcessState
    restarts: int


@dataclass(frozen=True)
class RunOptions:
    """How this stack was started, so that it can be started again alike. Ports are the ones really in use."""

    simulator: bool
    workers: int
    api_port: int
    temporal_port: int
    temporal_ui_port: int
    simulator_port: int


@dataclass(frozen=True)
class StackState:
    """The whole of `run/state.json`."""

    supervisor_pid: int
    phase: Phase
    options: RunOptions
    addresses: Addresses
    processes: list[ProcessStatus] = field(default_factory=list[ProcessStatus])
    error: str | None = None

    @property
    def ready(self) -> bool:
        return self.phase == "running" and all(process.state == "ready" for process in self.processes)

    def status_json(self) -> dict[str, Any]:
        """The document of `perene status --json`."""
        return {
            "ready": self.ready,
            "addresses": self.addresses.as_json(),
            "processes": [asdict(process) for process in self.processes],
        }

    def write(self, file: Path) -> None:
        """Replace the file in one step: a reader sees the old state or the new one."""
        fresh = file.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(self)))
        fresh.replace(file)


def read_state(data_dir: Path) -> StackState | None:
    """The last state written in this data folder, or None if there never was one.

    It says nothing about whether that supervisor still lives: see `stack_folder.holder`.
    """
    try:
        raw = json.loads((data_dir / "run" / "state.json").read_text())
    except FileNotFoundError:
        return None
    document = cast(dict[str, Any], raw)
    return StackState(
        supervisor_pid=document["supervisor_pid"],
        phase=document["phase"],
        options=RunOptions(**document["options"]),
        addresses=Addresses(**document["addresses"]),
        processes=[ProcessStatus(**process) for process in document["processes"]],
        error=document["error"],
    )
