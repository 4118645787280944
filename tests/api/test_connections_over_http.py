"""The connection routes, over HTTP and a real database."""

from __future__ import annotations

import asyncio
import re
from uuid import uuid4

import httpx
import pytest

from contracts.errors import OrchestratorUnavailable, PereneError
from contracts.ids import DEFAULT_OWNER_ID
from tests.api.conftest import Api, running_api
from tests.api.hosted import hosted
from tests.postgres import ThrowAwayServer

CONNECTION_FIELDS = {
    *("id", "name", "type", "connectionState", "isConnected", "phoneNumber", "whatsappId", "whatsappInfo", "qrCode"),
    *("createdAt", "updatedAt", "connectedAt", "disconnectedAt", "owner_id"),
}
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


async def create(api: Api, body: dict[str, object] | None = None, owner: str | None = None) -> httpx.Response:
    return await api.http.post("/connections", json=body, headers={"x-user-id": owner} if owner else None)


async def test_post_without_body_or_headers_creates_a_connection(api: Api) -> None:
    answer = await api.http.post("/connections")
    assert answer.status_code == 201
    body = answer.json()
    assert body["success"] is True
    data = body["data"]
    assert re.fullmatch(r"connection_\d{13}_[0-9a-f]{8}", data["id"])
    assert {"id", "connectionId", "name", "type", "status", "connectionState"} <= data.keys()
    assert data["connectionId"] == data["id"]
    assert data["type"] == "whatsapp_baileys"
    assert data["status"] == data["connectionState"] == "connecting"
    assert data["owner_id"] == DEFAULT_OWNER_ID
    (started,) = api.orchestrator.started
    assert (started.connection_id, started.owner_id) == (data["id"], DEFAULT_OWNER_ID)


