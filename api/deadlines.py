"""Nothing a client asks for may hang: calls to PostgreSQL are given up on, also when it is stopped and says nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from contracts.errors import DatabaseUnavailable

T = TypeVar("T")

DATABASE_SECONDS: Final = 4.0

_abandoned: set[asyncio.Task[Any]] = set()


async def database(call: Coroutine[Any, Any, T], *, seconds: float = DATABASE_SECONDS) -> T:
    """The result of `call`, or DatabaseUnavailable after `seconds`."""
    return await within(call, seconds, DatabaseUnavailable(f"no answer within {seconds} s"))


async def within(call: Coroutine[Any, Any, T], seconds: float, otherwise: Exception) -> T:
    """The result of `call`; `otherwise` is raised after `seconds`, even if `call` does not heed its cancellation.

    That is the difference from `asyncio.timeout`: a driver that tells the server of a cancellation waits for it.
    """
    task = asyncio.ensure_future(call)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        abandon(task)
        raise
    if not done:
        abandon(task)
        raise otherwise
    return task.result()


def abandon(task: asyncio.Task[Any]) -> None:
    """Cancel without waiting; whatever it still ends with concerns nobody."""
    task.cancel()
    _abandoned.add(task)
    task.add_done_callback(_forget)


def _forget(task: asyncio.Task[Any]) -> None:
    _abandoned.discard(task)
    if not task.cancelled():
        task.exception()  # Read, or asyncio complains: whoever asked was told of the time limit already.
