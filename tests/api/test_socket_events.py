"""Socket.IO: who hears what, over both transports and a real outbox."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
import socketio

from api.auth import Caller
from contracts.ids import DEFAULT_OWNER_ID
from contracts.realtime import ClientEvent
from store.outbox import NewEvent, queue_events
from tests.api.conftest import Api
from tests.api.socket_client import connected
from tests.api.test_qr_code import PAYLOAD, show

CHAT = "5511999990001@s.whatsapp.net"


async def tell(
    api: Api, *events: tuple[ClientEvent, dict[str, object]], owner: str = DEFAULT_OWNER_ID, connection_id: str = "c-1"
) -> None:
    """Commit events; a `chat_id` in a payload makes it the chat's."""
    new = [NewEvent(event, payload, chat_id=payload.get("chat_id")) for event, payload in events]  # type: ignore[arg-type]
    async with api.worker_database.tenant(owner) as connection:
        await queue_events(connection, owner, connection_id, new)


def message(number: int, chat: str = CHAT) -> tuple[ClientEvent, dict[str, object]]:
    return ClientEvent.NEW_MESSAGE, {"message_id": f"m{number}", "chat_id": chat}


def status(number: int) -> tuple[ClientEvent, dict[str, object]]:
    return ClientEvent.MESSAGE_STATUS, {"message_id": f"m{number}", "status": "sent"}


def update(number: int) -> tuple[ClientEvent, dict[str, object]]:
    return ClientEvent.CONNECTION_UPDATE, {"connectionId": "c-1", "update": {"connection": "open", "n": number}}


async def create(api: Api, connection_id: str = "c-1", owner: str = DEFAULT_OWNER_ID) -> None:
    answer = await api.http.post("/connections", json={"connectionId": connection_id}, headers={"x-user-id": owner})
    assert answer.status_code == 201


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_qr_code_reaches_the_owner_with_its_picture(api: Api, transport: str) -> None:
    async with connected(api.url, transport=transport) as client:
        await show(api)
        ((name, payload),) = await client.hears(1)
    assert name == "qrCode"
    assert payload.keys() == {"connectionId", "qrCode", "qrCodeImage", "expiresAt", "eventId"}
    assert (payload["connectionId"], payload["qrCode"]) == ("c-1", PAYLOAD)
    assert payload["qrCodeImage"].startswith("data:image/png;base64,")


async def test_nobody_hears_another_owner_whatever_they_ask_for(api: Api, owner: str) -> None:
    await create(api)
    async with connected(api.url, owner=owner) as other, connected(api.url) as own:
        for event, payload in (
            ("join", {"room": "c-1"}),
            ("join", {"room": f"c-1-{CHAT}"}),
            ("join", {"connectionId": "c-1", "conversationId": CHAT}),
            ("joinConnection", {"connectionId": "c-1"}),
            ("join", {"room": f"owner:{DEFAULT_OWNER_ID}"}),
        ):
            assert await other.ask(event, payload) == {"ok": False, "code": "CONNECTION_NOT_FOUND"}
        assert (await other.ask("resume", {"after": 0}))["ok"] is True
        assert await own.ask("joinConnection", {"connectionId": "c-1"}) == {"ok": True}
        await tell(api, update(1), message(1), status(1))
        await own.hears(3)
        # What the other heard by now is all it ever will: its own event comes after.
        await tell(api, update(9), owner=owner)
        ((_, payload),) = await other.hears(1)
        assert payload["update"]["n"] == 9
        assert len(other.heard) == 1


async def test_rooms_decide_what_is_heard_and_each_event_comes_once(api: Api) -> None:
    await create(api)
    async with connected(api.url) as nothing, connected(api.url) as chat, connected(api.url) as both:
        assert await chat.ask("join", {"connectionId": "c-1", "conversationId": CHAT}) == {"ok": True}
        assert await both.ask("join", {"room": f"c-1-{CHAT}"}) == {"ok": True}
        assert await both.ask("joinConnection", {"connectionId": "c-1"}) == {"ok": True}
        await tell(api, message(1), message(2, "other@s.whatsapp.net"), status(1), update(1))
        await asyncio.gather(nothing.hears(1), chat.hears(2), both.hears(4))
        assert nothing.names == ["connectionUpdate"]
        assert chat.names == ["newMessage", "connectionUpdate"]
        assert both.names == ["newMessage", "newMessage", "message:status", "connectionUpdate"]
        assert await both.ask("leave", {"room": "c-1"}) == {"ok": True}
        assert await both.ask("leave", {"connectionId": "c-1", "conversationId": CHAT}) == {"ok": True}
        await tell(api, message(3), update(2))
        await both.hears(5)
        assert both.names[4:] == ["connectionUpdate"]


async def test_bad_payloads_are_acknowledged_as_such(api: Api) -> None:
    bad: list[Any] = [None, "c-1", 7, [], {}, {"connectionId": 5}, {"room": ""}, {"room": "x" * 513}, {"after": "1"}]
    numbers: list[Any] = [{"after": after} for after in (-1, 1.5, True, 2**63, None)]
    async with connected(api.url) as client:
        for event in ("join", "joinConnection", "leave", "resume"):
            for payload in (*bad, *numbers):
                answer = await client.ask(event, payload)
                assert answer == {"ok": False, "code": "INVALID_REQUEST"}, (event, payload)


