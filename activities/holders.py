"""Everything this process holds: live sessions and running pairings, by connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field

import structlog

from activities.holding import Holding
from contracts.errors import PereneError
from contracts.ports import Lease, PairingAttempt

log = structlog.get_logger(__name__)

ADOPTION_SECONDS = 10.0
"""How long, once the orchestrator can be reached, a holding without an attempt waits to be adopted before its socket is
closed and its lease given up. An orchestrator that has just come back needs some seconds to hand out the next attempt;
an attempt that went to another process waits for the lease meanwhile, and the session is up all the time."""
RELEASE_SECONDS = 2.0
"""How long letting go waits for the database to take the lease back; it goes on in the background."""


@dataclass
class Pairing:
    """A pairing in progress; `stopped` ends it."""

    lease: Lease
    attempt: PairingAttempt | None = None
    stopped: asyncio.Event = field(default_factory=asyncio.Event)


class Holders:
    """The registry of this process. One holder a connection; commands address it by connection and epoch."""

    def __init__(self, release: Callable[[Lease], asyncio.Task[None]]):
        """`release(lease)` gives a lease back in the background."""
        self.holdings: dict[str, Holding] = {}
        self.pairings: dict[str, Pairing] = {}
        self._release = release
        self._orphans: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def held(self) -> int:
        """Sessions and pairings held now."""
        return len(self.holdings) + len(self.pairings)

    # Live sessions.

    def adopt(self, connection_id: str, order: str) -> Holding | None:
        """The holding that an earlier attempt of the same order left behind, even if it has ended in the meantime.

        A later order of the workflow never adopts: it counts the epoch of an earlier one as over.
        """
        holding = self.holdings.get(connection_id)
        if holding is None or holding.attended or holding.order != order:
            return None
        waiting = self._orphans.pop(connection_id, None)
        if waiting is not None:
            waiting.cancel()
        holding.attended = True
        return holding

    def orphan(self, holding: Holding, reachable: Callable[[], Awaitable[object]] | None = None) -> None:
        """The attempt is gone and the socket is fine: keep it for the next attempt.

        `reachable()` returns when the orchestrator answers. Until then nobody can be told to take the session, and
        the lease keeps everybody else away from it: closing its socket would help nobody.
        """
        holding.attended = False
        holding.on_fact = None
        self._orphans[holding.lease.connection_id] = self._start(self._await_adoption(holding, reachable))

    async def _await_adoption(self, holding: Holding, reachable: Callable[[], Awaitable[object]] | None) -> None:
        if reachable is not None:
            await reachable()
        await asyncio.sleep(ADOPTION_SECONDS)
        self._give_up(holding)

    def _give_up(self, holding: Holding) -> None:
        """Close a holding that no attempt attends to."""
        # Nobody cancels what follows: a lease left behind here could never be claimed again.
        waiting = self._orphans.pop(holding.lease.connection_id, None)
        if not holding.attended:
            log.info("orphaned_session_given_up", connection=holding.lease.connection_id)
            self._start(self._let_go(holding))
        if waiting is not None and waiting is not asyncio.current_task():
            waiting.cancel()

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def let_go(self, holding: Holding) -> None:
        """Close the socket, then give the lease back, in this order. Runs to its end even if the caller is cancelled:
        a lease that was left behind here could never be claimed again."""
        await asyncio.shield(self._start(self._let_go(holding)))

    async def _let_go(self, holding: Holding) -> None:
        await holding.close()
        if self.holdings.get(holding.lease.connection_id) is holding:
            del self.holdings[holding.lease.connection_id]
        await asyncio.wait({self._release(holding.lease)}, timeout=RELEASE_SECONDS)

    # All at once.

    async def surrender(self, reason: str) -> None:
        """The lease is, or may soon be, another's: close every socket now. Their activities then start again."""
        log.error("surrendering_sessions", reason=reason, count=self.held())
        for pairing in self.pairings.values():
            pairing.stopped.set()
        holdings = list(self.holdings.values())
        for holding in holdings:
            holding.release(reason)
        stopped = await asyncio.gather(*(holding.live.stop() for holding in holdings), return_exceptions=True)
        for holding, error in zip(holdings, stopped, strict=True):
            if isinstance(error, Exception):
                log.error("socket_not_closed", connection=holding.lease.connection_id, exc_info=error)
            if not holding.attended:
                self._give_up(holding)

    async def close(self) -> None:
        """Let everything go; for the end of the process."""
        for pairing in list(self.pairings.values()):
            pairing.stopped.set()
        for waiting in self._orphans.values():
            waiting.cancel()
        await asyncio.gather(*(self.let_go(holding) for holding in list(self.holdings.values())))

    # Commands.

    def release(self, connection_id: str, epoch: int, reason: str) -> None:
        """Ask for the end of a live session. Raises PereneError SESSION_NOT_CONNECTED as `holding` does."""
        holding = self.holding(connection_id, epoch)
        holding.release(reason)
        if not holding.attended:
            self._give_up(holding)

    def holding(self, connection_id: str, epoch: int) -> Holding:
        """The live session under this epoch. Raises PereneError SESSION_NOT_CONNECTED if this process has it not."""
        holding = self.holdings.get(connection_id)
        if holding is None or holding.lease.epoch != epoch:
            raise PereneError(f"{connection_id} is not held here under epoch {epoch}", code="SESSION_NOT_CONNECTED")
        return holding

    def pairing(self, connection_id: str, epoch: int) -> Pairing | None:
        """The running pairing under this epoch, or None."""
        pairing = self.pairings.get(connection_id)
        return pairing if pairing is not None and pairing.lease.epoch == epoch else None
