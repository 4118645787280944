"""Everything one process holds: adopted, given up, surrendered, closed."""

from __future__ import annotations

import asyncio

import pytest

from activities import holders as module
from activities.holders import Holders, Pairing
from activities.holding import Holding
from contracts.device import Connected, Replaced
from contracts.errors import PereneError
from contracts.hosting import HostResult
from contracts.ports import Lease
from tests.unit.ports import MemoryMessages, MemorySends, MemorySocket, lease, until

ORDER = "run/1"


class House:
    def __init__(self) -> None:
        self.released: list[Lease] = []
        self.sockets: dict[str, MemorySocket] = {}
        self.database_away: asyncio.Event | None = None
        self.holders = Holders(lambda given: asyncio.create_task(self._release(given)))

    async def _release(self, given: Lease) -> None:
        if self.database_away is not None:
            await self.database_away.wait()
        # The socket is closed before anybody else may open one.
        assert self.sockets[given.connection_id].stops
        self.released.append(given)

    def holds(self, connection_id: str = "c1", epoch: int = 1) -> Holding:
        socket = self.sockets[connection_id] = MemorySocket()
        holding = Holding(lease(connection_id, epoch), socket, MemoryMessages(), MemorySends(), ORDER)
        holding.attended = True
        self.holders.holdings[connection_id] = holding
        return holding


async def test_letting_go_closes_the_socket_then_gives_the_lease_back() -> None:
    house = House()
    holding = house.holds()
    await house.holders.let_go(holding)
    assert house.released == [holding.lease]
    assert house.holders.held() == 0


async def test_letting_go_runs_to_its_end_when_the_one_who_asked_is_cancelled() -> None:
    house = House()
    holding = house.holds()
    asking = asyncio.create_task(house.holders.let_go(holding))
    await until(lambda: house.sockets["c1"].stops == 1)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await until(lambda: house.released == [holding.lease])
    assert house.holders.held() == 0


async def test_letting_go_does_not_wait_for_ever_for_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RELEASE_SECONDS", 0.02)
    house = House()
    house.database_away = asyncio.Event()
    holding = house.holds()
    async with asyncio.timeout(5):
        await house.holders.let_go(holding)
    assert house.released == []
    house.database_away.set()
    await until(lambda: house.released == [holding.lease])


async def test_an_orphaned_holding_is_adopted_and_its_socket_is_not_touched() -> None:
    house = House()
    holding = house.holds()
    house.sockets["c1"].happens(Connected())
    await until(lambda: holding.is_connected)
    house.holders.orphan(holding)
    assert house.holders.adopt("c1", ORDER) is holding
    assert holding.attended
    assert holding.is_connected
    assert house.sockets["c1"].stops == 0
    await house.holders.close()


async def test_a_holding_that_is_attended_or_of_another_order_is_not_adopted() -> None:
    house = House()
    holding = house.holds()
    assert house.holders.adopt("c1", ORDER) is None
    house.holders.orphan(holding)
    assert house.holders.adopt("c1", "run/2") is None
    assert house.holders.adopt("another", ORDER) is None
    await house.holders.close()


async def test_an_end_that_came_while_nobody_listened_is_not_lost() -> None:
    house = House()
    holding = house.holds()
    house.holders.orphan(holding)
    house.sockets["c1"].happens(Replaced())
    await asyncio.wait_for(asyncio.shield(holding.outcome), 5)
    adopted = house.holders.adopt("c1", ORDER)
    assert adopted is holding
    assert adopted.outcome.result().result is HostResult.REPLACED
    await house.holders.close()


async def test_an_orphan_nobody_adopts_is_closed_and_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ADOPTION_SECONDS", 0.02)
    house = House()
    holding = house.holds()
    house.holders.orphan(holding)
    await until(lambda: house.released == [holding.lease])
    assert house.sockets["c1"].stops == 1
    assert house.holders.held() == 0


async def test_an_adopted_holding_outlives_the_adoption_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ADOPTION_SECONDS", 0.02)
    house = House()
    first, second = house.holds("c1"), house.holds("c2")
    house.holders.orphan(first)
    house.holders.orphan(second)
    assert house.holders.adopt("c1", ORDER) is first
    await until(lambda: house.released == [second.lease])
    assert house.sockets["c1"].stops == 0
    await house.holders.close()


async def test_a_surrender_closes_every_socket_and_ends_every_pairing() -> None:
    house = House()
    holdings = [house.holds(f"c{number}") for number in range(5)]
    pairing = Pairing(lease("p1"))
    house.holders.pairings["p1"] = pairing
    await house.holders.surrender("lease_not_renewed")
    assert all(socket.stops == 1 for socket in house.sockets.values())
    assert {holding.outcome.result().detail for holding in holdings} == {"lease_not_renewed"}
    assert pairing.stopped.is_set()
    await house.holders.close()


async def test_a_socket_that_cannot_be_closed_does_not_keep_the_others_open(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    for number in range(3):
        house.holds(f"c{number}")

    async def broken() -> None:
        raise RuntimeError("no")

    with monkeypatch.context() as patched:
        patched.setattr(house.sockets["c0"], "stop", broken)
        await house.holders.surrender("lease_not_renewed")
    assert [house.sockets[name].stops for name in ("c1", "c2")] == [1, 1]
    await house.holders.close()


async def test_closing_lets_everything_go() -> None:
    house = House()
    leases = [house.holds(f"c{number}").lease for number in range(3)]
    await house.holders.close()
    assert sorted(given.connection_id for given in house.released) == [given.connection_id for given in leases]
    assert house.holders.held() == 0


async def test_a_command_under_another_epoch_is_refused() -> None:
    house = House()
    holding = house.holds(epoch=5)
    assert house.holders.holding("c1", 5) is holding
    for connection_id, epoch in (("c1", 4), ("c2", 5)):
        with pytest.raises(PereneError) as refused:
            house.holders.holding(connection_id, epoch)
        assert refused.value.code == "SESSION_NOT_CONNECTED"
    pairing = house.holders.pairings["p1"] = Pairing(lease("p1", 3))
    assert house.holders.pairing("p1", 3) is pairing
    assert house.holders.pairing("p1", 2) is None
    assert house.holders.held() == 2
    await house.holders.close()


async def test_an_orphan_is_kept_for_as_long_as_the_orchestrator_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ADOPTION_SECONDS", 0.02)
    house, back = House(), asyncio.Event()
    kept, lost = house.holds("c1"), house.holds("c2")

    async def reachable() -> None:
        await back.wait()

    house.holders.orphan(kept, reachable)
    house.holders.orphan(lost)
    await until(lambda: house.released == [lost.lease])
    assert house.sockets["c1"].stops == 0
    back.set()
    await until(lambda: house.released == [lost.lease, kept.lease])


async def test_an_orphan_that_is_told_to_end_does_so_at_once() -> None:
    house = House()
    holding = house.holds(epoch=3)
    house.holders.orphan(holding, asyncio.Event().wait)
    house.holders.release("c1", 3, "disconnect")
    await until(lambda: house.released == [holding.lease])
    assert house.holders.held() == 0


async def test_a_surrender_gives_up_orphans_too() -> None:
    house = House()
    holding = house.holds()
    house.holders.orphan(holding, asyncio.Event().wait)
    await house.holders.surrender("lease_not_renewed")
    await until(lambda: house.released == [holding.lease])
    assert house.holders.held() == 0
