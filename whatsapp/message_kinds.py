"""One reader for each kind of message content that Perene models (fields of waE2E.Message)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from contracts.messages import MessageType
from whatsapp.media_fields import MediaFields, media_fields, present
from whatsapp.protobufs import e2e, key_id


@dataclass(frozen=True, slots=True)
class Content:
    """What one message says. `quoted_id`: the message it answers, reacts to, edits, revokes or votes in."""

    type: MessageType
    text: str | None = None
    quoted_id: str | None = None
    mime: str | None = None
    media: MediaFields | None = None


def _quoted(context: e2e.ContextInfo) -> str | None:
    return context.stanzaID or None


def _conversation(message: e2e.Message) -> Content:
    return Content(MessageType.TEXT, message.conversation)


def _extended_text(message: e2e.Message) -> Content:
    text = message.extendedTextMessage
    return Content(MessageType.TEXT, text.text, _quoted(text.contextInfo))


def _image(message: e2e.Message) -> Content:
    image = message.imageMessage
    media = media_fields("image", image) | present({"width": image.width, "height": image.height})
    return Content(
        MessageType.IMAGE, image.caption or None, _quoted(image.contextInfo), image.mimetype or "image/jpeg", media
    )


def _video_content(video: e2e.VideoMessage) -> Content:
    media = media_fields("video", video) | present(
        {"width": video.width, "height": video.height, "seconds": video.seconds, "gif": video.gifPlayback}
    )
    return Content(
        MessageType.VIDEO, video.caption or None, _quoted(video.contextInfo), video.mimetype or "video/mp4", media
    )


def _video(message: e2e.Message) -> Content:
    return _video_content(message.videoMessage)


def _video_note(message: e2e.Message) -> Content:
    return _video_content(message.ptvMessage)


def _audio(message: e2e.Message) -> Content:
    audio = message.audioMessage
    media = media_fields("audio", audio) | present({"seconds": audio.seconds, "voice": audio.PTT})
    return Content(MessageType.AUDIO, None, _quoted(audio.contextInfo), audio.mimetype or "audio/ogg", media)


def _document(message: e2e.Message) -> Content:
    document = message.documentMessage
    name = document.fileName or document.title
    media = media_fields("document", document) | present({"filename": name, "pages": document.pageCount})
    mime = document.mimetype or "application/octet-stream"
    return Content(MessageType.DOCUMENT, document.caption or name or None, _quoted(document.contextInfo), mime, media)


def _sticker(message: e2e.Message) -> Content:
    sticker = message.stickerMessage
    media = media_fields("sticker", sticker) | present({"animated": sticker.isAnimated})
    return Content(MessageType.STICKER, None, _quoted(sticker.contextInfo), sticker.mimetype or "image/webp", media)


def _location(message: e2e.Message) -> Content:
    place = message.locationMessage
    media: MediaFields = {"latitude": place.degreesLatitude, "longitude": place.degreesLongitude}
    media |= present({"name": place.name, "address": place.address, "url": place.URL})
    text = " — ".join(part for part in (place.name, place.address) if part) or place.comment
    return Content(MessageType.LOCATION, text or None, _quoted(place.contextInfo), None, media)


def _live_location(message: e2e.Message) -> Content:
    place = message.liveLocationMessage
    media: MediaFields = {"latitude": place.degreesLatitude, "longitude": place.degreesLongitude, "live": True}
    return Content(MessageType.LOCATION, place.caption or None, _quoted(place.contextInfo), None, media)


def _contact(message: e2e.Message) -> Content:
    contact = message.contactMessage
    media: MediaFields = {"contacts": [{"name": contact.displayName, "vcard": contact.vcard}]}
    return Content(MessageType.CONTACT, contact.displayName or None, _quoted(contact.contextInfo), None, media)


def _contacts(message: e2e.Message) -> Content:
    cards = message.contactsArrayMessage
    media: MediaFields = {"contacts": [{"name": card.displayName, "vcard": card.vcard} for card in cards.contacts]}
    names = ", ".join(card.displayName for card in cards.contacts if card.displayName)
    return Content(MessageType.CONTACT, names or cards.displayName or None, _quoted(cards.contextInfo), None, media)


def _reaction(message: e2e.Message) -> Content:
    reaction = message.reactionMessage
    return Content(MessageType.REACTION, reaction.text, key_id(reaction))


def _encrypted_reaction(message: e2e.Message) -> Content:
    return Content(MessageType.REACTION, None, key_id(message.encReactionMessage, "targetMessageKey"))


def _poll(poll: e2e.PollCreationMessage) -> Content:
    media: MediaFields = {
        "options": [option.optionName for option in poll.options],
        "selectable": poll.selectableOptionsCount,
    }
    return Content(MessageType.POLL, poll.name or None, _quoted(poll.contextInfo), None, media)


def _poll_vote(message: e2e.Message) -> Content:
    return Content(MessageType.POLL, None, key_id(message.pollUpdateMessage, "pollCreationMessageKey"))


def _button_reply(message: e2e.Message) -> Content:
    reply = message.buttonsResponseMessage
    text = reply.selectedDisplayText or reply.selectedButtonID
    return Content(MessageType.TEXT, text, _quoted(reply.contextInfo), None, {"selected": reply.selectedButtonID})


def _template_reply(message: e2e.Message) -> Content:
    reply = message.templateButtonReplyMessage
    text = reply.selectedDisplayText or reply.selectedID
    return Content(MessageType.TEXT, text, _quoted(reply.contextInfo), None, {"selected": reply.selectedID})


def _list_reply(message: e2e.Message) -> Content:
    reply = message.listResponseMessage
    chosen = reply.singleSelectReply.selectedRowID
    return Content(MessageType.TEXT, reply.title or chosen, _quoted(reply.contextInfo), None, {"selected": chosen})


def _interactive_reply(message: e2e.Message) -> Content:
    reply = message.interactiveResponseMessage
    flow = reply.nativeFlowResponseMessage
    media = present({"selected": flow.name, "parameters": flow.paramsJSON})
    return Content(MessageType.TEXT, reply.body.text or flow.name, _quoted(reply.contextInfo), None, media or None)


def _group_invite(message: e2e.Message) -> Content:
    invite = message.groupInviteMessage
    return Content(MessageType.UNKNOWN, invite.caption or invite.groupName or None, _quoted(invite.contextInfo))


READERS: dict[str, Callable[[e2e.Message], Content]] = {
    "conversation": _conversation,
    "extendedTextMessage": _extended_text,
    "imageMessage": _image,
    "videoMessage": _video,
    "ptvMessage": _video_note,
    "audioMessage": _audio,
    "documentMessage": _document,
    "stickerMessage": _sticker,
    "locationMessage": _location,
    "liveLocationMessage": _live_location,
    "contactMessage": _contact,
    "contactsArrayMessage": _contacts,
    "reactionMessage": _reaction,
    "encReactionMessage": _encrypted_reaction,
    "pollCreationMessage": lambda message: _poll(message.pollCreationMessage),
    "pollCreationMessageV2": lambda message: _poll(message.pollCreationMessageV2),
    "pollCreationMessageV3": lambda message: _poll(message.pollCreationMessageV3),
    "pollCreationMessageV5": lambda message: _poll(message.pollCreationMessageV5),
    "pollCreationMessageV6": lambda message: _poll(message.pollCreationMessageV6),
    "pollUpdateMessage": _poll_vote,
    "buttonsResponseMessage": _button_reply,
    "templateButtonReplyMessage": _template_reply,
    "listResponseMessage": _list_reply,
    "interactiveResponseMessage": _interactive_reply,
    "groupInviteMessage": _group_invite,
}
"""By the field that is set; a message carries one content."""

NO_CONTENT = frozenset(
    {"senderKeyDistributionMessage", "fastRatchetKeySenderKeyDistributionMessage", "messageContextInfo"}
)
"""Fields that accompany a content or travel alone between devices, and say nothing to a reader."""
