"""A process whose event loop stands still is of no use, and holds what others should have: it says why, and ends.

Its sockets would go on acknowledging messages that nobody reads. The supervisor starts another process in its place.
"""

from __future__ import annotations

import asyncio
import faulthandler
import sys

STILL_SECONDS = 30.0
"""Far longer than any step of ours, and than loading the library takes on a crowded machine."""
_REARM_SECONDS = 2.0


def watch_from_now() -> None:
    """Give the process `STILL_SECONDS`: then it writes the stack of each thread to standard error and ends."""
    faulthandler.dump_traceback_later(STILL_SECONDS, exit=True, file=sys.stderr)


async def keep_watching() -> None:
    """Give it as long again, over and over, for as long as the event loop turns."""
    try:
        while True:
            watch_from_now()
            await asyncio.sleep(_REARM_SECONDS)
    finally:
        # What follows is the end of the process, which has a time limit of its own.
        watch_from_now()
