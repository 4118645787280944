"""The simulated WhatsApp, under the supervisor, and what a worker must know to use it."""

from __future__ import annotations

import signal

import aiohttp

from entrypoints.http_probe import answers, fetch_object
from entrypoints.part import Launch, PartError, PartKind, StopStep, base_environment, python_module
from entrypoints.stack_folder import StackFolder


class SimulatorPart:
    name = "simulator"
    kind: PartKind = "simulator"
    stop_steps = (StopStep(signal.SIGTERM, 5),)

    def __init__(self, folder: StackFolder, port: int) -> None:
        self._folder = folder
        self._port = port

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def prepare(self) -> Launch:
        return Launch(
            command=(
                *python_module("simulator"),
                *("--host", "127.0.0.1", "--port", str(self._port), "--data-dir", str(self._folder.simulator)),
            ),
            environment=base_environment(self._folder.data_dir),
        )

    async def is_ready(self) -> bool:
        return await answers(f"{self.address}/info")

    async def worker_environment(self) -> dict[str, str]:
        """What makes a worker's WhatsApp library talk to this simulator. Raises PartError while it does not answer."""
        try:
            info = await fetch_object(f"{self.address}/info")
            return {
                "PERENE_SIMULATOR": str(info["proxy"]),
                "PERENE_NOISE_ROOT": str(info["noiseRoot"]),
                "SSL_CERT_FILE": str(info["caFile"]),
            }
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError) as problem:
            raise PartError(f"the simulator does not say how to reach it: {problem!r}") from problem
