"""What the conversation routes take and give, as the OpenAPI document shows it. Times are UTC.

Rows have the field names of the Socket.IO events that tell of them, so that a page can lay an event over a row.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from store.atendimentos import Atendimento as AtendimentoRow
from store.chats import ChatRow, ContactRow
from store.message_rows import MessageRow

ShortText = Annotated[str, msgspec.Meta(max_length=255, pattern=r"^[^\x00]*$")]
Mode = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]*$")]


class ChatBody(msgspec.Struct, rename="camel"):
    """Names a chat: `chatId` is a JID or a phone number in international form."""

    chat_id: ShortText


class ChangeMode(msgspec.Struct, rename="camel"):
    """Body of `POST /atendimentos/change-mode`. `mode` is a word of the frontend's own, kept as it is."""

    chat_id: ShortText
    mode: Mode
    connection_id: Annotated[str, msgspec.Meta(max_length=4096)]


class Chat(msgspec.Struct, kw_only=True):
    """One chat, in the words of `conversation:updated`. `status` and `mode` are its atendimento's, null without one."""

    connection_id: str = msgspec.field(name="connectionId")
    conversation_id: str = msgspec.field(name="conversationId")
    last_message_at: datetime = msgspec.field(name="lastMessageAt")
    last_message: str | None
    preview: str | None
    message_type: str | None
    sender: str | None = msgspec.field(name="from")
    unread_count: int
    nome_cliente: str | None
    numero_cliente: str | None
    atendimento_id: str | None
    status: str | None
    mode: str | None


class Message(msgspec.Struct):
    """One message, as `newMessage` tells it. `status`: received, or how far a message of ours came."""

    id: str
    message_id: str
    chat_id: str
    conteudo: str | None
    message_type: str
    media_type: str | None
    media_url: str | None
    media_mime: str | None
    remetente: str
    timestamp: str
    lida: bool
    connection_id: str
    owner_id: str
    atendimento_id: str | None
    phone: str | None
    wpp_name: str | None
    status: str


class Contact(msgspec.Struct, rename="camel"):
    """Somebody who wrote, as `contact:created` tells of them. `name` is the one they go by on WhatsApp."""

    connection_id: str
    jid: str
    phone: str | None
    name: str | None
    created_at: datetime
    updated_at: datetime


class Atendimento(msgspec.Struct):
    """One atendimento. `status`: ATIVO or FINALIZADO. `changed`: whether this request changed it."""

    id: str
    connection_id: str
    chat_id: str
    status: str
    mode: str | None
    nome_cliente: str | None
    numero_cliente: str | None
    last_message_at: datetime | None
    finished_at: datetime | None
    created_at: datetime
    updated_at: datetime
    changed: bool


class ReadAnswer(msgspec.Struct):
    """`count`: how many messages were unread until now."""

    count: int
    ok: Literal[True] = True
    success: Literal[True] = True


def chat_of(row: ChatRow, connection_id: str) -> Chat:
    """The shape of a chat's row."""
    return Chat(
        connection_id=connection_id,
        conversation_id=row.chat_id,
        last_message_at=row.last_message_at,
        last_message=row.last_message,
        preview=row.last_message,
        message_type=row.last_message_type,
        sender=row.last_message_from,
        unread_count=row.unread_count,
        nome_cliente=row.name,
        numero_cliente=row.phone,
        atendimento_id=row.atendimento_id,
        status=row.atendimento_status,
        mode=row.atendimento_mode,
    )


def message_of(row: MessageRow, owner_id: str, connection_id: str) -> Message:
    """The fields of the contract's `newMessage`, from what the event itself is made of."""
    return msgspec.convert(row.payload(owner_id, connection_id), Message)


def contact_of(row: ContactRow, connection_id: str) -> Contact:
    """The shape of a contact's row."""
    return Contact(connection_id, row.jid, row.phone, row.push_name, row.created_at, row.updated_at)


def atendimento_of(row: AtendimentoRow) -> Atendimento:
    """The shape of an atendimento's row."""
    return msgspec.convert(row, Atendimento, from_attributes=True)
