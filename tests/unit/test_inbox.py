"""From the callback to the commit: in order, in batches, once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from activities import inbox as module
from activities.inbox import Inbox
from contracts.errors import StaleEpoch
from contracts.messages import DeliveryStatus, Receipt
from tests.unit.ports import MemoryMessages, lease, message, until


async def test_what_arrives_is_written_in_order() -> None:
    store = MemoryMessages()
    inbox = Inbox(lease(), store)
    for number in range(500):
        await inbox.put(message(number))
    await inbox.drain(5)
    assert store.written == [f"M{number}" for number in range(500)]
    assert inbox.written == 500


async def test_what_waits_is_written_in_few_batches_none_above_the_limit() -> None:
    store = MemoryMessages()
    inbox = Inbox(lease(), store)
    for number in range(3 * module.BATCH_LIMIT):
        await inbox.put(message(number))
    await inbox.drain(5)
    assert max(len(batch) for batch in store.batches) <= module.BATCH_LIMIT
    assert len(store.batches) <= 5


async def test_a_batch_is_kept_while_the_database_is_away_and_written_once_when_it_is_back() -> None:
    store = MemoryMessages()
    store.database.away = True
    inbox = Inbox(lease(), store)
    for number in range(3):
        await inbox.put(message(number))
    await until(lambda: store.database.tried >= 2)
    await inbox.put(message(3))
    store.database.away = False
    await inbox.drain(5)
    assert store.written == ["M0", "M1", "M2", "M3"]


async def test_messages_and_receipts_share_a_batch() -> None:
    store = MemoryMessages()
    inbox = Inbox(lease(), store)
    receipt = Receipt(("S1",), "5511@s.whatsapp.net", DeliveryStatus.READ, datetime.now(UTC))
    await inbox.put(message(1))
    await inbox.put(receipt)
    await inbox.drain(5)
    assert store.written == ["M1"]
    assert store.receipts == [receipt]
    assert inbox.written == 1


async def test_a_full_buffer_makes_the_reader_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUFFER_LIMIT", 2)
    store = MemoryMessages()
    store.database.away = True
    inbox = Inbox(lease(), store)
    await inbox.put(message(0))
    await until(lambda: store.database.tried > 0)
    for number in (1, 2):
        await inbox.put(message(number))
    waiting = asyncio.create_task(inbox.put(message(3)))
    tried = store.database.tried
    await until(lambda: store.database.tried > tried)
    assert not waiting.done()
    store.database.away = False
    await waiting
    await inbox.drain(5)
    assert store.written == ["M0", "M1", "M2", "M3"]


async def test_a_stale_epoch_ends_the_writing() -> None:
    store = MemoryMessages()
    store.database.stale = True
    inbox = Inbox(lease(), store)
    await inbox.put(message(1))
    with pytest.raises(StaleEpoch):
        await inbox.task
    await inbox.drain(5)
    assert store.written == []


async def test_draining_gives_up_in_time_when_the_database_stays_away() -> None:
    store = MemoryMessages()
    store.database.away = True
    inbox = Inbox(lease(), store)
    await inbox.put(message(1))
    async with asyncio.timeout(5):
        await inbox.drain(0.05)
    assert inbox.task.done()
