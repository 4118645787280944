"""The data plane: batches of messages and receipts."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from contracts.errors import StaleEpoch
from contracts.messages import DeliveryStatus, InboundMessage, MessageType, Receipt
from tests.db.parts import Parts, events_of

CHAT = "5511988887777@s.whatsapp.net"
NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


def _message(
    number: int = 1,
    *,
    chat: str = CHAT,
    from_me: bool = False,
    text: str | None = "Olá",
    type_: MessageType = MessageType.TEXT,
) -> InboundMessage:
    return InboundMessage(
        message_id=f"M{number}",
        chat=chat,
        from_me=from_me,
        timestamp=NOON + timedelta(seconds=number),
        type=type_,
        text=text,
        phone="5511988887777",
        push_name=None if from_me else "Bia",
        raw={"conversation": text},
    )


def _receipt(*numbers: int, status: DeliveryStatus, own: bool = False) -> Receipt:
    return Receipt(tuple(f"M{number}" for number in numbers), CHAT, status, NOON, own)


async def test_a_customers_message_opens_an_atendimento_and_is_told(
    parts: Parts, owner: str, superuser: asyncpg.Connection
) -> None:
    lease = await parts.held(owner)
    assert await parts.messages.write(lease, [_message()], []) == 1
    atendimento = await superuser.fetchrow("SELECT * FROM whatsapp_atendimentos")
    assert (atendimento["status"], atendimento["chat_id"], str(atendimento["owner_id"])) == ("ATIVO", CHAT, owner)
    row = await superuser.fetchrow("SELECT * FROM whatsapp_mensagens")
    assert json.loads(row["raw"]) == {"conversation": "Olá"}
    events = await events_of(superuser, "c1")
    assert [event for event, _ in events] == ["contact:created", "newMessage", "conversation:updated"]
    assert events[1][1] == {
        "id": str(row["id"]),
        "message_id": "M1",
        "chat_id": CHAT,
        "conteudo": "Olá",
        "message_type": "TEXTO",
        "media_type": None,
        "media_url": None,
        "media_mime": None,
        "remetente": "CLIENTE",
        "timestamp": "2025-03-01T12:00:01+00:00",
        "lida": False,
        "connection_id": "c1",
        "owner_id": owner,
        "atendimento_id": str(atendimento["id"]),
        "phone": "5511988887777",
        "wpp_name": "Bia",
        "status": "received",
        "participant": None,
        "quoted_id": None,
    }
    assert events[2][1] == {
        "connectionId": "c1",
        "conversationId": CHAT,
        "lastMessageAt": "2025-03-01T12:00:01+00:00",
        "last_message": "Olá",
        "preview": "Olá",
        "from": "CLIENTE",
        "unread_count_delta": 1,
        "nome_cliente": "Bia",
        "numero_cliente": "5511988887777",
    }


async def test_a_batch_that_is_written_again_changes_nothing(
    parts: Parts, owner: str, superuser: asyncpg.Connection
) -> None:
    lease = await parts.held(owner)
    batch = [_message(1), _message(2), _message(1, text="the same id")]
    assert await parts.messages.write(lease, batch, []) == 2
    told = await events_of(superuser, "c1")
    assert await parts.messages.write(lease, [*batch, _message(2)], []) == 0
    assert await events_of(superuser, "c1") == told
    chat = await superuser.fetchrow("SELECT * FROM chats")
    assert (chat["unread_count"], chat["last_message"]) == (2, "Olá")
    assert await superuser.fetchval("SELECT conteudo FROM whatsapp_mensagens WHERE message_id = 'M1'") == "Olá"


async def test_one_atendimento_serves_until_it_is_finished(
    parts: Parts, owner: str, superuser: asyncpg.Connection
) -> None:
    lease = await parts.held(owner)
    await parts.messages.write(lease, [_message(1)], [])
    await parts.messages.write(lease, [_message(2), _message(3, from_me=True)], [])
    assert await superuser.fetchval("SELECT count(*) FROM whatsapp_atendimentos") == 1
    assert await superuser.fetchval("SELECT count(DISTINCT atendimento_id) FROM whatsapp_mensagens") == 1
    await superuser.execute("UPDATE whatsapp_atendimentos SET status = 'FINALIZADO'")
    await parts.messages.write(lease, [_message(4)], [])
    assert await superuser.fetchval("SELECT count(*) FROM whatsapp_atendimentos") == 2


async def test_our_own_messages_and_groups_open_no_atendimento(
    parts: Parts, owner: str, superuser: asyncpg.Connection
) -> None:
    lease = await parts.held(owner)
    group = replace(_message(2, chat="123-456@g.us"), participant=CHAT)
    await parts.messages.write(lease, [_message(1, from_me=True), group], [])
    assert await superuser.fetchval("SELECT count(*) FROM whatsapp_atendimentos") == 0
    assert await superuser.fetchval("SELECT name FROM chats WHERE chat_id = '123-456@g.us'") is None
    assert await superuser.fetchval("SELECT push_name FROM contacts WHERE jid = $1", CHAT) == "Bia"


async def test_an_older_message_does_not_become_the_chats_last(
    parts: Parts, owner: str, superuser: asyncpg.Connection
) -> None:
    lease = await parts.held(owner)
    await parts.messages.write(lease, [_message(5, text="new")], [])
    await parts.messages.write(lease, [_message(1, text="old")], [])
    assert await superuser.fetchval("SELECT last_message FROM chats") == "new"


async def test_text_that_postgresql_cannot_keep_is_replaced_not_refused(
    parts: Parts, owner: str, superuser: asyncpg.Connection
) -> None:
    lease = await parts.held(owner)
    nasty = replace(
        _message(1, text="a\x00b\ud83d\ude00\ud800"),
        push_name="N\x00",
        raw={"k\x00": ["\ud800", float("nan"), {"x": "\x00"}]},
    )
    assert await parts.messages.write(lease, [nasty], []) == 1
    assert await superuser.fetchval("SELECT conteudo FROM whatsapp_mensagens") == "a\ufffdb😀\ufffd"


async def test_a_stale_epoch_writes_nothing(parts: Parts, owner: str, superuser: asyncpg.Connection) -> None:
    lease = await parts.held(owner)
    await parts.leases.release(lease)
    with pytest.raises(StaleEpoch):
        await parts.messages.write(lease, [_message()], [])
    assert await superuser.fetchval("SELECT count(*) FROM whatsapp_mensagens") == 0


async def test_receipts_move_our_messages_forward_only(parts: Parts, owner: str, superuser: asyncpg.Connection) -> None:
    lease = await parts.held(owner)
    batch = [_message(1, from_me=True), _message(2, from_me=True), _message(3)]
    await parts.messages.write(lease, batch, [_receipt(1, status=DeliveryStatus.DELIVERED)])
    await parts.messages.write(
        lease,
        [],
        [
            _receipt(1, 2, 3, status=DeliveryStatus.READ),
            _receipt(1, status=DeliveryStatus.DELIVERED),
            _receipt(1, status=DeliveryStatus.READ),
        ],
    )
    told = [
        (payload["message_id"], payload["status"])
        for event, payload in await events_of(superuser, "c1")
        if event == "message:status"
    ]
    assert sorted(told) == [("M1", "delivered"), ("M1", "read"), ("M2", "read")]
    rows = await superuser.fetch("SELECT status FROM whatsapp_mensagens ORDER BY message_id")
    assert [row["status"] for row in rows] == ["read", "read", "received"]


async def test_a_receipt_that_comes_before_its_message_is_kept_for_it(
    parts: Parts, owner: str, superuser: asyncpg.Connection
) -> None:
    lease = await parts.held(owner)
    await parts.messages.write(lease, [], [_receipt(1, status=DeliveryStatus.DELIVERED)])
    await parts.messages.write(lease, [_message(1, from_me=True)], [])
    assert await superuser.fetchval("SELECT status FROM whatsapp_mensagens") == "delivered"
    assert await superuser.fetchval("SELECT count(*) FROM early_receipts") == 0


async def test_reading_on_the_phone_clears_what_is_unread_here(
    parts: Parts, owner: str, superuser: asyncpg.Connection
) -> None:
    lease = await parts.held(owner)
    await parts.messages.write(lease, [_message(1), _message(2), _message(3)], [])
    await parts.messages.write(lease, [], [_receipt(2, status=DeliveryStatus.READ, own=True)])
    assert await superuser.fetchval("SELECT unread_count FROM chats") == 1
    await parts.messages.write(lease, [], [_receipt(3, status=DeliveryStatus.READ, own=True)])
    last = (await events_of(superuser, "c1"))[-1]
    assert last == ("conversation:read", {"connectionId": "c1", "conversationId": CHAT, "unread_count": 0})


async def test_a_contact_is_told_when_new_and_when_renamed(
    parts: Parts, owner: str, superuser: asyncpg.Connection
) -> None:
    lease = await parts.held(owner)
    for number, name in enumerate(["Bia", "Bia", "Beatriz", None]):
        await parts.messages.write(lease, [replace(_message(number), push_name=name)], [])
    told = [(event, payload["name"]) for event, payload in await events_of(superuser, "c1") if "contact" in event]
    assert told == [("contact:created", "Bia"), ("contact:updated", "Beatriz")]
