"""LISTEN on a connection of its own that heals by itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator

import asyncpg

from store.pool import CONNECT_SECONDS, Connection, is_lost

_log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 0.1
LAST_RETRY_SECONDS = 1.0


class _Lost:
    """What the queue holds when the connection is gone."""


async def notifications(url: str, channel: str, *, idle_seconds: float, name: str) -> AsyncGenerator[list[str]]:
    """What was notified on `channel`, for ever: payloads, each once, in the order they came.

    `[""]` after each connect, also the first: anything may have been missed. `[]` after `idle_seconds` in which nothing
    came (the connection was found alive then, so a server that is gone without a word is noticed as well). Close the
    generator (`aclosing`) to close the connection.
    """
    retry = FIRST_RETRY_SECONDS
    while True:
        queue: asyncio.Queue[str | _Lost] = asyncio.Queue()
        try:
            connection = await _listen(url, channel, queue, name)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as problem:
            # Also a refused login: at the start of a stack the role may not be there yet.
            _log.warning("cannot listen on %s: %s: trying again", channel, type(problem).__name__)
            await asyncio.sleep(retry)
            retry = min(retry * 2, LAST_RETRY_SECONDS)
            continue
        retry = FIRST_RETRY_SECONDS
        try:
            yield [""]
            while (batch := await _next_batch(connection, queue, idle_seconds)) is not None:
                yield batch
        finally:
            connection.terminate()
        _log.warning("the connection that listens on %s was lost: connecting again", channel)


async def _listen(
    url: str, channel: str, queue: asyncio.Queue[str | _Lost], name: str
) -> asyncpg.Connection[asyncpg.Record]:
    def take(_connection: Connection, _pid: int, _channel: str, payload: object) -> None:
        queue.put_nowait(str(payload))

    connection = await asyncpg.connect(
        url, timeout=CONNECT_SECONDS, command_timeout=CONNECT_SECONDS, server_settings={"application_name": name}
    )
    try:
        connection.add_termination_listener(lambda _: queue.put_nowait(_Lost()))
        await connection.add_listener(channel, take)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def _next_batch(
    connection: asyncpg.Connection[asyncpg.Record], queue: asyncio.Queue[str | _Lost], idle_seconds: float
) -> list[str] | None:
    """Everything that is in the queue; None once the connection is lost."""
    try:
        # Not wait_for, which in Python 3.11 forgets a cancellation that comes together with its result.
        async with asyncio.timeout(idle_seconds):
            first = await queue.get()
    except TimeoutError:
        try:
            await connection.execute("SELECT 1")
        except Exception as problem:
            if is_lost(problem):
                return None
            raise
        return []
    items = [first]
    while not queue.empty():
        items.append(queue.get_nowait())
    if any(isinstance(item, _Lost) for item in items):
        return None
    return list(dict.fromkeys(item for item in items if isinstance(item, str)))
