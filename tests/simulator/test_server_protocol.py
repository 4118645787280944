"""What the server does with stanzas, seen by bare clients: fast, and able to misbehave."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from simulator.jid import SERVER, Jid
from simulator.node import Node
from tests.simulator.raw_client import RawClient
from tests.simulator.server_fixtures import Simulator, until
from tests.simulator.server_fixtures import simulator as simulator

ANA, BIA = "5511999990001", "5511999990002"
Link = Callable[[str], Awaitable[RawClient]]


@pytest.fixture
async def link(simulator: Simulator) -> AsyncIterator[Link]:
    """Pair a bare client with a phone and log it in."""
    clients: list[RawClient] = []

    async def linked(phone: str) -> RawClient:
        info = await simulator.get("/info")
        client = RawClient(simulator.port, bytes.fromhex(info["noiseRoot"]))
        clients.append(client)
        qr = await client.pair()
        signing = asyncio.create_task(client.sign())
        await simulator.scan(qr, phone)
        await signing
        assert (await client.login()).tag == "success"
        return client

    yield linked
    for client in clients:
        await client.close()


def text_to(client: RawClient, number: str, ciphertext: bytes = b"sealed") -> Node:
    """A one-to-one message for one device, as whatsmeow builds it."""
    assert client.lid is not None
    sealed = Node("to", {"jid": client.lid}, [Node("enc", {"v": "2", "type": "msg"}, ciphertext)])
    attributes = {"id": number, "type": "text", "to": client.lid.bare}
    return Node("message", {**attributes}, [Node("participants", {}, [sealed])])


async def test_a_client_behind_the_proxy_sees_the_same_server(simulator: Simulator) -> None:
    info = await simulator.get("/info")
    client = RawClient(simulator.port, bytes.fromhex(info["noiseRoot"]), info["caFile"])
    assert (await client.pair()).count(",") == 3
    await client.close()


async def test_success_names_the_device_and_the_time(link: Link) -> None:
    client = await link(ANA)
    success = await client.login()
    assert success.jid("lid") == client.lid
    assert success.text("t").isdecimal()


async def test_a_login_with_another_key_is_refused(link: Link) -> None:
    client = await link(ANA)
    thief = RawClient(client.port, client.root)
    thief.jid = client.jid
    failure = await thief.login()
    assert (failure.tag, failure.text("reason")) == ("failure", "401")
    await thief.ended()
    await thief.close()
    assert (await client.ask("w:p", "get")).text("type") == "result"


async def test_an_unknown_query_is_refused_and_a_known_one_answered(link: Link) -> None:
    client = await link(ANA)
    refusal = await client.ask("w:unheard-of", "get", Node("thing"))
    error = refusal.child("error")
    assert refusal.text("type") == "error"
    assert error is not None
    assert error.text("code") == "501"
    for namespace, child in (("abt", "props"), ("w", "props"), ("tos", "notice"), ("w:sync:app:state", "sync")):
        assert (await client.ask(namespace, "get", Node(child))).text("type") == "result"


async def test_a_message_that_was_not_acknowledged_comes_again(link: Link) -> None:
    ana, bia = await link(ANA), await link(BIA)
    bia.acknowledges = False
    await ana.send(text_to(bia, "M1"))
    assert "offline" not in (await bia.next("message")).attributes
    bia.acknowledges = True
    await bia.login()
    again = await bia.next("message")
    assert (again.text("id"), "offline" in again.attributes) == ("M1", True)
    await bia.login()
    assert (await bia.next("ib")).children[0].text("message") == "0"


async def test_a_message_sent_twice_is_delivered_once_and_acknowledged_twice(link: Link) -> None:
    ana, bia = await link(ANA), await link(BIA)
    for _ in range(2):
        await ana.send(text_to(bia, "M1"))
        ack = await ana.next("ack")
        assert (ack.text("id"), ack.text("class"), ack.text("error")) == ("M1", "message", "")
    await ana.send(text_to(bia, "M2"))
    assert [(await bia.next("message")).text("id") for _ in range(2)] == ["M1", "M2"]


async def test_a_sender_that_does_not_know_all_devices_is_told(link: Link) -> None:
    ana, bia = await link(ANA), await link(BIA)
    await ana.send(text_to(bia, "M1"))
    assert (await ana.next("ack")).text("phash") == ""
    await link(BIA)
    await ana.send(text_to(bia, "M2"))
    assert (await ana.next("ack")).text("phash").startswith("2:")


async def test_a_request_to_send_again_reaches_only_the_device_that_sent(link: Link) -> None:
    ana, desk, bia = await link(ANA), await link(ANA), await link(BIA)
    await ana.send(text_to(bia, "M1"))
    message = await bia.next("message")
    attributes = {"id": "M1", "to": message.attributes["from"], "type": "retry"}
    await bia.send(Node("receipt", {**attributes}, [Node("retry", {"count": "1", "id": "M1", "t": "1", "v": "1"})]))
    receipt = await ana.next("receipt")
    assert (receipt.text("type"), receipt.jid("from")) == ("retry", bia.lid)
    assert receipt.child("retry") is not None
    await bia.send(Node("receipt", {"id": "M1", "to": message.attributes["from"], "type": "read"}))
    assert (await desk.next("receipt")).text("type") == "read"


async def test_prekeys_are_handed_out_once_and_their_owner_is_asked_for_more(link: Link) -> None:
    ana, bia = await link(ANA), await link(BIA)
    await bia.upload(5)
    assert bia.lid is not None
    handed_out: set[bytes] = set()
    for count in range(6):
        answer = await ana.ask("encrypt", "get", Node("key", {}, [Node("user", {"jid": bia.lid})]))
        user = answer.child("list", "user")
        assert user is not None
        one_time = user.child("key", "id")
        assert (one_time is None) is (count == 5)
        handed_out |= {one_time.data} if one_time is not None else set()
        signed = user.child("skey", "value")
        assert signed is not None
        assert signed.data == bia.signed_prekey.public
    assert len(handed_out) == 5
    left = (await bia.next("notification")).child("count")
    assert left is not None
    assert left.text("value") == "4"


async def test_prekeys_of_a_foreign_identity_or_with_a_wrong_signature_are_refused(link: Link) -> None:
    client = await link(ANA)
    assert (await client.upload(1, signature=bytes(64))).text("type") == "error"
    identity, client.identity = client.identity, RawClient(0, b"").identity
    assert (await client.upload(1)).text("type") == "error"
    client.identity = identity
    assert (await client.upload(1)).text("type") == "result"


async def test_presence_is_told_to_those_who_subscribed(link: Link) -> None:
    ana, bia = await link(ANA), await link(BIA)
    assert bia.lid is not None
    await ana.send(Node("presence", {"type": "subscribe", "to": bia.lid.bare}))
    assert (await ana.next("presence")).text("type") == "unavailable"
    await bia.send(Node("presence", {"type": "available", "name": "Bia"}))
    assert (await ana.next("presence")).text("type") == "available"
    await bia.close()
    assert (await ana.next("presence")).text("type") == "unavailable"


async def test_a_push_name_goes_with_messages(link: Link) -> None:
    ana, bia = await link(ANA), await link(BIA)
    await ana.send(Node("presence", {"type": "available", "name": "Ana 🌻"}))
    await ana.send(text_to(bia, "M1"))
    assert (await bia.next("message")).text("notify") == "Ana 🌻"


async def test_contacts_are_found_by_number_or_not(link: Link, simulator: Simulator) -> None:
    client = await link(ANA)
    await simulator.post(f"/phone/{BIA}/absent")
    users = [Node("user", {}, [Node("contact", {}, text.encode())]) for text in (f"+{ANA}", f"+{BIA}@c.us", "+0123456")]
    query = Node("query", {}, [Node("contact"), Node("lid")])
    content = [query, Node("list", {}, [*users])]
    answer = await client.ask("usync", "get", Node("usync", {"context": "interactive", "sid": "1"}, content))
    listed = answer.child("usync", "list")
    assert listed is not None
    kinds = [contact.text("type") for user in listed.children for contact in user.all("contact")]
    assert kinds == ["in", "out", "out"]
    found = listed.children[0].child("lid")
    assert found is not None
    assert client.lid is not None
    assert found.jid("val") == client.lid.bare


async def test_garbage_cuts_only_the_one_who_sends_it(link: Link, simulator: Simulator) -> None:
    ana, bia = await link(ANA), await link(BIA)
    await ana.socket.send_bytes(b"\x00\x00\x03abc")
    await ana.ended()
    assert (await bia.ask("w:p", "get")).text("type") == "result"
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    writer.write(b"\x16\x03\x01\x02")  # TLS, but not through the proxy
    assert await reader.read() == b""
    writer.close()


async def test_figures_count_what_happened(link: Link, simulator: Simulator) -> None:
    ana, bia = await link(ANA), await link(BIA)
    await ana.send(text_to(bia, "M1"))
    await bia.next("message")
    stats = await simulator.get("/stats")
    assert (stats["loggedIn"], stats["logins"], stats["loginAttempts"], stats["messagesRelayed"]) == (2, 2, 2, 1)
    await bia.close()

    async def one_left() -> bool:
        return (await simulator.get("/stats"))["socketsOpen"] == 1

    await until(one_left, "the server sees the socket go")


async def test_one_device_of_a_phone_can_unlink_another(link: Link, simulator: Simulator) -> None:
    phone, desk = await link(ANA), await link(ANA)
    assert desk.jid is not None
    unlink = Node("remove-companion-device", {"jid": desk.jid, "reason": "user_initiated"})
    assert (await phone.ask("md", "set", unlink)).text("type") == "result"
    conflict = (await desk.next("stream:error")).child("conflict")
    assert conflict is not None
    assert conflict.text("type") == "device_removed"
    assert (await simulator.device(ANA))["jid"] == str(phone.jid)
    stranger = Node("remove-companion-device", {"jid": Jid(BIA, "s.whatsapp.net", 1), "reason": "user_initiated"})
    assert (await phone.ask("md", "set", stranger, to=SERVER)).text("type") == "error"


async def test_a_hundred_clients_at_once(link: Link, simulator: Simulator) -> None:
    phones = [str(5511999000000 + number) for number in range(100)]
    clients = await asyncio.gather(*map(link, phones))
    await simulator.fault("drop_socket")
    for client in clients:
        await client.ended()
    assert all(device["connects"] == 1 for device in (await simulator.get("/devices"))["devices"])
    assert all(success.tag == "success" for success in await asyncio.gather(*(client.login() for client in clients)))


async def test_help_says_what_can_be_set(tmp_path: Path) -> None:
    import sys

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulator", "--help", stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    for option in ("--host", "--port", "--data-dir", "--qr-first-seconds", "--qr-next-seconds"):
        assert option in output.decode()
