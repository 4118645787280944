"""What can go wrong with a simulated phone; each error carries its code in the control API and over the pipe."""

from __future__ import annotations


class PhoneError(Exception):
    """The simulated phone could not do that."""

    code = "PHONE_ERROR"
    status = 502
    """HTTP status with which the control API answers."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)


class InvalidPhoneError(PhoneError):
    """A phone is 5 to 20 digits (a leading + is accepted); a chat is a phone or a group's JID."""

    code = "INVALID_PHONE"
    status = 400


class InvalidRequestError(PhoneError):
    """The request lacks a field, or a field has the wrong type."""

    code = "INVALID_REQUEST"
    status = 400


class UnknownMessageError(PhoneError):
    """This phone has no message with that id."""

    code = "UNKNOWN_MESSAGE"
    status = 404


class PairingFailedError(PhoneError):
    """The phone's second client could not be linked."""

    code = "PAIRING_FAILED"
    status = 502


class PhoneOfflineError(PhoneError):
    """The phone's second client is not connected: the server refused it, or cut it off."""

    code = "PHONE_OFFLINE"
    status = 503


class TooManyPhonesError(PhoneError):
    """The companion process keeps as many phones as it can."""

    code = "TOO_MANY_PHONES"
    status = 503


class SendFailedError(PhoneError):
    """The phone's second client could not send the message."""

    code = "SEND_FAILED"
    status = 502


class CompanionUnavailableError(PhoneError):
    """The process that keeps the phones' second clients is not running, or did not answer in time."""

    code = "COMPANION_UNAVAILABLE"
    status = 503


_KINDS: tuple[type[PhoneError], ...] = (
    InvalidPhoneError,
    InvalidRequestError,
    UnknownMessageError,
    PairingFailedError,
    PhoneOfflineError,
    TooManyPhonesError,
    SendFailedError,
    CompanionUnavailableError,
)
_BY_CODE = {kind.code: kind for kind in _KINDS}


def error_of(code: str, message: str) -> PhoneError:
    """The typed error for a `code` that came over the pipe; an unknown code is a plain `PhoneError`."""
    return _BY_CODE.get(code, PhoneError)(message)
