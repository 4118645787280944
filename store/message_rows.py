"""Messages as rows and as the payloads of their client events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from contracts.messages import DeliveryStatus, InboundMessage, MessageType, Sender
from contracts.realtime import ClientEvent
from store import storable
from store.outbox import NewEvent

RECEIVED = "received"
"""The status of a message that is not ours."""

MEDIA_TYPES = {
    MessageType.IMAGE: "image",
    MessageType.VIDEO: "video",
    MessageType.AUDIO: "audio",
    MessageType.DOCUMENT: "document",
    MessageType.STICKER: "sticker",
}

_CUSTOMER_SERVERS = ("s.whatsapp.net", "lid")
"""Where people are. Groups, channels and the status feed are no conversation with a customer."""

_PREVIEW_CHARACTERS = 200
_LONGEST_CHAT_ID = 255
"""What the protected column whatsapp_atendimentos.chat_id holds."""


@dataclass(slots=True)
class MessageRow:
    """A row of whatsapp_mensagens. `timestamp` is UTC."""

    id: str
    message_id: str
    chat_id: str
    direction: str
    remetente: str
    participant: str | None
    phone: str | None
    wpp_name: str | None
    message_type: str
    conteudo: str | None
    quoted_id: str | None
    media_type: str | None
    media_url: str | None
    media_mime: str | None
    media: dict[str, object] | None
    raw: dict[str, object]
    status: str
    lida: bool
    timestamp: datetime
    atendimento_id: str | None = None

    @property
    def from_customer(self) -> bool:
        """Whether somebody else wrote it."""
        return self.direction == "in"

    @property
    def opens_conversation(self) -> bool:
        """Whether it is a customer's in a chat with one person."""
        return self.from_customer and self.chat_id.rpartition("@")[2] in _CUSTOMER_SERVERS

    @property
    def preview(self) -> str:
        """What a list of chats shows of it."""
        return (self.conteudo or f"[{self.message_type}]")[:_PREVIEW_CHARACTERS]

    def columns(self) -> dict[str, object]:
        """As JSON, by column."""
        columns: dict[str, object] = {name: getattr(self, name) for name in MessageRow.__dataclass_fields__}
        columns["timestamp"] = self.timestamp.isoformat()
        return columns

    def payload(self, owner_id: str, connection_id: str) -> dict[str, object]:
        """The `newMessage` event's. Without the keys of attachments and the library's own form."""
        hidden = ("media", "raw", "direction")
        return {name: value for name, value in self.columns().items() if name not in hidden} | {
            "connection_id": connection_id,
            "owner_id": owner_id,
        }

    def event(self, owner_id: str, connection_id: str) -> NewEvent:
        """The `newMessage` event."""
        return NewEvent(ClientEvent.NEW_MESSAGE, self.payload(owner_id, connection_id), chat_id=self.chat_id)


def from_library(message: InboundMessage) -> MessageRow:
    """The row of a message that the library handed over."""
    return MessageRow(
        id=str(uuid4()),
        message_id=storable.text(message.message_id),
        chat_id=storable.text(message.chat, _LONGEST_CHAT_ID),
        direction="out" if message.from_me else "in",
        remetente=(Sender.AGENT if message.from_me else Sender.CUSTOMER).value,
        participant=storable.text(message.participant),
        phone=storable.text(message.phone),
        wpp_name=storable.text(message.push_name),
        message_type=message.type.value,
        conteudo=storable.text(message.text),
        quoted_id=storable.text(message.quoted_id),
        media_type=MEDIA_TYPES.get(message.type),
        media_url=None,
        media_mime=storable.text(message.media_mime),
        media=None if message.media is None else storable.json_object(message.media),
        raw=storable.json_object(message.raw),
        status=DeliveryStatus.SENT.value if message.from_me else RECEIVED,
        lida=message.from_me,
        timestamp=message.timestamp.astimezone(UTC),
    )
