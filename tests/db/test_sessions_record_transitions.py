"""Transitions: row, history and client events, in one transaction."""

from __future__ import annotations

import asyncio
import time

import asyncpg
import pytest

from contracts.device import QrShown
from contracts.errors import ConnectionNotFound, StaleEpoch
from contracts.session import Device
from contracts.states import SessionState
from tests.db.parts import Parts, events_of, phone_device

S = SessionState


async def test_a_new_connection_starts_and_has_a_history(parts: Parts, owner: str) -> None:
    row = await parts.create(owner)
    assert (row.state, row.status, row.session_name, row.sequence) == (S.STARTING, "connecting", "Vendas", 0)
    history = await parts.rows.history(owner, "c1")
    assert [(entry.event, entry.to_state) for entry in history] == [("created", "starting")]


async def test_connecting_fills_the_row_and_tells_the_client(
    parts: Parts, owner: str, superuser: asyncpg.Connection
) -> None:
    await parts.create(owner)
    await parts.move(owner, "c1", 1, S.CONNECTED, from_state=S.PAIRING, device=phone_device())
    row = await parts.rows.get(owner, "c1")
    assert row.state is S.CONNECTED
    assert row.status == "connected"
    assert row.phone_number == "5511999990001"
    assert row.whatsapp_id == "5511999990001@s.whatsapp.net"
    assert row.whatsapp_info == {"pushName": "Ana", "platform": None, "lid": "995511999990001@lid"}
    assert row.connected_at is not None
    assert row.disconnected_at is None
    assert row.has_connected
    assert await events_of(superuser, "c1") == [
        (
            "connectionUpdate",
            {
                "connectionId": "c1",
                "update": {
                    "connection": "open",
                    "state": "connected",
                    "phoneNumber": "5511999990001",
                    "whatsappId": "5511999990001@s.whatsapp.net",
                    "message": "Conectado ao WhatsApp.",
                },
            },
        )
    ]


async def test_a_record_that_is_repeated_or_late_changes_nothing(
    parts: Parts, owner: str, superuser: asyncpg.Connection
) -> None:
    await parts.create(owner)
    await parts.move(owner, "c1", 2, S.AWAITING_SCAN)
    await parts.move(owner, "c1", 2, S.AWAITING_SCAN)
    await parts.move(owner, "c1", 1, S.STOPPED)
    assert (await parts.rows.get(owner, "c1")).state is S.AWAITING_SCAN
    assert len(await events_of(superuser, "c1")) == 1
    assert len(await parts.rows.history(owner, "c1")) == 2


async def test_a_record_for_a_removed_connection_is_ignored(parts: Parts, owner: str) -> None:
    assert await parts.move(owner, "gone", 1, S.CONNECTED) == []


async def test_losing_and_ending_keep_when_it_was_lost(parts: Parts, owner: str) -> None:
    await parts.create(owner)
    await parts.move(owner, "c1", 1, S.CONNECTED, device=phone_device())
    await parts.move(owner, "c1", 2, S.RECONNECTING, from_state=S.CONNECTED, reason="connection_lost")
    lost = await parts.rows.get(owner, "c1")
    assert (lost.status, lost.state_reason) == ("connecting", "connection_lost")
    assert lost.disconnected_at is not None
    await parts.move(owner, "c1", 3, S.LOGGED_OUT, from_state=S.RECONNECTING, clear_device=True)
    ended = await parts.rows.get(owner, "c1")
    assert (ended.status, ended.jid, ended.phone_number) == ("disconnected", None, "5511999990001")
    await parts.move(owner, "c1", 4, S.STARTING, from_state=S.LOGGED_OUT)
    assert (await parts.rows.get(owner, "c1")).phone_number is None


async def test_the_newer_session_of_a_phone_wins(parts: Parts, owner: str, superuser: asyncpg.Connection) -> None:
    await parts.create(owner, "old")
    await parts.create(owner, "new")
    await parts.move(owner, "old", 5, S.CONNECTED, device=phone_device(device=1))
    host = await parts.host()
    lease = await parts.leases.claim("old", owner, host)
    assert lease is not None
    assert await parts.move(owner, "new", 1, S.PAIRING, device=phone_device(device=2)) == ["old"]
    old = await parts.rows.get(owner, "old")
    assert (old.state, old.status, old.duplicate_reason) == (S.DUPLICATE, "duplicate", "REPLACED_BY_NEW_CONNECTION")
    assert (old.superseded_by, old.sequence) == ("new", 5)
    with pytest.raises(StaleEpoch):
        await parts.sessions.publish_qr(lease, QrShown("payload", 20, 1_700_000_000, b"k" * 32))
    told = await events_of(superuser, "old")
    assert told[-1][1]["update"]["connection"] == "close"

    # The activity is tried again: the same answer. The older workflow learns of it: written, and nothing told twice.
    assert await parts.move(owner, "new", 1, S.PAIRING, device=phone_device(device=2)) == ["old"]
    reason = "REPLACED_BY_NEW_CONNECTION"
    assert await parts.move(owner, "old", 6, S.DUPLICATE, from_state=S.CONNECTED, reason=reason) == []
    assert (await parts.rows.get(owner, "old")).sequence == 6
    assert await events_of(superuser, "old") == told


