"""The simulated WhatsApp as a whole: what its parts share, and what is done to clients from outside."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from simulator import account_queries, key_queries, login, media_queries, user_queries
from simulator.chat_socket import ChatSocket, Guest
from simulator.client import Client
from simulator.clients import Clients
from simulator.code_linking import CodeLinks
from simulator.control_errors import InvalidError, PairingNotCompletedError, UnknownDeviceError
from simulator.faults import AT_ONCE, MOMENTARY, Fault, Faults, Kind, use
from simulator.groups import Groups
from simulator.mailbox import Mailbox
from simulator.noise import Established, Handshake
from simulator.pairing import Code, Pairing, Pairings
from simulator.presence import Presence
from simulator.queries import Queries
from simulator.registry import Device, Registry
from simulator.relay import Relay
from simulator.settings import Settings
from simulator.stanzas import conflict

_log = logging.getLogger(__name__)


class World:
    """Everything there is, and the `Host` of every connection."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.registry = Registry(settings.data_dir)
        self.keys = self.registry.server_keys()
        self._certificates = self.keys.certificates()
        self.faults = Faults()
        self.clients = Clients()
        self.pairings = Pairings(settings)
        self.code_links = CodeLinks(self)
        self.mailbox = Mailbox(self.registry, self.clients, self.faults)
        self.relay = Relay(self)
        self.presence = Presence(self)
        self.groups = Groups(self)
        self.queries = Queries()
        for part in (account_queries, key_queries, media_queries, user_queries):
            part.register(self.queries)
        self.groups.register(self.queries)
        self.sockets: set[ChatSocket] = set()
        self.wake: Callable[[str], Awaitable[None]] = _let_sleep
        """Switches on the phone of a number, so that somebody receives what is sent to it."""

    # What a connection asks of its host.

    def handshake(self, prologue: bytes) -> Handshake:
        return Handshake(self.keys, self._certificates, prologue)

    def came(self, socket: ChatSocket) -> None:
        self.sockets.add(socket)

    def welcome(self, socket: ChatSocket, visitor: Established) -> Guest | None:
        return login.welcome(self, socket, visitor)

    def went(self, socket: ChatSocket) -> None:
        self.sockets.discard(socket)

    def delay(self, phone: str | None) -> float:
        fault = self.faults.take(Kind.DELAY, phone) if self.faults.delaying else None
        return fault.delay if fault is not None else 0

    def refuses_connections(self) -> bool:
        """Whether weather for everyone keeps connections from being opened at all."""
        return any(self.faults.take(kind, None) for kind in (Kind.REFUSE_CONNECT, Kind.DROP_SOCKET))

    # What is done to clients.

    def later(self, action: Callable[[], None]) -> None:
        """Do something once the stanza at hand was answered."""
        asyncio.get_running_loop().call_soon(action)

    def replace(self, before: Client) -> None:
        """End a client whose device logged in again; cut it if it does not go."""
        socket = before.socket
        socket.end(conflict("replaced"))
        asyncio.get_running_loop().call_later(self.settings.replace_grace_seconds, socket.abort)

    def picture_id(self) -> str:
        return str(secrets.randbelow(10**10))

    async def scan(self, qr: str, phone: str, name: str | None = None) -> Device:
        """A phone scans a QR: returns when the device is linked. Raises a `ControlError`."""
        pairing = self.pairings.find(code := Code.parse(qr))
        return await self.link(pairing, phone, code.secret, name)

    async def link(self, pairing: Pairing, phone: str, secret: bytes, name: str | None) -> Device:
        """Link a waiting client to a phone whose number is on WhatsApp."""
        if self.registry.is_absent(phone):
            raise InvalidError(f"{phone} is not on WhatsApp")
        try:
            return await pairing.link(self.registry.phone(phone, name), secret)
        except LookupError as error:
            raise PairingNotCompletedError(str(error)) from error

    def unlink(self, device: Device) -> None:
        """Unlink a device: a live client hears so; one that is away hears it at its next login (failure 401)."""
        client = self.clients.of(device)
        if client is not None:
            client.end(conflict("device_removed"))
        self.forget(device)

    def forget(self, device: Device) -> None:
        """Take a device out of the registry."""
        _log.info("unlinked %s", device.jid)
        self.registry.remove_device(device)
        self.clients.forget(device)
        self.relay.devices_changed(device.phone)

    def unlink_phone(self, phone: str, jid: str | None) -> list[Device]:
        """Unlink one device of a phone, by either of its addresses, or all. Raises `UnknownDeviceError`."""
        devices = self.registry.devices_of(phone)
        if jid is not None:
            devices = [device for device in devices if jid in (str(device.jid), str(device.lid_jid))]
        if not devices:
            raise UnknownDeviceError
        for device in devices:
            self.unlink(device)
        return devices

    def strike(self, fault: Fault) -> int:
        """Let a new fault meet the connections that are open; how many it met."""
        met = 0
        if fault.kind in AT_ONCE:
            for client in self.clients.all():
                if fault.hits(client.phone) and not fault.over:
                    use(fault)
                    client.left()
                    login.turn_away(self, client.socket, client.device, fault)
                    met += 1
            met += self._strike_the_unlinked(fault)
        if fault.kind is Kind.LOGGED_OUT:
            for device in self.registry.devices():
                if fault.hits(device.phone):
                    self.forget(device)
        if fault.kind in MOMENTARY and fault.until is None and fault.left is None:
            self.faults.remove(fault)
        return met

    def _strike_the_unlinked(self, fault: Fault) -> int:
        """Weather for everyone also cuts the clients that only wait to be linked."""
        if fault.kind not in (Kind.DROP_SOCKET, Kind.UNAVAILABLE) or not fault.hits(None):
            return 0
        waiting = [socket for socket in self.sockets if not isinstance(socket.guest, Client)]
        for socket in waiting:
            if not fault.over:
                use(fault)
                socket.abort()
        return len(waiting)

    def figures(self) -> dict[str, Any]:
        """Counts since the start, as the control API shows them."""
        return {
            "socketsOpen": len(self.sockets),
            "loggedIn": len(self.clients.all()),
            "logins": self.clients.totals["logins"],
            "loginAttempts": self.clients.totals["loginAttempts"],
            "unknownLogins": self.clients.totals["unknownLogins"],
            "messagesRelayed": self.relay.messages,
            "receiptsRelayed": self.relay.receipts,
            "queries": dict(self.queries.asked.most_common()),
        }

    async def close(self) -> None:
        """Cut all connections and close the registry."""
        for socket in list(self.sockets):
            socket.abort()
        await asyncio.sleep(0)
        self.registry.close()


async def _let_sleep(number: str) -> None:
    """Phones are switched on only by those who use them."""
    _log.debug("phone %s is not switched on", number)
