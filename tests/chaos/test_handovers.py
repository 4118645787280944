"""Two workers: what one lets go, or is frozen over, the other takes; never both."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
import pytest_asyncio

from tests.conditions import eventually
from tests.crm import Crm, open_crm
from tests.lives import Paired, connected, talk
from tests.orchestrator_view import view
from tests.phone_world import PhoneWorld, open_phone_world
from tests.stack import Stack

SESSIONS = 6


@dataclass(frozen=True)
class Scene:
    stack: Stack
    temporal: str
    crm: Crm
    phones: PhoneWorld

    async def holder(self, session: Paired) -> str:
        """The name of the worker process that holds a session."""
        host = (await view(self.temporal, session.id)).host_id
        return host.rpartition("-")[0] if host else ""

    def pid(self, worker: str) -> int:
        return next(
            process.pid
            for process in self.stack.state().processes
            if process.name == worker and process.pid is not None
        )

    async def is_ready(self) -> None:
        async def look() -> bool:
            return self.stack.ready()

        await eventually(look, "every part is up")

    async def logged_in_again(self, session: Paired, logins: int) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            device = await self.phones.device(session.phone)
            return device if device["connected"] and device["connects"] >= logins else None

        return await eventually(look, f"{session.id} is logged in for the {logins}. time")


@pytest_asyncio.fixture
async def scene(two_workers: Stack) -> AsyncGenerator[Scene]:
    addresses = two_workers.state().addresses
    assert addresses.simulator is not None
    async with open_crm(addresses.api) as crm, open_phone_world(addresses.simulator) as phones:
        yield Scene(two_workers, addresses.temporal, crm, phones)


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


async def test_a_worker_that_is_stopped_hands_its_sessions_over(scene: Scene) -> None:
    await scene.is_ready()
    sessions = await asyncio.gather(*(connected(scene.crm, scene.phones) for _ in range(SESSIONS)))
    holders = {session: await scene.holder(session) for session in sessions}
    stopped = max(set(holders.values()), key=list(holders.values()).count)
    moving = [session for session in sessions if holders[session] == stopped]
    os.kill(scene.pid(stopped), signal.SIGTERM)
    for session in moving:
        device = await scene.logged_in_again(session, 2)
        # Closed here before it was opened there, and nobody waited for a heartbeat to be missed.
        gap = moment(device["lastConnect"]) - moment(device["lastDisconnect"])
        assert 0 <= gap < 5
        assert (device["connects"], device["mostSocketsOpen"], device["replaced"]) == (2, 1, 0)
        await scene.crm.in_state(session.id, "connected")
    for session in sessions:
        if session not in moving:
            assert (await scene.phones.device(session.phone))["connects"] == 1
    await talk(scene.crm, scene.phones, moving[0])
    await asyncio.gather(*(scene.crm.delete(session.id) for session in sessions))


@pytest.mark.timeout(180)
async def test_a_frozen_worker_that_wakes_up_writes_nothing_and_holds_no_socket(scene: Scene) -> None:
    await scene.is_ready()
    session = await connected(scene.crm, scene.phones)
    frozen = await scene.holder(session)
    log = scene.stack.data_dir / "logs" / f"{frozen}.log"
    os.kill(scene.pid(frozen), signal.SIGSTOP)
    try:
        device = await scene.logged_in_again(session, 2)
        assert device["mostSocketsOpen"] == 1

        async def is_told() -> bool:
            last = (await scene.crm.history(session.id))[-1]
            return not str(last["detail"].get("host", frozen)).startswith(frozen)

        await eventually(is_told, "the other worker holds it")
        # Messages come to the one that holds it now.
        await talk(scene.crm, scene.phones, session)
        story = await scene.crm.events_of(session.id)
        seen = len(log.read_text())
    finally:
        os.kill(scene.pid(frozen), signal.SIGCONT)

    async def has_noticed() -> bool:
        return "surrendering_sessions" in log.read_text()[seen:]

    await eventually(has_noticed, "the woken worker knows that its time is over")
    await scene.phones.connected(session.phone)
    await scene.crm.in_state(session.id, "connected")
    await talk(scene.crm, scene.phones, session)
    # Its library may have dialled in the moment of waking, before anybody could stop it. That must end nothing.
    since = (await scene.crm.events_of(session.id))[len(story) :]
    assert set(since) <= {"disconnected", "connected", "host_changed"}
    device = await scene.phones.device(session.phone)
    assert (device["socketsOpen"], device["mostSocketsOpen"]) == (1, 1)
    logins = device["connects"]
    assert logins == 2 or since

    # The woken one is of use again: it can take the session back.
    os.kill(scene.pid(await scene.holder(session)), signal.SIGTERM)
    await scene.logged_in_again(session, logins + 1)
    await scene.crm.in_state(session.id, "connected")
    await talk(scene.crm, scene.phones, session)
    await scene.crm.delete(session.id)
