"""Waiting for what must come true, and never for a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_SECONDS = 40.0
"""Far more than anything takes: a loaded machine is no failure."""


async def eventually(
    look: Callable[[], Awaitable[T | None]], what: str, *, within: float = PATIENCE_SECONDS, every: float = 0.05
) -> T:
    """The first truthy answer of `look`; fails with `what` after `within` seconds."""
    deadline = time.monotonic() + within
    while not (found := await look()):
        assert time.monotonic() < deadline, f"not within {within:g} s: {what}"
        await asyncio.sleep(every)
    return found
