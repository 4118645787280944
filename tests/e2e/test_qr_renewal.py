"""A QR code that nobody scans is replaced, again and again, until its window closes; and each can be scanned."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import psutil
import pytest

from tests.conditions import eventually
from tests.crm import Crm, open_crm
from tests.lives import connected
from tests.phone_world import PhoneWorld, fresh_phone, open_phone_world
from tests.stack import Stack

WATCHED_SECONDS = 215.0
"""Past the sixth code (160 s), which is the library's last, and the first of its successor (60 s) begun."""
LONGEST_GAP_SECONDS = 1.5


def pairing_children(stack: Stack) -> set[psutil.Process]:
    """The processes that show a code: what the workers' pairing servers have forked."""
    servers = [
        child
        for pid in stack.pids("worker")
        for child in psutil.Process(pid).children()
        if "whatsapp.pairing_server" in child.cmdline()
    ]
    return {child for server in servers for child in server.children()}


async def new_code(crm: Crm, connection: str, old: str) -> str:
    """Wait until the frontend is told of another code than `old`."""
    return (await crm.hears("qrCode", connection, lambda event: event["qrCode"] != old))["qrCode"]


def ends_at(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["expiresAt"]).timestamp()


async def is_scanned(crm: Crm, phones: PhoneWorld, connection: str, code: str) -> None:
    """This code pairs."""
    await phones.scan(code, fresh_phone())
    await crm.in_state(connection, "connected")
    await crm.delete(connection)


async def test_a_pairing_process_that_dies_is_followed_by_a_new_code(
    crm: Crm, phones: PhoneWorld, shared_stack: Stack
) -> None:
    others = pairing_children(shared_stack)
    connection = await crm.create()
    first = await crm.code(connection)
    (child,) = pairing_children(shared_stack) - others
    child.kill()
    second = await new_code(crm, connection, first)
    assert await phones.refusal(first, fresh_phone()) == "QR_EXPIRED"
    await is_scanned(crm, phones, connection, second)


async def test_a_pairing_server_that_dies_is_followed_by_a_new_code(
    crm: Crm, phones: PhoneWorld, shared_stack: Stack
) -> None:
    connection = await crm.create()
    first = await crm.code(connection)
    server = next(iter(pairing_children(shared_stack))).parent()
    assert server is not None
    server.kill()
    await is_scanned(crm, phones, connection, await crm.code(connection, other_than=first))


async def test_a_lost_connection_to_whatsapp_is_followed_by_a_new_code(crm: Crm, phones: PhoneWorld) -> None:
    connection = await crm.create()
    first = await crm.code(connection)
    await phones.fault("*", "drop_socket")
    second = await new_code(crm, connection, first)
    assert await phones.refusal(first, fresh_phone()) == "QR_EXPIRED"
    await is_scanned(crm, phones, connection, second)


async def test_whatsapp_out_of_reach_is_told_and_a_code_comes_when_it_is_back(crm: Crm, phones: PhoneWorld) -> None:
    await phones.fault("*", "refuse_connect", seconds=600)
    connection = await crm.create()
    shown = await crm.in_state(connection, "starting")

    async def says_why() -> bool:
        return (await crm.connection(connection))["reason"] == "WHATSAPP_UNREACHABLE"

    await eventually(says_why, "the reason is told")
    assert shown["isConnected"] is False
    await phones.fair_weather()
    await is_scanned(crm, phones, connection, await crm.code(connection))


async def test_refresh_gives_a_new_code_and_the_old_one_is_worth_nothing(crm: Crm, phones: PhoneWorld) -> None:
    connection = await crm.create()
    first = await crm.code(connection)
    answer = await crm.command(connection, "refresh-qr")
    assert answer["data"]["state"] in ("starting", "awaiting_scan")
    second = await new_code(crm, connection, first)
    assert await crm.code(connection) == second
    assert await phones.refusal(first, fresh_phone()) == "QR_EXPIRED"
    await is_scanned(crm, phones, connection, second)


