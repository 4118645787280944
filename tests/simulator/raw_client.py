"""A bare WhatsApp client for what an unmodified one would never do, and for tests that need many.

It has the other half of the Noise handshake and of the pairing, checks the certificates as whatsmeow does, and
otherwise leaves every stanza to the test. Codec and framing are the simulator's own; that they are right, other tests
prove with real clients.
"""

import asyncio
import base64
import hashlib
import hmac
import itertools
import os
import ssl
from typing import Any

import aiohttp
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from simulator import curve
from simulator.codec import decode, encode
from simulator.curve import KeyPair
from simulator.frame import HEADER, framed
from simulator.jid import SERVER, Jid
from simulator.node import Node
from simulator.wire_pb2 import (
    ADVSignedDeviceIdentity,
    ADVSignedDeviceIdentityHMAC,
    CertChain,
    ClientPayload,
    HandshakeMessage,
)

PATIENCE = 20.0


class Initiator:
    """The client's half of Noise XX (whatsmeow socket/noisehandshake.go)."""

    def __init__(self) -> None:
        self.hash = self.salt = b"Noise_XX_25519_AESGCM_SHA256\x00\x00\x00\x00"
        self.aead = AESGCM(self.hash)
        self.count = 0
        self.authenticate(HEADER)

    def authenticate(self, data: bytes) -> None:
        self.hash = hashlib.sha256(self.hash + data).digest()

    def derive(self, secret: bytes) -> tuple[bytes, bytes]:
        key = hmac.digest(self.salt, secret, "sha256")
        first = hmac.digest(key, b"\x01", "sha256")
        return first, hmac.digest(key, first + b"\x02", "sha256")

    def mix(self, secret: bytes) -> None:
        self.salt, key = self.derive(secret)
        self.aead, self.count = AESGCM(key), 0

    def nonce(self) -> bytes:
        self.count += 1
        return (self.count - 1).to_bytes(12, "big")

    def encrypt(self, data: bytes) -> bytes:
        sealed = self.aead.encrypt(self.nonce(), data, self.hash)
        self.authenticate(sealed)
        return sealed

    def decrypt(self, data: bytes) -> bytes:
        plain = self.aead.decrypt(self.nonce(), data, self.hash)
        self.authenticate(data)
        return plain


def check_certificates(chain: bytes, static: bytes, root: bytes) -> None:
    """As whatsmeow handshake.go does, with another root."""
    certificates = CertChain.FromString(chain)
    intermediate = CertChain.NoiseCertificate.Details.FromString(certificates.intermediate.details)
    leaf = CertChain.NoiseCertificate.Details.FromString(certificates.leaf.details)
    assert curve.verify(root, certificates.intermediate.details, certificates.intermediate.signature)
    assert curve.verify(intermediate.key, certificates.leaf.details, certificates.leaf.signature)
    assert intermediate.issuerSerial == 0
    assert leaf.issuerSerial == intermediate.serial
    assert leaf.key == static


