"""Questions that clients ask (`iq`), by namespace and first child."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from simulator.node import Content, Node
from simulator.stanzas import refusal, result

if TYPE_CHECKING:
    from simulator.client import Client

Handler = Callable[["Client", Node], Content | Awaitable[Content]]
"""Answers a query with the content of its result, now or later. Raises `QueryError` to refuse it."""

_log = logging.getLogger(__name__)


class QueryError(Exception):
    """A query that cannot be served: WhatsApp's code (HTTP-like) and text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Queries:
    """A table of handlers, and how often each was asked."""

    def __init__(self) -> None:
        self._handlers: dict[tuple[str, str], Handler] = {}
        self._waiting: set[asyncio.Task[None]] = set()
        self.asked: Counter[str] = Counter()

    def add(self, namespace: str, child: str, handler: Handler) -> None:
        """Serve queries of a namespace whose first child has a tag; `*` serves those which no other handler does."""
        self._handlers[namespace, child] = handler

    def answer(self, client: Client, query: Node) -> None:
        """Answer a query. A client's own answers to the server are taken in silence."""
        if query.text("type") not in ("get", "set"):
            return
        namespace = query.text("xmlns")
        child = query.children[0].tag if query.children else ""
        self.asked[f"{namespace} {child}".strip()] += 1
        handler = self._handlers.get((namespace, child)) or self._handlers.get((namespace, "*"))
        if handler is None:
            _log.warning("%s asked %s <%s>, which is not served", client.device.jid, namespace, child)
            client.send(refusal(query, 501, "feature-not-implemented"))
            return
        try:
            content = handler(client, query)
        except QueryError as error:
            client.send(refusal(query, error.code, error.text))
            return
        if isinstance(content, Awaitable):
            task = asyncio.ensure_future(_answer_later(client, query, content))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)
        else:
            client.send(result(query, content))


async def _answer_later(client: Client, query: Node, content: Awaitable[Content]) -> None:
    try:
        client.send(result(query, await content))
    except QueryError as error:
        client.send(refusal(query, error.code, error.text))
