"""The send queue, from the API's acceptance to the recorded end."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime

import asyncpg
import pytest

from contracts.errors import ConnectionNotFound, StaleEpoch
from contracts.messages import DeliveryStatus, Receipt, SentMessage
from store.accepted_sends import AcceptedSend
from tests.db.parts import Parts, events_of

CHAT = "5511988887777@s.whatsapp.net"
SENT = SentMessage("3EB0AA", datetime(2025, 3, 1, 12, tzinfo=UTC))


async def _accept(parts: Parts, owner: str, text: str = "Oi", key: str | None = None) -> AcceptedSend:
    return await parts.accepted.accept(owner, "c1", CHAT, "text", {"text": text}, key)


async def test_the_same_client_message_id_is_one_send(parts: Parts, owner: str) -> None:
    await parts.create(owner)
    sends = await asyncio.gather(*(_accept(parts, owner, f"try {number}", "key") for number in range(6)))
    assert len({send.id for send in sends}) == 1
    assert [send.created for send in sends].count(True) == 1
    assert (await _accept(parts, owner, key=None)).id != (await _accept(parts, owner, key=None)).id


async def test_a_send_for_an_unknown_connection_is_refused(parts: Parts, owner: str) -> None:
    with pytest.raises(ConnectionNotFound):
        await _accept(parts, owner)


async def test_sends_are_dispatched_in_order_and_their_end_is_told(
    parts: Parts, owner: str, superuser: asyncpg.Connection
) -> None:
    lease = await parts.held(owner)
    first, second = await _accept(parts, owner, "one", "k1"), await _accept(parts, owner, "two")
    job = await parts.queue.next(lease)
    assert job is not None
    assert (job.id, job.chat, job.type, job.payload) == (first.id, CHAT, "text", {"text": "one"})
    assert await superuser.fetchval("SELECT state FROM send_queue WHERE id = $1", job.id) == "dispatched"
    await parts.queue.sent(lease, job, SENT)
    await parts.queue.sent(lease, job, SENT)
    following = await parts.queue.next(lease)
    assert following is not None
    assert following.id == second.id
    assert await parts.queue.next(lease) is None
    await parts.queue.failed(lease, following, "SEND_REFUSED", "not on WhatsApp")

    settled = await parts.accepted.wait_settled(owner, first.id, 5)
    assert settled is not None
    assert (settled.state, settled.message_id) == ("sent", "3EB0AA")
    refused = await parts.accepted.wait_settled(owner, second.id, 5)
    assert refused is not None
    assert (refused.state, refused.error_code) == ("failed", "SEND_REFUSED")
    events = await events_of(superuser, "c1")
    assert [(event, payload.get("status")) for event, payload in events] == [
        ("message:status", "sent"),
        ("newMessage", "sent"),
        ("conversation:updated", None),
        ("message:status", "failed"),
    ]
    assert events[0][1]["clientMessageId"] == "k1"
    assert events[1][1]["remetente"] == "ATENDENTE"
    assert events[1][1]["conteudo"] == "one"


async def test_a_send_whose_holder_died_is_unknown_and_never_dispatched_again(
    parts: Parts, owner: str, superuser: asyncpg.Connection
) -> None:
    lease = await parts.held(owner)
    await _accept(parts, owner)
    job = await parts.queue.next(lease)
    assert job is not None
    await parts.leases.retire("h1")
    heir = await parts.leases.claim("c1", owner, await parts.host("h2"))
    assert heir is not None
    with pytest.raises(StaleEpoch):
        await parts.queue.next(lease)
    with pytest.raises(StaleEpoch):
        await parts.queue.sent(heir, job, SENT)
    assert await parts.queue.recover(heir) == 1
    assert await parts.queue.recover(heir) == 0
    assert await parts.queue.next(heir) is None
    assert await superuser.fetchval("SELECT state FROM send_queue") == "unknown"
    # The old holder lives after all, and knows how it ended.
    await parts.queue.sent(lease, job, SENT)
    assert await superuser.fetchval("SELECT state FROM send_queue") == "sent"


async def test_a_receipt_that_outruns_the_record_of_its_send_counts(
    parts: Parts, owner: str, superuser: asyncpg.Connection
) -> None:
    lease = await parts.held(owner)
    await _accept(parts, owner)
    job = await parts.queue.next(lease)
    assert job is not None
    await parts.messages.write(lease, [], [Receipt(("3EB0AA",), CHAT, DeliveryStatus.DELIVERED, SENT.timestamp)])
    await parts.queue.sent(lease, job, SENT)
    assert await superuser.fetchval("SELECT status FROM whatsapp_mensagens") == "delivered"


async def test_an_unknown_outcome_is_told_under_the_clients_own_id(
    parts: Parts, owner: str, superuser: asyncpg.Connection
) -> None:
    lease = await parts.held(owner)
    await _accept(parts, owner, key="mine")
    job = await parts.queue.next(lease)
    assert job is not None
    await parts.queue.unknown(lease, job, "no answer in 75 s")
    (event, payload), *_ = await events_of(superuser, "c1")
    assert (event, payload["message_id"], payload["status"]) == ("message:status", "mine", "unknown")


async def test_the_holder_is_told_of_a_new_send_and_the_api_of_its_end(parts: Parts, owner: str) -> None:
    lease = await parts.held(owner)
    async with asyncio.timeout(20), parts.accepted.listening(), aclosing(parts.queue.accepted()) as accepted:
        assert await anext(accepted) == ""
        send = await _accept(parts, owner)
        assert await anext(accepted) == "c1"
        waiting = asyncio.create_task(parts.accepted.wait_settled(owner, send.id, 15))
        job = await parts.queue.next(lease)
        assert job is not None
        await parts.queue.sent(lease, job, SENT)
        settled = await waiting
        assert settled is not None
        assert settled.state == "sent"


async def test_waiting_ends_in_time(parts: Parts, owner: str) -> None:
    await parts.create(owner)
    send = await _accept(parts, owner)
    waiting = await parts.accepted.wait_settled(owner, send.id, 0.05)
    assert waiting is not None
    assert waiting.state == "accepted"


async def test_removing_a_connection_ends_its_sends(parts: Parts, owner: str, superuser: asyncpg.Connection) -> None:
    lease = await parts.held(owner)
    await _accept(parts, owner, "dispatched")
    await _accept(parts, owner, "waiting")
    await parts.queue.next(lease)
    await parts.sessions.remove("c1", owner, 1, 1_700_000_000.0)
    rows = await superuser.fetch("SELECT state FROM send_queue ORDER BY id")
    assert [row["state"] for row in rows] == ["unknown", "failed"]
