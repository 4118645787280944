"""The dictionaries of WhatsApp's binary XML, version 3 (protocol data, as published in whatsmeow binary/token)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_data: dict[str, Any] = json.loads(Path(__file__).with_name("tokens.json").read_text(encoding="utf-8"))

VERSION: int = _data["version"]
SINGLE: list[str] = _data["single"]
"""Token of each first byte below 236; 0 stands for an empty list."""
DOUBLE: list[list[str]] = _data["double"]
"""Four dictionaries of 256 tokens, chosen by the first byte (236 to 239), token by the second."""

FIRST_DICTIONARY = 236
FB_JID = 246
INTEROP_JID = 245
AD_JID = 247
LIST_8 = 248
LIST_16 = 249
JID_PAIR = 250
HEX_8 = 251
BINARY_8 = 252
BINARY_20 = 253
BINARY_32 = 254
NIBBLE_8 = 255
PACKED_MAX = 127

ENCODED: dict[str, bytes] = {
    **{
        token: bytes((FIRST_DICTIONARY + dictionary, index))
        for dictionary, tokens in enumerate(DOUBLE)
        for index, token in enumerate(tokens)
    },
    **{token: bytes((index,)) for index, token in enumerate(SINGLE) if token},
}
"""Bytes of each token; the one-byte form wins."""
