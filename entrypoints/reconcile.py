"""PostgreSQL is the record: every session in it has a running workflow, whatever happened to Temporal's store."""

from __future__ import annotations

import asyncio

import structlog
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from contracts.errors import DatabaseUnavailable
from contracts.ids import WORKFLOW_QUEUE, session_workflow_id
from contracts.ports import SessionStore
from contracts.session import SessionInput
from workflows.session import SessionWorkflow
from workflows.visibility import typed

log = structlog.get_logger(__name__)

INTERVAL_SECONDS = 60.0


async def start_missing(client: Client, session: SessionInput) -> bool:
    """Start the session's workflow from its row unless one is running; whether it was started."""
    try:
        await client.start_workflow(
            SessionWorkflow.run,
            session,
            id=session_workflow_id(session.connection_id),
            task_queue=WORKFLOW_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            search_attributes=typed(session),
        )
    except WorkflowAlreadyStartedError:
        return False
    log.warning("workflow_started_from_row", connection=session.connection_id, state=session.state)
    return True


async def reconcile(client: Client, sessions: SessionStore) -> int:
    """Give each session of the database its workflow; how many were missing."""
    started = 0
    for session in await sessions.unfinished():
        if await start_missing(client, session):
            started += 1
    return started


async def reconcile_for_ever(client: Client, sessions: SessionStore) -> None:
    """Reconcile now, and then every minute: an API that died between row and workflow left one without the other."""
    while True:
        try:
            await reconcile(client, sessions)
        except (DatabaseUnavailable, RPCError) as error:
            log.warning("reconcile_delayed", error=str(error))
        await asyncio.sleep(INTERVAL_SECONDS)
