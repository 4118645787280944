"""The durable life of one session: pair, host, reconnect, rest, for years.

The workflow decides and never does I/O. One loop owns every decision; signals and updates only leave something for it
to decide on, so that no two of them ever act on a socket at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ActivityError, ApplicationError

from workflows.backoff import reconnect_delay
from workflows.policies import POLICIES
from workflows.transitions import SessionEvent, next_state, refusal
from workflows.visibility import attributes, details

with workflow.unsafe.imports_passed_through():
    from activities.commands import HolderCommands
    from activities.hosting import Hosting
    from activities.pairing import PairingActivities
    from activities.persistence import Persistence
    from contracts.hosting import (
        ForgetKeys,
        HostOutcome,
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
    from contracts.ids import host_queue, session_workflow_id
    from contracts.session import (
        CommandResult,
        HostFact,
        LogoutResult,
        PairingCode,
        PairingCodeRequest,
        SessionInput,
        SessionView,
        Superseded,
        TransitionRecord,
    )
    from contracts.states import HOSTED_STATES, PAIRING_STATES, RESTING_STATES, SessionState

HARD_LIMIT_FACTOR = 4
"""At so many times the history limit a socket is let go to continue as new: a moment's reconnect, long before the
server's own limit."""

OUTDATED_PROBE_SECONDS = 6 * 3600.0
"""A worker with a newer client may have been deployed: try once in a while, not in a storm."""
BAN_MARGIN_SECONDS = 60.0
RELEASE_SECONDS = 12.0
LOGOUT_CONNECT_SECONDS = 8.0
"""How long an unlinking waits for a socket; past it the keys here are removed and the phone keeps a dead entry."""
HOLDER_WAIT_SECONDS = 8.0

_UNLINKING = frozenset({SessionEvent.LOGOUT, SessionEvent.DELETE})


@dataclass
class _Command:
    """A client's command, waiting for its turn."""

    event: SessionEvent
    result: CommandResult | None = None
    error: ApplicationError | None = None
    unlinked: bool = False

    @property
    def done(self) -> bool:
        return self.result is not None or self.error is not None


