"""Customers' phones of one simulator talk to each other, end-to-end encrypted between unmodified neonize clients."""

import asyncio
import base64

from tests.simulator.phone_fixtures import RunningSimulator, until
from tests.simulator.phone_fixtures import running_simulator as running_simulator

ANA, BIA, CAIO = "5511999990001", "5511999990002", "5511999990003"
TEXT = "Olá, João! ção 👩‍👩‍👧 \u202e عربى <b>&amp;</b>\nsegunda linha"


async def test_texts_go_both_ways_and_their_receipts_come_back(running_simulator: RunningSimulator) -> None:
    simulator = running_simulator
    await simulator.post(f"/phone/{ANA}/ensure", name="Ana")
    await simulator.post(f"/phone/{BIA}/ensure")
    sent = await simulator.post(f"/phone/{ANA}/send", to=BIA, text=TEXT)
    got = await simulator.message(BIA, id=sent["messageId"])
    assert (got["from"], got["chat"], got["fromMe"], got["kind"], got["text"]) == (ANA, ANA, False, "text", TEXT)
    assert abs(got["timestamp"] - sent["timestamp"]) <= 2000
    await simulator.message(ANA, id=sent["messageId"], fromMe=True, chat=BIA, status="delivered")

    read = await simulator.post(f"/phone/{BIA}/read", chat=ANA)
    assert read["messageIds"] == [sent["messageId"]]
    await simulator.message(ANA, id=sent["messageId"], status="read")

    answer = await simulator.post(f"/phone/{BIA}/send", to=ANA, text="Oi!", quotedId=sent["messageId"])
    assert (await simulator.message(ANA, id=answer["messageId"]))["quotedId"] == sent["messageId"]
    reaction = await simulator.post(f"/phone/{ANA}/react", messageId=answer["messageId"], emoji="🎉")
    seen = await simulator.message(BIA, id=reaction["messageId"])
    assert (seen["kind"], seen["text"], seen["quotedId"]) == ("reaction", "🎉", answer["messageId"])
    await simulator.post(f"/phone/{ANA}/typing", to=BIA)
    assert [one["phone"] for one in (await simulator.get("/phones"))["phones"]] == [ANA, BIA]


async def test_a_phone_that_nobody_touched_yet_gets_what_is_sent_to_it(running_simulator: RunningSimulator) -> None:
    sent = await running_simulator.post(f"/phone/{ANA}/send", to=CAIO, text="first words")
    assert (await running_simulator.message(CAIO, id=sent["messageId"]))["text"] == "first words"


async def test_news_are_waited_for_without_polling(running_simulator: RunningSimulator) -> None:
    simulator = running_simulator
    assert await simulator.messages(BIA) == []
    waiting = asyncio.create_task(simulator.get(f"/phone/{BIA}/messages?after=0&wait=30"))
    sent = await simulator.post(f"/phone/{ANA}/send", to=BIA, text="now")
    assert [one["id"] for one in (await waiting)["messages"]] == [sent["messageId"]]


async def test_many_sends_of_one_phone_arrive_once_and_in_order(running_simulator: RunningSimulator) -> None:
    simulator = running_simulator
    await simulator.post(f"/phone/{BIA}/ensure")
    texts = [f"message {number}" for number in range(30)]
    for text in texts:
        await simulator.post(f"/phone/{ANA}/send", to=BIA, text=text)
    await simulator.message(BIA, text=texts[-1])
    assert [one["text"] for one in await simulator.messages(BIA)] == texts


async def test_files_arrive_as_they_were_sent(running_simulator: RunningSimulator) -> None:
    simulator = running_simulator
    await simulator.post(f"/phone/{BIA}/ensure")
    for kind, mime_type in (("image", "image/png"), ("audio", "audio/ogg"), ("document", "application/pdf")):
        data = kind.encode() * 5000
        sent = await simulator.post(
            f"/phone/{ANA}/send-media",
            to=BIA,
            kind=kind,
            data=base64.b64encode(data).decode(),
            mimeType=mime_type,
            fileName="contrato.pdf",
            caption="segue",
        )
        got = await simulator.message(BIA, id=sent["messageId"])
        assert (got["kind"], got["mimeType"], got["size"]) == (kind, mime_type, len(data))
        assert got["text"] == ("" if kind == "audio" else "segue")
        assert await simulator.file(BIA, sent["messageId"]) == data


async def test_a_group_hears_what_one_of_it_says(running_simulator: RunningSimulator) -> None:
    simulator = running_simulator
    for phone in (ANA, BIA, CAIO):
        await simulator.post(f"/phone/{phone}/ensure")
    group = (await simulator.post(f"/phone/{ANA}/groups", name="Família", participants=[BIA, CAIO]))["chat"]
    assert group.endswith("@g.us")
    sent = await simulator.post(f"/phone/{ANA}/send", to=group, text="bom dia")
    for phone in (BIA, CAIO):
        got = await simulator.message(phone, id=sent["messageId"])
        assert (got["from"], got["chat"], got["text"]) == (ANA, group, "bom dia")
    answer = await simulator.post(f"/phone/{CAIO}/send", to=group, text="bom dia, Ana")
    for phone in (ANA, BIA):
        assert (await simulator.message(phone, id=answer["messageId"]))["from"] == CAIO


async def test_bad_requests_get_a_typed_error(running_simulator: RunningSimulator) -> None:
    simulator = running_simulator
    for path, body, status, code in (
        ("/phone/abc/send", {"to": BIA, "text": "x"}, 400, "INVALID_PHONE"),
        (f"/phone/{ANA}/send", {"to": "abc", "text": "x"}, 400, "INVALID_PHONE"),
        (f"/phone/{ANA}/send", {"to": BIA}, 400, "INVALID_REQUEST"),
        (f"/phone/{ANA}/send", {"to": BIA, "text": 1}, 400, "INVALID_REQUEST"),
        (f"/phone/{ANA}/react", {"messageId": "nope", "emoji": "x"}, 404, "UNKNOWN_MESSAGE"),
        (
            f"/phone/{ANA}/send-media",
            {"to": BIA, "kind": "smell", "data": "", "mimeType": "x/y"},
            400,
            "INVALID_REQUEST",
        ),
    ):
        assert (await simulator.call("POST", path, body, status))["code"] == code


async def test_fifty_customers_are_live_at_once(running_simulator: RunningSimulator) -> None:
    simulator = running_simulator
    customers = [f"55119{number:08}" for number in range(50)]
    await asyncio.gather(*(simulator.post(f"/phone/{phone}/ensure") for phone in customers))
    phones = (await simulator.get("/phones"))["phones"]
    assert sorted(one["phone"] for one in phones if one["online"]) == customers
    await asyncio.gather(
        *(simulator.post(f"/phone/{phone}/send", to=customers[0], text=phone) for phone in customers[1:])
    )

    async def all_came() -> bool:
        return len(await simulator.messages(customers[0])) == len(customers) - 1

    await until(all_came, "the first customer hears from all others")
