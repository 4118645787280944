"""A simulator and a key store, in processes of their own, and the means to run a scenario of the adapter on them."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.postgres import ThrowAwayServer
from whatsapp.key_store import ensure_schema
from whatsapp.library import process_environment

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30.0

slow = pytest.mark.skipif(
    "PERENE_SLOW_TESTS" not in os.environ, reason="takes minutes; set PERENE_SLOW_TESTS to run it"
)


@dataclass(frozen=True)
class AdapterLab:
    """Where the simulator and the key store are."""

    url: str
    info: dict[str, Any]
    database: str

    def command(self, name: str, options: dict[str, object]) -> list[str]:
        config = {"simulator": self.url, "info": self.info, "database": self.database, "options": options}
        return [sys.executable, "-m", "tests.e2e.adapter_scenarios", name, json.dumps(config)]

    def environment(self) -> dict[str, str]:
        return process_environment(os.environ, ca_file=Path(self.info["caFile"]))

    def run(self, name: str, *, seconds: float = 110, **options: object) -> str:
        """Run a scenario; what it printed. An abort of its process fails the test, and no more."""
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/faults", method="DELETE"), timeout=10).close()
        done = subprocess.run(
            self.command(name, options),
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-6000:]}"
        return done.stdout


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Generator[AdapterLab]:
    """One simulator and one PostgreSQL for the tests of a module."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("simulator")
    command = [sys.executable, "-m", "simulator", "--port", str(port), "--data-dir", str(folder)]
    with (folder / "log").open("wb") as log, ThrowAwayServer() as postgres:
        simulator = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        try:
            asyncio.run(postgres.migrate())
            database = postgres.url("perene_device")
            asyncio.run(ensure_schema(database))
            url = f"http://127.0.0.1:{port}"
            yield AdapterLab(url, _info(url, simulator), database)
        finally:
            simulator.terminate()
            simulator.wait(10)


def _info(url: str, simulator: subprocess.Popen[bytes]) -> dict[str, Any]:
    ends = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{url}/info", timeout=5) as answer:
                return json.load(answer)
        except urllib.error.URLError:
            assert simulator.poll() is None, "the simulator ended"
            assert time.monotonic() < ends, "the simulator does not answer"
            time.sleep(0.05)
