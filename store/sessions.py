"""What the workflow's activities write about sessions: transitions, codes, removals."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import asyncpg

from contracts.device import QrShown
from contracts.ports import Lease
from contracts.realtime import ClientEvent
from contracts.session import Device, RecordResult, SessionInput, TransitionRecord
from contracts.states import SessionState
from store import device_keys, transition
from store.leases import hold
from store.outbox import NewEvent, queue_events
from store.pool import Database

_log = logging.getLogger(__name__)


class PostgresSessions:
    """`contracts.ports.SessionStore` on PostgreSQL, under the role perene_worker."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, record: TransitionRecord) -> RecordResult:
        """Write one transition: row, history entry, outbox events, in one transaction; idempotent by sequence.

        Going live with a phone that older live sessions of this owner have, turns those to `duplicate`; repeating the
        record names them again. A session that was turned so cannot be brought back by a workflow that does not know
        of it yet: its record only moves the sequence on.
        """
        async with self._database.tenant(record.owner_id) as connection:
            return await transition.write(connection, record)

    async def publish_qr(self, lease: Lease, qr: QrShown) -> None:
        """Put the code on the row, remember its adv_key for `find_paired`, queue `qrCode`. Raises StaleEpoch."""
        expires_at = datetime.fromtimestamp(qr.at + qr.lifetime, UTC)
        async with self._database.tenant(lease.owner_id) as connection:
            await hold(connection, lease)
            await connection.execute(
                """
                UPDATE whatsapp_sessions SET qr_code = $3, qr_expires_at = $4 WHERE connection_id = $1 AND owner_id = $2
                """,
                lease.connection_id,
                lease.owner_id,
                qr.payload,
                expires_at,
            )
            await connection.execute(
                """
                INSERT INTO session_pairings (connection_id, owner_id, epoch, adv_key) VALUES ($1, $2, $3, $4)
                ON CONFLICT (connection_id, adv_key) DO NOTHING
                """,
                lease.connection_id,
                lease.owner_id,
                lease.epoch,
                qr.adv_key,
            )
            await transition.forget_codes(connection, lease.connection_id)
            shown: dict[str, object] = {
                "connectionId": lease.connection_id,
                "qrCode": qr.payload,
                "expiresAt": expires_at.isoformat(),
            }
            await queue_events(connection, lease.owner_id, lease.connection_id, [NewEvent(ClientEvent.QR_CODE, shown)])

    async def find_paired(self, connection_id: str, owner_id: str) -> Device | None:
        """The device that was linked with one of this connection's codes, if its keys are in the key store."""
        async with self._database.tenant(owner_id) as connection:
            return await device_keys.paired(connection, connection_id, owner_id)

    async def has_keys(self, device: Device) -> bool:
        """Whether the device's row is in the key store."""
        async with self._database.ownerless() as connection:
            return await device_keys.present(connection, device)

    async def forget_keys(self, device: Device) -> None:
        """Remove the device's rows from the key store."""
        async with self._database.ownerless() as connection:
            await device_keys.forget(connection, device)

    async def remove(self, connection_id: str, owner_id: str, sequence: int, at: float) -> None:
        """Remove the connection's row and its pairings; keep its history; queue `connectionRemoved`. Idempotent."""
        when = datetime.fromtimestamp(at, UTC)
        async with self._database.tenant(owner_id) as connection:
            state = await connection.fetchval(
                "SELECT state FROM whatsapp_sessions WHERE connection_id = $1 AND owner_id = $2 FOR UPDATE",
                connection_id,
                owner_id,
            )
            done = await connection.fetchval(
                """
                SELECT true FROM session_events
                WHERE connection_id = $1 AND owner_id = $2 AND event = 'removed' AND sequence = $3 AND at = $4
                """,
                connection_id,
                owner_id,
                sequence,
                when,
            )
            # A removal that is repeated must not remove a connection that was made anew under the same id.
            if state is None or done:
                return
            for statement in (
                "DELETE FROM whatsapp_sessions WHERE connection_id = $1 AND owner_id = $2",
                "DELETE FROM session_pairings WHERE connection_id = $1 AND owner_id = $2",
                "DELETE FROM early_receipts WHERE connection_id = $1 AND owner_id = $2",
                """
                UPDATE send_queue SET
                    state = CASE state WHEN 'accepted' THEN 'failed' ELSE 'unknown' END,
                    error_code = 'SESSION_DELETED', settled_at = clock_timestamp()
                WHERE connection_id = $1 AND owner_id = $2 AND state IN ('accepted', 'dispatched')
                """,
            ):
                await connection.execute(statement, connection_id, owner_id)
            await transition.forget_codes(connection, connection_id)
            await connection.execute(
                """
                INSERT INTO session_events (connection_id, owner_id, sequence, event, from_state, to_state, at)
                VALUES ($1, $2, $3, 'removed', $4, $5, $6)
                """,
                connection_id,
                owner_id,
                sequence,
                state,
                SessionState.DELETED.value,
                when,
            )
            removed = NewEvent(ClientEvent.CONNECTION_REMOVED, {"connectionId": connection_id})
            await queue_events(connection, owner_id, connection_id, [removed])

    async def unfinished(self) -> list[SessionInput]:
        """Every session that should have a running workflow, of every owner, rebuilt from its row."""
        async with self._database.all_owners() as connection:
            rows = await connection.fetch(
                """
                SELECT connection_id, owner_id, state, state_reason, sequence, window_seconds, has_connected, jid, lid,
                    phone_number, push_name, platform
                FROM whatsapp_sessions WHERE state <> 'deleted' ORDER BY created_at, id
                """
            )
        return [_input(row) for row in rows]


def _input(row: asyncpg.Record) -> SessionInput:
    device = None
    if row["jid"] is not None:
        device = Device(
            jid=row["jid"],
            phone=row["phone_number"] or "",
            lid=row["lid"],
            push_name=row["push_name"],
            platform=row["platform"],
        )
    return SessionInput(
        connection_id=row["connection_id"],
        owner_id=str(row["owner_id"]),
        state=SessionState(row["state"]),
        reason=row["state_reason"],
        device=device,
        sequence=row["sequence"],
        window_seconds=row["window_seconds"],
        has_connected=row["has_connected"],
    )
