"""What a send job says, as the library's message.

| `type` | `payload` (JSON types; ? may be missing) |
|---|---|
| `text` | `text`, `mentions`? (JIDs or phones), `quoted`? |
| `image`, `video` | `path`, `mime`, `caption`?, `quoted`?, `width`?, `height`?, video: `seconds`?, `gif`? |
| `audio` | `path`, `mime`, `voice`? (true: a voice message), `seconds`?, `quoted`? |
| `document` | `path`, `mime`, `filename`, `caption`?, `quoted`? |
| `sticker` | `path`, `mime` (`image/webp`), `width`?, `height`?, `quoted`? |
| `location` | `latitude`, `longitude` (degrees), `name`?, `address`?, `quoted`? |
| `contact` | `name`, `vcard`, `quoted`? |
| `reaction` | `target`, `emoji` ("" takes it back) |
| `poll` | `question`, `options` (2–12 texts), `selectable`? (1; 0: any number) |
| `edit` | `target` (a message of ours), `text` |
| `revoke` | `target` |

`path` is a file of this machine, at most 64 MiB. `target` is the message meant: `{"id", "fromMe"? (true),
"participant"? (its author's JID, in groups)}`. `quoted` is `{"id", "participant": JID of its author, "text"?}`.
Forms: waE2E.Message, and whatsmeow's `BuildReaction`, `BuildRevoke`, `BuildEdit`, `BuildPollCreation` (send.go).
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from contracts.messages import SendJob
from contracts.ports import SendRefused
from whatsapp.client import Client, ClientGone
from whatsapp.jids import GROUP_SERVER, chat_address
from whatsapp.log_lines import redact
from whatsapp.payload import Payload, PayloadError
from whatsapp.protobufs import common, e2e, events
from whatsapp.workshop import Workshop

MOST_BYTES = 64 * 1024 * 1024
LONGEST_TEXT = 65_536
_MEDIA_TYPES = {"image": 0, "sticker": 0, "video": 1, "audio": 2, "document": 3}
"""Indices of goneonize's `MediaType` (utils/utils.go)."""


async def build_message(job: SendJob, client: Client, workshop: Workshop) -> bytes:
    """The serialised waE2E.Message of `job`; an attachment is uploaded first. Raises SendRefused."""
    payload = Payload(job.payload)
    try:
        if job.type in _MEDIA_TYPES:
            upload = await _upload(job.type, payload, client, workshop)
            message = _media_message(job.type, payload, upload)
        elif job.type in _BUILDERS:
            message = _BUILDERS[job.type](job.chat, payload)
        else:
            raise SendRefused(f"messages of type {job.type!r} cannot be sent")
        return message.SerializeToString()
    except (PayloadError, ValueError) as error:
        raise SendRefused(str(error)) from error


def _text(chat: str, payload: Payload) -> e2e.Message:
    text = payload.text("text", most=LONGEST_TEXT)
    mentions = [str(chat_address(mention)) for mention in payload.texts("mentions")]
    context = _context(chat, payload)
    if context is None and not mentions:
        return e2e.Message(conversation=text)
    context = context or e2e.ContextInfo()
    context.mentionedJID.extend(mentions)
    return e2e.Message(extendedTextMessage=e2e.ExtendedTextMessage(text=text, contextInfo=context))


def _location(chat: str, payload: Payload) -> e2e.Message:
    return e2e.Message(
        locationMessage=e2e.LocationMessage(
            degreesLatitude=payload.number("latitude", -90, 90),
            degreesLongitude=payload.number("longitude", -180, 180),
            name=payload.optional_text("name"),
            address=payload.optional_text("address"),
            contextInfo=_context(chat, payload),
        )
    )


def _contact(chat: str, payload: Payload) -> e2e.Message:
    card = e2e.ContactMessage(
        displayName=payload.text("name"), vcard=payload.text("vcard"), contextInfo=_context(chat, payload)
    )
    return e2e.Message(contactMessage=card)


def _reaction(chat: str, payload: Payload) -> e2e.Message:
    return e2e.Message(
        reactionMessage=e2e.ReactionMessage(
            key=_target(chat, payload),
            text=payload.optional_text("emoji") or "",
            senderTimestampMS=int(time.time() * 1000),
        )
    )


