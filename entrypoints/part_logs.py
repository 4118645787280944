"""The log files of the parts: bounded in size, and read back for `perene logs` and for error messages."""

from __future__ import annotations

import os
import shutil
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

MOST_BYTES = 10_000_000
KEPT = 3


def rotate(file: Path, most_bytes: int = MOST_BYTES, kept: int = KEPT) -> bool:
    """Once a file is too long, copy it to `<file>.1` (older ones move up) and empty it; says whether it did.

    The writers keep their descriptor, opened for appending, so they go on at the new beginning. What they write between
    the copy and the emptying is lost: the price of not standing between a part and its log.
    """
    if not file.exists() or file.stat().st_size < most_bytes:
        return False
    for number in range(kept - 1, 0, -1):
        older = numbered(file, number)
        if older.exists():
            older.replace(numbered(file, number + 1))
    shutil.copyfile(file, numbered(file, 1))
    os.truncate(file, 0)
    return True


def numbered(file: Path, number: int) -> Path:
    return file.with_name(f"{file.name}.{number}")


def last_lines(file: Path, count: int) -> list[str]:
    """The last lines of a log, without line ends; none if there is no such file."""
    if count <= 0 or not file.exists():
        return []
    with file.open(encoding="utf-8", errors="replace") as handle:
        return [line.rstrip("\n") for line in deque(handle, maxlen=count)]


def follow(files: list[Path], poll_seconds: float = 0.2) -> Iterator[tuple[Path, str]]:
    """Give each line appended after this call to any of the files, for ever. A file that shrank is read anew."""
    return _follow({file: file.stat().st_size if file.exists() else 0 for file in files}, poll_seconds)


def _follow(offsets: dict[Path, int], poll_seconds: float) -> Iterator[tuple[Path, str]]:
    rests = dict.fromkeys(offsets, "")
    while True:
        for file in offsets:
            size = file.stat().st_size if file.exists() else 0
            if size < offsets[file]:
                offsets[file] = 0
            if size == offsets[file]:
                continue
            with file.open("rb") as handle:
                handle.seek(offsets[file])
                chunk = handle.read()
            offsets[file] += len(chunk)
            *lines, rests[file] = (rests[file] + chunk.decode("utf-8", "replace")).split("\n")
            for line in lines:
                yield file, line
        time.sleep(poll_seconds)
