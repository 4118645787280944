"""Messages between unmodified clients: end to end, with receipts, offline, in groups, with files."""

import asyncio
import base64

from tests.simulator.server_fixtures import Client, Simulator, until
from tests.simulator.server_fixtures import simulator as simulator

ANA, BIA, CAIO = "5511999990001", "5511999990002", "5511999990003"


async def pair_of(simulator: Simulator) -> tuple[Client, Client]:
    ana, bia = await asyncio.gather(simulator.linked(ANA), simulator.linked(BIA))
    return ana, bia


async def nothing_waits(simulator: Simulator) -> None:
    """Wait until every stanza was acknowledged, by looking into the registry's file."""
    import sqlite3

    async def empty() -> bool:
        database = sqlite3.connect(f"file:{simulator.folder / 'whatsapp.db'}?mode=ro", uri=True)
        try:
            return database.execute("SELECT count(*) FROM undelivered").fetchone() == (0,)
        finally:
            database.close()

    await until(empty, "everything is acknowledged")


async def test_a_text_arrives_and_its_receipts_come_back(simulator: Simulator) -> None:
    ana, bia = await pair_of(simulator)
    await bia.do("acknowledge_actively")
    sent = await ana.do("send", BIA, "Olá, Bia! 👋")
    got = await bia.event("Message")
    assert (got["text"], got["id"], got["fromMe"], got["senderAlt"]) == ("Olá, Bia! 👋", sent, False, ANA)
    receipt = await ana.event("Receipt")
    assert (receipt["MessageIDs"], receipt["Type"]) == ([sent], "DELIVERED")
    answer = await bia.do("send", ANA, "Oi!")
    assert (await ana.event("Message"))["id"] == answer
    await nothing_waits(simulator)


async def test_many_texts_arrive_in_order(simulator: Simulator) -> None:
    ana, bia = await pair_of(simulator)
    texts = [f"number {number}" for number in range(40)]
    for text in texts:
        await ana.do("send", BIA, text)
    assert [(await bia.event("Message"))["text"] for _ in texts] == texts


async def test_what_is_sent_to_a_client_that_is_away_arrives_at_its_next_login(simulator: Simulator) -> None:
    ana, bia = await pair_of(simulator)
    await bia.kill()
    await simulator.until_device(BIA, connected=False)
    for text in ("one", "two"):
        await ana.do("send", BIA, text)
    await simulator.stop(kill=True)
    await simulator.start()
    again = await simulator.client(BIA, bia.jid)
    await again.do("connect")
    assert [(await again.event("Message"))["text"] for _ in range(2)] == ["one", "two"]
    assert (await again.event("OfflineSyncCompleted"))["Count"] == 2
    await ana.event("Receipt")
    await nothing_waits(simulator)


async def test_another_device_of_the_sender_gets_a_copy(simulator: Simulator) -> None:
    ana, bia = await pair_of(simulator)
    desk = await simulator.client("desk")
    await desk.do("connect")
    await simulator.scan((await desk.event("qr"))["code"], ANA)
    await desk.event("Connected")
    await ana.do("send", BIA, "from my phone")
    copy = await desk.event("Message")
    assert (copy["text"], copy["fromMe"]) == ("from my phone", True)
    await bia.do("send", ANA, "to both")
    assert (await ana.event("Message"))["text"] == "to both"
    assert (await desk.event("Message"))["text"] == "to both"


async def test_a_device_linked_after_the_first_message_gets_the_next(simulator: Simulator) -> None:
    ana, bia = await pair_of(simulator)
    await bia.do("send", ANA, "before")
    await ana.event("Message")
    desk = await simulator.client("desk")
    await desk.do("connect")
    await simulator.scan((await desk.event("qr"))["code"], ANA)
    await desk.event("Connected")
    await nothing_waits(simulator)
    await bia.do("send", ANA, "after")
    assert (await desk.event("Message"))["text"] == "after"


async def test_a_phone_linked_anew_after_an_unlink_gets_messages_again(simulator: Simulator) -> None:
    ana, bia = await pair_of(simulator)
    await ana.do("send", BIA, "before")
    await bia.event("Message")
    await simulator.post(f"/phone/{BIA}/unlink")
    await bia.event("LoggedOut")
    new = await simulator.client("bia-again")
    await new.do("connect")
    await simulator.scan((await new.event("qr"))["code"], BIA)
    await new.event("Connected")
    await nothing_waits(simulator)
    await ana.do("send", BIA, "after")
    assert (await new.event("Message"))["text"] == "after"


