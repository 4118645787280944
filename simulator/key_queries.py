"""Prekeys: count, upload, and handing them out (whatsmeow prekeys.go; Baileys also asks for a digest and rotates)."""

from __future__ import annotations

import hashlib

from simulator import curve
from simulator.client import Client
from simulator.jid import SERVER
from simulator.node import Content, Node
from simulator.queries import Queries, QueryError
from simulator.registry import Device, SignedPrekey
from simulator.stanzas import fresh_id, now

_LOW = 5
"""When fewer are left, the device is asked for more."""


def register(queries: Queries) -> None:
    queries.add("encrypt", "count", _count)
    queries.add("encrypt", "registration", _upload)
    queries.add("encrypt", "key", _fetch)
    queries.add("encrypt", "digest", _digest)
    queries.add("encrypt", "rotate", _rotate)


def _count(client: Client, _: Node) -> Content:
    return [Node("count", {"value": str(client.world.registry.count_prekeys(client.device))})]


def _upload(client: Client, query: Node) -> Content:
    registration, listed, signed = query.child("registration"), query.child("list"), query.child("skey")
    identity = query.child("identity")
    if registration is None or listed is None or signed is None or identity is None:
        raise QueryError(400, "bad-request")
    if identity.data != client.device.identity_key:
        raise QueryError(406, "not-acceptable")
    registry = client.world.registry
    registry.add_prekeys(client.device, [_public_key(key) for key in listed.all("key")])
    registry.update_keys(client.device, registration=registration.data, prekey=_signed_key(client.device, signed))
    return None


def _rotate(client: Client, query: Node) -> Content:
    signed = query.child("rotate", "skey")
    if signed is None:
        raise QueryError(400, "bad-request")
    client.world.registry.update_keys(client.device, prekey=_signed_key(client.device, signed))
    return None


def _digest(client: Client, _: Node) -> Content:
    """What the server holds for a device, so that it can check."""
    device = client.world.registry.device(client.device.phone, client.device.number)
    if device is None or not client.world.registry.count_prekeys(device):
        raise QueryError(404, "item-not-found")
    listed = hashlib.sha1(device.identity_key + device.prekey.public, usedforsecurity=False).digest()
    content = [
        Node("registration", {}, device.registration),
        Node("type", {}, curve.KEY_TYPE),
        Node("identity", {}, device.identity_key),
        _signed_node(device.prekey),
        Node("hash", {}, listed),
    ]
    return [Node("digest", {}, content)]


def _fetch(client: Client, query: Node) -> Content:
    asked = query.children[0]
    return [Node("list", {}, [_bundle(client, user) for user in asked.all("user")])]


def _bundle(client: Client, user: Node) -> Node:
    registry = client.world.registry
    jid = user.jid("jid")
    device = registry.device_at(jid) if jid is not None else None
    attributes = {"jid": user.attributes.get("jid", ""), "t": now()}
    if device is None:
        return Node("user", attributes, [Node("error", {"code": "404", "text": "item-not-found"})])
    content = [
        Node("registration", {}, device.registration),
        Node("type", {}, curve.KEY_TYPE),
        Node("identity", {}, device.identity_key),
        _signed_node(device.prekey),
    ]
    one_time = registry.take_prekey(device)
    if one_time is not None:
        content.insert(3, Node("key", {}, [Node("id", {}, one_time[0]), Node("value", {}, one_time[1])]))
        left = registry.count_prekeys(device)
        if left == _LOW - 1:
            _ask_for_more(client, device, left)
    return Node("user", attributes, content)


def _ask_for_more(client: Client, device: Device, left: int) -> None:
    """Tell a device that it runs out of prekeys (whatsmeow notification.go)."""
    count = Node("count", {"value": str(left)})
    notification = Node("notification", {"from": SERVER, "type": "encrypt", "id": fresh_id(), "t": now()}, [count])
    client.world.mailbox.post(device, notification)


def _public_key(key: Node) -> tuple[bytes, bytes]:
    key_id, value = key.child("id"), key.child("value")
    if key_id is None or value is None or len(key_id.data) != 3 or len(value.data) != curve.KEY_SIZE:
        raise QueryError(400, "bad-request")
    return key_id.data, value.data


def _signed_key(device: Device, key: Node) -> SignedPrekey:
    key_id, public = _public_key(key)
    signature = key.child("signature")
    signed = signature.data if signature is not None else b""
    if not curve.verify(device.identity_key, curve.KEY_TYPE + public, signed):
        raise QueryError(406, "not-acceptable")
    return SignedPrekey(key_id, public, signed)


def _signed_node(key: SignedPrekey) -> Node:
    content = [Node("id", {}, key.id), Node("value", {}, key.public), Node("signature", {}, key.signature)]
    return Node("skey", {}, content)
