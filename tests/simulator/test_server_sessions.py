"""Sessions: login, the ends of a connection, and what survives a restart."""

import asyncio

import pytest

from tests.simulator.server_fixtures import Refused, Simulator, until
from tests.simulator.server_fixtures import simulator as simulator

PHONE, OTHER = "5511999990001", "5511999990002"


async def test_a_dropped_client_comes_back_by_itself(simulator: Simulator) -> None:
    client = await simulator.linked(PHONE)
    answer = await simulator.fault("drop_socket", PHONE)
    assert answer["struck"] == 1
    await client.event("Disconnected")
    await client.event("Connected")
    device = await simulator.device(PHONE)
    assert (device["connects"], device["socketsOpen"], device["mostSocketsOpen"]) == (2, 1, 1)
    assert device["lastDisconnect"] < device["lastConnect"]
    assert (await simulator.get("/faults"))["faults"] == []


async def test_devices_survive_a_kill_and_a_restart_of_the_simulator(simulator: Simulator) -> None:
    client = await simulator.linked(PHONE)
    before = await simulator.get("/info")
    await simulator.stop(kill=True)
    await client.event("Disconnected")
    await simulator.start()
    assert await simulator.get("/info") == before
    await client.event("Connected")
    assert (await simulator.device(PHONE))["connects"] == 1
    assert await simulator.stop() == 0


async def test_the_same_device_from_a_second_process_replaces_the_first(simulator: Simulator) -> None:
    first = await simulator.linked(PHONE)
    second = await simulator.client(PHONE, first.jid)
    await second.do("connect")
    await second.event("Connected")
    await first.event("StreamReplaced")
    device = await simulator.device(PHONE)
    assert (device["connects"], device["replaced"], device["socketsOpen"], device["mostSocketsOpen"]) == (2, 1, 1, 1)


async def test_an_unlinked_client_is_logged_out_and_cannot_come_back(simulator: Simulator) -> None:
    client = await simulator.linked(PHONE)
    answer = await simulator.post(f"/phone/{PHONE}/unlink")
    assert answer == {"unlinked": [client.jid]}
    assert not (await client.event("LoggedOut")).get("OnConnect")
    assert (await simulator.get("/devices"))["devices"] == []
    with pytest.raises(Refused) as refused:
        await simulator.post(f"/phone/{PHONE}/unlink")
    assert (refused.value.status, refused.value.code) == (404, "DEVICE_UNKNOWN")


async def test_a_client_unlinked_while_it_is_away_is_refused_at_login(simulator: Simulator) -> None:
    client = await simulator.linked(PHONE)
    await client.kill()
    await simulator.until_device(PHONE, connected=False)
    await simulator.post(f"/phone/{PHONE}/unlink", jid=client.jid)
    again = await simulator.client(PHONE, client.jid)
    await again.do("connect")
    assert (await again.event("LoggedOut"))["OnConnect"]
    assert (await simulator.get("/stats"))["unknownLogins"] == 1


async def test_a_client_that_logs_out_is_unlinked(simulator: Simulator) -> None:
    client = await simulator.linked(PHONE)
    await client.do("logout")
    assert (await simulator.get("/devices"))["devices"] == []


async def test_a_banned_client_hears_why_and_stays_away(simulator: Simulator) -> None:
    client = await simulator.linked(PHONE)
    await simulator.fault("ban", PHONE, banSeconds=120)
    assert (await client.event("TemporaryBan"))["Expire"] == "120"
    again = await simulator.client(PHONE, client.jid)
    await again.do("connect")
    await again.event("TemporaryBan")
    await simulator.call("DELETE", "/faults")
    device = await simulator.device(PHONE)
    assert (device["connected"], device["attempts"], device["connects"]) == (False, 2, 1)


async def test_an_outdated_client_is_told_so(simulator: Simulator) -> None:
    client = await simulator.linked(PHONE)
    await simulator.fault("client_outdated", PHONE)
    await client.event("ClientOutdated")
    assert not (await simulator.device(PHONE))["connected"]


async def test_weather_that_replaces_and_logs_out(simulator: Simulator) -> None:
    replaced, gone = await asyncio.gather(simulator.linked(PHONE), simulator.linked(OTHER))
    await simulator.fault("stream_replaced", PHONE)
    await replaced.event("StreamReplaced")
    await simulator.fault("logged_out", OTHER)
    await gone.event("LoggedOut")
    assert [device["phone"] for device in (await simulator.get("/devices"))["devices"]] == [PHONE]
    assert (await simulator.get("/faults"))["faults"] == []


async def test_an_unavailable_server_takes_a_client_back_when_it_is_over(simulator: Simulator) -> None:
    client = await simulator.linked(PHONE)
    await simulator.fault("unavailable", PHONE, seconds=1)
    await client.event("Disconnected")
    await client.event("Connected")
    device = await simulator.device(PHONE)
    assert device["connects"] == 2
    assert device["attempts"] >= 3


async def test_refused_logins_are_counted_and_end_after_a_count(simulator: Simulator) -> None:
    client = await simulator.linked(PHONE)
    await simulator.fault("refuse_login", PHONE, count=2)
    await simulator.fault("drop_socket", PHONE)
    await client.event("Disconnected")
    await client.event("Connected")
    device = await simulator.device(PHONE)
    assert (device["attempts"], device["connects"]) == (4, 2)
    assert (await simulator.get("/faults"))["faults"] == []


async def test_refused_connections_reach_no_login(simulator: Simulator) -> None:
    client = await simulator.linked(PHONE)
    await simulator.fault("refuse_connect")
    await simulator.fault("drop_socket", PHONE)
    await client.event("Disconnected")

    async def tried() -> bool:
        (fault,) = (await simulator.get("/faults"))["faults"]
        return fault["occurrences"] >= 2

    await until(tried, "the client tries again")
    assert (await simulator.device(PHONE))["attempts"] == 1
    assert (await simulator.call("DELETE", "/faults"))["cleared"] == 1
    await client.event("Connected")


async def test_a_fault_for_one_phone_leaves_the_other_alone(simulator: Simulator) -> None:
    struck, spared = await asyncio.gather(simulator.linked(PHONE), simulator.linked(OTHER))
    await simulator.fault("drop_socket", PHONE)
    await struck.event("Connected")
    assert not spared.had("Disconnected")
    assert (await simulator.device(OTHER))["connects"] == 1


async def test_wrong_faults_are_refused(simulator: Simulator) -> None:
    for wrong in (
        {"kind": "earthquake"},
        {"kind": "delay"},
        {"kind": "drop", "count": 0},
        {"kind": "drop", "seconds": -1},
        {"kind": "drop", "target": "me"},
        {},
    ):
        with pytest.raises(Refused) as refused:
            await simulator.post("/faults", **wrong)
        assert (refused.value.status, refused.value.code) == (400, "INVALID_REQUEST")


async def test_foreign_hosts_and_pages_are_refused(simulator: Simulator) -> None:
    host = f"127.0.0.1:{simulator.port}"
    for request in (
        "GET /devices HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n",
        f"POST /faults HTTP/1.1\r\nHost: {host}\r\nOrigin: http://elsewhere.example\r\n\r\n",
        "CONNECT elsewhere.example:443 HTTP/1.1\r\n\r\n",
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
        writer.write(request.encode())
        assert b" 403 " in await reader.readline()
        writer.close()
