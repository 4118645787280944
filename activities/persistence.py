"""Activities that write what the workflow decided. Each is idempotent, and retried without limit by its policy."""

from __future__ import annotations

from temporalio import activity

from contracts.hosting import ForgetKeys, RemoveSession
from contracts.ports import SessionStore
from contracts.session import RecordResult, TransitionRecord


class Persistence:
    """Writes to the session's row, its history and its key store."""

    def __init__(self, sessions: SessionStore):
        self._sessions = sessions

    @activity.defn
    async def record_transition(self, record: TransitionRecord) -> RecordResult:
        """One transition: row, history and client events in one transaction."""
        return await self._sessions.record(record)

    @activity.defn
    async def forget_keys(self, request: ForgetKeys) -> None:
        """Remove a device's keys that are of no more use."""
        await self._sessions.forget_keys(request.device)

    @activity.defn
    async def remove_session(self, request: RemoveSession) -> None:
        """Remove a connection's row; its history stays."""
        await self._sessions.remove(request.connection_id, request.owner_id, request.sequence, request.at)
