"""The only file of the API that talks to Temporal: it starts session workflows and sends them commands."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, Final, TypeVar, cast

import structlog
from temporalio.client import (
    Client,
    RPCError,
    RPCTimeoutOrCancelledError,
    WorkflowUpdateFailedError,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError
from temporalio.runtime import Runtime
from temporalio.service import RetryConfig, RPCStatusCode

from api.deadlines import abandon, within
from api.ports import Revive
from contracts.errors import FAILURES, OrchestratorUnavailable, PereneError
from contracts.ids import WORKFLOW_QUEUE, session_workflow_id
from contracts.session import CommandResult, LogoutResult, PairingCode, PairingCodeRequest, SessionInput
from workflows.session import SessionWorkflow
from workflows.visibility import typed

T = TypeVar("T")

START_SECONDS: Final = 2.5
PROBE_AFTER_SECONDS: Final = 1.5
PROBE_SECONDS: Final = 1.0
COMMAND_SECONDS: Final = 25.0

_RETRIES = RetryConfig(initial_interval_millis=50, max_interval_millis=400, max_elapsed_time_millis=1500, max_retries=4)
_log = structlog.get_logger()


class WorkflowMissing(PereneError):
    """No workflow runs for this session."""

    code = "ORCHESTRATOR_UNAVAILABLE"


class CommandTimedOut(PereneError):
    """Temporal answers, but the workflow did not finish the command in time."""

    code = "COMMAND_TIMED_OUT"


async def lazy_client(address: str, namespace: str, runtime: Runtime | None = None) -> Client:
    """A client that connects at its first call, so that the API can start and serve reads without Temporal."""
    return await Client.connect(address, namespace=namespace, lazy=True, retry_config=_RETRIES, runtime=runtime)


class Gateway:
    """Implements `api.ports.Orchestrator`. Absence of Temporal is told within three seconds."""

    def __init__(self, client: Client, *, command_seconds: float = COMMAND_SECONDS) -> None:
        self._client = client
        self._command_seconds = command_seconds
        self._rpc_timeout = timedelta(seconds=command_seconds + 1)

    async def start(self, session: SessionInput) -> None:
        """Start the workflow of a session; nothing happens if it runs already."""
        call = self._client.start_workflow(
            SessionWorkflow.run,
            session,
            id=session_workflow_id(session.connection_id),
            task_queue=WORKFLOW_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            rpc_timeout=timedelta(seconds=START_SECONDS),
            search_attributes=typed(session),
        )
        try:
            await within(call, START_SECONDS, OrchestratorUnavailable("no answer to a start"))
        except (RPCError, RPCTimeoutOrCancelledError, RuntimeError) as error:
            raise _unavailable(error) from error

    async def refresh_qr(self, connection_id: str, revive: Revive) -> CommandResult:
        return await self._command(connection_id, revive, SessionWorkflow.refresh_qr)

    async def reconnect(self, connection_id: str, revive: Revive) -> CommandResult:
        return await self._command(connection_id, revive, SessionWorkflow.reconnect)

    async def disconnect(self, connection_id: str, revive: Revive) -> CommandResult:
        return await self._command(connection_id, revive, SessionWorkflow.disconnect)

    async def logout(self, connection_id: str, revive: Revive) -> LogoutResult:
        return await self._command(connection_id, revive, SessionWorkflow.logout)

    async def delete(self, connection_id: str, revive: Revive) -> CommandResult:
        return await self._command(connection_id, revive, SessionWorkflow.delete)

    async def pairing_code(self, connection_id: str, request: PairingCodeRequest, revive: Revive) -> PairingCode:
        return await self._command(connection_id, revive, SessionWorkflow.pairing_code, request)

    async def healthy(self) -> bool:
        """Whether Temporal answers within a second."""
        try:
            return await within(
                self._client.service_client.check_health(timeout=timedelta(seconds=PROBE_SECONDS)),
                PROBE_SECONDS,
                OrchestratorUnavailable("no answer to a probe"),
            )
        # RuntimeError is what the SDK raises while its lazy connection cannot be made.
        except (OrchestratorUnavailable, RPCError, RuntimeError):
            return False

    async def _command(self, connection_id: str, revive: Revive, update: Any, *arguments: object) -> Any:
        """Send `update`, a method of SessionWorkflow; its result."""
        handle = self._client.get_workflow_handle_for(SessionWorkflow.run, session_workflow_id(connection_id))

        def send() -> Coroutine[Any, Any, Any]:
            call = cast(Any, handle).execute_update
            return call(update, args=arguments, rpc_timeout=self._rpc_timeout)

        try:
            return await self._answer(send())
        except WorkflowMissing:
            # Temporal lost it, or never had it: the row is the record, so the row brings it back.
            session = await revive()
        _log.warning("workflow_revived", connection_id=connection_id, state=session.state.value)
        await self.start(session)
        return await self._answer(send())

    async def _answer(self, update: Coroutine[Any, Any, T]) -> T:
        """The update's result. Temporal that says nothing is asked whether it is there, before the wait goes on."""
        task = asyncio.ensure_future(update)
        try:
            done, _ = await asyncio.wait({task}, timeout=PROBE_AFTER_SECONDS)
            if not done and not await self.healthy():
                raise OrchestratorUnavailable("no answer to a command")
            if not done:
                done, _ = await asyncio.wait({task}, timeout=self._command_seconds - PROBE_AFTER_SECONDS)
            if not done:
                raise CommandTimedOut
        finally:
            if not task.done():
                abandon(task)
        try:
            return task.result()
        except WorkflowUpdateFailedError as error:
            raise _refusal(error) from error
        except RPCTimeoutOrCancelledError as error:
            raise CommandTimedOut from error
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise WorkflowMissing from error
            raise _unavailable(error) from error
        except RuntimeError as error:
            raise _unavailable(error) from error


def _refusal(error: WorkflowUpdateFailedError) -> PereneError:
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.type is not None:
        if cause.type in FAILURES:
            return PereneError(cause.message, code=cause.type)
        if cause.type == "AcceptedUpdateCompletedWorkflow":
            return WorkflowMissing()
    return PereneError(f"update failed: {cause!r}")


def _unavailable(error: Exception) -> OrchestratorUnavailable:
    # RuntimeError is what the SDK raises while its lazy connection cannot be made.
    return OrchestratorUnavailable(f"{type(error).__name__}: {error}")
