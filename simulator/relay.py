"""Messages and receipts on their way from device to device (whatsmeow send.go, message.go, receipt.go, retry.go).

What is said is encrypted end to end: the server sees who sends to whom, takes each device's ciphertext out of a
message, and passes it on.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections import OrderedDict, defaultdict
from typing import TYPE_CHECKING

from simulator.jid import GROUP, HIDDEN, PERSON, Jid
from simulator.node import Attributes, Node
from simulator.registry import Device
from simulator.stanzas import fresh_id, now

if TYPE_CHECKING:
    from simulator.client import Client
    from simulator.world import World

_REMEMBERED = 20_000
_PASSED_ON = frozenset(("device-identity", "meta", "biz", "reporting", "url_number", "plaintext", "multicast"))
"""Parts of a message that are for its receivers; tokens and fan-out lists are for the server."""
_PRIVATE_RECEIPTS = frozenset(("sender", "peer_msg", "hist_sync", "server-error"))
"""Receipts that concern nobody but the server."""
_SELF_RECEIPTS = frozenset(("read-self", "played-self"))
"""Receipts for the other devices of the same person."""


class Relay:
    """Passes stanzas on."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._seen: OrderedDict[tuple[Jid, str, int], None] = OrderedDict()
        self._watchers: defaultdict[Jid, set[Jid]] = defaultdict(set)
        self.messages = 0
        self.receipts = 0

    def message(self, sender: Client, node: Node) -> None:
        """Acknowledge a message and deliver it to every device it has a ciphertext for."""
        to = node.jid("to")
        if to is None:
            sender.send(_ack(node, error="400"))
            return
        if not self._is_new(sender.device, node):
            sender.send(_ack(node, t=now()))
            return
        if to.server == GROUP:
            problem = self._to_group(sender, node, to)
        elif node.text("category") == "peer" and not to.device:
            problem = None  # for the person's own phone, which is not played here
        else:
            problem = self._to_person(sender, node, to)
        self.messages += 1
        sender.send(_ack(node, t=now(), **(problem or {})))

    def _is_new(self, device: Device, node: Node) -> bool:
        """Whether this was not sent before: a client repeats a message if it lost the connection before its ack."""
        ciphertext = next((enc.data for enc in _ciphertexts(node)), b"")
        key = (device.jid, node.text("id"), hash(ciphertext))
        if key in self._seen:
            return False
        self._seen[key] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return True

    def _to_person(self, sender: Client, node: Node, to: Jid) -> dict[str, str] | None:
        registry = self._world.registry
        number = registry.number_of(to)
        if number is None or registry.is_absent(number):
            return {"error": "404"}
        reached: set[Jid] = set()
        for jid, ciphertexts in _by_device(node, to):
            device = registry.device_at(jid)
            if device is not None:
                self._deliver(sender, node, to, jid, device, ciphertexts)
                reached.add(device.jid)
        if node.child("participants") is None:
            return None
        devices = [*registry.devices_of(number), *registry.devices_of(sender.phone)]
        expected = {device.jid for device in devices} - {sender.device.jid}
        return None if reached == expected else {"phash": _participant_hash(devices, to.server)}

    def _deliver(
        self, sender: Client, node: Node, to: Jid, address: Jid, device: Device, ciphertexts: list[Node]
    ) -> None:
        """Give one device its part of a one-to-one message, in the kind of address the sender used for it."""
        phone = self._world.registry.phone(sender.phone)
        hidden = address.server == HIDDEN
        attributes: Attributes = {
            "from": sender.device.lid_jid if hidden else sender.device.jid,
            "type": node.text("type", "text"),
            "id": node.text("id"),
            "t": now(),
            "notify": phone.name,
        }
        other = Jid(phone.number, PERSON) if hidden else Jid(phone.lid, HIDDEN)
        attributes["sender_pn" if hidden else "sender_lid"] = other
        if device.phone == sender.phone:
            attributes["recipient"] = to.bare
            self._add_recipient_alias(attributes, to)
        if edit := node.text("edit"):
            attributes["edit"] = edit
        self._world.mailbox.post(device, Node("message", attributes, [*ciphertexts, *_passed_on(node)]))

    def _add_recipient_alias(self, attributes: Attributes, to: Jid) -> None:
        number = self._world.registry.number_of(to)
        if number is None:
            return
        if to.server == HIDDEN:
            attributes["peer_recipient_pn"] = Jid(number, PERSON)
        else:
            attributes["peer_recipient_lid"] = Jid(self._world.registry.phone(number).lid, HIDDEN)

    def _to_group(self, sender: Client, node: Node, to: Jid) -> dict[str, str] | None:
        """Deliver a group message: everybody gets the group's ciphertext, and their own if there is one."""
        group = self._world.groups.find(to)
        if group is None:
            return {"error": "404"}
        if sender.phone not in group.members:
            return {"error": "403"}
        registry = self._world.registry
        phone = registry.phone(sender.phone)
        attributes: Attributes = {
            "from": to,
            "type": node.text("type", "text"),
            "id": node.text("id"),
            "t": now(),
            "participant": sender.device.lid_jid,
            "participant_pn": Jid(phone.number, PERSON),
            "addressing_mode": "lid",
            "notify": phone.name,
        }
        if edit := node.text("edit"):
            attributes["edit"] = edit
        common, passed_on = list(node.all("enc")), _passed_on(node)
        retried = node.jid("participant")
        if retried is not None:
            device = registry.device_at(retried)
            if device is not None and device.phone in group.members:
                self._world.mailbox.post(device, Node("message", attributes, [*common, *passed_on]))
            return None
        own = {registry.device_at(jid): ciphertexts for jid, ciphertexts in _by_device(node, to)}
        devices = [device for member in group.members for device in registry.devices_of(member)]
        for device in devices:
            if device.jid != sender.device.jid:
                content = [*own.get(device, []), *common, *passed_on]
                self._world.mailbox.post(device, Node("message", dict(attributes), content))
        expected = _participant_hash(devices, HIDDEN)
        return None if node.text("phash") in ("", expected) else {"phash": expected}

    def receipt(self, sender: Client, node: Node) -> None:
        """Acknowledge a receipt, and tell those whose messages it is about."""
        kind = node.text("type")
        to = node.jid("to")
        ack: Attributes = {"class": "receipt", "id": node.text("id"), "from": node.attributes.get("to", "")}
        if kind:
            ack["type"] = kind
        if "participant" in node.attributes:
            ack["participant"] = node.attributes["participant"]
        sender.send(Node("ack", ack))
        self._world.mailbox.acknowledge(sender, (node.text("id"), node.text("to")))
        if to is None or kind in _PRIVATE_RECEIPTS:
            return
        self.receipts += 1
        if kind in _SELF_RECEIPTS:
            self._to_own_devices(sender, node, to)
        elif to.server == GROUP:
            self._group_receipt(sender, node, to)
        else:
            self._person_receipt(sender, node, to)

    def _person_receipt(self, sender: Client, node: Node, to: Jid) -> None:
        """To all devices of the person whose message it was; a request to send again only to the very device."""
        registry = self._world.registry
        number = registry.number_of(to)
        if number is None:
            return
        origin = sender.device.lid_jid if to.server == HIDDEN else sender.device.jid
        attributes = self._receipt_attributes(node, origin)
        if number == sender.phone and (recipient := node.attributes.get("recipient")):
            attributes["recipient"] = recipient
        only = to.device if node.text("type") == "retry" else None
        for device in registry.devices_of(number):
            if device.jid != sender.device.jid and only in (None, device.number):
                self._world.mailbox.post(device, Node("receipt", dict(attributes), node.content))

    def _group_receipt(self, sender: Client, node: Node, to: Jid) -> None:
        author = node.jid("participant")
        number = self._world.registry.number_of(author) if author is not None else None
        if author is None or number is None:
            return
        attributes = self._receipt_attributes(node, to)
        attributes["participant"] = sender.device.lid_jid
        only = author.device if node.text("type") == "retry" else None
        for device in self._world.registry.devices_of(number):
            if only in (None, device.number):
                self._world.mailbox.post(device, Node("receipt", dict(attributes), node.content))

    def _to_own_devices(self, sender: Client, node: Node, to: Jid) -> None:
        attributes = self._receipt_attributes(node, sender.device.lid_jid)
        attributes["recipient"] = to
        for device in self._world.registry.devices_of(sender.phone):
            if device.jid != sender.device.jid:
                self._world.mailbox.post(device, Node("receipt", dict(attributes), node.content))

    def _receipt_attributes(self, node: Node, origin: Jid) -> Attributes:
        attributes: Attributes = {"from": origin, "id": node.text("id"), "t": now()}
        if kind := node.text("type"):
            attributes["type"] = kind
        return attributes

    def watch(self, person: Jid, device: Device) -> None:
        """A device asked for somebody's devices: it is to be told when they change."""
        self._watchers[person].add(device.jid)

    def devices_changed(self, number: str) -> None:
        """Tell those who asked that a person's device list is not what they know (whatsmeow notification.go)."""
        registry = self._world.registry
        for person in (Jid(number, PERSON), Jid(registry.phone(number).lid, HIDDEN)):
            update = Node("update", {"device_hash": _participant_hash(registry.devices_of(number), person.server)})
            for watcher in self._watchers.pop(person, ()):
                device = registry.device_at(watcher)
                if device is not None:
                    attributes: Attributes = {"from": person, "type": "devices", "id": fresh_id(), "t": now()}
                    self._world.mailbox.post(device, Node("notification", attributes, [update]))


