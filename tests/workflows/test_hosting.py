"""A linked device: its link comes and goes, its holder changes, and what ends it ends it in a state of its own."""

from __future__ import annotations

import time

import pytest
from temporalio.exceptions import ApplicationError

from contracts.hosting import HostResult, PairResult
from contracts.session import HostFact, Superseded
from contracts.states import SessionState
from tests.workflows.stage import HOST, MARKS, Theatre, device
from workflows.session import SessionWorkflow

pytestmark = MARKS
S = SessionState


async def test_a_lost_link_and_its_return_are_written(scene: Theatre) -> None:
    stage = await scene.opens()
    hosting = await stage.connected()
    await hosting.tells("disconnected", detail="EOF")
    lost = await stage.recorded(S.RECONNECTING, "CONNECTION_LOST")
    assert lost.detail == {"detail": "EOF", "host": HOST}
    await hosting.connects()
    await stage.recorded(S.CONNECTED, after=lost.sequence)
    assert len(stage.held) == 2


async def test_a_burst_of_flapping_is_at_most_one_transition_a_write(scene: Theatre) -> None:
    stage = await scene.opens()
    hosting = await stage.connected()
    stage.database_down = True
    await hosting.tells("disconnected")
    await stage.until(lambda: stage.writes_tried > len(stage.records), "the write of the loss")
    for _ in range(5):
        await hosting.connects()
        await hosting.tells("disconnected")
    await hosting.connects()
    stage.database_down = False
    await stage.recorded(S.CONNECTED, after=3)
    assert stage.story()[2:] == ["connected:connected", "disconnected:reconnecting", "connected:connected"]


async def test_a_new_holder_that_logs_in_at_once_is_written_as_a_change_of_host(scene: Theatre) -> None:
    stage = await scene.opens()
    first = await stage.connected()
    first.fails(ApplicationError("worker_stopping", type="HandedOver"))
    second = await stage.hosting()
    await second.connects()
    await stage.until(lambda: stage.story()[-1] == "host_changed:connected", "the change of host")
    view = await stage.view()
    assert (view.epoch, view.state) == (second.epoch, S.CONNECTED)


async def test_a_new_holder_without_a_link_yet_is_reconnecting(scene: Theatre) -> None:
    stage = await scene.opens()
    first = await stage.connected()
    first.fails(RuntimeError("the worker broke"))
    second = await stage.hosting()
    await second.tells("claimed")
    await stage.recorded(S.RECONNECTING, "HOST_CHANGED")
    await second.connects()
    await stage.recorded(S.CONNECTED, after=4)


async def test_a_holder_under_an_older_epoch_is_not_listened_to(scene: Theatre) -> None:
    stage = await scene.opens()
    old = await stage.connected()
    old.fails(RuntimeError("the worker broke"))
    new = await stage.hosting()
    await new.connects()
    await stage.until(lambda: stage.story()[-1] == "host_changed:connected", "the change of host")
    await old.tells("disconnected")
    await new.tells("disconnected", detail="the new one's")
    record = await stage.recorded(S.RECONNECTING)
    assert record.detail["detail"] == "the new one's"
    assert (await stage.view()).epoch == new.epoch


async def test_a_holder_that_let_go_is_not_listened_to_even_while_nobody_holds(scene: Theatre) -> None:
    stage = await scene.opens()
    old = await stage.connected()
    old.ends(HostResult.CONNECTION_LOST)
    new = await stage.hosting()
    await old.connects()
    await old.shows_qr()
    view = await stage.view()
    assert (view.state, view.host_id) == (S.RECONNECTING, None)
    await new.connects()
    await stage.recorded(S.CONNECTED, after=4)


async def test_a_pairing_that_let_go_cannot_take_the_session_back(scene: Theatre) -> None:
    stage = await scene.opens()
    pairing = await stage.shows_qr()
    pairing.ends(PairResult.PAIRED, device=device())
    hosting = await stage.hosting()
    await pairing.shows_qr()
    assert (await stage.view()).host_id is None
    await hosting.connects()
    await stage.recorded(S.CONNECTED)


