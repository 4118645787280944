"""One part's life under the supervisor: started, watched, started again when it dies, stopped on request."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from entrypoints.backoff import Backoff
from entrypoints.part import Launch, Part, PartError
from entrypoints.stack_state import ProcessState, ProcessStatus

_LAUNCHER = Path(__file__).with_name("launcher.py")
STARTING_PROBE_SECONDS = 0.05
READY_PROBE_SECONDS = 2.0
RECOVERY_PROBE_SECONDS = 0.25
UNHEALTHY_PROBES = 2
"""So many probes in a row must fail before a running part is called unhealthy."""

Say = Callable[[str], None]


class Supervised:
    """Keeps one part running until `stop`. It never gives up: whoever starts the stack decides when to."""

    def __init__(self, part: Part, log_file: Path, *, say: Say, changed: Callable[[], None], backoff: Backoff) -> None:
        self.part = part
        self.log_file = log_file
        self.became_ready = asyncio.Event()
        self.failed_starts = 0
        """Starts in a row that ended before the part was ready."""
        self.last_problem = ""
        self._say = say
        self._changed = changed
        self._backoff = backoff
        self._process: asyncio.subprocess.Process | None = None
        self._state: ProcessState = "waiting"
        self._restarts = 0
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def status(self) -> ProcessStatus:
        pid = self._process.pid if self._process is not None else None
        return ProcessStatus(self.part.name, self.part.kind, pid, self._state, self._restarts)

    @property
    def task(self) -> asyncio.Task[None] | None:
        """The task that keeps the part; it ends after `stop`, or with an error of the supervisor itself."""
        return self._task

    def start(self) -> None:
        """Begin to keep the part running."""
        self._task = asyncio.create_task(self._keep_running(), name=f"supervise {self.part.name}")

    async def stop(self) -> None:
        """Stop the part and wait until its process is gone."""
        self._stopping.set()
        if self._task is not None:
            await self._task
        self._set_state("stopped")

    def hurry(self) -> None:
        """Cut the patience of a stop short: kill at once."""
        self._hurry.set()

    async def _keep_running(self) -> None:
        while not self._stopping.is_set():
            began = time.monotonic()
            self._set_state("starting")
            try:
                self._process = await self._spawn(await self.part.prepare())
            except (PartError, OSError) as problem:
                self._process = None
                ending = f"could not be started: {problem}"
            else:
                ending = await self._watch(self._process)
                self._process = None
            if self._stopping.is_set():
                return
            was_ready = self._state in ("ready", "unhealthy")
            self.failed_starts = 0 if was_ready else self.failed_starts + 1
            self.last_problem = ending
            delay = self._backoff.delay_after(time.monotonic() - began)
            self._restarts += 1
            self._set_state("restarting")
            self._say(f"{self.part.name} {ending}; starting it again in {delay:g} s")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)

    async def _spawn(self, launch: Launch) -> asyncio.subprocess.Process:
        owner = "-" if launch.owner is None else f"{launch.owner[0]}:{launch.owner[1]}"
        # Append mode: the log can be emptied under the writer (see part_logs.rotate).
        descriptor = os.open(self.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, f"--- {self.part.name} starts, {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC\n".encode())
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(_LAUNCHER)),
                *(str(os.getpid()), str(int(launch.death_signal)), owner, *launch.command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                env=dict(launch.environment),
                # Its own session: Ctrl-C reaches the supervisor alone, which then stops the parts in order.
                start_new_session=True,
            )
        finally:
            os.close(descriptor)

    async def _watch(self, process: asyncio.subprocess.Process) -> str:
        """Follow a process to its end, or end it when asked to; gives the ending in words."""
        exited = asyncio.create_task(process.wait())
        stop_asked = asyncio.create_task(self._stopping.wait())
        probing = asyncio.create_task(self._probe())
        try:
            # The probe ends only by an error of its own, which must not pass unseen.
            await asyncio.wait({exited, stop_asked, probing}, return_when=asyncio.FIRST_COMPLETED)
            if probing.done():
                probing.result()
            if not exited.done():
                await self._end(process, exited)
            return how_it_ended(await exited)
        finally:
            for task in (stop_asked, probing):
                task.cancel()
            await asyncio.gather(stop_asked, probing, return_exceptions=True)
            _kill_group(process.pid)

    async def _probe(self) -> None:
        misses = 0
        while True:
            healthy = await self.part.is_ready()
            misses = 0 if healthy else misses + 1
            if healthy:
                self._set_state("ready")
                self.became_ready.set()
            elif self._state == "ready" and misses >= UNHEALTHY_PROBES:
                self._set_state("unhealthy")
            if self._state == "starting":
                await asyncio.sleep(STARTING_PROBE_SECONDS)
            else:
                await asyncio.sleep(RECOVERY_PROBE_SECONDS if misses else READY_PROBE_SECONDS)

    async def _end(self, process: asyncio.subprocess.Process, exited: asyncio.Task[int]) -> None:
        self._set_state("stopping")
        hurried = asyncio.create_task(self._hurry.wait())
        try:
            for step in self.part.stop_steps:
                process.send_signal(step.signal)
                await asyncio.wait({exited, hurried}, timeout=step.seconds, return_when=asyncio.FIRST_COMPLETED)
                if exited.done():
                    return
                if hurried.done():
                    break
            self._say(f"{self.part.name} did not stop in time and was killed")
            process.kill()
            await exited
        finally:
            hurried.cancel()
            await asyncio.gather(hurried, return_exceptions=True)

    def _set_state(self, state: ProcessState) -> None:
        if state != self._state:
            self._state = state
            self._changed()


def how_it_ended(code: int) -> str:
    """An exit code in words: negative is a signal's number (subprocess.Popen.returncode)."""
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def _kill_group(pid: int) -> None:
    """End what a part started itself and left in its process group."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