def _poll(_: str, payload: Payload) -> e2e.Message:
    options = payload.texts("options")
    if not 2 <= len(options) <= 12 or len(set(options)) != len(options):
        raise PayloadError("a poll has 2 to 12 different options")
    poll = e2e.PollCreationMessage(
        name=payload.text("question"), selectableOptionsCount=int(payload.number("selectable", 0, len(options), 1))
    )
    for option in options:
        poll.options.add(optionName=option)
    # Votes are encrypted with the poll's secret, so a poll without one cannot be voted in.
    secret = e2e.MessageContextInfo(messageSecret=secrets.token_bytes(32))
    if poll.selectableOptionsCount == 1:
        return e2e.Message(pollCreationMessageV3=poll, messageContextInfo=secret)
    return e2e.Message(pollCreationMessage=poll, messageContextInfo=secret)


def _edit(chat: str, payload: Payload) -> e2e.Message:
    protocol = e2e.ProtocolMessage(
        key=_target(chat, payload),
        type=e2e.ProtocolMessage.MESSAGE_EDIT,
        editedMessage=e2e.Message(conversation=payload.text("text", most=LONGEST_TEXT)),
        timestampMS=int(time.time() * 1000),
    )
    return e2e.Message(editedMessage=e2e.FutureProofMessage(message=e2e.Message(protocolMessage=protocol)))


def _revoke(chat: str, payload: Payload) -> e2e.Message:
    protocol = e2e.ProtocolMessage(key=_target(chat, payload), type=e2e.ProtocolMessage.REVOKE)
    return e2e.Message(protocolMessage=protocol)


_BUILDERS: Mapping[str, Callable[[str, Payload], e2e.Message]] = {
    "text": _text,
    "location": _location,
    "contact": _contact,
    "reaction": _reaction,
    "poll": _poll,
    "edit": _edit,
    "revoke": _revoke,
}


def _target(chat: str, payload: Payload) -> common.MessageKey:
    target = payload.inner("target")
    if target is None:
        raise PayloadError("target is missing")
    address = chat_address(chat)
    key = common.MessageKey(remoteJID=str(address), fromMe=target.flag("fromMe", True), ID=target.text("id"))
    participant = target.optional_text("participant")
    if participant and address.server == GROUP_SERVER and not key.fromMe:
        key.participant = chat_address(participant).bare
    return key


def _context(_: str, payload: Payload) -> e2e.ContextInfo | None:
    quoted = payload.inner("quoted")
    if quoted is None:
        return None
    return e2e.ContextInfo(
        stanzaID=quoted.text("id"),
        participant=chat_address(quoted.text("participant")).bare,
        quotedMessage=e2e.Message(conversation=quoted.optional_text("text") or ""),
    )


async def _upload(kind: str, payload: Payload, client: Client, workshop: Workshop) -> events.UploadResponse:
    content = await asyncio.to_thread(_read, Path(payload.text("path")))
    try:
        raw = await workshop.call(_upload_content, client, content, _MEDIA_TYPES[kind])
    except ClientGone as error:
        raise SendRefused("the session was closed") from error
    answer = events.UploadReturnFunction.FromString(raw)
    if answer.Error:
        raise SendRefused(f"the attachment could not be uploaded: {redact(answer.Error)}")
    return answer.UploadResponse


def _upload_content(client: Client, content: bytes, media_type: int) -> bytes:
    return client.call(client.library.upload, content, media_type)


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if not 0 < size <= MOST_BYTES:
            raise PayloadError(f"an attachment has 1 to {MOST_BYTES} bytes, not {size}")
        return path.read_bytes()
    except OSError as error:
        raise PayloadError(f"the attachment cannot be read: {error.strerror}") from error


def _media_message(kind: str, payload: Payload, upload: events.UploadResponse) -> e2e.Message:
    fields: dict[str, object] = {
        "URL": upload.url,
        "directPath": upload.DirectPath,
        "mediaKey": upload.MediaKey,
        "fileEncSHA256": upload.FileEncSHA256,
        "fileSHA256": upload.FileSHA256,
        "fileLength": upload.FileLength,
        "mimetype": payload.text("mime"),
        "contextInfo": _context("", payload),
    }
    if kind in {"image", "video", "document"}:
        fields["caption"] = payload.optional_text("caption")
    if kind in {"image", "video", "sticker"}:
        fields |= {side: int(payload.number(side, 0, 65_535, 0)) or None for side in ("width", "height")}
    if kind in {"video", "audio"}:
        fields["seconds"] = int(payload.number("seconds", 0, 86_400, 0)) or None
    if kind == "video":
        fields["gifPlayback"] = payload.flag("gif", False) or None
    if kind == "audio":
        fields["PTT"] = payload.flag("voice", False)
    if kind == "document":
        fields["fileName"] = fields["title"] = payload.text("filename")
    given = {name: value for name, value in fields.items() if value is not None}
    message = e2e.Message()
    content = getattr(message, f"{kind}Message")
    content.MergeFrom(type(content)(**given))
    return message
