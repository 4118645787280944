"""The lease of one process: renewed, and every socket closed before it can be another's."""

from __future__ import annotations

import asyncio
import time

import pytest

from activities import lease_keeper as module
from activities.lease_keeper import LEASE_SECONDS, RENEW_SECONDS, SURRENDER_SECONDS, LeaseKeeper
from tests.unit.ports import MemoryLeases, lease, until


class Process:
    def __init__(self) -> None:
        self.leases = MemoryLeases()
        self.held = 3
        self.surrenders: list[tuple[str, float]] = []
        self.keeper = LeaseKeeper(
            self.leases,
            host_id="host-1",
            process_name="worker-1",
            capacity=10,
            build="test",
            held=lambda: self.held,
            surrender=self._surrender,
        )

    async def _surrender(self, reason: str) -> None:
        self.surrenders.append((reason, time.monotonic()))
        self.held = 0


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEASE_SECONDS", 0.4)
    monkeypatch.setattr(module, "RENEW_SECONDS", 0.05)
    monkeypatch.setattr(module, "SURRENDER_SECONDS", 0.3)
    monkeypatch.setattr(module, "SURRENDER_POLL_SECONDS", 0.01)


def test_the_margins_are_in_order() -> None:
    assert RENEW_SECONDS * 2 < SURRENDER_SECONDS
    assert SURRENDER_SECONDS + 1.5 <= LEASE_SECONDS


async def test_a_lease_is_kept_and_nothing_is_surrendered() -> None:
    process = Process()
    await process.keeper.start()
    await until(lambda: process.leases.renewed >= 10)
    assert process.keeper.valid
    assert not process.surrenders
    await process.keeper.retire()
    assert process.leases.retired == ["host-1"]


async def test_registering_waits_for_the_database() -> None:
    process = Process()
    process.leases.database.away = True
    starting = asyncio.create_task(process.keeper.start())
    await until(lambda: process.leases.database.tried >= 2)
    assert not process.keeper.valid
    waiting = asyncio.create_task(process.keeper.wait_valid())
    process.leases.database.away = False
    await starting
    await asyncio.wait_for(waiting, 5)
    await process.keeper.retire()


async def test_a_lease_that_cannot_be_renewed_is_surrendered_before_it_expires() -> None:
    process = Process()
    await process.keeper.start()
    await until(lambda: process.leases.renewed >= 1)
    began = time.monotonic()
    process.leases.database.away = True
    await until(lambda: bool(process.surrenders))
    reason, at = process.surrenders[0]
    assert reason == "lease_not_renewed"
    # A loaded machine may wake late; that margin is what LEASE_SECONDS - SURRENDER_SECONDS is for.
    assert at - began < module.LEASE_SECONDS
    assert not process.keeper.valid
    process.leases.database.away = False
    await asyncio.wait_for(process.keeper.wait_valid(), 5)
    await process.keeper.retire()


async def test_a_lease_that_had_expired_is_surrendered_then_taken_anew() -> None:
    process = Process()
    await process.keeper.start()
    process.leases.expired = True
    await until(lambda: process.leases.registered == 2)
    assert [reason for reason, _ in process.surrenders] == ["lease_expired"]
    await until(lambda: process.leases.renewed >= 2)
    assert process.keeper.valid
    await process.keeper.retire()


async def test_a_session_is_given_back_however_long_the_database_is_away() -> None:
    process = Process()
    await process.keeper.start()
    process.leases.database.away = True
    giving = process.keeper.give_back(lease("c9"))
    tried = process.leases.database.tried
    await until(lambda: process.leases.database.tried >= tried + 3)
    assert not giving.done()
    process.leases.database.away = False
    await asyncio.wait_for(giving, 5)
    assert [given.connection_id for given in process.leases.released] == ["c9"]
    await process.keeper.retire()


async def test_retiring_ends_everything_even_while_the_database_is_away() -> None:
    process = Process()
    await process.keeper.start()
    process.leases.database.away = True
    giving = process.keeper.give_back(lease("c9"))
    async with asyncio.timeout(5):
        await process.keeper.retire()
    assert giving.cancelled()
    assert process.leases.retired == []
