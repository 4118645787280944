"""What one hosted client reports, decoded: the typed events a session hands on, and what it must act on itself."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.device import Connected, DeviceEvent, Disconnected, MessageArrived, ReceiptArrived
from whatsapp.endings import end_event
from whatsapp.event_codes import EventCode
from whatsapp.normalise import message_from_event
from whatsapp.protobufs import events
from whatsapp.receipts import receipt_from_event

WEDGED_AFTER = 2
"""Keep-alives without an answer after which a socket counts as dead. whatsmeow pings each 20–30 s, waits 10 s, and
would itself go on for three minutes (keepalive.go)."""


@dataclass(frozen=True, slots=True)
class Wedged:
    """The socket is open and nobody answers: the client must be made anew."""

    detail: str


@dataclass(frozen=True, slots=True)
class Introduced:
    """The client's event loop runs; `push_name` is the account's own name, as last known."""

    push_name: str | None


@dataclass(frozen=True, slots=True)
class Undecryptable:
    """A message came that could not be read; the library has asked for it again."""


Decoded = DeviceEvent | Wedged | Introduced | Undecryptable


def decode(code: int, data: bytes) -> Decoded | None:
    """The meaning of event `code`, or None if it means nothing to us. Raises DecodeError for malformed `data`."""
    match code:
        case EventCode.DEVICE:
            return Introduced(events.Device.FromString(data).PushName or None)
        case EventCode.CONNECTED:
            return Connected()
        case EventCode.DISCONNECTED:
            return Disconnected("the socket was lost")
        case EventCode.STREAM_ERROR:
            return Disconnected(f"stream error {events.StreamError.FromString(data).Code or 'without a code'}")
        case EventCode.KEEP_ALIVE_TIMEOUT:
            count = events.KeepAliveTimeout.FromString(data).ErrorCount
            return Wedged(f"{count} keep-alives without an answer") if count >= WEDGED_AFTER else None
        case EventCode.MESSAGE:
            message = message_from_event(events.Message.FromString(data))
            return None if message is None else MessageArrived(message)
        case EventCode.RECEIPT:
            receipt = receipt_from_event(events.Receipt.FromString(data))
            return None if receipt is None else ReceiptArrived(receipt)
        case EventCode.UNDECRYPTABLE:
            return Undecryptable()
        case _:
            return end_event(code, data)
