"""Delivery to devices: every stanza is kept until the device acknowledged it, and given again at its next login."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.codec import decode, encode
from simulator.faults import Faults, Kind
from simulator.node import Node
from simulator.registry import Device, Registry
from simulator.stanzas import now

if TYPE_CHECKING:
    from simulator.client import Client
    from simulator.clients import Clients

Key = tuple[str, str]
"""What an acknowledgement names: id of the stanza, and whom it came from."""


def key_of(node: Node) -> Key:
    """Key of a stanza that is delivered."""
    return node.text("id"), node.text("from")


def acknowledged_key(node: Node) -> Key:
    """Key of the stanza that an acknowledgement or a receipt is about."""
    return node.text("id"), node.text("to")


class Mailbox:
    """Gives stanzas to devices, live or later."""

    def __init__(self, registry: Registry, clients: Clients, faults: Faults) -> None:
        self._registry = registry
        self._clients = clients
        self._faults = faults

    def post(self, device: Device, node: Node) -> None:
        """Deliver a stanza that needs an acknowledgement."""
        is_message = node.tag == "message"
        if is_message and self._faults.take(Kind.DROP, device.phone):
            return
        frame = encode(node)
        number = self._registry.keep(device, frame)
        client = self._clients.of(device)
        if client is None or not client.active:
            return
        client.hand_out(number, key_of(node), frame)
        if is_message and self._faults.take(Kind.DUPLICATE, device.phone):
            client.socket.send_frame(frame)

    def empty_into(self, client: Client) -> None:
        """Give a client what came while it was away, between a preview and an end mark (whatsmeow handleIB)."""
        waiting = self._registry.undelivered(client.device, after=client.handed_out)
        nodes = [(number, decode(frame)) for number, frame in waiting]
        counts = {tag: sum(node.tag == tag for _, node in nodes) for tag in ("message", "notification", "receipt")}
        total = str(len(nodes))
        preview = {"count": total, "appdata": "0", **{tag: str(count) for tag, count in counts.items()}}
        client.send(Node("ib", {}, [Node("offline_preview", {**preview, "t": now()})]))
        for number, node in nodes:
            node.attributes["offline"] = "0"
            client.hand_out(number, key_of(node), encode(node))
        client.send(Node("ib", {}, [Node("offline", {"count": total})]))

    def acknowledge(self, client: Client, key: Key) -> None:
        """A client has a stanza: it need not be kept any longer."""
        for number in client.taken(key):
            self._registry.delivered(number)
