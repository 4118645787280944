"""Keeping this process's lease: one statement every few seconds, and all sockets closed before it can expire."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from contracts.errors import DatabaseUnavailable
from contracts.ports import Lease, LeaseStore

log = structlog.get_logger(__name__)

LEASE_SECONDS = 8.0
RENEW_SECONDS = 2.0
SURRENDER_SECONDS = 6.0
"""Without a renewal for so long, all sockets are closed: 2 s before any other host may take them."""
SURRENDER_POLL_SECONDS = 0.25


class LeaseKeeper:
    """Registers this process as a host and renews its lease until `retire`.

    Times are measured from *before* each statement is sent, on a clock that runs on through SIGSTOP and suspend, so
    the lease is never thought younger than the database thinks it is.
    """

    def __init__(
        self,
        leases: LeaseStore,
        *,
        host_id: str,
        process_name: str,
        capacity: int,
        build: str,
        held: Callable[[], int],
        surrender: Callable[[str], Awaitable[None]],
    ):
        self._leases = leases
        self.host_id = host_id
        self._process_name = process_name
        self._capacity = capacity
        self._build = build
        self._held = held
        self._surrender = surrender
        self._renewed_at = float("-inf")
        self._valid = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._giving_back: set[asyncio.Task[None]] = set()

    @property
    def valid(self) -> bool:
        """Whether this host may open sockets and write now."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) - self._renewed_at < SURRENDER_SECONDS

    @property
    def tasks(self) -> tuple[asyncio.Task[None], ...]:
        """What keeps the lease. None of them ends before `retire`."""
        return tuple(self._tasks)

    async def wait_valid(self) -> None:
        """Wait until this host has a lease."""
        while not self.valid:
            self._valid.clear()
            await self._valid.wait()

    async def start(self) -> None:
        """Register (waiting for the database as long as it takes) and keep the lease from now on."""
        await self._register()
        self._tasks = [
            asyncio.create_task(self._renew_for_ever(), name="lease-renewal"),
            asyncio.create_task(self._watch(), name="lease-watch"),
        ]

    async def _register(self) -> None:
        delay = 0.2
        while True:
            asked_at = time.clock_gettime(time.CLOCK_BOOTTIME)
            try:
                await self._leases.register(
                    host_id=self.host_id,
                    process_name=self._process_name,
                    capacity=self._capacity,
                    build=self._build,
                    ttl=LEASE_SECONDS,
                )
            except DatabaseUnavailable as error:
                log.warning("lease_registration_delayed", host=self.host_id, error=str(error))
                await asyncio.sleep(delay)
                delay = min(delay * 2, RENEW_SECONDS)
            else:
                self._granted(asked_at)
                return

    def _granted(self, asked_at: float) -> None:
        self._renewed_at = asked_at
        self._valid.set()

    async def _renew_for_ever(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS if self.valid else 0.25)
            asked_at = time.clock_gettime(time.CLOCK_BOOTTIME)
            try:
                renewed = await self._leases.renew(self.host_id, ttl=LEASE_SECONDS, held=self._held())
            except DatabaseUnavailable as error:
                log.warning("lease_renewal_failed", host=self.host_id, error=str(error))
                continue
            if renewed:
                self._granted(asked_at)
            else:
                # It expired: others may hold our sessions by now, so nothing of ours may stay open.
                self._renewed_at = float("-inf")
                await self._surrender("lease_expired")
                await self._register()

    async def _watch(self) -> None:
        while True:
            left = SURRENDER_SECONDS - (time.clock_gettime(time.CLOCK_BOOTTIME) - self._renewed_at)
            if left > 0:
                await asyncio.sleep(left)
            elif self._held():
                # Again until all is let go: a socket that was being opened meanwhile may have come since.
                await self._surrender("lease_not_renewed")
                await asyncio.sleep(SURRENDER_POLL_SECONDS)
            else:
                self._valid.clear()
                await self._valid.wait()

    def give_back(self, lease: Lease) -> asyncio.Task[None]:
        """Release one session's lease in the background, however long the database is away.

        Left unreleased it would stay this living host's, and nobody could ever claim the session again.
        """
        task = asyncio.create_task(self._give_back(lease), name=f"release-{lease.connection_id}")
        self._giving_back.add(task)
        task.add_done_callback(self._giving_back.discard)
        return task

    async def _give_back(self, lease: Lease) -> None:
        delay = 0.1
        while True:
            try:
                await self._leases.release(lease)
                return
            except DatabaseUnavailable as error:
                log.warning("lease_release_delayed", connection=lease.connection_id, error=str(error))
                await asyncio.sleep(delay)
                delay = min(delay * 2, RENEW_SECONDS)

    async def retire(self) -> None:
        """Stop renewing and end the lease with all it holds, so that nobody has to wait for its expiry."""
        tasks = [*self._tasks, *self._giving_back]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            await self._leases.retire(self.host_id)
        except DatabaseUnavailable as error:
            log.warning("lease_retirement_failed", host=self.host_id, error=str(error))
