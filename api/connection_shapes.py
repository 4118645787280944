"""What the connection routes take and give, as the OpenAPI document shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec

from contracts.session import Device, SessionInput
from contracts.states import MEANINGS, SessionState, human_text
from store import session_rows
from store.session_rows import SessionRow

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


def connection_of(row: SessionRow, language: str) -> Connection:
    """A row as its owner sees it.

    A row that says `connected` and that no live worker holds is one whose worker has just died: its socket is gone, and
    another worker is about to take it.
    """
    lost = row.state is SessionState.CONNECTED and not row.is_held
    state = SessionState.RECONNECTING if lost else row.state
    status = MEANINGS[state].status.value
    return Connection(
        id=row.connection_id,
        connection_id=row.connection_id,
        name=row.session_name,
        type=CONNECTION_TYPE,
        status=status,
        connection_state=status,
        state=state.value,
        state_text=human_text(state, language),
        reason="HOST_LOST" if lost else row.state_reason,
        is_connected=state is SessionState.CONNECTED,
        phone_number=row.phone_number,
        whatsapp_id=row.whatsapp_id,
        whatsapp_info=row.whatsapp_info,
        duplicate_reason=row.duplicate_reason,
        qr_code=row.qr_code,
        created_at=row.created_at,
        updated_at=row.updated_at,
        connected_at=row.connected_at,
        disconnected_at=row.disconnected_at,
        owner_id=row.owner_id,
    )


def history_entry(row: session_rows.HistoryEntry) -> HistoryEntry:
    return HistoryEntry(
        id=row.id,
        event=row.event,
        from_state=row.from_state,
        to_state=row.to_state,
        reason=row.reason,
        detail=row.detail,
        at=row.at,
    )


def outcome_of(
    connection_id: str, state: SessionState, *, changed: bool, unlinked: bool | None = None
) -> CommandOutcome:
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


def start_of(row: SessionRow) -> SessionInput:
    """What the session's workflow is started with where Temporal has none: the row is the record."""
    device = None
    if row.jid is not None:
        device = Device(jid=row.jid, phone=row.phone_number or "", lid=row.lid)
    return SessionInput(
        connection_id=row.connection_id,
        owner_id=row.owner_id,
        state=row.state,
        reason=row.state_reason,
        device=device,
        sequence=row.sequence,
        window_seconds=row.window_seconds,
        has_connected=row.has_connected,
    )
