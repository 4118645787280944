"""The API as a process: `python -m entrypoints.api`, with real signals."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.api.socket_client import connected
from tests.api.temporal_server import TemporalServer
from tests.postgres import ThrowAwayServer

START_SECONDS = 30.0
STOP_SECONDS = 5.0


@dataclass
class ApiProcess:
    process: asyncio.subprocess.Process
    ready_file: Path

    async def url(self) -> str:
        """Where it serves, once it does."""
        async with asyncio.timeout(START_SECONDS):
            while not self.ready_file.exists() or not self.ready_file.read_text():
                assert self.process.returncode is None, "it ended"
                await asyncio.sleep(0.02)
        return f"http://127.0.0.1:{json.loads(self.ready_file.read_text())['port']}"

    async def stop(self) -> float:
        """SIGTERM; how many seconds it took to end, with status 0."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_SECONDS):
            assert await self.process.wait() == 0
        return time.monotonic() - started


@asynccontextmanager
async def api_process(
    folder: Path, *, database: str, relay: str, temporal: str = "127.0.0.1:1", **more: str
) -> AsyncGenerator[ApiProcess]:
    """Start it; killed at the end if it is still there."""
    ready_file = folder / "ready.json"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PERENE_")},
        "PERENE_API_PORT": "0",
        "PERENE_DATABASE_URL": database,
        "PERENE_RELAY_DATABASE_URL": relay,
        "PERENE_TEMPORAL_ADDRESS": temporal,
        "PERENE_READY_FILE": str(ready_file),
        **more,
    }
    with (folder / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "entrypoints.api", env=environment, stderr=log
        )
    try:
        yield ApiProcess(process, ready_file)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_serves_reads_without_temporal_and_ends_on_sigterm(
    postgres: ThrowAwayServer, database_name: str, tmp_path: Path
) -> None:
    api_url, relay_url = (postgres.url(role, database_name) for role in ("perene_api", "perene_relay"))
    async with api_process(tmp_path, database=api_url, relay=relay_url) as running:
        url = await running.url()
        async with httpx.AsyncClient(base_url=f"{url}/api/baileys-simple", timeout=10) as http:
            assert (await http.get("/connections")).json() == {"data": [], "success": True}
            health = await http.get("/health")
            assert (health.status_code, health.json()["status"]) == (200, "degraded")
            created = await http.post("/connections")
            assert (created.status_code, created.json()["code"]) == (503, "ORCHESTRATOR_UNAVAILABLE")
            assert (await http.get("/connections")).json()["data"] == []
        async with connected(url) as websocket:
            assert await websocket.ask("resume", {"after": 0}) == {"ok": True, "last": 0, "complete": True}
            # A client that polls leaves a request open, which must not hold up the end.
            async with httpx.AsyncClient(timeout=30) as polling:
                opened = await polling.get(f"{url}/socket.io/?EIO=4&transport=polling")
                sid = json.loads(opened.text[1:])["sid"]
                poll = asyncio.create_task(polling.get(f"{url}/socket.io/?EIO=4&transport=polling&sid={sid}"))
                await asyncio.sleep(0)
                assert await running.stop() < STOP_SECONDS
                await asyncio.gather(poll, return_exceptions=True)
            await websocket.socket.wait()
    assert "Traceback" not in (tmp_path / "log").read_text()


async def test_starts_without_a_database_and_says_so(tmp_path: Path) -> None:
    nowhere = f"postgres://perene_api:secret-password@/perene?host={tmp_path}"
    async with api_process(tmp_path, database=nowhere, relay=nowhere) as running:
        url = await running.url()
        async with httpx.AsyncClient(base_url=f"{url}/api/baileys-simple", timeout=10) as http:
            listed = await http.get("/connections")
            assert (listed.status_code, listed.json()["code"]) == (503, "DATABASE_UNAVAILABLE")
            health = await http.get("/health")
            assert (health.status_code, health.json()["status"]) == (503, "unhealthy")
        await running.stop()
    assert "secret-password" not in (tmp_path / "log").read_text()


async def test_local_mode_is_refused_on_a_network_address(tmp_path: Path) -> None:
    url = "postgres://u:p@/perene"
    async with api_process(tmp_path, database=url, relay=url, PERENE_API_HOST="0.0.0.0") as running:
        async with asyncio.timeout(START_SECONDS):
            assert await running.process.wait() != 0
    assert "PERENE_API_HOST must be a loopback address" in (tmp_path / "log").read_text()


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
async def test_curl_without_headers_creates_a_connection_that_survives_a_restart(
    postgres: ThrowAwayServer, database_name: str, tmp_path: Path
) -> None:
    api_url, relay_url = (postgres.url(role, database_name) for role in ("perene_api", "perene_relay"))
    with TemporalServer() as temporal:
        async with api_process(tmp_path, database=api_url, relay=relay_url, temporal=temporal.address) as running:
            url = (await running.url()).replace("127.0.0.1", "localhost")
            created = await curl("-X", "POST", f"{url}/api/baileys-simple/connections")
            assert created["success"] is True
            code = await curl(f"{url}/api/baileys-simple/connections/{created['data']['id']}/qr")
            assert code["data"]["connectionState"] == "connecting"
            await running.stop()
        (tmp_path / "ready.json").unlink()
        async with api_process(tmp_path, database=api_url, relay=relay_url, temporal=temporal.address) as running:
            listed = await curl(f"{await running.url()}/api/baileys-simple/connections")
            assert [item["id"] for item in listed["data"]] == [created["data"]["id"]]
            await running.stop()


async def curl(*arguments: str) -> dict[str, object]:
    process = await asyncio.create_subprocess_exec("curl", "-sS", *arguments, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return json.loads(output)
