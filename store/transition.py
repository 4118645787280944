"""One transition of a session, written in one transaction."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import asyncpg

from contracts.ids import Jid
from contracts.realtime import ClientEvent
from contracts.session import Device, RecordResult, TransitionRecord
from contracts.states import HOSTED_STATES, MEANINGS, RESTING_STATES, LegacyStatus, SessionState, human_text
from store import storable
from store.outbox import NewEvent, queue_events
from store.pool import Connection

_log = logging.getLogger(__name__)

REPLACED = "REPLACED_BY_NEW_CONNECTION"
_HOSTED = [state.value for state in HOSTED_STATES]


async def write(connection: Connection, record: TransitionRecord) -> RecordResult:
    """Write `record`; see `PostgresSessions.record`. `connection` is in a transaction of the record's owner."""
    row = await _lock(connection, record)
    if row is None:
        _log.warning(
            "transition %s of %s is not written: the connection was removed", record.event, record.connection_id
        )
        return RecordResult()
    if row["sequence"] >= record.sequence:
        return RecordResult(superseded=await _superseded_by(connection, record))
    if _is_overtaken(row, record):
        await _set(connection, record.connection_id, record.owner_id, {"sequence": record.sequence})
        knows = record.to_state is SessionState.DUPLICATE
        return RecordResult(superseded_by=None if knows else row["superseded_by"])
    phone = _phone(row, record)
    superseded: list[str] = []
    if record.to_state in HOSTED_STATES and phone:
        superseded = await _supersede(connection, record, phone)
    changes = _changes(row, record, phone)
    await _set(connection, record.connection_id, record.owner_id, changes)
    await _add_history(connection, record.connection_id, record)
    await _drop_codes(connection, record)
    whatsapp_id = changes.get("whatsapp_id", row["whatsapp_id"])
    told = _update_event(record.connection_id, record.to_state, record.reason, phone, whatsapp_id)
    await queue_events(connection, record.owner_id, record.connection_id, [told])
    return RecordResult(superseded=superseded)


async def forget_codes(connection: Connection, connection_id: str) -> None:
    """Remove the connection's codes from the outbox: a client that resumes must not be shown an old one."""
    await connection.execute("DELETE FROM outbox WHERE connection_id = $1 AND event = 'qrCode'", connection_id)


async def _lock(connection: Connection, record: TransitionRecord) -> asyncpg.Record | None:
    if record.to_state in HOSTED_STATES:
        phone = record.device.phone if record.device else None
        if phone is None:
            phone = await connection.fetchval(
                "SELECT phone_number FROM whatsapp_sessions WHERE connection_id = $1 AND owner_id = $2",
                record.connection_id,
                record.owner_id,
            )
        if phone:
            # Before any row, so that two sessions of one phone that go live at once do not wait for each other's rows.
            await connection.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended('perene.phone', 0) # hashtextextended($1, 0))",
                f"{record.owner_id} {phone}",
            )
    return await connection.fetchrow(
        """
        SELECT state, sequence, superseded_by, phone_number, whatsapp_id, jid, has_connected FROM whatsapp_sessions
        WHERE connection_id = $1 AND owner_id = $2 FOR NO KEY UPDATE
        """,
        record.connection_id,
        record.owner_id,
    )


def _is_overtaken(row: asyncpg.Record, record: TransitionRecord) -> bool:
    """Whether a newer session took this one's phone, and its workflow writes unknowing, or to say that it knows."""
    if row["state"] != SessionState.DUPLICATE or row["superseded_by"] is None:
        return False
    if record.from_state is SessionState.DUPLICATE:
        return False
    return record.to_state not in RESTING_STATES | {SessionState.DELETED} or record.to_state is SessionState.DUPLICATE


def _phone(row: asyncpg.Record, record: TransitionRecord) -> str | None:
    """The row's phone after the transition. What is no longer linked keeps showing its phone while it rests."""
    if record.device is not None:
        return record.device.phone[:20] or None
    unlinked = record.clear_device or row["jid"] is None
    return None if unlinked and record.to_state not in RESTING_STATES else row["phone_number"]


async def _superseded_by(connection: Connection, record: TransitionRecord) -> list[str]:
    rows = await connection.fetch(
        """
        SELECT connection_id FROM whatsapp_sessions
        WHERE owner_id = $1 AND superseded_by = $2 AND state = 'duplicate' ORDER BY connection_id
        """,
        record.owner_id,
        record.connection_id,
    )
    return [row["connection_id"] for row in rows]


