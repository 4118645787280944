"""The envelopes of every answer: success with data, success with a message, and failure."""

from __future__ import annotations

from typing import Any, Generic, Literal, TypeVar

import msgspec

T = TypeVar("T")


class Answer(msgspec.Struct, Generic[T]):
    """`{"success": true, "data": …}`."""

    data: T
    success: Literal[True] = True


class CommandAnswer(msgspec.Struct, Generic[T]):
    """What a lifecycle command did: `message` for a person, `data` for a program."""

    message: str
    data: T
    success: Literal[True] = True


class Page(msgspec.Struct, Generic[T], rename="camel"):
    """One page of a listing; `nextBefore` is the cursor of the next, null on the last."""

    data: list[T]
    next_before: int | None = None
    success: Literal[True] = True


class DoneAnswer(msgspec.Struct, Generic[T]):
    """What a conversation command did, with both keys that clients look at."""

    data: T
    ok: Literal[True] = True
    success: Literal[True] = True


class Listing(msgspec.Struct, Generic[T], rename="camel"):
    """One page of a conversation listing; `nextBefore` is the cursor of the next, null on the last."""

    data: list[T]
    next_before: str | None = None
    ok: Literal[True] = True
    success: Literal[True] = True


class ErrorAnswer(msgspec.Struct, rename="camel", omit_defaults=False):
    """Every failure. `code` is stable and for programs, `error` is for people, in the language they asked for."""

    error: str
    code: str
    request_id: str
    data: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    success: Literal[False] = False
    ok: Literal[False] = False
