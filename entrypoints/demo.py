"""`perene demo`: the stack on the simulator, the scripted tour through it, and then a stack to play with."""

from __future__ import annotations

import signal
import threading
from types import FrameType

from entrypoints import running_stack
from entrypoints.console import address_lines, complain, say
from entrypoints.settings import StackSettings
from entrypoints.up_command import up_detached


def demo(settings: StackSettings, *, stay: bool) -> int:
    """Gives the exit code: that of the tour, or of the stack if it did not come up.

    The stack runs detached because the tour stops and starts it. A stack that ran before is used and left running.
    """
    running = running_stack.running_state(settings.data_dir)
    if running is not None and running.addresses.simulator is None:
        complain("Perene runs here on the real WhatsApp; stop it, or set PERENE_DATA_DIR to another folder")
        return 1
    interrupted = threading.Event()

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        if interrupted.is_set():
            return
        interrupted.set()
        raise KeyboardInterrupt

    # Ended by SIGTERM or a closed terminal, the demo takes its stack along as on Ctrl-C.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        if running is None and (code := up_detached(settings, simulated=True)) != 0:
            return code
        code = tour()
        if code == 0 and stay and running is None:
            _stay(settings)
        return code
    except KeyboardInterrupt:
        return 0
    finally:
        if running is None:
            running_stack.down(settings.data_dir)


def tour() -> int:
    """Run the scripted tour against the stack in PERENE_DATA_DIR; gives its exit code."""
    from entrypoints.tour import main

    return main()


def _stay(settings: StackSettings) -> None:
    """Keep the terminal until Ctrl-C, showing what the supervisor says."""
    state = running_stack.running_state(settings.data_dir)
    if state is not None:
        say("\nThe stack stays up. Scan and chat as a customer on the simulated phone's page.")
        for line in address_lines(state.addresses):
            say(line)
    say("Ctrl-C stops it.")
    running_stack.logs(settings.data_dir, "supervisor", lines=0, follow=True)
