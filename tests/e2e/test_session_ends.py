"""Every way in which a session ends: its own state, told to people and to the frontend, and no storm afterwards."""

from __future__ import annotations

import time
from datetime import datetime

import pytest

from contracts.states import SessionState, human_text
from tests.conditions import eventually
from tests.crm import Crm
from tests.lives import Paired, connected, talk
from tests.phone_world import PhoneWorld, fresh_phone

LOOKS = 5
"""Reads of the API after an end, while the simulator counts who still knocks."""


async def said_in_both_languages(crm: Crm, session: Paired, state: SessionState) -> None:
    for language in ("pt", "en"):
        shown = await crm.connection(session.id, language=language)
        assert shown["stateText"] == human_text(state, language)
    assert human_text(state, "pt") != human_text(state, "en")


async def rests(crm: Crm, phones: PhoneWorld, session: Paired, attempts: int) -> None:
    """Nobody tries to log in for this session: not while it comes to rest, nor in the time of a few round trips."""
    before = await phones.stats()
    for _ in range(LOOKS):
        await crm.connection(session.id)
        device = next((device for device in await phones.devices(session.phone)), None)
        if device is not None:
            assert device["attempts"] == attempts
            assert not device["connected"]
            assert device["mostSocketsOpen"] <= 1
    assert (await phones.stats())["unknownLogins"] == before["unknownLogins"]


async def ends(crm: Crm, session: Paired, state: SessionState, reason: str, *, after: int) -> None:
    """The frontend is told of the end, once, and the API says the same."""
    update = await crm.hears_state(session.id, state.value, after=after)
    assert update["connection"] == "close"
    assert update["reason"] == reason
    shown = await crm.in_state(session.id, state.value)
    assert shown["reason"] == reason
    assert shown["isConnected"] is False
    told = [
        payload["update"]["state"]
        for name, payload in crm.heard[after:]
        if name == "connectionUpdate" and payload["connectionId"] == session.id
    ]
    assert told == [state.value]
    await said_in_both_languages(crm, session, state)


@pytest.mark.parametrize(
    ("fault", "state", "reason"),
    [
        ("ban", SessionState.BANNED, "TEMPORARY_BAN"),
        ("client_outdated", SessionState.CLIENT_OUTDATED, "CLIENT_OUTDATED"),
        ("stream_replaced", SessionState.DUPLICATE, "STREAM_REPLACED"),
    ],
)
async def test_what_whatsapp_ends_rests_in_its_own_state_and_can_be_brought_back(
    crm: Crm, phones: PhoneWorld, fault: str, state: SessionState, reason: str
) -> None:
    session = await connected(crm, phones)
    attempts = (await phones.device(session.phone))["attempts"]
    mark = crm.now()
    # One occurrence meets the open socket; whoever knocked again would get in and be counted.
    await phones.fault(session.phone, fault, count=1)
    await ends(crm, session, state, reason, after=mark)
    await rests(crm, phones, session, attempts)

    answer = await crm.command(session.id, "reconnect")
    assert answer["data"]["changed"] is True
    await crm.in_state(session.id, "connected")
    assert [device["jid"] for device in await phones.devices(session.phone)] == [session.jid]
    await crm.delete(session.id)
    assert await phones.devices(session.phone) == []


async def test_a_ban_says_until_when(crm: Crm, phones: PhoneWorld) -> None:
    session = await connected(crm, phones)
    began = time.time()
    await phones.fault(session.phone, "ban", count=1, banSeconds=7200, banCode=101)
    await crm.in_state(session.id, "banned")
    entry = next(entry for entry in await crm.history(session.id) if entry["event"] == "banned")
    assert 7200 <= float(entry["detail"]["until"]) - began <= 7200 + (time.time() - began) + 1
    assert datetime.fromisoformat(entry["at"]).timestamp() >= began - 1


async def test_a_ban_that_goes_on_is_not_tried_again(crm: Crm, phones: PhoneWorld) -> None:
    session = await connected(crm, phones)
    before = (await phones.device(session.phone))["attempts"]
    mark = crm.now()
    await phones.fault(session.phone, "ban", seconds=600)
    await crm.hears_state(session.id, "banned", after=mark)
    # A command is the person's own wish: one more login, the same answer, and rest again.
    mark = crm.now()
    await crm.command(session.id, "reconnect")
    await crm.hears_state(session.id, "banned", after=mark)
    await rests(crm, phones, session, (await phones.device(session.phone))["attempts"])
    assert (await phones.device(session.phone))["attempts"] - before <= 2


async def test_unlinked_on_the_phone_ends_logged_out_and_a_new_code_pairs_it_again(
    crm: Crm, phones: PhoneWorld
) -> None:
    session = await connected(crm, phones)
    mark = crm.now()
    await phones.unlink(session.phone)
    await ends(crm, session, SessionState.LOGGED_OUT, "UNLINKED_ON_PHONE", after=mark)
    await rests(crm, phones, session, 1)
    refused = await crm.ask("POST", f"/connections/{session.id}/reconnect", language="en")
    assert refused.status_code == 409
    assert refused.json()["code"] == "SESSION_NOT_PAIRED"

    await crm.command(session.id, "refresh-qr")
    code = await crm.code(session.id, other_than=session.code)
    again = Paired(session.id, session.phone, await phones.scan(code, session.phone), code)
    await crm.in_state(session.id, "connected")
    await talk(crm, phones, again)


