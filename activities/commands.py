"""Commands that must reach the holder of a socket, run on the holder's own task queue."""

from __future__ import annotations

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.holders import Holders
from contracts.errors import PereneError
from contracts.hosting import LogoutRequest, PairingCodeCommand, ReleaseRequest
from contracts.session import PairingCode


def _typed(error: PereneError) -> ApplicationError:
    return ApplicationError(str(error), type=error.code, non_retryable=True)


class HolderCommands:
    """Commands to what this process holds. A holder that has moved on is refused with SESSION_NOT_CONNECTED."""

    def __init__(self, holders: Holders):
        self._holders = holders

    @activity.defn
    async def release_session(self, request: ReleaseRequest) -> None:
        """Let the session or the pairing go; its own activity returns once the socket is closed."""
        pairing = self._holders.pairing(request.connection_id, request.epoch)
        if pairing is not None:
            pairing.stopped.set()
            return
        try:
            self._holders.release(request.connection_id, request.epoch, request.reason)
        except PereneError as error:
            raise _typed(error) from error

    @activity.defn
    async def logout_device(self, request: LogoutRequest) -> None:
        """Unlink the device at WhatsApp; the hosting activity then returns `LOGGED_OUT`."""
        try:
            await self._holders.holding(request.connection_id, request.epoch).logout()
        except PereneError as error:
            raise _typed(error) from error

    @activity.defn
    async def request_pairing_code(self, request: PairingCodeCommand) -> PairingCode:
        """Ask WhatsApp for a code to link `phone` without a camera."""
        pairing = self._holders.pairing(request.connection_id, request.epoch)
        if pairing is None or pairing.attempt is None:
            raise ApplicationError(
                "the pairing is not here any more", type="SESSION_NOT_AWAITING_SCAN", non_retryable=True
            )
        try:
            return PairingCode(await pairing.attempt.pairing_code(request.phone))
        except PereneError as error:
            raise _typed(error) from error
