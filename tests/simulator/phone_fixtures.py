"""A simulator in a process of its own, as `perene` starts it, for the tests of phones and of other clients."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

ROOT = Path(__file__).resolve().parents[2]


class RunningSimulator:
    """`python -m simulator` on a free port; its data outlives a restart."""

    def __init__(self, data_dir: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.data_dir = data_dir
        self.url = f"http://127.0.0.1:{self.port}"
        self.info: dict[str, Any] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        options = ["--host", "127.0.0.1", "--port", str(self.port), "--data-dir", str(self.data_dir)]
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with (self.data_dir / "simulator.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "simulator", *options, cwd=ROOT, stdout=log, stderr=log
            )
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(90))
        while not self.info:
            assert self._process.returncode is None, (self.data_dir / "simulator.log").read_text()
            try:
                self.info = await self.get("/info")
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.02)

    async def stop(self, *, kill: bool = False) -> None:
        if self._session is not None:
            await self._session.close()
        if self._process is not None and self._process.returncode is None:
            if kill:
                self._process.kill()
            else:
                self._process.terminate()
            await self._process.wait()
        self.info = {}

    async def get(self, path: str) -> dict[str, Any]:
        return await self.call("GET", path)

    async def post(self, path: str, **body: Any) -> dict[str, Any]:
        return await self.call("POST", path, body)

    async def call(
        self, method: str, path: str, body: dict[str, Any] | None = None, status: int = 200
    ) -> dict[str, Any]:
        """One request; asserts the status and returns the JSON body."""
        assert self._session is not None
        async with self._session.request(method, self.url + path, json=body) as response:
            assert response.status == status, f"{method} {path}: {response.status} {await response.text()}"
            return await response.json()

    async def messages(self, phone: str) -> list[dict[str, Any]]:
        return (await self.get(f"/phone/{phone}/messages"))["messages"]

    async def file(self, phone: str, message_id: str) -> bytes:
        assert self._session is not None
        async with self._session.get(f"{self.url}/phone/{phone}/messages/{message_id}/file") as response:
            assert response.status == 200, await response.text()
            return await response.read()

    async def message(self, phone: str, **wanted: Any) -> dict[str, Any]:
        """Wait until a phone has a message with these fields, and return it."""

        async def found() -> dict[str, Any] | None:
            for message in await self.messages(phone):
                if all(message.get(field) == value for field, value in wanted.items()):
                    return message
            return None

        return await until(found, f"{phone} gets a message with {wanted}")


async def until(condition: Callable[[], Awaitable[Any]], what: str, seconds: float = 30) -> Any:
    """Wait until a condition gives something true, and return that."""
    try:
        async with asyncio.timeout(seconds):
            while not (result := await condition()):  # noqa: ASYNC110  # it lies in another process
                await asyncio.sleep(0.02)
            return result
    except TimeoutError:
        raise AssertionError(f"not in {seconds} s: {what}") from None


@pytest.fixture
async def running_simulator(tmp_path: Path) -> AsyncIterator[RunningSimulator]:
    simulator = RunningSimulator(tmp_path / "simulator")
    await simulator.start()
    yield simulator
    await simulator.stop()
