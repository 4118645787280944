"""The library's own log lines, passed on to structlog without what is secret in them."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable

import structlog

from whatsapp.library import LogCallback
from whatsapp.protobufs import events

LOG_LEVEL = "INFO"
"""Never DEBUG: there the library logs each stanza and each QR payload whole."""

_log = structlog.stdlib.get_logger("whatsapp.library")

_SECRETS = (
    re.compile(r"https://wa\.me/settings/linked_devices#\S+"),
    re.compile(r"postgres(?:ql)?://\S+"),
    re.compile(r"(?:https?|socks5)://[^\s/@]+@"),
    re.compile(r"(?<![A-Za-z0-9+/=_-])(?:[0-9a-fA-F]{40,}|[A-Za-z0-9+/_-]{42,}={0,2})"),
)
_LENGTH = 400
_METHODS = {"ERROR": "warning", "WARN": "info", "INFO": "debug", "DEBUG": "debug"}
"""One step milder than the library: a lost socket is an error to it. What matters comes as an event, too."""


def redact(text: str) -> str:
    """`text` without QR payloads, URLs with passwords and anything as long as a key; cut to 400 characters."""
    for pattern in _SECRETS:
        text = pattern.sub("[removed]", text)
    return text if len(text) <= _LENGTH else text[:_LENGTH] + "…"


def make_log_callback(expects: Callable[[str], bool] | None = None) -> object:
    """A C callback for log entries. `expects` sees each text, unredacted; one it says yes to is not passed on.

    Keep it for the process's life.

    Goroutines of a stopped client may still log, so such a callback must never be freed.
    """

    def on_log(data: int | None, size: int) -> None:
        try:
            if not data or size <= 0:
                return
            entry = events.LogEntry.FromString(ctypes.string_at(data, size))
            if expects is None or not expects(entry.Message):
                _report(entry.Level, entry.Name, entry.Message)
        except Exception as error:  # noqa: BLE001 - nothing can be raised into Go
            _log.error("library log line could not be read", error=type(error).__name__)

    return LogCallback(on_log)


def _report(level: str, module: str, text: str) -> None:
    getattr(_log, _METHODS.get(level, "info"))("library", module=module, text=redact(text))