@workflow.defn
class SessionWorkflow:
    """One connection, from its creation to its deletion."""

    @workflow.init
    def __init__(self, start: SessionInput):
        self._s = replace(start)
        self._host_id: str | None = None
        self._epoch = 0
        self._retry_at: float | None = None
        self._facts: list[HostFact] = []
        self._commands: list[_Command] = []
        self._superseded_by: str | None = None
        self._shown: dict[SearchAttributeKey[str], str] = {}

    # The loop.

    @workflow.run
    async def run(self, start: SessionInput) -> None:  # noqa: ARG002 - taken by __init__
        """Live until deleted. Continues as new only while no socket is held and no handler is running."""
        self._describe()
        while self._s.state is not SessionState.DELETED:
            if self._should_continue_as_new():
                # What arrives while a handler is still running must be carried out by this run.
                await workflow.wait_condition(lambda: workflow.all_handlers_finished() or self._is_called())
                if not self._is_called():
                    workflow.continue_as_new(self._s)
            if self._s.state in PAIRING_STATES:
                await self._pair()
            elif self._s.state in HOSTED_STATES:
                await self._host()
            else:
                await self._rest()
        for command in self._commands:
            command.error = ApplicationError("deleted in the meantime", type="SESSION_DELETED")
        await workflow.wait_condition(workflow.all_handlers_finished)

    def _should_continue_as_new(self) -> bool:
        if self._is_called():
            return False
        info = workflow.info()
        return info.get_current_history_length() > self._s.history_limit or info.is_continue_as_new_suggested()

    def _is_called(self) -> bool:
        """Whether something waits to be decided on."""
        return bool(self._commands) or self._superseded_by is not None

    # Phases. Each returns when the state belongs to another phase, or to be entered anew.

    async def _pair(self) -> None:
        """Show codes until one is scanned or the window closes."""
        self._superseded_by = None  # Meant for a device this session no longer has.
        if not await self._back_off(wake=lambda: bool(self._commands)):
            await self._next_command()
            return
        handle = workflow.start_activity_method(
            PairingActivities.pair_session,
            PairRequest(
                self._s.connection_id,
                self._s.owner_id,
                window_ends_at=self._s.window_ends_at,
                window_seconds=self._s.window_seconds,
            ),
            **POLICIES["pair_session"].options(),
        )
        window_closed = False
        while not handle.done():
            left = None if self._s.window_ends_at is None else self._s.window_ends_at - self._now()
            if left is not None and left <= 0:
                window_closed = True
                break
            await self._wait(lambda: handle.done() or bool(self._facts) or bool(self._commands), left)
            for fact in self._take_facts():
                self._held_by(fact.host_id, fact.epoch)
                if fact.kind == "qr":
                    await self._on_qr(fact.expires_at)
            if self._commands:
                break
        outcome: PairOutcome = await self._let_go(handle, self._commands[0].event.value if self._commands else "window")
        await self._on_pair_outcome(outcome, window_closed=window_closed)
        await self._next_command()

    async def _on_qr(self, expires_at: float | None) -> None:
        if self._s.window_ends_at is None:
            # The window runs from the first code on: time in which nobody could scan does not count.
            self._s.window_ends_at = self._now() + self._s.window_seconds
        # What was promised is kept, also by a holder that began anew after a crash and counted from its own first code.
        self._s.window_ends_at = max(self._s.window_ends_at, expires_at or 0.0)
        self._s.retry_attempt = 0
        await self._move(SessionEvent.QR_SHOWN)

    async def _on_pair_outcome(self, outcome: PairOutcome, *, window_closed: bool) -> None:
        match outcome.result:
            case PairResult.GONE:
                self._end()
            case PairResult.PAIRED:
                self._s.device = outcome.device
                self._s.retry_attempt = 0
                self._s.has_connected = False
                self._superseded_by = None  # Said of the device before this one.
                await self._move(SessionEvent.PAIRED)
            case PairResult.CLIENT_OUTDATED:
                self._s.resume_at = self._now() + OUTDATED_PROBE_SECONDS
                await self._move(SessionEvent.CLIENT_OUTDATED, "CLIENT_OUTDATED")
            case PairResult.UNSUPPORTED:
                await self._move(SessionEvent.PAIRING_UNSUPPORTED, "PAIRING_UNSUPPORTED", detail=outcome.detail)
            case _ if window_closed:
                await self._close_window()
            case PairResult.CODES_EXHAUSTED | PairResult.RELEASED:
                pass
            case PairResult.UNREACHABLE:
                self._s.retry_attempt += 1
                await self._move(SessionEvent.UNREACHABLE, "WHATSAPP_UNREACHABLE", detail=outcome.detail)
            case PairResult.REFUSED:
                self._s.retry_attempt += 1
                await self._move(SessionEvent.UNREACHABLE, "PAIRING_REFUSED", detail=outcome.detail)

    async def _close_window(self) -> None:
        self._s.window_ends_at = None
        await self._move(SessionEvent.WINDOW_CLOSED, "PAIRING_WINDOW_CLOSED")

    async def _host(self) -> None:
        """Hold the socket until it is lost for good, taken away, or let go on command."""
        if not await self._back_off(wake=self._is_called):
            await self._on_superseded()
            await self._next_command()
            return
        if self._s.device is None:
            await self._move(SessionEvent.KEYS_MISSING, "KEYS_MISSING")
            return
        handle = workflow.start_activity_method(
            Hosting.host_session,
            HostRequest(self._s.connection_id, self._s.owner_id, self._s.device),
            **POLICIES["host_session"].options(),
        )
        reason = "continue_as_new"
        while not handle.done():
            await self._wait(lambda: handle.done() or bool(self._facts) or self._is_called())
            await self._on_host_facts()
            if self._superseded_by is not None:
                reason = "superseded"
                break
            if self._commands:
                reason = self._commands[0].event.value
                if self._commands[0].event in _UNLINKING:
                    await self._unlink(self._commands[0], handle)
                break
            if workflow.info().get_current_history_length() > HARD_LIMIT_FACTOR * self._s.history_limit:
                break
        outcome: HostOutcome = await self._let_go(handle, reason)
        await self._on_host_outcome(outcome)
        await self._on_superseded()
        await self._next_command()

    async def _on_host_facts(self) -> None:
        """Apply what the holder told. Only the newest word about the link counts, so a burst is one transition."""
        link: HostFact | None = None
        changed = False
        for fact in self._take_facts():
            changed = changed or fact.epoch != self._epoch
            self._held_by(fact.host_id, fact.epoch)
            if fact.kind in ("connected", "disconnected"):
                link = fact
        if link is None:
            if changed and self._s.state is SessionState.CONNECTED:
                await self._move(SessionEvent.DISCONNECTED, "HOST_CHANGED")
            return
        if link.kind == "disconnected":
            await self._move(SessionEvent.DISCONNECTED, "CONNECTION_LOST", detail=link.detail)
            return
        self._s.has_connected = True
        self._s.retry_attempt = 0
        if self._s.device is not None and link.push_name:
            self._s.device = replace(self._s.device, push_name=link.push_name)
        if not await self._move(SessionEvent.CONNECTED) and changed:
            await self._move(SessionEvent.HOST_CHANGED)

    async def _on_host_outcome(self, outcome: HostOutcome) -> None:
        if outcome.connected:
            self._s.has_connected = True
        match outcome.result:
            case HostResult.GONE:
                self._end()
            case HostResult.RELEASED:
                pass
            case HostResult.CONNECTION_LOST:
                self._s.retry_attempt += 1
                await self._move(SessionEvent.DISCONNECTED, "CONNECTION_LOST", detail=outcome.detail)
            case HostResult.REFUSED:
                self._s.retry_attempt += 1
                await self._move(SessionEvent.DISCONNECTED, "LOGIN_REFUSED", detail=outcome.detail)
            case HostResult.LOGGED_OUT | HostResult.KEYS_MISSING if not self._s.has_connected:
                # The phone never finished this pairing: show a new code, within the window that is open.
                await self._forget_device()
                await self._move(SessionEvent.PAIRING_REJECTED, "PAIRING_NOT_COMPLETED", detail=outcome.detail)
            case HostResult.LOGGED_OUT:
                if self._commands and self._commands[0].unlinked:
                    return  # Our own doing: the command records it, with its own reason.
                await self._forget_device()
                await self._move(SessionEvent.LOGGED_OUT, "UNLINKED_ON_PHONE", detail=outcome.detail)
            case HostResult.KEYS_MISSING:
                await self._forget_device()
                await self._move(SessionEvent.KEYS_MISSING, "KEYS_MISSING")
            case HostResult.BANNED:
                self._s.resume_at = None if outcome.until is None else outcome.until + BAN_MARGIN_SECONDS
                await self._move(SessionEvent.BANNED, "TEMPORARY_BAN", detail=outcome.detail, until=outcome.until)
            case HostResult.CLIENT_OUTDATED:
                self._s.resume_at = self._now() + OUTDATED_PROBE_SECONDS
                await self._move(SessionEvent.CLIENT_OUTDATED, "CLIENT_OUTDATED")
            case HostResult.REPLACED:
                await self._move(SessionEvent.REPLACED, "STREAM_REPLACED")

    async def _rest(self) -> None:
        """Wait for a command, or for the term after which one careful try is due."""
        probing = self._s.resume_at is not None and self._s.device is not None
        left = self._s.resume_at - self._now() if probing and self._s.resume_at is not None else None
        called = await self._wait(self._is_called, left)
        if not called:
            self._s.resume_at = None
            await self._move(SessionEvent.PROBE_DUE, "PROBE")
            return
        await self._on_superseded()
        await self._next_command()

    async def _back_off(self, wake: Callable[[], bool]) -> bool:
        """Wait for the time of the next try; False if something else has to be decided first."""
        delay = reconnect_delay(self._s.retry_attempt, workflow.random())
        if delay > 0:
            self._retry_at = self._now() + delay
            interrupted = await self._wait(wake, delay)
            self._retry_at = None
            if interrupted:
                return False
        return not wake()

    # Letting go.

    async def _let_go(self, handle: workflow.ActivityHandle[Any], reason: str) -> Any:
        """The activity's outcome; if it is still running, its holder is asked to let go first. Nobody holds then.

        A holder that does not answer is dead or cut off: cancelling makes Temporal give up on it, and the lease keeps
        the next one waiting until the old socket cannot be open any more.
        """
        if not handle.done() and self._host_id is not None:
            request = ReleaseRequest(self._s.connection_id, self._epoch, reason)
            try:
                await workflow.execute_activity_method(
                    HolderCommands.release_session,
                    request,
                    **POLICIES["release_session"].options(host_queue(self._host_id)),
                )
                await self._wait(handle.done, RELEASE_SECONDS)
            except ActivityError as error:
                workflow.logger.warning("holder did not take the release", extra={"cause": str(error.cause)})
        if not handle.done():
            handle.cancel()
        try:
            outcome: HostOutcome | PairOutcome = await handle
        except (ActivityError, asyncio.CancelledError):
            if workflow.cancellation_reason() is not None:
                raise
            outcome = self._released_outcome()
        told = max((fact.epoch for fact in self._facts), default=0)
        self._s.last_epoch = max(self._s.last_epoch, self._epoch, outcome.epoch, told)
        self._facts.clear()
        self._held_by(None, 0)
        return outcome

    def _released_outcome(self) -> HostOutcome | PairOutcome:
        if self._s.state in PAIRING_STATES:
            return PairOutcome(PairResult.RELEASED, self._epoch)
        return HostOutcome(HostResult.RELEASED, self._epoch)

    async def _unlink(self, command: _Command, handle: workflow.ActivityHandle[HostOutcome]) -> None:
        """Have the holder tell WhatsApp to forget this device, if a socket comes up in time."""
        await self._wait(lambda: handle.done() or self._is_up(), LOGOUT_CONNECT_SECONDS)
        for fact in self._take_facts():
            self._held_by(fact.host_id, fact.epoch)
        if handle.done() or self._host_id is None:
            return
        try:
            await workflow.execute_activity_method(
                HolderCommands.logout_device,
                LogoutRequest(self._s.connection_id, self._epoch),
                **POLICIES["logout_device"].options(host_queue(self._host_id)),
            )
            command.unlinked = True
        except ActivityError as error:
            workflow.logger.warning("unlinking failed", extra={"cause": str(error.cause)})

    def _is_up(self) -> bool:
        held = self._s.state is SessionState.CONNECTED and self._host_id is not None
        return held or any(fact.kind == "connected" for fact in self._facts)

    # Commands and the newer session.

    async def _next_command(self) -> None:
        """Carry out the first waiting command. Called while no socket is held."""
        if not self._commands:
            return
        command = self._commands[0]
        before, written = self._s.state, self._s.sequence
        code = refusal(before, command.event, has_device=self._s.device is not None)
        if code is not None:
            # Things moved while it waited its turn.
            command.error = ApplicationError(f"{command.event.value} refused in {before.value}", type=code)
        else:
            await self._carry_out(command)
            command.result = CommandResult(self._s.state, changed=self._s.sequence > written)
        self._commands.remove(command)

    async def _carry_out(self, command: _Command) -> None:
        if next_state(self._s.state, command.event) is None:
            return  # Things moved while it waited its turn, and there is nothing left to do.
        self._s.retry_attempt = 0
        self._s.resume_at = None
        match command.event:
            case SessionEvent.REFRESH_QR:
                self._s.window_ends_at = None
                await self._move(command.event, "REQUESTED")
            case SessionEvent.LOGOUT:
                await self._unlink_at_rest(command)
                await self._forget_device()
                await self._move(command.event, "REQUESTED" if command.unlinked else "REQUESTED_NOT_CONFIRMED")
            case SessionEvent.DELETE:
                await self._unlink_at_rest(command)
                await self._forget_device()
                self._s.sequence += 1
                await workflow.execute_activity_method(
                    Persistence.remove_session,
                    RemoveSession(self._s.connection_id, self._s.owner_id, self._s.sequence, self._now()),
                    **POLICIES["remove_session"].options(),
                )
                self._end()
            case _:
                self._s.window_ends_at = None
                await self._move(command.event, "REQUESTED")

    async def _unlink_at_rest(self, command: _Command) -> None:
        """A resting session has no socket: open one, so that the phone stops listing a device nobody uses."""
        if self._s.device is None or self._s.state not in (SessionState.STOPPED, SessionState.DUPLICATE):
            return
        handle = workflow.start_activity_method(
            Hosting.host_session,
            HostRequest(self._s.connection_id, self._s.owner_id, self._s.device),
            **POLICIES["host_session"].options(),
        )
        await self._unlink(command, handle)
        await self._let_go(handle, command.event.value)

    async def _on_superseded(self) -> None:
        if self._superseded_by is None:
            return
        newer, self._superseded_by = self._superseded_by, None
        if self._s.device is None:
            return  # Said of a device that is gone.
        await self._move(SessionEvent.SUPERSEDED, "REPLACED_BY_NEW_CONNECTION", detail=newer)

    # Writing down.

    async def _move(
        self, event: SessionEvent, reason: str | None = None, *, detail: str | None = None, until: float | None = None
    ) -> bool:
        """Make the transition for `event`, written before anything else is decided. False if it means nothing now."""
        target = next_state(self._s.state, event)
        if target is None or (
            event is SessionEvent.UNREACHABLE and self._s.state is target and self._s.reason == reason
        ):
            return False
        source, self._s.state, self._s.reason = self._s.state, target, reason
        self._s.sequence += 1
        details = {"detail": detail} if detail else {}
        if until is not None:
            details["until"] = str(until)
        if self._host_id is not None:
            details["host"] = self._host_id
        self._describe()
        result = await workflow.execute_activity_method(
            Persistence.record_transition,
            TransitionRecord(
                connection_id=self._s.connection_id,
                owner_id=self._s.owner_id,
                sequence=self._s.sequence,
                event=event.value,
                from_state=source,
                to_state=target,
                at=self._now(),
                reason=reason,
                device=self._s.device,
                clear_device=self._s.device is None,
                detail=details,
            ),
            **POLICIES["record_transition"].options(),
        )
        if result.superseded_by is not None:
            self._superseded_by = result.superseded_by
        for older in result.superseded:
            await self._tell_superseded(older)
        return True

    async def _tell_superseded(self, connection_id: str) -> None:
        older = workflow.get_external_workflow_handle_for(SessionWorkflow.run, session_workflow_id(connection_id))
        try:
            await older.signal(SessionWorkflow.superseded, Superseded(self._s.connection_id))
        except ApplicationError as error:
            # It has ended by itself in the meantime; its row is written already.
            workflow.logger.warning("superseded session not told", extra={"older": connection_id, "cause": str(error)})

    def _end(self) -> None:
        """There is no row any more, so there is nothing left to write."""
        self._s.state = SessionState.DELETED
        self._describe()

    async def _forget_device(self) -> None:
        device, self._s.device = self._s.device, None
        self._s.has_connected = False
        if device is not None:
            await workflow.execute_activity_method(
                Persistence.forget_keys,
                ForgetKeys(self._s.connection_id, self._s.owner_id, device),
                **POLICIES["forget_keys"].options(),
            )

    def _held_by(self, host_id: str | None, epoch: int) -> None:
        if host_id == self._host_id and epoch == self._epoch:
            return
        self._host_id, self._epoch = host_id, epoch
        self._describe()

    def _describe(self) -> None:
        """Show an operator where the session is. Attributes that did not change are not written again."""
        now = attributes(self._s, self._host_id)
        changed = [key.value_set(value) for key, value in now.items() if self._shown.get(key) != value]
        if changed:
            workflow.upsert_search_attributes(changed)  # pyright: ignore[reportUnknownMemberType]
        self._shown = now
        workflow.set_current_details(details(self._s, self._host_id, self._epoch))

    # Time and waiting.

    def _now(self) -> float:
        return workflow.time()

    async def _wait(self, condition: Callable[[], bool], seconds: float | None = None) -> bool:
        """Wait until `condition` holds; False if `seconds` passed first."""
        try:
            await workflow.wait_condition(
                condition, timeout=None if seconds is None else timedelta(seconds=max(seconds, 0.0))
            )
        except TimeoutError:
            return False
        return True

    def _take_facts(self) -> list[HostFact]:
        """The facts told since, of the newest holder only: an older epoch has nothing to say any more."""
        facts, self._facts = self._facts, []
        newest = max((fact.epoch for fact in facts), default=0)
        if newest < self._epoch:
            return []
        return [fact for fact in facts if fact.epoch == newest]

    # Signals, updates, queries.

    @workflow.signal
    async def host_fact(self, fact: HostFact) -> None:
        """What the holder of the socket saw. A holder that has let go, or lost its lease, has nothing to say."""
        if fact.epoch > self._s.last_epoch and fact.epoch >= self._epoch:
            self._facts.append(fact)

    @workflow.signal
    async def superseded(self, by: Superseded) -> None:
        """A newer connection of the same owner was paired with the same phone."""
        self._superseded_by = by.by_connection_id

    def _validate(self, event: SessionEvent) -> None:
        code = refusal(self._s.state, event, has_device=self._s.device is not None)
        if code is not None:
            raise ApplicationError(f"{event.value} refused in {self._s.state.value}", type=code)

    async def _command(self, event: SessionEvent) -> _Command:
        command = _Command(event)
        self._commands.append(command)
        await workflow.wait_condition(lambda: command.done)
        if command.error is not None:
            raise command.error
        return command

    async def _simple(self, event: SessionEvent) -> CommandResult:
        command = await self._command(event)
        return command.result or CommandResult(self._s.state, changed=False)

    @workflow.update
    async def refresh_qr(self) -> CommandResult:
        """Open a new pairing window with a fresh code. Refused with SESSION_ALREADY_PAIRED."""
        return await self._simple(SessionEvent.REFRESH_QR)

    @refresh_qr.validator
    def _may_refresh_qr(self) -> None:
        self._validate(SessionEvent.REFRESH_QR)

    @workflow.update
    async def reconnect(self) -> CommandResult:
        """Close the socket if one is open, and connect now. Refused with SESSION_NOT_PAIRED."""
        return await self._simple(SessionEvent.RECONNECT)

    @reconnect.validator
    def _may_reconnect(self) -> None:
        self._validate(SessionEvent.RECONNECT)

    @workflow.update
    async def disconnect(self) -> CommandResult:
        """Close the socket, or stop the pairing, and keep the keys."""
        if self._s.state in RESTING_STATES and not self._commands:
            return CommandResult(self._s.state, changed=False)
        return await self._simple(SessionEvent.DISCONNECT)

    @disconnect.validator
    def _may_disconnect(self) -> None:
        self._validate(SessionEvent.DISCONNECT)

    @workflow.update
    async def logout(self) -> LogoutResult:
        """Unlink the device at WhatsApp and remove its keys. Refused with SESSION_NOT_PAIRED."""
        command = await self._command(SessionEvent.LOGOUT)
        return LogoutResult(self._s.state, unlinked=command.unlinked)

    @logout.validator
    def _may_logout(self) -> None:
        self._validate(SessionEvent.LOGOUT)

    @workflow.update
    async def delete(self) -> CommandResult:
        """Unlink if that can be done, remove the keys and the row, and end."""
        return await self._simple(SessionEvent.DELETE)

    @delete.validator
    def _may_delete(self) -> None:
        self._validate(SessionEvent.DELETE)

    @workflow.update
    async def pairing_code(self, request: PairingCodeRequest) -> PairingCode:
        """An eight-character code that links the phone without a camera. Refused unless waiting for a scan."""
        ready = await self._wait(
            lambda: (
                self._s.state not in PAIRING_STATES
                or (self._s.state is SessionState.AWAITING_SCAN and self._host_id is not None)
            ),
            HOLDER_WAIT_SECONDS,
        )
        if not ready:
            raise ApplicationError("no pairing is up yet", type="PAIRING_CODE_UNAVAILABLE")
        if self._s.state is not SessionState.AWAITING_SCAN or self._host_id is None:
            raise ApplicationError("not waiting for a scan", type="SESSION_NOT_AWAITING_SCAN")
        try:
            return await workflow.execute_activity_method(
                HolderCommands.request_pairing_code,
                PairingCodeCommand(self._s.connection_id, self._epoch, request.phone),
                **POLICIES["request_pairing_code"].options(host_queue(self._host_id)),
            )
        except ActivityError as error:
            code = error.cause.type if isinstance(error.cause, ApplicationError) else None
            raise ApplicationError(str(error.cause), type=code or "PAIRING_CODE_UNAVAILABLE") from error

    @pairing_code.validator
    def _may_pairing_code(self, request: PairingCodeRequest) -> None:  # noqa: ARG002
        if self._s.device is not None:
            raise ApplicationError("already paired", type="SESSION_ALREADY_PAIRED")
        if self._s.state not in PAIRING_STATES:
            raise ApplicationError("not waiting for a scan", type="SESSION_NOT_AWAITING_SCAN")

    @workflow.query
    def view(self) -> SessionView:
        """The live state."""
        return SessionView(
            connection_id=self._s.connection_id,
            owner_id=self._s.owner_id,
            state=self._s.state,
            reason=self._s.reason,
            device=self._s.device,
            host_id=self._host_id,
            epoch=self._epoch or None,
            retry_attempt=self._s.retry_attempt,
            retry_at=self._retry_at,
            window_ends_at=self._s.window_ends_at,
            sequence=self._s.sequence,
        )
