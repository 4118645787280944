"""Messages of a chat as people see them, from and to whatsmeow's protobuf (`waE2E.Message`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from neonize.proto.Neonize_pb2 import UploadResponse
from neonize.proto.waCommon.WACommon_pb2 import MessageKey
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import (
    AudioMessage,
    ContextInfo,
    DocumentMessage,
    ExtendedTextMessage,
    ImageMessage,
    Message,
    ProtocolMessage,
    ReactionMessage,
    VideoMessage,
)

from simulator.phone_errors import InvalidRequestError

MEDIA_KINDS = ("image", "video", "audio", "document")
_WITH_CAPTION = ("image", "video", "document")


@dataclass(frozen=True)
class Content:
    """What a message says: its kind, its text (a caption, an emoji), and what only its kind has."""

    kind: str
    text: str
    extra: dict[str, Any] = field(default_factory=dict[str, Any])


def read_content(message: Message) -> Content | None:
    """What a decrypted, unwrapped message says; None for what no person sees (key distribution, app state keys)."""
    if message.HasField("conversation"):
        return Content("text", message.conversation)
    if message.HasField("extendedTextMessage"):
        text = message.extendedTextMessage
        return Content("text", text.text, _quoted(text.contextInfo))
    for kind in (*MEDIA_KINDS, "sticker"):
        if message.HasField(f"{kind}Message"):  # pyright: ignore[reportArgumentType]  # the name is built
            return _read_media(kind, getattr(message, f"{kind}Message"))
    if message.HasField("reactionMessage"):
        reaction = message.reactionMessage
        return Content("reaction", reaction.text, {"quotedId": _key_id(reaction)})
    if message.HasField("locationMessage"):
        place = message.locationMessage
        return Content("location", place.name, {"latitude": place.degreesLatitude, "longitude": place.degreesLongitude})
    if message.HasField("contactMessage"):
        return Content("contact", message.contactMessage.displayName)
    if message.HasField("protocolMessage"):
        return _read_protocol(message.protocolMessage)
    named = [name for name in (f.name for f, _ in message.ListFields()) if name not in _UNSEEN]
    return Content(named[0], "") if named else None


_UNSEEN = ("senderKeyDistributionMessage", "messageContextInfo", "fastRatchetKeySenderKeyDistributionMessage")


def _quoted(context: ContextInfo) -> dict[str, Any]:
    return {"quotedId": context.stanzaID} if context.stanzaID else {}


def _key_id(message: ReactionMessage | ProtocolMessage) -> str:
    return cast(MessageKey, message.key).ID  # pyright: ignore[reportUnknownMemberType]  # its stub names a lost module


def _read_media(kind: str, media: Any) -> Content:
    extra: dict[str, Any] = {"mimeType": media.mimetype, "size": media.fileLength, **_quoted(media.contextInfo)}
    if kind == "document":
        extra["fileName"] = media.fileName
    if kind in ("audio", "video"):
        extra["seconds"] = media.seconds
    if kind == "audio":
        extra["voice"] = media.PTT
    return Content(kind, media.caption if kind in _WITH_CAPTION else "", extra)


def _read_protocol(protocol: ProtocolMessage) -> Content | None:
    if protocol.type == ProtocolMessage.Type.REVOKE:
        return Content("revoke", "", {"quotedId": _key_id(protocol)})
    if protocol.type == ProtocolMessage.Type.MESSAGE_EDIT:
        edited = read_content(protocol.editedMessage)
        return Content("edit", edited.text if edited else "", {"quotedId": _key_id(protocol)})
    return None


def quote(message_id: str, participant: str, raw: bytes) -> ContextInfo:
    """The context that makes a message a reply to another: its id, its author's JID, and its content."""
    return ContextInfo(stanzaID=message_id, participant=participant, quotedMessage=Message.FromString(raw))


def text_message(text: str, context: ContextInfo | None = None) -> Message:
    """A text; with a `context` it is a reply (only the extended form has room for one)."""
    if context is None:
        return Message(conversation=text)
    return Message(extendedTextMessage=ExtendedTextMessage(text=text, contextInfo=context))


def reaction_message(chat_jid: str, message_id: str, from_me: bool, participant: str | None, emoji: str) -> Message:
    """A reaction; the empty `emoji` takes one back. `participant` is the author's JID in a group, else None."""
    key = MessageKey(remoteJID=chat_jid, fromMe=from_me, ID=message_id, participant=participant)
    return Message(reactionMessage=ReactionMessage(key=key, text=emoji))


def media_message(
    kind: str,
    upload: UploadResponse,
    *,
    mime_type: str,
    caption: str | None = None,
    file_name: str | None = None,
    seconds: int | None = None,
    voice: bool = False,
    context: ContextInfo | None = None,
) -> Message:
    """A message about an uploaded file. Raises `InvalidRequestError` for a kind that is not one of `MEDIA_KINDS`."""
    file: dict[str, Any] = {
        "URL": upload.url,
        "directPath": upload.DirectPath,
        "mediaKey": upload.MediaKey,
        "fileEncSHA256": upload.FileEncSHA256,
        "fileSHA256": upload.FileSHA256,
        "fileLength": upload.FileLength,
        "mimetype": mime_type,
        "contextInfo": context,
    }
    match kind:
        case "image":
            return Message(imageMessage=ImageMessage(**file, caption=caption))
        case "video":
            return Message(videoMessage=VideoMessage(**file, caption=caption, seconds=seconds))
        case "audio":
            return Message(audioMessage=AudioMessage(**file, seconds=seconds, PTT=voice))
        case "document":
            name = file_name or "file"
            return Message(documentMessage=DocumentMessage(**file, caption=caption, fileName=name, title=name))
        case _:
            raise InvalidRequestError(f"kind is one of {', '.join(MEDIA_KINDS)}")
