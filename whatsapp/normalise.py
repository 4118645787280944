"""neonize's Message event as the contract's InboundMessage.

An edit becomes a TEXT (or media) message of its own with the new content, whose `quoted_id` is the edited message; a
revocation becomes an UNKNOWN message without a text, whose `quoted_id` is the revoked one. Both say so in
`raw["message"]["protocolMessage"]["type"]`, and the message's own id stays that of the stanza.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from contracts.messages import InboundMessage, MessageType
from whatsapp.jids import GROUP_SERVER, STATUS_CHAT, bare, full, phone_of
from whatsapp.message_kinds import NO_CONTENT, READERS, Content
from whatsapp.protobufs import content_of, e2e, events, key_id
from whatsapp.raw_form import raw_form

_WRAPPERS = (
    "ephemeralMessage",
    "viewOnceMessage",
    "viewOnceMessageV2",
    "viewOnceMessageV2Extension",
    "documentWithCaptionMessage",
    "editedMessage",
    "deviceSentMessage",
    "botInvokeMessage",
    "groupMentionedMessage",
    "lottieStickerMessage",
    "associatedChildMessage",
    "pollCreationMessageV4",
    "spoilerMessage",
)
"""Fields whose own field `message` is the content. whatsmeow unwraps the commonest (`UnwrapRaw` in events.go)."""
_DEEPEST = 8
_SILENT_SERVERS = frozenset({"newsletter"})


def message_from_event(event: events.Message) -> InboundMessage | None:
    """The message, or None if there is nothing in it for a reader.

    None: status broadcasts and channels, and what only devices say to each other (keys of the app state, notices of
    history, sender keys, settings of a chat). A content that is not modelled is UNKNOWN, with all of it in `raw`.
    """
    source = event.Info.MessageSource
    chat = bare(source.Chat)
    if not chat or chat == STATUS_CHAT or source.Chat.Server in _SILENT_SERVERS:
        return None
    message = _unwrapped(content_of(event))
    content = _content_of(message)
    if content is None:
        return None
    is_group = source.IsGroup or source.Chat.Server == GROUP_SERVER
    return InboundMessage(
        message_id=event.Info.ID,
        chat=chat,
        from_me=source.IsFromMe,
        timestamp=_timestamp(event.Info.Timestamp),
        type=content.type,
        text=_storable(content.text),
        phone=_other_party(source, is_group=is_group),
        participant=bare(source.Sender) if is_group else None,
        push_name=_storable(event.Info.Pushname) or None,
        quoted_id=content.quoted_id,
        media_mime=content.mime,
        media=content.media,
        raw={"info": _info(event), "message": raw_form(message)},
    )


def _unwrapped(message: e2e.Message) -> e2e.Message:
    for _ in range(_DEEPEST):
        wrapper = next((name for name in _WRAPPERS if message.HasField(name)), None)
        if wrapper is None:
            break
        inner: e2e.FutureProofMessage = getattr(message, wrapper)
        if not inner.HasField("message"):
            break
        message = inner.message
    return message


def _content_of(message: e2e.Message) -> Content | None:
    if message.HasField("protocolMessage"):
        return _protocol_content(message.protocolMessage)
    fields = [field.name for field, _ in message.ListFields() if field.name not in NO_CONTENT]
    if not fields:
        return None
    known = next((name for name in fields if name in READERS), None)
    return Content(MessageType.UNKNOWN) if known is None else READERS[known](message)


def _protocol_content(protocol: e2e.ProtocolMessage) -> Content | None:
    target = key_id(protocol)
    if protocol.type == e2e.ProtocolMessage.REVOKE and protocol.HasField("key"):
        return Content(MessageType.UNKNOWN, quoted_id=target)
    if protocol.type == e2e.ProtocolMessage.MESSAGE_EDIT and protocol.HasField("editedMessage"):
        edited = _content_of(_unwrapped(protocol.editedMessage))
        return replace(edited or Content(MessageType.UNKNOWN), quoted_id=target)
    return None


def _other_party(source: events.MessageSource, *, is_group: bool) -> str | None:
    """The phone of whoever we talk to: of the author in a group, and nobody's for our own message there."""
    if is_group:
        return None if source.IsFromMe else phone_of(source.Sender, source.SenderAlt)
    if source.IsFromMe:
        return phone_of(source.Chat, source.RecipientAlt)
    return phone_of(source.Sender, source.SenderAlt, source.Chat)


def _timestamp(value: int) -> datetime:
    # The encoder gives milliseconds, and for receipts seconds; a message is not lost over a senseless time.
    try:
        return datetime.fromtimestamp(value / 1000 if value > 100_000_000_000 else value, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.now(UTC)


def _info(event: events.Message) -> dict[str, object]:
    source = event.Info.MessageSource
    found: dict[str, object] = {
        "sender": full(source.Sender),
        "senderAlt": full(source.SenderAlt),
        "recipientAlt": full(source.RecipientAlt),
        "type": event.Info.Type,
        "category": event.Info.Category,
        "edit": event.Info.Edit,
        "ephemeral": event.IsEphemeral,
        "viewOnce": event.IsViewOnce,
    }
    return {name: value for name, value in found.items() if value}


def _storable(text: str | None) -> str | None:
    # PostgreSQL's text takes no NUL.
    return None if text is None else text.replace("\0", "")
