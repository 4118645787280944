"""The orchestrator or the database is away for a while: sockets that are open stay open."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from tests.conditions import eventually
from tests.crm import Crm, open_crm
from tests.lives import connected, talk
from tests.orchestrator_view import beats_again
from tests.phone_world import PhoneWorld, open_phone_world
from tests.stack import Stack

TEMPORAL_AWAY_SECONDS = 20.0
"""Longer than a heartbeat may be late (8 s) and than a lease lives (8 s)."""
DATABASE_AWAY_SECONDS = 3.0
"""Shorter than a worker may be without its lease (6 s)."""


@pytest_asyncio.fixture
async def crm(one_worker: Stack) -> AsyncGenerator[Crm]:
    async with open_crm(one_worker.state().addresses.api) as crm:
        yield crm


@pytest_asyncio.fixture
async def phones(one_worker: Stack) -> AsyncGenerator[PhoneWorld]:
    address = one_worker.state().addresses.simulator
    assert address is not None
    async with open_phone_world(address) as phones:
        yield phones


@pytest.mark.parametrize("ending", ["woken", "killed"])
async def test_temporal_away_for_long_drops_no_socket(
    one_worker: Stack, crm: Crm, phones: PhoneWorld, ending: str
) -> None:
    session = await connected(crm, phones)
    temporal = one_worker.state().addresses.temporal
    with one_worker.frozen("temporal"):
        # The absence itself is what is tested, so this is a time and no condition.
        await asyncio.sleep(TEMPORAL_AWAY_SECONDS / 2)
        await talk(crm, phones, session)
        await asyncio.sleep(TEMPORAL_AWAY_SECONDS / 2)
        if ending == "killed":
            one_worker.send(signal.SIGKILL, "temporal")

    async def is_back() -> bool:
        return (await crm.ask("GET", "/health")).json()["status"] == "healthy"

    await eventually(is_back, "all is healthy")
    await beats_again(temporal, session.id)
    device = await phones.device(session.phone)
    assert (device["connects"], device["connected"], device["lastDisconnect"]) == (1, True, None)
    assert (await crm.connection(session.id))["isConnected"] is True
    assert (await crm.events_of(session.id)).count("connected") == 1
    # It is in its workflow's hands as before.
    await crm.command(session.id, "disconnect")
    assert (await phones.device(session.phone))["connected"] is False
    await crm.delete(session.id)


async def test_postgresql_away_for_a_moment_drops_no_socket(one_worker: Stack, crm: Crm, phones: PhoneWorld) -> None:
    session = await connected(crm, phones)
    with one_worker.frozen("postgres"):
        await asyncio.sleep(DATABASE_AWAY_SECONDS)
    await talk(crm, phones, session)
    device = await phones.device(session.phone)
    assert (device["connects"], device["lastDisconnect"]) == (1, None)
    assert (await crm.connection(session.id))["isConnected"] is True
    await crm.delete(session.id)


async def test_a_killed_postgresql_drops_no_socket(one_worker: Stack, crm: Crm, phones: PhoneWorld) -> None:
    session = await connected(crm, phones)
    (pid,) = one_worker.pids("postgres")
    os.kill(pid, signal.SIGKILL)

    async def is_back() -> bool:
        return one_worker.pids("postgres") not in ([], [pid]) and one_worker.ready()

    await eventually(is_back, "PostgreSQL is up again")
    await talk(crm, phones, session)
    device = await phones.device(session.phone)
    assert (device["connects"], device["lastDisconnect"]) == (1, None)
    await crm.delete(session.id)
