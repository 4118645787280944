"""A stand-in for Temporal, for tests of what is not about Temporal: it notes what it was asked and answers at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from api.ports import Revive
from contracts.errors import PereneError
from contracts.session import CommandResult, LogoutResult, PairingCode, PairingCodeRequest, SessionInput
from contracts.states import SessionState


@dataclass
class StandInOrchestrator:
    """`refusal` is raised by everything it is asked; `started` and `commands` are what it was asked."""

    started: list[SessionInput] = field(default_factory=list)
    commands: list[tuple[str, str]] = field(default_factory=list)
    refusal: PereneError | None = None
    is_healthy: bool = True
    start_gate: asyncio.Event | None = None

    async def start(self, session: SessionInput) -> None:
        self.started.append(session)
        if self.start_gate is not None:
            await self.start_gate.wait()
        if self.refusal is not None:
            raise self.refusal

    async def refresh_qr(self, connection_id: str, revive: Revive) -> CommandResult:  # noqa: ARG002
        return self._done("refresh_qr", connection_id, SessionState.STARTING)

    async def reconnect(self, connection_id: str, revive: Revive) -> CommandResult:  # noqa: ARG002
        return self._done("reconnect", connection_id, SessionState.RECONNECTING)

    async def disconnect(self, connection_id: str, revive: Revive) -> CommandResult:  # noqa: ARG002
        return self._done("disconnect", connection_id, SessionState.STOPPED)

    async def logout(self, connection_id: str, revive: Revive) -> LogoutResult:  # noqa: ARG002
        self._done("logout", connection_id, SessionState.LOGGED_OUT)
        return LogoutResult(SessionState.LOGGED_OUT, unlinked=True)

    async def delete(self, connection_id: str, revive: Revive) -> CommandResult:  # noqa: ARG002
        return self._done("delete", connection_id, SessionState.DELETED)

    async def pairing_code(self, connection_id: str, request: PairingCodeRequest, revive: Revive) -> PairingCode:  # noqa: ARG002
        self._done(f"pairing_code {request.phone}", connection_id, SessionState.AWAITING_SCAN)
        return PairingCode("ABCD1234")

    async def healthy(self) -> bool:
        return self.is_healthy

    def _done(self, command: str, connection_id: str, state: SessionState) -> CommandResult:
        self.commands.append((command, connection_id))
        if self.refusal is not None:
            raise self.refusal
        return CommandResult(state, changed=True)
