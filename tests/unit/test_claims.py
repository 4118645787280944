"""Claims: one at a time in this process, and none left behind when the answer was lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from temporalio.testing import ActivityEnvironment

from activities import claims as module
from activities.claims import Claims
from activities.lease_keeper import LeaseKeeper
from contracts.errors import ConnectionNotFound, DatabaseUnavailable
from contracts.ports import Lease
from tests.unit.ports import MemoryLeases, until

OWNER = "00000000-0000-4000-8000-00000000000a"


class ClaimableLeases(MemoryLeases):
    """Answers claims; can lose the answer of one that was carried out."""

    def __init__(self) -> None:
        super().__init__()
        self.holder: str | None = None
        self.claims = 0
        self.lose_answers = 0
        self.gone = False

    async def claim(self, connection_id: str, owner_id: str, host_id: str) -> Lease | None:
        self.claims += 1
        await asyncio.sleep(0)
        if self.gone:
            raise ConnectionNotFound
        if self.holder not in (None, host_id):
            return None
        self.holder = host_id
        if self.lose_answers:
            self.lose_answers -= 1
            raise DatabaseUnavailable
        return Lease(connection_id, owner_id, host_id, self.claims)

    async def release(self, lease: Lease) -> None:
        await super().release(lease)
        self.holder = None


class Process:
    def __init__(self) -> None:
        self.leases = ClaimableLeases()
        self.keeper = LeaseKeeper(
            self.leases,
            host_id="host-1",
            process_name="worker-1",
            capacity=10,
            build="test",
            held=lambda: 0,
            surrender=self._surrender,
        )
        self.claims = Claims(self.leases, self.keeper)

    async def _surrender(self, reason: str) -> None:
        raise AssertionError(reason)

    def take(self) -> asyncio.Task[Lease]:
        return asyncio.create_task(ActivityEnvironment().run(self.claims.take, "c1", OWNER))


@pytest.fixture
async def process(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Process]:
    monkeypatch.setattr(module, "CLAIM_POLL_SECONDS", 0.01)
    monkeypatch.setattr(module, "DOUBT_POLL_SECONDS", 0.01)
    process = Process()
    await process.keeper.start()
    yield process
    await process.keeper.retire()


async def test_what_another_host_holds_is_waited_for(process: Process) -> None:
    process.leases.holder = "host-2"
    taking = process.take()
    await until(lambda: process.leases.claims >= 3)
    process.leases.holder = None
    assert (await taking).host_id == "host-1"


async def test_two_activities_of_one_process_never_hold_one_session_at_once(process: Process) -> None:
    first = await process.take()
    second = process.take()
    for _ in range(50):
        await asyncio.sleep(0)
    assert not second.done()
    assert process.leases.claims == 1
    await process.claims.give_back(first)
    assert (await second).epoch > first.epoch


async def test_a_claim_whose_answer_was_lost_is_made_again(process: Process) -> None:
    process.leases.lose_answers = 2
    assert (await process.take()).epoch == 3


async def test_a_claim_in_doubt_is_given_back_when_its_activity_ends(process: Process) -> None:
    process.leases.lose_answers = 10**6
    taking = process.take()
    await until(lambda: process.leases.claims >= 2)
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)
    process.leases.lose_answers = 0
    await until(lambda: len(process.leases.released) == 1)
    assert process.leases.holder is None
    assert (await process.take()).host_id == "host-1"


async def test_a_session_without_a_row_is_not_waited_for(process: Process) -> None:
    process.leases.gone = True
    with pytest.raises(ConnectionNotFound):
        await process.take()
