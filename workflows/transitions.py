"""The state machine of a session as a pure table: the workflow only asks it, and a test enumerates it."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from contracts.states import HOSTED_STATES, PAIRING_STATES, RESTING_STATES, SessionState

S = SessionState


class SessionEvent(StrEnum):
    """What can happen to a session: facts told by its holder, time running out, and clients' commands."""

    QR_SHOWN = "qr_shown"
    PAIRED = "paired"
    PAIRING_REJECTED = "pairing_rejected"
    PAIRING_UNSUPPORTED = "pairing_unsupported"
    UNREACHABLE = "unreachable"
    WINDOW_CLOSED = "window_closed"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    HOST_CHANGED = "host_changed"
    LOGGED_OUT = "logged_out"
    KEYS_MISSING = "keys_missing"
    BANNED = "banned"
    CLIENT_OUTDATED = "client_outdated"
    REPLACED = "replaced"
    SUPERSEDED = "superseded"
    PROBE_DUE = "probe_due"
    REFRESH_QR = "refresh_qr"
    RECONNECT = "reconnect"
    DISCONNECT = "disconnect"
    LOGOUT = "logout"
    DELETE = "delete"


def _rows(event: SessionEvent, sources: frozenset[SessionState], target: SessionState):
    return {(source, event): target for source in sources}


_ALIVE = PAIRING_STATES | HOSTED_STATES | RESTING_STATES

TRANSITIONS: Final[dict[tuple[SessionState, SessionEvent], SessionState]] = {
    # Pairing.
    **_rows(SessionEvent.QR_SHOWN, frozenset({S.STARTING}), S.AWAITING_SCAN),
    **_rows(SessionEvent.PAIRED, PAIRING_STATES, S.PAIRING),
    **_rows(SessionEvent.UNREACHABLE, PAIRING_STATES, S.STARTING),
    **_rows(SessionEvent.WINDOW_CLOSED, PAIRING_STATES, S.QR_EXPIRED),
    **_rows(SessionEvent.PAIRING_UNSUPPORTED, PAIRING_STATES, S.QR_EXPIRED),
    # The phone never finished the pairing, so the keys are worthless and a new code is due.
    **_rows(SessionEvent.PAIRING_REJECTED, frozenset({S.PAIRING, S.RECONNECTING}), S.STARTING),
    # Hosting.
    **_rows(SessionEvent.CONNECTED, frozenset({S.PAIRING, S.RECONNECTING}), S.CONNECTED),
    **_rows(SessionEvent.HOST_CHANGED, frozenset({S.CONNECTED}), S.CONNECTED),
    **_rows(SessionEvent.DISCONNECTED, frozenset({S.PAIRING, S.CONNECTED}), S.RECONNECTING),
    **_rows(SessionEvent.KEYS_MISSING, HOSTED_STATES, S.LOGGED_OUT),
    **_rows(SessionEvent.LOGGED_OUT, HOSTED_STATES, S.LOGGED_OUT),
    **_rows(SessionEvent.BANNED, HOSTED_STATES, S.BANNED),
    **_rows(SessionEvent.REPLACED, HOSTED_STATES, S.DUPLICATE),
    **_rows(SessionEvent.SUPERSEDED, HOSTED_STATES | RESTING_STATES - {S.DUPLICATE}, S.DUPLICATE),
    # WhatsApp refuses old clients at login and at pairing alike.
    **_rows(SessionEvent.CLIENT_OUTDATED, PAIRING_STATES | HOSTED_STATES, S.CLIENT_OUTDATED),
    # A term is over: one careful try, not a storm.
    **_rows(SessionEvent.PROBE_DUE, frozenset({S.BANNED, S.CLIENT_OUTDATED}), S.RECONNECTING),
    # Commands.
    **_rows(SessionEvent.REFRESH_QR, PAIRING_STATES | RESTING_STATES, S.STARTING),
    **_rows(SessionEvent.RECONNECT, HOSTED_STATES | RESTING_STATES, S.RECONNECTING),
    **_rows(SessionEvent.DISCONNECT, PAIRING_STATES | HOSTED_STATES, S.STOPPED),
    **_rows(SessionEvent.LOGOUT, _ALIVE, S.LOGGED_OUT),
    **_rows(SessionEvent.DELETE, _ALIVE, S.DELETED),
}


def next_state(state: SessionState, event: SessionEvent) -> SessionState | None:
    """Where `event` takes a session that is in `state`, or None if it means nothing there."""
    return TRANSITIONS.get((state, event))


def refusal(state: SessionState, event: SessionEvent, *, has_device: bool) -> str | None:
    """Why a command must be refused (a failure code), or None. `has_device`: whether keys are held."""
    if state is S.DELETED:
        return "SESSION_DELETED"
    if event is SessionEvent.REFRESH_QR and has_device:
        return "SESSION_ALREADY_PAIRED"
    if event in (SessionEvent.RECONNECT, SessionEvent.LOGOUT) and not has_device:
        return "SESSION_NOT_PAIRED"
    return None
