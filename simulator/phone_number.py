"""Phones and chats as the control API names them: digits for a person, the JID for a group."""

from __future__ import annotations

import re

from simulator.phone_errors import InvalidPhoneError

PERSON = "s.whatsapp.net"
GROUP = "g.us"
_PHONE = re.compile(r"\+?([0-9]{5,20})(?:[.:][0-9]+)*(?:@s\.whatsapp\.net)?")
_GROUP = re.compile(r"([0-9]+(?:-[0-9]+)?)@g\.us")


def phone_digits(text: object) -> str:
    """Digits of a phone given as `+5511999990001`, `5511999990001` or a JID of it.

    Raises `InvalidPhoneError` for anything else.
    """
    match = _PHONE.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise InvalidPhoneError
    return match[1]


def chat_name(text: object) -> str:
    """A chat as the API names it: a phone's digits, or a group's JID (`…@g.us`). Raises `InvalidPhoneError`."""
    if isinstance(text, str) and _GROUP.fullmatch(text.strip()):
        return text.strip()
    return phone_digits(text)
