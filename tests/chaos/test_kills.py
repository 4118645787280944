"""`kill -9` of each part, and of all at once, with a session in each state: no session is lost, none scanned twice."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx
import pytest

from tests.chaos.kill_times import KillTimes
from tests.conditions import eventually
from tests.crm import Crm, open_crm
from tests.lives import Paired, connected, talk
from tests.phone_world import PhoneWorld, fresh_phone, open_phone_world
from tests.stack import Stack

RECOVERY_SECONDS = 60.0
WAITING, SCANNED, CONNECTED, RECONNECTING = "waiting for a scan", "right after a scan", "connected", "reconnecting"

KILLED = {
    "worker": ("worker",),
    "API": ("api",),
    "PostgreSQL": ("postgres",),
    "Temporal": ("temporal",),
    "all at once": ("worker", "api", "postgres", "temporal"),
}


@dataclass(frozen=True)
class Before:
    """The sessions, one in each state, in the moment of the kill."""

    waiting: str
    waiting_code: str
    scanned: Paired
    connected: Paired
    reconnecting: Paired


async def one_in_each_state(crm: Crm, phones: PhoneWorld) -> Before:
    up, reconnecting = await connected(crm, phones), await connected(crm, phones)
    waiting, scanned = await crm.create(), await crm.create()
    waiting_code, code = await crm.code(waiting), await crm.code(scanned)
    mark = crm.now()
    await phones.fault(reconnecting.phone, "refuse_connect", seconds=600)
    await phones.fault(reconnecting.phone, "drop_socket")
    await crm.hears_state(reconnecting.id, "reconnecting", after=mark)
    phone = fresh_phone()
    jid = await phones.scan(code, phone)
    return Before(waiting, waiting_code, Paired(scanned, phone, jid, code), up, reconnecting)


async def shows(crm: Crm, path: str) -> dict[str, object] | None:
    """What the API says, or None while it cannot."""
    try:
        answer = await crm.ask("GET", path)
    except httpx.HTTPError:
        return None
    return answer.json()["data"] if answer.status_code == 200 else None


async def is_up(crm: Crm, phones: PhoneWorld, session: Paired, logins: int) -> None:
    """The API says so, and the server has seen so many logins of this device."""

    async def look() -> bool:
        shown = await shows(crm, f"/connections/{session.id}")
        if shown is None or not shown["isConnected"]:
            return False
        device = await phones.device(session.phone)
        return device["connected"] and device["connects"] >= logins

    await eventually(look, f"{session.id} is connected", within=RECOVERY_SECONDS)


async def can_be_scanned(crm: Crm, phones: PhoneWorld, connection: str) -> str:
    """The API shows a code which a client on the other side is really waiting with."""

    async def look() -> str | None:
        shown = await shows(crm, f"/connections/{connection}/qr")
        code = None if shown is None else str(shown["qrCode"] or "")
        waiting = await phones.waiting()
        return code if code and any(reference in code for reference in waiting) else None

    return await eventually(look, f"{connection} can be scanned", within=RECOVERY_SECONDS)


async def timed(began: float, work: Awaitable[object]) -> float:
    await work
    return time.monotonic() - began


async def is_intact(crm: Crm, phones: PhoneWorld, session: Paired) -> None:
    """Paired once, never held twice, and alive."""
    device = await phones.device(session.phone)
    assert device["jid"] == session.jid
    assert (device["mostSocketsOpen"], device["replaced"]) == (1, 0)
    assert (await crm.events_of(session.id)).count("paired") == 1
    await talk(crm, phones, session)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("killed", KILLED)
async def test_sessions_in_every_state_survive_a_kill(one_worker: Stack, kill_times: KillTimes, killed: str) -> None:
    addresses, kinds = one_worker.state().addresses, KILLED[killed]
    assert addresses.simulator is not None
    async with open_phone_world(addresses.simulator) as phones, open_crm(addresses.api) as crm:
        before = await one_in_each_state(crm, phones)
        one_worker.send(signal.SIGKILL, *kinds)
        began = time.monotonic()
        await phones.fair_weather()
        again = 2 if "worker" in kinds else 1
        took = await asyncio.gather(
            timed(began, can_be_scanned(crm, phones, before.waiting)),
            timed(began, is_up(crm, phones, before.scanned, 1)),
            timed(began, is_up(crm, phones, before.connected, again)),
            timed(began, is_up(crm, phones, before.reconnecting, 2)),
        )
        for state, seconds in zip((WAITING, SCANNED, CONNECTED, RECONNECTING), took, strict=True):
            kill_times.note(killed, state, seconds)

        await eventually(ready(one_worker), "every part is up", within=RECOVERY_SECONDS)
        assert (await phones.device(before.connected.phone))["connects"] == again
        async with open_crm(addresses.api, owner=crm.owner) as later:
            code, phone = await later.code(before.waiting), fresh_phone()
            if "worker" in kinds:
                assert code != before.waiting_code
            late = Paired(before.waiting, phone, await phones.scan(code, phone), code)
            await is_up(later, phones, late, 1)
            for session in (before.scanned, before.connected, before.reconnecting, late):
                await is_intact(later, phones, session)
                await later.delete(session.id)


def ready(stack: Stack) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return stack.ready()

    return look
