"""From a new connection to a linked device."""

from __future__ import annotations

import pytest

from contracts.hosting import PairResult
from contracts.states import SessionState
from tests.workflows.stage import MARKS, Theatre, device
from workflows.session import SessionWorkflow

pytestmark = MARKS
S = SessionState


async def test_a_scan_leads_to_a_connected_session(scene: Theatre) -> None:
    stage = await scene.opens()
    hosting = await stage.paired()
    assert hosting.request.device == device()
    await hosting.connects(push_name="Maria")
    record = await stage.recorded(S.CONNECTED)
    assert record.device is not None
    assert record.device.push_name == "Maria"
    assert stage.story() == ["qr_shown:awaiting_scan", "paired:pairing", "connected:connected"]
    view = await stage.view()
    assert (view.state, view.host_id, view.epoch) == (S.CONNECTED, hosting.host_id, hosting.epoch)


async def test_codes_that_ran_out_are_renewed_without_anybody_asking(scene: Theatre) -> None:
    stage = await scene.opens()
    first = await stage.shows_qr()
    for _ in range(3):
        first.ends(PairResult.CODES_EXHAUSTED)
        first = await stage.pairing()
        await first.shows_qr()
    first.ends(PairResult.PAIRED, device=device())
    await stage.recorded(S.PAIRING)
    assert stage.story() == ["qr_shown:awaiting_scan", "paired:pairing"]


async def test_an_untouched_code_expires_with_its_window(scene: Theatre) -> None:
    stage = await scene.opens(window_seconds=0.3)
    pairing = await stage.shows_qr()
    record = await stage.recorded(S.QR_EXPIRED, "PAIRING_WINDOW_CLOSED")
    assert record.clear_device
    assert pairing.releases == ["window"]
    assert (await stage.view()).window_ends_at is None
    assert len(stage.held) == 1


async def test_time_without_any_code_does_not_count_for_the_window(scene: Theatre) -> None:
    stage = await scene.opens(window_seconds=0.2)
    first = await stage.pairing()
    first.ends(PairResult.UNREACHABLE)
    second = await stage.pairing()
    assert (await stage.view()).window_ends_at is None
    await second.shows_qr()
    await stage.recorded(S.QR_EXPIRED)


async def test_refresh_qr_opens_a_new_window_and_ends_the_pairing_that_runs(scene: Theatre) -> None:
    stage = await scene.opens()
    first = await stage.shows_qr()
    before = (await stage.view()).window_ends_at
    result = await stage.handle.execute_update(SessionWorkflow.refresh_qr)
    assert (result.state, result.changed) == (S.STARTING, True)
    assert first.releases == ["refresh_qr"]
    second = await stage.pairing()
    await second.shows_qr()
    await stage.until(lambda: len(stage.records) == 3, "the second code")
    after = (await stage.view()).window_ends_at
    assert before is not None
    assert after is not None
    assert after > before


async def test_refresh_qr_wakes_an_expired_connection(scene: Theatre) -> None:
    stage = await scene.opens(state=S.QR_EXPIRED, sequence=7)
    await stage.handle.execute_update(SessionWorkflow.refresh_qr)
    await stage.shows_qr()
    assert stage.story() == ["refresh_qr:starting", "qr_shown:awaiting_scan"]


@pytest.mark.parametrize("how", ["window", "refresh_qr", "disconnect"])
async def test_a_scan_in_the_moment_of_the_end_wins(scene: Theatre, how: str) -> None:
    stage = await scene.opens(window_seconds=0.3 if how == "window" else 600)
    stage.answer_release = lambda held: held.ends(PairResult.PAIRED, device=device())
    await stage.shows_qr()
    if how == "refresh_qr":
        assert await stage.refused(SessionWorkflow.refresh_qr) == "SESSION_ALREADY_PAIRED"
    elif how == "disconnect":
        await stage.handle.execute_update(SessionWorkflow.disconnect)
    record = await stage.recorded(S.PAIRING)
    assert record.device == device()
    if how == "disconnect":
        # Linked, and closed as asked: the keys are kept.
        assert (await stage.recorded(S.STOPPED)).device == device()
    else:
        await (await stage.hosting()).connects()
        await stage.recorded(S.CONNECTED)


