"""The Socket.IO events clients know. Frozen: names and fields are added, never removed or renamed."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class ClientEvent(StrEnum):
    """Server → client event names."""

    QR_CODE = "qrCode"
    CONNECTION_UPDATE = "connectionUpdate"
    CONNECTION_REMOVED = "connectionRemoved"
    NEW_MESSAGE = "newMessage"
    CONVERSATION_UPDATED = "conversation:updated"
    CONVERSATION_READ = "conversation:read"
    CONVERSATION_FINALIZED = "conversation:finalized"
    MESSAGE_STATUS = "message:status"
    CONTACT_CREATED = "contact:created"
    CONTACT_UPDATED = "contact:updated"
    ALERT = "alert"


class Audience(StrEnum):
    """Who an outbox event goes to."""

    OWNER = "owner"
    """Every socket of the owner."""
    CONNECTION = "connection"
    """The owner's sockets in room `<connectionId>`."""
    CHAT = "chat"
    """The owner's sockets in room `<connectionId>` or `<connectionId>-<chatId>`, each once."""
    OPERATIONS = "operations"


AUDIENCES: Final[dict[ClientEvent, Audience]] = {
    ClientEvent.QR_CODE: Audience.OWNER,
    ClientEvent.CONNECTION_UPDATE: Audience.OWNER,
    ClientEvent.CONNECTION_REMOVED: Audience.OWNER,
    ClientEvent.NEW_MESSAGE: Audience.CHAT,
    ClientEvent.CONVERSATION_UPDATED: Audience.CONNECTION,
    ClientEvent.CONVERSATION_READ: Audience.CONNECTION,
    ClientEvent.CONVERSATION_FINALIZED: Audience.CONNECTION,
    ClientEvent.MESSAGE_STATUS: Audience.CONNECTION,
    ClientEvent.CONTACT_CREATED: Audience.OWNER,
    ClientEvent.CONTACT_UPDATED: Audience.OWNER,
    ClientEvent.ALERT: Audience.OWNER,
}

OUTBOX_CHANNEL: Final = "perene_outbox"
"""LISTEN/NOTIFY channel: something was committed to the outbox."""

SENDS_CHANNEL: Final = "perene_sends"
"""LISTEN/NOTIFY channel: a send was accepted; the payload is the connection id."""
