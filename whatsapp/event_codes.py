"""The numbers under which goneonize hands over whatsmeow's events (`EVENT_TO_INT` in neonize 0.5.2's events.py)."""

from __future__ import annotations

from enum import IntEnum


class EventCode(IntEnum):
    """The events Perene subscribes to. `DEVICE` opens every event loop and needs no subscription."""

    DEVICE = 0
    PAIR_STATUS = 2
    CONNECTED = 3
    KEEP_ALIVE_TIMEOUT = 4
    KEEP_ALIVE_RESTORED = 5
    LOGGED_OUT = 6
    STREAM_REPLACED = 7
    TEMPORARY_BAN = 8
    CONNECT_FAILURE = 9
    CLIENT_OUTDATED = 10
    STREAM_ERROR = 11
    DISCONNECTED = 12
    MESSAGE = 17
    RECEIPT = 18
    UNDECRYPTABLE = 44


HOSTED = bytes(code for code in EventCode if code not in {EventCode.DEVICE, EventCode.PAIR_STATUS})
"""Subscribed by a hosted client, in the form the library takes."""

PAIRING = bytes((EventCode.PAIR_STATUS,))
"""Subscribed by a client that only pairs."""
