"""Every path through a session's life whose recorded history must replay on the code as it is now."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from temporalio.client import WorkflowUpdateStage

from contracts.hosting import HostResult, PairResult
from contracts.session import PairingCodeRequest, Superseded
from contracts.states import SessionState
from tests.workflows.stage import DEAD_HOST, Stage, Theatre, device
from workflows.session import SessionWorkflow

HISTORIES = Path(__file__).parent / "histories"
S, W = SessionState, SessionWorkflow
Play = Callable[[Theatre], Awaitable[Stage]]


async def pairing_to_connected(scene: Theatre) -> Stage:
    stage = await scene.opens()
    await stage.connected()
    return stage


async def codes_renewed(scene: Theatre) -> Stage:
    stage = await scene.opens()
    (await stage.shows_qr()).ends(PairResult.CODES_EXHAUSTED)
    await (await stage.pairing()).shows_qr()
    return stage


async def window_closed(scene: Theatre) -> Stage:
    stage = await scene.opens(window_seconds=0.2)
    await stage.shows_qr()
    await stage.recorded(S.QR_EXPIRED)
    return stage


async def qr_refreshed(scene: Theatre) -> Stage:
    stage = await scene.opens()
    await stage.shows_qr()
    await stage.handle.execute_update(W.refresh_qr)
    await (await stage.pairing()).shows_qr()
    return stage


async def whatsapp_unreachable(scene: Theatre) -> Stage:
    stage = await scene.opens(skips_time=True)
    for _ in range(2):
        (await stage.pairing()).ends(PairResult.UNREACHABLE)
    (await stage.pairing()).ends(PairResult.REFUSED)
    await stage.shows_qr()
    return stage


async def pairing_not_completed(scene: Theatre) -> Stage:
    stage = await scene.opens()
    (await stage.paired()).ends(HostResult.LOGGED_OUT)
    await stage.recorded(S.STARTING)
    await stage.pairing()
    return stage


async def pairing_unsupported(scene: Theatre) -> Stage:
    stage = await scene.opens()
    (await stage.shows_qr()).ends(PairResult.UNSUPPORTED)
    await stage.recorded(S.QR_EXPIRED)
    return stage


async def pairing_code(scene: Theatre) -> Stage:
    stage = await scene.opens()
    await stage.shows_qr()
    await stage.handle.execute_update(W.pairing_code, PairingCodeRequest(device().phone))
    return stage


async def link_lost_and_found(scene: Theatre) -> Stage:
    stage = await scene.opens()
    hosting = await stage.connected()
    await hosting.tells("disconnected")
    await stage.recorded(S.RECONNECTING)
    await hosting.connects()
    await stage.recorded(S.CONNECTED, after=4)
    return stage


async def connection_lost(scene: Theatre) -> Stage:
    stage = await scene.opens(state=S.RECONNECTING, device=device(), has_connected=True, skips_time=True)
    for result in (HostResult.CONNECTION_LOST, HostResult.CONNECTION_LOST, HostResult.REFUSED):
        (await stage.hosting()).ends(result)
    await (await stage.hosting()).connects()
    await stage.recorded(S.CONNECTED)
    return stage


async def host_died(scene: Theatre) -> Stage:
    stage = await scene.opens()
    (await stage.connected()).fails(RuntimeError("the worker broke"))
    second = await stage.hosting()
    await second.tells("claimed")
    await stage.recorded(S.RECONNECTING, "HOST_CHANGED")
    await second.connects()
    await stage.recorded(S.CONNECTED, after=4)
    return stage


async def host_changed(scene: Theatre) -> Stage:
    stage = await scene.opens()
    (await stage.connected()).fails(RuntimeError("the worker stopped"))
    await (await stage.hosting()).connects()
    await stage.until(lambda: stage.story()[-1] == "host_changed:connected", "the change of host")
    return stage


async def _ended(scene: Theatre, result: HostResult, state: SessionState, until: float | None = None) -> Stage:
    stage = await scene.opens()
    (await stage.connected()).ends(result, connected=True, until=until)
    await stage.recorded(state)
    return stage


async def logged_out_on_the_phone(scene: Theatre) -> Stage:
    return await _ended(scene, HostResult.LOGGED_OUT, S.LOGGED_OUT)


async def keys_missing(scene: Theatre) -> Stage:
    return await _ended(scene, HostResult.KEYS_MISSING, S.LOGGED_OUT)


async def banned_and_probed(scene: Theatre) -> Stage:
    stage = await _ended(scene, HostResult.BANNED, S.BANNED, time.time() + 600)
    async with stage.time_passing(700):
        await stage.recorded(S.RECONNECTING, "PROBE")
        await (await stage.hosting()).connects()
    await stage.until(lambda: stage.records[-1].to_state is S.CONNECTED, "the end of the ban")
    return stage


async def client_outdated_and_probed(scene: Theatre) -> Stage:
    stage = await _ended(scene, HostResult.CLIENT_OUTDATED, S.CLIENT_OUTDATED)
    async with stage.time_passing(7 * 3600):
        await stage.recorded(S.RECONNECTING, "PROBE")
        await stage.hosting()
    return stage


async def stream_replaced(scene: Theatre) -> Stage:
    return await _ended(scene, HostResult.REPLACED, S.DUPLICATE)


async def superseding(scene: Theatre) -> Stage:
    older = await pairing_to_connected(scene)
    newer = await scene.opens()
    newer.supersedes = [older.connection_id]
    await newer.connected()
    await older.recorded(S.DUPLICATE)
    return newer


async def superseded(scene: Theatre) -> Stage:
    stage = await pairing_to_connected(scene)
    await stage.handle.signal(W.superseded, Superseded("newer"))
    await stage.recorded(S.DUPLICATE)
    return stage


async def disconnected_and_reconnected(scene: Theatre) -> Stage:
    stage = await pairing_to_connected(scene)
    await stage.handle.execute_update(W.disconnect)
    await stage.handle.execute_update(W.reconnect)
    await (await stage.hosting()).connects()
    await stage.recorded(S.CONNECTED, after=4)
    await stage.handle.execute_update(W.reconnect)
    await stage.hosting()
    return stage


async def logged_out_on_command(scene: Theatre) -> Stage:
    stage = await pairing_to_connected(scene)
    await stage.handle.execute_update(W.logout)
    return stage


async def logged_out_at_rest(scene: Theatre) -> Stage:
    stage = await scene.opens(state=S.STOPPED, device=device(), has_connected=True)
    await stage.handle.start_update(W.logout, wait_for_stage=WorkflowUpdateStage.ACCEPTED)
    await (await stage.hosting()).connects()
    await stage.recorded(S.LOGGED_OUT)
    return stage


async def deleted(scene: Theatre) -> Stage:
    stage = await pairing_to_connected(scene)
    await stage.handle.execute_update(W.delete)
    await stage.handle.result()
    return stage


async def deaf_holder(scene: Theatre) -> Stage:
    stage = await scene.opens(state=S.RECONNECTING, device=device(), has_connected=True)
    hosting = await stage.hosting()
    hosting.host_id = DEAD_HOST
    await hosting.connects()
    await stage.recorded(S.CONNECTED)
    await stage.handle.execute_update(W.disconnect)
    return stage


async def continued_as_new(scene: Theatre) -> Stage:
    stage = await scene.opens(history_limit=16)
    pairing = await stage.shows_qr()
    for _ in range(2):
        pairing.ends(PairResult.CODES_EXHAUSTED)
        pairing = await stage.pairing()
        await pairing.shows_qr()
    pairing.ends(PairResult.PAIRED, device=device())
    hosting = await stage.hosting()
    await hosting.connects()
    await stage.recorded(S.CONNECTED)
    return stage


PATHS: dict[str, Play] = {
    play.__name__: play
    for play in (
        pairing_to_connected,
        codes_renewed,
        window_closed,
        qr_refreshed,
        whatsapp_unreachable,
        pairing_not_completed,
        pairing_unsupported,
        pairing_code,
        link_lost_and_found,
        connection_lost,
        host_died,
        host_changed,
        logged_out_on_the_phone,
        keys_missing,
        banned_and_probed,
        client_outdated_and_probed,
        stream_replaced,
        superseding,
        superseded,
        disconnected_and_reconnected,
        logged_out_on_command,
        logged_out_at_rest,
        deleted,
        deaf_holder,
        continued_as_new,
    )
}