async def test_a_superseded_session_is_not_brought_back_by_a_workflow_that_does_not_know(
    parts: Parts, owner: str
) -> None:
    for name in ("old", "new"):
        await parts.create(owner, name)
        await parts.move(owner, name, 1, S.CONNECTED, device=phone_device())
    assert await parts.move(owner, "old", 2, S.RECONNECTING, from_state=S.CONNECTED) == ["<new"]
    assert (await parts.rows.get(owner, "old")).state is S.DUPLICATE
    assert (await parts.rows.get(owner, "new")).state is S.CONNECTED
    # Asked for by a person, who knows that it is a duplicate, it wins in its turn.
    assert await parts.move(owner, "old", 3, S.RECONNECTING, from_state=S.DUPLICATE) == ["new"]
    assert (await parts.rows.get(owner, "old")).duplicate_reason is None


async def test_two_sessions_of_one_phone_that_go_live_at_once_leave_one(parts: Parts, owner: str) -> None:
    names = [f"c{number}" for number in range(6)]
    for name in names:
        await parts.create(owner, name)
    results = await asyncio.gather(*(parts.move(owner, name, 1, S.CONNECTED, device=phone_device()) for name in names))
    rows = [await parts.rows.get(owner, name) for name in names]
    assert sorted(row.state for row in rows) == ["connected"] + ["duplicate"] * 5
    assert sum(len(superseded) for superseded in results) == 5


async def test_the_same_phone_of_two_owners_is_no_duplicate(parts: Parts, owner: str) -> None:
    other = "00000000-0000-4000-8000-00000000000b"
    await parts.create(owner, "mine")
    await parts.create(other, "theirs")
    await parts.move(owner, "mine", 1, S.CONNECTED, device=phone_device())
    assert await parts.move(other, "theirs", 1, S.CONNECTED, device=phone_device()) == []
    assert (await parts.rows.get(owner, "mine")).state is S.CONNECTED


async def test_a_code_is_shown_replaced_and_gone_after_the_scan(
    parts: Parts, owner: str, superuser: asyncpg.Connection
) -> None:
    await parts.create(owner)
    lease = await parts.leases.claim("c1", owner, await parts.host())
    assert lease is not None
    await parts.move(owner, "c1", 1, S.AWAITING_SCAN)
    for payload in ("first", "second"):
        await parts.sessions.publish_qr(lease, QrShown(payload, 60, time.time(), b"k" * 32))
    row = await parts.rows.get(owner, "c1")
    assert row.qr_code == "second"
    assert row.qr_expires_at is not None
    codes = [payload for event, payload in await events_of(superuser, "c1") if event == "qrCode"]
    assert codes == [{"connectionId": "c1", "qrCode": "second", "expiresAt": row.qr_expires_at.isoformat()}]
    await parts.move(owner, "c1", 2, S.PAIRING, from_state=S.AWAITING_SCAN, device=phone_device())
    assert (await parts.rows.get(owner, "c1")).qr_code is None
    assert [event for event, _ in await events_of(superuser, "c1")] == ["connectionUpdate"] * 2


async def test_an_expired_code_is_not_given_out(parts: Parts, owner: str) -> None:
    await parts.create(owner)
    lease = await parts.leases.claim("c1", owner, await parts.host())
    assert lease is not None
    await parts.sessions.publish_qr(lease, QrShown("old", 20, 1_700_000_000, b"k" * 32))
    assert (await parts.rows.get(owner, "c1")).qr_code is None


async def test_removal_tells_once_keeps_the_history_and_spares_a_connection_made_anew(
    parts: Parts, owner: str, superuser: asyncpg.Connection
) -> None:
    await parts.create(owner)
    await parts.sessions.remove("c1", owner, 9, 1_700_000_009.0)
    with pytest.raises(ConnectionNotFound):
        await parts.rows.get(owner, "c1")
    await parts.sessions.remove("c1", owner, 9, 1_700_000_009.0)
    await parts.create(owner)
    await parts.sessions.remove("c1", owner, 9, 1_700_000_009.0)
    assert (await parts.rows.get(owner, "c1")).sequence == 0
    assert await events_of(superuser, "c1") == [("connectionRemoved", {"connectionId": "c1"})]
    history = await parts.rows.history(owner, "c1")
    assert [entry.event for entry in history] == ["created", "removed", "created"]
    older = await parts.rows.history(owner, "c1", before=history[0].id, limit=1)
    assert [entry.event for entry in older] == ["removed"]


async def test_unfinished_sessions_of_every_owner_are_rebuilt_from_their_rows(parts: Parts, owner: str) -> None:
    other = "00000000-0000-4000-8000-00000000000b"
    await parts.create(owner, "mine")
    await parts.create(other, "theirs")
    await parts.move(owner, "mine", 7, S.CONNECTED, device=phone_device(), reason="why")
    found = {given.connection_id: given for given in await parts.sessions.unfinished()}
    assert set(found) == {"mine", "theirs"}
    mine = found["mine"]
    assert (mine.owner_id, mine.state, mine.reason, mine.sequence) == (owner, S.CONNECTED, "why", 7)
    assert mine.device == Device("5511999990001:1@s.whatsapp.net", "5511999990001", "995511999990001@lid", "Ana")
    assert mine.has_connected
    assert found["theirs"].device is None
