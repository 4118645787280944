"""The Noise root key that whatsmeow pins, replaced in the memory of this very process and nowhere else.

whatsmeow compares the server's certificate chain with 32 published bytes (`WACertPubKey` in its `handshake.go`). They
lie once in the library, in writable data. A simulated phone writes the simulator's own key over them after the library
was loaded; the file on disk is never touched, and a real server would then be refused by this process.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

PINNED = bytes.fromhex("142375574d0a587166aae71ebe516437c4a28b73e3695c6ce1f7f9545da8ee6b")


class PinnedRootNotFoundError(RuntimeError):
    """The library's pinned key was not found exactly once in this process's writable memory."""


def replace_pinned_root(key: bytes, library: str = "neonize") -> None:
    """Write the 32-byte `key` over the pinned one in the writable mappings of the loaded `library` (Linux).

    Raises `ValueError` for a key of another length and `PinnedRootNotFoundError` unless exactly one copy was found.
    """
    if len(key) != len(PINNED):
        raise ValueError("a Noise root key has 32 bytes")
    places = [place for low, high in _writable_spans(library) for place in _find_all(low, high)]
    if len(places) != 1:
        raise PinnedRootNotFoundError(f"{len(places)} copies of the pinned key, 1 expected")
    ctypes.memmove(places[0], key, len(key))


def _writable_spans(library: str) -> list[tuple[int, int]]:
    """Address ranges `[low, high)` of this process that are mapped read-write from a file of the `library`."""
    spans: list[tuple[int, int]] = []
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and fields[1].startswith("rw") and library in fields[5]:
            low, high = fields[0].split("-")
            spans.append((int(low, 16), int(high, 16)))
    return spans


def _find_all(low: int, high: int) -> list[int]:
    memory = ctypes.string_at(low, high - low)
    places: list[int] = []
    at = memory.find(PINNED)
    while at >= 0:
        places.append(low + at)
        at = memory.find(PINNED, at + 1)
    return places
