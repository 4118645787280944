"""Length framing inside the websocket: each frame is preceded by its size in 3 bytes (whatsmeow socket/framesocket.go).

The client's first bytes are the connection header, `WA`, the protocol's and the dictionary's version; they are the
Noise prologue. A client that was given routing information writes `ED`, two bytes, a length of 3 bytes and the
information before it (Baileys noise-handler.ts).
"""

from __future__ import annotations

from collections.abc import Iterator

from simulator import tokens

HEADER = b"WA\x06" + bytes((tokens.VERSION,))
_SIZE = 3
_ROUTING = b"ED"
_ROUTING_HEAD = 7


class FramingError(ValueError):
    """The client does not speak WhatsApp's framing."""


def framed(frame: bytes) -> bytes:
    """A frame with its size before it."""
    return len(frame).to_bytes(_SIZE, "big") + frame


class Framer:
    """Cuts what a client sends into frames."""

    __slots__ = ("_buffer", "_opened")

    def __init__(self) -> None:
        self._buffer = b""
        self._opened = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The frames that `data` completes. Raises `FramingError` if the connection begins with another header."""
        self._buffer += data
        if not self._opened and not self._open():
            return
        while len(self._buffer) >= _SIZE:
            end = _SIZE + int.from_bytes(self._buffer[:_SIZE], "big")
            if len(self._buffer) < end:
                return
            frame = self._buffer[_SIZE:end]
            self._buffer = self._buffer[end:]
            yield frame

    def _open(self) -> bool:
        if self._buffer.startswith(_ROUTING):
            if len(self._buffer) < _ROUTING_HEAD:
                return False
            end = _ROUTING_HEAD + int.from_bytes(self._buffer[4:_ROUTING_HEAD], "big")
            if len(self._buffer) < end:
                return False
            self._buffer = self._buffer[end:]
        if len(self._buffer) < len(HEADER):
            return False
        if not self._buffer.startswith(HEADER):
            raise FramingError("this is no WhatsApp connection header")
        self._buffer = self._buffer[len(HEADER) :]
        self._opened = True
        return True
