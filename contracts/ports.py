"""What activities need of the outside, as Protocols. Adapters (store/, whatsapp/) arrive by constructor.

Every store method may raise `DatabaseUnavailable` (try again later); those that take an `epoch` raise `StaleEpoch`
when another host holds the session.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from contracts.device import DeviceEvent, PairingEvent, QrShown
from contracts.messages import InboundMessage, Receipt, SendJob, SentMessage
from contracts.session import Device, RecordResult, SessionInput, TransitionRecord


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to hold one session's socket. `epoch` grows with each claim, over all sessions and for ever.

    `proxy` is the session's own proxy URL, or None. `taken_over`: the holder before never gave it up, its own lease ran
    out: that process may be frozen, and its library may log in once more in the moment it wakes, before it learns.
    """

    connection_id: str
    owner_id: str
    host_id: str
    epoch: int
    proxy: str | None = None
    taken_over: bool = False


class LeaseStore(Protocol):
    """Hosts' leases (one statement a process) and sessions' epochs."""

    async def register(self, *, host_id: str, process_name: str, capacity: int, build: str, ttl: float) -> None:
        """Make this process a host whose lease lives `ttl` seconds of database time from now."""
        ...

    async def renew(self, host_id: str, *, ttl: float, held: int) -> bool:
        """Renew; `held` sessions are held now. False if the lease had expired already (it is not renewed then)."""
        ...

    async def retire(self, host_id: str) -> None:
        """End this host's lease at once and release every session it holds."""
        ...

    async def claim(self, connection_id: str, owner_id: str, host_id: str) -> Lease | None:
        """Take the session with a new epoch, unless another host with a live lease holds it (None). What this host
        holds itself it may claim again; that no two claims of one process meet is the caller's to see to.
        Raises ConnectionNotFound if the row is gone."""
        ...

    async def release(self, lease: Lease) -> None:
        """Give the session up. Does nothing if the epoch is no longer current."""
        ...


class SessionStore(Protocol):
    """Session rows, their history, their QR and the outbox events these cause."""

    async def record(self, record: TransitionRecord) -> RecordResult:
        """Write one transition: row, history entry, outbox events, in one transaction; idempotent by sequence."""
        ...

    async def publish_qr(self, lease: Lease, qr: QrShown) -> None:
        """Put the code on the row, remember its adv_key for `find_paired`, queue `qrCode`. Checks the epoch."""
        ...

    async def find_paired(self, connection_id: str, owner_id: str) -> Device | None:
        """The device that was linked with one of this connection's codes, if its keys are in the key store."""
        ...

    async def has_keys(self, device: Device) -> bool:
        """Whether the device's row is in the key store."""
        ...

    async def forget_keys(self, device: Device) -> None:
        """Remove the device's rows from the key store."""
        ...

    async def remove(self, connection_id: str, owner_id: str, sequence: int, at: float) -> None:
        """Remove the connection's row and its pairings; keep its history; queue `connectionRemoved`. Idempotent."""
        ...

    async def unfinished(self) -> list[SessionInput]:
        """Every session that should have a running workflow, of every owner, rebuilt from its row."""
        ...


class MessageStore(Protocol):
    """The data plane's writes."""

    async def write(self, lease: Lease, messages: Sequence[InboundMessage], receipts: Sequence[Receipt]) -> int:
        """Write a batch with its chats, atendimentos and outbox events in one transaction; how many were new.
        Idempotent on (connection, message id); checks the epoch."""
        ...


class SendQueue(Protocol):
    """Accepted sends. At most once on the wire."""

    async def recover(self, lease: Lease) -> int:
        """Turn sends that an earlier epoch dispatched and never recorded to `unknown`; how many."""
        ...

    async def next(self, lease: Lease) -> SendJob | None:
        """The oldest accepted send of this session, marked dispatched (committed) before it is returned."""
        ...

    async def sent(self, lease: Lease, job: SendJob, sent: SentMessage) -> None:
        """Record the server's id; writes the message row and its events."""
        ...

    async def receipted(self, lease: Lease, job: SendJob) -> None:
        """Record that the read receipts of a `READ_JOB` left; no message, no event."""
        ...

    async def failed(self, lease: Lease, job: SendJob, code: str, detail: str) -> None:
        """Record a send that certainly did not reach the wire."""
        ...

    async def unknown(self, lease: Lease, job: SendJob, detail: str) -> None:
        """Record a send whose outcome nobody can know; it is never repeated."""
        ...

    def accepted(self) -> AsyncIterator[str]:
        """Connection ids with a newly accepted send (LISTEN), for ever; "" after a reconnect: look at all."""
        ...


class LiveSession(Protocol):
    """One hosted device: its socket, through the gate."""

    def events(self) -> AsyncIterator[DeviceEvent]:
        """What happens, in order, until `stop` (then it ends). Consumed by one reader."""
        ...

    async def stop(self) -> None:
        """Close the socket for good; when it returns no socket of this session is open and none will be opened.
        Idempotent."""
        ...

    async def logout(self) -> None:
        """Unlink at WhatsApp; the library removes the keys. Raises SessionNotConnected-coded PereneError."""
        ...

    async def send_text(self, chat: str, text: str) -> SentMessage:
        """Send one text. Raises `SendRefused` if it certainly did not leave, `SendOutcomeUnknown` otherwise."""
        ...

    async def send(self, job: SendJob) -> SentMessage:
        """Send what `job` says (`type` and `payload`). Same errors as `send_text`."""
        ...

    async def mark_read(self, chat: str, participant: str | None, message_ids: Sequence[str]) -> None:
        """Send read receipts."""
        ...


class SendRefused(Exception):
    """The message certainly did not reach WhatsApp."""


class SendOutcomeUnknown(Exception):
    """The message may or may not have reached WhatsApp."""


class WhatsAppHost(Protocol):
    """All the sockets of this process."""

    async def open(self, session_key: str, device: Device, proxy: str | None) -> LiveSession:
        """Start a client for a paired device whose keys are in the store; `session_key` is unique per claim
        (connection id and epoch). Returns once the library has it; the login's result comes as an event."""
        ...

    async def close(self) -> None:
        """Stop every session of this process."""
        ...


class PairingAttempt(Protocol):
    """One throw-away client waiting to be scanned."""

    def events(self) -> AsyncIterator[PairingEvent]:
        """QR codes, then exactly one `Paired` or `PairingFailed`, then the end."""
        ...

    async def pairing_code(self, phone: str) -> str:
        """Ask for an eight-character code for `phone`. Raises PereneError PAIRING_CODE_UNAVAILABLE."""
        ...


class Pairer(Protocol):
    """Starts pairings, each in a process that is thrown away."""

    def attempt(self, proxy: str | None) -> AbstractAsyncContextManager[PairingAttempt]:
        """A new device and its client. On leaving the context its process is gone and its socket closed."""
        ...


Clock = Callable[[], float]
"""Unix seconds, UTC."""
