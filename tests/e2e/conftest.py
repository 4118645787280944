"""Stacks for the tests: one of a test's own, or one that many share, each with their own owners and phones."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.crm import Crm, open_crm
from tests.phone_world import PhoneWorld, open_phone_world
from tests.stack import Stack


@pytest.fixture
def new_stack(tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    """Makes stacks; each is down, and all its processes gone, when the test ends."""
    made: list[Stack] = []

    def make(name: str = "perene", **environment: str) -> Stack:
        made.append(Stack(tmp_path / name, **environment))
        return made[-1]

    yield make
    for stack in made:
        stack.end()


@pytest.fixture
def stack(new_stack: Callable[..., Stack]) -> Stack:
    return new_stack()


@pytest.fixture(scope="session")
def shared_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack on the simulator that runs through: what a test stops or kills in it, it waits for to be back."""
    stack = Stack(tmp_path_factory.mktemp("shared") / "perene", PERENE_MAX_CONNECTIONS="200")
    try:
        stack.up()
        yield stack
    finally:
        stack.end()


@pytest_asyncio.fixture
async def crm(shared_stack: Stack) -> AsyncGenerator[Crm]:
    """A customer of Perene's with an owner id of its own, listening on Socket.IO. What it leaves is removed."""
    async with open_crm(shared_stack.state().addresses.api) as crm:
        yield crm
        for connection in await crm.get("/connections"):
            await crm.delete(connection["id"])


@pytest_asyncio.fixture
async def phones(shared_stack: Stack) -> AsyncGenerator[PhoneWorld]:
    """The phones' side of the shared stack."""
    address = shared_stack.state().addresses.simulator
    assert address is not None
    async with open_phone_world(address) as phones:
        yield phones
