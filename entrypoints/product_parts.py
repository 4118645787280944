"""Perene's own processes under the supervisor: the API and the workers."""

from __future__ import annotations

import json
import signal

from entrypoints.http_probe import answers
from entrypoints.part import Launch, PartKind, StopStep, base_environment, python_module
from entrypoints.postgres_part import PostgresPart
from entrypoints.simulator_part import SimulatorPart
from entrypoints.stack_folder import StackFolder
from entrypoints.temporal_part import NAMESPACE, TemporalPart
from whatsapp.library import process_environment

HEALTH_PATH = "/api/baileys-simple/health"


class ApiPart:
    """REST and Socket.IO."""

    name = "api"
    kind: PartKind = "api"
    stop_steps = (StopStep(signal.SIGTERM, 5),)

    def __init__(
        self, folder: StackFolder, host: str, port: int, postgres: PostgresPart, temporal: TemporalPart
    ) -> None:
        self._folder = folder
        self._host = host
        self._port = port
        self._postgres = postgres
        self._temporal = temporal

    @property
    def address(self) -> str:
        """Where this machine reaches it; a wildcard address is no address to call."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self._port}"

    async def prepare(self) -> Launch:
        return Launch(
            command=python_module("entrypoints.api"),
            environment={
                **base_environment(self._folder.data_dir),
                "PERENE_PROCESS_NAME": self.name,
                "PERENE_API_HOST": self._host,
                "PERENE_API_PORT": str(self._port),
                "PERENE_DATABASE_URL": self._postgres.url("perene_api"),
                "PERENE_RELAY_DATABASE_URL": self._postgres.url("perene_relay"),
                "PERENE_TEMPORAL_ADDRESS": self._temporal.address,
                "PERENE_TEMPORAL_NAMESPACE": NAMESPACE,
            },
        )

    async def is_ready(self) -> bool:
        return await answers(self.address + HEALTH_PATH)


class WorkerPart:
    """One worker process; `number` counts from 1."""

    kind: PartKind = "worker"
    # It hands its sessions over within 10 seconds of SIGTERM.
    stop_steps = (StopStep(signal.SIGTERM, 12),)

    def __init__(
        self,
        folder: StackFolder,
        number: int,
        postgres: PostgresPart,
        temporal: TemporalPart,
        simulator: SimulatorPart | None,
    ) -> None:
        self.name = f"worker-{number}"
        self._folder = folder
        self._postgres = postgres
        self._temporal = temporal
        self._simulator = simulator

    async def prepare(self) -> Launch:
        ready_file = self._folder.ready_file(self.name)
        ready_file.unlink(missing_ok=True)
        environment = {
            **base_environment(self._folder.data_dir),
            "PERENE_PROCESS_NAME": self.name,
            "PERENE_READY_FILE": str(ready_file),
            "PERENE_DATABASE_URL": self._postgres.url("perene_worker"),
            "PERENE_DEVICE_DATABASE_URL": self._postgres.url("perene_device"),
            "PERENE_TEMPORAL_ADDRESS": self._temporal.address,
            "PERENE_TEMPORAL_NAMESPACE": NAMESPACE,
        }
        for name in ("PERENE_SIMULATOR", "PERENE_NOISE_ROOT"):
            environment.pop(name, None)
        if self._simulator is not None:
            environment |= await self._simulator.worker_environment()
        # Spares the worker from starting itself a second time to get it.
        environment = process_environment(environment)
        return Launch(command=python_module("entrypoints.worker"), environment=environment)

    async def is_ready(self) -> bool:
        try:
            return json.loads(self._folder.ready_file(self.name).read_text())["ready"] is True
        except (FileNotFoundError, ValueError, KeyError, TypeError):  # absent, or still being written
            return False
