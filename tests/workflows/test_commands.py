"""Clients' commands, in every state: carried out in order, or refused with a stable code, and never left hanging."""

from __future__ import annotations

import asyncio
from itertools import product
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError, WorkflowUpdateStage
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from contracts.hosting import HostResult, PairResult
from contracts.session import Device, PairingCodeRequest
from contracts.states import HOSTED_STATES, PAIRING_STATES, RESTING_STATES, SessionState
from tests.workflows.stage import DEAD_HOST, MARKS, Stage, Theatre, device
from workflows.session import SessionWorkflow
from workflows.transitions import SessionEvent, refusal

pytestmark = MARKS
S, W = SessionState, SessionWorkflow

LINKED = HOSTED_STATES | {S.BANNED, S.CLIENT_OUTDATED, S.DUPLICATE, S.STOPPED}
LANDING = {"refresh_qr": S.STARTING, "reconnect": S.RECONNECTING, "logout": S.LOGGED_OUT, "delete": S.DELETED}


async def brought_to(scene: Theatre, state: SessionState) -> Stage:
    """A session that is in `state`, with a holder where that state has one."""
    linked: Device | None = device() if state in LINKED else None
    carried = S.STARTING if state is S.AWAITING_SCAN else S.RECONNECTING if state is S.CONNECTED else state
    stage = await scene.opens(state=carried, device=linked, has_connected=linked is not None, sequence=41)
    if state is S.AWAITING_SCAN:
        await stage.shows_qr()
    elif state is S.CONNECTED:
        await (await stage.hosting()).connects()
        await stage.recorded(S.CONNECTED)
    elif state in PAIRING_STATES | HOSTED_STATES:
        held = await stage.next_held()
        if state is not S.STARTING:
            await held.tells("claimed")
    return stage


@pytest.mark.parametrize(
    ("state", "command"),
    [*product(sorted(PAIRING_STATES | HOSTED_STATES | RESTING_STATES), ["refresh_qr", "reconnect", "disconnect"])],
)
async def test_a_command_in_every_state_is_carried_out_or_refused(
    scene: Theatre, state: SessionState, command: str
) -> None:
    stage = await brought_to(scene, state)
    before = len(stage.records)
    code = refusal(state, SessionEvent(command), has_device=state in LINKED)
    if code is not None:
        assert await stage.refused(getattr(W, command)) == code
        assert len(stage.records) == before
        return
    result = await stage.handle.execute_update(getattr(W, command))
    if command == "disconnect":
        assert result.state is (state if state in RESTING_STATES else S.STOPPED)
        assert result.changed == (state not in RESTING_STATES)
    else:
        assert (result.state, result.changed) == (LANDING[command], True)
    # What was committed is what was answered.
    if result.changed:
        assert stage.records[-1].to_state is result.state
    else:
        assert len(stage.records) == before


@pytest.mark.parametrize("state", sorted(PAIRING_STATES | (RESTING_STATES - {S.STOPPED, S.DUPLICATE})))
async def test_a_session_without_a_socket_is_deleted_at_once(scene: Theatre, state: SessionState) -> None:
    stage = await brought_to(scene, state)
    result = await stage.handle.execute_update(W.delete)
    assert (result.state, result.changed) == (S.DELETED, True)
    await stage.handle.result()
    assert [removal.connection_id for removal in stage.removed] == [stage.connection_id]
    assert stage.forgotten == ([device()] if state in LINKED else [])
    with pytest.raises(RPCError) as refused:
        await stage.handle.execute_update(W.reconnect)
    assert refused.value.status is RPCStatusCode.NOT_FOUND


@pytest.mark.parametrize("command", ["logout", "delete"])
async def test_a_connected_device_is_unlinked_at_whatsapp_first(scene: Theatre, command: str) -> None:
    stage = await brought_to(scene, S.CONNECTED)
    result = await stage.handle.execute_update(getattr(W, command))
    assert result.state is LANDING[command]
    assert len(stage.logouts) == 1
    assert stage.forgotten == [device()]
    if command == "logout":
        assert result.unlinked
        assert stage.records[-1].reason == "REQUESTED"
        assert "logged_out:logged_out" not in stage.story()
    else:
        await stage.handle.result()


@pytest.mark.parametrize("command", ["logout", "delete"])
@pytest.mark.parametrize("state", [S.STOPPED, S.DUPLICATE])
async def test_a_resting_device_is_connected_once_to_be_unlinked(
    scene: Theatre, state: SessionState, command: str
) -> None:
    stage = await brought_to(scene, state)
    asked = asyncio.create_task(stage.handle.execute_update(getattr(W, command)))
    await (await stage.hosting()).connects()
    assert (await asked).state is LANDING[command]
    assert len(stage.logouts) == 1
    assert len(stage.held) == 1