async def _supersede(connection: Connection, record: TransitionRecord, phone: str) -> list[str]:
    """Turn the owner's other live sessions of `phone` to `duplicate`, and fence their hosts."""
    rows = await connection.fetch(
        """
        SELECT connection_id, state, sequence, phone_number, whatsapp_id FROM whatsapp_sessions
        WHERE owner_id = $1 AND phone_number = $2 AND connection_id <> $3 AND state = ANY($4)
        ORDER BY connection_id FOR NO KEY UPDATE
        """,
        record.owner_id,
        phone,
        record.connection_id,
        _HOSTED,
    )
    for row in rows:
        # The sequence stays: it belongs to the older session's workflow, whose next record must still count.
        await _set(
            connection,
            row["connection_id"],
            record.owner_id,
            {
                "state": SessionState.DUPLICATE.value,
                "status": LegacyStatus.DUPLICATE.value,
                "state_reason": REPLACED,
                "state_detail": {"by": record.connection_id},
                "state_changed_at": _moment(record.at),
                "disconnected_at": _moment(record.at),
                "duplicate_reason": REPLACED,
                "superseded_by": record.connection_id,
                "host_id": None,
                "lease_epoch": await connection.fetchval("SELECT nextval('lease_epochs')"),
                "qr_code": None,
                "qr_expires_at": None,
            },
        )
        await _add_history(
            connection,
            row["connection_id"],
            TransitionRecord(
                connection_id=row["connection_id"],
                owner_id=record.owner_id,
                sequence=row["sequence"],
                event="superseded",
                from_state=SessionState(row["state"]),
                to_state=SessionState.DUPLICATE,
                at=record.at,
                reason=REPLACED,
                detail={"by": record.connection_id},
            ),
        )
        event = _update_event(
            row["connection_id"], SessionState.DUPLICATE, REPLACED, row["phone_number"], row["whatsapp_id"]
        )
        await queue_events(connection, record.owner_id, row["connection_id"], [event])
    return [row["connection_id"] for row in rows]


def _changes(row: asyncpg.Record, record: TransitionRecord, phone: str | None) -> dict[str, object]:
    """The columns that change. `row` is locked, so what is read from it holds."""
    status = MEANINGS[record.to_state].status
    at = _moment(record.at)
    connected = record.to_state is SessionState.CONNECTED
    changes: dict[str, object] = {
        "sequence": record.sequence,
        "state": record.to_state.value,
        "status": status.value,
        "state_reason": storable.text(record.reason),
        "state_detail": storable.json_object(dict(record.detail)),
        "state_changed_at": at,
        "phone_number": phone,
        "has_connected": connected or (row["has_connected"] and not record.clear_device),
        "duplicate_reason": None,
        "superseded_by": None,
    }
    if phone is None:
        changes |= {"whatsapp_id": None, "whatsapp_info": None}
    if record.clear_device:
        changes |= {"jid": None, "lid": None, "push_name": None, "platform": None}
    if record.device is not None:
        changes |= _linked(record.device)
    if connected:
        changes |= {"connected_at": at, "disconnected_at": None}
    elif record.to_state is SessionState.RECONNECTING or status is not LegacyStatus.CONNECTING:
        changes["disconnected_at"] = at
    if record.to_state is SessionState.DUPLICATE:
        changes["duplicate_reason"] = storable.text(record.reason or REPLACED, 100)
    if record.to_state is not SessionState.AWAITING_SCAN:
        changes |= {"qr_code": None, "qr_expires_at": None}
    return changes


def _linked(device: Device) -> dict[str, object]:
    push_name, platform = storable.text(device.push_name), storable.text(device.platform)
    return {
        "jid": device.jid,
        "lid": device.lid,
        "push_name": push_name,
        "platform": platform,
        "whatsapp_id": Jid.parse(device.jid).bare,
        "whatsapp_info": {"pushName": push_name, "platform": platform, "lid": device.lid},
    }


async def _set(connection: Connection, connection_id: str, owner_id: str, changes: dict[str, object]) -> None:
    columns = ", ".join(f"{name} = ${place}" for place, name in enumerate(changes, start=3))
    await connection.execute(
        f"UPDATE whatsapp_sessions SET {columns} WHERE connection_id = $1 AND owner_id = $2",  # noqa: S608
        connection_id,
        owner_id,
        *changes.values(),
    )


async def _add_history(connection: Connection, connection_id: str, record: TransitionRecord) -> None:
    await connection.execute(
        """
        INSERT INTO session_events (connection_id, owner_id, sequence, event, from_state, to_state, reason, detail, at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        connection_id,
        record.owner_id,
        record.sequence,
        record.event,
        record.from_state.value,
        record.to_state.value,
        storable.text(record.reason),
        storable.json_object(dict(record.detail)),
        _moment(record.at),
    )


async def _drop_codes(connection: Connection, record: TransitionRecord) -> None:
    if record.to_state is not SessionState.AWAITING_SCAN:
        await forget_codes(connection, record.connection_id)
    if record.to_state is SessionState.CONNECTED:
        # The device is known and its keys work: nobody will ask for it by its code again.
        await connection.execute(
            "DELETE FROM session_pairings WHERE connection_id = $1 AND owner_id = $2",
            record.connection_id,
            record.owner_id,
        )


def _update_event(
    connection_id: str, state: SessionState, reason: str | None, phone: str | None, whatsapp_id: object
) -> NewEvent:
    update: dict[str, object] = {"connection": MEANINGS[state].connection.value, "state": state.value}
    for name, value in (("reason", reason), ("phoneNumber", phone), ("whatsappId", whatsapp_id)):
        if value:
            update[name] = storable.json_value(value)
    update["message"] = human_text(state)
    return NewEvent(ClientEvent.CONNECTION_UPDATE, {"connectionId": connection_id, "update": update})


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
