"""Whether Temporal can be reached from here."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio.client import Client
from temporalio.service import RPCError

_ASK_SECONDS = 2.0
_PAUSE_SECONDS = 0.5


async def answering(client: Client) -> None:
    """Return once Temporal answers."""
    while True:
        if await _answers(client):
            return
        await asyncio.sleep(_PAUSE_SECONDS)


async def _answers(client: Client) -> bool:
    try:
        return await client.service_client.check_health(timeout=timedelta(seconds=_ASK_SECONDS))
    except RPCError:
        return False