class RawClient:
    """Keys of a client, and its connection."""

    def __init__(self, port: int, root: bytes, ca_file: str | None = None) -> None:
        self.port = port
        self.root = root
        self.tls = ssl.create_default_context(cafile=ca_file) if ca_file else None
        self.noise = KeyPair.generate()
        self.identity = KeyPair.generate()
        self.signed_prekey = KeyPair.generate()
        self.secret = os.urandom(32)
        self.jid: Jid | None = None
        self.lid: Jid | None = None
        self.received: asyncio.Queue[Node | None] = asyncio.Queue()
        self._answers: dict[str, asyncio.Future[Node]] = {}
        self._ids = itertools.count(1)
        self._session: aiohttp.ClientSession | None = None
        self._reading: asyncio.Task[None] | None = None
        self.acknowledges = True

    async def open(self, payload: ClientPayload) -> None:
        """Connect and shake hands."""
        await self.close()
        self.received = asyncio.Queue()
        self._session = aiohttp.ClientSession()
        if self.tls is not None:
            url, options = "wss://web.whatsapp.com/ws/chat", {"proxy": f"http://127.0.0.1:{self.port}", "ssl": self.tls}
        else:
            url, options = f"ws://127.0.0.1:{self.port}/ws/chat", {}
        self.socket = await self._session.ws_connect(url, max_msg_size=1 << 24, **options)
        noise, ephemeral = Initiator(), KeyPair.generate()
        noise.authenticate(ephemeral.public)
        hello = HandshakeMessage()
        hello.clientHello.ephemeral = ephemeral.public
        await self.socket.send_bytes(HEADER + framed(hello.SerializeToString()))
        answer = HandshakeMessage.FromString((await self.socket.receive_bytes())[3:]).serverHello
        noise.authenticate(answer.ephemeral)
        noise.mix(ephemeral.agree(answer.ephemeral))
        static = noise.decrypt(answer.static)
        noise.mix(ephemeral.agree(static))
        check_certificates(noise.decrypt(answer.payload), static, self.root)
        finish = HandshakeMessage()
        finish.clientFinish.static = noise.encrypt(self.noise.public)
        noise.mix(self.noise.agree(answer.ephemeral))
        finish.clientFinish.payload = noise.encrypt(payload.SerializeToString())
        await self.socket.send_bytes(framed(finish.SerializeToString()))
        sending, receiving = noise.derive(b"")
        self._sending, self._receiving = AESGCM(sending), AESGCM(receiving)
        self._sent = self._got = 0
        self._reading = asyncio.create_task(self._read())

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
        if self._reading is not None:
            await self._reading
            self._reading = None

    async def pair(self) -> str:
        """Connect as a new client; the payload of its first QR."""
        payload = ClientPayload(passive=False, pull=False)
        data = payload.devicePairingData
        data.eRegid, data.eKeytype, data.eIdent = b"\x00\x00\x01\x02", curve.KEY_TYPE, self.identity.public
        data.eSkeyID, data.eSkeyVal = b"\x00\x00\x01", self.signed_prekey.public
        data.eSkeySig = self.identity.sign(curve.KEY_TYPE + self.signed_prekey.public)
        await self.open(payload)
        query = await self.next("iq")
        await self.send(Node("iq", {"to": SERVER, "type": "result", "id": query.text("id")}))
        reference = query.children[0].children[0].data.decode()
        keys = (base64.b64encode(key).decode() for key in (self.noise.public, self.identity.public, self.secret))
        return ",".join((reference, *keys))

    async def sign(self) -> None:
        """After the scan: take the identity, sign it, and wait for code 515."""
        query = await self.next("iq")
        success = query.children[0]
        device, sealed = success.child("device"), success.child("device-identity")
        assert device is not None
        assert sealed is not None
        container = ADVSignedDeviceIdentityHMAC.FromString(sealed.data)
        assert hmac.digest(self.secret, container.details, "sha256") == container.HMAC
        signed = ADVSignedDeviceIdentity.FromString(container.details)
        own = signed.details + self.identity.public
        assert curve.verify(signed.accountSignatureKey, b"\x06\x00" + own, signed.accountSignature)
        signed.deviceSignature = self.identity.sign(b"\x06\x01" + own + signed.accountSignatureKey)
        signed.ClearField("accountSignatureKey")
        self.jid, self.lid = device.jid("jid"), device.jid("lid")
        answer = Node("pair-device-sign", {}, [Node("device-identity", {"key-index": "1"}, signed.SerializeToString())])
        await self.send(Node("iq", {"to": SERVER, "type": "result", "id": query.text("id")}, [answer]))
        assert (await self.next("stream:error")).text("code") == "515"

    async def login(self, *, active: bool = True) -> Node:
        """Log in and ask for what waits; the `success` (or what came instead)."""
        assert self.jid is not None
        await self.open(ClientPayload(username=int(self.jid.user), device=self.jid.device, passive=True, pull=True))
        first = await self.next()
        if active and first.tag == "success":
            await self.ask("passive", "set", Node("active"))
        return first

    async def send(self, node: Node) -> None:
        sealed = self._sending.encrypt(self._sent.to_bytes(12, "big"), encode(node), None)
        self._sent += 1
        await self.socket.send_bytes(framed(sealed))

    async def ask(self, namespace: str, kind: str, *content: Node, to: Jid = SERVER) -> Node:
        """A query; its answer, whatever it is."""
        number = f"q-{next(self._ids)}"
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self.send(Node("iq", {"id": number, "xmlns": namespace, "type": kind, "to": to}, list(content)))
        async with asyncio.timeout(PATIENCE):
            return await answer

    async def next(self, tag: str | None = None) -> Node:
        """The next stanza (with a tag); others before it are let go."""
        async with asyncio.timeout(PATIENCE):
            while True:
                node = await self.received.get()
                assert node is not None, "the connection ended"
                if tag in (None, node.tag):
                    return node

    async def ended(self) -> None:
        """Wait for the end of the connection."""
        async with asyncio.timeout(PATIENCE):
            while await self.received.get() is not None:
                pass

    async def upload(self, count: int, signature: bytes = b"") -> Node:
        """Upload one-time prekeys, and the signed one with its signature or another."""
        keys = [_key("key", number.to_bytes(3, "big"), os.urandom(32)) for number in range(1, count + 1)]
        signed = _key("skey", b"\x00\x00\x01", self.signed_prekey.public)
        signature = signature or self.identity.sign(curve.KEY_TYPE + self.signed_prekey.public)
        signed.children.append(Node("signature", {}, signature))
        return await self.ask(
            "encrypt",
            "set",
            Node("registration", {}, b"\x00\x00\x01\x02"),
            Node("type", {}, curve.KEY_TYPE),
            Node("identity", {}, self.identity.public),
            Node("list", {}, [*keys]),
            signed,
        )

    async def _read(self) -> None:
        async for message in self.socket:
            data: bytes = message.data
            while data:
                end = 3 + int.from_bytes(data[:3], "big")
                plain = self._receiving.decrypt(self._got.to_bytes(12, "big"), data[3:end], None)
                self._got += 1
                data = data[end:]
                await self._take(decode(plain))
        self.received.put_nowait(None)

    async def _take(self, node: Node) -> None:
        answer = self._answers.pop(node.text("id"), None) if node.tag in ("iq", "ack") else None
        if answer is not None:
            answer.set_result(node)
            return
        if self.acknowledges and node.tag in ("message", "receipt", "notification"):
            attributes: dict[str, Any] = {"class": node.tag, "id": node.text("id"), "to": node.attributes["from"]}
            await self.send(Node("ack", attributes))
        self.received.put_nowait(node)


def _key(tag: str, key_id: bytes, public: bytes) -> Node:
    return Node(tag, {}, [Node("id", {}, key_id), Node("value", {}, public)])
