"""Proxy addresses that a client may give a connection."""

from __future__ import annotations

from urllib.parse import urlsplit

from api.errors import InvalidRequest

_SCHEMES = ("http", "https", "socks5")


def checked_proxy(given: str) -> str:
    """The URL as given. Raises InvalidRequest; its text never holds the URL, which may hold a password."""
    try:
        parts = urlsplit(given)
        usable = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port or an IPv6 address that is none
        usable = False
    if not usable or any(ord(character) <= 32 for character in given):
        raise InvalidRequest("proxy", f"must be a URL with a host and one of the schemes {', '.join(_SCHEMES)}")
    return given
