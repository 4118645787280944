"""The activity that shows QR codes until one is scanned."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import structlog
from temporalio import activity

from activities.claims import Claims
from activities.facts import FactTeller
from activities.handover import handed_over
from activities.heartbeats import beating
from activities.holders import RELEASE_SECONDS, Holders, Pairing
from activities.lease_keeper import LeaseKeeper
from contracts.device import Paired, PairingEvent, PairingFailed, QrShown
from contracts.errors import ConnectionNotFound, DatabaseUnavailable
from contracts.hosting import HostProgress, PairOutcome, PairRequest, PairResult
from contracts.ports import Lease, Pairer, SessionStore
from contracts.session import HostFact

log = structlog.get_logger(__name__)


class PairingActivities:
    """Pairs devices, each in a process that is thrown away."""

    def __init__(
        self, *, keeper: LeaseKeeper, claims: Claims, holders: Holders, sessions: SessionStore, pairer: Pairer
    ):
        self._keeper = keeper
        self._holders = holders
        self._claims = claims
        self._sessions = sessions
        self._pairer = pairer

    @activity.defn
    async def pair_session(self, request: PairRequest) -> PairOutcome:
        """Show codes until one is scanned or the library has no more.

        The code itself goes straight to the session's row and never through the workflow: it holds a secret, and
        workflow history is read by operators. A pairing that an earlier attempt did not live to report is found by
        the secret of its codes.
        """
        info = activity.info()
        facts = FactTeller(activity.client().get_workflow_handle(info.workflow_id or ""))
        try:
            async with beating(lambda: HostProgress(self._keeper.host_id, 0, "pairing")):
                try:
                    lease = await self._claims.take(request.connection_id, request.owner_id)
                except ConnectionNotFound:
                    return PairOutcome(PairResult.GONE, 0)
                try:
                    return await self._pair(request, lease, facts)
                finally:
                    self._holders.pairings.pop(lease.connection_id, None)
                    await asyncio.wait({self._claims.give_back(lease)}, timeout=RELEASE_SECONDS)
        finally:
            await facts.close()

    async def _pair(self, request: PairRequest, lease: Lease, facts: FactTeller) -> PairOutcome:
        found = await self._sessions.find_paired(request.connection_id, request.owner_id)
        if found is not None:
            log.info("unreported_pairing_found", connection=request.connection_id)
            return PairOutcome(PairResult.PAIRED, lease.epoch, device=found)
        pairing = Pairing(lease)
        self._holders.pairings[request.connection_id] = pairing
        stopping = asyncio.create_task(activity.wait_for_worker_shutdown())
        stopped = asyncio.create_task(pairing.stopped.wait())
        try:
            async with self._pairer.attempt(lease.proxy) as attempt:
                pairing.attempt = attempt
                follow = asyncio.create_task(self._follow(attempt.events(), request, lease, facts))
                try:
                    await asyncio.wait({follow, stopping, stopped}, return_when=asyncio.FIRST_COMPLETED)
                    if follow.done():
                        return follow.result()
                finally:
                    follow.cancel()
                    await asyncio.gather(follow, return_exceptions=True)
        finally:
            stopping.cancel()
            stopped.cancel()
        # Stopped. The scan may have come in that very moment: the key store knows.
        found = await self._sessions.find_paired(request.connection_id, request.owner_id)
        if found is not None:
            return PairOutcome(PairResult.PAIRED, lease.epoch, device=found)
        if activity.is_worker_shutdown():
            raise handed_over("worker_stopping")
        return PairOutcome(PairResult.RELEASED, lease.epoch)

    async def _follow(
        self, events: AsyncIterator[PairingEvent], request: PairRequest, lease: Lease, facts: FactTeller
    ) -> PairOutcome:
        last: PairOutcome | None = None
        window_ends_at = request.window_ends_at
        async for event in events:
            if isinstance(event, QrShown):
                if window_ends_at is None and request.window_seconds is not None:
                    window_ends_at = event.at + request.window_seconds
                last = await self._on_event(_within(event, window_ends_at), lease, facts) or last
            else:
                last = await self._on_event(event, lease, facts) or last
        return last or PairOutcome(PairResult.UNREACHABLE, lease.epoch, detail="the pairing ended without a word")

    async def _on_event(self, event: PairingEvent, lease: Lease, facts: FactTeller) -> PairOutcome | None:
        match event:
            case QrShown():
                if await self._publish(event, lease):
                    facts.tell(
                        HostFact(
                            kind="qr",
                            host_id=lease.host_id,
                            epoch=lease.epoch,
                            at=time.time(),
                            expires_at=event.at + event.lifetime,
                        )
                    )
                return None
            case Paired():
                return PairOutcome(PairResult.PAIRED, lease.epoch, device=event.device)
            case PairingFailed():
                return PairOutcome(PairResult(event.result), lease.epoch, detail=event.detail)

    async def _publish(self, qr: QrShown, lease: Lease) -> bool:
        """Commit the code before anybody sees it; False if that could not be done while it lives."""
        while time.time() < qr.at + qr.lifetime:
            try:
                await self._sessions.publish_qr(lease, qr)
                return True
            except DatabaseUnavailable as error:
                log.warning("qr_waiting_for_database", connection=lease.connection_id, error=str(error))
                await asyncio.sleep(0.25)
        return False


def _within(qr: QrShown, window_ends_at: float | None) -> QrShown:
    """The code, promised for no longer than its window is open."""
    if window_ends_at is None:
        return qr
    return replace(qr, lifetime=min(qr.lifetime, window_ends_at - qr.at))
