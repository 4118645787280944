"""What the long activities take and give: pairing a device, hosting its socket, and commands to the holder."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from contracts.session import Device


class PairResult(StrEnum):
    """How one attempt to pair ended."""

    PAIRED = "paired"
    CODES_EXHAUSTED = "codes_exhausted"
    """The library used up its six codes; make a new client for more."""
    UNREACHABLE = "unreachable"
    """WhatsApp could not be reached or dropped us before a code came."""
    REFUSED = "refused"
    """WhatsApp or the library refused the pairing; `detail` says why."""
    CLIENT_OUTDATED = "client_outdated"
    UNSUPPORTED = "unsupported"
    """The phone chose a way of pairing the library cannot follow (a passkey, or no multi-device)."""
    RELEASED = "released"
    """Stopped on command."""
    GONE = "gone"
    """The connection has no row: its creation was taken back, or it was removed."""


@dataclass
class PairRequest:
    """Pair a new device for a connection. Its proxy comes with the lease: a proxy's URL may hold a password.

    No code may promise more than its window has: the window ends at `window_ends_at` (unix seconds), or, where none is
    open yet, `window_seconds` after the first code. Both None: no limit but the code's own.
    """

    connection_id: str
    owner_id: str
    window_ends_at: float | None = None
    window_seconds: float | None = None


@dataclass
class PairOutcome:
    """`device` is set for `PAIRED`. `epoch` is the lease under which it ran."""

    result: PairResult
    epoch: int
    device: Device | None = None
    detail: str | None = None


class HostResult(StrEnum):
    """How the hosting of a socket ended."""

    CONNECTION_LOST = "connection_lost"
    """The socket was lost and did not come back within the grace period; the workflow decides when to try again."""
    LOGGED_OUT = "logged_out"
    BANNED = "banned"
    CLIENT_OUTDATED = "client_outdated"
    REPLACED = "replaced"
    """Somebody else logged in with these keys."""
    KEYS_MISSING = "keys_missing"
    """The device's rows are not in the key store."""
    RELEASED = "released"
    """Stopped on command (see `ReleaseRequest.reason`)."""
    GONE = "gone"
    """The connection has no row any more."""
    REFUSED = "refused"
    """WhatsApp refused the login with a reason that is none of the above; `detail` says which."""


@dataclass
class HostRequest:
    """Hold the socket of `device`."""

    connection_id: str
    owner_id: str
    device: Device


@dataclass
class HostOutcome:
    """How hosting ended. `connected`: whether it was logged in at least once. `until`: unix seconds, for a ban."""

    result: HostResult
    epoch: int
    connected: bool = False
    detail: str | None = None
    until: float | None = None


@dataclass
class HostProgress:
    """The heartbeat's details: progress, not mere life, so that a wedged socket does not look alive.

    `connects`: logins so far; `messages`: messages written; `last_event_at`: unix seconds of the last library event.
    """

    host_id: str
    epoch: int
    phase: str
    connects: int = 0
    messages: int = 0
    last_event_at: float | None = None


@dataclass
class ReleaseRequest:
    """Command on the holder's own queue: close the socket (or stop the pairing) and let the activity return."""

    connection_id: str
    epoch: int
    reason: str


@dataclass
class LogoutRequest:
    """Command on the holder's own queue: unlink the device at WhatsApp, then remove its keys."""

    connection_id: str
    epoch: int


@dataclass
class PairingCodeCommand:
    """Command on the holder's own queue: ask WhatsApp for a pairing code for `phone` (digits)."""

    connection_id: str
    epoch: int
    phone: str


@dataclass
class ForgetKeys:
    """Remove the device's rows from the key store."""

    connection_id: str
    owner_id: str
    device: Device


@dataclass
class RemoveSession:
    """Remove a connection: its row goes, its history stays; clients are told. `sequence` as in TransitionRecord."""

    connection_id: str
    owner_id: str
    sequence: int
    at: float