async def test_refused_logins_are_tried_again_with_growing_patience(crm: Crm, phones: PhoneWorld) -> None:
    session = await connected(crm, phones)
    mark = crm.now()
    await phones.fault(session.phone, "refuse_login", seconds=600)
    await phones.fault(session.phone, "drop_socket")
    assert (await crm.hears_state(session.id, "reconnecting", after=mark))["connection"] == "connecting"
    await said_in_both_languages(crm, session, SessionState.RECONNECTING)

    async def has_knocked_thrice() -> bool:
        return (await phones.device(session.phone))["attempts"] >= 4

    began = time.monotonic()
    await eventually(has_knocked_thrice, "the login is tried again")
    assert time.monotonic() - began > 1
    await phones.fair_weather()
    await crm.in_state(session.id, "connected")
    device = await phones.device(session.phone)
    assert (device["jid"], device["mostSocketsOpen"], device["replaced"]) == (session.jid, 1, 0)


async def test_disconnect_keeps_the_keys_and_reconnect_needs_no_scan(crm: Crm, phones: PhoneWorld) -> None:
    session = await connected(crm, phones)
    mark = crm.now()
    answer = await crm.command(session.id, "disconnect")
    assert answer["data"]["state"] == "stopped"
    await ends(crm, session, SessionState.STOPPED, "REQUESTED", after=mark)
    await rests(crm, phones, session, 1)
    assert (await crm.command(session.id, "disconnect"))["data"]["changed"] is False
    refused = await crm.ask("POST", f"/connections/{session.id}/refresh-qr")
    assert (refused.status_code, refused.json()["code"]) == (409, "SESSION_ALREADY_PAIRED")

    await crm.command(session.id, "reconnect")
    await crm.in_state(session.id, "connected")
    assert (await phones.device(session.phone))["jid"] == session.jid
    await talk(crm, phones, session)


async def test_logout_unlinks_at_whatsapp_and_a_new_code_pairs_it_again(crm: Crm, phones: PhoneWorld) -> None:
    session = await connected(crm, phones)
    mark = crm.now()
    answer = await crm.command(session.id, "logout")
    assert answer["data"]["unlinked"] is True
    assert await phones.devices(session.phone) == []
    await ends(crm, session, SessionState.LOGGED_OUT, "REQUESTED", after=mark)
    await crm.command(session.id, "refresh-qr")
    await phones.scan(await crm.code(session.id, other_than=session.code), fresh_phone())
    await crm.in_state(session.id, "connected")


async def test_logout_of_a_stopped_session_unlinks_it_too(crm: Crm, phones: PhoneWorld) -> None:
    session = await connected(crm, phones)
    await crm.command(session.id, "disconnect")
    answer = await crm.command(session.id, "logout")
    assert answer["data"]["unlinked"] is True
    assert await phones.devices(session.phone) == []
    await crm.in_state(session.id, "logged_out")


@pytest.mark.parametrize("way", ["abort", "DELETE"])
@pytest.mark.parametrize("state", ["awaiting_scan", "connected", "stopped", "logged_out"])
async def test_removing_tells_the_frontend_and_frees_the_id(crm: Crm, phones: PhoneWorld, way: str, state: str) -> None:
    phone = fresh_phone()
    connection = await crm.create(connectionId=f"removed-{way}-{state}-{phone}")
    code = await crm.code(connection)
    if state != "awaiting_scan":
        await phones.scan(code, phone)
        await crm.in_state(connection, "connected")
    if state == "stopped":
        await crm.command(connection, "disconnect")
    if state == "logged_out":
        await phones.unlink(phone)
    await crm.in_state(connection, state)

    mark = crm.now()
    if way == "abort":
        await crm.command(connection, "abort")
    else:
        await crm.delete(connection)
    await crm.hears("connectionRemoved", connection, after=mark)
    for path in ("", "/info", "/qr"):
        gone = await crm.ask("GET", f"/connections/{connection}{path}")
        assert (gone.status_code, gone.json()["code"]) == (404, "CONNECTION_NOT_FOUND")
    assert connection not in [each["id"] for each in await crm.get("/connections")]
    assert await phones.devices(phone) == []
    if state == "awaiting_scan":
        assert await phones.refusal(code, phone) in ("QR_EXPIRED", "QR_UNKNOWN")

    assert await crm.create(connectionId=connection) == connection
    await phones.scan(await crm.code(connection, other_than=code), phone)
    await crm.in_state(connection, "connected")
    await crm.delete(connection)


async def test_the_same_phone_in_a_newer_connection_ends_the_older_as_duplicate(crm: Crm, phones: PhoneWorld) -> None:
    older = await connected(crm, phones)
    mark = crm.now()
    newer = await connected(crm, phones, phone=older.phone)
    await ends(crm, older, SessionState.DUPLICATE, "REPLACED_BY_NEW_CONNECTION", after=mark)
    await talk(crm, phones, newer)

    async def only_the_newer_is_connected() -> bool:
        return [device["jid"] for device in await phones.devices(older.phone) if device["connected"]] == [newer.jid]

    await eventually(only_the_newer_is_connected, "the older device is closed")
    # Removing the older unlinks its device and leaves the newer alone.
    await crm.delete(older.id)
    assert [device["jid"] for device in await phones.devices(older.phone)] == [newer.jid]
    assert (await crm.connection(newer.id))["isConnected"] is True
    await crm.delete(newer.id)
