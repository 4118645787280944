"""Cursors of listings: opaque to clients, and whole in themselves: a page can be asked for at any later time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from litestar.params import QueryParameter

from api.errors import InvalidRequest
from api.row_ids import is_row_id
from store.pages import NEWEST, Position

PageSize = Annotated[int, QueryParameter(ge=1, le=200, description="Rows a page")]
Before = Annotated[
    str | None, QueryParameter(max_length=300, description="`nextBefore` of the page before; absent: the newest page")
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CURSOR = re.compile(r"([0-9]{1,16})\.([^\x00]{1,255})", re.ASCII | re.DOTALL)
_FIELD: Final = "before"


def cursor(at: datetime, key: str) -> str:
    """The cursor of the page after the row of `key` at the time `at`."""
    return f"{(at - _EPOCH) // timedelta(microseconds=1)}.{key}"


def position(before: str | None) -> Position:
    """Where a cursor points. Raises InvalidRequest for what is none."""
    if before is None:
        return NEWEST
    found = _CURSOR.fullmatch(before)
    if found is None:
        raise InvalidRequest(_FIELD, "not a cursor of this listing")
    return Position(_EPOCH + timedelta(microseconds=int(found[1])), found[2])


def message_position(before: str | None) -> Position:
    """As `position`, for messages; an instant (ISO 8601, UTC where it names no offset) is taken too."""
    instant = None if before is None else _instant(before)
    if instant is not None:
        return Position(instant)
    found = position(before)
    if found.key is not None and not is_row_id(found.key):
        raise InvalidRequest(_FIELD, "not a cursor of this listing")
    return found


def _instant(written: str) -> datetime | None:
    try:
        # A plus that was not escaped in the address is a space by now.
        at = datetime.fromisoformat(written.replace(" ", "+") if "T" in written else written)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
