"""What the control API refuses; each error has a code and an HTTP status."""

from __future__ import annotations


class ControlError(Exception):
    """The simulator could not do that."""

    code = "CONTROL_ERROR"
    status = 400

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)


class InvalidError(ControlError):
    """The request lacks a field, or a field has the wrong type or value."""

    code = "INVALID_REQUEST"


class QrMalformedError(ControlError):
    """This is no QR payload of WhatsApp's."""

    code = "QR_MALFORMED"


class QrUnknownError(ControlError):
    """No client of this simulator ever showed this QR."""

    code = "QR_UNKNOWN"
    status = 404


class QrExpiredError(ControlError):
    """This QR has expired, or was used already."""

    code = "QR_EXPIRED"
    status = 410


class CodeUnknownError(ControlError):
    """No client waits for this phone to enter a code."""

    code = "CODE_UNKNOWN"
    status = 404


class CodeWrongError(ControlError):
    """The code is not the one the client shows."""

    code = "CODE_WRONG"
    status = 403


class PairingNotCompletedError(ControlError):
    """The client did not complete the pairing."""

    code = "PAIRING_NOT_COMPLETED"
    status = 504


class UnknownDeviceError(ControlError):
    """This phone has no such linked device."""

    code = "DEVICE_UNKNOWN"
    status = 404


class NotImplementedYetError(ControlError):
    """This part of the simulator is not installed."""

    code = "NOT_IMPLEMENTED"
    status = 501
