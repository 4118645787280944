"""A real Temporal server and a real SessionWorkflow; its activities are played by the test, one stage a connection."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio import activity
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.client import Client, WorkflowHandle, WorkflowHistory, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.testing import TimeSkipper, TimeSkippingConfig, WorkflowEnvironment
from temporalio.worker import Replayer, Worker

from contracts.hosting import (
    ForgetKeys,
    HostOutcome,
    HostProgress,
    HostRequest,
    HostResult,
    LogoutRequest,
    PairingCodeCommand,
    PairOutcome,
    PairRequest,
    PairResult,
    ReleaseRequest,
    RemoveSession,
)
from contracts.ids import (
    DATABASE_QUEUE,
    DEFAULT_OWNER_ID,
    HOSTING_QUEUE,
    PAIRING_QUEUE,
    WORKFLOW_QUEUE,
    host_queue,
    session_workflow_id,
)
from contracts.session import (
    Device,
    HostFact,
    PairingCode,
    RecordResult,
    SessionInput,
    SessionView,
    TransitionRecord,
)
from contracts.states import SessionState
from workflows.session import SessionWorkflow
from workflows.transitions import TRANSITIONS, SessionEvent
from workflows.visibility import KEYS, typed

PATIENCE_SECONDS = 20.0
MARKS = [
    pytest.mark.asyncio(loop_scope="session"),
    # The SDK warns where a cancellation crosses its activity's end, and an error there would stop its worker.
    pytest.mark.filterwarnings("ignore:Cannot find activity to cancel:UserWarning"),
]
"""What every test on a stage carries."""
HOST = "stage-host"
DEAD_HOST = "dead-host"
"""Nobody takes commands for this one."""

BIN = Path(__file__).parents[2] / ".venv" / "bin"
BROKEN = {
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE,
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR,
}
"""Ours. Others are the server's own ways, as when a termination overtakes a task."""

_epochs = itertools.count(1)
_names = itertools.count(1)


def device(phone: str = "5511999990001") -> Device:
    return Device(jid=f"{phone}:7@s.whatsapp.net", phone=phone, lid="123456@lid", platform="android")


@dataclass
class Held:
    """One attempt of `pair_session` or `host_session`: the test decides what its holder sees and how it ends."""

    stage: Stage
    request: PairRequest | HostRequest
    epoch: int = field(default_factory=lambda: next(_epochs))
    host_id: str = HOST
    silent: bool = False
    """No heartbeats any more, and no ear for a cancellation: a process that is dead."""
    cancelled: bool = False
    releases: list[str] = field(default_factory=list)
    outcome: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def tells(self, kind: str, **more: Any) -> None:
        """Signal a fact, as the holder does."""
        await self.stage.handle.signal(
            SessionWorkflow.host_fact,
            HostFact(kind=kind, host_id=self.host_id, epoch=self.epoch, at=time.time(), **more),
        )

    async def shows_qr(self) -> None:
        # A holder promises no more than its window has, and the window is kept open for what was promised.
        await self.tells("qr", expires_at=time.time())

    async def connects(self, push_name: str | None = None) -> None:
        await self.tells("connected", push_name=push_name)

    def ends(self, result: PairResult | HostResult, **more: Any) -> None:
        """Return an outcome from the activity."""
        kind = PairOutcome if isinstance(result, PairResult) else HostOutcome
        if not self.outcome.done():
            self.outcome.set_result(kind(result, self.epoch, **more))

    def fails(self, error: BaseException) -> None:
        """Raise from the activity: Temporal tries again."""
        if not self.outcome.done():
            self.outcome.set_exception(error)

    @property
    def over(self) -> bool:
        return self.cancelled or self.outcome.done()


