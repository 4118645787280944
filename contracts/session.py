"""What the SessionWorkflow is given, what it answers, and what it tells its activities: one dataclass per message.

All are plain dataclasses of JSON types, so that Temporal's default converter carries them. Fields are added with a
default and never removed or retyped: runs that started before a deploy still hold the old form.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from contracts.states import SessionState


@dataclass
class Device:
    """A linked device. `jid` is `user:device@server`; `lid` the hidden address or None; `phone` digits."""

    jid: str
    phone: str
    lid: str | None = None
    push_name: str | None = None
    platform: str | None = None


@dataclass
class SessionInput:
    """State carried into a run, by the API (first run), by continue-as-new, or rebuilt from the database.

    Times are unix seconds. `sequence` counts the transitions written so far and makes each write idempotent.
    `window_seconds` is how long an untouched QR is renewed before `qr_expired`. `last_epoch` is the newest lease epoch
    whose holder has let go: what it may still tell is too late. `history_limit` is the number of events after which
    the run is continued as new at the next moment in which no socket is held.
    """

    connection_id: str
    owner_id: str
    state: SessionState = SessionState.STARTING
    reason: str | None = None
    device: Device | None = None
    sequence: int = 0
    window_seconds: float = 600.0
    window_ends_at: float | None = None
    retry_attempt: int = 0
    resume_at: float | None = None
    has_connected: bool = False
    last_epoch: int = 0
    history_limit: int = 1_000


@dataclass
class SessionView:
    """The answer of the query `view`: the live state as the workflow holds it. Times are unix seconds."""

    connection_id: str
    owner_id: str
    state: SessionState
    reason: str | None
    device: Device | None
    host_id: str | None
    epoch: int | None
    retry_attempt: int
    retry_at: float | None
    window_ends_at: float | None
    sequence: int


@dataclass
class CommandResult:
    """The answer of an update: the state after it, and whether it changed anything."""

    state: SessionState
    changed: bool


@dataclass
class LogoutResult:
    """The answer of `logout`: whether WhatsApp confirmed the unlinking, or only the keys here were removed."""

    state: SessionState
    unlinked: bool


@dataclass
class PairingCodeRequest:
    """Ask for the eight-character code that links `phone` (digits) without a camera."""

    phone: str


@dataclass
class PairingCode:
    """The code, as it is typed on the phone, without the dash."""

    code: str


@dataclass
class HostFact:
    """What the holder of the socket (or of the pairing) saw, told by the signal `host_fact`. `at` is unix seconds.

    `kind`: "claimed" (this host now holds the session), "qr" (a code was shown; it lives until `expires_at`),
    "connected", "disconnected" (the library is trying again by itself). Facts of an older `epoch` are ignored.
    """

    kind: str
    host_id: str
    epoch: int
    at: float
    expires_at: float | None = None
    push_name: str | None = None
    detail: str | None = None


@dataclass
class Superseded:
    """Signal: the same phone was paired by a newer connection of the same owner."""

    by_connection_id: str


@dataclass
class TransitionRecord:
    """One transition to be written: the row, its history entry and its client events, in one transaction.

    Idempotent by (`connection_id`, `sequence`): a record whose sequence is not greater than the row's is already in.
    `at` is unix seconds. `event` is the name of what happened (see `workflows.transitions.SessionEvent`).
    """

    connection_id: str
    owner_id: str
    sequence: int
    event: str
    from_state: SessionState
    to_state: SessionState
    at: float
    reason: str | None = None
    device: Device | None = None
    clear_device: bool = False
    detail: dict[str, str] = field(default_factory=dict[str, str])


@dataclass
class RecordResult:
    """`superseded`: older connections of this owner with the same phone, which this write turned to `duplicate`.

    `superseded_by`: the newer connection that turned this one to `duplicate`, if its signal has not come yet; the write
    changed nothing then.
    """

    superseded: list[str] = field(default_factory=list[str])
    superseded_by: str | None = None
