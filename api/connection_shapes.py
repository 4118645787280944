"""What the connection routes take and give, as the OpenAPI document shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec

from api.ports import HistoryRow, SessionRow
from contracts.states import MEANINGS, SessionState, human_text

CONNECTION_TYPE = "whatsapp_baileys"

# PostgreSQL's text holds every character but NUL.
Text = Annotated[str, msgspec.Meta(max_length=255, pattern=r"^[^\x00]*$")]
PhoneText = Annotated[str, msgspec.Meta(max_length=32, pattern=r"^[0-9+() .-]*$")]


class CreateConnection(msgspec.Struct, rename="camel"):
    """Body of `POST /connections`; everything is optional, and so is the body."""

    name: Text | None = None
    type: Text | None = None
    connection_id: Annotated[str, msgspec.Meta(max_length=4096)] | None = None
    auto_init: bool | None = None
    proxy: Annotated[str, msgspec.Meta(max_length=2048, pattern=r"^[^\x00]*$")] | None = None
    phone_number: PhoneText | None = None


class PairingCodeBody(msgspec.Struct, rename="camel"):
    """Body of `POST /connections/{id}/pairing-code`. `phoneNumber` is in the international form."""

    phone_number: PhoneText


class Connection(msgspec.Struct, rename="camel"):
    """One connection. `connectionState` and `status` use the old words; `state` is precise, `stateText` for people.

    Times are UTC. `qrCode` is the raw payload, null as soon as it has expired.
    """

    id: str
    connection_id: str
    name: str
    type: str
    status: str
    connection_state: str
    state: str
    state_text: str
    reason: str | None
    is_connected: bool
    phone_number: str | None
    whatsapp_id: str | None
    whatsapp_info: dict[str, Any] | None
    duplicate_reason: str | None
    qr_code: str | None
    created_at: datetime
    updated_at: datetime
    connected_at: datetime | None
    disconnected_at: datetime | None
    owner_id: str = msgspec.field(name="owner_id")


class HistoryEntry(msgspec.Struct, rename="camel"):
    """One thing that happened to a connection; `at` is UTC."""

    id: int
    event: str
    from_state: str | None
    to_state: str | None
    reason: str | None
    detail: dict[str, Any]
    at: datetime


class CommandOutcome(msgspec.Struct, rename="camel"):
    """Where a command left the connection. `changed`: whether it moved. `unlinked`: for logout, whether WhatsApp
    confirmed that the device is unlinked; null for the other commands."""

    id: str
    connection_id: str
    status: str
    connection_state: str
    state: str
    is_connected: bool
    changed: bool
    unlinked: bool | None = None


class PairingCodeAnswer(msgspec.Struct):
    """The eight characters to type on the phone."""

    code: str


def connection_of(row: SessionRow, *, now: datetime, language: str) -> Connection:
    """A row as its owner sees it at `now`."""
    status = MEANINGS[row.state].status.value
    return Connection(
        id=row.connection_id,
        connection_id=row.connection_id,
        name=row.name,
        type=CONNECTION_TYPE,
        status=status,
        connection_state=status,
        state=row.state.value,
        state_text=human_text(row.state, language),
        reason=row.reason,
        is_connected=row.state is SessionState.CONNECTED,
        phone_number=row.phone_number,
        whatsapp_id=row.whatsapp_id,
        whatsapp_info=None if row.whatsapp_info is None else dict(row.whatsapp_info),
        duplicate_reason=row.duplicate_reason,
        qr_code=live_code(row, now),
        created_at=row.created_at,
        updated_at=row.updated_at,
        connected_at=row.connected_at,
        disconnected_at=row.disconnected_at,
        owner_id=row.owner_id,
    )


def live_code(row: SessionRow, now: datetime) -> str | None:
    """The code that can be scanned at `now`, or None."""
    if row.qr_expires_at is None or row.qr_expires_at <= now:
        return None
    return row.qr_code


def history_entry(row: HistoryRow) -> HistoryEntry:
    return HistoryEntry(
        id=row.id,
        event=row.event,
        from_state=row.from_state,
        to_state=row.to_state,
        reason=row.reason,
        detail=dict(row.detail),
        at=row.at,
    )


def outcome_of(connection_id: str, state: SessionState, *, changed: bool, unlinked: bool | None = None):
    """What a command's answer tells."""
    status = MEANINGS[state].status.value
    return CommandOutcome(
        id=connection_id,
        connection_id=connection_id,
        status=status,
        connection_state=status,
        state=state.value,
        is_connected=state is SessionState.CONNECTED,
        changed=changed,
        unlinked=unlinked,
    )
