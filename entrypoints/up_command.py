"""`perene up`: the local stack in the foreground or detached."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from entrypoints import stack_folder
from entrypoints.console import TeeSay, address_lines, complain, say
from entrypoints.local_stack import build, folder_description
from entrypoints.part import PartError, python_module
from entrypoints.ports import PortTakenError
from entrypoints.settings import StackSettings
from entrypoints.stack_folder import AlreadyRunningError
from entrypoints.stack_state import StackState, read_state
from entrypoints.supervisor import StackError

SUPERVISOR_LOG = "supervisor"
_POLL_SECONDS = 0.05


def up(settings: StackSettings, *, simulated: bool, logged: bool) -> int:
    """Run the stack until Ctrl-C or SIGTERM; gives the exit code. `logged`: standard output is the log already."""
    try:
        with stack_folder.held(settings.data_dir):
            return _run(settings, simulated=simulated, logged=logged)
    except AlreadyRunningError:
        return _already_running(settings.data_dir)


def up_detached(settings: StackSettings, *, simulated: bool) -> int:
    """Start a supervisor in the background, show its progress, and return once all parts are ready or it failed."""
    if stack_folder.holder(settings.data_dir) is not None:
        return _already_running(settings.data_dir)
    log_file = _supervisor_log(settings.data_dir)
    with log_file.open("ab") as log:
        shown = log.tell()
        child = subprocess.Popen(
            [*python_module("entrypoints.cli"), "up", "--logged", *(["--simulator"] if simulated else [])],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **environment_of(settings)},
            start_new_session=True,
        )
    try:
        while True:
            code = child.poll()
            state = read_state(settings.data_dir)
            ready = state is not None and state.supervisor_pid == child.pid and state.ready
            with log_file.open("rb") as log:
                log.seek(shown)
                fresh = log.read()
            shown += len(fresh)
            sys.stdout.write(fresh.decode("utf-8", "replace"))
            sys.stdout.flush()
            if code is not None:
                # Even a clean end is none of a start: somebody stopped it, or another start was faster.
                return max(code, 1)
            if ready:
                say(f"running in the background (pid {child.pid}); `perene down` stops it")
                return 0
            time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        child.terminate()
        child.wait()
        return 130


def environment_of(settings: StackSettings) -> dict[str, str]:
    """The environment from which `stack_settings` reads these settings again."""
    return {
        "PERENE_DATA_DIR": str(settings.data_dir),
        "PERENE_API_HOST": settings.api_host,
        "PERENE_API_PORT": str(settings.api_port),
        "PERENE_TEMPORAL_PORT": str(settings.temporal_port),
        "PERENE_TEMPORAL_UI_PORT": str(settings.temporal_ui_port),
        "PERENE_SIMULATOR_PORT": str(settings.simulator_port),
        "PERENE_WORKERS": str(settings.workers),
        "PERENE_START_TIMEOUT_SECONDS": str(settings.start_timeout_seconds),
    }


def as_before(settings: StackSettings, state: StackState) -> StackSettings:
    """The settings with the ports and the number of workers of an earlier run."""
    options = state.options
    return replace(
        settings,
        api_port=options.api_port,
        temporal_port=options.temporal_port,
        temporal_ui_port=options.temporal_ui_port,
        simulator_port=options.simulator_port,
        workers=options.workers,
    )


def _run(settings: StackSettings, *, simulated: bool, logged: bool) -> int:
    line = say if logged else TeeSay(_supervisor_log(settings.data_dir))
    line(folder_description(settings, simulated=simulated))

    def on_ready(seconds: float) -> None:
        for note in stack.postgres.notes:
            line(f"  note: {note}")
        line(f"ready in {seconds:.1f} s")
        for address in address_lines(stack.addresses):
            line(address)
        if not logged:
            line("Ctrl-C stops it.")

    try:
        stack = build(settings, simulated=simulated, say=line)
        asyncio.run(stack.supervisor.run(on_ready))
    except (PortTakenError, StackError, PartError) as problem:
        line(f"perene did not start: {problem}")
        return 1
    line("stopped")
    return 0


def _already_running(data_dir: Path) -> int:
    state = read_state(data_dir)
    pid = stack_folder.holder(data_dir)
    say(f"Perene is already running in {data_dir} (pid {pid}); nothing was changed")
    if state is None:
        return 0
    if not state.ready:
        complain("it is not ready; see `perene status`")
    for address in address_lines(state.addresses):
        say(address)
    return 0


def _supervisor_log(data_dir: Path) -> Path:
    return stack_folder.subfolder(data_dir, "logs") / f"{SUPERVISOR_LOG}.log"
