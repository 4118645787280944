"""A session lives for years, in run after run: nothing is lost between two of them."""

from __future__ import annotations

import asyncio

from contracts.hosting import HostResult, PairResult
from contracts.states import SessionState
from tests.workflows.stage import MARKS, Theatre, device
from workflows.session import HARD_LIMIT_FACTOR, SessionWorkflow

pytestmark = MARKS
S = SessionState


async def test_a_run_that_has_grown_is_continued_with_its_window_and_its_count(scene: Theatre) -> None:
    stage = await scene.opens(history_limit=20)
    pairing = await stage.shows_qr()
    window = (await stage.view()).window_ends_at
    for _ in range(6):
        pairing.ends(PairResult.CODES_EXHAUSTED)
        pairing = await stage.pairing()
        await pairing.shows_qr()
    view = await stage.view()
    assert len(await stage.histories()) > 1
    assert (view.window_ends_at, view.sequence) == (window, 1)
    pairing.ends(PairResult.PAIRED, device=device())
    await (await stage.hosting()).connects()
    await stage.recorded(S.CONNECTED)


async def test_a_socket_is_let_go_for_it_only_at_the_hard_limit_and_comes_back(scene: Theatre) -> None:
    limit = 12
    stage = await scene.opens(history_limit=limit)
    hosting = await stage.connected()
    while not hosting.over:
        before = len(stage.records)
        await hosting.tells("connected" if stage.records[-1].to_state is S.RECONNECTING else "disconnected")
        await stage.until(lambda n=before: len(stage.records) > n or hosting.over, "the next transition")
    assert hosting.releases == ["continue_as_new"]
    await (await stage.hosting()).connects()
    await stage.until(lambda: stage.story()[-1] in ("host_changed:connected", "connected:connected"), "the return")
    runs = await stage.histories()
    assert len(runs[-2].events) > HARD_LIMIT_FACTOR * limit
    assert (await stage.view()).state is S.CONNECTED


async def test_commands_and_facts_in_flight_are_carried_over(scene: Theatre) -> None:
    """With so low a limit nearly every hand-over point is used, while commands pour in."""
    stage = await scene.opens(state=S.STOPPED, device=device(), has_connected=True, history_limit=5)
    stage.connects_by_itself = True
    commands = [SessionWorkflow.reconnect, SessionWorkflow.disconnect] * 6
    answers = await asyncio.gather(*(stage.handle.execute_update(command) for command in commands))
    assert {answer.state for answer in answers} <= {S.RECONNECTING, S.STOPPED}
    final = await stage.handle.execute_update(SessionWorkflow.reconnect)
    assert final.state is S.RECONNECTING
    await stage.until(lambda: stage.records[-1].to_state is S.CONNECTED, "the connection after the last command")
    assert len(await stage.histories()) > 1


async def test_a_holder_of_an_earlier_run_is_not_listened_to(scene: Theatre) -> None:
    stage = await scene.opens(state=S.RECONNECTING, device=device(), has_connected=True, history_limit=5)
    old = await stage.hosting()
    old.ends(HostResult.CONNECTION_LOST)
    new = await stage.hosting()
    assert len(await stage.histories()) > 1
    await old.connects()
    assert (await stage.view()).state is S.RECONNECTING
    await new.connects()
    await stage.recorded(S.CONNECTED)


async def test_a_deletion_ends_the_last_run(scene: Theatre) -> None:
    stage = await scene.opens(state=S.QR_EXPIRED, history_limit=5)
    await stage.handle.execute_update(SessionWorkflow.refresh_qr)
    await stage.shows_qr()
    await stage.handle.execute_update(SessionWorkflow.delete)
    await stage.handle.result()
    assert len(stage.removed) == 1
