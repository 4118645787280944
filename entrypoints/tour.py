"""`perene tour`: one session's whole life against a running stack on the simulator, with measured times.

It is a client like any other: REST and Socket.IO of the API, the phone's side through the simulator's control API,
`kill -9` and `perene restart` as an operator would.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

import aiohttp
import socketio  # pyright: ignore[reportMissingTypeStubs]

from entrypoints import running_stack
from entrypoints.console import complain, say
from entrypoints.settings import StackSettings, stack_settings

CONNECTION_ID = "perene-tour"
BUSINESS_PHONE = "5511999990001"
CUSTOMER_PHONE = "5521988880002"
STEP_SECONDS = 45.0
BASE = "/api/baileys-simple"


class StepFailed(Exception):
    """A step of the tour did not come true."""


class Frontend:
    """What a CRM does: REST calls, and a Socket.IO client that remembers what it saw."""

    def __init__(self, api: str, http: aiohttp.ClientSession):
        self._api = api
        self._http = http
        self._events: list[tuple[str, dict[str, Any]]] = []
        self._news = asyncio.Event()
        self._sio = socketio.AsyncClient(reconnection=True, reconnection_delay=1, reconnection_delay_max=1)
        for name in ("qrCode", "connectionUpdate", "connectionRemoved", "newMessage", "message:status"):
            self._sio.on(name, self._remember(name))  # pyright: ignore[reportUnknownMemberType]

    def _remember(self, name: str) -> Callable[[dict[str, Any]], Awaitable[None]]:
        async def remember(payload: dict[str, Any]) -> None:
            self._events.append((name, payload))
            self._news.set()

        return remember

    async def open(self) -> None:
        """Connect the Socket.IO client."""
        await self._sio.connect(self._api, wait_timeout=10)  # pyright: ignore

    async def close(self) -> None:
        """Disconnect it."""
        await self._sio.disconnect()  # pyright: ignore

    async def join(self) -> None:
        """Join the room of the tour's connection, waiting for the socket to be up if the API was restarted."""
        deadline = time.monotonic() + STEP_SECONDS
        answer: object = "the socket is down"
        while time.monotonic() < deadline:
            try:
                answer = await self._sio.call("joinConnection", {"connectionId": CONNECTION_ID})  # pyright: ignore
            except socketio.exceptions.SocketIOError as problem:  # pyright: ignore
                answer = problem  # pyright: ignore
                await asyncio.sleep(0.1)
                continue
            if cast(dict[str, Any], answer).get("ok"):
                return
            break
        raise StepFailed(f"the room could not be joined: {answer}")

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One REST call; raises StepFailed on a failure, with the API's own words."""
        async with self._http.request(method, self._api + BASE + path, json=body) as response:
            answer: dict[str, Any] = await response.json()
        if response.status >= 400:
            raise StepFailed(f"{method} {path} answered {response.status}: {answer.get('code')} {answer.get('error')}")
        return answer

    def mark(self) -> int:
        """A place in what was seen, for `event`."""
        return len(self._events)

    async def event(self, name: str, since: int, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first event of that name since `since` that fits; raises StepFailed when none comes in time."""
        deadline = time.monotonic() + STEP_SECONDS
        at = since
        while True:
            while at < len(self._events):
                seen, payload = self._events[at]
                at += 1
                ours = payload.get("connectionId", payload.get("connection_id")) == CONNECTION_ID
                if seen == name and ours and fits(payload):
                    return payload
            self._news.clear()
            left = deadline - time.monotonic()
            try:
                await asyncio.wait_for(self._news.wait(), max(left, 0))
            except TimeoutError:
                raise StepFailed(f"no {name} came within {STEP_SECONDS:.0f} s") from None

    async def state(self, since: int, wanted: str) -> dict[str, Any]:
        """Wait until the connection is told to be in that state."""
        return await self.event("connectionUpdate", since, lambda payload: payload["update"].get("state") == wanted)


class Phone:
    """The simulator's control API: the phone, the customer, and what the server saw."""

    def __init__(self, address: str, http: aiohttp.ClientSession):
        self._address = address
        self._http = http

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """One call; raises StepFailed on a failure."""
        async with self._http.request(method, self._address + path, json=body) as response:
            answer = await response.json()
            if response.status >= 400:
                raise StepFailed(f"the simulator answered {response.status} to {path}: {answer}")
            return answer

    async def device(self, jid: str) -> dict[str, Any]:
        """The server's view of one device."""
        devices = cast(list[dict[str, Any]], (await self.call("GET", "/devices"))["devices"])
        for device in devices:
            if device["jid"] == jid:
                return device
        raise StepFailed(f"the simulator knows no device {jid}")

    async def connected_again(self, jid: str, before: dict[str, Any]) -> dict[str, Any]:
        """Wait until the device has logged in again since `before` and is up."""
        deadline = time.monotonic() + STEP_SECONDS
        while time.monotonic() < deadline:
            device = await self.device(jid)
            if device["connected"] and device["lastConnect"] != before["lastConnect"]:
                return device
            await asyncio.sleep(0.05)
        raise StepFailed(f"{jid} did not log in again within {STEP_SECONDS:.0f} s")

    async def received(self, phone: str, text: str) -> None:
        """Wait until the customer's phone shows a message with this text."""
        deadline = time.monotonic() + STEP_SECONDS
        while time.monotonic() < deadline:
            answer = await self.call("GET", f"/phone/{phone}/messages")
            if any(message.get("text") == text for message in answer["messages"]):
                return
            await asyncio.sleep(0.05)
        raise StepFailed(f"{text!r} did not reach {phone} within {STEP_SECONDS:.0f} s")


class Tour:
    """The steps, in order; each prints its line of the timeline when it has come true."""

    def __init__(self, settings: StackSettings, frontend: Frontend, phone: Phone):
        self._settings = settings
        self._frontend = frontend
        self._phone = phone
        self._began = time.monotonic()
        self._jid = ""

    async def step(self, name: str, work: Awaitable[str | None]) -> None:
        """Time one step and print it."""
        start = time.monotonic()
        note = await work
        took = time.monotonic() - start
        say(f"  {start - self._began:7.2f} s   {name:<34} {took * 1000:8.0f} ms   {note or ''}".rstrip())

    async def run(self) -> None:
        """The whole life. Raises StepFailed."""
        front = self._frontend
        await self._clean()
        await front.open()
        say("   begins at   what happens                           it took")
        self._mark = front.mark()
        await self.step("create the connection", self._create())
        await self.step("QR code shown", self._qr())
        await self.step("QR code scanned on the phone", self._scan())
        await self.step("connected", self._connected(self._mark))
        await self._talk("")
        await self.step("worker killed (kill -9) → connected", self._kill_workers())
        await self._talk(" after the kill")
        await self.step("stack stopped and started", self._restart())
        await self._talk(" after the restart")

    async def _clean(self) -> None:
        """An earlier tour's connection makes room for this one."""
        connections = (await self._frontend.call("GET", "/connections"))["data"]
        if any(connection["id"] == CONNECTION_ID for connection in connections):
            await self._frontend.call("DELETE", f"/connections/{CONNECTION_ID}")

    async def _create(self) -> None:
        await self._frontend.call("POST", "/connections", {"connectionId": CONNECTION_ID, "name": "Tour"})
        await self._frontend.join()

    async def _qr(self) -> None:
        self._qr_payload = (await self._frontend.event("qrCode", self._mark, lambda _: True))["qrCode"]

    async def _scan(self) -> str:
        answer = await self._phone.call("POST", "/phone/scan", {"qr": self._qr_payload, "phone": BUSINESS_PHONE})
        self._jid = answer["jid"]
        return self._jid

    async def _connected(self, since: int) -> None:
        await self._frontend.state(since, "connected")

    async def _talk(self, when: str) -> None:
        await self.step(f"message from a customer{when}", self._message_in(f"Bom dia{when}!"))
        await self.step(f"message to the customer{when}", self._message_out(f"Bom dia, como posso ajudar{when}?"))

    async def _message_in(self, text: str) -> None:
        mark = self._frontend.mark()
        await self._phone.call("POST", f"/phone/{CUSTOMER_PHONE}/send", {"to": BUSINESS_PHONE, "text": text})
        await self._frontend.event("newMessage", mark, lambda message: message["conteudo"] == text)

    async def _message_out(self, text: str) -> None:
        body = {"chatId": CUSTOMER_PHONE, "type": "text", "text": text}
        await self._frontend.call("POST", f"/connections/{CONNECTION_ID}/send-message", body)
        await self._phone.received(CUSTOMER_PHONE, text)

    async def _kill_workers(self) -> str:
        state = running_stack.running_state(self._settings.data_dir)
        if state is None:
            raise StepFailed("the stack is gone")
        before = await self._phone.device(self._jid)
        for process in state.processes:
            if process.kind == "worker" and process.pid is not None:
                os.kill(process.pid, signal.SIGKILL)
        return await self._back(before)

    async def _restart(self) -> str:
        before = await self._phone.device(self._jid)
        # The supervisor's own progress is not part of the timeline.
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "entrypoints.cli", "restart", stdout=asyncio.subprocess.DEVNULL
        )
        if await process.wait() != 0:
            raise StepFailed("perene restart failed; see perene logs supervisor")
        return await self._back(before)

    async def _back(self, before: dict[str, Any]) -> str:
        device = await self._phone.connected_again(self._jid, before)
        deadline = time.monotonic() + STEP_SECONDS
        while not (await self._frontend.call("GET", f"/connections/{CONNECTION_ID}"))["data"]["isConnected"]:
            if time.monotonic() > deadline:
                raise StepFailed("the API never said that the connection is up again")
            await asyncio.sleep(0.05)
        # The simulator closes the older of two sockets, as WhatsApp does, so a second one shows as a replacement.
        if device["mostSocketsOpen"] > 1 or device["replaced"] > 0:
            raise StepFailed(f"two sockets of one device were open at once: {device}")
        await self._frontend.join()
        return "no second scan"


async def _run(settings: StackSettings) -> int:
    state = running_stack.running_state(settings.data_dir)
    if state is None or not state.ready:
        complain("no stack is ready here; start one with: perene up --simulator --detach")
        return running_stack.NOT_RUNNING
    if state.addresses.simulator is None:
        complain("the tour plays the phone, so it needs the simulator: perene up --simulator --detach")
        return 1
    timeout = aiohttp.ClientTimeout(total=STEP_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        frontend = Frontend(state.addresses.api, http)
        phone = Phone(state.addresses.simulator, http)
        try:
            await Tour(settings, frontend, phone).run()
        except (StepFailed, aiohttp.ClientError, TimeoutError, socketio.exceptions.ConnectionError) as problem:  # pyright: ignore
            complain(f"the tour failed: {problem or type(problem).__name__}")  # pyright: ignore
            return 1
        finally:
            await frontend.close()
    say("\nEvery step came true: paired once, never lost.")
    return 0


def main() -> int:
    """Run the tour against the stack in PERENE_DATA_DIR; 0 if every step came true."""
    return asyncio.run(_run(stack_settings()))
