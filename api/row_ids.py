"""Ids of rows, as we give them."""

from __future__ import annotations

import re

_ROW_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


def is_row_id(text: str) -> bool:
    """Whether `text` may be the id of a message or of an atendimento: a UUID in its usual form."""
    return _ROW_ID.fullmatch(text) is not None