@pytest.mark.parametrize(
    ("result", "more", "state", "reason"),
    [
        (HostResult.LOGGED_OUT, {}, S.LOGGED_OUT, "UNLINKED_ON_PHONE"),
        (HostResult.KEYS_MISSING, {}, S.LOGGED_OUT, "KEYS_MISSING"),
        (HostResult.BANNED, {"until": 1e11, "detail": "too many"}, S.BANNED, "TEMPORARY_BAN"),
        (HostResult.CLIENT_OUTDATED, {}, S.CLIENT_OUTDATED, "CLIENT_OUTDATED"),
        (HostResult.REPLACED, {}, S.DUPLICATE, "STREAM_REPLACED"),
    ],
)
async def test_each_end_is_a_state_of_its_own_and_is_not_retried(
    scene: Theatre, result: HostResult, more: dict[str, object], state: SessionState, reason: str
) -> None:
    stage = await scene.opens()
    hosting = await stage.connected()
    hosting.ends(result, connected=True, **more)
    record = await stage.recorded(state, reason)
    keys_gone = state is S.LOGGED_OUT
    assert (record.device is None) == keys_gone
    assert stage.forgotten == ([device()] if keys_gone else [])
    if "until" in more:
        assert record.detail["until"] == str(more["until"])
    # An hour later nobody has tried again.
    await stage.fast_forward(3600)
    view = await stage.view()
    assert (view.state, view.reason, view.host_id) == (state, reason, None)
    assert len(stage.held) == 2


@pytest.mark.parametrize("result", [HostResult.LOGGED_OUT, HostResult.KEYS_MISSING])
async def test_a_pairing_the_phone_did_not_finish_leads_to_a_new_code(scene: Theatre, result: HostResult) -> None:
    stage = await scene.opens()
    hosting = await stage.paired()
    window = (await stage.view()).window_ends_at
    hosting.ends(result)
    record = await stage.recorded(S.STARTING, "PAIRING_NOT_COMPLETED")
    assert record.clear_device
    assert stage.forgotten == [device()]
    await stage.shows_qr()
    assert (await stage.view()).window_ends_at == window


async def test_a_first_login_that_is_lost_is_not_a_finished_pairing(scene: Theatre) -> None:
    stage = await scene.opens()
    (await stage.paired()).ends(HostResult.CONNECTION_LOST)
    await stage.recorded(S.RECONNECTING)
    (await stage.hosting()).ends(HostResult.LOGGED_OUT)
    await stage.recorded(S.STARTING, "PAIRING_NOT_COMPLETED")


async def test_a_refused_login_is_shown_and_tried_again(scene: Theatre) -> None:
    stage = await scene.opens()
    (await stage.connected()).ends(HostResult.REFUSED, detail="503")
    record = await stage.recorded(S.RECONNECTING, "LOGIN_REFUSED")
    assert record.detail["detail"] == "503"
    await (await stage.hosting()).connects()
    await stage.recorded(S.CONNECTED, after=record.sequence)


async def test_a_newer_session_of_the_phone_closes_the_older_one(scene: Theatre) -> None:
    older = await scene.opens()
    holder = await older.connected()
    newer = await scene.opens()
    newer.supersedes = [older.connection_id]
    await newer.connected()
    record = await older.recorded(S.DUPLICATE, "REPLACED_BY_NEW_CONNECTION")
    assert record.detail["detail"] == newer.connection_id
    assert holder.releases == ["superseded"]
    assert record.device == device()
    assert (await newer.view()).state is S.CONNECTED


async def test_an_older_session_that_is_gone_does_not_hold_the_newer_one_up(scene: Theatre) -> None:
    stage = await scene.opens()
    stage.supersedes = ["a-connection-that-never-was"]
    await stage.connected()


@pytest.mark.parametrize("state", [S.LOGGED_OUT, S.QR_EXPIRED])
async def test_a_session_without_a_device_is_no_duplicate(scene: Theatre, state: SessionState) -> None:
    stage = await scene.opens(state=state)
    await stage.handle.signal(SessionWorkflow.superseded, Superseded("newer"))
    assert (await stage.view()).state is state
    await stage.handle.execute_update(SessionWorkflow.refresh_qr)
    assert stage.story() == ["refresh_qr:starting"]


async def test_a_word_about_the_device_before_does_not_close_the_next_one(scene: Theatre) -> None:
    stage = await scene.opens()
    pairing = await stage.shows_qr()
    await stage.handle.signal(SessionWorkflow.superseded, Superseded("newer"))
    pairing.ends(PairResult.PAIRED, device=device())
    await (await stage.hosting()).connects()
    await stage.recorded(S.CONNECTED)


async def test_a_superseded_session_at_rest_is_a_duplicate(scene: Theatre) -> None:
    stage = await scene.opens(state=S.STOPPED, device=device(), has_connected=True)
    await stage.handle.signal(SessionWorkflow.superseded, Superseded("newer"))
    await stage.recorded(S.DUPLICATE, "REPLACED_BY_NEW_CONNECTION")


async def test_a_fact_of_an_unknown_kind_changes_nothing(scene: Theatre) -> None:
    stage = await scene.opens()
    hosting = await stage.connected()
    await stage.handle.signal(SessionWorkflow.host_fact, HostFact("news", HOST, hosting.epoch, time.time()))
    assert (await stage.view()).state is S.CONNECTED
    assert len(stage.records) == 3
