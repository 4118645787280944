"""One session held by this process: lease, socket, inbox and outbound, whichever activity attempt attends to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from activities.inbox import Inbox
from activities.outbound import Outbound
from contracts.device import (
    Banned,
    ClientOutdated,
    Connected,
    DeviceEvent,
    Disconnected,
    LoggedOut,
    LoginRefused,
    MessageArrived,
    ReceiptArrived,
    Replaced,
)
from contracts.errors import PereneError, StaleEpoch
from contracts.hosting import HostOutcome, HostProgress, HostResult
from contracts.ports import Lease, LiveSession, MessageStore, SendQueue
from contracts.session import HostFact

log = structlog.get_logger(__name__)

RECONNECT_GRACE_SECONDS = 30.0
"""How long the library may try by itself. Its delays grow by 2 s a failure, uncapped: past this we start anew."""

DRAIN_SECONDS = 5.0


class Holding:
    """The socket of one session and all that hangs on it.

    It outlives an activity attempt: when Temporal was away for longer than a heartbeat timeout, the next attempt in
    this process adopts the holding as it is, and the socket is not touched.
    """

    def __init__(self, lease: Lease, live: LiveSession, messages: MessageStore, sends: SendQueue, order: str = ""):
        """`order` names the one activity of one workflow run, whatever the attempt, that asked for this holding."""
        self.lease = lease
        self.order = order
        self.live = live
        self.inbox = Inbox(lease, messages)
        self.outbound = Outbound(lease, sends, live)
        self.connects = 0
        self.is_connected = False
        self.last_event_at: float | None = None
        self.push_name: str | None = None
        self.attended = False
        self.outcome: asyncio.Future[HostOutcome] = asyncio.get_running_loop().create_future()
        self.on_fact: Callable[[HostFact], None] | None = None
        self._link_deadline: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None
        self._expect_link("WhatsApp could not be reached")
        self._reader = asyncio.create_task(self._read(), name=f"holding-{lease.connection_id}")
        for task in (self.inbox.task, self.outbound.task):
            task.add_done_callback(self._plane_ended)

    # What the attempt reads.

    def progress(self) -> HostProgress:
        """What a heartbeat says."""
        return HostProgress(
            host_id=self.lease.host_id,
            epoch=self.lease.epoch,
            phase="connected" if self.is_connected else "connecting",
            connects=self.connects,
            messages=self.inbox.written,
            last_event_at=self.last_event_at,
        )

    def fact(self, kind: str, detail: str | None = None) -> HostFact:
        """A fact about this holding, now."""
        return HostFact(
            kind=kind,
            host_id=self.lease.host_id,
            epoch=self.lease.epoch,
            at=time.time(),
            push_name=self.push_name,
            detail=detail,
        )

    # The library's events.

    async def _read(self) -> None:
        try:
            async for event in self.live.events():
                await self._on_event(event)
        except Exception as error:
            log.exception("holding_reader_failed", connection=self.lease.connection_id)
            self._end(HostResult.CONNECTION_LOST, f"{type(error).__name__}: {error}")
        else:
            self._end(HostResult.CONNECTION_LOST, "the library's event stream ended")

    async def _on_event(self, event: DeviceEvent) -> None:
        self.last_event_at = time.time()
        match event:
            case MessageArrived():
                await self.inbox.put(event.message)
            case ReceiptArrived():
                await self.inbox.put(event.receipt)
            case Connected():
                self.connects += 1
                self.is_connected = True
                self.push_name = event.push_name or self.push_name
                self._cancel_deadline()
                self.outbound.connected(True)
                self._tell("connected")
            case Disconnected():
                self.is_connected = False
                self.outbound.connected(False)
                self._expect_link(event.detail or "the connection was lost")
                self._tell("disconnected", event.detail)
            case LoggedOut():
                self._end(HostResult.LOGGED_OUT, event.detail)
            case Banned():
                self._end(HostResult.BANNED, event.detail, until=event.until)
            case ClientOutdated():
                self._end(HostResult.CLIENT_OUTDATED, None)
            case Replaced() if self.lease.taken_over:
                # Most likely by the holder before, which was frozen, woke up, and closes its socket as soon as it has
                # looked at its lease. Tried again once: the next lease was given up in order, and is taken over by
                # nobody, so somebody else who has these keys is told from it.
                self._end(HostResult.CONNECTION_LOST, "replaced after a take-over")
            case Replaced():
                self._end(HostResult.REPLACED, None)
            case LoginRefused():
                self._end(HostResult.REFUSED, event.detail)

    def _tell(self, kind: str, detail: str | None = None) -> None:
        if self.on_fact is not None:
            self.on_fact(self.fact(kind, detail))

    def _expect_link(self, reason: str) -> None:
        if self._link_deadline is None:
            loop = asyncio.get_running_loop()
            self._link_deadline = loop.call_later(
                RECONNECT_GRACE_SECONDS, self._end, HostResult.CONNECTION_LOST, reason
            )

    def _cancel_deadline(self) -> None:
        if self._link_deadline is not None:
            self._link_deadline.cancel()
            self._link_deadline = None

    def _plane_ended(self, task: asyncio.Task[None]) -> None:
        """A data-plane task only ends when it is stopped or when the database refused our epoch."""
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, StaleEpoch):
            self._end(HostResult.RELEASED, "fenced")
        elif error is not None:
            log.error("data_plane_failed", connection=self.lease.connection_id, exc_info=error)
            self._end(HostResult.CONNECTION_LOST, f"{type(error).__name__}: {error}")

    def _end(self, result: HostResult, detail: str | None, until: float | None = None) -> None:
        self.is_connected = False
        self.outbound.connected(False)
        self._cancel_deadline()
        if not self.outcome.done():
            self.outcome.set_result(
                HostOutcome(
                    result=result,
                    epoch=self.lease.epoch,
                    connected=self.connects > 0,
                    detail=detail,
                    until=until,
                )
            )

    # Commands.

    def release(self, reason: str) -> None:
        """Ask for the end of this holding."""
        self._end(HostResult.RELEASED, reason)

    async def logout(self) -> None:
        """Unlink at WhatsApp. Raises PereneError SESSION_NOT_CONNECTED."""
        if not self.is_connected:
            raise PereneError("the session is not connected", code="SESSION_NOT_CONNECTED")
        await self.live.logout()
        self._end(HostResult.LOGGED_OUT, "requested")

    async def close(self) -> None:
        """Close the socket, commit what had arrived, and stop. When it returns no socket is open. Idempotent."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        self._end(HostResult.RELEASED, "closed")
        await self.outbound.stop(DRAIN_SECONDS)
        await self.live.stop()
        # The stream ends with the socket; what it still holds was acknowledged to WhatsApp and must be written.
        await asyncio.wait({self._reader}, timeout=DRAIN_SECONDS)
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        await self.inbox.drain(DRAIN_SECONDS)
