"""Ask a part over HTTP how it is."""

from __future__ import annotations

from typing import Any, cast

import aiohttp

PATIENCE_SECONDS = 3.0


async def answers(url: str) -> bool:
    """Whether a GET is answered with a 2xx status in time."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS)) as session,
            session.get(url) as response,
        ):
            return response.ok
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False


async def fetch_object(url: str) -> dict[str, Any]:
    """The JSON object at a URL. Raises aiohttp.ClientError, TimeoutError, or ValueError if it is something else."""
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS), raise_for_status=True) as session,
        session.get(url) as response,
    ):
        document: object = await response.json()
    if not isinstance(document, dict):
        raise ValueError(f"{url} gave no JSON object")
    return cast(dict[str, Any], document)
