"""Which process may hold a session: by the database's clock, with epochs that only grow."""

from __future__ import annotations

import asyncio
import time

import pytest

from contracts.device import QrShown
from contracts.errors import ConnectionNotFound, StaleEpoch
from store.leases import live_hosts
from store.session_rows import NewSession
from tests.db.parts import Parts

SHORT = 0.3
"""Seconds of a lease that a test waits out."""


async def _when_expired(parts: Parts, host_id: str) -> None:
    async with asyncio.timeout(20):
        # The database tells nobody when a lease runs out.
        while host_id in {host.host_id for host in await live_hosts(parts.api)}:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_session_is_held_by_one_live_host(parts: Parts, owner: str) -> None:
    await parts.create(owner)
    first, second = await parts.host("h1"), await parts.host("h2")
    lease = await parts.leases.claim("c1", owner, first)
    assert lease is not None
    assert await parts.leases.claim("c1", owner, second) is None


async def test_a_host_whose_claim_was_answered_to_nobody_may_claim_again(parts: Parts, owner: str) -> None:
    await parts.create(owner)
    host = await parts.host()
    lost = await parts.leases.claim("c1", owner, host)
    again = await parts.leases.claim("c1", owner, host)
    assert lost is not None
    assert again is not None
    assert again.epoch > lost.epoch
    with pytest.raises(StaleEpoch):
        await parts.sessions.publish_qr(lost, QrShown("x", 20, time.time(), b"k" * 32))


async def test_a_lease_brings_the_proxy_of_its_session(parts: Parts, owner: str) -> None:
    await parts.rows.create(owner, NewSession("c1", "Vendas", proxy="socks5://10.0.0.1:1080"), max_connections=1)
    lease = await parts.leases.claim("c1", owner, await parts.host())
    assert lease is not None
    assert lease.proxy == "socks5://10.0.0.1:1080"


async def test_a_released_session_is_free_and_its_old_epoch_is_refused(parts: Parts, owner: str) -> None:
    await parts.create(owner)
    first, second = await parts.host("h1"), await parts.host("h2")
    old = await parts.leases.claim("c1", owner, first)
    assert old is not None
    await parts.leases.release(old)
    new = await parts.leases.claim("c1", owner, second)
    assert new is not None
    assert new.epoch > old.epoch
    await parts.leases.release(old)
    assert await parts.leases.claim("c1", owner, first) is None
    with pytest.raises(StaleEpoch):
        await parts.sessions.publish_qr(old, QrShown("x", 20, time.time(), b"k" * 32))


async def test_the_same_host_may_claim_again_after_a_release(parts: Parts, owner: str) -> None:
    await parts.create(owner)
    host = await parts.host()
    first = await parts.leases.claim("c1", owner, host)
    assert first is not None
    await parts.leases.release(first)
    second = await parts.leases.claim("c1", owner, host)
    assert second is not None
    assert second.epoch > first.epoch


async def test_an_expired_host_loses_its_sessions_and_cannot_renew(parts: Parts, owner: str) -> None:
    await parts.create(owner)
    first = await parts.host("h1", SHORT)
    second = await parts.host("h2")
    assert await parts.leases.claim("c1", owner, first) is not None
    assert await parts.leases.claim("c1", owner, second) is None
    await _when_expired(parts, first)
    assert await parts.leases.claim("c1", owner, second) is not None
    assert await parts.leases.renew(first, ttl=60, held=1) is False
    assert await parts.leases.claim("c1", owner, first) is None


async def test_a_host_that_renews_keeps_its_sessions(parts: Parts, owner: str) -> None:
    await parts.create(owner)
    first, second = await parts.host("h1", SHORT), await parts.host("h2")
    assert await parts.leases.claim("c1", owner, first) is not None
    ends = time.monotonic() + 3 * SHORT
    while time.monotonic() < ends:
        assert await parts.leases.renew(first, ttl=SHORT, held=1) is True
        assert await parts.leases.claim("c1", owner, second) is None


async def test_an_expired_host_claims_nothing(parts: Parts, owner: str) -> None:
    await parts.create(owner)
    host = await parts.host("h1", SHORT)
    await _when_expired(parts, host)
    assert await parts.leases.claim("c1", owner, host) is None
    assert await parts.leases.claim("c1", owner, "never-registered") is None


async def test_a_retired_host_frees_the_sessions_of_every_owner_at_once(parts: Parts, owner: str) -> None:
    other = "00000000-0000-4000-8000-00000000000b"
    first, second = await parts.host("h1"), await parts.host("h2")
    await parts.create(owner, "mine")
    await parts.create(other, "theirs")
    old = await parts.leases.claim("mine", owner, first)
    assert old is not None
    assert await parts.leases.claim("theirs", other, first) is not None
    await parts.leases.retire(first)
    with pytest.raises(StaleEpoch):
        await parts.sessions.publish_qr(old, QrShown("x", 20, time.time(), b"k" * 32))
    assert await parts.leases.renew(first, ttl=60, held=0) is False
    assert await parts.leases.claim("mine", owner, second) is not None
    assert await parts.leases.claim("theirs", other, second) is not None


async def test_epochs_grow_even_for_a_connection_that_is_made_anew(parts: Parts, owner: str) -> None:
    host = await parts.host()
    epochs: list[int] = []
    for sequence in range(1, 4):
        await parts.create(owner)
        lease = await parts.leases.claim("c1", owner, host)
        assert lease is not None
        epochs.append(lease.epoch)
        await parts.sessions.remove("c1", owner, sequence, 1_700_000_000.0)
    assert epochs == sorted(set(epochs))


async def test_many_claims_at_once_give_one_lease(parts: Parts, owner: str) -> None:
    await parts.create(owner)
    hosts = [await parts.host(f"h{number}") for number in range(8)]
    leases = await asyncio.gather(*(parts.leases.claim("c1", owner, host) for host in hosts))
    assert len([lease for lease in leases if lease is not None]) == 1


async def test_claiming_a_removed_connection_says_so(parts: Parts, owner: str) -> None:
    with pytest.raises(ConnectionNotFound):
        await parts.leases.claim("gone", owner, await parts.host())


async def test_a_host_that_registers_again_holds_nothing(parts: Parts, owner: str) -> None:
    await parts.create(owner)
    host = await parts.host("h1")
    assert await parts.leases.claim("c1", owner, host) is not None
    await parts.host("h1")
    assert await parts.leases.claim("c1", owner, host) is not None


async def test_live_hosts_are_listed_with_what_they_hold(parts: Parts) -> None:
    await parts.host("b")
    await parts.host("a")
    await parts.host("gone")
    await parts.leases.renew("a", ttl=60, held=7)
    await parts.leases.retire("gone")
    hosts = await live_hosts(parts.api)
    assert [(host.host_id, host.held) for host in hosts] == [("a", 7), ("b", 0)]
    assert all(0 < host.expires_in <= 60 for host in hosts)