@pytest.mark.parametrize(("auth", "query"), [(True, False), (False, True)])
async def test_owner_may_be_named_in_the_handshake(api: Api, owner: str, auth: bool, query: bool) -> None:
    url = f"{api.url}?x-user-id={owner}" if query else api.url
    async with connected(url, auth={"userId": owner} if auth else None) as client:
        await tell(api, update(1))
        await tell(api, update(2), owner=owner)
        ((_, payload),) = await client.hears(1)
        assert payload["update"]["n"] == 2


async def test_a_strange_owner_is_refused(api: Api) -> None:
    with pytest.raises(socketio.exceptions.ConnectionError):
        async with connected(api.url, owner="nobody"):
            pass


async def test_pages_of_other_sites_cannot_connect(api: Api) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example", "Origin": "http://evil.example"}):
        client = socketio.AsyncClient(reconnection=False)
        with pytest.raises(socketio.exceptions.ConnectionError):
            await client.connect(api.url, headers=headers, transports=["websocket"])
        await client.disconnect()


async def test_resume_replays_what_was_missed_in_order_then_goes_on(api: Api) -> None:
    await create(api)
    async with connected(api.url) as client:
        await tell(api, update(0))
        await client.hears(1)
        seen = client.ids[-1]
    await tell(api, *(update(n) for n in range(1, 251)), message(1))
    async with connected(api.url) as client:
        assert await client.ask("joinConnection", {"connectionId": "c-1"}) == {"ok": True}
        answer = await client.ask("resume", {"after": seen})
        assert answer == {"ok": True, "last": seen + 251, "complete": True}
        await tell(api, message(2))
        await client.hears_event(seen + 252)
        # The relay may have been behind, and given some of them live before the resume was asked for.
        resumed_at = len(client.ids) - 1 - client.ids[::-1].index(seen + 1)
        assert client.ids[resumed_at:] == list(range(seen + 1, seen + 253))


async def test_join_after_resume_replays_the_room_too(api: Api) -> None:
    await create(api)
    await tell(api, message(1), update(1))
    async with connected(api.url) as client:
        assert (await client.ask("resume", {"after": 0}))["ok"] is True
        assert await client.ask("joinConnection", {"connectionId": "c-1"}) == {"ok": True}
        await client.hears_event(1)
        await client.hears_event(2)
        assert set(client.names) == {"connectionUpdate", "newMessage"}


async def test_resume_amid_live_events_has_no_gap_and_no_disorder(api: Api) -> None:
    await create(api)
    await tell(api, *(update(n) for n in range(300)))
    async with connected(api.url) as client:
        writing = asyncio.create_task(_write_slowly(api, 60))
        answer = await client.ask("resume", {"after": 0})
        assert answer["ok"] is True
        await writing
        await client.hears(360)
        numbers = [payload["update"]["n"] for _, payload in client.heard]
        # Live events that came before the resume was asked for may stand before its replay.
        replayed = numbers[numbers.index(0) :]
        assert replayed == list(range(360))


async def _write_slowly(api: Api, count: int) -> None:
    for number in range(300, 300 + count):
        await tell(api, update(number))


async def test_resume_from_a_number_never_given_says_so(api: Api) -> None:
    async with connected(api.url) as client:
        await tell(api, update(1))
        await client.hears(1)
        answer = await client.ask("resume", {"after": 1_000_000})
        assert answer == {"ok": True, "last": client.ids[0], "complete": False}
        await tell(api, update(2))
        await client.hears(2)


async def test_removal_is_told(api: Api) -> None:
    await create(api)
    async with connected(api.url) as client:
        await api.sessions.remove("c-1", DEFAULT_OWNER_ID, 1, 1_700_000_000.0)
        ((name, payload),) = await client.hears(1)
        assert name == "connectionRemoved"
        assert payload == {"connectionId": "c-1", "eventId": payload["eventId"]}


async def test_joining_an_unknown_connection_is_refused(api: Api) -> None:
    await create(api, "a-b")
    async with connected(api.url) as client:
        assert await client.ask("join", {"room": "a"}) == {"ok": False, "code": "CONNECTION_NOT_FOUND"}
        assert await client.ask("join", {"room": f"a-b-{uuid4()}"}) == {"ok": True}
        assert await client.ask("join", {"room": "a\x00b"}) == {"ok": False, "code": "CONNECTION_NOT_FOUND"}


async def test_a_token_that_runs_out_ends_the_socket(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def authenticate(_: object) -> Caller:
        return Caller(DEFAULT_OWNER_ID, time.time() + 0.5)

    monkeypatch.setattr(api.sockets, "_authenticator", SimpleNamespace(authenticate=authenticate))
    async with connected(api.url) as client:
        async with asyncio.timeout(10):
            await client.socket.wait()
        assert len(api.sockets.audiences) == 0