async def test_a_connection_without_a_row_ends(scene: Theatre) -> None:
    stage = await scene.opens()
    stage.row_is_gone = True
    (await stage.pairing()).ends(PairResult.GONE)
    await stage.handle.result()
    assert stage.story() == []


async def test_a_device_linked_by_an_attempt_that_died_is_taken_over(scene: Theatre) -> None:
    stage = await scene.opens()
    (await stage.pairing()).ends(PairResult.PAIRED, device=device())
    await stage.hosting()
    assert stage.story() == ["paired:pairing"]


@pytest.mark.parametrize(
    ("result", "reason"),
    [(PairResult.UNREACHABLE, "WHATSAPP_UNREACHABLE"), (PairResult.REFUSED, "PAIRING_REFUSED")],
)
async def test_while_whatsapp_cannot_be_reached_the_reason_is_shown_once_and_it_is_tried_again(
    scene: Theatre, result: PairResult, reason: str
) -> None:
    stage = await scene.opens()
    for _ in range(2):
        (await stage.pairing()).ends(result, detail="no route")
    third = await stage.pairing()
    record = await stage.recorded(S.STARTING, reason)
    assert record.detail["detail"] == "no route"
    assert len(stage.records) == 1
    view = await stage.view()
    assert (view.reason, view.retry_attempt) == (reason, 2)
    await third.shows_qr()
    await stage.recorded(S.AWAITING_SCAN)
    assert (await stage.view()).retry_attempt == 0


async def test_a_window_that_closes_while_whatsapp_is_away_is_closed(scene: Theatre) -> None:
    stage = await scene.opens(window_seconds=0.4)
    stage.answer_release = lambda held: held.ends(PairResult.UNREACHABLE)
    await stage.shows_qr()
    await stage.recorded(S.QR_EXPIRED, "PAIRING_WINDOW_CLOSED")
    assert stage.story() == ["qr_shown:awaiting_scan", "window_closed:qr_expired"]


async def test_an_outdated_client_rests_at_pairing_too(scene: Theatre) -> None:
    stage = await scene.opens()
    (await stage.pairing()).ends(PairResult.CLIENT_OUTDATED)
    await stage.recorded(S.CLIENT_OUTDATED, "CLIENT_OUTDATED")
    result = await stage.handle.execute_update(SessionWorkflow.refresh_qr)
    assert result.state is S.STARTING
    await stage.pairing()


async def test_a_pairing_the_library_cannot_follow_ends_in_a_clear_state(scene: Theatre) -> None:
    stage = await scene.opens()
    (await stage.shows_qr()).ends(PairResult.UNSUPPORTED, detail="passkey")
    record = await stage.recorded(S.QR_EXPIRED, "PAIRING_UNSUPPORTED")
    assert record.detail["detail"] == "passkey"


async def test_a_failed_attempt_is_made_again_and_nothing_is_written(scene: Theatre) -> None:
    stage = await scene.opens()
    (await stage.pairing()).fails(RuntimeError("the worker broke"))
    await stage.shows_qr()
    assert stage.story() == ["qr_shown:awaiting_scan"]


async def test_a_scan_while_the_database_is_away_is_written_when_it_is_back(scene: Theatre) -> None:
    stage = await scene.opens()
    stage.database_down = True
    pairing = await stage.pairing()
    await pairing.shows_qr()
    pairing.ends(PairResult.PAIRED, device=device())
    await stage.until(lambda: stage.writes_tried > 1, "a second try to write")
    assert not stage.records
    stage.database_down = False
    await (await stage.hosting()).connects()
    await stage.recorded(S.CONNECTED)
    assert stage.story()[-2:] == ["paired:pairing", "connected:connected"]
