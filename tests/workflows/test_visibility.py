"""What an operator sees of a session in the Temporal Web UI."""

from __future__ import annotations

from temporalio.api.sdk.v1 import WorkflowMetadata

from contracts.session import SessionView
from contracts.states import SessionState
from tests.workflows.stage import HOST, MARKS, Stage, Theatre, device
from workflows.session import SessionWorkflow
from workflows.visibility import CONNECTION, KEYS, NOTHING, OWNER, PHONE, STATE
from workflows.visibility import HOST as HOST_KEY

pytestmark = MARKS
S = SessionState


async def shown(stage: Stage) -> dict[str, str | None]:
    description = await stage.handle.describe()
    return {key.name: description.typed_search_attributes.get(key) for key in KEYS}


async def current_details(stage: Stage) -> str:
    metadata = await stage.handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    return metadata.current_details


async def test_owner_connection_phone_state_and_host_can_be_searched_for(scene: Theatre) -> None:
    stage = await scene.opens()
    await stage.connected()
    assert await shown(stage) == {
        CONNECTION.name: stage.connection_id,
        OWNER.name: stage.start.owner_id,
        STATE.name: S.CONNECTED.value,
        PHONE.name: device().phone,
        HOST_KEY.name: HOST,
    }


async def test_a_session_that_rests_shows_no_host(scene: Theatre) -> None:
    stage = await scene.opens()
    await stage.connected()
    await stage.handle.execute_update(SessionWorkflow.logout)
    attributes = await shown(stage)
    assert (attributes[HOST_KEY.name], attributes[PHONE.name]) == (NOTHING, NOTHING)
    assert attributes[STATE.name] == S.LOGGED_OUT.value


async def test_details_say_in_words_where_the_session_is(scene: Theatre) -> None:
    stage = await scene.opens()
    hosting = await stage.connected()
    text = await current_details(stage)
    assert "**connected**" in text
    assert "Conectado ao WhatsApp." in text
    assert "Connected to WhatsApp." in text
    assert f"`{HOST}`, epoch {hosting.epoch}" in text
    await stage.handle.execute_update(SessionWorkflow.disconnect)
    text = await current_details(stage)
    assert "**stopped** (REQUESTED)" in text
    assert "held by: -" in text


async def test_the_live_state_can_be_asked_for(scene: Theatre) -> None:
    stage = await scene.opens()
    hosting = await stage.connected()
    assert await stage.view() == SessionView(
        connection_id=stage.connection_id,
        owner_id=stage.start.owner_id,
        state=S.CONNECTED,
        reason=None,
        device=device(),
        host_id=HOST,
        epoch=hosting.epoch,
        retry_attempt=0,
        retry_at=None,
        window_ends_at=(await stage.view()).window_ends_at,
        sequence=3,
    )