def _ack(node: Node, **attributes: str) -> Node:
    origin = node.attributes.get("to", "")
    common: Attributes = {"class": "message", "id": node.text("id"), "from": origin}
    return Node("ack", {**common, **attributes})


def _ciphertexts(node: Node) -> list[Node]:
    """All ciphertexts of a message, whoever they are for."""
    participants = node.child("participants")
    listed = participants.children if participants is not None else []
    return [*node.all("enc"), *(enc for to in listed for enc in to.all("enc"))]


def _by_device(node: Node, to: Jid) -> list[tuple[Jid, list[Node]]]:
    """Each device's ciphertexts: from the list of participants, or all for `to` if there is no such list."""
    participants = node.child("participants")
    if participants is None:
        return [(to, list(node.all("enc")))]
    addressed = [(child.jid("jid"), list(child.all("enc"))) for child in participants.all("to")]
    return [(jid, ciphertexts) for jid, ciphertexts in addressed if jid is not None]


def _passed_on(node: Node) -> list[Node]:
    return [child for child in node.children if child.tag in _PASSED_ON]


def _participant_hash(devices: list[Device], server: str) -> str:
    """Hash of a list of devices, by which a client sees that its list is old (whatsmeow send.go)."""
    jids = (device.lid_jid if server == HIDDEN else device.jid for device in devices)
    digest = hashlib.sha256("".join(sorted(jid.hash_form for jid in jids)).encode()).digest()
    return f"2:{b64encode(digest[:6]).decode().rstrip('=')}"
