"""Commands on a stack that runs: `perene status`, `perene down`, `perene restart`, `perene logs`."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from entrypoints import leftovers, part_logs, stack_folder
from entrypoints.console import address_lines, complain, say, say_json
from entrypoints.settings import StackSettings
from entrypoints.stack_folder import AlreadyRunningError
from entrypoints.stack_state import StackState, read_state

NOT_RUNNING = 3
NOT_READY = 1
STOP_PATIENCE_SECONDS = 60.0


def running_state(data_dir: Path) -> StackState | None:
    """The state of the stack that runs in this folder now, or None."""
    return read_state(data_dir) if stack_folder.holder(data_dir) is not None else None


def status(settings: StackSettings, *, as_json: bool) -> int:
    """Exit code 0 ready, 1 running and not ready, 3 not running."""
    state = running_state(settings.data_dir)
    if state is None:
        if as_json:
            say_json({"ready": False, "addresses": _expected_addresses(settings), "processes": []})
        else:
            say(f"Perene is not running in {settings.data_dir}")
        return NOT_RUNNING
    if as_json:
        say_json(state.status_json())
    else:
        say(f"Perene is {'ready' if state.ready else state.phase + ', not ready'} (pid {state.supervisor_pid})")
        for process in state.processes:
            pid = process.pid if process.pid is not None else "-"
            say(f"  {process.name:<12} {process.state:<10} pid {pid:<8} restarts {process.restarts}")
        for line in address_lines(state.addresses):
            say(line)
    return 0 if state.ready else NOT_READY


def down(data_dir: Path) -> int:
    """Stop the stack, wait until all its processes are gone, and end what an earlier one left."""
    pid = stack_folder.holder(data_dir)
    if pid is None and not (data_dir / "run").exists():
        say(f"Perene is not running in {data_dir}")
        return 0
    if pid:
        os.kill(pid, signal.SIGTERM)
        if not _gone(data_dir, pid):
            complain(f"the supervisor (pid {pid}) does not stop; killing it")
            os.kill(pid, signal.SIGKILL)
            _gone(data_dir, pid)
    try:
        # Held, so that nothing starts here while the rest is cleared away.
        with stack_folder.held(data_dir, patience_seconds=5):
            ended = leftovers.end(data_dir)
    except AlreadyRunningError:
        complain("another perene started meanwhile and was left alone")
        return 1
    if pid is None and not ended:
        say(f"Perene is not running in {data_dir}")
    else:
        say("Perene is stopped")
    return 0


def restart(settings: StackSettings) -> int:
    """Stop the stack and start it again as it was: same ports, same number of workers, same world."""
    # Here, because `perene status` must not wait for what starting a stack needs.
    from entrypoints.up_command import as_before, up_detached

    state = running_state(settings.data_dir)
    if state is None:
        complain(f"Perene is not running in {settings.data_dir}")
        return NOT_RUNNING
    code = down(settings.data_dir)
    return code or up_detached(as_before(settings, state), simulated=state.options.simulator)


def logs(data_dir: Path, name: str | None, *, lines: int, follow: bool) -> int:
    """Print the end of one part's log, or of all of them, and stay with it if asked to."""
    files = sorted((data_dir / "logs").glob("*.log"))
    if name is not None:
        known = ", ".join(file.stem for file in files) or "none yet"
        files = [file for file in files if file.stem == name]
        if not files:
            complain(f"there is no log of {name!r} in {data_dir / 'logs'}; there are: {known}")
            return 2
    if not files:
        complain(f"there are no logs in {data_dir / 'logs'}")
        return NOT_RUNNING
    width = max(len(file.stem) for file in files)

    def show(file: Path, line: str) -> None:
        say(line if len(files) == 1 else f"{file.stem:<{width}} | {line}")

    for file in files:
        for line in part_logs.last_lines(file, lines):
            show(file, line)
    if follow:
        try:
            for file, line in part_logs.follow(files):
                show(file, line)
        except KeyboardInterrupt:
            return 0
    return 0


def _gone(data_dir: Path, pid: int) -> bool:
    deadline = time.monotonic() + STOP_PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if stack_folder.holder(data_dir) != pid:
            return True
        time.sleep(0.05)
    return False


def _expected_addresses(settings: StackSettings) -> dict[str, str | None]:
    return {
        "api": f"http://127.0.0.1:{settings.api_port}",
        "temporal": f"127.0.0.1:{settings.temporal_port}",
        "temporalUi": f"http://127.0.0.1:{settings.temporal_ui_port}",
        "simulator": None,
    }