@pytest.mark.parametrize("content", [b"", b"{}", b"null"])
async def test_empty_bodies_are_valid(api: Api, content: bytes) -> None:
    answer = await api.http.post("/connections", content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 201


async def test_created_connection_is_listed_with_the_contract_fields(api: Api) -> None:
    older = (await create(api, {"name": "Vendas 😀", "connectionId": "c-1"})).json()["data"]
    newer = (await create(api, {"connectionId": "c-2"})).json()["data"]
    body = (await api.http.get("/connections")).json()
    assert body["success"] is True
    assert [item["id"] for item in body["data"]] == [newer["id"], older["id"]]
    item = body["data"][1]
    assert item.keys() >= CONNECTION_FIELDS
    assert item == older
    assert item["name"] == "Vendas 😀"
    assert item["isConnected"] is False
    assert item["qrCode"] is None
    assert INSTANT.fullmatch(item["createdAt"])
    for path in ("/connections/c-1", "/connections/c-1/info"):
        assert (await api.http.get(path)).json()["data"] == older


async def test_both_base_paths_serve_the_same(api: Api) -> None:
    await create(api, {"connectionId": "c-1"})
    async with httpx.AsyncClient(base_url=f"{api.url}/api/whatsapp") as other:
        assert (await other.get("/connections")).json() == (await api.http.get("/connections")).json()


async def test_repeated_connection_id_is_a_conflict(api: Api, owner: str) -> None:
    await create(api, {"connectionId": "c-1"})
    for same_or_other in (None, owner):
        answer = await create(api, {"connectionId": "c-1"}, same_or_other)
        assert (answer.status_code, answer.json()["code"]) == (409, "CONNECTION_ALREADY_EXISTS")


async def test_quota_is_told_with_its_counts(postgres: ThrowAwayServer, database_name: str) -> None:
    async with running_api(postgres, database_name, max_connections=1) as api:
        await hosted(api)
        answer = await create(api)
        assert answer.status_code == 409
        body = answer.json()
        assert body["code"] == "MAX_CONNECTIONS_REACHED"
        assert body["data"] == {"activeConnections": 1, "maxConnections": 1}


async def test_connection_whose_worker_died_is_not_called_connected(api: Api) -> None:
    lease = await hosted(api)
    alive = (await api.http.get("/connections/c-1")).json()["data"]
    assert (alive["isConnected"], alive["connectionState"], alive["state"]) == (True, "connected", "connected")
    await api.leases.retire(lease.host_id)
    lost = (await api.http.get("/connections")).json()["data"][0]
    assert (lost["isConnected"], lost["connectionState"]) == (False, "connecting")
    assert (lost["state"], lost["reason"]) == ("reconnecting", "HOST_LOST")


async def test_auto_init_gives_the_live_connection(api: Api) -> None:
    first = await create(api, {"autoInit": True})
    second = await create(api, {"autoInit": True})
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json()["data"]["id"] == first.json()["data"]["id"]
    assert len(api.orchestrator.started) == 1


async def test_auto_init_asked_many_times_at_once_creates_one(api: Api) -> None:
    answers = await asyncio.gather(*(create(api, {"autoInit": True}) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 201]
    assert len({answer.json()["data"]["id"] for answer in answers}) == 1


async def test_creation_without_temporal_leaves_nothing(api: Api) -> None:
    api.orchestrator.refusal = OrchestratorUnavailable()
    answer = await create(api, {"connectionId": "c-1"})
    assert (answer.status_code, answer.json()["code"]) == (503, "ORCHESTRATOR_UNAVAILABLE")
    assert answer.headers["retry-after"]
    assert (await api.http.get("/connections")).json()["data"] == []
    api.orchestrator.refusal = None
    assert (await create(api, {"connectionId": "c-1"})).status_code == 201


async def test_another_owner_is_answered_as_if_there_were_nothing(api: Api, owner: str) -> None:
    await create(api, {"connectionId": "theirs"}, owner)
    assert (await api.http.get("/connections")).json()["data"] == []
    routes = [
        *(("GET", f"/connections/theirs{rest}") for rest in ("", "/info", "/qr", "/history")),
        *(
            ("POST", f"/connections/theirs/{command}")
            for command in ("refresh-qr", "reconnect", "disconnect", "logout", "abort")
        ),
        ("DELETE", "/connections/theirs"),
    ]
    for method, path in routes:
        theirs = await api.http.request(method, path)
        nobodys = await api.http.request(method, path.replace("theirs", "nobodys"))
        assert theirs.status_code == nobodys.status_code == 404, path
        assert {**theirs.json(), "requestId": ""} == {**nobodys.json(), "requestId": ""}, path
    body = {"phoneNumber": "5511999990001"}
    assert (await api.http.post("/connections/theirs/pairing-code", json=body)).status_code == 404
    message = {"chatId": "5511999990001", "text": "oi"}
    assert (await api.http.post("/connections/theirs/send-message", json=message)).status_code == 404
    assert api.orchestrator.commands == []
    assert (await api.http.get("/connections/theirs", headers={"x-user-id": owner.upper()})).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "command", "state"),
    [
        ("POST", "/refresh-qr", "refresh_qr", "starting"),
        ("POST", "/reconnect", "reconnect", "reconnecting"),
        ("POST", "/disconnect", "disconnect", "stopped"),
        ("POST", "/logout", "logout", "logged_out"),
        ("POST", "/abort", "delete", "deleted"),
        ("DELETE", "", "delete", "deleted"),
    ],
)
async def test_command_answers_the_state_after_it(api: Api, method: str, path: str, command: str, state: str) -> None:
    await create(api, {"connectionId": "c-1"})
    answer = await api.http.request(method, f"/connections/c-1{path}", headers={"accept-language": "en"})
    assert answer.status_code == 200
    body = answer.json()
    assert body["success"] is True
    assert body["message"]
    assert body["data"]["state"] == state
    assert body["data"]["unlinked"] is (True if command == "logout" else None)
    assert api.orchestrator.commands == [(command, "c-1")]


@pytest.mark.parametrize(
    ("code", "status"),
    [("SESSION_ALREADY_PAIRED", 409), ("COMMAND_TIMED_OUT", 504), ("ORCHESTRATOR_UNAVAILABLE", 503)],
)
async def test_refused_command_answers_its_code(api: Api, code: str, status: int) -> None:
    await create(api, {"connectionId": "c-1"})
    api.orchestrator.refusal = PereneError(code=code)
    answer = await api.http.post("/connections/c-1/refresh-qr")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_pairing_code_takes_a_number_as_people_write_it(api: Api) -> None:
    await create(api, {"connectionId": "c-1"})
    answer = await api.http.post("/connections/c-1/pairing-code", json={"phoneNumber": "+55 (11) 99999-0001"})
    assert answer.json() == {"success": True, "data": {"code": "ABCD1234"}}
    assert api.orchestrator.commands == [("pairing_code 5511999990001", "c-1")]


async def test_history_is_paged_newest_first(api: Api) -> None:
    await create(api, {"connectionId": "c-1"})
    body = (await api.http.get("/connections/c-1/history")).json()
    (entry,) = body["data"]
    assert entry["event"] == "created"
    assert body["nextBefore"] is None
    later = await api.http.get("/connections/c-1/history", params={"before": entry["id"]})
    assert later.json()["data"] == []


async def test_invalid_owner_is_refused(api: Api) -> None:
    for bad in ("nobody", "", "{" + str(uuid4()) + "}", "0" * 36):
        answer = await api.http.get("/connections", headers={"x-user-id": bad})
        assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_OWNER_ID")
