"""The outbox: numbered after the commit, followed and resumed without a hole."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import timedelta

import asyncpg
import pytest

from contracts.realtime import ClientEvent
from store.outbox import NewEvent, OutboxEvent, OutboxTail, prune, queue_events, replay
from store.pool import Database
from tests.db.conftest import OpenDatabase

OTHER = "00000000-0000-4000-8000-00000000000b"


def _event(name: str) -> NewEvent:
    return NewEvent(ClientEvent.NEW_MESSAGE, {"name": name}, chat_id="chat")


async def _write(worker: Database, owner: str, *names: str) -> None:
    async with worker.tenant(owner) as connection:
        await queue_events(connection, owner, "c1", [_event(name) for name in names])


async def _take(tail: OutboxTail, count: int) -> list[OutboxEvent]:
    taken: list[OutboxEvent] = []
    async with asyncio.timeout(20), aclosing(tail.events()) as events:
        async for event in events:
            taken.append(event)
            if len(taken) == count:
                break
    return taken


def _names(events: list[OutboxEvent]) -> list[str]:
    return [event.payload["name"] for event in events]


@pytest.fixture
async def relay(open_database: OpenDatabase) -> Database:
    return await open_database("perene_relay")


@pytest.fixture
async def worker(open_database: OpenDatabase) -> Database:
    return await open_database("perene_worker")


@pytest.fixture
async def api(open_database: OpenDatabase) -> Database:
    return await open_database("perene_api")


async def test_a_transaction_that_commits_late_is_not_skipped(
    relay: Database, worker: Database, api: Database, owner: str
) -> None:
    tail = OutboxTail(relay, after=0)
    taken: list[OutboxEvent] = []
    arrived = asyncio.Condition()

    async def follow() -> None:
        async with aclosing(tail.events()) as events:
            async for event in events:
                async with arrived:
                    taken.append(event)
                    arrived.notify_all()

    following = asyncio.create_task(follow())
    try:
        async with asyncio.timeout(20):
            async with worker.tenant(owner) as late:
                # This row has the smaller id and stays out of sight while the other is committed and told.
                await queue_events(late, owner, "c1", [_event("late")])
                await _write(worker, OTHER, "early")
                async with arrived:
                    await arrived.wait_for(lambda: _names(taken) == ["early"])
                assert tail.position == taken[0].event_id
                assert (await replay(api, owner, 0)).events == []
            async with arrived:
                await arrived.wait_for(lambda: len(taken) == 2)
    finally:
        following.cancel()
    assert _names(taken) == ["early", "late"]
    assert taken[1].event_id > taken[0].event_id
    # A client that resumes from what it saw before the late commit finds it as well.
    assert _names((await replay(api, owner, taken[0].event_id)).events) == ["late"]


async def test_two_nodes_see_every_event_in_the_same_order(relay: Database, worker: Database, owner: str) -> None:
    names = [str(number) for number in range(60)]
    nodes = [asyncio.create_task(_take(OutboxTail(relay, after=0), 60)) for _ in range(2)]
    await asyncio.gather(*(_write(worker, owner, name) for name in names))
    first, second = await asyncio.gather(*nodes)
    assert first == second
    assert sorted(_names(first)) == sorted(names)
    assert [event.event_id for event in first] == list(range(1, 61))


async def test_events_of_one_transaction_keep_their_order(relay: Database, worker: Database, owner: str) -> None:
    names = [str(number) for number in range(1200)]
    await _write(worker, owner, *names)
    assert _names(await _take(OutboxTail(relay, after=0), 1200)) == names


async def test_a_tail_without_a_position_begins_with_what_nobody_numbered_yet(
    relay: Database, worker: Database, owner: str
) -> None:
    await _write(worker, owner, "told by an earlier node")
    await _take(OutboxTail(relay, after=0), 1)
    await _write(worker, owner, "committed while no node ran")
    assert _names(await _take(OutboxTail(relay), 1)) == ["committed while no node ran"]


async def test_an_event_whose_notification_was_lost_comes_all_the_same(
    relay: Database, worker: Database, owner: str, superuser: asyncpg.Connection
) -> None:
    await superuser.execute("ALTER TABLE outbox DISABLE TRIGGER tell")
    following = asyncio.create_task(_take(OutboxTail(relay, after=0, poll_seconds=0.1), 2))
    await _write(worker, owner, "first")
    await _write(worker, owner, "second")
    assert _names(await following) == ["first", "second"]


async def test_resume_gives_an_owner_its_own_events_only_in_pages(
    relay: Database, worker: Database, api: Database, owner: str
) -> None:
    await _write(worker, owner, "a", "b")
    await _write(worker, OTHER, "not mine")
    await _write(worker, owner, "c")
    told = await _take(OutboxTail(relay, after=0), 4)
    page = await replay(api, owner, 0, limit=2)
    assert (_names(page.events), page.complete) == (["a", "b"], True)
    assert _names((await replay(api, owner, page.events[-1].event_id)).events) == ["c"]
    assert (await replay(api, owner, told[-1].event_id)).events == []


async def test_pruning_removes_old_events_and_a_late_resume_is_told(
    relay: Database, worker: Database, api: Database, owner: str, superuser: asyncpg.Connection
) -> None:
    await _write(worker, owner, "old", "new")
    await _take(OutboxTail(relay, after=0), 2)
    await _write(worker, owner, "not numbered yet")
    await superuser.execute(
        "UPDATE outbox SET created_at = now() - interval '8 days' WHERE payload ->> 'name' <> 'new'"
    )
    assert await prune(relay) == 1
    late = await replay(api, owner, 0)
    assert (_names(late.events), late.complete) == (["new"], False)
    assert (await replay(api, owner, 1)).complete
    assert await prune(relay, timedelta(days=1)) == 0


async def test_the_relay_reads_the_outbox_and_nothing_else(relay: Database) -> None:
    for table in ("whatsapp_sessions", "session_pairings", "whatsapp_mensagens", "send_queue"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with relay.ownerless() as connection:
                await connection.fetch(f"SELECT * FROM {table}")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with relay.ownerless() as connection:
            await connection.execute("UPDATE outbox SET payload = '{}'")
