"""Long waits: the growing delays of reconnecting, and the terms after which one careful try is due."""

from __future__ import annotations

import asyncio
import time

import pytest

from contracts.hosting import HostResult, PairResult
from contracts.states import SessionState
from tests.workflows.stage import MARKS, Stage, Theatre, device
from workflows.backoff import CAP_SECONDS, FIRST_SECONDS
from workflows.session import BAN_MARGIN_SECONDS, OUTDATED_PROBE_SECONDS

pytestmark = MARKS
S = SessionState
TRIES = 7


async def waits(stage: Stage) -> list[float]:
    """The lengths of this run's timers, in seconds."""
    history = await stage.handle.fetch_history()
    return [
        event.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta().total_seconds()
        for event in history.events
        if event.HasField("timer_started_event_attributes")
    ]


def check_growth(delays: list[float]) -> None:
    ceilings = [min(CAP_SECONDS, FIRST_SECONDS * 2**number) for number in range(len(delays))]
    assert len(delays) == TRIES
    for delay, ceiling in zip(delays, ceilings, strict=True):
        assert ceiling / 2 - 0.01 <= delay <= ceiling + 0.01


async def test_a_lost_connection_and_a_pairing_without_codes_are_tried_for_ever_with_growing_delays(
    scene: Theatre,
) -> None:
    lost = await scene.opens(state=S.RECONNECTING, device=device(), has_connected=True, skips_time=True)
    codeless = await scene.opens(skips_time=True)

    async def connections() -> None:
        for _ in range(TRIES):
            (await lost.hosting()).ends(HostResult.CONNECTION_LOST)
        last = await lost.hosting()
        assert (await lost.view()).retry_attempt == TRIES
        check_growth(await waits(lost))
        assert lost.story() == []
        await last.connects()
        await lost.recorded(S.CONNECTED)
        assert (await lost.view()).retry_attempt == 0

    async def pairings() -> None:
        for _ in range(TRIES):
            (await codeless.pairing()).ends(PairResult.UNREACHABLE)
        await codeless.pairing()
        check_growth(await waits(codeless))
        assert codeless.story() == ["unreachable:starting"]

    await asyncio.gather(connections(), pairings())


async def test_the_wait_for_the_next_try_is_shown(scene: Theatre) -> None:
    stage = await scene.opens(state=S.RECONNECTING, device=device(), has_connected=True, retry_attempt=20)
    view = await stage.view()
    assert view.retry_at is not None
    assert CAP_SECONDS / 2 - 5 <= view.retry_at - time.time() <= CAP_SECONDS


async def test_a_ban_is_probed_once_when_its_term_is_over_and_not_before(scene: Theatre) -> None:
    stage = await scene.opens(state=S.RECONNECTING, device=device(), has_connected=True)
    until = time.time() + 3600
    (await stage.hosting()).ends(HostResult.BANNED, until=until)
    await stage.recorded(S.BANNED)
    await stage.fast_forward(3000)
    assert (await stage.view()).state is S.BANNED
    async with stage.time_passing(600 + BAN_MARGIN_SECONDS + 10):
        await stage.recorded(S.RECONNECTING, "PROBE")
        probe = await stage.hosting()
    probe.ends(HostResult.BANNED)
    await stage.recorded(S.BANNED, after=2)
    # No term is known now: nobody tries, however long it lasts.
    await stage.fast_forward(30 * 86_400)
    assert stage.story() == ["banned:banned", "probe_due:reconnecting", "banned:banned"]
    assert len(stage.held) == 2


async def test_an_outdated_client_is_probed_once_in_a_while(scene: Theatre) -> None:
    stage = await scene.opens(state=S.RECONNECTING, device=device(), has_connected=True)
    (await stage.hosting()).ends(HostResult.CLIENT_OUTDATED)
    await stage.recorded(S.CLIENT_OUTDATED)
    for number in range(2):
        await stage.fast_forward(OUTDATED_PROBE_SECONDS - 600)
        assert len(stage.held) == 1 + number
        async with stage.time_passing(620):
            probe = await stage.hosting()
        probe.ends(HostResult.CLIENT_OUTDATED)
        await stage.recorded(S.CLIENT_OUTDATED, after=2 * (number + 1))
    assert stage.story()[1:3] == ["probe_due:reconnecting", "client_outdated:client_outdated"]


async def test_an_outdated_client_without_a_device_waits_for_a_person(scene: Theatre) -> None:
    stage = await scene.opens()
    (await stage.pairing()).ends(PairResult.CLIENT_OUTDATED)
    await stage.recorded(S.CLIENT_OUTDATED)
    await stage.fast_forward(3 * OUTDATED_PROBE_SECONDS)
    assert len(stage.records) == 1


@pytest.mark.parametrize("state", [S.STOPPED, S.DUPLICATE, S.QR_EXPIRED, S.LOGGED_OUT])
async def test_a_year_changes_nothing_for_what_rests(scene: Theatre, state: SessionState) -> None:
    linked = device() if state in (S.STOPPED, S.DUPLICATE) else None
    stage = await scene.opens(state=state, device=linked, has_connected=linked is not None)
    await stage.fast_forward(365 * 86_400)
    assert (await stage.view()).state is state
    assert not stage.held
    assert not stage.records
