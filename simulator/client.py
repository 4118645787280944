"""A logged-in client: one live connection of one linked device."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from simulator.chat_socket import ChatSocket
from simulator.mailbox import Key, acknowledged_key
from simulator.node import Node
from simulator.registry import Device

if TYPE_CHECKING:
    from simulator.world import World

_log = logging.getLogger(__name__)


class Client:
    """Sends to and receives from a device that is logged in."""

    def __init__(self, world: World, socket: ChatSocket, device: Device) -> None:
        self.world = world
        self.socket = socket
        self.device = device
        self.active = False
        """Whether it asked for what came while it was away (iq `active`); before that, stanzas wait."""
        self.available = False
        """Whether it said that it is online."""
        self.handed_out = 0
        self._unacknowledged: dict[Key, list[int]] = {}

    @property
    def phone(self) -> str:
        return self.device.phone

    def send(self, node: Node) -> None:
        self.socket.send(node)

    def hand_out(self, number: int, key: Key, frame: bytes) -> None:
        """Give it a kept stanza."""
        self.handed_out = max(self.handed_out, number)
        self._unacknowledged.setdefault(key, []).append(number)
        self.socket.send_frame(frame)

    def taken(self, key: Key) -> list[int]:
        """Numbers of the kept stanzas that an acknowledgement is about."""
        return self._unacknowledged.pop(key, [])

    def receive(self, node: Node) -> None:
        world = self.world
        match node.tag:
            case "iq":
                world.queries.answer(self, node)
            case "message":
                world.relay.message(self, node)
            case "receipt":
                world.relay.receipt(self, node)
            case "ack":
                world.mailbox.acknowledge(self, acknowledged_key(node))
            case "presence":
                world.presence.presence(self, node)
            case "chatstate":
                world.presence.chat_state(self, node)
            case "call":
                self.send(Node("ack", {"class": "call", "id": node.text("id"), "from": node.attributes.get("to", "")}))
            case "ib" | "xmlstreamend":
                pass  # telemetry, and the end which the closing socket tells anyway
            case other:
                _log.warning("%s sent <%s>, which is not known", self.device.jid, other)

    def left(self) -> None:
        self.world.clients.left(self)
        self.world.presence.left(self)

    def end(self, last: Node) -> None:
        """End its stream with a last word. From now on the device counts as not connected."""
        self.left()
        self.socket.end(last)