def refuse(_: object) -> None:
    raise ApplicationError("no", type="SESSION_NOT_CONNECTED", non_retryable=True)


async def test_an_unlinking_whatsapp_does_not_confirm_removes_the_keys_and_says_so(scene: Theatre) -> None:
    stage = await brought_to(scene, S.CONNECTED)
    stage.answer_logout = refuse
    result = await stage.handle.execute_update(W.logout)
    assert (result.state, result.unlinked) == (S.LOGGED_OUT, False)
    assert stage.records[-1].reason == "REQUESTED_NOT_CONFIRMED"
    assert stage.held[-1].releases == ["logout"]
    assert stage.forgotten == [device()]


@pytest.mark.parametrize("state", sorted(PAIRING_STATES | {S.LOGGED_OUT, S.QR_EXPIRED}))
async def test_what_is_not_linked_cannot_be_logged_out(scene: Theatre, state: SessionState) -> None:
    stage = await brought_to(scene, state)
    assert await stage.refused(W.logout) == "SESSION_NOT_PAIRED"


@pytest.mark.parametrize("state", [S.BANNED, S.CLIENT_OUTDATED])
async def test_a_device_that_may_not_log_in_is_logged_out_here_without_a_try(
    scene: Theatre, state: SessionState
) -> None:
    stage = await brought_to(scene, state)
    result = await stage.handle.execute_update(W.logout)
    assert (result.state, result.unlinked) == (S.LOGGED_OUT, False)
    assert not stage.held


async def test_reconnect_closes_the_socket_and_connects_anew(scene: Theatre) -> None:
    stage = await brought_to(scene, S.CONNECTED)
    await stage.handle.execute_update(W.reconnect)
    assert stage.held[0].releases == ["reconnect"]
    await (await stage.hosting()).connects()
    await stage.recorded(S.CONNECTED, after=2)
    assert [record.event for record in stage.records] == ["connected", "reconnect", "connected"]


async def test_reconnect_ends_the_wait_for_the_next_try(scene: Theatre) -> None:
    stage = await scene.opens(state=S.RECONNECTING, device=device(), has_connected=True, retry_attempt=20)
    assert not stage.held
    await stage.handle.execute_update(W.reconnect)
    await stage.hosting()
    assert (await stage.view()).retry_attempt == 0


async def test_commands_at_the_same_time_are_served_in_order_and_none_hangs(scene: Theatre) -> None:
    stage = await brought_to(scene, S.CONNECTED)
    stage.connects_by_itself = True
    stage.database_down = True  # so that all wait for the first
    commands = [W.disconnect, W.reconnect, W.disconnect, W.logout, W.refresh_qr, W.delete]
    accepted = [await begun(stage, command) for command in commands[:4]]
    late = [asyncio.create_task(stage.handle.execute_update(command)) for command in commands[5:]]
    assert await stage.refused(W.refresh_qr) == "SESSION_ALREADY_PAIRED"
    stage.database_down = False
    answers = [await handle.result() for handle in accepted]
    assert [answer.state for answer in answers] == [S.STOPPED, S.RECONNECTING, S.STOPPED, S.LOGGED_OUT]
    assert [(await task).state for task in late] == [S.DELETED]
    commands_written = [event for event in stage.story() if not event.startswith("connected")]
    assert commands_written == [
        "disconnect:stopped",
        "reconnect:reconnecting",
        "disconnect:stopped",
        "logout:logged_out",
    ]
    await stage.handle.result()


async def begun(stage: Stage, command: Any) -> Any:
    return await stage.handle.start_update(command, wait_for_stage=WorkflowUpdateStage.ACCEPTED)


async def test_what_is_refused_when_its_turn_comes_says_why(scene: Theatre) -> None:
    stage = await brought_to(scene, S.CONNECTED)
    stage.database_down = True
    logout = await begun(stage, W.logout)
    reconnect = await begun(stage, W.reconnect)
    stage.database_down = False
    assert (await logout.result()).unlinked
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await reconnect.result()
    assert isinstance(refused.value.cause, ApplicationError)
    assert refused.value.cause.type == "SESSION_NOT_PAIRED"


async def test_what_waits_while_a_session_is_deleted_is_refused_and_does_not_hang(scene: Theatre) -> None:
    stage = await brought_to(scene, S.QR_EXPIRED)
    stage.database_down = True
    deletion = await begun(stage, W.delete)
    refresh = await begun(stage, W.refresh_qr)
    again = await begun(stage, W.delete)
    stage.database_down = False
    assert (await deletion.result()).state is S.DELETED
    for handle in (refresh, again):
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.result()
        assert isinstance(refused.value.cause, ApplicationError)
        assert refused.value.cause.type == "SESSION_DELETED"
    await stage.handle.result()
    assert len(stage.removed) == 1


