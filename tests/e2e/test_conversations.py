"""A conversation as the CRM handles it, with a customer at the other end."""

from __future__ import annotations

import uuid

import pytest

from tests.conditions import eventually
from tests.crm import Crm
from tests.lives import connected
from tests.phone_world import PhoneWorld, fresh_phone

pytestmark = pytest.mark.timeout(200)


async def test_what_the_crm_read_turns_read_on_the_customers_phone(crm: Crm, phones: PhoneWorld) -> None:
    session = await connected(crm, phones)
    customer, text = fresh_phone(), f"Oi {uuid.uuid4().hex[:8]}"
    await crm.join(session.id)
    await phones.send(customer, session.phone, text)
    arrived = await crm.hears("newMessage", session.id, lambda message: message["conteudo"] == text)

    async def status() -> str:
        messages = (await phones.ask("GET", f"/phone/{customer}/messages")).json()["messages"]
        return next(message["status"] for message in messages if message["text"] == text)

    assert await status() != "read"
    mark = crm.now()
    answer = await crm.ask("POST", f"/connections/{session.id}/mark-read", {"chatId": arrived["chat_id"]})
    assert answer.json() == {"ok": True, "success": True, "count": 1}
    read = await crm.hears("conversation:read", session.id, after=mark)
    assert (read["conversationId"], read["unread_count"]) == (arrived["chat_id"], 0)

    async def is_read() -> bool:
        return await status() == "read"

    await eventually(is_read, "the customer's phone shows the message as read")
    (listed,) = await crm.get(f"/connections/{session.id}/chats/{arrived['chat_id']}/messages")
    assert (listed["message_id"], listed["lida"]) == (arrived["message_id"], True)
    assert [name for name, payload in crm.heard[mark:] if name == "message:status"] == []
