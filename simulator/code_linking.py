"""Pairing by an eight-character code instead of a QR (whatsmeow pair-code.go).

The client says hello with an ephemeral key, wrapped in the code that it shows; the person enters the code in the phone,
which answers in the same way; the client seals its identity and a random secret for the phone. With a wrong code the
phone unwraps another key, and cannot open what the client sealed.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from simulator.control_errors import CodeUnknownError, CodeWrongError, InvalidError, PairingNotCompletedError
from simulator.curve import KEY_SIZE, KeyPair
from simulator.jid import SERVER
from simulator.node import Attributes, Node
from simulator.registry import Device, Phone
from simulator.stanzas import fresh_id, now, refusal, result

if TYPE_CHECKING:
    from simulator.pairing import Pairing
    from simulator.world import World

_STAGE = "link_code_companion_reg"
_ITERATIONS = 2 << 16
_SALT, _VECTOR, _NONCE = 32, 16, 12
_WRAPPED = _SALT + _VECTOR + KEY_SIZE
_CODE = re.compile(r"[1-9A-HJ-NP-Z]{8}")


@dataclass
class _Link:
    """A client that shows a code for a phone, and what it sealed once the phone entered one."""

    pairing: Pairing
    reference: bytes
    wrapped: bytes
    sealed: asyncio.Future[bytes] | None = None


class CodeLinks:
    """Clients that wait for a phone to enter their code, by the phone's number; the newest counts."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._links: dict[str, _Link] = {}

    def companion(self, pairing: Pairing, query: Node) -> None:
        """Take a stage of the exchange from a client."""
        stage = query.children[0]
        match stage.text("stage"):
            case "companion_hello":
                self._hello(pairing, query, stage)
            case "companion_finish":
                self._finish(pairing, query, stage)
            case _:
                pairing.socket.send(refusal(query, 400, "bad-request"))

    def closed(self, pairing: Pairing) -> None:
        """A client went, or was linked: its code is worth nothing any more."""
        for number in [number for number, link in self._links.items() if link.pairing is pairing]:
            del self._links[number]

    async def enter(self, number: str, code: str, name: str | None) -> Device:
        """A person enters a code in the phone: returns when the device is linked. Raises a `ControlError`."""
        code = re.sub(r"[-\s]", "", code).upper()
        if not _CODE.fullmatch(code):
            raise InvalidError("a code has eight characters, digits from 1 and letters without I and O")
        link = self._links.get(number)
        if link is None:
            raise CodeUnknownError
        secret = await self._exchange(link, self._world.registry.phone(number, name), code)
        return await self._world.link(link.pairing, number, secret, name)

    def _hello(self, pairing: Pairing, query: Node, stage: Node) -> None:
        jid, wrapped = stage.jid("jid"), stage.child("link_code_pairing_wrapped_companion_ephemeral_pub")
        number = self._world.registry.number_of(jid) if jid is not None else None
        if number is None or wrapped is None or len(wrapped.data) != _WRAPPED:
            pairing.socket.send(refusal(query, 400, "bad-request"))
            return
        self.closed(pairing)
        link = _Link(pairing, f"3@{secrets.token_urlsafe(24)}".encode(), wrapped.data)
        self._links[number] = link
        reference = [Node("link_code_pairing_ref", {}, link.reference)]
        pairing.socket.send(result(query, [Node(_STAGE, {"stage": "companion_hello"}, [*reference])]))

    def _finish(self, pairing: Pairing, query: Node, stage: Node) -> None:
        sealed = stage.child("link_code_pairing_wrapped_key_bundle")
        link = next((link for link in self._links.values() if link.pairing is pairing), None)
        if link is None or link.sealed is None or link.sealed.done() or sealed is None:
            pairing.socket.send(refusal(query, 400, "bad-request"))
            return
        pairing.socket.send(result(query))
        link.sealed.set_result(sealed.data)

    async def _exchange(self, link: _Link, phone: Phone, code: str) -> bytes:
        """The phone's part: answers the client's hello, opens what it sealed. The secret of the pairing."""
        ephemeral = KeyPair.generate()
        public = await asyncio.to_thread(_unwrap, link.wrapped, code)
        wrapped = await asyncio.to_thread(_wrap, ephemeral.public, code)
        link.sealed = asyncio.get_running_loop().create_future()
        content: list[Node] = [
            Node("link_code_pairing_ref", {}, link.reference),
            Node("link_code_pairing_wrapped_primary_ephemeral_pub", {}, wrapped),
            Node("primary_identity_pub", {}, phone.account.public),
        ]
        attributes: Attributes = {"from": SERVER, "type": _STAGE, "id": fresh_id(), "t": now()}
        stage = Node(_STAGE, {"stage": "primary_hello"}, content)
        link.pairing.socket.send(Node("notification", attributes, [stage]))
        try:
            async with asyncio.timeout(self._world.settings.sign_seconds):
                sealed = await link.sealed
            return _open(sealed, ephemeral, public, phone)
        except TimeoutError as error:
            raise PairingNotCompletedError("the client did not finish in time") from error
        except (InvalidTag, ValueError) as error:
            raise CodeWrongError from error


def _open(sealed: bytes, ephemeral: KeyPair, client_ephemeral: bytes, phone: Phone) -> bytes:
    """The pairing's secret out of what the client sealed. Raises InvalidTag or ValueError if the code was wrong."""
    shared = ephemeral.agree(client_ephemeral)
    salt, nonce, ciphertext = sealed[:_SALT], sealed[_SALT : _SALT + _NONCE], sealed[_SALT + _NONCE :]
    key = _derive(shared, salt, b"link_code_pairing_key_bundle_encryption_key")
    bundle = AESGCM(key).decrypt(nonce, ciphertext, None)
    client_identity, own_identity, random = (bundle[at : at + KEY_SIZE] for at in range(0, 3 * KEY_SIZE, KEY_SIZE))
    if own_identity != phone.account.public:
        raise ValueError("the client sealed for another phone")
    return _derive(shared + phone.account.agree(client_identity) + random, None, b"adv_secret")


def _derive(secret: bytes, salt: bytes | None, purpose: bytes) -> bytes:
    return HKDF(SHA256(), KEY_SIZE, salt, purpose).derive(secret)


def _wrap(public: bytes, code: str) -> bytes:
    """Salt, vector, and the key encrypted with the code."""
    salt, vector = os.urandom(_SALT), os.urandom(_VECTOR)
    return salt + vector + _with_code(public, code, salt, vector)


def _unwrap(wrapped: bytes, code: str) -> bytes:
    salt, vector = wrapped[:_SALT], wrapped[_SALT : _SALT + _VECTOR]
    return _with_code(wrapped[_SALT + _VECTOR :], code, salt, vector)


def _with_code(data: bytes, code: str, salt: bytes, vector: bytes) -> bytes:
    """AES-CTR with a key stretched from the code; it is its own inverse."""
    key = hashlib.pbkdf2_hmac("sha256", code.encode(), salt, _ITERATIONS, KEY_SIZE)
    return Cipher(algorithms.AES(key), modes.CTR(vector)).encryptor().update(data)
