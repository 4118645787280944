"""Replaces the Noise root key that whatsmeow pins, in this process's memory, for runs against a simulator.

whatsmeow accepts a server only if its certificate chain is signed by one 32-byte public key (`WACertPubKey` in its
`handshake.go`, compared in `verifyServerCert`). The key lies once in the library's writable data. A run against the
simulator writes the simulator's key over it after loading, never on disk, and only where the server is reached through
a proxy on loopback: with another key in place nothing but a simulator could be talked to anyway, but a process that
believes it talks to WhatsApp must not be told so by a mistake in its environment.
"""

from __future__ import annotations

import ctypes
import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

PINNED = bytes.fromhex("142375574d0a587166aae71ebe516437c4a28b73e3695c6ce1f7f9545da8ee6b")
KEY_LENGTH = 32


class NoiseRootRefused(Exception):
    """The Noise root key may not or cannot be replaced."""


@dataclass(frozen=True, slots=True)
class Mapping:
    """One range of addresses of this process: [low, high)."""

    low: int
    high: int
    mode: str
    path: str


def is_loopback_proxy(proxy: str | None) -> bool:
    """Whether `proxy` is a URL whose host is a loopback *address* (a name could resolve elsewhere)."""
    if not proxy:
        return False
    try:
        host = urlsplit(proxy).hostname
        return host is not None and ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def replace_noise_root(library: Path, key: bytes, proxy: str | None) -> None:
    """Write the 32-byte `key` over the pinned one in the loaded `library`. Idempotent for the same key.

    Raises NoiseRootRefused if `proxy` is not on loopback, the key has another length, the library is not loaded, or
    the pinned key does not stand exactly once in its writable data.
    """
    if not is_loopback_proxy(proxy):
        raise NoiseRootRefused("the Noise root key is replaced only where WhatsApp is reached by a proxy on loopback")
    if len(key) != KEY_LENGTH:
        raise NoiseRootRefused(f"a Noise root key has {KEY_LENGTH} bytes, not {len(key)}")
    writable = [mapping for mapping in _mappings(library) if mapping.mode.startswith("rw")]
    if not writable:
        raise NoiseRootRefused(f"{library.name} is not loaded in this process")
    places = list(_find(writable, PINNED))
    if not places and key != PINNED and len(list(_find(writable, key))) == 1:
        return
    if len(places) != 1:
        raise NoiseRootRefused(f"the pinned key stands {len(places)} times in {library.name}, not once")
    ctypes.memmove(places[0], key, KEY_LENGTH)


def _mappings(library: Path) -> Iterator[Mapping]:
    wanted = str(library.resolve())
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and fields[5] == wanted:
            low, high = (int(edge, 16) for edge in fields[0].split("-"))
            yield Mapping(low, high, fields[1], fields[5])


def _find(mappings: list[Mapping], key: bytes) -> Iterator[int]:
    for mapping in mappings:
        content = ctypes.string_at(mapping.low, mapping.high - mapping.low)
        at = content.find(key)
        while at >= 0:
            yield mapping.low + at
            at = content.find(key, at + 1)
