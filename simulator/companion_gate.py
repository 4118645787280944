"""Keeps calls into the Go library apart from starts and stops of clients.

neonize's Go side keeps its clients in plain maps (`goneonize/main.go`: `clients`, `eventChannel`, `StopSignal`).
A start or a stop writes them, every other call reads them as it enters, and Go ends the process when a write meets
anything else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")

ENTRY_SECONDS = 0.2
"""A call has read the map long before this; it then may wait for the network while others start and stop."""


class Gate:
    """Starts and stops are exclusive; calls may overlap one another."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._entering: set[asyncio.Future[Any]] = set()

    @asynccontextmanager
    async def exclusive(self) -> AsyncGenerator[None]:
        """Hold every other start, stop and call off, once the calls that are entering have passed their entry."""
        async with self._turn:
            while self._entering:
                await asyncio.wait(set(self._entering))
            yield

    async def call(self, action: Awaitable[T]) -> T:
        """Run one call into the library (an awaitable that was not started yet) and return its result."""
        async with self._turn:
            task = asyncio.ensure_future(action)
            entered = asyncio.ensure_future(asyncio.wait({task}, timeout=ENTRY_SECONDS))
            self._entering.add(entered)
            entered.add_done_callback(self._entering.discard)
        return await task
