"""One held session: what the library reports becomes facts, writes and an outcome."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from activities import holding as module
from activities.holding import Holding
from contracts.device import (
    Banned,
    ClientOutdated,
    Connected,
    DeviceEvent,
    Disconnected,
    LoggedOut,
    LoginRefused,
    Replaced,
)
from contracts.errors import PereneError
from contracts.hosting import HostResult
from contracts.session import HostFact
from tests.unit.ports import MemoryMessages, MemorySends, MemorySocket, job, lease, until


class Held:
    def __init__(self) -> None:
        self.socket, self.messages, self.sends = MemorySocket(), MemoryMessages(), MemorySends()
        self.facts: list[HostFact] = []
        self.holding = Holding(lease(epoch=7), self.socket, self.messages, self.sends)
        self.holding.on_fact = self.facts.append

    @property
    def kinds(self) -> list[str]:
        return [fact.kind for fact in self.facts]


@pytest_asyncio.fixture
async def held() -> AsyncGenerator[Held]:
    opened = Held()
    yield opened
    await opened.holding.close()


async def test_a_login_is_told_and_counted(held: Held) -> None:
    held.socket.happens(Connected("Maria"))
    await until(lambda: held.kinds == ["connected"])
    assert held.facts[0].push_name == "Maria"
    assert held.facts[0].epoch == 7
    progress = held.holding.progress()
    assert (progress.phase, progress.connects, progress.epoch) == ("connected", 1, 7)
    assert progress.last_event_at is not None


async def test_a_lost_link_is_told_and_keeps_the_name(held: Held) -> None:
    held.socket.happens(Connected("Maria"), Disconnected("EOF"), Connected())
    await until(lambda: held.kinds == ["connected", "disconnected", "connected"])
    assert held.facts[1].detail == "EOF"
    assert held.facts[2].push_name == "Maria"
    assert not held.holding.outcome.done()


@pytest.mark.parametrize(
    ("event", "result"),
    [
        (LoggedOut("401"), HostResult.LOGGED_OUT),
        (Banned(123.0, "spam"), HostResult.BANNED),
        (ClientOutdated(), HostResult.CLIENT_OUTDATED),
        (Replaced(), HostResult.REPLACED),
        (LoginRefused("503"), HostResult.REFUSED),
    ],
)
async def test_each_end_the_library_reports_is_an_outcome_of_its_own(
    held: Held, event: DeviceEvent, result: HostResult
) -> None:
    held.socket.happens(Connected(), event)
    outcome = await asyncio.wait_for(held.holding.outcome, 5)
    assert (outcome.result, outcome.epoch, outcome.connected) == (result, 7, True)
    assert outcome.until == (123.0 if result is HostResult.BANNED else None)
    assert not held.holding.is_connected


async def test_nothing_is_sent_after_the_end(held: Held) -> None:
    held.socket.happens(Connected(), LoggedOut())
    await asyncio.wait_for(held.holding.outcome, 5)
    tried = held.sends.database.tried
    held.sends.queue.append(job(1))
    held.holding.outbound.wake()
    for _ in range(20):
        await asyncio.sleep(0)
    assert not held.socket.on_wire
    assert held.sends.database.tried <= tried + 1


async def test_a_login_that_does_not_come_in_time_is_a_lost_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECONNECT_GRACE_SECONDS", 0.02)
    held = Held()
    outcome = await asyncio.wait_for(held.holding.outcome, 5)
    assert (outcome.result, outcome.connected) == (HostResult.CONNECTION_LOST, False)
    await held.holding.close()


async def test_a_link_that_does_not_return_in_time_is_a_lost_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held()
    held.socket.happens(Connected())
    await until(lambda: held.kinds == ["connected"])
    monkeypatch.setattr(module, "RECONNECT_GRACE_SECONDS", 0.02)
    held.socket.happens(Disconnected("EOF"))
    outcome = await asyncio.wait_for(held.holding.outcome, 5)
    assert (outcome.result, outcome.connected, outcome.detail) == (HostResult.CONNECTION_LOST, True, "EOF")
    await held.holding.close()


async def test_a_link_that_returns_in_time_ends_nothing(held: Held) -> None:
    held.socket.happens(Disconnected(), Connected())
    await until(lambda: held.holding.is_connected)
    assert held.holding._link_deadline is None  # pyright: ignore[reportPrivateUsage]


async def test_a_stale_epoch_of_a_message_ends_the_holding_as_fenced(held: Held) -> None:
    held.messages.database.stale = True
    held.socket.happens(Connected())
    held.socket.arrives(1)
    outcome = await asyncio.wait_for(held.holding.outcome, 5)
    assert (outcome.result, outcome.detail) == (HostResult.RELEASED, "fenced")


async def test_a_stale_epoch_of_a_send_ends_the_holding_as_fenced(held: Held) -> None:
    held.sends.database.stale = True
    held.socket.happens(Connected())
    outcome = await asyncio.wait_for(held.holding.outcome, 5)
    assert (outcome.result, outcome.detail) == (HostResult.RELEASED, "fenced")


async def test_a_broken_event_stream_is_a_lost_connection_and_says_why(held: Held) -> None:
    held.socket.happens(RuntimeError("broken"))
    outcome = await asyncio.wait_for(held.holding.outcome, 5)
    assert (outcome.result, outcome.detail) == (HostResult.CONNECTION_LOST, "RuntimeError: broken")


async def test_closing_writes_what_had_arrived_and_stops_the_socket_once(held: Held) -> None:
    held.socket.happens(Connected())
    held.socket.arrives(*range(50))
    await asyncio.gather(held.holding.close(), held.holding.close())
    assert held.messages.written == [f"M{number}" for number in range(50)]
    assert held.socket.stops == 1
    assert held.holding.outcome.result().result is HostResult.RELEASED


async def test_closing_goes_on_when_the_one_who_asked_is_cancelled(held: Held) -> None:
    held.messages.database.away = True
    held.socket.arrives(1)
    await until(lambda: held.messages.database.tried > 0)
    asking = asyncio.create_task(held.holding.close())
    await until(lambda: held.socket.stops == 1)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    held.messages.database.away = False
    await held.holding.close()
    assert held.messages.written == ["M1"]


async def test_the_first_reason_to_end_counts(held: Held) -> None:
    held.holding.release("disconnect")
    held.socket.happens(Replaced())
    await until(lambda: held.socket.stream.empty())
    assert held.holding.outcome.result().detail == "disconnect"


async def test_unlinking_needs_a_link(held: Held) -> None:
    with pytest.raises(PereneError) as refused:
        await held.holding.logout()
    assert refused.value.code == "SESSION_NOT_CONNECTED"
    held.socket.happens(Connected())
    await until(lambda: held.holding.is_connected)
    await held.holding.logout()
    assert held.socket.logouts == 1
    assert held.holding.outcome.result().result is HostResult.LOGGED_OUT
