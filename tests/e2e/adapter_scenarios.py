"""Scenarios of the adapter, each run in a process of its own: `python -m tests.e2e.adapter_scenarios NAME CONFIG`.

A mistake in these parts can abort the whole process from Go, so the process that runs a scenario is not pytest's.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from contracts.device import (
    Banned,
    ClientOutdated,
    Connected,
    Disconnected,
    LoggedOut,
    MessageArrived,
    PairingFailed,
    QrShown,
    ReceiptArrived,
    Replaced,
)
from contracts.errors import PereneError
from contracts.hosting import PairResult
from contracts.messages import DeliveryStatus, MessageType, SendJob
from contracts.ports import SendOutcomeUnknown, SendRefused
from contracts.session import Device
from tests.e2e.adapter_world import AdapterWorld, Watched, events_of, until
from whatsapp.pairing import ForkserverPairer

# ruff: noqa: T201 - standard output is what a scenario reports

Scenario = Callable[[AdapterWorld], Awaitable[None]]
SCENARIOS: dict[str, Scenario] = {}


def scenario(function: Scenario) -> Scenario:
    """Make `function` known by its name."""
    SCENARIOS[function.__name__] = function
    return function


def phone(number: int) -> str:
    """A phone of this process alone, so that scenarios do not meet on a shared simulator."""
    return f"55119{os.getpid() % 10_000:04d}{number:04d}"


@scenario
async def messages_both_ways(world: AdapterWorld) -> None:
    _, ana = await world.connected("ana@1", phone(1))
    _, bia = await world.connected("bia@1", phone(2))
    sent = await ana.session.send_text(phone(2), "olá, ação 👋")
    arrived = (await bia.saw(MessageArrived)).message
    assert arrived.text == "olá, ação 👋"
    assert arrived.message_id == sent.message_id
    assert arrived.phone == phone(1)
    assert not arrived.from_me
    assert abs(arrived.timestamp.timestamp() - time.time()) < 30
    await bia.session.mark_read(arrived.chat, None, [arrived.message_id])

    async def read() -> bool:
        receipts = [event.receipt for event in ana.seen if isinstance(event, ReceiptArrived)]
        return any(r.status is DeliveryStatus.READ and sent.message_id in r.message_ids for r in receipts)

    await until(read, "the receipt of reading")
    await bia.session.send_text(arrived.chat, "oi")
    assert (await ana.saw(MessageArrived)).message.text == "oi"


@scenario
async def many_messages_in_order(world: AdapterWorld) -> None:
    _, ana = await world.connected("ana@1", phone(1))
    _, bia = await world.connected("bia@1", phone(2))
    texts = [f"mensagem {number}" for number in range(40)]
    for text in texts:
        await ana.session.send_text(phone(2), text)

    async def all_there() -> bool:
        return len(bia.texts()) >= len(texts)

    await until(all_there, "forty messages")
    assert bia.texts() == texts


@scenario
async def lost_socket_comes_back(world: AdapterWorld) -> None:
    device, ana = await world.connected("ana@1", phone(1))
    seen = len(ana.seen)
    await world.fault(phone(1), "drop_socket")
    await ana.saw(Disconnected, seen)
    await ana.saw(Connected, seen)
    shown = await world.device(device.jid)
    assert shown["mostSocketsOpen"] == 1
    assert shown["connects"] == 2


@scenario
async def first_dial_that_fails_is_tried_again(world: AdapterWorld) -> None:
    device = await world.pair(phone(1))
    await world.fault(phone(1), "refuse_login", count=2)
    ana = await world.host_device("ana@1", device)
    await ana.saw(Connected)
    refused = await world.pair(phone(2))
    await world.fault("*", "refuse_connect")
    bia = await world.host_device("bia@1", refused)
    await bia.saw(Disconnected)
    assert not any(isinstance(event, Connected) for event in bia.seen)
    await world.no_faults()
    await bia.saw(Connected)
    assert (await world.device(refused.jid))["mostSocketsOpen"] == 1


@scenario
async def unlinked_on_the_phone(world: AdapterWorld) -> None:
    device, ana = await world.connected("ana@1", phone(1))
    await world.call("POST", f"/phone/{phone(1)}/unlink", {"jid": device.jid})
    await ana.saw(LoggedOut)
    await _stays_away(world, ana)


@scenario
async def banned_with_a_term(world: AdapterWorld) -> None:
    device, ana = await world.connected("ana@1", phone(1))
    await world.fault(phone(1), "ban", banSeconds=7200)
    ban = await ana.saw(Banned)
    assert ban.until is not None
    assert abs(ban.until - time.time() - 7200) < 60
    await _stays_away(world, ana, device)


@scenario
async def banned_for_a_reason_the_library_does_not_know(world: AdapterWorld) -> None:
    device, ana = await world.connected("ana@1", phone(1))
    await world.fault(phone(1), "ban", banCode=999)
    ban = await ana.saw(Banned)
    assert ban.until is None
    await _stays_away(world, ana, device)


@scenario
async def client_outdated(world: AdapterWorld) -> None:
    device, ana = await world.connected("ana@1", phone(1))
    await world.fault(phone(1), "client_outdated")
    await ana.saw(ClientOutdated)
    await _stays_away(world, ana, device)


@scenario
async def replaced_elsewhere(world: AdapterWorld) -> None:
    device, ana = await world.connected("ana@1", phone(1))
    await world.fault(phone(1), "stream_replaced")
    await ana.saw(Replaced)
    await _stays_away(world, ana, device)


@scenario
async def logged_out_at_login(world: AdapterWorld) -> None:
    device = await world.pair(phone(1))
    await world.fault(phone(1), "logged_out", count=1)
    ana = await world.host_device("ana@1", device)
    await ana.saw(LoggedOut)
    await _stays_away(world, ana)


async def _stays_away(world: AdapterWorld, ended: Watched, device: Device | None = None) -> None:
    """Nothing follows an end: no login, no attempt, and commands are refused at once."""
    before = (await world.device(device.jid))["attempts"] if device else 0
    seen = len(ended.seen)
    await world.no_faults()
    await asyncio.sleep(2.5)  # longer than whatsmeow's and our own first delays
    assert ended.seen[seen:] == []
    if device:
        shown = await world.device(device.jid)
        assert (shown["attempts"], shown["socketsOpen"]) == (before, 0)
    with pytest.raises(SendRefused):
        await ended.session.send_text(phone(9), "x")
    await ended.session.stop()
    await ended.session.stop()


@scenario
async def stop_in_the_middle_of_back_off_is_for_good(world: AdapterWorld) -> None:
    sessions = [await world.connected(f"s{number}@1", phone(number)) for number in range(6)]
    await world.fault("*", "refuse_connect")
    await world.fault("*", "drop_socket")
    for _, watched in sessions:
        await watched.saw(Disconnected)
    # Stopped at different moments of whatsmeow's 0, 2, 4 … s, some while a dial is under way.
    for number, (_, watched) in enumerate(sessions):
        await asyncio.sleep(0.35 * number)
        await watched.session.stop()
        assert watched.ended or await until(_has_ended(watched), "the end of the events")
    await world.no_faults()
    before = {device.jid: (await world.device(device.jid))["attempts"] for device, _ in sessions}
    await asyncio.sleep(6)
    for device, watched in sessions:
        shown = await world.device(device.jid)
        assert (shown["attempts"], shown["socketsOpen"]) == (before[device.jid], 0)
        assert sum(isinstance(event, Connected) for event in watched.seen) == 1


def _has_ended(watched: Watched) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return watched.ended

    return look


@scenario
async def stop_while_the_server_does_not_answer(world: AdapterWorld) -> None:
    device = await world.pair(phone(1))
    _, other = await world.connected("other@1", phone(2))
    await world.fault(phone(1), "delay", delaySeconds=3)
    ana = await world.host_device("ana@1", device)
    await ana.session.stop()
    await world.no_faults()
    await asyncio.sleep(4)
    shown = await world.device(device.jid)
    assert shown["socketsOpen"] == 0
    again = await world.host_device("ana@2", device)
    await again.saw(Connected)
    await other.session.send_text(phone(1), "oi")
    await again.saw(MessageArrived)
    assert (await world.device(device.jid))["mostSocketsOpen"] == 1


@scenario
async def keys_move_to_the_next_holder(world: AdapterWorld) -> None:
    device, ana = await world.connected("ana@1", phone(1))
    _, bia = await world.connected("bia@1", phone(2))
    for turn in range(2, 8):
        await ana.session.stop()
        await bia.session.send_text(phone(1), f"enquanto fora {turn}")
        ana = await world.host_device(f"ana@{turn}", device)
        assert (await ana.saw(MessageArrived)).message.text == f"enquanto fora {turn}"
        await ana.saw(Connected)
        await ana.session.send_text(phone(2), f"de volta {turn}")
    shown = await world.device(device.jid)
    assert shown["mostSocketsOpen"] == 1
    assert world.host.counters.undecryptable == 0


@scenario
async def graceful_stop_loses_no_message(world: AdapterWorld) -> None:
    """The session moves while messages pour in: what WhatsApp was told to be taken was handed over."""
    device, ana = await world.connected("ana@0", phone(1))
    _, bia = await world.connected("bia@1", phone(2))
    holders, sent, stop = [ana], list[str](), asyncio.Event()

    async def pour() -> None:
        while not stop.is_set():
            text = f"mensagem {len(sent)}"
            await bia.session.send_text(phone(1), text)
            sent.append(text)

    def taken() -> list[str | None]:
        return [text for holder in holders for text in holder.texts()]

    pouring = asyncio.create_task(pour())
    for turn in range(1, 9):
        before = len(taken())

        async def some_more(least: int = before + 5) -> bool:
            return len(taken()) >= least

        await until(some_more, "messages")
        await holders[-1].session.stop()
        holders.append(await world.host_device(f"ana@{turn}", device))
    stop.set()
    await pouring

    async def all_there() -> bool:
        return set(sent) <= set(taken())

    try:
        await until(all_there, "every message", 10)
    except AssertionError:
        missing = sorted(set(sent) - set(taken()))
        raise AssertionError(f"{len(missing)} of {len(sent)} were lost: {missing}") from None
    assert (await world.device(device.jid))["mostSocketsOpen"] == 1


@scenario
async def every_kind_of_message_arrives(world: AdapterWorld) -> None:
    _, ana = await world.connected("ana@1", phone(1))
    _, bia = await world.connected("bia@1", phone(2))
    picture = Path(tempfile.mkdtemp()) / "picture.png"
    picture.write_bytes(b"not really a picture" * 50)
    file: dict[str, object] = {"path": str(picture), "mime": "image/png"}
    first = await ana.session.send_text(phone(2), "primeira")
    target: dict[str, object] = {"id": first.message_id}
    jobs: list[tuple[str, dict[str, object], MessageType, str | None]] = [
        ("text", {"text": "oi", "mentions": [phone(2)]}, MessageType.TEXT, "oi"),
        ("text", {"text": "sim", "quoted": {"id": "X", "participant": phone(2)}}, MessageType.TEXT, "sim"),
        ("image", {**file, "caption": "foto", "width": 3}, MessageType.IMAGE, "foto"),
        ("video", {**file, "mime": "video/mp4", "gif": True, "seconds": 2}, MessageType.VIDEO, None),
        ("audio", {**file, "mime": "audio/ogg; codecs=opus", "voice": True}, MessageType.AUDIO, None),
        ("document", {**file, "filename": "nota.pdf"}, MessageType.DOCUMENT, "nota.pdf"),
        ("sticker", {**file, "mime": "image/webp"}, MessageType.STICKER, None),
        ("location", {"latitude": -23.5, "longitude": -46.6, "name": "Sé"}, MessageType.LOCATION, "Sé"),
        ("contact", {"name": "Rui", "vcard": "BEGIN:VCARD\nEND:VCARD"}, MessageType.CONTACT, "Rui"),
        ("reaction", {"target": target, "emoji": "👍"}, MessageType.REACTION, "👍"),
        ("poll", {"question": "Qual?", "options": ["A", "B"]}, MessageType.POLL, "Qual?"),
        ("edit", {"target": target, "text": "corrigida"}, MessageType.TEXT, "corrigida"),
        ("revoke", {"target": target}, MessageType.UNKNOWN, None),
    ]
    await bia.saw(MessageArrived)
    for kind, payload, arrives_as, text in jobs:
        seen = len(bia.seen)
        sent = await ana.session.send(SendJob(1, "c", phone(2), kind, payload))
        arrived = (await bia.saw(MessageArrived, seen)).message
        assert (arrived.message_id, arrived.type, arrived.text) == (sent.message_id, arrives_as, text), kind
        if "target" in payload:
            assert arrived.quoted_id == first.message_id
        if "path" in payload:
            assert arrived.media is not None
            assert arrived.media["fileLength"] == picture.stat().st_size
    for kind, payload in (("text", {}), ("image", {"path": "/nowhere", "mime": "x"}), ("dance", {}), ("poll", {})):
        with pytest.raises(SendRefused):
            await ana.session.send(SendJob(1, "c", phone(2), kind, dict[str, object](payload)))


@scenario
async def logout_unlinks_and_removes_the_keys(world: AdapterWorld) -> None:
    device, ana = await world.connected("ana@1", phone(1))
    await ana.session.logout()
    devices = (await world.call("GET", "/devices"))["devices"]
    assert device.jid not in [shown["jid"] for shown in devices]
    await ana.session.stop()
    with pytest.raises(PereneError) as refused:
        await ana.session.logout()
    assert refused.value.code == "SESSION_NOT_CONNECTED"


@scenario
async def send_without_an_answer_is_unknown(world: AdapterWorld) -> None:
    _, ana = await world.connected("ana@1", phone(1))
    _, bia = await world.connected("bia@1", phone(2))
    await ana.session.send_text(phone(2), "primeira")
    await bia.saw(MessageArrived)
    await world.fault(phone(1), "delay", delaySeconds=20)
    sending = asyncio.create_task(ana.session.send_text(phone(2), "sem resposta"))
    await asyncio.sleep(0.5)
    started = time.monotonic()
    await ana.session.stop()
    with pytest.raises(SendOutcomeUnknown):
        await sending
    assert time.monotonic() - started < 12


@scenario
async def unknown_number_is_refused(world: AdapterWorld) -> None:
    _, ana = await world.connected("ana@1", phone(1))
    await world.call("POST", f"/phone/{phone(7)}/absent")
    for chat in (phone(7), "not a chat", "x@unknown.server"):
        with pytest.raises(SendRefused):
            await ana.session.send_text(chat, "x")


@scenario
async def pairings_leave_one_socket(world: AdapterWorld) -> None:
    times: list[float] = []
    for number in range(int(world.options["times"])):
        async with world.pairer.attempt(None) as attempt:
            started = time.perf_counter()
            events = aiter(attempt.events())
            shown = await anext(events)
            assert isinstance(shown, QrShown)
            times.append(time.perf_counter() - started)
            await world.scan(shown.payload, phone(number))
            paired = await anext(events)
            device: Device = paired.device  # pyright: ignore
            assert (await world.device(device.jid))["socketsOpen"] == 0
            watched = await world.host_device(f"s{number}@1", device)
            await watched.saw(Connected)
        shown_device = await world.device(device.jid)
        assert shown_device["mostSocketsOpen"] == 1
        assert shown_device["connects"] == 1
        await watched.session.stop()
    times.sort()
    print(f"first code after {times[len(times) // 2] * 1000:.0f} ms (median), {times[-1] * 1000:.0f} ms (worst)")


@scenario
async def pairing_that_is_left_leaves_nothing(world: AdapterWorld) -> None:
    children: list[psutil.Process] = []
    for _ in range(3):
        async with world.pairer.attempt(None) as attempt:
            async for event in attempt.events():
                assert isinstance(event, QrShown)
                break
            children = _pairing_processes()
            assert len(children) == 1
        assert not _pairing_processes()

        async def no_waiting_client() -> bool:
            return not (await world.call("GET", "/pairings"))["pairings"]

        await until(no_waiting_client, "no client that waits for a scan")


def _pairing_processes() -> list[psutil.Process]:
    return [
        process
        for process in psutil.Process().children(recursive=True)
        if "whatsapp.pairing_server" in process.cmdline()
        and process.ppid() != os.getpid()
        and process.status() != psutil.STATUS_ZOMBIE
    ]


@scenario
async def pairing_by_code(world: AdapterWorld) -> None:
    async with world.pairer.attempt(None) as attempt:
        code = await attempt.pairing_code(phone(1))
        assert len(code) == 8
        await world.call("POST", "/phone/link", {"phone": phone(1), "code": code})
        events = await events_of(attempt)
        device: Device = events[-1].device  # pyright: ignore
        assert device.phone == phone(1)
    watched = await world.host_device("ana@1", device)
    await watched.saw(Connected)


@scenario
async def pairing_fails_in_its_own_words(world: AdapterWorld) -> None:
    await world.fault("*", "client_outdated")
    async with world.pairer.attempt(None) as attempt:
        assert (await events_of(attempt))[-1] == PairingFailed(PairResult.CLIENT_OUTDATED, "err-client-outdated")
    await world.no_faults()
    await world.fault("*", "refuse_connect")
    async with world.pairer.attempt(None) as attempt:
        (failed,) = await events_of(attempt)
        assert isinstance(failed, PairingFailed)
        assert failed.result == PairResult.UNREACHABLE
    await world.no_faults()
    async with world.pairer.attempt(None) as attempt:
        async for event in attempt.events():
            if isinstance(event, QrShown):
                await world.fault("*", "drop_socket")
            else:
                assert isinstance(event, PairingFailed)
                assert event.result == PairResult.UNREACHABLE
    broken = ForkserverPairer("postgres://nobody:x@/perene?host=/nowhere", simulator=world.simulator)
    async with broken.attempt(None) as attempt:
        (failed,) = await events_of(attempt)
        assert isinstance(failed, PairingFailed)
        assert "nobody" not in (failed.detail or "")
    await broken.close()


@scenario
async def pairing_survives_the_death_of_its_server(world: AdapterWorld) -> None:
    async with world.pairer.attempt(None) as attempt:
        async for event in attempt.events():
            if isinstance(event, QrShown):
                (server,) = [p for p in psutil.Process().children() if "whatsapp.pairing_server" in p.cmdline()]
                server.kill()
            else:
                assert isinstance(event, PairingFailed)
    assert await world.pair(phone(1))


@scenario
async def wait_for_a_kill(world: AdapterWorld) -> None:
    """Not a scenario by itself: shows a code, says which processes pair, and waits."""
    async with world.pairer.attempt(None) as attempt:
        async for event in attempt.events():
            if isinstance(event, QrShown):
                pids = [process.pid for process in psutil.Process().children(recursive=True)]
                print(json.dumps(pids), flush=True)


@scenario
async def many_sessions_start_and_stop_while_others_are_used(world: AdapterWorld) -> None:
    """The crash of the ungated library: 60 sessions twice in the suite, 100 sessions ten times in the slow test."""
    sessions, rounds = int(world.options["sessions"]), int(world.options["rounds"])
    _, sender = await world.connected("sender@1", phone(9_000))
    _, taker = await world.connected("taker@1", phone(9_001))
    limit = asyncio.Semaphore(8)

    async def pair(number: int) -> Device:
        async with limit:
            return await world.pair(phone(number))

    devices = await asyncio.gather(*(pair(number) for number in range(sessions)))
    stop = asyncio.Event()
    sent = 0

    async def keep_sending(session: Any, to: str) -> None:
        nonlocal sent
        while not stop.is_set():
            await session.send_text(to, f"durante {sent}")
            sent += 1

    using = [
        asyncio.create_task(keep_sending(sender.session, phone(9_001))),
        asyncio.create_task(keep_sending(taker.session, phone(9_000))),
    ]
    for turn in range(rounds):
        started = time.monotonic()
        watched = await asyncio.gather(
            *(world.host_device(f"s{number}@{turn}", device) for number, device in enumerate(devices))
        )
        await asyncio.gather(*(one.saw(Connected, seconds=90) for one in watched))
        up = time.monotonic() - started
        await asyncio.gather(*(one.session.send_text(phone(9_001), "oi") for one in watched[:20]))
        started = time.monotonic()
        await asyncio.gather(*(one.session.stop() for one in watched))
        print(f"round {turn}: {sessions} up in {up:.2f} s, down in {time.monotonic() - started:.2f} s, {sent} sent")
        shown = (await world.call("GET", "/devices"))["devices"]
        jids = {device.jid for device in devices}
        assert all(one["socketsOpen"] == 0 and one["mostSocketsOpen"] == 1 for one in shown if one["jid"] in jids)
    stop.set()
    await asyncio.gather(*using)
    counters = world.host.workshop
    assert sent > 0
    assert counters.switchboard.counters.errors == 0
    assert counters.counters.handler_errors == 0
    print(f"gate: {counters.gate.counters}; threads at the end: {threading.active_count()}")


async def _run(name: str, config: dict[str, Any]) -> None:
    world = AdapterWorld(config)
    try:
        await SCENARIOS[name](world)
        counters = world.host.workshop
        assert counters.switchboard.counters.errors == 0
        assert counters.counters.handler_errors == 0
    finally:
        await world.close()


if __name__ == "__main__":
    signal.alarm(600)
    asyncio.run(_run(sys.argv[1], json.loads(sys.argv[2])))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