async def test_a_code_can_be_scanned_once(crm: Crm, phones: PhoneWorld) -> None:
    session = await connected(crm, phones)
    assert await phones.refusal(session.code, fresh_phone()) == "QR_EXPIRED"
    refused = await crm.ask("POST", f"/connections/{session.id}/refresh-qr")
    assert (refused.status_code, refused.json()["code"]) == (409, "SESSION_ALREADY_PAIRED")
    assert (await crm.get(f"/connections/{session.id}/qr"))["qrCode"] is None
    await crm.delete(session.id)


async def test_a_window_that_nobody_used_closes_and_a_refresh_opens_another(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack(PERENE_PAIRING_WINDOW_SECONDS="3")
    addresses = (await asyncio.to_thread(stack.up))["addresses"]
    async with open_crm(addresses["api"]) as crm, open_phone_world(addresses["simulator"]) as phones:
        connection = await crm.create()
        shown = await crm.hears("qrCode", connection)
        # No code promises more than the window has: it is good until it expires, and then the window is over.
        assert ends_at(shown) - time.time() <= 3
        update = await crm.hears_state(connection, "qr_expired")
        assert time.time() >= ends_at(shown)
        assert (update["connection"], update["reason"]) == ("close", "PAIRING_WINDOW_CLOSED")
        assert (await crm.get(f"/connections/{connection}/qr"))["qrCode"] is None
        assert await phones.refusal(shown["qrCode"], fresh_phone()) == "QR_EXPIRED"
        assert await phones.waiting() == []

        mark = crm.now()
        await crm.command(connection, "refresh-qr")
        again = await crm.hears("qrCode", connection, after=mark)
        await is_scanned(crm, phones, connection, again["qrCode"])


@pytest.mark.slow
@pytest.mark.timeout(WATCHED_SECONDS + 120)
async def test_an_untouched_code_is_replaced_in_time_over_and_over(crm: Crm, phones: PhoneWorld) -> None:
    untouched, early, late = [await crm.create() for _ in range(3)]
    began = time.time()

    async def watched() -> None:
        """Every code of a connection that nobody touches: no gap that a person would notice, none out of date."""
        await asyncio.sleep(began + WATCHED_SECONDS - time.time())
        shown = [payload for name, payload in crm.heard if name == "qrCode" and payload["connectionId"] == untouched]
        codes = [event["qrCode"] for event in shown]
        assert len(set(codes)) == len(codes) >= 7
        assert (await crm.code(untouched)) == codes[-1]

    async def without_a_gap() -> None:
        """As a client that reads sees it: there is always a code that has not expired, but for a moment."""
        missing_since: float | None = None
        while time.time() < began + WATCHED_SECONDS:
            qr = await crm.get(f"/connections/{untouched}/qr")
            if qr["qrCode"] is not None:
                assert ends_at(qr) > time.time() - 0.2
                missing_since = None
            else:
                missing_since = missing_since or time.time()
                assert time.time() - missing_since < LONGEST_GAP_SECONDS
            await asyncio.sleep(0.1)

    async def scanned_just_in_time() -> None:
        shown = await crm.hears("qrCode", early)
        await asyncio.sleep(ends_at(shown) - 1 - time.time())
        await is_scanned(crm, phones, early, shown["qrCode"])

    async def scanned_too_late() -> None:
        shown = await crm.hears("qrCode", late)
        # Two seconds' grace at the server: a scan may be on its way as the client moves on.
        await asyncio.sleep(ends_at(shown) + 2.5 - time.time())
        assert await phones.refusal(shown["qrCode"], fresh_phone()) == "QR_EXPIRED"
        await is_scanned(crm, phones, late, await crm.code(late))

    await crm.code(untouched)
    began = time.time()
    await asyncio.gather(watched(), without_a_gap(), scanned_just_in_time(), scanned_too_late())
    await is_scanned(crm, phones, untouched, await crm.code(untouched))
