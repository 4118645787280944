"""Runs the local stack: parts in order, readiness within a time limit, supervision, and the stop in order."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from entrypoints import leftovers, part_logs
from entrypoints.backoff import Backoff
from entrypoints.part import Part
from entrypoints.stack_folder import StackFolder
from entrypoints.stack_state import Addresses, Phase, RunOptions, StackState
from entrypoints.supervised import Say, Supervised

ROTATION_SECONDS = 5.0
MOST_FAILED_STARTS = 4
"""During the start, a part that ended so often before it was ready is not waited for any longer."""
SHOWN_LOG_LINES = 15


class StackError(Exception):
    """The stack did not come up; the text says which part failed and shows the end of its log."""


@dataclass(frozen=True)
class Stage:
    """Parts that start together, and a step that must succeed once they are all ready."""

    parts: Sequence[Part]
    then: tuple[str, Callable[[], Awaitable[None]]] | None = None
    """A name for the log and the step itself; an exception of it ends the start."""


class Supervisor:
    """Starts stages one after the other, keeps every part running, and stops the stages in reverse order."""

    def __init__(
        self,
        folder: StackFolder,
        stages: Sequence[Stage],
        *,
        state: StackState,
        start_timeout_seconds: float,
        say: Say,
        new_backoff: Callable[[], Backoff] = Backoff,
    ) -> None:
        self._folder = folder
        self._stages = stages
        self._state = state
        self._timeout = start_timeout_seconds
        self._say = say
        self._groups = [
            [
                Supervised(part, folder.log_file(part.name), say=say, changed=self._changed, backoff=new_backoff())
                for part in stage.parts
            ]
            for stage in stages
        ]
        self._stop_asked = asyncio.Event()
        self._began = time.monotonic()

    @property
    def state(self) -> StackState:
        return self._state

    async def run(self, on_ready: Callable[[float], None]) -> None:
        """Run until SIGINT or SIGTERM. Calls `on_ready` with the seconds it took. Raises StackError."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._on_signal, number)
        self._set_phase("starting")
        if ended := await asyncio.to_thread(leftovers.end, self._folder.data_dir):
            self._say(f"ended {ended} process(es) that an earlier run had left")
        work = asyncio.create_task(self._start_and_keep(on_ready))
        stop = asyncio.create_task(self._stop_asked.wait())
        try:
            await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        except StackError as problem:
            self._state = replace(self._state, error=str(problem))
            raise
        finally:
            for task in (work, stop):
                task.cancel()
            await asyncio.gather(work, stop, return_exceptions=True)
            await self._stop_all()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.remove_signal_handler(number)

    async def _start_and_keep(self, on_ready: Callable[[float], None]) -> None:
        deadline = self._began + self._timeout
        for stage, group in zip(self._stages, self._groups, strict=True):
            for supervised in group:
                supervised.start()
            await asyncio.gather(*(self._until_ready(supervised, deadline) for supervised in group))
            if stage.then is not None:
                name, step = stage.then
                began = time.monotonic()
                try:
                    async with asyncio.timeout(max(deadline - time.monotonic(), 0)):
                        await step()
                except TimeoutError as late:
                    raise StackError(self._explain(name, f"not done within {self._timeout:g} s")) from late
                self._say(f"  {name:<12} done in {time.monotonic() - began:.1f} s")
        # Said first: whoever waits for the phase then finds the words in the log.
        on_ready(time.monotonic() - self._began)
        self._set_phase("running")
        await asyncio.gather(self._rotate_logs(), *(self._guard(supervised) for supervised in self._all()))

    async def _until_ready(self, supervised: Supervised, deadline: float) -> None:
        began = time.monotonic()
        name = supervised.part.name
        while not supervised.became_ready.is_set():
            if supervised.task is not None and supervised.task.done():
                supervised.task.result()
            if supervised.failed_starts >= MOST_FAILED_STARTS:
                raise StackError(self._explain(name, supervised.last_problem))
            if time.monotonic() > deadline:
                raise StackError(self._explain(name, f"not ready within {self._timeout:g} s"))
            await asyncio.sleep(0.02)
        self._say(f"  {name:<12} ready in {time.monotonic() - began:.1f} s")

    async def _guard(self, supervised: Supervised) -> None:
        """An error inside the supervision itself must end the run, not silently end one part's supervision."""
        if supervised.task is not None:
            await asyncio.shield(supervised.task)

    async def _rotate_logs(self) -> None:
        while True:
            for log in self._folder.logs.glob("*.log"):
                await asyncio.to_thread(part_logs.rotate, log)
            await asyncio.sleep(ROTATION_SECONDS)

    async def _stop_all(self) -> None:
        self._set_phase("stopping")
        for group in reversed(self._groups):
            # Within a stage the later part leans on the earlier ones.
            for supervised in reversed(group):
                if supervised.part.kind != "worker":
                    await supervised.stop()
            await asyncio.gather(*(supervised.stop() for supervised in group if supervised.part.kind == "worker"))
        await asyncio.to_thread(leftovers.end, self._folder.data_dir)
        self._set_phase("failed" if self._state.error else "stopped")

    def _on_signal(self, number: signal.Signals) -> None:
        if self._stop_asked.is_set():
            self._say("hurrying: killing what still runs")
            for supervised in self._all():
                supervised.hurry()
        else:
            self._say("stopping; Ctrl-C again kills at once" if number == signal.SIGINT else "stopping")
            self._stop_asked.set()

    def _all(self) -> list[Supervised]:
        return [supervised for group in self._groups for supervised in group]

    def _explain(self, part: str, problem: str) -> str:
        log = self._folder.log_file(part)
        lines = "\n".join(f"    {line}" for line in part_logs.last_lines(log, SHOWN_LOG_LINES))
        return f"{part} {problem}\n  the end of {log}:\n{lines}" if lines else f"{part} {problem}"

    def _set_phase(self, phase: Phase) -> None:
        self._state = replace(self._state, phase=phase)
        self._changed()

    def _changed(self) -> None:
        self._state = replace(self._state, processes=[supervised.status for supervised in self._all()])
        self._state.write(self._folder.state_file)


def first_state(supervisor_pid: int, options: RunOptions, addresses: Addresses) -> StackState:
    """The state before anything was started."""
    return StackState(supervisor_pid=supervisor_pid, phase="starting", options=options, addresses=addresses)
