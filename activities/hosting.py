"""The long activity that holds a WhatsApp socket."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import structlog
from temporalio import activity

from activities.claims import Claims
from activities.facts import FactTeller
from activities.handover import handed_over
from activities.heartbeats import beating
from activities.holders import Holders
from activities.holding import Holding
from activities.lease_keeper import LeaseKeeper
from activities.orchestrator import answering
from contracts.errors import ConnectionNotFound
from contracts.hosting import HostOutcome, HostProgress, HostRequest, HostResult
from contracts.ports import Lease, MessageStore, SendQueue, SessionStore, WhatsAppHost

log = structlog.get_logger(__name__)

QUICK_LOGIN_SECONDS = 1.0
"""A login within this time is told as one fact ("connected"); a slower one is told in two ("claimed" first)."""


class Hosting:
    """Holds sockets for this process."""

    def __init__(
        self,
        *,
        keeper: LeaseKeeper,
        claims: Claims,
        holders: Holders,
        sessions: SessionStore,
        messages: MessageStore,
        sends: SendQueue,
        whatsapp: WhatsAppHost,
    ):
        self._keeper = keeper
        self._holders = holders
        self._claims = claims
        self._sessions = sessions
        self._messages = messages
        self._sends = sends
        self._whatsapp = whatsapp

    @activity.defn
    async def host_session(self, request: HostRequest) -> HostOutcome:
        """Take the session's lease, hold its socket, and return how it ended.

        A worker that stops hands the session over: socket closed, lease released, next attempt at once. An attempt
        that Temporal gave up on while the socket was fine leaves it to the next attempt in this process.
        """
        info = activity.info()
        order = f"{info.workflow_run_id}/{info.activity_id}"
        facts = FactTeller(activity.client().get_workflow_handle(info.workflow_id or ""))
        try:
            holding = self._holders.adopt(request.connection_id, order)
            if holding is None:
                async with beating(self._waiting_progress):
                    try:
                        lease = await self._claim(request)
                    except ConnectionNotFound:
                        return HostOutcome(HostResult.GONE, 0)
                    holding = await self._open(request, lease, order)
                if isinstance(holding, HostOutcome):
                    return holding
            else:
                log.info("session_adopted", connection=request.connection_id, epoch=holding.lease.epoch)
            return await self._attend(holding, facts)
        finally:
            await facts.close()

    def _waiting_progress(self) -> HostProgress:
        return HostProgress(host_id=self._keeper.host_id, epoch=0, phase="claiming")

    async def _claim(self, request: HostRequest) -> Lease:
        async def clear() -> None:
            leftover = self._holders.holdings.get(request.connection_id)
            if leftover is not None and not leftover.attended:
                await self._holders.let_go(leftover)

        return await self._claims.take(request.connection_id, request.owner_id, clear)

    async def _open(self, request: HostRequest, lease: Lease, order: str) -> Holding | HostOutcome:
        try:
            if not await self._sessions.has_keys(request.device):
                self._claims.give_back(lease)
                return HostOutcome(HostResult.KEYS_MISSING, lease.epoch)
            live = await self._whatsapp.open(f"{lease.connection_id}#{lease.epoch}", request.device, lease.proxy)
        except BaseException:
            self._claims.give_back(lease)
            raise
        holding = Holding(lease, live, self._messages, self._sends, order)
        holding.attended = True
        self._holders.holdings[lease.connection_id] = holding
        if not self._keeper.valid:
            # The lease ran out while the library was starting: the surrender has passed this socket by.
            holding.release("lease_not_renewed")
        return holding

    async def _attend(self, holding: Holding, facts: FactTeller) -> HostOutcome:
        loop = asyncio.get_running_loop()
        claimed = loop.call_later(
            QUICK_LOGIN_SECONDS, lambda: None if holding.is_connected else facts.tell(holding.fact("claimed"))
        )
        holding.on_fact = facts.tell
        if holding.is_connected:
            facts.tell(holding.fact("connected"))
        elif holding.connects:
            # Adopted, and the link was lost while nobody listened.
            facts.tell(holding.fact("disconnected"))
        stopping = asyncio.create_task(activity.wait_for_worker_shutdown())
        async with beating(holding.progress):
            try:
                await asyncio.wait({holding.outcome, stopping}, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                await self._cancelled(holding)
                raise
            finally:
                claimed.cancel()
                stopping.cancel()
            holding.on_fact = None
            outcome = holding.outcome.result() if holding.outcome.done() else None
            # Still beating: what had arrived may take longer to write than a silent holder is believed alive.
            await self._holders.let_go(holding)
        if outcome is None:
            raise handed_over("worker_stopping")
        if outcome.result is HostResult.RELEASED and outcome.detail not in _COMMANDED:
            # Fenced or out of lease: nobody asked for the end, so another attempt must follow.
            raise handed_over(outcome.detail or "released", timedelta(milliseconds=200))
        return outcome

    async def _cancelled(self, holding: Holding) -> None:
        details = activity.cancellation_details()
        by_workflow = details is not None and details.cancel_requested
        paused = details is not None and details.paused
        if by_workflow or paused or activity.is_worker_shutdown() or holding.outcome.done():
            await self._holders.let_go(holding)
        else:
            log.warning("attempt_abandoned_by_orchestrator", connection=holding.lease.connection_id, at=time.time())
            client = activity.client()
            self._holders.orphan(holding, lambda: answering(client))


_COMMANDED = frozenset({"disconnect", "reconnect", "delete", "logout", "superseded", "continue_as_new", "refresh_qr"})
