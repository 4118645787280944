"""Telling the workflow: in order, newest word first kept, and never at the socket's expense."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from activities import facts as module
from activities.facts import FactTeller
from contracts.session import HostFact
from tests.unit.ports import until


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RETRY_FIRST_SECONDS", 0.005)
    monkeypatch.setattr(module, "_RETRY_CAP_SECONDS", 0.01)


class Orchestrator:
    """A workflow handle that may be away."""

    id = "session/c1"

    def __init__(self) -> None:
        self.told: list[HostFact] = []
        self.status: RPCStatusCode | None = None
        self.tried = 0
        self.frozen = False

    async def signal(self, name: str, fact: HostFact) -> None:
        assert name == "host_fact"
        self.tried += 1
        if self.frozen:
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep(0)
        if self.status is not None:
            raise RPCError("no", self.status, b"")
        self.told.append(fact)

    @property
    def words(self) -> list[str]:
        return [f"{fact.kind}{fact.detail or ''}" for fact in self.told]


def teller(orchestrator: Orchestrator) -> FactTeller:
    return FactTeller(cast("WorkflowHandle[Any, Any]", orchestrator))


def fact(kind: str, detail: str | None = None) -> HostFact:
    return HostFact(kind, "h", 1, 0.0, detail=detail)


async def test_facts_are_told_in_order() -> None:
    orchestrator = Orchestrator()
    facts = teller(orchestrator)
    for kind in ("claimed", "qr", "connected"):
        facts.tell(fact(kind))
    await facts.close()
    assert orchestrator.words == ["claimed", "qr", "connected"]


async def test_while_temporal_is_away_the_newest_word_about_the_link_is_kept() -> None:
    orchestrator = Orchestrator()
    orchestrator.status = RPCStatusCode.UNAVAILABLE
    facts = teller(orchestrator)
    facts.tell(fact("connected", "1"))
    await until(lambda: orchestrator.tried > 0)
    for number in range(2, 6):
        facts.tell(fact("disconnected", str(number)))
        facts.tell(fact("connected", str(number)))
    tried = orchestrator.tried
    await until(lambda: orchestrator.tried > tried + 1)
    orchestrator.status = None
    await facts.close(5)
    assert orchestrator.words == ["connected5"]


async def test_an_older_word_that_failed_does_not_replace_a_newer_one() -> None:
    orchestrator = Orchestrator()
    orchestrator.status = RPCStatusCode.UNAVAILABLE
    facts = teller(orchestrator)
    facts.tell(fact("connected"))
    await until(lambda: orchestrator.tried == 1)
    facts.tell(fact("disconnected"))
    orchestrator.status = None
    await facts.close(5)
    assert orchestrator.words[-1] == "disconnected"


async def test_a_workflow_that_is_gone_is_not_told_again() -> None:
    orchestrator = Orchestrator()
    orchestrator.status = RPCStatusCode.NOT_FOUND
    facts = teller(orchestrator)
    facts.tell(fact("connected"))
    await facts.close(5)
    assert orchestrator.tried == 1


async def test_closing_does_not_wait_for_ever_for_temporal() -> None:
    orchestrator = Orchestrator()
    orchestrator.frozen = True
    facts = teller(orchestrator)
    facts.tell(fact("connected"))
    async with asyncio.timeout(5):
        await facts.close(0.05)
    assert orchestrator.told == []


async def test_closing_with_nothing_to_tell_is_immediate() -> None:
    async with asyncio.timeout(1):
        await teller(Orchestrator()).close(60)
