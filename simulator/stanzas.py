"""Stanzas that the server says in more than one place."""

from __future__ import annotations

import time
from itertools import count

from simulator.jid import SERVER
from simulator.node import Content, Node, Value

_ids = count(1)


def now() -> str:
    """Unix time in seconds, as stanzas carry it."""
    return str(int(time.time()))


def fresh_id() -> str:
    """An id for a stanza that the server begins."""
    return f"server-{next(_ids)}"


def result(query: Node, content: Content = None) -> Node:
    """The answer to an iq."""
    to: Value = query.attributes.get("to", SERVER)
    return Node("iq", {"from": to, "type": "result", "id": query.text("id")}, content)


def refusal(query: Node, code: int, text: str) -> Node:
    """The answer to an iq that cannot be served."""
    to: Value = query.attributes.get("to", SERVER)
    error = Node("error", {"code": str(code), "text": text})
    return Node("iq", {"from": to, "type": "error", "id": query.text("id")}, [error])


def failure(reason: int, **details: str) -> Node:
    """What a client hears that may not log in (whatsmeow connectionevents.go)."""
    return Node("failure", {"reason": str(reason), "location": "sim", **details})


def stream_error(code: str) -> Node:
    """The stream ends, with a reason by number: 515 after pairing, 503 when the service is not available."""
    return Node("stream:error", {"code": code})


def conflict(kind: str) -> Node:
    """The stream ends because the device logged in elsewhere (`replaced`) or was unlinked (`device_removed`)."""
    attributes: dict[str, Value] = {"code": "401"} if kind == "device_removed" else {}
    return Node("stream:error", attributes, [Node("conflict", {"type": kind})])
