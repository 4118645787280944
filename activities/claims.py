"""Taking and giving back the leases of sessions: in this process, one claim of a session at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from temporalio import activity

from activities.handover import handed_over
from activities.lease_keeper import LeaseKeeper
from contracts.errors import DatabaseUnavailable, PereneError
from contracts.ports import Lease, LeaseStore

log = structlog.get_logger(__name__)

CLAIM_POLL_SECONDS = 0.1
DOUBT_POLL_SECONDS = 0.5


class Claims:
    """The sessions this process has taken. The database lets a host claim again what it holds itself, since the answer
    to a claim can be lost; that no two activities of one process do so is seen to here."""

    def __init__(self, leases: LeaseStore, keeper: LeaseKeeper):
        self._leases = leases
        self._keeper = keeper
        self._taken: set[str] = set()
        self._settling: set[asyncio.Task[None]] = set()

    async def take(
        self, connection_id: str, owner_id: str, clear: Callable[[], Awaitable[None]] | None = None
    ) -> Lease:
        """Wait until the session is ours; for an activity. The database may be away meanwhile.

        `clear()` is awaited before each try, to let go of what an earlier activity left in this process.
        Raises ConnectionNotFound if the row is gone, and the benign hand-over error when the worker stops.
        """
        doubtful = False
        try:
            while True:
                if activity.is_worker_shutdown():
                    raise handed_over("worker_stopping")
                await self._keeper.wait_valid()
                if clear is not None:
                    await clear()
                if connection_id not in self._taken:
                    doubtful, lease = True, await self._try(connection_id, owner_id)
                    if isinstance(lease, Lease):
                        doubtful = False
                        return lease
                    doubtful = lease is None
                await asyncio.sleep(DOUBT_POLL_SECONDS if doubtful else CLAIM_POLL_SECONDS)
        except PereneError:
            doubtful = False
            raise
        finally:
            if doubtful:
                # It may be ours without our knowing, and then nobody else could ever take it.
                task = asyncio.create_task(self._settle(connection_id, owner_id), name=f"settle-{connection_id}")
                self._settling.add(task)
                task.add_done_callback(self._settling.discard)

    async def _try(self, connection_id: str, owner_id: str) -> Lease | bool | None:
        """The lease; False if another holds the session; None if nobody knows."""
        self._taken.add(connection_id)
        taken = False
        try:
            lease = await self._leases.claim(connection_id, owner_id, self._keeper.host_id)
            taken = lease is not None
            return lease or False
        except DatabaseUnavailable as error:
            log.warning("claim_in_doubt", connection=connection_id, error=str(error))
            return None
        finally:
            if not taken:
                self._taken.discard(connection_id)

    async def _settle(self, connection_id: str, owner_id: str) -> None:
        while connection_id not in self._taken:
            try:
                lease = await self._try(connection_id, owner_id)
            except PereneError as error:
                log.info("claim_settled", connection=connection_id, result=error.code)
                return
            if isinstance(lease, Lease):
                self.give_back(lease)
            if lease is not None:
                return
            await asyncio.sleep(DOUBT_POLL_SECONDS)

    def give_back(self, lease: Lease) -> asyncio.Task[None]:
        """Release in the background, however long the database is away."""
        task = self._keeper.give_back(lease)
        task.add_done_callback(lambda _: self._taken.discard(lease.connection_id))
        return task
