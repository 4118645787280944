"""The simulator's end of the companion process: starts it, asks it, hears its events.

The other end, and the protocol, is `simulator/companion.py`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.phone_errors import CompanionUnavailableError, error_of

START_SECONDS = 30.0
ASK_SECONDS = 100.0
"""Longest wait for an answer: whatsmeow itself waits 75 s for the server's ack of a message."""
LONGEST_LINE = 256 * 1024 * 1024
CLOSE_SECONDS = 5.0

_log = logging.getLogger(__name__)
_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@dataclass(frozen=True)
class CompanionSettings:
    """What a companion needs to find its simulator, and nothing else."""

    port: int
    """Port of the simulator on 127.0.0.1."""
    ca_file: Path
    noise_root: bytes
    directory: Path
    """Where the phones' keys and messages lie, and the companion's log."""


class CompanionProcess:
    """One running companion. It is not started again here: make another."""

    def __init__(
        self, settings: CompanionSettings, on_event: Callable[[dict[str, Any]], None], on_end: Callable[[], None]
    ) -> None:
        self._settings = settings
        self._on_event = on_event
        self._on_end = on_end
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._ended = False

    @property
    def pid(self) -> int | None:
        """Process id, or None before the start."""
        return None if self._process is None else self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it was started and its output has not ended."""
        return self._process is not None and not self._ended

    async def start(self) -> None:
        """Start the process and wait until it takes requests. Raises `CompanionUnavailableError`."""
        settings = self._settings
        settings.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        options = ["--port", str(settings.port), "--dir", str(settings.directory.resolve())]
        options += ["--noise-root", settings.noise_root.hex()]
        with (settings.directory / "companion.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "simulator.companion"),
                *options,
                env=self._environment(),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=LONGEST_LINE,
            )
        self._reading = asyncio.create_task(self._read())
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._ready.wait()
        except TimeoutError as error:
            await self.close()
            raise CompanionUnavailableError("the companion did not start in time") from error
        if self._ended:
            raise CompanionUnavailableError(f"the companion ended at once, see {settings.directory / 'companion.log'}")

    async def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Carry out one command.

        Raises the typed `PhoneError` that the companion answered, or `CompanionUnavailableError`.
        """
        if self._process is None or self._process.stdin is None or self._ended:
            raise CompanionUnavailableError
        number = next(self._numbers)
        answer = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        line = json.dumps({"id": number, "do": command, **arguments}, ensure_ascii=False).encode() + b"\n"
        try:
            self._process.stdin.write(line)
            await self._process.stdin.drain()
            async with asyncio.timeout(ASK_SECONDS):
                return await answer
        except TimeoutError as error:
            raise CompanionUnavailableError(f"no answer to {command} in time") from error
        except ConnectionError as error:
            raise CompanionUnavailableError from error
        finally:
            del self._asked[number]

    async def close(self) -> None:
        """End it: first by the end of its input, then by force. Returns when it is gone."""
        if self._process is None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._process.wait()
        except TimeoutError:
            _log.warning("the companion did not end by itself")
            self._process.kill()
            await self._process.wait()
        if self._reading is not None:
            await self._reading

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        try:
            while line := await self._process.stdout.readline():
                self._take(json.loads(line))
        finally:
            was_ready = self._ready.is_set()
            self._ended = True
            self._ready.set()
            for answer in self._asked.values():
                if not answer.done():
                    answer.set_exception(CompanionUnavailableError())
            if was_ready:
                self._on_end()

    def _take(self, message: dict[str, Any]) -> None:
        if message.get("event") == "ready":
            self._ready.set()
        elif "event" in message:
            self._on_event(message)
        else:
            answer = self._asked.get(message["reply"])
            if answer is None or answer.done():
                return  # whoever asked has stopped waiting
            error = message.get("error")
            if error is None:
                answer.set_result(message["result"])
            else:
                answer.set_exception(error_of(error["code"], error["message"]))

    def _environment(self) -> dict[str, str]:
        """This process's environment with the simulator's CA as the only one, and no proxy but the simulator."""
        kept = {name: value for name, value in os.environ.items() if name.upper() not in _PROXY_VARIABLES}
        package_root = str(Path(__file__).resolve().parent.parent)
        path = os.pathsep.join(part for part in (package_root, kept.get("PYTHONPATH")) if part)
        return {
            **kept,
            "PYTHONPATH": path,
            "SSL_CERT_FILE": str(self._settings.ca_file.resolve()),
            "NEONIZE_BOT_TAG": "off",  # the library's tag makes each one-to-one message look like a bot's
        }
