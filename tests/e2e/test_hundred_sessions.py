"""Many sessions in one worker process, started and stopped together while others send: the library never aborts."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Awaitable, Iterable

import pytest

from tests.crm import COMMAND_SECONDS, Crm
from tests.lives import Paired, connected
from tests.phone_world import PhoneWorld, fresh_phone
from tests.stack import Stack

PAIRED_AT_ONCE = 8


async def many(crm: Crm, phones: PhoneWorld, count: int) -> list[Paired]:
    places = asyncio.Semaphore(PAIRED_AT_ONCE)

    async def one() -> Paired:
        async with places:
            return await connected(crm, phones)

    return list(await asyncio.gather(*(one() for _ in range(count))))


async def chatters(crm: Crm, phones: PhoneWorld, sessions: Iterable[Paired], until: Awaitable[object]) -> int:
    """These sessions send for as long as `until` takes; how many messages. Every one of them must be accepted."""
    over = asyncio.ensure_future(until)

    async def chat(session: Paired) -> int:
        customer, sent = fresh_phone(), 0
        while not over.done():
            await crm.send_text(session.id, customer, f"{sent} {uuid.uuid4().hex[:8]}")
            sent += 1
        last = f"last {uuid.uuid4().hex[:8]}"
        await crm.send_text(session.id, customer, last)
        await phones.receives(customer, last)
        return sent

    sent = sum(await asyncio.gather(*(chat(session) for session in sessions)))
    await over
    return sent


async def live_together(crm: Crm, phones: PhoneWorld, stack: Stack, *, count: int, rounds: int) -> None:
    before = stack.restarts("worker")
    sessions = await many(crm, phones, count)
    talking, moving = sessions[: count // 10], sessions[count // 10 :]

    async def order(session: Paired, command: str) -> None:
        answer = await crm.ask("POST", f"/connections/{session.id}/{command}", within=COMMAND_SECONDS)
        # "Accepted and not finished yet" is an answer, too, with the machine this busy: what counts is the state.
        assert answer.status_code == 200 or answer.json()["code"] == "COMMAND_TIMED_OUT", answer.text

    async def all_together(command: str, state: str) -> None:
        await asyncio.gather(*(order(session, command) for session in moving))
        await asyncio.gather(*(crm.in_state(session.id, state) for session in moving))

    async def moves() -> None:
        for _ in range(rounds):
            await all_together("disconnect", "stopped")
            await all_together("reconnect", "connected")

    assert await chatters(crm, phones, talking, moves()) > 0

    assert stack.restarts("worker") == before
    shown = {each["id"]: each["state"] for each in await crm.get("/connections")}
    assert shown == {session.id: "connected" for session in sessions}
    for session in sessions:
        device = await phones.device(session.phone)
        expected = 1 if session in talking else 1 + rounds
        assert (device["connects"], device["mostSocketsOpen"], device["replaced"]) == (expected, 1, 0)
    await asyncio.gather(*(crm.delete(session.id) for session in sessions))
    assert await crm.get("/connections") == []
    assert stack.restarts("worker") == before


async def test_thirty_sessions_start_and_stop_together_while_others_send(
    crm: Crm, phones: PhoneWorld, shared_stack: Stack
) -> None:
    await live_together(crm, phones, shared_stack, count=30, rounds=1)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
async def test_a_hundred_sessions_start_and_stop_together_again_and_again_while_others_send(
    crm: Crm, phones: PhoneWorld, shared_stack: Stack
) -> None:
    rounds = int(os.environ.get("PERENE_CROWD_ROUNDS", "10"))
    await live_together(crm, phones, shared_stack, count=100, rounds=rounds)
