"""Placeholder."""

from datetime import UTC, datetime

from contracts.messages import InboundMessage, MessageType
from whatsapp.jids import bare
from whatsapp.protobufs import events


def message_from_event(event: events.Message) -> InboundMessage | None:
    return InboundMessage(
        event.Info.ID,
        bare(event.Info.MessageSource.Chat),
        event.Info.MessageSource.IsFromMe,
        datetime.now(UTC),
        MessageType.TEXT,
        event.Message.conversation or event.Message.extendedTextMessage.text,
    )
