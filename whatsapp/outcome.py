"""Which errors of the library say that a message certainly did not leave."""

from __future__ import annotations

from contracts.ports import SendOutcomeUnknown, SendRefused
from whatsapp.log_lines import redact

CLOSED = "the session was closed"
"""Our own error where a call came after the client's end."""

_BEFORE_THE_WIRE = (
    CLOSED,
    "failed to get group members",
    "failed to get broadcast list members",
    "failed to get LID for PN",
    "failed to get user info",
    "no LID found for",
    "the store doesn't contain a device JID",
    "message recipient must be a user JID",
    "can't send message to unknown server",
    "sending to non-status broadcast lists",
    "invalid inline bot ID",
    "failed to get device list",
    "failed to fetch LID mappings",
    "failed to prefetch sessions",
    "failed to save cached sessions",
    "failed to create sender key distribution message",
    "failed to encrypt",
    "failed to marshal",
    "failed to send message node: websocket not connected",
    "server returned error",
)
"""Beginnings of errors that `SendMessage` (send.go) returns before it writes the message's frame, or after WhatsApp's
server answered that it did not take the message. goneonize gives texts, not codes, so texts are all there is."""


def send_failure(error: str) -> SendRefused | SendOutcomeUnknown:
    """What the library's error for a send means. Whatever is not known to be harmless is unknown."""
    text = redact(error)
    return SendRefused(text) if error.startswith(_BEFORE_THE_WIRE) else SendOutcomeUnknown(text)
