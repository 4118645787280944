"""Rows of messages and what clients are told of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from contracts.messages import InboundMessage, MessageType
from store.message_rows import from_library

FIELDS = {
    *("id", "message_id", "chat_id", "conteudo", "message_type", "media_type", "media_url", "media_mime", "remetente"),
    *("timestamp", "lida", "connection_id", "owner_id", "atendimento_id", "phone", "wpp_name", "status"),
}
"""The frozen fields of `newMessage`."""


def _message(
    chat: str = "55@s.whatsapp.net", *, from_me: bool = False, type_: MessageType = MessageType.IMAGE
) -> InboundMessage:
    return InboundMessage(
        message_id="M1",
        chat=chat,
        from_me=from_me,
        timestamp=datetime(2025, 3, 1, 9, tzinfo=timezone(timedelta(hours=-3))),
        type=type_,
        text=None,
        media={"mediaKey": "secret"},
        raw={"imageMessage": {"mediaKey": "secret"}},
    )


def test_a_client_is_told_every_frozen_field_and_no_key() -> None:
    payload = from_library(_message()).payload("owner", "c1")
    assert payload.keys() >= FIELDS
    assert "secret" not in repr(payload)
    assert payload["timestamp"] == "2025-03-01T12:00:00+00:00"


@pytest.mark.parametrize(
    ("chat", "from_me", "opens"),
    [
        ("55@s.whatsapp.net", False, True),
        ("99@lid", False, True),
        ("55@s.whatsapp.net", True, False),
        ("1-2@g.us", False, False),
        ("status@broadcast", False, False),
        ("1@newsletter", False, False),
    ],
)
def test_a_person_who_writes_opens_a_conversation(chat: str, from_me: bool, opens: bool) -> None:
    assert from_library(_message(chat, from_me=from_me)).opens_conversation is opens


def test_what_has_no_text_is_previewed_by_its_kind() -> None:
    assert from_library(_message()).preview == "[IMAGEM]"


def test_times_are_kept_in_utc() -> None:
    assert from_library(_message()).timestamp == datetime(2025, 3, 1, 12, tzinfo=UTC)
