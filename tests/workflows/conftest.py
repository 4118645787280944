"""One server for all of these tests; each test opens connections of its own on it."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest_asyncio

from tests.workflows.stage import Theatre, theatre


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def house() -> AsyncGenerator[Theatre]:
    async with theatre() as opened:
        yield opened
        await opened.replay()


@pytest_asyncio.fixture(loop_scope="session")
async def scene(house: Theatre) -> AsyncGenerator[Theatre]:
    """What a test plays on. At its end every record is checked, and its runs are kept to be replayed."""
    yield house
    await house.clear()