class Stage:
    """One connection: what its activities were asked, and what they answer."""

    def __init__(self, theatre: Theatre, start: SessionInput):
        self.theatre = theatre
        self.start = start
        self.connection_id = start.connection_id
        self.handle: WorkflowHandle[Any, Any] = theatre.client.get_workflow_handle_for(
            SessionWorkflow.run, session_workflow_id(start.connection_id)
        )
        self.records: list[TransitionRecord] = []
        self.forgotten: list[Device] = []
        self.removed: list[RemoveSession] = []
        self.held: list[Held] = []
        self.logouts: list[LogoutRequest] = []
        self.codes_for: list[str] = []
        self.supersedes: list[str] = []
        self.row_is_gone = False
        self.database_down = False
        self.writes_tried = 0
        self.connects_by_itself = False
        self.answer_release: Callable[[Held], None] | None = None
        self.answer_logout: Callable[[Held], None] | None = None
        self._taken = 0
        self._changed = asyncio.Condition()

    # What the activities do.

    async def changed(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def check_database(self) -> None:
        self.writes_tried += 1
        await self.changed()
        if self.database_down:
            raise ApplicationError("the database is away", type="DatabaseUnavailable")

    async def hold(self, request: PairRequest | HostRequest) -> Any:
        held = Held(self, request)
        self.held.append(held)
        await self.changed()
        if self.connects_by_itself and isinstance(request, HostRequest):
            await held.connects()
        try:
            while True:
                if not held.silent:
                    activity.heartbeat(HostProgress(held.host_id, held.epoch, "held"))
                await asyncio.wait({held.outcome}, timeout=0.1)
                if held.outcome.done():
                    return held.outcome.result()
        except asyncio.CancelledError:
            held.cancelled = True
            raise
        finally:
            await self.changed()

    def holder(self, epoch: int) -> Held:
        """Who holds under this epoch. Refused as the real commands refuse."""
        for held in self.held:
            if held.epoch == epoch and not held.over:
                return held
        raise ApplicationError(f"not held under {epoch}", type="SESSION_NOT_CONNECTED", non_retryable=True)

    # What the test waits for.

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS), self._changed:
                await self._changed.wait_for(condition)
        except TimeoutError:
            events = [EventType.Name(event.event_type)[11:] async for event in self.handle.fetch_history_events()]
            raise AssertionError(f"{what} did not come; recorded: {self.story()}; history: {events}") from None

    async def next_held(self) -> Held:
        """The next attempt of `pair_session` or `host_session`."""
        await self.until(lambda: len(self.held) > self._taken, "the next holder")
        self._taken += 1
        return self.held[self._taken - 1]

    async def pairing(self) -> Held:
        held = await self.next_held()
        assert isinstance(held.request, PairRequest), f"hosting instead of pairing: {self.story()}"
        return held

    async def hosting(self) -> Held:
        held = await self.next_held()
        assert isinstance(held.request, HostRequest), f"pairing instead of hosting: {self.story()}"
        return held

    async def recorded(self, state: SessionState, reason: str | None = None, *, after: int = 0) -> TransitionRecord:
        """The first transition to `state` (for `reason`) that was written, of those after the first `after`."""

        def found() -> TransitionRecord | None:
            return next(
                (r for r in self.records[after:] if r.to_state is state and reason in (None, r.reason)),
                None,
            )

        await self.until(lambda: found() is not None, f"{state} ({reason})")
        record = found()
        assert record is not None
        return record

    def story(self) -> list[str]:
        """What was written, in short."""
        return [f"{record.event}:{record.to_state}" for record in self.records]

    async def view(self) -> SessionView:
        return await self.handle.query(SessionWorkflow.view)

    async def refused(self, update: Any, *arguments: Any) -> str | None:
        """The failure code with which an update is refused."""
        with pytest.raises(WorkflowUpdateFailedError) as refusal:
            await self.handle.execute_update(update, *arguments)
        assert isinstance(refusal.value.cause, ApplicationError), refusal.value.cause
        return refusal.value.cause.type

    async def fast_forward(self, seconds: float) -> None:
        """Let so much time pass for this workflow, in which none of its activities is to run."""
        await self.theatre.skipper.fast_forward(self.handle, seconds)

    @asynccontextmanager
    async def time_passing(self, seconds: float) -> AsyncGenerator[None]:
        """The same, where an activity is to begin on the way: its beginning is for the body to wait for."""
        passing = asyncio.create_task(self.fast_forward(seconds))
        try:
            yield
        finally:
            passing.cancel()
            await asyncio.gather(passing, return_exceptions=True)

    # From a new session to a state in which a test begins.

    async def shows_qr(self) -> Held:
        pairing = await self.pairing()
        await pairing.shows_qr()
        await self.recorded(SessionState.AWAITING_SCAN)
        return pairing

    async def paired(self) -> Held:
        """Scanned; gives the first hosting attempt."""
        pairing = await self.shows_qr()
        pairing.ends(PairResult.PAIRED, device=device())
        await self.recorded(SessionState.PAIRING)
        return await self.hosting()

    async def connected(self) -> Held:
        hosting = await self.paired()
        await hosting.connects()
        await self.recorded(SessionState.CONNECTED)
        return hosting

    # The end.

    async def histories(self) -> list[WorkflowHistory]:
        """Of every run, oldest first."""
        runs = [await self.handle.fetch_history()]
        while previous := runs[0].events[0].workflow_execution_started_event_attributes.continued_execution_run_id:
            older = self.theatre.client.get_workflow_handle(self.handle.id, run_id=previous)
            runs.insert(0, await older.fetch_history())
        return runs

    def check_records(self) -> None:
        """What was written is a walk through the table, each step once and in order."""
        state, sequence = self.start.state, self.start.sequence
        for record in self.records:
            assert record.sequence == sequence + 1, self.story()
            assert record.from_state is state, self.story()
            assert TRANSITIONS[record.from_state, SessionEvent(record.event)] is record.to_state
            state, sequence = record.to_state, record.sequence
        for removal in self.removed:
            assert removal.sequence == sequence + 1

    async def close(self) -> None:
        """End everything, see that none of its workflow tasks failed, and keep its runs to be replayed."""
        self.database_down = False
        try:
            await self.handle.terminate("the test is over")
        except RPCError:
            assert self.removed or self.row_is_gone, "the workflow ended and nobody deleted it"
        for held in self.held:
            held.ends(HostResult.RELEASED)
        for history in await self.histories():
            causes = {event.workflow_task_failed_event_attributes.cause for event in history.events}
            assert not causes & BROKEN, self.story()
            self.theatre.played.append(history)


