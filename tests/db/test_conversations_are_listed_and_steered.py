"""Conversations as the API lists, reads, closes and opens them, under its own role."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from contracts.errors import ConnectionNotFound
from contracts.messages import READ_JOB, DeliveryStatus, InboundMessage, MessageType, Receipt, SentMessage
from contracts.ports import Lease
from contracts.states import SessionState
from store.atendimentos import Atendimentos
from store.pages import Position
from store.read_marks import IDS_PER_RECEIPT
from tests.db.parts import Parts, events_of, phone_device

CHAT = "5511988887777@s.whatsapp.net"
GROUP = "120363000000000000@g.us"
NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
STRANGER = "00000000-0000-4000-8000-00000000000b"


def _message(
    number: int, *, chat: str = CHAT, at: int | None = None, from_me: bool = False, participant: str | None = None
) -> InboundMessage:
    return InboundMessage(
        f"M{number}",
        chat,
        from_me,
        NOON + timedelta(seconds=number if at is None else at),
        MessageType.TEXT,
        f"text {number}",
        phone=chat.partition("@")[0] if participant is None else None,
        participant=participant,
        push_name=None if from_me else "Bia",
    )


async def _linked(parts: Parts, owner: str) -> Lease:
    lease = await parts.held(owner)
    await parts.move(owner, "c1", 1, SessionState.CONNECTED, device=phone_device())
    return lease


async def test_messages_page_through_a_crowd_of_one_second_without_gap_or_repetition(parts: Parts, owner: str) -> None:
    lease = await parts.held(owner)
    crowd = [_message(number, at=number // 10) for number in range(35)]
    await parts.messages.write(lease, crowd, [])
    await parts.messages.write(lease, [_message(99, chat=GROUP, participant="1@lid")], [])
    whole = await parts.chats.messages(owner, "c1", CHAT, limit=100)
    assert [row.timestamp for row in whole] == sorted((item.timestamp for item in crowd), reverse=True)
    paged = await parts.chats.messages(owner, "c1", CHAT, limit=7)
    while page := await parts.chats.messages(
        owner, "c1", CHAT, after=Position(paged[-1].timestamp, paged[-1].id), limit=7
    ):
        # What arrives meanwhile is newer than the pages still to come.
        await parts.messages.write(lease, [_message(1000 + len(paged))], [])
        paged += page
    assert paged == whole
    older = await parts.chats.messages(owner, "c1", CHAT, after=Position(NOON + timedelta(seconds=1)))
    assert {row.message_id for row in older} == {f"M{number}" for number in range(10)}


async def test_chats_and_contacts_are_listed_newest_first_with_what_a_page_needs(parts: Parts, owner: str) -> None:
    lease = await parts.held(owner)
    people = [f"55119888800{number:02}@s.whatsapp.net" for number in range(5)]
    for number, chat in enumerate(people):
        await parts.messages.write(lease, [_message(number, chat=chat, at=number // 2)], [])
    whole = await parts.chats.chats(owner, "c1")
    assert [row.chat_id for row in whole] == [people[4], people[2], people[3], people[0], people[1]]
    assert whole[0].unread_count == 1
    assert (whole[0].last_message, whole[0].last_message_from) == ("text 4", "CLIENTE")
    assert (whole[0].name, whole[0].atendimento_status) == ("Bia", "ATIVO")
    first = await parts.chats.chats(owner, "c1", limit=3)
    rest = await parts.chats.chats(owner, "c1", after=Position(first[-1].last_message_at, first[-1].chat_id))
    assert [*first, *rest] == whole

    contacts = await parts.chats.contacts(owner, "c1")
    assert [row.jid for row in contacts] == people[::-1]
    following = await parts.chats.contacts(owner, "c1", after=Position(contacts[1].created_at, contacts[1].jid))
    assert following == contacts[2:]


async def test_marking_read_is_told_and_queues_the_receipts_in_order_with_the_sends(
    parts: Parts, owner: str, superuser: asyncpg.Connection
) -> None:
    lease = await _linked(parts, owner)
    await parts.messages.write(lease, [_message(1), _message(2), _message(3, from_me=True)], [])
    send = await parts.accepted.accept(owner, "c1", CHAT, "text", {"text": "one"}, None)
    assert await parts.read_marks.mark_read(owner, "c1", CHAT) == 2
    assert await parts.read_marks.mark_read(owner, "c1", CHAT) == 0
    (chat,) = await parts.chats.chats(owner, "c1")
    assert chat.unread_count == 0
    assert all(row.lida for row in await parts.chats.messages(owner, "c1", CHAT))
    told = [payload for event, payload in await events_of(superuser, "c1") if event == "conversation:read"]
    assert told == [{"connectionId": "c1", "conversationId": CHAT, "unread_count": 0}]

    first, second = await parts.queue.next(lease), await parts.queue.next(lease)
    assert first is not None
    assert second is not None
    assert (first.id, second.type) == (send.id, READ_JOB)
    assert second.payload == {"messageIds": ["M1", "M2"], "participant": None}
    assert await parts.queue.next(lease) is None


async def test_a_read_job_leaves_no_message_and_no_status_however_it_ends(
    parts: Parts, owner: str, superuser: asyncpg.Connection
) -> None:
    lease = await _linked(parts, owner)
    for number in range(3):
        await parts.messages.write(lease, [_message(number)], [])
        await parts.read_marks.mark_read(owner, "c1", CHAT)
    before = await superuser.fetchval("SELECT count(*) FROM outbox")
    left, refused, interrupted = [await parts.queue.next(lease) for _ in range(3)]
    assert left is not None
    assert refused is not None
    assert interrupted is not None
    await parts.queue.receipted(lease, left)
    await parts.queue.receipted(lease, left)
    await parts.queue.failed(lease, refused, "SESSION_NOT_CONNECTED", "away")
    await parts.leases.retire("h1")
    heir = await parts.leases.claim("c1", owner, await parts.host("h2"))
    assert heir is not None
    assert await parts.queue.recover(heir) == 1
    states = [row["state"] for row in await superuser.fetch("SELECT state FROM send_queue ORDER BY id")]
    assert states == ["sent", "failed", "unknown"]
    assert await parts.queue.next(heir) is None
    assert await superuser.fetchval("SELECT count(*) FROM whatsapp_mensagens") == 3
    assert await superuser.fetchval("SELECT count(*) FROM outbox") == before


async def test_a_crowded_group_is_read_author_by_author(parts: Parts, owner: str) -> None:
    lease = await _linked(parts, owner)
    crowd = [_message(number, chat=GROUP, participant=f"{number % 2}@lid") for number in range(2 * IDS_PER_RECEIPT + 2)]
    await parts.messages.write(lease, crowd, [])
    assert await parts.read_marks.mark_read(owner, "c1", GROUP) == len(crowd)
    found: dict[str, list[str]] = {"0@lid": [], "1@lid": []}
    for _ in range(4):
        job = await parts.queue.next(lease)
        assert job is not None
        assert job.chat == GROUP
        found[str(job.payload["participant"])].extend(job.payload["messageIds"])  # type: ignore[arg-type]
    assert await parts.queue.next(lease) is None
    assert found == {
        f"{author}@lid": [item.message_id for item in crowd if item.participant == f"{author}@lid"]
        for author in range(2)
    }


async def test_without_a_linked_device_nothing_waits_to_be_sent(
    parts: Parts, owner: str, superuser: asyncpg.Connection
) -> None:
    lease = await parts.held(owner)
    await parts.messages.write(lease, [_message(1)], [])
    assert await parts.read_marks.mark_read(owner, "c1", CHAT) == 1
    assert await superuser.fetchval("SELECT count(*) FROM send_queue") == 0


async def test_unread_counts_are_right_while_messages_arrive_and_are_read_at_once(
    parts: Parts, owner: str, superuser: asyncpg.Connection
) -> None:
    lease = await _linked(parts, owner)

    async def arrive() -> None:
        for number in range(20):
            await parts.messages.write(lease, [_message(number)], [])

    async def read() -> int:
        return sum([await parts.read_marks.mark_read(owner, "c1", CHAT) for _ in range(20)])

    _, one, other = await asyncio.gather(arrive(), read(), read())
    unread = await superuser.fetchval("SELECT count(*) FROM whatsapp_mensagens WHERE NOT lida")
    (chat,) = await parts.chats.chats(owner, "c1")
    assert chat.unread_count == unread == 20 - one - other


async def test_closing_opening_and_the_next_message(parts: Parts, owner: str, superuser: asyncpg.Connection) -> None:
    lease = await parts.held(owner)
    await parts.messages.write(lease, [_message(1)], [])
    closed = await parts.atendimentos.close(owner, "c1", CHAT)
    assert closed is not None
    assert (closed.status, closed.changed, closed.finished_at is not None) == ("FINALIZADO", True, True)
    again = await parts.atendimentos.close(owner, "c1", CHAT)
    assert again is not None
    assert (again.id, again.changed) == (closed.id, False)
    reopened = await parts.atendimentos.open(owner, "c1", CHAT)
    assert (reopened.id, reopened.status, reopened.changed) == (closed.id, "ATIVO", True)
    assert reopened.finished_at is None
    assert (await parts.atendimentos.open(owner, "c1", CHAT)).changed is False
    await parts.atendimentos.close(owner, "c1", CHAT)
    await parts.messages.write(lease, [_message(2)], [])
    (chat,) = await parts.chats.chats(owner, "c1")
    assert chat.atendimento_status == "ATIVO"
    assert chat.atendimento_id not in (None, closed.id)
    told = [(event, payload.get("status")) for event, payload in await events_of(superuser, "c1")]
    assert [each for each in told if each[0].startswith("conversation:")] == [
        ("conversation:updated", None),
        ("conversation:finalized", "FINALIZADO"),
        ("conversation:updated", "ATIVO"),
        ("conversation:finalized", "FINALIZADO"),
        ("conversation:updated", None),
    ]


async def test_a_conversation_can_be_opened_before_anything_was_said_in_it(
    parts: Parts, owner: str, superuser: asyncpg.Connection
) -> None:
    lease = await parts.held(owner)
    assert await parts.atendimentos.close(owner, "c1", CHAT) is None
    opened = await parts.atendimentos.open(owner, "c1", CHAT)
    assert (opened.status, opened.numero_cliente, opened.changed) == ("ATIVO", "5511988887777", True)
    await parts.messages.write(lease, [_message(1)], [])
    (message,) = await parts.chats.messages(owner, "c1", CHAT)
    assert message.atendimento_id == opened.id
    event, payload = (await events_of(superuser, "c1"))[0]
    assert event == "conversation:updated"
    assert payload == {
        "connectionId": "c1",
        "conversationId": CHAT,
        "lastMessageAt": None,
        "last_message": None,
        "preview": None,
        "from": None,
        "unread_count_delta": 0,
        "nome_cliente": None,
        "numero_cliente": "5511988887777",
        "atendimento_id": opened.id,
        "status": "ATIVO",
        "mode": None,
    }


async def test_opening_at_once_makes_one_atendimento(parts: Parts, owner: str, superuser: asyncpg.Connection) -> None:
    await parts.create(owner)
    opened = await asyncio.gather(*(parts.atendimentos.open(owner, "c1", CHAT) for _ in range(5)))
    assert len({each.id for each in opened}) == 1
    assert [each.changed for each in opened].count(True) == 1
    assert await superuser.fetchval("SELECT count(*) FROM whatsapp_atendimentos") == 1


async def test_the_mode_is_the_open_atendimentos(parts: Parts, owner: str, superuser: asyncpg.Connection) -> None:
    await parts.create(owner)
    assert await parts.atendimentos.change_mode(owner, "c1", CHAT, "manual") is None
    opened = await parts.atendimentos.open(owner, "c1", CHAT)
    changed = await parts.atendimentos.change_mode(owner, "c1", CHAT, "manual")
    assert changed is not None
    assert (changed.id, changed.mode, changed.changed) == (opened.id, "manual", True)
    same = await parts.atendimentos.change_mode(owner, "c1", CHAT, "manual")
    assert same is not None
    assert same.changed is False
    assert [payload["mode"] for _, payload in await events_of(superuser, "c1")] == [None, "manual"]
    assert (await parts.atendimentos.get(owner, opened.id)) == same
    assert await parts.atendimentos.get(STRANGER, opened.id) is None
    await parts.atendimentos.close(owner, "c1", CHAT)
    assert await parts.atendimentos.change_mode(owner, "c1", CHAT, "bot") is None


async def test_writers_know_no_connection_of_another_owner(parts: Parts, owner: str) -> None:
    await parts.create(owner)
    with pytest.raises(ConnectionNotFound):
        await parts.read_marks.mark_read(STRANGER, "c1", CHAT)
    for write in (Atendimentos.open, Atendimentos.close):
        with pytest.raises(ConnectionNotFound):
            await write(parts.atendimentos, STRANGER, "c1", CHAT)
    with pytest.raises(ConnectionNotFound):
        await parts.atendimentos.change_mode(STRANGER, "c1", CHAT, "manual")


async def test_pages_are_read_from_their_indexes(parts: Parts, owner: str, superuser: asyncpg.Connection) -> None:
    lease = await parts.held(owner)
    await parts.messages.write(lease, [_message(1)], [Receipt(("M1",), CHAT, DeliveryStatus.READ, NOON)])
    conditions = f"owner_id = '{UUID(owner)}' AND connection_id = 'c1'"
    plans = {
        "whatsapp_mensagens_of_chat": f"""
            SELECT * FROM whatsapp_mensagens WHERE {conditions} AND chat_id = '{CHAT}' AND "timestamp" <= now()
                AND ("timestamp" < now() OR id < '{owner}') ORDER BY "timestamp" DESC, id DESC LIMIT 50
        """,
        "chats_newest": f"""
            SELECT * FROM chats WHERE {conditions} AND last_message_at <= now()
                AND (last_message_at < now() OR chat_id > 'a') ORDER BY last_message_at DESC, chat_id LIMIT 50
        """,
        "contacts_newest": f"""
            SELECT * FROM contacts WHERE {conditions} AND created_at <= now()
                AND (created_at < now() OR jid > 'a') ORDER BY created_at DESC, jid LIMIT 50
        """,
    }
    await superuser.execute("SET enable_seqscan = off; SET enable_sort = off; SET enable_bitmapscan = off")
    for index, query in plans.items():
        plan = "\n".join(row[0] for row in await superuser.fetch(f"EXPLAIN {query}"))
        assert f"using {index}" in plan, plan
        assert "Sort" not in plan, plan


async def test_a_send_after_reading_is_recorded_as_ever(parts: Parts, owner: str) -> None:
    lease = await _linked(parts, owner)
    await parts.messages.write(lease, [_message(1)], [])
    await parts.read_marks.mark_read(owner, "c1", CHAT)
    send = await parts.accepted.accept(owner, "c1", CHAT, "text", {"text": "one"}, None)
    reading, sending = await parts.queue.next(lease), await parts.queue.next(lease)
    assert reading is not None
    assert sending is not None
    assert sending.id == send.id
    await parts.queue.receipted(lease, reading)
    await parts.queue.sent(lease, sending, SentMessage("3EB0AA", NOON + timedelta(hours=1)))
    newest, _ = await parts.chats.messages(owner, "c1", CHAT)
    assert (newest.message_id, newest.conteudo, newest.remetente) == ("3EB0AA", "one", "ATENDENTE")
