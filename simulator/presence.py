"""Who is online, and who is typing (whatsmeow presence.go)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from simulator.jid import GROUP, HIDDEN, Jid
from simulator.node import Attributes, Node

if TYPE_CHECKING:
    from simulator.client import Client
    from simulator.world import World


class Presence:
    """Passes presence on to those who subscribed, and chat states to the chat."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._subscribers: defaultdict[str, dict[Client, Jid]] = defaultdict(dict)

    def presence(self, client: Client, node: Node) -> None:
        """A client came online, went offline, or wants to know about somebody. It may tell its push name."""
        if name := node.text("name"):
            self._world.registry.phone(client.phone, name)
        match node.text("type", "available"):
            case "available":
                self._set(client, available=True)
            case "unavailable":
                self._set(client, available=False)
            case "subscribe":
                self._subscribe(client, node.jid("to"))
            case "unsubscribe":
                self._unsubscribe(client, node.jid("to"))
            case _:
                pass  # kinds that only phones send

    def left(self, client: Client) -> None:
        self._set(client, available=False)
        for number in [number for number, clients in self._subscribers.items() if client in clients]:
            del self._subscribers[number][client]
            if not self._subscribers[number]:
                del self._subscribers[number]

    def chat_state(self, client: Client, node: Node) -> None:
        """Tell the others in a chat that somebody is typing."""
        to = node.jid("to")
        if to is None:
            return
        registry = self._world.registry
        attributes: Attributes = {"from": client.device.lid_jid.bare if to.server == HIDDEN else client.device.jid.bare}
        number = registry.number_of(to)
        numbers = [] if number is None else [number]
        if to.server == GROUP:
            group = self._world.groups.find(to)
            numbers = [member for member in group.members if member != client.phone] if group is not None else []
            attributes = {"from": to, "participant": client.device.lid_jid.bare}
        for device in (device for number in numbers for device in registry.devices_of(number)):
            other = self._world.clients.of(device)
            if other is not None and other is not client:
                other.send(Node("chatstate", dict(attributes), node.content))

    def _set(self, client: Client, *, available: bool) -> None:
        if client.available is available:
            return
        client.available = available
        for subscriber, jid in self._subscribers.get(client.phone, {}).items():
            subscriber.send(self._told(client.phone, jid))

    def _subscribe(self, client: Client, to: Jid | None) -> None:
        number = self._world.registry.number_of(to) if to is not None else None
        if to is not None and number is not None:
            self._subscribers[number][client] = to
            client.send(self._told(number, to))

    def _unsubscribe(self, client: Client, to: Jid | None) -> None:
        number = self._world.registry.number_of(to) if to is not None else None
        if number is not None:
            self._subscribers[number].pop(client, None)

    def _told(self, number: str, jid: Jid) -> Node:
        devices = self._world.registry.devices_of(number)
        clients = (self._world.clients.of(device) for device in devices)
        online = any(client is not None and client.available for client in clients)
        return Node("presence", {"from": jid.bare, "type": "available"} if online else _offline(jid))


def _offline(jid: Jid) -> Attributes:
    return {"from": jid.bare, "type": "unavailable", "last": "deny"}
