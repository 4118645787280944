"""What the WhatsApp library reports, as typed events: the whole vocabulary between whatsapp/ and activities/."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.messages import InboundMessage, Receipt
from contracts.session import Device


@dataclass(frozen=True, slots=True)
class QrShown:
    """A code to scan. `payload` holds a pairing secret: never log it. `lifetime` in seconds from `at` (unix seconds).

    `adv_key` is the 32-byte secret inside the payload. whatsmeow stores the same bytes with the paired device, which
    is how a pairing that nobody lived to report is found again.
    """

    payload: str
    lifetime: float
    at: float
    adv_key: bytes


@dataclass(frozen=True, slots=True)
class Paired:
    """The device is linked and its keys are in the key store."""

    device: Device


@dataclass(frozen=True, slots=True)
class Connected:
    """Logged in and active."""

    push_name: str | None = None


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The socket was lost; the library tries again by itself."""

    detail: str | None = None


@dataclass(frozen=True, slots=True)
class LoggedOut:
    """The device was unlinked (on the phone, or by WhatsApp); the library has removed its keys."""

    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Banned:
    """A temporary ban. `until` is unix seconds, or None where WhatsApp gave no term."""

    until: float | None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class ClientOutdated:
    """WhatsApp refuses this client version."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """Another socket logged in with the same keys."""


@dataclass(frozen=True, slots=True)
class LoginRefused:
    """WhatsApp refused the login for another reason; the library does not try again."""

    detail: str


@dataclass(frozen=True, slots=True)
class PairingFailed:
    """The pairing ended without a device. `result` is a `contracts.hosting.PairResult` value."""

    result: str
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class MessageArrived:
    """A message, ours from another device or a customer's."""

    message: InboundMessage


@dataclass(frozen=True, slots=True)
class ReceiptArrived:
    """A receipt."""

    receipt: Receipt


EndEvent = LoggedOut | Banned | ClientOutdated | Replaced | LoginRefused
"""After one of these the library stays disconnected."""

DeviceEvent = Connected | Disconnected | EndEvent | MessageArrived | ReceiptArrived
PairingEvent = QrShown | Paired | PairingFailed
