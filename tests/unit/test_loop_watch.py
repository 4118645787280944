"""A worker that stands still ends by itself, and says where it stood."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import asyncio, sys, time
from entrypoints import loop_watch

loop_watch.STILL_SECONDS, loop_watch._REARM_SECONDS = 0.5, 0.05

async def stand_still():
    time.sleep(60)

async def main():
    watch = asyncio.create_task(loop_watch.keep_watching())
    await asyncio.sleep(1.5)
    print("turned", flush=True)
    if sys.argv[1] == "stands":
        await stand_still()
    watch.cancel()

loop_watch.watch_from_now()
asyncio.run(main())
"""


def _run(how: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _PROGRAM, how], capture_output=True, text=True, timeout=30, check=False
    )


def test_a_loop_that_turns_is_left_alone() -> None:
    ended = _run("turns")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "turned\n", "")


def test_a_loop_that_stands_still_ends_the_process_and_names_the_place() -> None:
    ended = _run("stands")
    assert ended.returncode == 1
    assert ended.stdout == "turned\n"
    assert "in stand_still" in ended.stderr
