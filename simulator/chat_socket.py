"""One WhatsApp connection: websocket, framing and Noise, below the stanzas."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Protocol, cast

from cryptography.exceptions import InvalidTag
from websockets.exceptions import ProtocolError
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from simulator.codec import MalformedFrameError, decode, encode
from simulator.frame import HEADER, Framer, FramingError, framed
from simulator.node import Node
from simulator.noise import Cipher, Established, Handshake, HandshakeError

_LARGEST_MESSAGE = 1 << 24
LINGER = 0.3
"""Seconds between the last word and the closing of a stream. whatsmeow forgets a stanza that it has read but not yet
handled when the connection closes (handlerQueueLoop in its client.go); on a real network the close comes later too."""
_log = logging.getLogger(__name__)


class Guest(Protocol):
    """Who is at the other end, once it is known."""

    @property
    def phone(self) -> str | None:
        """Number of the phone, if it is linked to one."""
        ...

    def receive(self, node: Node) -> None:
        """Take a stanza."""
        ...

    def left(self) -> None:
        """The connection ended."""
        ...


class Host(Protocol):
    """The server, as a connection sees it."""

    def handshake(self, prologue: bytes) -> Handshake: ...

    def came(self, socket: ChatSocket) -> None: ...

    def welcome(self, socket: ChatSocket, visitor: Established) -> Guest | None:
        """Let a client in after its handshake; None if it was turned away."""
        ...

    def went(self, socket: ChatSocket) -> None: ...

    def delay(self, phone: str | None) -> float:
        """Seconds by which a frame is to be held back."""
        ...


class ChatSocket(asyncio.Protocol):
    """A client's connection. Sending never waits: the transport buffers."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._websocket = ServerProtocol(max_size=_LARGEST_MESSAGE)
        self._framer = Framer()
        self._handshake: Handshake | None = host.handshake(HEADER)
        self._greeted = False
        self._receiving: Cipher | None = None
        self._sending: Cipher | None = None
        self._transport: asyncio.Transport | None = None
        self._held: deque[tuple[float, Callable[[], object]]] = deque()
        self.guest: Guest | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's have another base class
        self._host.came(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # the reason does not matter
        self._transport = None
        self._held.clear()
        guest, self.guest = self.guest, None
        if guest is not None:
            guest.left()
        self._host.went(self)

    def data_received(self, data: bytes) -> None:
        websocket = self._websocket
        websocket.receive_data(data)
        try:
            for event in websocket.events_received():
                if isinstance(event, Request):
                    websocket.send_response(websocket.accept(event))
                elif isinstance(event, Frame) and event.opcode in (Opcode.BINARY, Opcode.CONT):
                    for frame in self._framer.feed(bytes(event.data)):
                        self._arrive(frame)
        except (FramingError, HandshakeError, InvalidTag, ProtocolError) as error:
            _log.warning("cut a client: %s", error or type(error).__name__)
            self.abort()
            return
        self._flush()

    def eof_received(self) -> bool:
        """A client that closes its side is gone."""
        return False

    @property
    def open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def send(self, node: Node) -> None:
        """Send a stanza, unless the connection has ended."""
        self.send_frame(encode(node))

    def send_frame(self, frame: bytes) -> None:
        """Send an encoded stanza, unless the connection has ended."""
        self._hold(lambda: self._write(frame))

    def end(self, last: Node) -> None:
        """Say a last word, end the stream and close the connection. The guest hears nothing more, not even the end."""
        self.send(last)
        self.send(Node("xmlstreamend"))
        self.guest = None
        self._hold(lambda: asyncio.get_running_loop().call_later(LINGER, self._close))

    def abort(self) -> None:
        """Cut the connection without a word."""
        if self._transport is not None:
            self._transport.abort()

    def _arrive(self, frame: bytes) -> None:
        handshake = self._handshake
        if handshake is None:
            assert self._receiving is not None
            plain = self._receiving.decrypt(frame)
            self._hold(lambda: self._take(plain))
        elif not self._greeted:
            self._greeted = True
            self._write_plain(handshake.hello(frame))
        else:
            established = handshake.finish(frame)
            self._handshake = None
            self._receiving, self._sending = established.receiving, established.sending
            self.guest = self._host.welcome(self, established)

    def _take(self, plain: bytes) -> None:
        if self.guest is None or not self.open:
            return
        try:
            self.guest.receive(decode(plain))
        except MalformedFrameError as error:
            _log.warning("cut a client: %s", error)
            self.abort()
        except Exception:  # noqa: BLE001  # a stanza nobody foresaw must cut its sender, and neither hang it nor others
            _log.exception("cut a client whose stanza could not be handled")
            self.abort()

    def _hold(self, action: Callable[[], object]) -> None:
        """Do something now, or in its turn if frames are being delayed."""
        delay = self._host.delay(self.guest.phone if self.guest is not None else None)
        if not delay and not self._held:
            action()
            return
        loop = asyncio.get_running_loop()
        self._held.append((loop.time() + delay, action))
        if len(self._held) == 1:
            loop.call_at(self._held[0][0], self._release)

    def _release(self) -> None:
        loop = asyncio.get_running_loop()
        while self._held and self._held[0][0] <= loop.time():
            self._held[0][1]()
            if self._held:
                self._held.popleft()
        if self._held:
            loop.call_at(self._held[0][0], self._release)

    def _write(self, frame: bytes) -> None:
        if self._sending is not None and self.open:
            self._write_plain(self._sending.encrypt(frame))

    def _write_plain(self, frame: bytes) -> None:
        self._websocket.send_binary(framed(frame))
        self._flush()

    def _flush(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        for data in self._websocket.data_to_send():
            if data:
                transport.write(data)
            else:
                transport.close()

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()
