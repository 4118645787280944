"""What clients are answered while a part is away: quickly, and the truth. And all is well when it is back."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.conditions import eventually
from tests.crm import ANSWER_SECONDS, Crm
from tests.lives import connected, talk
from tests.phone_world import PhoneWorld, fresh_phone
from tests.stack import Stack

READS = (
    "/connections",
    "/connections/{id}",
    "/connections/{id}/info",
    "/connections/{id}/qr",
    "/connections/{id}/history",
)
COMMANDS = ("refresh-qr", "reconnect", "disconnect", "logout", "abort")


async def asked(crm: Crm, method: str, path: str, body: object = None) -> tuple[int, Any]:
    """Status and code of an answer that comes in time; a request that hangs fails the test."""
    try:
        answer = await crm.ask(method, path, body, language="en", within=ANSWER_SECONDS)
    except httpx.TimeoutException:
        raise AssertionError(f"{method} {path} was not answered within {ANSWER_SECONDS:g} s") from None
    return answer.status_code, answer.json().get("code")


async def read_all(crm: Crm, connection: str) -> set[tuple[int, Any]]:
    paths = [path.format(id=connection) for path in READS]
    return set(await asyncio.gather(*(asked(crm, "GET", path) for path in paths)))


async def command_all(crm: Crm, connection: str) -> set[tuple[int, Any]]:
    number = {"phoneNumber": "+5511999990001"}
    return set(
        await asyncio.gather(
            *(asked(crm, "POST", f"/connections/{connection}/{name}") for name in COMMANDS),
            asked(crm, "POST", f"/connections/{connection}/pairing-code", number),
            asked(crm, "DELETE", f"/connections/{connection}"),
            asked(crm, "POST", "/connections", {}),
        )
    )


async def health(crm: Crm) -> tuple[int, str]:
    answer = await crm.ask("GET", "/health")
    return answer.status_code, answer.json()["status"]


async def is_found(crm: Crm, wanted: tuple[int, str]) -> None:
    """Health says so; it may be a second old."""

    async def look() -> bool:
        return await health(crm) == wanted

    await eventually(look, f"health is {wanted}")


@pytest.mark.parametrize("way", ["frozen", "dead"])
async def test_without_temporal_reads_work_and_commands_say_so(
    crm: Crm, phones: PhoneWorld, shared_stack: Stack, way: str
) -> None:
    session = await connected(crm, phones)
    spare = await crm.create()
    with getattr(shared_stack, way)("temporal"):
        assert await command_all(crm, spare) == {(503, "ORCHESTRATOR_UNAVAILABLE")}
        assert await read_all(crm, session.id) == {(200, None)}
        await is_found(crm, (200, "degraded"))
        # Messages need no orchestrator.
        await talk(crm, phones, session)
        # A connection that could not be started is not left lying about.
        assert {each["id"] for each in await crm.get("/connections")} == {session.id, spare}
    await is_found(crm, (200, "healthy"))
    await talk(crm, phones, session)
    device = await phones.device(session.phone)
    assert (device["connects"], device["lastDisconnect"]) == (1, None)


@pytest.mark.parametrize("way", ["frozen", "dead"])
async def test_without_postgresql_every_answer_says_so(
    crm: Crm, phones: PhoneWorld, shared_stack: Stack, way: str
) -> None:
    session = await connected(crm, phones)
    unavailable = {(503, "DATABASE_UNAVAILABLE")}
    with getattr(shared_stack, way)("postgres"):
        assert await read_all(crm, session.id) == unavailable
        assert await command_all(crm, session.id) == unavailable
        await is_found(crm, (503, "unhealthy"))
    await is_found(crm, (200, "healthy"))
    shown = await crm.in_state(session.id, "connected")
    assert shown["isConnected"] is True
    await talk(crm, phones, session)


async def test_a_scan_while_temporal_is_away_is_not_lost(crm: Crm, phones: PhoneWorld, shared_stack: Stack) -> None:
    connection, phone = await crm.create(), fresh_phone()
    code = await crm.code(connection)
    with shared_stack.frozen("temporal"):
        jid = await phones.scan(code, phone)
    await crm.in_state(connection, "connected")
    assert [device["jid"] for device in await phones.devices(phone)] == [jid]
    assert (await crm.events_of(connection)).count("paired") == 1
