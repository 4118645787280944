"""Text as PostgreSQL can keep it: people may send any code point, and two kinds have no place in `text` and `jsonb`."""

from __future__ import annotations

import math
from typing import cast, overload


@overload
def text(value: str, limit: int | None = None) -> str: ...
@overload
def text(value: None, limit: int | None = None) -> None: ...
def text(value: str | None, limit: int | None = None) -> str | None:
    """`value` with NUL and lone surrogates replaced by U+FFFD, cut to `limit` characters."""
    if value is None:
        return None
    value = value.replace("\x00", "\ufffd")
    try:
        value.encode()
    except UnicodeEncodeError:
        # Through UTF-16, where two halves that belong together meet again.
        value = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value if limit is None else value[:limit]


def json_value(value: object) -> object:
    """A JSON value with every text in it, keys included, made storable."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, dict):
        return {text(str(key)): json_value(item) for key, item in cast(dict[object, object], value).items()}
    if isinstance(value, list | tuple):
        return [json_value(item) for item in cast(list[object], value)]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def json_object(value: dict[str, object]) -> dict[str, object]:
    """`json_value` of an object."""
    return cast(dict[str, object], json_value(value))
