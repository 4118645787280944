"""Pairing by QR: a client that is linked to no phone yet shows codes, and a phone scans one of them.

Protocol as in whatsmeow pair.go and qrchan.go. The server gives out six references; the client shows the first for a
minute and each of the others for 20 seconds, and then goes. A code names a reference, the client's keys and a secret
which the server never learns otherwise.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from simulator import curve
from simulator.chat_socket import ChatSocket
from simulator.control_errors import (
    PairingNotCompletedError,
    QrExpiredError,
    QrMalformedError,
    QrUnknownError,
)
from simulator.jid import SERVER
from simulator.linking import Identity
from simulator.node import Node
from simulator.noise import Established
from simulator.registry import Device, Phone, SignedPrekey
from simulator.settings import Settings
from simulator.stanzas import fresh_id, now, refusal, result, stream_error
from simulator.wire_pb2 import ClientPayload, DeviceProps

if TYPE_CHECKING:
    from simulator.world import World

_REFERENCES = 6
_REMEMBERED = 10_000
_PLATFORM = "android"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Code:
    """What a QR code says."""

    reference: str
    noise_key: bytes
    identity_key: bytes
    secret: bytes

    @classmethod
    def parse(cls, text: str) -> Code:
        """Read `[link#]reference,noise key,identity key,secret[,platform]`. Raises `QrMalformedError`."""
        parts = text.strip().rpartition("#")[2].split(",")
        if len(parts) < 4:
            raise QrMalformedError
        try:
            keys = [base64.b64decode(part, validate=True) for part in parts[1:4]]
        except binascii.Error as error:
            raise QrMalformedError from error
        if any(len(key) != curve.KEY_SIZE for key in keys) or not parts[0]:
            raise QrMalformedError
        return cls(parts[0], *keys)


class Pairing:
    """A client that waits to be linked. Once a phone took it, it signs, and its stream ends with code 515."""

    phone: str | None = None

    def __init__(self, world: World, socket: ChatSocket, visitor: Established) -> None:
        self.world = world
        self.socket = socket
        self.noise_key = visitor.client_static
        self.registration: ClientPayload.DevicePairingRegistrationData = visitor.payload.devicePairingData
        self.references = [_fresh_reference() for _ in range(_REFERENCES)]
        self.since = time.monotonic()
        self.started = datetime.now(UTC)
        self._taken: _Taken | None = None

    def begin(self) -> None:
        """Give the client its references."""
        references: list[Node] = [Node("ref", {}, reference.encode()) for reference in self.references]
        self.socket.send(self._query(Node("pair-device", {}, references)))

    def receive(self, node: Node) -> None:
        if node.tag != "iq":
            return
        match node.text("type"):
            case "result" if (signed := node.child("pair-device-sign", "device-identity")) is not None:
                self._signed(signed.data)
            case "error":
                self._refused(node)
            case "get" | "set":
                self._asked(node)
            case _:
                pass  # it has the references

    def left(self) -> None:
        self._closed()
        self._fail("the client went")

    async def link(self, phone: Phone, code_secret: bytes) -> Device:
        """Link this client to a phone, and wait until it has signed. Raises `PairingNotCompletedError`."""
        world, registry = self.world, self.world.registry
        number = registry.next_device(phone.number)
        identity = Identity.issue(phone, self.registration.eIdent, number)
        taken = self._taken = _Taken(phone, number, identity, asyncio.get_running_loop().create_future())
        self._closed()
        device = self._device(taken)
        success: list[Node] = [
            Node("device-identity", {}, identity.sealed(code_secret)),
            Node("device", {"jid": device.jid, "lid": device.lid_jid}),
            Node("platform", {"name": _PLATFORM}),
        ]
        self.socket.send(self._query(Node("pair-success", {}, success)))
        try:
            async with asyncio.timeout(world.settings.sign_seconds):
                return await taken.done
        except TimeoutError as error:
            self.socket.abort()
            raise PairingNotCompletedError("the client did not sign in time") from error

    def _device(self, taken: _Taken) -> Device:
        registration = self.registration
        return Device(
            phone=taken.phone.number,
            lid=taken.phone.lid,
            number=taken.number,
            noise_key=self.noise_key,
            identity_key=registration.eIdent,
            registration=registration.eRegid,
            prekey=SignedPrekey(registration.eSkeyID, registration.eSkeyVal, registration.eSkeySig),
            platform=DeviceProps.FromString(registration.deviceProps).os or "unknown",
            signed_identity=taken.identity.details,
            linked_at=time.time(),
        )

    def _query(self, content: Node) -> Node:
        attributes = {"from": SERVER, "type": "set", "id": fresh_id(), "xmlns": "md", "t": now()}
        return Node("iq", attributes, [content])

    def _signed(self, answer: bytes) -> None:
        taken = self._taken
        if taken is None or taken.done.done():
            return
        if not taken.identity.accepts(answer):
            _log.warning("a client for phone %s signed wrongly", taken.phone.number)
            self._fail("the client's signature is wrong")
            self.socket.end(stream_error("401"))
            return
        device = self._device(taken)
        self.world.registry.add_device(device)
        _log.info("linked %s", device.jid)
        taken.done.set_result(device)
        self.socket.end(stream_error("515"))
        self.world.relay.devices_changed(device.phone)

    def _refused(self, node: Node) -> None:
        error = node.child("error")
        self._fail(f"the client refused: {error.text('code') if error else ''} {error.text('text') if error else ''}")

    def _asked(self, node: Node) -> None:
        if node.text("xmlns") == "w:p":
            self.socket.send(result(node))
        elif node.child("link_code_companion_reg") is not None:
            self.world.code_links.companion(self, node)
        else:
            self.socket.send(refusal(node, 405, "not-allowed"))

    def _closed(self) -> None:
        """No phone can take it any more."""
        self.world.pairings.closed(self)
        self.world.code_links.closed(self)

    def _fail(self, why: str) -> None:
        taken = self._taken
        if taken is not None and not taken.done.done():
            taken.done.set_exception(PairingNotCompletedError(why))


@dataclass(frozen=True)
class _Taken:
    """A phone took the client: what was issued, and the future device."""

    phone: Phone
    number: int
    identity: Identity
    done: asyncio.Future[Device]


class Pairings:
    """All clients that wait to be linked, by their references."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._waiting: dict[str, Pairing] = {}
        self._past: OrderedDict[str, None] = OrderedDict()

    def opened(self, pairing: Pairing) -> None:
        for reference in pairing.references:
            self._waiting[reference] = pairing

    def closed(self, pairing: Pairing) -> None:
        """Its references are worth nothing any more."""
        for reference in pairing.references:
            if self._waiting.pop(reference, None) is not None:
                self._past[reference] = None
        while len(self._past) > _REMEMBERED:
            self._past.popitem(last=False)

    def find(self, code: Code) -> Pairing:
        """The client that shows a code. Raises `QrExpiredError`, `QrUnknownError` or `QrMalformedError`."""
        pairing = self._waiting.get(code.reference)
        if pairing is None:
            raise QrExpiredError if code.reference in self._past else QrUnknownError
        if time.monotonic() - pairing.since > self._lifetime(pairing.references.index(code.reference)):
            raise QrExpiredError
        if code.noise_key != pairing.noise_key or code.identity_key != pairing.registration.eIdent:
            raise QrMalformedError("the keys in this QR are not those of the client that shows it")
        return pairing

    def describe(self) -> list[dict[str, Any]]:
        """Who waits, as the control API shows it: the reference shown now, since when, and until when."""
        described: list[dict[str, Any]] = []
        for pairing in dict.fromkeys(self._waiting.values()):
            age = time.monotonic() - pairing.since
            lives = [self._lifetime(index) for index in range(len(pairing.references))]
            shown = next((index for index, life in enumerate(lives) if age <= life), None)
            if shown is not None:
                since = pairing.started.isoformat(timespec="milliseconds").replace("+00:00", "Z")
                left = round(lives[shown] - age, 3)
                described.append({"ref": pairing.references[shown], "since": since, "secondsLeft": left})
        return described

    def _lifetime(self, index: int) -> float:
        """Seconds from the beginning of a pairing for which its reference of an index is good."""
        settings = self._settings
        return settings.qr_first_seconds + index * settings.qr_next_seconds + settings.qr_grace_seconds


def _fresh_reference() -> str:
    """A reference as WhatsApp forms them: `2@` and random characters, without a comma."""
    return f"2@{base64.b64encode(secrets.token_bytes(96)).decode()}"
