"""The server's side of Noise XX_25519_AESGCM_SHA256 as WhatsApp speaks it (whatsmeow handshake.go and socket/)."""

from __future__ import annotations

import hashlib
import hmac
import time
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf.message import DecodeError

from simulator.curve import KEY_SIZE, KeyPair
from simulator.wire_pb2 import CertChain, ClientPayload, HandshakeMessage

_PATTERN = b"Noise_XX_25519_AESGCM_SHA256\x00\x00\x00\x00"
_INTERMEDIATE_SERIAL = 1
_LEAF_SERIAL = 2
_VALIDITY = 10 * 365 * 24 * 3600


class HandshakeError(Exception):
    """The client did not complete the Noise handshake."""


@dataclass(frozen=True)
class ServerKeys:
    """Keys behind which the server proves itself: clients pin the root's public key."""

    root: KeyPair
    intermediate: KeyPair
    static: KeyPair

    def certificates(self) -> bytes:
        """The chain a client checks: the intermediate signed by the root, the leaf signed by the intermediate."""
        now = int(time.time())
        chain = CertChain()
        intermediate, leaf = CertChain.NoiseCertificate.Details(), CertChain.NoiseCertificate.Details()
        intermediate.serial, intermediate.issuerSerial, intermediate.key = (
            _INTERMEDIATE_SERIAL,
            0,
            self.intermediate.public,
        )
        leaf.serial, leaf.issuerSerial, leaf.key = _LEAF_SERIAL, _INTERMEDIATE_SERIAL, self.static.public
        for details in (intermediate, leaf):
            details.notBefore, details.notAfter = now - 24 * 3600, now + _VALIDITY
        chain.intermediate.details = intermediate.SerializeToString()
        chain.intermediate.signature = self.root.sign(chain.intermediate.details)
        chain.leaf.details = leaf.SerializeToString()
        chain.leaf.signature = self.intermediate.sign(chain.leaf.details)
        return chain.SerializeToString()


class Cipher:
    """One direction after the handshake: AES-GCM with a counter for nonce."""

    __slots__ = ("_aead", "_count")

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)
        self._count = 0

    def encrypt(self, plain: bytes) -> bytes:
        count = self._count
        self._count = count + 1
        return self._aead.encrypt(count.to_bytes(12, "big"), plain, None)

    def decrypt(self, sealed: bytes) -> bytes:
        """Raises `InvalidTag` for a frame that is not the next one of this client."""
        count = self._count
        self._count = count + 1
        return self._aead.decrypt(count.to_bytes(12, "big"), sealed, None)


@dataclass(frozen=True)
class Established:
    """What a finished handshake yields. The first of the two derived keys is the client's sending key."""

    client_static: bytes
    payload: ClientPayload
    receiving: Cipher
    sending: Cipher


class Handshake:
    """One client's handshake: `hello` answers its first message, `finish` reads its second."""

    def __init__(self, keys: ServerKeys, certificates: bytes, prologue: bytes) -> None:
        self._keys = keys
        self._certificates = certificates
        self._hash = self._salt = _PATTERN
        self._aead = AESGCM(_PATTERN)
        self._count = 0
        self._ephemeral = KeyPair.generate()
        self._authenticate(prologue)

    def hello(self, message: bytes) -> bytes:
        """Answer the ClientHello with the ServerHello. Raises `HandshakeError`."""
        client = _parsed(message).clientHello.ephemeral
        if len(client) != KEY_SIZE:
            raise HandshakeError("ClientHello without an ephemeral key")
        self._authenticate(client)
        self._authenticate(self._ephemeral.public)
        self._mix(self._agreed(self._ephemeral, client))
        answer = HandshakeMessage()
        answer.serverHello.ephemeral = self._ephemeral.public
        answer.serverHello.static = self._encrypt(self._keys.static.public)
        self._mix(self._agreed(self._keys.static, client))
        answer.serverHello.payload = self._encrypt(self._certificates)
        return answer.SerializeToString()

    def finish(self, message: bytes) -> Established:
        """Read the ClientFinish: who the client is and what it wants. Raises `HandshakeError`."""
        finish = _parsed(message).clientFinish
        try:
            static = self._decrypt(finish.static)
            self._mix(self._agreed(self._ephemeral, static))
            payload = ClientPayload.FromString(self._decrypt(finish.payload))
        except (InvalidTag, DecodeError) as error:
            raise HandshakeError("ClientFinish cannot be read") from error
        receiving, sending = self._derive(b"")
        return Established(static, payload, Cipher(receiving), Cipher(sending))

    def _agreed(self, own: KeyPair, public: bytes) -> bytes:
        try:
            return own.agree(public)
        except ValueError as error:
            raise HandshakeError("worthless key") from error

    def _authenticate(self, data: bytes) -> None:
        self._hash = hashlib.sha256(self._hash + data).digest()

    def _derive(self, secret: bytes) -> tuple[bytes, bytes]:
        """HKDF-SHA256 with the chaining key as salt: 64 bytes, in two halves (RFC 5869)."""
        extracted = hmac.digest(self._salt, secret, "sha256")
        first = hmac.digest(extracted, b"\x01", "sha256")
        return first, hmac.digest(extracted, first + b"\x02", "sha256")

    def _mix(self, secret: bytes) -> None:
        self._salt, key = self._derive(secret)
        self._aead = AESGCM(key)
        self._count = 0

    def _nonce(self) -> bytes:
        count = self._count
        self._count = count + 1
        return count.to_bytes(12, "big")

    def _encrypt(self, plain: bytes) -> bytes:
        sealed = self._aead.encrypt(self._nonce(), plain, self._hash)
        self._authenticate(sealed)
        return sealed

    def _decrypt(self, sealed: bytes) -> bytes:
        plain = self._aead.decrypt(self._nonce(), sealed, self._hash)
        self._authenticate(sealed)
        return plain


def _parsed(message: bytes) -> HandshakeMessage:
    try:
        return HandshakeMessage.FromString(message)
    except DecodeError as error:
        raise HandshakeError("no handshake message") from error
