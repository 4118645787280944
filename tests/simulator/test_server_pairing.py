"""Pairing by QR and by code, as unmodified neonize does it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.simulator.server_fixtures import Refused, Simulator, until
from tests.simulator.server_fixtures import simulator as simulator

PHONE = "5511999990001"


@pytest.fixture
async def hasty(tmp_path: Path) -> AsyncIterator[Simulator]:
    """A simulator whose QR codes run out soon."""
    running = Simulator(
        tmp_path / "simulator",
        ("--qr-first-seconds", "0.6", "--qr-next-seconds", "0.6", "--qr-grace-seconds", "0.1"),
    )
    await running.start()
    yield running
    await running.close()


async def test_a_scanned_qr_pairs_and_logs_in_after_code_515(simulator: Simulator) -> None:
    client = await simulator.client("paired")
    await client.do("connect")
    qr = (await client.event("qr"))["code"]
    assert qr.startswith("https://wa.me/settings/linked_devices#")
    pairings = (await simulator.get("/pairings"))["pairings"]
    assert [pairing["ref"] for pairing in pairings] == [qr.partition("#")[2].partition(",")[0]]

    answer = await simulator.scan(qr, PHONE)
    assert answer == {"jid": f"{PHONE}:1@s.whatsapp.net", "lid": answer["lid"], "phone": PHONE}
    paired = await client.event("PairStatus")
    assert (paired["ID"]["User"], paired["Status"]) == (PHONE, "SUCCESS")
    await client.event("Connected")
    device = await simulator.device(PHONE)
    assert (device["connected"], device["connects"], device["attempts"], device["replaced"]) == (True, 1, 1, 0)
    assert (device["socketsOpen"], device["mostSocketsOpen"], device["platform"]) == (1, 1, "Simulator test")
    assert (await simulator.get("/pairings"))["pairings"] == []


async def test_after_its_login_a_client_has_uploaded_prekeys(simulator: Simulator) -> None:
    await simulator.linked(PHONE)
    asked = (await simulator.get("/stats"))["queries"]
    assert asked["encrypt registration"] == 1
    assert asked["encrypt count"] == 2
    assert asked["passive active"] == 1


async def test_a_qr_can_be_scanned_once(simulator: Simulator) -> None:
    client = await simulator.client("once")
    await client.do("connect")
    qr = (await client.event("qr"))["code"]
    await simulator.scan(qr, PHONE)
    with pytest.raises(Refused) as refused:
        await simulator.scan(qr, "5511999990002")
    assert (refused.value.status, refused.value.code) == (410, "QR_EXPIRED")


async def test_two_scans_of_one_qr_at_once_link_one_device(simulator: Simulator) -> None:
    client = await simulator.client("race")
    await client.do("connect")
    qr = (await client.event("qr"))["code"]
    answers = await asyncio.gather(
        simulator.scan(qr, PHONE), simulator.scan(qr, "5511999990002"), return_exceptions=True
    )
    assert [type(answer) for answer in answers].count(Refused) == 1
    assert len((await simulator.get("/devices"))["devices"]) == 1


async def test_an_expired_qr_is_refused_and_the_next_one_works(hasty: Simulator) -> None:
    client = await hasty.client("slow")
    await client.do("connect")
    first = (await client.event("qr"))["code"]
    reference = first.partition("#")[2].partition(",")[0]

    async def next_reference() -> str | None:
        shown = (await hasty.get("/pairings"))["pairings"]
        return next((pairing["ref"] for pairing in shown if pairing["ref"] != reference), None)

    second = first.replace(reference, await until(next_reference, "the first QR runs out"))
    with pytest.raises(Refused) as refused:
        await hasty.scan(first, PHONE)
    assert (refused.value.status, refused.value.code) == (410, "QR_EXPIRED")
    await hasty.scan(second, PHONE)
    await client.event("Connected")


async def test_a_qr_is_worthless_once_its_client_went(simulator: Simulator) -> None:
    client = await simulator.client("gone")
    await client.do("connect")
    qr = (await client.event("qr"))["code"]
    await client.kill()

    async def nobody_waits() -> bool:
        return not (await simulator.get("/pairings"))["pairings"]

    await until(nobody_waits, "the simulator sees the client go")
    with pytest.raises(Refused) as refused:
        await simulator.scan(qr, PHONE)
    assert (refused.value.status, refused.value.code) == (410, "QR_EXPIRED")


async def test_an_unknown_qr_a_malformed_one_and_one_with_other_keys_are_told_apart(simulator: Simulator) -> None:
    client = await simulator.client("keys")
    await client.do("connect")
    qr = (await client.event("qr"))["code"]
    link, _, parts = qr.partition("#")
    reference, noise, identity, secret, platform = parts.split(",")
    for payload, status, code in (
        (f"{link}#2@unknown,{noise},{identity},{secret},{platform}", 404, "QR_UNKNOWN"),
        (f"{link}#{reference},{identity},{noise},{secret},{platform}", 400, "QR_MALFORMED"),
        ("hello", 400, "QR_MALFORMED"),
        ("a,b,c,d", 400, "QR_MALFORMED"),
    ):
        with pytest.raises(Refused) as refused:
            await simulator.scan(payload, PHONE)
        assert (refused.value.status, refused.value.code) == (status, code)
    await simulator.scan(f"{reference},{noise},{identity},{secret}", PHONE)


async def test_a_client_that_does_not_sign_is_not_registered(simulator: Simulator) -> None:
    client = await simulator.client("tampered")
    await client.do("connect")
    qr = (await client.event("qr"))["code"]
    link, _, parts = qr.partition("#")
    reference, noise, identity, _, platform = parts.split(",")
    wrong_secret = f"{link}#{reference},{noise},{identity},{noise},{platform}"  # the client refuses the HMAC
    with pytest.raises(Refused) as refused:
        await simulator.scan(wrong_secret, PHONE)
    assert (refused.value.status, refused.value.code) == (504, "PAIRING_NOT_COMPLETED")
    assert (await simulator.get("/devices"))["devices"] == []


async def test_two_devices_of_one_phone_have_numbers_of_their_own(simulator: Simulator) -> None:
    first = await simulator.linked(PHONE)
    second = await simulator.client("second")
    await second.do("connect")
    answer = await simulator.scan((await second.event("qr"))["code"], PHONE)
    assert (first.jid, answer["jid"]) == (f"{PHONE}:1@s.whatsapp.net", f"{PHONE}:2@s.whatsapp.net")
    await second.event("Connected")


async def test_a_code_entered_in_the_phone_pairs(simulator: Simulator) -> None:
    client = await simulator.client("code")
    await client.do("connect")
    await client.event("qr")
    code = await client.do("pair_phone", PHONE)
    for wrong, status, name in (("1111-1111", 403, "CODE_WRONG"), ("0000-0000", 400, "INVALID_REQUEST")):
        with pytest.raises(Refused) as refused:
            await simulator.post("/phone/link", phone=PHONE, code=wrong)
        assert (refused.value.status, refused.value.code) == (status, name)
    with pytest.raises(Refused) as refused:
        await simulator.post("/phone/link", phone="5511999990002", code=code)
    assert (refused.value.status, refused.value.code) == (404, "CODE_UNKNOWN")
    answer = await simulator.post("/phone/link", phone=PHONE, code=code)
    assert answer["phone"] == PHONE
    await client.event("Connected")
