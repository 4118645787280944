"""A protobuf message as JSON types of bounded size, for what the rest of Perene does not model."""

from __future__ import annotations

import json
from typing import cast

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

MOST_BYTES = 32 * 1024
LONGEST_TEXT = 8 * 1024
_BULKY = frozenset(
    {
        "JPEGThumbnail",
        "pngThumbnail",
        "streamingSidecar",
        "scansSidecar",
        "firstScanSidecar",
        "firstFrameSidecar",
        "waveform",
        "inviteLinkParentGroupThumbnailV2",
    }
)
"""Previews and indices of media: they can be fetched again with the media itself."""


def raw_form(message: Message) -> dict[str, object]:
    """`message` with the protobuf's own field names; bytes are base64, 64-bit numbers are strings.

    Previews are left out, texts end after 8,192 characters, and what is still longer than 32 KiB as JSON becomes
    `{"omitted": {"bytes": its size, "fields": its outermost fields}}`.
    """
    form = cast(dict[str, object], _trim(MessageToDict(message, preserving_proto_field_name=True)))
    size = len(json.dumps(form, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    if size > MOST_BYTES:
        return {"omitted": {"bytes": size, "fields": sorted(form)}}
    return form


def _trim(value: object) -> object:
    if isinstance(value, dict):
        fields = cast(dict[str, object], value)
        return {name: _trim(content) for name, content in fields.items() if name not in _BULKY}
    if isinstance(value, list):
        return [_trim(item) for item in cast(list[object], value)]
    if isinstance(value, str):
        # PostgreSQL's jsonb takes no NUL.
        return value[:LONGEST_TEXT].replace("\0", "")
    return value