class Played:
    """The activities under their real names; each finds its stage by the connection."""

    def __init__(self, theatre: Theatre):
        self._theatre = theatre

    def _stage(self, request: Any) -> Stage:
        return self._theatre.stages[request.connection_id]

    @activity.defn
    async def pair_session(self, request: PairRequest) -> PairOutcome:
        return await self._stage(request).hold(request)

    @activity.defn
    async def host_session(self, request: HostRequest) -> HostOutcome:
        return await self._stage(request).hold(request)

    @activity.defn
    async def record_transition(self, record: TransitionRecord) -> RecordResult:
        stage = self._stage(record)
        await stage.check_database()
        if not stage.records or record.sequence > stage.records[-1].sequence:
            stage.records.append(record)
        await stage.changed()
        superseded = stage.supersedes if record.to_state is SessionState.PAIRING else []
        return RecordResult(superseded)

    @activity.defn
    async def forget_keys(self, request: ForgetKeys) -> None:
        stage = self._stage(request)
        await stage.check_database()
        stage.forgotten.append(request.device)
        await stage.changed()

    @activity.defn
    async def remove_session(self, request: RemoveSession) -> None:
        stage = self._stage(request)
        await stage.check_database()
        stage.removed.append(request)
        await stage.changed()

    @activity.defn
    async def release_session(self, request: ReleaseRequest) -> None:
        stage = self._stage(request)
        held = stage.holder(request.epoch)
        held.releases.append(request.reason)
        if stage.answer_release is not None:
            stage.answer_release(held)
        else:
            held.ends(PairResult.RELEASED if isinstance(held.request, PairRequest) else HostResult.RELEASED)
        await stage.changed()

    @activity.defn
    async def logout_device(self, request: LogoutRequest) -> None:
        stage = self._stage(request)
        held = stage.holder(request.epoch)
        stage.logouts.append(request)
        if stage.answer_logout is not None:
            stage.answer_logout(held)
        else:
            held.ends(HostResult.LOGGED_OUT, detail="requested", connected=True)
        await stage.changed()

    @activity.defn
    async def request_pairing_code(self, request: PairingCodeCommand) -> PairingCode:
        stage = self._stage(request)
        stage.holder(request.epoch)
        if request.phone == "0":
            raise ApplicationError("WhatsApp refused", type="PAIRING_CODE_UNAVAILABLE", non_retryable=True)
        stage.codes_for.append(request.phone)
        return PairingCode("ABCD1234")


