"""send-message: accepted durably, its end waited for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from api import sends
from contracts.messages import SentMessage
from store.send_queue import PostgresSendQueue
from tests.api.conftest import Api
from tests.api.hosted import hosted

PHONE = "5511988887777"
PATH = "/connections/c-1/send-message"


async def test_send_that_nobody_takes_yet_is_queued_and_never_doubled(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sends, "WAIT_SECONDS", 0.05)
    lease = await hosted(api)
    body = {"chatId": PHONE, "type": "text", "text": "Olá 😀", "clientMessageId": "k-1"}
    first, second = await api.http.post(PATH, json=body), await api.http.post(PATH, json=body)
    assert first.status_code == 200
    answer = first.json()
    assert (answer["ok"], answer["success"], answer["messageId"], answer["status"]) == (True, True, None, "queued")
    assert answer["data"]["chatId"] == f"{PHONE}@s.whatsapp.net"
    assert second.json() == answer
    queue = PostgresSendQueue(api.worker_database)
    job = await queue.next(lease)
    assert job is not None
    assert (job.chat, job.type, job.payload) == (f"{PHONE}@s.whatsapp.net", "text", {"text": "Olá 😀"})
    assert await queue.next(lease) is None
    await queue.sent(lease, job, SentMessage("3EB0ABC", datetime.now(UTC)))
    settled = (await api.http.post(PATH, json=body)).json()
    assert (settled["messageId"], settled["status"]) == ("3EB0ABC", "sent")


async def test_failed_send_is_told_as_a_failure(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sends, "WAIT_SECONDS", 0.05)
    lease = await hosted(api)
    body = {"chatId": PHONE, "text": "a", "clientMessageId": "k-1"}
    await api.http.post(PATH, json=body)
    queue = PostgresSendQueue(api.worker_database)
    job = await queue.next(lease)
    assert job is not None
    await queue.failed(lease, job, "NOT_ON_WHATSAPP", "no such account")
    answer = await api.http.post(PATH, json=body)
    assert answer.status_code == 502
    assert (answer.json()["ok"], answer.json()["status"]) == (False, "failed")
    assert answer.json()["data"]["errorCode"] == "NOT_ON_WHATSAPP"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"chatId": "nobody", "text": "a"}, "INVALID_CHAT_ID"),
        ({"chatId": "a@example.com", "text": "a"}, "INVALID_CHAT_ID"),
        ({"chatId": "status@broadcast", "text": "a"}, "INVALID_CHAT_ID"),
        ({"chatId": "12345", "text": "a"}, "INVALID_PHONE_NUMBER"),
        ({"chatId": PHONE, "type": "telegram", "text": "a"}, "UNSUPPORTED_MESSAGE_TYPE"),
        ({"chatId": PHONE}, "INVALID_REQUEST"),
        ({"chatId": PHONE, "text": ""}, "INVALID_REQUEST"),
        ({"chatId": PHONE, "text": "a\x00"}, "INVALID_REQUEST"),
        ({"text": "a"}, "INVALID_REQUEST"),
        ({"chatId": PHONE, "text": ["a"]}, "INVALID_REQUEST"),
    ],
)
async def test_unusable_sends_are_refused(api: Api, body: dict[str, object], code: str) -> None:
    await api.http.post("/connections", json={"connectionId": "c-1"})
    answer = await api.http.post(PATH, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_an_unpaired_session_takes_no_sends(api: Api) -> None:
    await api.http.post("/connections", json={"connectionId": "c-1"})
    answer = await api.http.post(PATH, json={"chatId": PHONE, "text": "a"})
    assert (answer.status_code, answer.json()["code"]) == (409, "SESSION_NOT_PAIRED")


@pytest.mark.parametrize(
    ("given", "jid"),
    [
        (PHONE, f"{PHONE}@s.whatsapp.net"),
        ("+55 (11) 98888-7777", f"{PHONE}@s.whatsapp.net"),
        (f"{PHONE}@c.us", f"{PHONE}@s.whatsapp.net"),
        (f"{PHONE}:3@s.whatsapp.net", f"{PHONE}@s.whatsapp.net"),
        ("1234567890@lid", "1234567890@lid"),
        ("120363000000000000@g.us", "120363000000000000@g.us"),
    ],
)
def test_chats_are_addressed_by_jid_or_number(given: str, jid: str) -> None:
    assert sends.chat_jid(given) == jid
