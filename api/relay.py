"""The task that carries the outbox to this process's sockets, for as long as the process lives."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import structlog

from api.delivery import Delivery
from api.ports import Tail
from contracts.errors import DatabaseUnavailable

RESTART_SECONDS = 0.5

_log = structlog.get_logger()


async def relay(tail: Tail, delivery: Delivery) -> None:
    """Publish event after event. The tail heals through restarts of PostgreSQL, and goes on where it was."""
    while True:
        try:
            async with aclosing(tail.events()) as events:
                async for event in events:
                    await delivery.publish(event)
        except DatabaseUnavailable as problem:
            _log.warning("relay_waits", problem=str(problem))
        except Exception:  # noqa: BLE001
            # One event that cannot be told must not silence all that follow; the tail is past it already.
            _log.exception("relay_failed")
        await asyncio.sleep(RESTART_SECONDS)
