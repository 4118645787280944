"""A whole stack of real processes, on free ports and in a folder of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil

from entrypoints import leftovers
from entrypoints.running_stack import running_state
from entrypoints.stack_state import StackState

PATIENCE_SECONDS = 90.0
PERENE = (sys.executable, "-P", "-m", "entrypoints.cli")


class Stack:
    """Runs the `perene` command against one data folder."""

    def __init__(self, data_dir: Path, **environment: str) -> None:
        self.data_dir = data_dir.resolve()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PERENE_")},
            "PERENE_DATA_DIR": str(data_dir),
            "PERENE_API_PORT": "0",
            "PERENE_TEMPORAL_PORT": "0",
            "PERENE_TEMPORAL_UI_PORT": "0",
            "PERENE_SIMULATOR_PORT": "0",
            **environment,
        }

    def perene(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*PERENE, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS * 2,
            check=False,
        )

    def foreground(self, *arguments: str) -> subprocess.Popen[str]:
        """A `perene` that is left running; the caller ends it."""
        return subprocess.Popen(
            [*PERENE, *arguments], env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def up(self, *arguments: str) -> dict[str, Any]:
        """Bring it up on the simulator, detached; gives its status."""
        done = self.perene("up", "--simulator", "--detach", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return self.status()

    def status(self) -> dict[str, Any]:
        return json.loads(self.perene("status", "--json").stdout)

    def process(self, name: str) -> dict[str, Any]:
        return next(process for process in self.status()["processes"] if process["name"] == name)

    def until_ready(self) -> dict[str, Any]:
        self.until(lambda: self.status()["ready"], "the stack is ready")
        return self.status()

    def until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"not reached: {what}\n{self.perene('logs', '-n', '15').stdout}"
            time.sleep(0.05)

    def supervisor_pid(self) -> int:
        return int((self.data_dir / "run" / "lock").read_text())

    def processes(self) -> list[psutil.Process]:
        """Every process of this stack that lives, its supervisor aside."""
        return leftovers.find(self.data_dir)

    def said(self) -> str:
        """What the supervisor said so far."""
        return (self.data_dir / "logs" / "supervisor.log").read_text()

    def api_answers(self) -> bool:
        try:
            health = httpx.get(f"{self.status()['addresses']['api']}/api/baileys-simple/health", trust_env=False)
        except httpx.HTTPError:
            return False
        return health.status_code == 200

    # What the supervisor keeps on file, read at once where a command would take a third of a second.

    def state(self) -> StackState:
        state = running_state(self.data_dir)
        assert state is not None, "the stack is not running"
        return state

    def ready(self) -> bool:
        """Whether every part is up and has answered its last probe."""
        state = running_state(self.data_dir)
        return state is not None and state.ready

    def pids(self, kind: str) -> list[int]:
        """Process ids of the parts of a kind that run now."""
        return [process.pid for process in self.state().processes if process.kind == kind and process.pid is not None]

    def restarts(self, kind: str) -> int:
        return sum(process.restarts for process in self.state().processes if process.kind == kind)

    def send(self, number: signal.Signals, *kinds: str) -> None:
        """Signal every part of these kinds, as close together as can be."""
        for pid in [pid for kind in kinds for pid in self.pids(kind)]:
            os.kill(pid, number)

    def tree(self, kind: str) -> list[psutil.Process]:
        """The parts of a kind with all their children."""
        parts = [psutil.Process(pid) for pid in self.pids(kind)]
        return [*parts, *(child for part in parts for child in part.children(recursive=True))]

    @contextmanager
    def frozen(self, kind: str) -> Iterator[None]:
        """In here the part is there and says nothing. Its supervisor sees a living process, and lets it be."""
        processes = self.tree(kind)
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.resume()

    @contextmanager
    def dead(self, kind: str) -> Iterator[None]:
        """In here the part does not exist: it was killed, and nobody starts it again."""
        supervisor = psutil.Process(self.supervisor_pid())
        pids = self.pids(kind)
        supervisor.suspend()
        try:
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            yield
        finally:
            supervisor.resume()

    def worker_log(self) -> str:
        """What the workers wrote so far."""
        return "".join(file.read_text() for file in sorted((self.data_dir / "logs").glob("worker-*.log")))

    def end(self) -> None:
        """Take it down and see that nothing of it is left."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)
        self.perene("down")
        left = self.processes()
        for process in left:
            # Found a moment ago: it may have ended by itself since.
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        assert left == []
