"""Sends of one session: claimed in order, marked dispatched before the wire, recorded after. At most once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

import structlog

from contracts.errors import DatabaseUnavailable, PereneError
from contracts.messages import READ_JOB, SendJob
from contracts.ports import Lease, LiveSession, SendOutcomeUnknown, SendQueue, SendRefused

log = structlog.get_logger(__name__)


class Outbound:
    """Sends what was accepted while the session is connected."""

    def __init__(self, lease: Lease, queue: SendQueue, live: LiveSession):
        self._lease = lease
        self._queue = queue
        self._live = live
        self._wake = asyncio.Event()
        self._connected = asyncio.Event()
        self._sending = asyncio.Lock()
        self.task = asyncio.create_task(self._send_for_ever(), name=f"outbound-{lease.connection_id}")

    def wake(self) -> None:
        """There may be something to send."""
        self._wake.set()

    def connected(self, up: bool) -> None:
        """Sends wait while the session is not connected: a send then would have an unknown outcome."""
        if up:
            self._connected.set()
            self._wake.set()
        else:
            self._connected.clear()

    async def _send_for_ever(self) -> None:
        recovered = False
        delay = 0.1
        while True:
            await self._connected.wait()
            await self._wake.wait()
            self._wake.clear()
            try:
                if not recovered:
                    # What an earlier holder dispatched and did not live to record is never sent again.
                    await self._queue.recover(self._lease)
                    recovered = True
                while self._connected.is_set():
                    async with self._sending:
                        job = await self._queue.next(self._lease)
                        if job is None:
                            break
                        await (self._mark_read(job) if job.type == READ_JOB else self._send(job))
                delay = 0.1
            except DatabaseUnavailable as error:
                log.warning("sends_waiting_for_database", connection=self._lease.connection_id, error=str(error))
                await asyncio.sleep(delay)
                delay = min(delay * 2, 2.0)
                self._wake.set()

    async def _send(self, job: SendJob) -> None:
        try:
            sent = await self._live.send(job)
        except SendRefused as error:
            refused = str(error)
            await self._until_recorded(lambda: self._queue.failed(self._lease, job, "SEND_REFUSED", refused))
        except SendOutcomeUnknown as error:
            doubt = str(error)
            await self._until_recorded(lambda: self._queue.unknown(self._lease, job, doubt))
        else:
            await self._until_recorded(lambda: self._queue.sent(self._lease, job, sent))

    async def _mark_read(self, job: SendJob) -> None:
        participant, ids = job.payload.get("participant"), cast(list[str], job.payload["messageIds"])
        try:
            await self._live.mark_read(job.chat, None if participant is None else str(participant), ids)
        except PereneError as error:
            code, reason = error.code, str(error)
            await self._until_recorded(lambda: self._queue.failed(self._lease, job, code, reason))
        else:
            await self._until_recorded(lambda: self._queue.receipted(self._lease, job))

    async def _until_recorded(self, write: Callable[[], Awaitable[None]]) -> None:
        """The wire has spoken: keep trying to write down what it said, for as long as we hold the session."""
        delay = 0.05
        while True:
            try:
                await write()
                return
            except DatabaseUnavailable as error:
                log.warning("send_result_waiting_for_database", connection=self._lease.connection_id, error=str(error))
                await asyncio.sleep(delay)
                delay = min(delay * 2, 2.0)

    async def stop(self, within: float) -> None:
        """Let a send that is on the wire be recorded, at most `within` seconds; then stop."""
        self._connected.clear()
        if not self.task.done():
            try:
                async with asyncio.timeout(within):
                    async with self._sending:
                        pass
            except TimeoutError:
                log.warning("send_left_unrecorded", connection=self._lease.connection_id)
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
