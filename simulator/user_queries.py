"""Questions about people: `usync` (devices, hidden ids, who is on WhatsApp), pictures, statuses (whatsmeow user.go)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from simulator.client import Client
from simulator.jid import HIDDEN, LEGACY, PERSON, Jid
from simulator.node import Content, Node
from simulator.queries import Queries, QueryError


def register(queries: Queries) -> None:
    queries.add("usync", "usync", _usync)
    queries.add("w:profile:picture", "picture", _picture)
    queries.add("w:biz", "business_profile", _business_profile)


def _usync(client: Client, query: Node) -> Content | Awaitable[Content]:
    asked, listed = query.child("usync", "query"), query.child("usync", "list")
    if asked is None or listed is None:
        raise QueryError(400, "bad-request")
    if query.children[0].text("context") == "message" and (sleeping := _sleeping(client, listed)):
        return _usync_awake(client, query, asked, listed, sleeping)
    return _users(client, query, asked, listed)


async def _usync_awake(client: Client, query: Node, asked: Node, listed: Node, sleeping: list[str]) -> Content:
    """Somebody is about to be written to whose phone was never switched on: now it is, so that it receives."""
    await asyncio.gather(*map(client.world.wake, sleeping))
    return _users(client, query, asked, listed)


def _sleeping(client: Client, listed: Node) -> list[str]:
    registry = client.world.registry
    numbers = [registry.number_of(jid) for user in listed.all("user") if (jid := user.jid("jid")) is not None]
    return [number for number in numbers if number and registry.never_linked(number)]


def _users(client: Client, query: Node, asked: Node, listed: Node) -> Content:
    answers = [_user(client, user, asked) for user in listed.all("user")]
    attributes = {name: query.children[0].attributes.get(name, "") for name in ("sid", "index", "last", "mode")}
    outcomes = [Node(protocol.tag) for protocol in asked.children]
    return [Node("usync", attributes, [Node("result", {}, outcomes), Node("list", {}, [*answers])])]


def _user(client: Client, user: Node, asked: Node) -> Node:
    registry = client.world.registry
    contact = user.child("contact")
    jid = user.jid("jid") if contact is None else _contact_jid(contact)
    number = registry.number_of(jid) if jid is not None else None
    exists = number is not None and not registry.is_absent(number)
    if jid is None or number is None:
        return Node("user", {"jid": user.attributes.get("jid", "")}, [_contact_node("out", contact)] if contact else [])
    attributes = dict(user.attributes)
    if contact is not None:
        attributes |= _named(client, number, asked, exists=exists)
    attributes.pop("persona_id", None)
    found = [_protocol(client, protocol, jid, number, contact, exists=exists) for protocol in asked.children]
    return Node("user", attributes, [node for node in found if node is not None])


def _contact_jid(contact: Node) -> Jid | None:
    """A contact is asked for as `+5511…` or `+5511…@c.us`."""
    number = contact.data.decode(errors="replace").partition("@")[0].lstrip("+")
    return Jid(number, LEGACY) if number.isdecimal() else None


def _named(client: Client, number: str, asked: Node, *, exists: bool) -> dict[str, str | Jid]:
    """The address under which a contact is found: the hidden one if the client wants that."""
    contact = asked.child("contact")
    by_number = Jid(number, PERSON)
    if exists and contact is not None and contact.text("addressing_mode") == "lid":
        return {"jid": Jid(client.world.registry.phone(number).lid, HIDDEN), "pn_jid": by_number}
    return {"jid": by_number}


def _contact_node(kind: str, contact: Node) -> Node:
    return Node("contact", {"type": kind}, contact.data)


def _protocol(
    client: Client, protocol: Node, jid: Jid, number: str, contact: Node | None, *, exists: bool
) -> Node | None:
    match protocol.tag:
        case "contact" if contact is not None:
            return _contact_node("in" if exists else "out", contact)
        case "devices":
            return _devices(client, jid, number)
        case "lid" if exists:
            return Node("lid", {"val": Jid(client.world.registry.phone(number).lid, HIDDEN)})
        case "status" if exists:
            return Node("status", {"t": "0"})
        case "disappearing_mode" if exists:
            return Node("disappearing_mode", {"duration": "0", "t": "0"})
        case _:
            return None


def _devices(client: Client, jid: Jid, number: str) -> Node:
    """A person's linked devices. Device 0, the phone itself, is left out: nobody holds keys for it here."""
    client.world.relay.watch(jid.bare, client.device)
    devices: list[Node] = [
        Node("device", {"id": str(device.number), "key-index": str(device.number)})
        for device in client.world.registry.devices_of(number)
    ]
    return Node("devices", {}, [Node("device-list", {}, devices)])


def _picture(client: Client, query: Node) -> Content:
    """Nobody has a picture; setting one is accepted and forgotten."""
    if query.text("type") == "get":
        raise QueryError(404, "item-not-found")
    return [Node("picture", {"id": client.world.picture_id()})]


def _business_profile(client: Client, query: Node) -> Content:  # noqa: ARG001  # nobody is a business
    return [Node("business_profile", {}, [])]
