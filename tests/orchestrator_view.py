"""A session as the orchestrator sees it, as an operator would look."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from temporalio.client import Client

from contracts.ids import session_workflow_id
from contracts.session import SessionView
from tests.conditions import eventually
from workflows.session import SessionWorkflow


async def view(temporal: str, connection: str) -> SessionView:
    """The live state of a session. `temporal` is host:port."""
    client = await Client.connect(temporal)
    handle = client.get_workflow_handle_for(SessionWorkflow.run, session_workflow_id(connection))
    return await handle.query(SessionWorkflow.view)


async def beats_again(temporal: str, connection: str) -> None:
    """Wait until the one long activity of a session has sent a heartbeat after now: somebody attends to it."""
    client = await Client.connect(temporal)
    handle = client.get_workflow_handle_for(SessionWorkflow.run, session_workflow_id(connection))
    since = datetime.fromtimestamp(time.time(), UTC)

    async def look() -> bool:
        pending = (await handle.describe()).raw_description.pending_activities
        return any(
            activity.HasField("last_heartbeat_time")
            and activity.last_heartbeat_time.ToDatetime(UTC) > since
            and activity.activity_type.name in ("host_session", "pair_session")
            for activity in pending
        )

    await eventually(look, f"{connection} is attended to")