class Theatre:
    """The server, the workers and every stage of one test run."""

    def __init__(self, environment: WorkflowEnvironment):
        self.environment = environment
        self.skipper = TimeSkipper(environment.client, config=TimeSkippingConfig(enabled=False))
        self.client: Client = self.skipper.client
        self.stages: dict[str, Stage] = {}
        self.played: list[WorkflowHistory] = []

    def workers(self) -> list[Worker]:
        played = Played(self)
        beat = timedelta(seconds=0.2)
        queues = {
            HOSTING_QUEUE: [played.host_session],
            PAIRING_QUEUE: [played.pair_session],
            DATABASE_QUEUE: [played.record_transition, played.forget_keys, played.remove_session],
            host_queue(HOST): [played.release_session, played.logout_device, played.request_pairing_code],
        }
        return [
            Worker(self.client, task_queue=WORKFLOW_QUEUE, workflows=[SessionWorkflow]),
            *(
                Worker(
                    self.client,
                    task_queue=queue,
                    activities=activities,
                    max_heartbeat_throttle_interval=beat,
                    default_heartbeat_throttle_interval=beat,
                )
                for queue, activities in queues.items()
            ),
        ]

    async def opens(self, connection_id: str | None = None, *, skips_time: bool = False, **start: Any) -> Stage:
        """Start a session; the keywords are fields of SessionInput.

        `skips_time`: whenever none of its activities runs, its timers fire at once.
        """
        session = SessionInput(connection_id or f"connection-{next(_names)}", DEFAULT_OWNER_ID, **start)
        stage = Stage(self, session)
        self.stages[session.connection_id] = stage
        self.skipper.config = TimeSkippingConfig(enabled=skips_time)
        await self.client.start_workflow(
            SessionWorkflow.run,
            session,
            id=session_workflow_id(session.connection_id),
            task_queue=WORKFLOW_QUEUE,
            search_attributes=typed(session),
        )
        return stage

    async def replay(self) -> None:
        """Every run that was played replays: all at once, since a replayer takes longer to start than to replay."""

        async def runs() -> AsyncGenerator[WorkflowHistory]:
            for history in self.played:
                yield history

        replayed = await Replayer(workflows=[SessionWorkflow]).replay_workflows(runs(), raise_on_replay_failure=False)
        assert not replayed.replay_failures, replayed.replay_failures

    async def clear(self) -> None:
        """End every stage, and check each."""
        try:
            for stage in self.stages.values():
                await stage.close()
                stage.check_records()
        finally:
            self.stages.clear()


@asynccontextmanager
async def theatre() -> AsyncGenerator[Theatre]:
    """A server with its workers."""
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(BIN / "temporal"),
        search_attributes=KEYS,
        dev_server_log_level="error",
        dev_server_extra_args=[
            "--dynamic-config-value",
            "frontend.WorkflowTimeSkippingEnabled=true",
            "--dynamic-config-value",
            "history.transferProcessorMaxPollRPS=1000",
            "--dynamic-config-value",
            "history.timerProcessorMaxPollRPS=1000",
        ],
    )
    async with environment:
        opened = Theatre(environment)
        async with AsyncExitStack() as stack:
            for worker in opened.workers():
                await stack.enter_async_context(worker)
            yield opened
