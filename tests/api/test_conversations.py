"""The conversation routes: listings, reading, closing, opening, the mode."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.messages import READ_JOB, InboundMessage, MessageType
from contracts.ports import Lease
from store.messages import PostgresMessages
from store.send_queue import PostgresSendQueue
from tests.api.conftest import Api
from tests.api.hosted import hosted

PHONE = "5511988887777"
CHAT = f"{PHONE}@s.whatsapp.net"
NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
ROW = {
    *("id", "message_id", "chat_id", "conteudo", "message_type", "media_type", "media_url", "media_mime", "remetente"),
    *("timestamp", "lida", "connection_id", "owner_id", "atendimento_id", "phone", "wpp_name", "status"),
}
ROUTES = [
    ("GET", "/connections/{id}/chats", None),
    ("GET", f"/connections/{{id}}/chats/{PHONE}/messages", None),
    ("GET", "/connections/{id}/contacts", None),
    ("POST", "/connections/{id}/mark-read", {"chatId": PHONE}),
    ("POST", "/connections/{id}/finalizar-conversa", {"chatId": PHONE}),
    ("POST", "/connections/{id}/abrir-conversa", {"chatId": PHONE}),
    ("POST", "/atendimentos/change-mode", {"chatId": PHONE, "mode": "manual"}),
]


async def _write(api: Api, lease: Lease, count: int, chat: str = CHAT) -> None:
    messages = [
        InboundMessage(
            f"{chat[:13]}-{number}",
            chat,
            False,
            NOON + timedelta(seconds=number),
            MessageType.TEXT,
            f"text {number}",
            phone=chat.partition("@")[0],
            push_name="Bia",
        )
        for number in range(count)
    ]
    await PostgresMessages(api.worker_database).write(lease, messages, [])


async def _events(api: Api, lease: Lease) -> list[tuple[str, dict[str, Any]]]:
    async with api.worker_database.tenant(lease.owner_id) as connection:
        rows = await connection.fetch("SELECT event, payload FROM outbox WHERE connection_id = 'c-1' ORDER BY id")
    return [(row["event"], row["payload"]) for row in rows]


async def _paged(api: Api, path: str, limit: int) -> list[dict[str, Any]]:
    """A whole listing, page by page."""
    found: list[dict[str, Any]] = []
    before: str | None = None
    while True:
        answer = await api.http.get(path, params={"limit": limit, **({"before": before} if before else {})})
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert (body["ok"], body["success"]) == (True, True)
        assert len(body["data"]) <= limit
        found += body["data"]
        before = body["nextBefore"]
        if before is None:
            return found


async def test_messages_are_the_rows_that_new_message_told(api: Api) -> None:
    lease = await hosted(api)
    await _write(api, lease, 5)
    told = [payload for event, payload in await _events(api, lease) if event == "newMessage"]
    for chat in (CHAT, PHONE, f"{PHONE}@c.us", "+55 (11) 98888-7777"):
        rows = await _paged(api, f"/connections/c-1/chats/{chat}/messages", 2)
        assert rows == [{name: row[name] for name in ROW} for row in reversed(told)]
    assert set(rows[0]) == ROW
    older = await api.http.get(
        f"/connections/c-1/chats/{CHAT}/messages", params={"before": (NOON + timedelta(seconds=2)).isoformat()}
    )
    assert [row["conteudo"] for row in older.json()["data"]] == ["text 1", "text 0"]
    assert (await api.http.get("/connections/c-1/chats/5511911112222/messages")).json()["data"] == []


async def test_chats_and_contacts_are_paged_newest_first(api: Api) -> None:
    lease = await hosted(api)
    people = [f"551198888{number:04}@s.whatsapp.net" for number in range(5)]
    for number, chat in enumerate(people):
        await _write(api, lease, number + 1, chat)
    chats = await _paged(api, "/connections/c-1/chats", 2)
    assert [chat["conversationId"] for chat in chats] == people[::-1]
    assert chats[0] == {
        "connectionId": "c-1",
        "conversationId": people[4],
        "lastMessageAt": "2025-03-01T12:00:04Z",
        "last_message": "text 4",
        "preview": "text 4",
        "message_type": "TEXTO",
        "from": "CLIENTE",
        "unread_count": 5,
        "nome_cliente": "Bia",
        "numero_cliente": people[4].partition("@")[0],
        "atendimento_id": chats[0]["atendimento_id"],
        "status": "ATIVO",
        "mode": None,
    }
    contacts = await _paged(api, "/connections/c-1/contacts", 2)
    assert [contact["jid"] for contact in contacts] == people[::-1]
    assert set(contacts[0]) == {"connectionId", "jid", "phone", "name", "createdAt", "updatedAt"}
    other_base = await api.http.get(f"{api.url}/api/whatsapp/connections/c-1/chats")
    assert other_base.json()["data"] == chats


async def test_reading_answers_the_count_and_queues_the_receipts(api: Api) -> None:
    lease = await hosted(api)
    await _write(api, lease, 3)
    first = await api.http.post("/connections/c-1/mark-read", json={"chatId": PHONE})
    second = await api.http.post("/connections/c-1/mark-read", json={"chatId": CHAT})
    assert (first.status_code, first.json()) == (200, {"ok": True, "success": True, "count": 3})
    assert second.json()["count"] == 0
    job = await PostgresSendQueue(api.worker_database).next(lease)
    assert job is not None
    assert (job.type, job.chat, len(job.payload["messageIds"])) == (READ_JOB, CHAT, 3)  # type: ignore[arg-type]
    (chat,) = (await api.http.get("/connections/c-1/chats")).json()["data"]
    assert chat["unread_count"] == 0
    read = ("conversation:read", {"connectionId": "c-1", "conversationId": CHAT, "unread_count": 0})
    assert (await _events(api, lease)).count(read) == 1


async def test_an_atendimento_is_read_by_its_id(api: Api, owner: str) -> None:
    lease = await hosted(api)
    await _write(api, lease, 2)
    (chat,) = (await api.http.get("/connections/c-1/chats")).json()["data"]
    path = f"/atendimentos/{chat['atendimento_id']}/read"
    strangers = await api.http.post(path, headers={"x-user-id": owner})
    assert (strangers.status_code, strangers.json()["code"]) == (404, "ATENDIMENTO_NOT_FOUND")
    answer = await api.http.post(path)
    assert answer.json() == {"ok": True, "success": True, "count": 2}
    for unknown in (owner, "nothing", "%00"):
        missing = await api.http.post(f"/atendimentos/{unknown}/read")
        assert (missing.status_code, missing.json()["code"]) == (404, "ATENDIMENTO_NOT_FOUND")


async def test_a_conversation_is_closed_and_opened(api: Api) -> None:
    lease = await hosted(api)
    await _write(api, lease, 1)
    body = {"chatId": PHONE}
    closed = (await api.http.post("/connections/c-1/finalizar-conversa", json=body)).json()
    assert (closed["ok"], closed["success"], closed["data"]["status"]) == (True, True, "FINALIZADO")
    assert closed["data"]["changed"] is True
    again = (await api.http.post("/connections/c-1/finalizar-conversa", json=body)).json()
    assert again["data"] == {**closed["data"], "changed": False}
    opened = (await api.http.post("/connections/c-1/abrir-conversa", json=body)).json()
    assert (opened["ok"], opened["data"]["status"], opened["data"]["id"]) == (True, "ATIVO", closed["data"]["id"])
    finalized, updated = (await _events(api, lease))[-2:]
    assert finalized[0] == "conversation:finalized"
    assert {"connectionId": "c-1", "conversationId": CHAT, "status": "FINALIZADO"}.items() <= finalized[1].items()
    assert updated[0] == "conversation:updated"
    assert updated[1]["unread_count_delta"] == 0


async def test_the_mode_is_changed_while_it_is_open(api: Api) -> None:
    await hosted(api)
    body = {"chatId": PHONE, "mode": "manual", "connectionId": "c-1"}
    missing = await api.http.post("/atendimentos/change-mode", json=body)
    assert (missing.status_code, missing.json()["code"]) == (404, "ATENDIMENTO_NOT_FOUND")
    assert missing.json()["ok"] is False
    await api.http.post("/connections/c-1/abrir-conversa", json={"chatId": PHONE})
    changed = await api.http.post("/atendimentos/change-mode", json=body)
    assert changed.status_code == 200
    assert (changed.json()["ok"], changed.json()["data"]["mode"]) == (True, "manual")


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
async def test_anothers_connection_is_as_absent_as_none(
    api: Api, owner: str, method: str, path: str, body: dict[str, object] | None
) -> None:
    lease = await hosted(api)
    await _write(api, lease, 1)
    before = await _events(api, lease)
    answers: list[dict[str, Any]] = []
    for connection_id in ("c-1", "nothing", "%00"):
        given = None if body is None else {**body, "connectionId": connection_id}
        answer = await api.http.request(method, path.format(id=connection_id), json=given, headers={"x-user-id": owner})
        assert (answer.status_code, answer.json()["code"]) == (404, "CONNECTION_NOT_FOUND")
        answers.append({**answer.json(), "requestId": None})
    assert answers[0] == answers[1]
    assert await _events(api, lease) == before
    (chat,) = (await api.http.get("/connections/c-1/chats")).json()["data"]
    assert (chat["unread_count"], chat["status"], chat["mode"]) == (1, "ATIVO", None)


@pytest.mark.parametrize("path", ["/connections/c-1/chats", f"/connections/c-1/chats/{PHONE}/messages"])
@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=201", "limit=x", "before=", "before=x", "before=1.", "before=99999999999999999.x"),
        *("before=1.%00", f"before=1.{'x' * 300}"),
    ],
)
async def test_paging_is_checked(api: Api, path: str, query: str) -> None:
    await api.http.post("/connections", json={"connectionId": "c-1"})
    answer = await api.http.get(f"{path}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize("before", ["1740830400000000.not-a-uuid", "0001-01-01T00:00:00+14:00"])
async def test_a_cursor_of_messages_names_a_message(api: Api, before: str) -> None:
    await api.http.post("/connections", json={"connectionId": "c-1"})
    answer = await api.http.get(f"/connections/c-1/chats/{PHONE}/messages", params={"before": before})
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/connections/c-1/mark-read", {"chatId": "nobody"}, "INVALID_CHAT_ID"),
        ("/connections/c-1/mark-read", {"chatId": "12345"}, "INVALID_PHONE_NUMBER"),
        ("/connections/c-1/finalizar-conversa", {}, "INVALID_REQUEST"),
        ("/connections/c-1/abrir-conversa", {"chatId": "a@example.com"}, "INVALID_CHAT_ID"),
        ("/atendimentos/change-mode", {"chatId": PHONE, "connectionId": "c-1"}, "INVALID_REQUEST"),
        ("/atendimentos/change-mode", {"chatId": PHONE, "connectionId": "c-1", "mode": ""}, "INVALID_REQUEST"),
        ("/atendimentos/change-mode", {"chatId": PHONE, "connectionId": "c-1", "mode": "a b"}, "INVALID_REQUEST"),
    ],
)
async def test_unusable_bodies_are_refused(api: Api, path: str, body: dict[str, object], code: str) -> None:
    await api.http.post("/connections", json={"connectionId": "c-1"})
    answer = await api.http.post(path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.json()["ok"] is False
