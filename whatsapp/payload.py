"""Typed reading of a send job's payload."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast


class PayloadError(Exception):
    """A payload lacks a field or has it in another form; the text names the field."""


class Payload:
    """A JSON object that somebody else made."""

    def __init__(self, fields: Mapping[str, object]) -> None:
        self._fields = fields

    def text(self, name: str, *, most: int = 4_096) -> str:
        """A text of 1 to `most` characters."""
        value = self._fields.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= most:
            raise PayloadError(f"{name} must be a text of 1 to {most} characters")
        return _encodable(name, value)

    def optional_text(self, name: str) -> str | None:
        """A text, or None where it is missing."""
        value = self._fields.get(name)
        if value is not None and not isinstance(value, str):
            raise PayloadError(f"{name} must be a text")
        return None if value is None else _encodable(name, value)

    def texts(self, name: str) -> list[str]:
        """A list of texts; empty where it is missing."""
        value = self._fields.get(name)
        if value is None:
            return []
        items = cast(list[object], value) if isinstance(value, list) else [None]
        texts = [_encodable(name, item) for item in items if isinstance(item, str) and item]
        if len(texts) != len(items):
            raise PayloadError(f"{name} must be a list of texts")
        return texts

    def number(self, name: str, least: float, most: float, default: float | None = None) -> float:
        """A number from `least` to `most`."""
        value = self._fields.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise PayloadError(f"{name} must be a number from {least:g} to {most:g}")
        return value

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        value = self._fields.get(name, default)
        if not isinstance(value, bool):
            raise PayloadError(f"{name} must be true or false")
        return value

    def inner(self, name: str) -> Payload | None:
        """An object, or None where it is missing."""
        value = self._fields.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise PayloadError(f"{name} must be an object")
        return Payload(cast(dict[str, object], value))


def _encodable(name: str, value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise PayloadError(f"{name} holds half a character (a lone surrogate)") from None
    return value
