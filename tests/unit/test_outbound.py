"""Sends: in order, only while connected, and never twice."""

from __future__ import annotations

import asyncio

import pytest

from activities.outbound import Outbound
from contracts.errors import StaleEpoch
from tests.unit.ports import NOT_CONNECTED, REFUSED, UNKNOWN, MemorySends, MemorySocket, job, lease, read_job, until


async def test_accepted_sends_leave_in_order_and_are_recorded() -> None:
    sends, socket = MemorySends(), MemorySocket()
    sends.queue = [job(1), job(2), job(3)]
    outbound = Outbound(lease(), sends, socket)
    outbound.connected(True)
    await until(lambda: len(sends.outcomes) == 3)
    assert socket.on_wire == [1, 2, 3]
    assert sends.outcomes == {1: "sent S1", 2: "sent S2", 3: "sent S3"}
    await outbound.stop(1)


async def test_nothing_is_claimed_while_the_session_is_not_connected() -> None:
    sends, socket = MemorySends(), MemorySocket()
    sends.queue = [job(1)]
    outbound = Outbound(lease(), sends, socket)
    outbound.wake()
    for _ in range(20):
        await asyncio.sleep(0)
    assert sends.database.tried == 0
    outbound.connected(True)
    await until(lambda: 1 in sends.outcomes)
    await outbound.stop(1)


async def test_a_wake_finds_what_was_accepted_since() -> None:
    sends, socket = MemorySends(), MemorySocket()
    outbound = Outbound(lease(), sends, socket)
    outbound.connected(True)
    await until(lambda: sends.database.tried >= 2)
    sends.queue.append(job(1))
    outbound.wake()
    await until(lambda: 1 in sends.outcomes)
    await outbound.stop(1)


async def test_what_an_earlier_holder_left_is_settled_once_and_before_anything_is_sent() -> None:
    sends, socket = MemorySends(), MemorySocket()
    sends.database.away = True
    sends.queue = [job(1)]
    outbound = Outbound(lease(), sends, socket)
    outbound.connected(True)
    await until(lambda: sends.database.tried >= 2)
    assert not socket.on_wire
    sends.database.away = False
    await until(lambda: 1 in sends.outcomes)
    outbound.connected(False)
    outbound.connected(True)
    sends.queue.append(job(2))
    outbound.wake()
    await until(lambda: 2 in sends.outcomes)
    assert sends.recovered == 1
    await outbound.stop(1)


async def test_a_refused_send_is_recorded_as_failed() -> None:
    sends, socket = MemorySends(), MemorySocket()
    socket.answer = REFUSED
    sends.queue = [job(1)]
    outbound = Outbound(lease(), sends, socket)
    outbound.connected(True)
    await until(lambda: sends.outcomes == {1: "SEND_REFUSED"})
    await outbound.stop(1)


async def test_an_unknown_outcome_is_recorded_unknown_and_never_sent_again() -> None:
    sends, socket = MemorySends(), MemorySocket()
    socket.answer = UNKNOWN
    sends.queue = [job(1), job(2)]
    outbound = Outbound(lease(), sends, socket)
    outbound.connected(True)
    await until(lambda: sends.outcomes == {1: "unknown", 2: "unknown"})
    assert socket.on_wire == [1, 2]
    await outbound.stop(1)


async def test_a_result_waits_for_the_database_without_sending_again() -> None:
    sends, socket = MemorySends(), MemorySocket()
    socket.wire_free.clear()
    sends.queue = [job(1)]
    outbound = Outbound(lease(), sends, socket)
    outbound.connected(True)
    await until(lambda: socket.on_wire == [1])
    sends.database.away = True
    tried = sends.database.tried
    socket.wire_free.set()
    await until(lambda: sends.database.tried >= tried + 2)
    sends.database.away = False
    await until(lambda: sends.outcomes == {1: "sent S1"})
    assert socket.on_wire == [1]
    await outbound.stop(1)


async def test_stopping_lets_a_send_on_the_wire_be_recorded() -> None:
    sends, socket = MemorySends(), MemorySocket()
    socket.wire_free.clear()
    sends.queue = [job(1), job(2)]
    outbound = Outbound(lease(), sends, socket)
    outbound.connected(True)
    await until(lambda: socket.on_wire == [1])
    stopping = asyncio.create_task(outbound.stop(5))
    await asyncio.sleep(0)
    socket.wire_free.set()
    await stopping
    assert sends.outcomes == {1: "sent S1"}
    assert [left.id for left in sends.queue] == [2]


async def test_stopping_does_not_wait_for_ever_for_the_wire() -> None:
    sends, socket = MemorySends(), MemorySocket()
    socket.wire_free.clear()
    sends.queue = [job(1)]
    outbound = Outbound(lease(), sends, socket)
    outbound.connected(True)
    await until(lambda: socket.on_wire == [1])
    async with asyncio.timeout(5):
        await outbound.stop(0.05)
    assert outbound.task.done()
    assert not sends.outcomes


async def test_a_stale_epoch_ends_the_sending() -> None:
    sends, socket = MemorySends(), MemorySocket()
    sends.database.stale = True
    outbound = Outbound(lease(), sends, socket)
    outbound.connected(True)
    with pytest.raises(StaleEpoch):
        await outbound.task
    assert not socket.on_wire
    await outbound.stop(1)


async def test_read_receipts_keep_their_place_among_the_sends() -> None:
    sends, socket = MemorySends(), MemorySocket()
    sends.queue = [job(1), read_job(2), read_job(3, "99@lid"), job(4)]
    outbound = Outbound(lease(), sends, socket)
    outbound.connected(True)
    await until(lambda: len(sends.outcomes) == 4)
    assert sends.outcomes == {1: "sent S1", 2: "receipted", 3: "receipted", 4: "sent S4"}
    assert list(sends.outcomes) == [1, 2, 3, 4]
    assert socket.on_wire == [1, 4]
    assert socket.read == [("5511@s.whatsapp.net", None, ["M2"]), ("5511@s.whatsapp.net", "99@lid", ["M3"])]
    await outbound.stop(1)


async def test_read_receipts_that_could_not_leave_are_not_repeated_and_hold_nothing_up() -> None:
    sends, socket = MemorySends(), MemorySocket()
    socket.answer = NOT_CONNECTED
    sends.queue = [read_job(1), read_job(2)]
    outbound = Outbound(lease(), sends, socket)
    outbound.connected(True)
    await until(lambda: sends.outcomes == {1: "SESSION_NOT_CONNECTED", 2: "SESSION_NOT_CONNECTED"})
    assert len(socket.read) == 2
    assert not outbound.task.done()
    await outbound.stop(1)


async def test_read_receipts_on_the_wire_are_recorded_once_the_database_is_back() -> None:
    sends, socket = MemorySends(), MemorySocket()
    socket.wire_free.clear()
    sends.queue = [read_job(1)]
    outbound = Outbound(lease(), sends, socket)
    outbound.connected(True)
    await until(lambda: len(socket.read) == 1)
    sends.database.away = True
    tried = sends.database.tried
    socket.wire_free.set()
    await until(lambda: sends.database.tried >= tried + 2)
    sends.database.away = False
    await until(lambda: sends.outcomes == {1: "receipted"})
    assert len(socket.read) == 1
    await outbound.stop(1)
