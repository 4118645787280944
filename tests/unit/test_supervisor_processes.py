"""Supervision of real, tiny processes: readiness, death, restart, stop, hurry."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from entrypoints import leftovers
from entrypoints.backoff import Backoff
from entrypoints.part import Launch, PartError, PartKind, StopStep, base_environment
from entrypoints.stack_folder import StackFolder
from entrypoints.stack_state import Addresses, RunOptions, read_state
from entrypoints.supervised import Supervised
from entrypoints.supervisor import StackError, Stage, Supervisor, first_state

READY_THEN_WAIT = "import pathlib, sys, signal; pathlib.Path(sys.argv[1]).touch(); signal.pause()"
DEAF = "import pathlib, sys, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + READY_THEN_WAIT
WITH_CHILD = (
    "import pathlib, sys, signal, subprocess\n"
    "child = subprocess.Popen(['sleep', '1000'])\n"
    "pathlib.Path(sys.argv[1]).write_text(str(child.pid)); signal.pause()"
)


class Script:
    """A part that runs a line of Python, ready once it made its file."""

    kind: PartKind = "worker"

    def __init__(self, folder: StackFolder, code: str, name: str = "script", patience: float = 10) -> None:
        self.name = name
        self.file = folder.ready_file(name)
        self.stop_steps = (StopStep(signal.SIGTERM, patience),)
        self._folder = folder
        self._code = code

    async def prepare(self) -> Launch:
        self.file.unlink(missing_ok=True)
        return Launch((sys.executable, "-c", self._code, str(self.file)), base_environment(self._folder.data_dir))

    async def is_ready(self) -> bool:
        return self.file.exists()


@pytest.fixture
def folder(tmp_path: Path) -> StackFolder:
    folder = StackFolder(tmp_path, simulated=True)
    folder.create()
    return folder


class Watched:
    def __init__(self, folder: StackFolder, part: Script) -> None:
        self.said: list[str] = []
        self.supervised = Supervised(
            part,
            folder.log_file(part.name),
            say=self.said.append,
            changed=lambda: None,
            backoff=Backoff(first=0.01, most=0.02),
        )

    @property
    def pid(self) -> int:
        pid = self.supervised.status.pid
        assert pid is not None
        return pid


@contextlib.asynccontextmanager
async def running(folder: StackFolder, part: Script) -> AsyncIterator[Watched]:
    watched = Watched(folder, part)
    watched.supervised.start()
    try:
        await asyncio.wait_for(watched.supervised.became_ready.wait(), 20)
        yield watched
    finally:
        watched.supervised.hurry()
        await watched.supervised.stop()


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - files and processes raise no event
            await asyncio.sleep(0.01)


async def test_a_killed_part_is_started_again_and_said(folder: StackFolder) -> None:
    async with running(folder, Script(folder, READY_THEN_WAIT)) as watched:
        first = watched.pid
        os.kill(first, signal.SIGKILL)
        await until(lambda: watched.supervised.status.restarts == 1 and watched.supervised.status.state == "ready")
        assert watched.pid != first
        assert watched.said == ["script was ended by SIGKILL; starting it again in 0.01 s"]


async def test_a_part_that_keeps_dying_is_counted_and_never_given_up(folder: StackFolder) -> None:
    watched = Watched(folder, Script(folder, "import sys; sys.exit(7)"))
    watched.supervised.start()
    await until(lambda: watched.supervised.failed_starts >= 3)
    assert watched.supervised.last_problem == "ended with exit code 7"
    await watched.supervised.stop()
    assert watched.supervised.status.state == "stopped"


async def test_a_part_that_cannot_be_prepared_is_tried_again(folder: StackFolder) -> None:
    class Unprepared(Script):
        async def prepare(self) -> Launch:
            raise PartError("no such program")

    watched = Watched(folder, Unprepared(folder, ""))
    watched.supervised.start()
    await until(lambda: watched.supervised.failed_starts >= 2)
    await watched.supervised.stop()
    assert watched.said[0] == "script could not be started: no such program; starting it again in 0.01 s"


async def test_a_deaf_part_is_killed_after_its_patience(folder: StackFolder) -> None:
    async with running(folder, Script(folder, DEAF, patience=0.1)) as watched:
        pid = watched.pid
        await watched.supervised.stop()
        assert not psutil.pid_exists(pid)
        assert watched.said == ["script did not stop in time and was killed"]


async def test_hurry_kills_without_waiting_for_the_patience(folder: StackFolder) -> None:
    async with running(folder, Script(folder, DEAF, patience=1000)) as watched:
        stopping = asyncio.create_task(watched.supervised.stop())
        await until(lambda: watched.supervised.status.state == "stopping")
        watched.supervised.hurry()
        await asyncio.wait_for(stopping, 10)


async def test_the_children_of_a_killed_part_end_with_it(folder: StackFolder) -> None:
    part = Script(folder, WITH_CHILD)
    async with running(folder, part) as watched:
        await until(lambda: part.file.exists() and bool(part.file.read_text()))
        child = psutil.Process(int(part.file.read_text()))
        os.kill(watched.pid, signal.SIGKILL)
        await until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


async def test_a_running_part_that_no_longer_answers_is_unhealthy_until_it_does(
    folder: StackFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("entrypoints.supervised.READY_PROBE_SECONDS", 0.01)
    part = Script(folder, READY_THEN_WAIT)
    async with running(folder, part) as watched:
        part.file.unlink()
        await until(lambda: watched.supervised.status.state == "unhealthy")
        part.file.touch()
        await until(lambda: watched.supervised.status.state == "ready")
        assert watched.supervised.status.restarts == 0


async def test_what_a_part_prints_is_in_its_log(folder: StackFolder) -> None:
    async with running(folder, Script(folder, "print('hello'); " + READY_THEN_WAIT)):
        assert "hello" in folder.log_file("script").read_text()


async def test_leftovers_are_found_by_their_environment_and_ended(folder: StackFolder) -> None:
    process = await asyncio.create_subprocess_exec("sleep", "1000", env=base_environment(folder.data_dir))
    other = await asyncio.create_subprocess_exec("sleep", "1000", env=base_environment(folder.data_dir / "other"))
    try:
        assert [found.pid for found in leftovers.find(folder.data_dir)] == [process.pid]
        assert await asyncio.to_thread(leftovers.end, folder.data_dir) == 1
        assert await process.wait() == -signal.SIGTERM
        assert other.returncode is None
    finally:
        other.kill()
        await other.wait()


def supervisor(folder: StackFolder, stages: list[Stage], said: list[str], timeout: float = 20) -> Supervisor:
    return Supervisor(
        folder,
        stages,
        state=first_state(os.getpid(), RunOptions(True, 1, 1, 2, 3, 4), Addresses("a", "b", "c", "d")),
        start_timeout_seconds=timeout,
        say=said.append,
        new_backoff=lambda: Backoff(first=0.01, most=0.02),
    )


async def test_stages_start_in_order_and_stop_on_a_signal(folder: StackFolder) -> None:
    order: list[str] = []

    async def step() -> None:
        order.append(f"step, second exists: {second.file.exists()}")

    first, second = Script(folder, READY_THEN_WAIT, "first"), Script(folder, READY_THEN_WAIT, "second")
    run = supervisor(folder, [Stage([first], then=("step", step)), Stage([second])], said := [])
    task = asyncio.create_task(run.run(lambda _seconds: order.append("ready")))
    await until(lambda: run.state.ready)
    state = read_state(folder.data_dir)
    assert state is not None
    assert state.ready
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(task, 20)
    assert order == ["step, second exists: False", "ready"]
    assert [process.state for process in run.state.processes] == ["stopped", "stopped"]
    assert run.state.phase == "stopped"
    assert "stopping" in said
    assert leftovers.find(folder.data_dir) == []


async def test_a_start_that_fails_says_which_part_and_shows_its_log(folder: StackFolder) -> None:
    part = Script(folder, "import sys; sys.exit('the cause in its own words')", "broken")
    run = supervisor(folder, [Stage([part])], [])
    with pytest.raises(StackError, match=r"(?s)broken ended with exit code 1.*the cause in its own words"):
        await run.run(lambda _seconds: None)
    assert run.state.phase == "failed"
    assert run.state.error is not None


async def test_a_start_that_takes_too_long_fails_and_stops_what_ran(folder: StackFolder) -> None:
    run = supervisor(folder, [Stage([Script(folder, "import signal; signal.pause()", "slow")])], [], timeout=0.5)
    with pytest.raises(StackError, match=r"slow not ready within 0\.5 s"):
        await run.run(lambda _seconds: None)
    assert leftovers.find(folder.data_dir) == []


async def test_a_failing_step_ends_the_start(folder: StackFolder) -> None:
    async def step() -> None:
        raise StackError("the migrations failed")

    run = supervisor(folder, [Stage([Script(folder, READY_THEN_WAIT)], then=("step", step))], [])
    with pytest.raises(StackError, match="the migrations failed"):
        await run.run(lambda _seconds: None)
