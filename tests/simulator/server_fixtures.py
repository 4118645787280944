"""A simulator and unmodified neonize clients, each in a process of its own, for the tests of the server."""

import asyncio
import contextlib
import itertools
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

ROOT = Path(__file__).resolve().parents[2]
CHILD = Path(__file__).with_name("neonize_child.py")
PATIENCE = 30.0
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


class Refused(Exception):  # an answer, not a failure of the test
    """The control API answered with an error."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.code = body.get("code")


class Simulator:
    """`python -m simulator` with a data folder; it can be stopped, killed and started again on the same port."""

    def __init__(self, folder: Path, options: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.options = options
        self.port = 0
        self.process: asyncio.subprocess.Process | None = None
        self._clients: list[Client] = []

    async def start(self) -> None:
        log = self.folder.with_suffix(".log").open("wb")
        base = ("-m", "simulator", "--port", str(self.port), "--data-dir", str(self.folder), "--no-phones-on-demand")
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, *base, *self.options, cwd=ROOT, stderr=asyncio.subprocess.PIPE
        )
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE):
            while b"listening on" not in (line := await self.process.stderr.readline()):
                assert line, f"the simulator did not start, see {log.name}"
                log.write(line)
        self.port = int(line.rpartition(b":")[2])
        self._draining = asyncio.create_task(self._drain(log))

    async def _drain(self, log: Any) -> None:
        assert self.process is not None
        assert self.process.stderr is not None
        with log:
            while line := await self.process.stderr.readline():
                log.write(line)
                log.flush()

    async def stop(self, *, kill: bool = False) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            if kill:
                self.process.kill()
            else:
                self.process.terminate()
        code = await self.process.wait()
        await self._draining
        return code

    async def call(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PATIENCE)) as session,
            session.request(method, f"http://127.0.0.1:{self.port}{path}", json=body or None) as response,
        ):
            answer = await response.json()
            if response.status != 200:
                raise Refused(response.status, answer)
            return answer

    async def post(self, path: str, **body: Any) -> dict[str, Any]:
        return await self.call("POST", path, **body)

    async def get(self, path: str) -> dict[str, Any]:
        return await self.call("GET", path)

    async def scan(self, qr: str, phone: str) -> dict[str, Any]:
        return await self.post("/phone/scan", qr=qr, phone=phone)

    async def fault(self, kind: str, target: str = "*", **details: Any) -> dict[str, Any]:
        return await self.post("/faults", kind=kind, target=target, **details)

    async def device(self, phone: str) -> dict[str, Any]:
        """The only device of a phone."""
        devices = [device for device in (await self.get("/devices"))["devices"] if device["phone"] == phone]
        assert len(devices) == 1, devices
        return devices[0]

    async def until_device(self, phone: str, **wanted: Any) -> dict[str, Any]:
        """Wait until the only device of a phone has these figures."""

        async def found() -> dict[str, Any] | None:
            device = await self.device(phone)
            return device if all(device[name] == value for name, value in wanted.items()) else None

        return await until(found, f"{phone} has {wanted}")

    async def client(self, name: str, jid: str | None = None) -> "Client":
        """A client process; `connect` it. With a JID it is the device that the store of this name has."""
        client = Client(self, name, jid)
        await client.start()
        self._clients.append(client)
        return client

    async def linked(self, phone: str) -> "Client":
        """A client that was paired by scanning its QR, and is logged in."""
        client = await self.client(phone)
        await client.do("connect")
        qr = await client.event("qr")
        client.jid = (await self.scan(qr["code"], phone))["jid"]
        await client.event("Connected")
        return client

    async def close(self) -> None:
        for client in self._clients:
            await client.kill()
        if self.process is not None:
            await self.stop()


class Client:
    """A neonize client in a child process. Events are kept until they are asked for."""

    def __init__(self, simulator: Simulator, name: str, jid: str | None) -> None:
        self.simulator = simulator
        self.name = name
        self.jid = jid
        self.events: list[dict[str, Any]] = []
        self._news = asyncio.Event()
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._numbers = itertools.count(1)
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        info = await self.simulator.get("/info")
        store = self.simulator.folder.parent / f"{self.name}.db"
        environment = {name: value for name, value in os.environ.items() if name.upper() not in PROXIES}
        environment |= {"SSL_CERT_FILE": info["caFile"], "NEONIZE_BOT_TAG": "off"}
        arguments = [info["proxy"], info["noiseRoot"], str(store), *([self.jid] if self.jid else [])]
        with store.with_suffix(".log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(CHILD),
                *arguments,
                env=environment,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=1 << 26,
            )
        self._reading = asyncio.create_task(self._read())
        await self.event("ready")

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            said = json.loads(line)
            if "reply" in said:
                self._answers.pop(said["reply"]).set_result(said)
            else:
                self.events.append(said)
                self._news.set()

    async def do(self, command: str, *arguments: Any) -> Any:
        """Carry out a command of the child; its result."""
        assert self._process is not None
        assert self._process.stdin is not None
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        line = {"id": number, "do": command, "arguments": arguments}
        self._process.stdin.write(json.dumps(line).encode() + b"\n")
        async with asyncio.timeout(PATIENCE):
            said = await answer
        assert "error" not in said, f"{command}: {said['error']}"
        return said["result"]

    async def event(self, kind: str, **wanted: Any) -> dict[str, Any]:
        """Take the first event of a kind with these fields, waiting for it; earlier ones are let go."""
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    for at, said in enumerate(self.events):
                        if said["event"] == kind and all(said.get(name) == value for name, value in wanted.items()):
                            del self.events[: at + 1]
                            return said
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            kinds = [said["event"] for said in self.events]
            raise AssertionError(f"{self.name} had no {kind} with {wanted} in {PATIENCE} s, but {kinds}") from None

    def had(self, kind: str) -> bool:
        """Whether an event of a kind came since the last that was taken."""
        return any(said["event"] == kind for said in self.events)

    async def kill(self) -> None:
        """End the process at once, as a crash would."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self._reading


async def until(condition: Callable[[], Awaitable[Any]], what: str) -> Any:
    """Wait until a condition in another process gives something true, and return that."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not (result := await condition()):  # noqa: ASYNC110  # it lies in another process
                await asyncio.sleep(0.02)
            return result
    except TimeoutError:
        raise AssertionError(f"not in {PATIENCE} s: {what}") from None


@pytest.fixture
async def simulator(tmp_path: Path) -> AsyncIterator[Simulator]:
    """A running simulator; phones are not switched on for those who are written to."""
    running = Simulator(tmp_path / "simulator")
    await running.start()
    yield running
    await running.close()
