"""Questions about the client's own account and connection: keepalive, activity, settings, unlinking.

What a WhatsApp client asks at its start, each with the smallest answer that contents whatsmeow and Baileys.
"""

from __future__ import annotations

import time

from simulator.client import Client
from simulator.node import Content, Node
from simulator.queries import Queries, QueryError

_PRIVACY = {
    "readreceipts": "all",
    "profile": "all",
    "status": "all",
    "online": "all",
    "last": "all",
    "groupadd": "all",
    "calladd": "all",
    "messages": "all",
    "defense": "off",
    "stickers": "all",
}


def register(queries: Queries) -> None:
    queries.add("w:p", "*", _nothing)
    queries.add("passive", "active", _active)
    queries.add("passive", "passive", _passive)
    queries.add("md", "remove-companion-device", _remove_device)
    queries.add("privacy", "privacy", _privacy)
    queries.add("privacy", "tokens", _nothing)
    queries.add("w", "props", _props)
    queries.add("abt", "props", _props)
    queries.add("blocklist", "*", _blocklist)
    queries.add("status", "*", _status)
    queries.add("w:sync:app:state", "sync", _app_state)
    queries.add("w:mex", "query", _mex)
    queries.add("bot", "bot", lambda _client, _query: [Node("bot", {"v": "2"}, [])])
    queries.add("w:stats", "*", _nothing)
    for namespace in ("urn:xmpp:whatsapp:dirty", "urn:xmpp:whatsapp:push", "disappearing_mode", "tos", "fb:thrift_iq"):
        queries.add(namespace, "*", _nothing)


def _nothing(_client: Client, _query: Node) -> Content:
    return None


def _active(client: Client, _query: Node) -> Content:
    if not client.active:
        client.active = True
        client.world.later(lambda: client.world.mailbox.empty_into(client))
    return None


def _passive(client: Client, _query: Node) -> Content:
    client.active = False
    return None


def _remove_device(client: Client, query: Node) -> Content:
    """A client unlinks itself, or another device of its phone (whatsmeow client.go, Logout)."""
    asked = query.children[0].jid("jid")
    device = client.world.registry.device_at(asked) if asked is not None else None
    if device is None or device.phone != client.device.phone:
        raise QueryError(404, "item-not-found")
    client.world.later(lambda: client.world.unlink(device))
    return None


def _privacy(_client: Client, _query: Node) -> Content:
    categories: list[Node] = [Node("category", {"name": name, "value": value}) for name, value in _PRIVACY.items()]
    return [Node("privacy", {}, categories)]


def _props(_client: Client, query: Node) -> Content:
    return [Node("props", {"protocol": query.children[0].text("protocol", "1"), "hash": "sim", "refresh": "86400"}, [])]


def _blocklist(_client: Client, query: Node) -> Content:
    items = [Node("item", {"jid": item.attributes.get("jid", "")}) for item in query.all("item")]
    blocked = [item for item, asked in zip(items, query.all("item"), strict=True) if asked.text("action") == "block"]
    return [Node("list", {"dhash": "sim"}, [*blocked])]


def _status(_client: Client, query: Node) -> Content:
    if query.child("privacy") is not None:
        return [Node("privacy", {}, [Node("list", {"type": "contacts", "default": "true"}, [])])]
    return None


def _app_state(_client: Client, query: Node) -> Content:
    """Nothing is ever newer than what the client has; what it changes is accepted (whatsmeow appstate.go)."""
    collections: list[Node] = []
    for asked in query.children[0].all("collection"):
        version = int(asked.text("version", "0") or 0) + (asked.child("patch") is not None)
        collections.append(Node("collection", {"name": asked.text("name"), "type": "result", "version": str(version)}))
    return [Node("sync", {}, [*collections])]


def _mex(_client: Client, query: Node) -> Content:  # noqa: ARG001  # no persisted GraphQL query is known
    return [Node("result", {"t": str(int(time.time()))}, b'{"data": {}}')]