async def test_a_file_is_put_in_the_media_store_and_fetched(simulator: Simulator) -> None:
    ana, bia = await pair_of(simulator)
    content = bytes(range(256)) * 500
    await ana.do("send_file", BIA, base64.b64encode(content).decode(), "figures.bin")
    got = await bia.event("Message")
    assert got["document"] == "figures.bin"
    assert base64.b64decode(await bia.do("download", got["id"])) == content


async def test_a_group_message_reaches_every_member(simulator: Simulator) -> None:
    ana, bia, caio = await asyncio.gather(*(simulator.linked(phone) for phone in (ANA, BIA, CAIO)))
    chat = await ana.do("create_group", "Família", [BIA])
    assert (await bia.event("JoinedGroup"))["GroupInfo"]["GroupName"]["Name"] == "Família"
    await ana.do("send", chat, "welcome")
    got = await bia.event("Message", text="welcome")
    assert (got["text"], got["isGroup"], got["chat"], got["senderAlt"]) == ("welcome", True, chat, ANA)
    await bia.do("send", chat, "thanks")
    await ana.event("Message", text="thanks")
    await ana.do("add_to_group", chat, CAIO)
    await caio.event("GroupInfo") if not caio.had("JoinedGroup") else None
    await ana.do("send", chat, "hello Caio")
    await caio.event("Message", text="hello Caio")
    assert await caio.do("joined_groups") == [chat.partition("@")[0]]
    assert len((await caio.do("group", chat))["Participants"]) == 3
    await nothing_waits(simulator)


async def test_presence_and_typing_are_seen(simulator: Simulator) -> None:
    ana, bia = await pair_of(simulator)
    await ana.do("subscribe", BIA)
    assert (await ana.event("Presence"))["Unavailable"]
    await bia.do("typing", ANA)
    assert (await ana.event("ChatPresence"))["State"] == "COMPOSING"


async def test_questions_about_people_and_the_account_are_answered(simulator: Simulator) -> None:
    ana = await simulator.linked(ANA)
    await simulator.post(f"/phone/{CAIO}/absent")
    found = await ana.do("on_whatsapp", f"+{BIA}", f"+{CAIO}", "+05511")
    assert found[BIA] is True
    assert not found.get(CAIO)
    assert not found.get("05511")
    (info,) = await ana.do("user_info", BIA)
    assert info["UserInfo"]["Devices"] == [] if "Devices" in info["UserInfo"] else True
    assert (await ana.do("privacy"))["ReadReceipts"] == "ALL"
    assert (await ana.do("blocklist"))["DHash"] == "sim"


async def test_weather_can_double_and_drop_messages(simulator: Simulator) -> None:
    ana, bia = await pair_of(simulator)
    await ana.do("send", BIA, "first")
    await bia.event("Message")
    await simulator.fault("drop", BIA, count=1)
    await ana.do("send", BIA, "lost")
    await simulator.fault("duplicate", BIA, count=1)
    await ana.do("send", BIA, "twice on the wire, once for the client")
    await ana.do("send", BIA, "last")
    await bia.event("Message", text="last")
    assert not bia.had("Message")
    assert (await simulator.get("/faults"))["faults"] == []
    await nothing_waits(simulator)


async def test_delayed_frames_keep_their_order(simulator: Simulator) -> None:
    ana, bia = await pair_of(simulator)
    await ana.do("send", BIA, "first")
    await bia.event("Message")
    await simulator.fault("delay", BIA, delaySeconds=0.3)
    loop = asyncio.get_running_loop()
    began = loop.time()
    for text in ("a", "b", "c"):
        await ana.do("send", BIA, text)
    assert [(await bia.event("Message"))["text"] for _ in range(3)] == ["a", "b", "c"]
    assert loop.time() - began >= 0.3
    await simulator.call("DELETE", "/faults")
    await ana.do("send", BIA, "d")
    assert (await bia.event("Message"))["text"] == "d"
