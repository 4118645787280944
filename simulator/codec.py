"""WhatsApp's binary XML: `encode` and `decode` one element.

Format as in whatsmeow binary/encoder.go, decoder.go and unpack.go. A frame begins with a byte of flags, of which
bit 1 says that the rest is compressed with zlib.
"""

from __future__ import annotations

import re
import zlib
from functools import lru_cache

from simulator import tokens
from simulator.jid import Jid, server_of
from simulator.node import Attributes, Content, Node, Value

_COMPRESSED = 2
_LARGEST_FRAME = 1 << 24
_NIBBLES = re.compile(rf"[0-9.\-]{{1,{tokens.PACKED_MAX}}}")
_HEX = re.compile(rf"[0-9A-F]{{1,{tokens.PACKED_MAX}}}")
_PACK_NIBBLES = str.maketrans("-.", "ab")
_UNPACK_NIBBLES = str.maketrans("ab", "-.")


class MalformedFrameError(ValueError):
    """These bytes are no element of WhatsApp's binary XML."""


def encode(node: Node) -> bytes:
    """The element as a frame, not compressed."""
    out = bytearray(1)
    _write_node(out, node)
    return bytes(out)


def decode(frame: bytes) -> Node:
    """The element of a frame. Raises `MalformedFrameError`."""
    if not frame:
        raise MalformedFrameError("empty frame")
    try:
        if frame[0] & _COMPRESSED:
            inflater = zlib.decompressobj()
            plain = inflater.decompress(frame[1:], _LARGEST_FRAME)
            if inflater.unconsumed_tail:
                raise MalformedFrameError("frame is too large")
            return _Reader(plain, 0).node()
        return _Reader(frame, 1).node()
    except (IndexError, zlib.error, UnicodeDecodeError, RecursionError) as error:
        raise MalformedFrameError(str(error)) from error


def _write_node(out: bytearray, node: Node) -> None:
    attributes, content = node.attributes, node.content
    _write_list_size(out, 1 + 2 * len(attributes) + (content is not None))
    _write_text(out, node.tag)
    for name, value in attributes.items():
        _write_text(out, name)
        if isinstance(value, str):
            _write_text(out, value)
        else:
            out += _encoded_jid(value)
    if content is None:
        return
    if isinstance(content, list):
        _write_list_size(out, len(content))
        for child in content:
            _write_node(out, child)
    elif isinstance(content, str):
        _write_text(out, content)
    else:
        _write_bytes(out, content)


def _write_list_size(out: bytearray, size: int) -> None:
    if size == 0:
        out.append(0)
    elif size < 256:
        out += bytes((tokens.LIST_8, size))
    else:
        out.append(tokens.LIST_16)
        out += size.to_bytes(2, "big")


def _write_bytes(out: bytearray, data: bytes) -> None:
    size = len(data)
    if size < 256:
        out += bytes((tokens.BINARY_8, size))
    elif size < 1 << 20:
        out.append(tokens.BINARY_20)
        out += size.to_bytes(3, "big")
    else:
        out.append(tokens.BINARY_32)
        out += size.to_bytes(4, "big")
    out += data


def _write_text(out: bytearray, text: str) -> None:
    token = tokens.ENCODED.get(text)
    if token is not None:
        out += token
    elif _NIBBLES.fullmatch(text):
        _write_packed(out, tokens.NIBBLE_8, text.translate(_PACK_NIBBLES))
    elif _HEX.fullmatch(text):
        _write_packed(out, tokens.HEX_8, text)
    else:
        _write_bytes(out, text.encode())


def _write_packed(out: bytearray, kind: int, digits: str) -> None:
    odd = len(digits) & 1
    out += bytes((kind, (len(digits) + 1) // 2 | odd << 7))
    out += bytes.fromhex(digits + "f" if odd else digits)


@lru_cache(4096)
def _encoded_jid(jid: Jid) -> bytes:
    out = bytearray()
    domain = jid.domain
    if domain is not None and (jid.device or domain >= 128):
        out += bytes((tokens.AD_JID, domain, jid.device))
        _write_text(out, jid.user)
    else:
        out.append(tokens.JID_PAIR)
        if jid.user:
            _write_text(out, jid.user)
        else:
            out.append(0)
        _write_text(out, jid.server)
    return bytes(out)


class _Reader:
    """Reads one element out of `data`, from `at` on. An index beyond the end raises IndexError."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at

    def node(self) -> Node:
        size = self._list_size(self._byte())
        tag = self._text()
        if not size or not tag:
            raise MalformedFrameError("element without a tag")
        attributes: Attributes = {}
        for _ in range((size - 1) >> 1):
            name = self._text()
            attributes[name] = self._value(self._byte())
        return Node(tag, attributes, None if size & 1 else self._content())

    def _byte(self) -> int:
        byte = self.data[self.at]
        self.at += 1
        return byte

    def _number(self, size: int) -> int:
        return int.from_bytes(self._take(size), "big")

    def _take(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self.data):
            raise MalformedFrameError("frame ends too early")
        taken = self.data[self.at : end]
        self.at = end
        return taken

    def _list_size(self, kind: int) -> int:
        if kind == tokens.LIST_8:
            return self._byte()
        if kind == tokens.LIST_16:
            return self._number(2)
        if kind == 0:
            return 0
        raise MalformedFrameError(f"{kind} begins no list")

    def _text(self) -> str:
        value = self._value(self._byte())
        return value if isinstance(value, str) else str(value)

    def _value(self, kind: int) -> Value:
        if 0 < kind < tokens.FIRST_DICTIONARY:
            return tokens.SINGLE[kind]
        if tokens.FIRST_DICTIONARY <= kind < tokens.FIRST_DICTIONARY + len(tokens.DOUBLE):
            return tokens.DOUBLE[kind - tokens.FIRST_DICTIONARY][self._byte()]
        match kind:
            case 0:
                return ""
            case tokens.NIBBLE_8 | tokens.HEX_8:
                return self._packed(kind)
            case tokens.AD_JID:
                domain, device = self._byte(), self._byte()
                return Jid(self._text(), server_of(domain), device)
            case tokens.JID_PAIR:
                user = self._text()
                return Jid(user, self._text())
            case tokens.FB_JID | tokens.INTEROP_JID:
                user, device = self._text(), self._number(2)
                if kind == tokens.INTEROP_JID:
                    self._number(2)
                return Jid(user, self._text(), device)
            case _:
                return self._bytes(kind).decode()

    def _packed(self, kind: int) -> str:
        head = self._byte()
        digits = self._take(head & 127).hex()
        text = digits.translate(_UNPACK_NIBBLES) if kind == tokens.NIBBLE_8 else digits.upper()
        return text[:-1] if head & 128 else text

    def _bytes(self, kind: int) -> bytes:
        match kind:
            case tokens.BINARY_8:
                return self._take(self._byte())
            case tokens.BINARY_20:
                return self._take(self._number(3) & 0xFFFFF)
            case tokens.BINARY_32:
                return self._take(self._number(4))
            case _:
                raise MalformedFrameError(f"{kind} begins nothing")

    def _content(self) -> Content:
        kind = self._byte()
        if kind in (0, tokens.LIST_8, tokens.LIST_16):
            return [self.node() for _ in range(self._list_size(kind))]
        if kind in (tokens.BINARY_8, tokens.BINARY_20, tokens.BINARY_32):
            return self._bytes(kind)
        value = self._value(kind)
        return value if isinstance(value, str) else str(value)
