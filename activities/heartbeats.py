"""Beating, and the waits of long activities."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from temporalio import activity

from contracts.hosting import HostProgress

BEAT_SECONDS = 2.0
"""The SDK throttles what is sent; this is how fresh the details are when it sends."""


@asynccontextmanager
async def beating(progress: Callable[[], HostProgress]) -> AsyncGenerator[None]:
    """Heartbeat with `progress()` while the body runs. Progress, not mere life: a wedged socket shows."""

    async def beat() -> None:
        while True:
            activity.heartbeat(progress())
            await asyncio.sleep(BEAT_SECONDS)

    task = asyncio.create_task(beat(), name="heartbeat")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
