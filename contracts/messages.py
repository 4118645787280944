"""Messages as the rest of Perene sees them, whatever the library calls them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final


class MessageType(StrEnum):
    """The column `message_type`. The first six are the words the frontends know."""

    TEXT = "TEXTO"
    IMAGE = "IMAGEM"
    VIDEO = "VIDEO"
    AUDIO = "AUDIO"
    DOCUMENT = "ARQUIVO"
    STICKER = "STICKER"
    LOCATION = "LOCALIZACAO"
    CONTACT = "CONTATO"
    REACTION = "REACAO"
    POLL = "ENQUETE"
    UNKNOWN = "DESCONHECIDO"


class Sender(StrEnum):
    """The column `remetente`."""

    CUSTOMER = "CLIENTE"
    AGENT = "ATENDENTE"


class DeliveryStatus(StrEnum):
    """Where a message we sent is. It only moves forward in this order; `failed` and `unknown` may be settled later."""

    QUEUED = "queued"
    UNKNOWN = "unknown"
    FAILED = "failed"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    PLAYED = "played"


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One message the library handed over, ours or a customer's. `chat` and `participant` are bare JIDs.

    `phone` is the other party's digits where known (the chat may be a LID). `timestamp` is UTC. `media` holds what is
    needed to fetch the attachment later; `raw` the library's own form as JSON types, for what is not modelled.
    """

    message_id: str
    chat: str
    from_me: bool
    timestamp: datetime
    type: MessageType
    text: str | None
    phone: str | None = None
    participant: str | None = None
    push_name: str | None = None
    quoted_id: str | None = None
    media_mime: str | None = None
    media: dict[str, object] | None = None
    raw: dict[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt for messages we sent, or (`own` true) our other devices' reading of a customer's."""

    message_ids: tuple[str, ...]
    chat: str
    status: DeliveryStatus
    timestamp: datetime
    own: bool = False


READ_JOB: Final = "read"
"""The type of a job that sends read receipts instead of a message: `{"messageIds": [...], "participant": JID or null}`.

It keeps its place among the sends, goes out at most once, and leaves no message and tells no `message:status`.
"""


@dataclass(frozen=True, slots=True)
class SendJob:
    """One accepted send, claimed by the holder of the session. `chat` is a JID; `payload` JSON types by `type`."""

    id: int
    connection_id: str
    chat: str
    type: str
    payload: dict[str, object]


@dataclass(frozen=True, slots=True)
class SentMessage:
    """WhatsApp's server took a message: its id and the server's time (UTC)."""

    message_id: str
    timestamp: datetime
