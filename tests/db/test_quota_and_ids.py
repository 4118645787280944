"""Making connections: the quota, taken ids, and what autoInit finds."""

from __future__ import annotations

import asyncio

import pytest

from contracts.errors import ConnectionAlreadyExists, ConnectionNotFound, MaxConnectionsReached
from contracts.states import SessionState
from store.session_rows import UNPAIRED_PER_PAIRED
from tests.db.parts import Parts, phone_device

S = SessionState
OTHER = "00000000-0000-4000-8000-00000000000b"


async def test_an_id_is_taken_whoever_has_it(parts: Parts, owner: str) -> None:
    await parts.create(owner)
    for who in (owner, OTHER):
        with pytest.raises(ConnectionAlreadyExists):
            await parts.create(who)
    with pytest.raises(ConnectionNotFound):
        await parts.rows.get(OTHER, "c1")


async def test_the_quota_counts_linked_sessions_in_use_only(parts: Parts, owner: str) -> None:
    for number, name in enumerate(("c1", "c2")):
        await parts.create(owner, name, most=2)
        await parts.move(owner, name, 1, S.PAIRING, device=phone_device(f"551199999000{number}"))
    with pytest.raises(MaxConnectionsReached) as refused:
        await parts.create(owner, "c3", most=2)
    assert refused.value.data == {"activeConnections": 2, "maxConnections": 2}
    await parts.create(OTHER, "theirs", most=1)
    await parts.move(owner, "c1", 2, S.STOPPED)
    await parts.create(owner, "c3", most=2)


async def test_connections_that_wait_for_a_scan_have_a_limit_of_their_own(parts: Parts, owner: str) -> None:
    results = await asyncio.gather(
        *(parts.create(owner, f"c{number}", most=1) for number in range(UNPAIRED_PER_PAIRED + 6)),
        return_exceptions=True,
    )
    refused = [result for result in results if isinstance(result, MaxConnectionsReached)]
    assert len(refused) == 6
    assert len(await parts.rows.newest_first(owner)) == UNPAIRED_PER_PAIRED


async def test_one_id_asked_for_at_once_is_made_once(parts: Parts, owner: str) -> None:
    results = await asyncio.gather(*(parts.create(who, "same") for who in (owner, OTHER) * 4), return_exceptions=True)
    assert [type(result) for result in results].count(ConnectionAlreadyExists) == 7


async def test_connections_are_listed_newest_first(parts: Parts, owner: str) -> None:
    for name in ("c1", "c2", "c3"):
        await parts.create(owner, name)
    assert [row.connection_id for row in await parts.rows.newest_first(owner)] == ["c3", "c2", "c1"]


async def test_auto_init_goes_on_with_a_connected_session_before_others(parts: Parts, owner: str) -> None:
    assert await parts.rows.live(owner) is None
    for name in ("c1", "c2", "c3"):
        await parts.create(owner, name)
    await parts.move(owner, "c3", 1, S.LOGGED_OUT)
    await parts.move(owner, "c1", 1, S.CONNECTED, device=phone_device())
    live = await parts.rows.live(owner)
    assert live is not None
    assert live.connection_id == "c1"
    await parts.move(owner, "c1", 2, S.STOPPED)
    live = await parts.rows.live(owner)
    assert live is not None
    assert live.connection_id == "c2"


async def test_a_connection_is_discarded_only_before_its_first_transition(parts: Parts, owner: str) -> None:
    await parts.create(owner, "c1")
    await parts.create(owner, "c2")
    await parts.move(owner, "c2", 1, S.AWAITING_SCAN)
    assert await parts.rows.discard(owner, "c1")
    assert not await parts.rows.discard(owner, "c1")
    assert not await parts.rows.discard(owner, "c2")
