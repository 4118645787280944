"""Each kind of content of a real protobuf becomes the contract's message."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest

from contracts.messages import InboundMessage, MessageType
from whatsapp.message_kinds import READERS
from whatsapp.normalise import message_from_event
from whatsapp.protobufs import e2e, events
from whatsapp.raw_form import MOST_BYTES

CUSTOMER = "5511988880001"
OWN = "5511999990001"


def jid(user: str = "", server: str = "s.whatsapp.net", device: int = 0) -> events.JID:
    empty = not user
    return events.JID(User=user, RawAgent=0, Device=device, Integrator=0, Server="" if empty else server, IsEmpty=empty)


def event(
    message: e2e.Message,
    *,
    chat: events.JID | None = None,
    sender: events.JID | None = None,
    from_me: bool = False,
    group: bool = False,
    sender_alt: events.JID | None = None,
    recipient_alt: events.JID | None = None,
    timestamp: int = 1_760_000_000_123,
) -> events.Message:
    made = events.Message(
        Info=events.MessageInfo(
            MessageSource=events.MessageSource(
                Chat=chat or jid(CUSTOMER),
                Sender=sender or jid(CUSTOMER),
                IsFromMe=from_me,
                IsGroup=group,
                SenderAlt=sender_alt or jid(),
                RecipientAlt=recipient_alt or jid(),
                BroadcastListOwner=jid(),
            ),
            ID="3EB0AA",
            ServerID=0,
            Type="text",
            Pushname="Ana",
            Timestamp=timestamp,
            Category="",
            Multicast=False,
            MediaType="",
            Edit="",
        ),
        Message=message,
        IsEphemeral=False,
        IsViewOnce=False,
        IsViewOnceV2=False,
        IsViewOnceV2Extension=False,
        IsDocumentWithCaption=False,
        IsLottieSticker=False,
        IsEdit=False,
        UnavailableRequestID="",
        RetryCount=0,
        Raw=message,
    )
    return events.Message.FromString(made.SerializeToString())


def normal(message: e2e.Message) -> InboundMessage:
    found = message_from_event(event(message))
    assert found is not None
    json.dumps(found.raw)
    json.dumps(found.media)
    return found


QUOTED = e2e.ContextInfo(stanzaID="QUOTED", participant=f"{OWN}@s.whatsapp.net")
MEDIA = {
    "URL": "https://mmg.whatsapp.net/x",
    "directPath": "/v/x",
    "mediaKey": b"k" * 32,
    "fileSHA256": b"s" * 32,
    "fileEncSHA256": b"e" * 32,
    "fileLength": 12_345,
}


def test_a_plain_text_keeps_its_words_sender_and_time() -> None:
    found = normal(e2e.Message(conversation="Olá, ação! 👋"))
    assert found.type is MessageType.TEXT
    assert found.text == "Olá, ação! 👋"
    assert found.message_id == "3EB0AA"
    assert found.chat == f"{CUSTOMER}@s.whatsapp.net"
    assert found.phone == CUSTOMER
    assert found.push_name == "Ana"
    assert found.participant is None
    assert not found.from_me
    assert found.timestamp == datetime.fromtimestamp(1_760_000_000.123, UTC)


def test_a_time_in_seconds_is_read_as_such() -> None:
    found = message_from_event(event(e2e.Message(conversation="x"), timestamp=1_760_000_000))
    assert found is not None
    assert found.timestamp.year == 2025


def test_a_reply_names_the_message_it_answers() -> None:
    found = normal(e2e.Message(extendedTextMessage=e2e.ExtendedTextMessage(text="sim", contextInfo=QUOTED)))
    assert (found.type, found.text, found.quoted_id) == (MessageType.TEXT, "sim", "QUOTED")


@pytest.mark.parametrize(
    ("message", "kind", "mime", "text"),
    [
        (
            e2e.Message(imageMessage=e2e.ImageMessage(**MEDIA, mimetype="image/png", caption="foto")),
            MessageType.IMAGE,
            "image/png",
            "foto",
        ),
        (e2e.Message(videoMessage=e2e.VideoMessage(**MEDIA, seconds=3)), MessageType.VIDEO, "video/mp4", None),
        (e2e.Message(ptvMessage=e2e.VideoMessage(**MEDIA)), MessageType.VIDEO, "video/mp4", None),
        (
            e2e.Message(audioMessage=e2e.AudioMessage(**MEDIA, PTT=True, mimetype="audio/ogg; codecs=opus")),
            MessageType.AUDIO,
            "audio/ogg; codecs=opus",
            None,
        ),
        (
            e2e.Message(documentMessage=e2e.DocumentMessage(**MEDIA, fileName="nota.pdf", mimetype="application/pdf")),
            MessageType.DOCUMENT,
            "application/pdf",
            "nota.pdf",
        ),
        (e2e.Message(stickerMessage=e2e.StickerMessage(**MEDIA)), MessageType.STICKER, "image/webp", None),
    ],
    ids=["image", "video", "video note", "voice", "document", "sticker"],
)
def test_an_attachment_carries_what_fetches_it(
    message: e2e.Message, kind: MessageType, mime: str, text: str | None
) -> None:
    found = normal(message)
    assert (found.type, found.media_mime, found.text) == (kind, mime, text)
    assert found.media is not None
    assert found.media["mediaKey"] == base64.b64encode(b"k" * 32).decode()
    assert found.media["directPath"] == "/v/x"
    assert found.media["fileLength"] == 12_345


def test_a_voice_message_says_so() -> None:
    found = normal(e2e.Message(audioMessage=e2e.AudioMessage(**MEDIA, PTT=True, seconds=7)))
    assert found.media is not None
    assert (found.media["voice"], found.media["seconds"]) == (True, 7)


def test_places_are_locations_also_at_null_island() -> None:
    place = normal(
        e2e.Message(
            locationMessage=e2e.LocationMessage(degreesLatitude=0, degreesLongitude=0, name="Ilha", address="Mar")
        )
    )
    assert (place.type, place.text) == (MessageType.LOCATION, "Ilha — Mar")
    assert place.media == {"latitude": 0.0, "longitude": 0.0, "name": "Ilha", "address": "Mar"}
    live = normal(e2e.Message(liveLocationMessage=e2e.LiveLocationMessage(degreesLatitude=-23.5, degreesLongitude=-46)))
    assert live.type is MessageType.LOCATION
    assert live.media is not None
    assert live.media["live"] is True


def test_contacts_keep_their_cards() -> None:
    card = e2e.ContactMessage(displayName="Bia", vcard="BEGIN:VCARD")
    one = normal(e2e.Message(contactMessage=card))
    two = normal(e2e.Message(contactsArrayMessage=e2e.ContactsArrayMessage(contacts=[card, card])))
    assert (one.type, one.text) == (MessageType.CONTACT, "Bia")
    assert (two.type, two.text) == (MessageType.CONTACT, "Bia, Bia")
    assert two.media == {"contacts": [{"name": "Bia", "vcard": "BEGIN:VCARD"}] * 2}


def test_a_reaction_names_its_message() -> None:
    reaction = e2e.ReactionMessage(text="👍")
    reaction.key.ID = "TARGET"
    found = normal(e2e.Message(reactionMessage=reaction))
    assert (found.type, found.text, found.quoted_id) == (MessageType.REACTION, "👍", "TARGET")


def test_a_reaction_taken_back_has_an_empty_text() -> None:
    reaction = e2e.ReactionMessage(text="")
    reaction.key.ID = "TARGET"
    assert normal(e2e.Message(reactionMessage=reaction)).text == ""


@pytest.mark.parametrize("version", ["", "V2", "V3", "V5", "V6"])
def test_polls_of_every_version_list_their_options(version: str) -> None:
    poll = e2e.PollCreationMessage(name="Qual?", selectableOptionsCount=1)
    poll.options.add(optionName="A")
    poll.options.add(optionName="B")
    found = normal(e2e.Message(**{f"pollCreationMessage{version}": poll}))
    assert (found.type, found.text) == (MessageType.POLL, "Qual?")
    assert found.media == {"options": ["A", "B"], "selectable": 1}


def test_a_vote_names_its_poll() -> None:
    vote = e2e.PollUpdateMessage()
    vote.pollCreationMessageKey.ID = "POLL"
    found = normal(e2e.Message(pollUpdateMessage=vote))
    assert (found.type, found.quoted_id) == (MessageType.POLL, "POLL")


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (
            e2e.Message(
                buttonsResponseMessage=e2e.ButtonsResponseMessage(selectedDisplayText="Sim", selectedButtonID="1")
            ),
            "Sim",
        ),
        (
            e2e.Message(
                templateButtonReplyMessage=e2e.TemplateButtonReplyMessage(selectedDisplayText="Sim", selectedID="1")
            ),
            "Sim",
        ),
        (
            e2e.Message(
                listResponseMessage=e2e.ListResponseMessage(
                    title="Sim", singleSelectReply=e2e.ListResponseMessage.SingleSelectReply(selectedRowID="1")
                )
            ),
            "Sim",
        ),
    ],
    ids=["button", "template", "list"],
)
def test_choices_are_texts_that_keep_the_choice(message: e2e.Message, text: str) -> None:
    found = normal(message)
    assert (found.type, found.text, found.media) == (MessageType.TEXT, text, {"selected": "1"})


def test_an_edit_carries_the_new_words_and_the_old_id() -> None:
    protocol = e2e.ProtocolMessage(
        type=e2e.ProtocolMessage.MESSAGE_EDIT, editedMessage=e2e.Message(conversation="certo")
    )
    protocol.key.ID = "OLD"
    plain = normal(e2e.Message(protocolMessage=protocol))
    wrapped = normal(e2e.Message(editedMessage=e2e.FutureProofMessage(message=e2e.Message(protocolMessage=protocol))))
    for found in (plain, wrapped):
        assert (found.type, found.text, found.quoted_id) == (MessageType.TEXT, "certo", "OLD")
        assert found.message_id == "3EB0AA"


def test_a_revocation_names_what_it_takes_back() -> None:
    protocol = e2e.ProtocolMessage(type=e2e.ProtocolMessage.REVOKE)
    protocol.key.ID = "OLD"
    found = normal(e2e.Message(protocolMessage=protocol))
    assert (found.type, found.text, found.quoted_id) == (MessageType.UNKNOWN, None, "OLD")
    assert found.raw["message"] == {"protocolMessage": {"key": {"ID": "OLD"}, "type": "REVOKE"}}


@pytest.mark.parametrize(
    "wrapper",
    [
        "ephemeralMessage",
        "viewOnceMessage",
        "viewOnceMessageV2",
        "viewOnceMessageV2Extension",
        "documentWithCaptionMessage",
    ],
)
def test_a_wrapped_message_is_read_through_its_wrapper(wrapper: str) -> None:
    inner = e2e.Message(documentMessage=e2e.DocumentMessage(**MEDIA, caption="veja"))
    found = normal(e2e.Message(**{wrapper: e2e.FutureProofMessage(message=inner)}))
    assert (found.type, found.text) == (MessageType.DOCUMENT, "veja")


def test_our_own_message_from_another_device_is_read_through_its_wrapper() -> None:
    inner = e2e.DeviceSentMessage(destinationJID="x", message=e2e.Message(conversation="oi"))
    found = message_from_event(
        event(
            e2e.Message(deviceSentMessage=inner),
            from_me=True,
            sender=jid(OWN, device=3),
            chat=jid("111", "lid"),
            recipient_alt=jid(CUSTOMER),
        )
    )
    assert found is not None
    assert (found.text, found.from_me, found.chat, found.phone) == ("oi", True, "111@lid", CUSTOMER)


def test_a_hidden_address_is_resolved_where_whatsapp_says_the_phone() -> None:
    message = e2e.Message(conversation="oi")
    known = message_from_event(
        event(message, chat=jid("111", "lid"), sender=jid("111", "lid"), sender_alt=jid(CUSTOMER))
    )
    unknown = message_from_event(event(message, chat=jid("111", "lid"), sender=jid("111", "lid")))
    assert known is not None
    assert unknown is not None
    assert (known.chat, known.phone) == ("111@lid", CUSTOMER)
    assert (unknown.chat, unknown.phone) == ("111@lid", None)


def test_a_group_message_names_its_author() -> None:
    found = message_from_event(
        event(
            e2e.Message(
                conversation="oi todos",
                senderKeyDistributionMessage=e2e.SenderKeyDistributionMessage(groupID="1-2@g.us"),
            ),
            chat=jid("120363000000000001", "g.us"),
            sender=jid("111", "lid", 4),
            sender_alt=jid(CUSTOMER),
            group=True,
        )
    )
    assert found is not None
    assert (found.chat, found.participant, found.phone) == ("120363000000000001@g.us", "111@lid", CUSTOMER)


def test_what_nobody_reads_is_nothing() -> None:
    text = e2e.Message(conversation="x")
    assert message_from_event(event(text, chat=jid("status", "broadcast"))) is None
    assert message_from_event(event(text, chat=jid("1", "newsletter"))) is None
    assert message_from_event(event(e2e.Message())) is None
    assert (
        message_from_event(
            event(e2e.Message(senderKeyDistributionMessage=e2e.SenderKeyDistributionMessage(groupID="1@g.us")))
        )
        is None
    )
    for kind in (
        e2e.ProtocolMessage.HISTORY_SYNC_NOTIFICATION,
        e2e.ProtocolMessage.APP_STATE_SYNC_KEY_SHARE,
        e2e.ProtocolMessage.EPHEMERAL_SETTING,
        e2e.ProtocolMessage.INITIAL_SECURITY_NOTIFICATION_SETTING_SYNC,
    ):
        assert message_from_event(event(e2e.Message(protocolMessage=e2e.ProtocolMessage(type=kind)))) is None


def test_an_unknown_content_is_kept_whole() -> None:
    found = normal(e2e.Message(orderMessage=e2e.OrderMessage(orderID="42", itemCount=3)))
    assert (found.type, found.text) == (MessageType.UNKNOWN, None)
    assert found.raw["message"] == {"orderMessage": {"orderID": "42", "itemCount": 3}}


def test_every_reader_survives_an_empty_content() -> None:
    for name in READERS:
        message = e2e.Message()
        if name == "conversation":
            message.conversation = ""
        else:
            getattr(message, name).SetInParent()
        assert normal(message).type in MessageType


def test_the_raw_form_is_bounded_and_without_previews() -> None:
    image = normal(e2e.Message(imageMessage=e2e.ImageMessage(**MEDIA, JPEGThumbnail=b"j" * 50_000)))
    assert "JPEGThumbnail" not in json.dumps(image.raw)
    huge = normal(
        e2e.Message(
            contactsArrayMessage=e2e.ContactsArrayMessage(
                contacts=[e2e.ContactMessage(displayName=str(number), vcard="v" * 3_000) for number in range(40)]
            )
        )
    )
    assert len(json.dumps(huge.raw)) < MOST_BYTES
    assert "omitted" in json.dumps(huge.raw)


def test_text_that_a_database_cannot_hold_is_cleaned() -> None:
    found = normal(e2e.Message(conversation="a\0b"))
    assert found.text == "ab"
    assert "\\u0000" not in json.dumps(found.raw)