@pytest.mark.parametrize("result", [HostResult.BANNED, HostResult.REPLACED, HostResult.CLIENT_OUTDATED])
async def test_an_end_in_the_moment_of_a_disconnect_keeps_its_own_state(scene: Theatre, result: HostResult) -> None:
    stage = await brought_to(scene, S.CONNECTED)
    stage.answer_release = lambda held: held.ends(result, connected=True, until=None)
    answer = await stage.handle.execute_update(W.disconnect)
    assert answer.state in (S.BANNED, S.DUPLICATE, S.CLIENT_OUTDATED)
    assert not answer.changed
    assert stage.records[-1].to_state is answer.state


async def test_a_holder_that_is_dead_deaf_or_never_up_does_not_keep_a_session_from_its_commands(scene: Theatre) -> None:
    """All at once, since each waits for a time limit: of the command, the missed heartbeat, or the login."""

    async def one(command: str) -> None:
        stage = await scene.opens(state=S.RECONNECTING, device=device(), has_connected=True)
        hosting = await stage.hosting()
        hosting.host_id = DEAD_HOST
        await hosting.connects()
        await stage.recorded(S.CONNECTED)
        hosting.silent = True
        answer = await stage.handle.execute_update(getattr(W, command))
        assert answer.state is {**LANDING, "disconnect": S.STOPPED}[command]
        assert not hosting.releases
        if command == "logout":
            assert not answer.unlinked

    async def deaf_to_commands() -> None:
        stage = await scene.opens()
        pairing = await stage.pairing()
        pairing.host_id = DEAD_HOST
        await pairing.shows_qr()
        await stage.recorded(S.AWAITING_SCAN)
        await stage.handle.execute_update(W.refresh_qr)
        assert pairing.cancelled
        await stage.shows_qr()

    async def never_up() -> None:
        stage = await brought_to(scene, S.RECONNECTING)
        stage.answer_logout = refuse
        result = await stage.handle.execute_update(W.logout)
        assert not result.unlinked
        assert stage.records[-1].reason == "REQUESTED_NOT_CONFIRMED"
        assert len(stage.logouts) == 1

    async with asyncio.TaskGroup() as group:
        for command in ("reconnect", "disconnect", "logout", "delete"):
            group.create_task(one(command))
        group.create_task(deaf_to_commands())
        group.create_task(never_up())


async def test_a_pairing_code_is_given_by_the_holder(scene: Theatre) -> None:
    stage = await scene.opens()
    await stage.shows_qr()
    code = await stage.handle.execute_update(W.pairing_code, PairingCodeRequest("5511999990001"))
    assert code.code == "ABCD1234"
    assert stage.codes_for == ["5511999990001"]


async def test_a_pairing_code_waits_for_a_pairing_that_is_about_to_be(scene: Theatre) -> None:
    stage = await scene.opens()
    asked = await begun_code(stage)
    await stage.shows_qr()
    assert (await asked.result()).code == "ABCD1234"


async def begun_code(stage: Stage) -> Any:
    return await stage.handle.start_update(
        W.pairing_code, PairingCodeRequest("5511999990001"), wait_for_stage=WorkflowUpdateStage.ACCEPTED
    )


async def test_a_pairing_code_that_whatsapp_does_not_give_is_refused(scene: Theatre) -> None:
    stage = await scene.opens()
    await stage.shows_qr()
    assert await stage.refused(W.pairing_code, PairingCodeRequest("0")) == "PAIRING_CODE_UNAVAILABLE"


async def test_a_pairing_code_that_waited_in_vain_is_refused(scene: Theatre) -> None:
    stage = await scene.opens()
    asked = await begun_code(stage)
    (await stage.pairing()).ends(PairResult.PAIRED, device=device())
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await asked.result()
    assert isinstance(refused.value.cause, ApplicationError)
    assert refused.value.cause.type == "SESSION_NOT_AWAITING_SCAN"


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (S.CONNECTED, "SESSION_ALREADY_PAIRED"),
        (S.STOPPED, "SESSION_ALREADY_PAIRED"),
        (S.QR_EXPIRED, "SESSION_NOT_AWAITING_SCAN"),
        (S.LOGGED_OUT, "SESSION_NOT_AWAITING_SCAN"),
    ],
)
async def test_a_pairing_code_is_refused_where_nobody_scans(scene: Theatre, state: SessionState, code: str) -> None:
    stage = await brought_to(scene, state)
    assert await stage.refused(W.pairing_code, PairingCodeRequest("5511999990001")) == code
