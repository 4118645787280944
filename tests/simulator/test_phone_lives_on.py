"""A phone's second client is a device like any other: it survives restarts, and can be unlinked."""

import asyncio
from pathlib import Path
from typing import Any

from simulator.companion_process import CompanionProcess, CompanionSettings
from tests.simulator.phone_fixtures import RunningSimulator, until
from tests.simulator.phone_fixtures import running_simulator as running_simulator

ANA, BIA = "5511999990001", "5511999990002"


async def online(simulator: RunningSimulator, *phones: str) -> dict[str, str]:
    """Wait until the phones are online, and return their JIDs."""

    async def check() -> dict[str, str]:
        live = {one["phone"]: one["jid"] for one in (await simulator.get("/phones"))["phones"] if one["online"]}
        return live if set(phones) <= set(live) else {}

    return await until(check, f"{phones} are online")


async def test_phones_and_their_messages_survive_a_killed_simulator(running_simulator: RunningSimulator) -> None:
    simulator = running_simulator
    await simulator.post(f"/phone/{BIA}/ensure", name="Bia")
    first = await simulator.post(f"/phone/{ANA}/send", to=BIA, text="before")
    await simulator.message(BIA, id=first["messageId"])
    jids = await online(simulator, ANA, BIA)
    await simulator.stop(kill=True)
    await simulator.start()
    assert await online(simulator, ANA, BIA) == jids, "they came back by themselves, with no second pairing"
    second = await simulator.post(f"/phone/{ANA}/send", to=BIA, text="after")
    await simulator.message(BIA, id=second["messageId"])
    assert [one["text"] for one in await simulator.messages(BIA)] == ["before", "after"]
    assert {one["phone"]: one["name"] for one in (await simulator.get("/phones"))["phones"]} == {ANA: None, BIA: "Bia"}


async def test_a_phone_whose_devices_were_unlinked_is_linked_again_when_used(
    running_simulator: RunningSimulator,
) -> None:
    simulator = running_simulator
    before = (await simulator.post(f"/phone/{ANA}/ensure"))["jid"]
    await simulator.post(f"/phone/{ANA}/unlink")

    async def gone() -> bool:
        return not any(one["online"] for one in (await simulator.get("/phones"))["phones"])

    await until(gone, "the second client heard that it was unlinked")
    sent = await simulator.post(f"/phone/{ANA}/send", to=BIA, text="back again")
    await simulator.message(BIA, id=sent["messageId"])
    assert (await simulator.post(f"/phone/{ANA}/ensure"))["jid"] != before


async def test_a_phone_comes_back_after_its_socket_was_cut(running_simulator: RunningSimulator) -> None:
    simulator = running_simulator
    await simulator.post(f"/phone/{BIA}/ensure")
    before = (await simulator.post(f"/phone/{ANA}/ensure"))["jid"]
    await simulator.post("/faults", target=ANA, kind="drop_socket")
    sent = await simulator.post(f"/phone/{ANA}/send", to=BIA, text="still here")
    await simulator.message(BIA, id=sent["messageId"])
    assert (await online(simulator, ANA))[ANA] == before


async def test_another_device_of_the_number_sees_what_its_phone_sends(
    running_simulator: RunningSimulator, tmp_path: Path
) -> None:
    """The business's product is one device, the simulator's second client another; each sees the other's messages."""
    simulator = running_simulator
    tasks: list[asyncio.Task[Any]] = []

    def on_event(event: dict[str, Any]) -> None:
        if event["event"] == "qr":
            tasks.append(asyncio.create_task(simulator.post("/phone/scan", qr=event["qr"], phone=ANA)))

    root, ca_file = bytes.fromhex(simulator.info["noiseRoot"]), Path(simulator.info["caFile"])
    product = CompanionProcess(
        CompanionSettings(simulator.port, ca_file, root, tmp_path / "product"), on_event, lambda: None
    )
    await product.start()
    try:
        await product.ask("ensure", phone=ANA)
        await simulator.post(f"/phone/{BIA}/ensure")
        sent = await simulator.post(f"/phone/{ANA}/send", to=BIA, text="from the phone")

        async def product_has(message_id: str) -> dict[str, Any] | None:
            messages = (await product.ask("messages", phone=ANA))["messages"]
            return next((one for one in messages if one["id"] == message_id), None)

        seen = await until(lambda: product_has(sent["messageId"]), "the product sees its own phone's message")
        assert (seen["fromMe"], seen["chat"], seen["text"]) == (True, BIA, "from the phone")

        answer = await product.ask("send", phone=ANA, to=BIA, text="from the product")
        await simulator.message(BIA, id=answer["messageId"], **{"from": ANA})
        await simulator.message(ANA, id=answer["messageId"], fromMe=True, chat=BIA)

        back = await simulator.post(f"/phone/{BIA}/send", to=ANA, text="to both")
        await until(lambda: product_has(back["messageId"]), "the product gets the customer's message")
        await simulator.message(ANA, id=back["messageId"], fromMe=False)
        await asyncio.gather(*tasks)
    finally:
        await product.close()
