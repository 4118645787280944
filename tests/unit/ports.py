"""The ports of contracts/ports.py in memory, for the parts of activities/ that need no server."""

# ruff: noqa: ARG002 - the names are the ports' own
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime

from contracts.device import DeviceEvent, MessageArrived
from contracts.errors import DatabaseUnavailable, PereneError, StaleEpoch
from contracts.messages import READ_JOB, InboundMessage, MessageType, Receipt, SendJob, SentMessage
from contracts.ports import Lease, SendOutcomeUnknown, SendRefused

PATIENCE_SECONDS = 10.0


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition that other tasks of this loop bring about."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - any task may bring it about, and none of them tells
            await asyncio.sleep(0.001)


def lease(connection_id: str = "c1", epoch: int = 1) -> Lease:
    return Lease(connection_id, "owner", "host-1", epoch)


def message(number: int) -> InboundMessage:
    return InboundMessage(
        f"M{number}", "5511@s.whatsapp.net", False, datetime.now(UTC), MessageType.TEXT, f"text {number}"
    )


def job(number: int) -> SendJob:
    return SendJob(number, "c1", "5511@s.whatsapp.net", "text", {"text": f"text {number}"})


def read_job(number: int, participant: str | None = None) -> SendJob:
    payload: dict[str, object] = {"messageIds": [f"M{number}"], "participant": participant}
    return SendJob(number, "c1", "5511@s.whatsapp.net", READ_JOB, payload)


class Database:
    """What may be away, or held by somebody else."""

    def __init__(self) -> None:
        self.away = False
        self.stale = False
        self.tried = 0

    def check(self) -> None:
        self.tried += 1
        if self.away:
            raise DatabaseUnavailable
        if self.stale:
            raise StaleEpoch


class MemoryMessages:
    def __init__(self, database: Database | None = None) -> None:
        self.database = database or Database()
        self.batches: list[list[str]] = []
        self.receipts: list[Receipt] = []

    async def write(self, lease: Lease, messages: Sequence[InboundMessage], receipts: Sequence[Receipt]) -> int:
        await asyncio.sleep(0)
        self.database.check()
        self.batches.append([item.message_id for item in messages])
        self.receipts.extend(receipts)
        return len(messages)

    @property
    def written(self) -> list[str]:
        return [message_id for batch in self.batches for message_id in batch]


class MemorySends:
    """The send queue: accepted, dispatched, and what became of each."""

    def __init__(self, database: Database | None = None) -> None:
        self.database = database or Database()
        self.queue: list[SendJob] = []
        self.outcomes: dict[int, str] = {}
        self.recovered = 0

    async def recover(self, lease: Lease) -> int:
        self.database.check()
        self.recovered += 1
        return 0

    async def next(self, lease: Lease) -> SendJob | None:
        await asyncio.sleep(0)
        self.database.check()
        return self.queue.pop(0) if self.queue else None

    async def sent(self, lease: Lease, job: SendJob, sent: SentMessage) -> None:
        self._record(job, f"sent {sent.message_id}")

    async def receipted(self, lease: Lease, job: SendJob) -> None:
        self._record(job, "receipted")

    async def failed(self, lease: Lease, job: SendJob, code: str, detail: str) -> None:
        self._record(job, code)

    async def unknown(self, lease: Lease, job: SendJob, detail: str) -> None:
        self._record(job, "unknown")

    def _record(self, job: SendJob, outcome: str) -> None:
        self.database.check()
        assert job.id not in self.outcomes
        self.outcomes[job.id] = outcome

    async def accepted(self) -> AsyncIterator[str]:
        yield ""


class MemorySocket:
    """A live session whose events the test chooses."""

    def __init__(self) -> None:
        self.stream: asyncio.Queue[DeviceEvent | Exception | None] = asyncio.Queue()
        self.stops = 0
        self.logouts = 0
        self.on_wire: list[int] = []
        self.read: list[tuple[str, str | None, list[str]]] = []
        self.answer: Exception | None = None
        self.wire_free = asyncio.Event()
        self.wire_free.set()

    def happens(self, *events: DeviceEvent | Exception) -> None:
        for event in events:
            self.stream.put_nowait(event)

    def arrives(self, *numbers: int) -> None:
        self.happens(*(MessageArrived(message(number)) for number in numbers))

    async def events(self) -> AsyncIterator[DeviceEvent]:
        while (event := await self.stream.get()) is not None:
            if isinstance(event, Exception):
                raise event
            yield event

    async def stop(self) -> None:
        self.stops += 1
        self.stream.put_nowait(None)

    async def logout(self) -> None:
        self.logouts += 1

    async def send_text(self, chat: str, text: str) -> SentMessage:
        raise NotImplementedError

    async def send(self, job: SendJob) -> SentMessage:
        self.on_wire.append(job.id)
        await self.wire_free.wait()
        if self.answer is not None:
            raise self.answer
        return SentMessage(f"S{job.id}", datetime.now(UTC))

    async def mark_read(self, chat: str, participant: str | None, message_ids: Sequence[str]) -> None:
        self.read.append((chat, participant, list(message_ids)))
        await self.wire_free.wait()
        if self.answer is not None:
            raise self.answer


class MemoryLeases:
    """One process's lease, and the sessions it gave back."""

    def __init__(self) -> None:
        self.database = Database()
        self.registered = 0
        self.renewed = 0
        self.expired = False
        self.retired: list[str] = []
        self.released: list[Lease] = []

    async def register(self, *, host_id: str, process_name: str, capacity: int, build: str, ttl: float) -> None:
        self.database.check()
        self.expired = False
        self.registered += 1

    async def renew(self, host_id: str, *, ttl: float, held: int) -> bool:
        self.database.check()
        self.renewed += not self.expired
        return not self.expired

    async def retire(self, host_id: str) -> None:
        self.database.check()
        self.retired.append(host_id)

    async def claim(self, connection_id: str, owner_id: str, host_id: str) -> Lease | None:
        raise NotImplementedError

    async def release(self, lease: Lease) -> None:
        self.database.check()
        self.released.append(lease)


REFUSED = SendRefused("no")
UNKNOWN = SendOutcomeUnknown("who knows")
NOT_CONNECTED = PereneError("not now", code="SESSION_NOT_CONNECTED")
