"""The weather: what is to go wrong, for whom, and for how long."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import count
from typing import Any

EVERYONE = "*"


class Kind(StrEnum):
    """What can go wrong."""

    DROP_SOCKET = "drop_socket"
    REFUSE_CONNECT = "refuse_connect"
    REFUSE_LOGIN = "refuse_login"
    STREAM_REPLACED = "stream_replaced"
    BAN = "ban"
    CLIENT_OUTDATED = "client_outdated"
    LOGGED_OUT = "logged_out"
    DELAY = "delay"
    UNAVAILABLE = "unavailable"
    DUPLICATE = "duplicate"
    DROP = "drop"


AT_ONCE = frozenset(
    (Kind.DROP_SOCKET, Kind.STREAM_REPLACED, Kind.BAN, Kind.CLIENT_OUTDATED, Kind.LOGGED_OUT, Kind.UNAVAILABLE)
)
"""Kinds that also meet the connections which are open when they are set."""
MOMENTARY = frozenset((Kind.DROP_SOCKET, Kind.STREAM_REPLACED, Kind.LOGGED_OUT, Kind.UNAVAILABLE))
"""Kinds that are over at once unless given seconds or a count."""
AT_LOGIN = (
    Kind.REFUSE_CONNECT,
    Kind.DROP_SOCKET,
    Kind.UNAVAILABLE,
    Kind.REFUSE_LOGIN,
    Kind.CLIENT_OUTDATED,
    Kind.BAN,
    Kind.LOGGED_OUT,
    Kind.STREAM_REPLACED,
)
"""Kinds that meet a login, the first that applies."""


@dataclass
class Fault:
    """A fault in force: until a moment (monotonic seconds), for a number of occurrences, or until it is removed."""

    id: int
    target: str
    kind: Kind
    since: datetime
    until: float | None = None
    left: int | None = None
    delay: float = 0
    ban_code: int = 101
    ban_seconds: int = 3600
    occurrences: int = 0

    def hits(self, phone: str | None) -> bool:
        return self.target in (EVERYONE, phone)

    @property
    def over(self) -> bool:
        return self.left == 0 or (self.until is not None and time.monotonic() >= self.until)

    def describe(self) -> dict[str, Any]:
        """As the control API shows it."""
        remaining = None if self.until is None else max(0.0, round(self.until - time.monotonic(), 3))
        described: dict[str, Any] = {
            "id": self.id,
            "target": self.target,
            "kind": self.kind.value,
            "since": self.since.isoformat(),
            "secondsLeft": remaining,
            "countLeft": self.left,
            "occurrences": self.occurrences,
        }
        if self.kind is Kind.DELAY:
            described["delaySeconds"] = self.delay
        if self.kind is Kind.BAN:
            described |= {"banCode": self.ban_code, "banSeconds": self.ban_seconds}
        return described


class Faults:
    """The faults in force."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._ids = count(1)

    def add(
        self,
        target: str,
        kind: Kind,
        seconds: float | None = None,
        occurrences: int | None = None,
        delay: float = 0,
        ban_code: int = 101,
        ban_seconds: int = 3600,
    ) -> Fault:
        """Put a fault in force. It meets its first occurrence whenever `take` is asked for it."""
        until = None if seconds is None else time.monotonic() + seconds
        fault = Fault(
            next(self._ids), target, kind, datetime.now(UTC), until, occurrences, delay, ban_code, ban_seconds
        )
        self._faults.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        if fault in self._faults:
            self._faults.remove(fault)

    def clear(self) -> int:
        """Remove all; how many there were."""
        active = len(self.active())
        self._faults.clear()
        return active

    def active(self) -> list[Fault]:
        self._faults = [fault for fault in self._faults if not fault.over]
        return list(self._faults)

    @property
    def delaying(self) -> bool:
        """Whether any frame may have to be delayed."""
        return any(fault.kind is Kind.DELAY for fault in self._faults)

    def take(self, kind: Kind, phone: str | None) -> Fault | None:
        """The fault of a kind that meets a phone now, if any; it counts as one occurrence."""
        for fault in self._faults:
            if fault.kind is kind and fault.hits(phone) and not fault.over:
                return use(fault)
        return None


def use(fault: Fault) -> Fault:
    """Count one occurrence of a fault."""
    fault.occurrences += 1
    if fault.left is not None:
        fault.left -= 1
    return fault
