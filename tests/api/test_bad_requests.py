"""Whatever a client sends, it gets the contract's failure body and a fitting status, never a 500."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from tests.api.conftest import Api

pytestmark = pytest.mark.asyncio(loop_scope="module")


def assert_failure(answer: httpx.Response, status: int, code: str) -> dict[str, object]:
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    assert body["success"] is False
    assert body["ok"] is False
    assert isinstance(body["error"], str)
    assert body["requestId"] == answer.headers["x-request-id"]
    return body


async def post(shared_api: Api, content: bytes, content_type: str = "application/json") -> httpx.Response:
    return await shared_api.http.post("/connections", content=content, headers={"content-type": content_type})


@pytest.mark.parametrize(
    "content", [b"{", b"\xff\xfe", b"{'a': 1}", b'{"name": "\xc3\x28"}', b'{"x":' + b"[" * 100_000]
)
async def test_what_is_no_json_is_told_so(shared_api: Api, content: bytes) -> None:
    assert_failure(await post(shared_api, content), 400, "INVALID_JSON")


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b'{"name": 5}', "name"),
        (b'{"autoInit": "true"}', "autoInit"),
        (b'{"connectionId": {}}', "connectionId"),
        (b'{"name": "a\\u0000b"}', "name"),
        (json.dumps({"name": "n" * 256}).encode(), "name"),
        (b'{"proxy": "ftp://host"}', "proxy"),
        (b'{"proxy": "http://host:99999"}', "proxy"),
        (b"[]", "body"),
        (b'"text"', "body"),
    ],
)
async def test_unusable_field_is_named(shared_api: Api, content: bytes, field: str) -> None:
    body = assert_failure(await post(shared_api, content), 400, "INVALID_REQUEST")
    assert body["data"]["fields"][0]["field"] == field  # type: ignore[index]


@pytest.mark.parametrize("bad", ["", "a/b", "a b", "ção", "😀", "x" * 201, "../etc", "-a", "a\n", "a\x00"])
async def test_unusable_connection_id_is_refused(shared_api: Api, bad: str) -> None:
    assert_failure(await post(shared_api, json.dumps({"connectionId": bad}).encode()), 400, "INVALID_CONNECTION_ID")


async def test_lone_surrogates_and_emoji_do_no_harm(shared_api: Api) -> None:
    assert (await post(shared_api, b'{"name": "\\ud83d\\ude00"}')).status_code == 201
    assert (await post(shared_api, b'{"name": "\\ud800"}')).status_code == 400


async def test_unknown_fields_and_foreign_owner_are_ignored(shared_api: Api, owner: str) -> None:
    answer = await post(shared_api, json.dumps({"owner_id": owner, "state": "connected", "x": 1}).encode())
    assert answer.status_code == 201
    assert answer.json()["data"]["owner_id"] != owner
    assert answer.json()["data"]["state"] == "starting"


async def test_huge_body_is_too_large(shared_api: Api) -> None:
    assert_failure(await post(shared_api, b'{"name": "' + b"x" * 1_100_000 + b'"}'), 413, "BODY_TOO_LARGE")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_other_content_types_are_not_taken_for_json(shared_api: Api, content_type: str) -> None:
    assert_failure(await post(shared_api, b"{}", content_type), 415, "UNSUPPORTED_MEDIA_TYPE")


async def test_unknown_routes_and_methods(shared_api: Api) -> None:
    assert_failure(await shared_api.http.get("/nothing"), 404, "ROUTE_NOT_FOUND")
    assert_failure(await shared_api.http.get(f"{shared_api.url}/"), 404, "ROUTE_NOT_FOUND")
    assert_failure(await shared_api.http.get(f"{shared_api.url}/api/openapi.json/x.json"), 404, "ROUTE_NOT_FOUND")
    answer = await shared_api.http.put("/connections")
    assert_failure(answer, 405, "METHOD_NOT_ALLOWED")
    assert "POST" in answer.headers["allow"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/connections/a/b", "ROUTE_NOT_FOUND"),
        ("/connections/a%2Fb", "ROUTE_NOT_FOUND"),
        ("/connections/a%2fb/qr", "ROUTE_NOT_FOUND"),
        ("/connections/%00", "CONNECTION_NOT_FOUND"),
        ("/connections/%ff%fe", "CONNECTION_NOT_FOUND"),
        ("/connections/%F0%9F%98%80/qr", "CONNECTION_NOT_FOUND"),
        ("/connections/%20", "CONNECTION_NOT_FOUND"),
        ("/connections/" + "x" * 5000, "CONNECTION_NOT_FOUND"),
        ("/connections/nope/history", "CONNECTION_NOT_FOUND"),
        ("/connections/%00/history", "CONNECTION_NOT_FOUND"),
    ],
)
async def test_strange_ids_in_paths_are_not_found(shared_api: Api, path: str, code: str) -> None:
    assert_failure(await shared_api.http.get(path), 404, code)


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "before=0", "before=-1", "before=1.5"])
async def test_history_paging_is_checked(shared_api: Api, query: str) -> None:
    await post(shared_api, b'{"connectionId": "c-1"}')
    assert_failure(await shared_api.http.get(f"/connections/c-1/history?{query}"), 400, "INVALID_REQUEST")


@pytest.mark.parametrize("body", [{}, {"phoneNumber": None}, {"phoneNumber": 55}, None])
async def test_pairing_code_needs_a_phone_number(shared_api: Api, body: object) -> None:
    await post(shared_api, b'{"connectionId": "c-1"}')
    answer = await shared_api.http.post("/connections/c-1/pairing-code", json=body)
    assert_failure(answer, 400, "INVALID_REQUEST")


@pytest.mark.parametrize("number", ["", "12", "0", "999999999999999999999999"])
async def test_pairing_code_refuses_what_is_no_number(shared_api: Api, number: str) -> None:
    await post(shared_api, b'{"connectionId": "c-1"}')
    answer = await shared_api.http.post("/connections/c-1/pairing-code", json={"phoneNumber": number})
    assert_failure(answer, 400, "INVALID_PHONE_NUMBER")


@pytest.mark.parametrize(
    ("accepted", "text"),
    [
        (None, "Conexão não encontrada"),
        ("pt-BR,pt;q=0.9,en;q=0.8", "Conexão não encontrada"),
        ("en-US,en;q=0.9", "Connection not found"),
        ("fr, en;q=0.1", "Connection not found"),
        ("*", "Conexão não encontrada"),
        ("en;q=x, , ;;", "Conexão não encontrada"),
    ],
)
async def test_texts_follow_accept_language(shared_api: Api, accepted: str | None, text: str) -> None:
    headers = {"accept-language": accepted} if accepted is not None else {}
    body = assert_failure(await shared_api.http.get("/connections/nope", headers=headers), 404, "CONNECTION_NOT_FOUND")
    assert str(body["error"]).startswith(text)


async def test_request_id_is_echoed_if_it_is_harmless(shared_api: Api) -> None:
    answer = await shared_api.http.get("/connections/nope", headers={"x-request-id": "abc-123"})
    assert answer.headers["x-request-id"] == answer.json()["requestId"] == "abc-123"
    for harmful in ("a b", "x" * 129, "<script>", ""):
        answer = await shared_api.http.get("/connections", headers={"x-request-id": harmful})
        assert answer.headers["x-request-id"] not in (harmful, "")


async def test_head_answers_like_get_without_a_body(shared_api: Api) -> None:
    whole = await shared_api.http.get("/connections")
    head = await shared_api.http.head("/connections")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == whole.headers["content-length"]
    assert (await shared_api.http.head("/connections/nope")).status_code == 404


async def test_options_tells_the_methods(shared_api: Api) -> None:
    answer = await shared_api.http.options("/connections")
    assert answer.status_code == 204
    assert {"GET", "POST"} <= set(answer.headers["allow"].replace(",", " ").split())


async def test_an_unexpected_exception_says_nothing_of_itself(shared_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(type(shared_api.rows), "newest_first", fail)
    answer = await shared_api.http.get("/connections", headers={"accept-language": "en"})
    body = assert_failure(answer, 500, "INTERNAL_ERROR")
    assert "secret" not in json.dumps(body)


async def test_raw_rubbish_on_the_port_does_not_end_the_server(shared_api: Api) -> None:
    for rubbish in (
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /api/baileys-simple/connections HTTP/1.1\r\n",
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", shared_api.served.port)
        writer.write(rubbish)
        writer.write_eof()
        await reader.read(1000)
        writer.close()
        await writer.wait_closed()
    assert (await shared_api.http.get("/connections")).status_code == 200


async def test_pages_of_other_sites_are_refused_before_anything_is_done(shared_api: Api, owner: str) -> None:
    for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {"host": "evil.example"}):
        assert_failure(
            await shared_api.http.post("/connections", headers={**headers, "x-user-id": owner}), 403, "FORBIDDEN"
        )
    assert (await shared_api.http.get("/connections", headers={"x-user-id": owner})).json()["data"] == []


async def test_pages_on_loopback_may_call_and_read(shared_api: Api) -> None:
    origin = {"origin": "http://localhost:5173"}
    answer = await shared_api.http.post("/connections", headers=origin)
    assert answer.status_code == 201
    assert answer.headers["access-control-allow-origin"] == origin["origin"]
    assert (await shared_api.http.get("/connections/nope", headers=origin)).headers["access-control-allow-origin"]
    preflight = await shared_api.http.options(
        "/connections",
        headers={
            **origin,
            "access-control-request-method": "POST",
            "access-control-request-headers": "content-type,x-user-id",
        },
    )
    assert preflight.status_code == 204
    assert "POST" in preflight.headers["access-control-allow-methods"]
