"""Where a page of a listing begins: keyset positions, which stay right while rows are added."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final


@dataclass(frozen=True, slots=True)
class Position:
    """Just after the row of `key` at the time `at` (UTC), newest first. Without `key`: at what is older than `at`."""

    at: datetime
    key: str | None = None


NEWEST: Final = Position(datetime(9999, 12, 31, tzinfo=UTC))
"""Before every row."""
