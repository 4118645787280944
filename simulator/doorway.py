"""The one port's front door: looks at the first request of a connection and hands the connection on.

- `CONNECT host:443` opens a tunnel as an HTTP proxy does; inside, the door ends TLS itself and looks again.
- `GET /ws/chat` with an upgrade to a websocket is a WhatsApp client.
- Everything else is HTTP for the control API, the phone's page, or WhatsApp's media hosts.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Protocol, cast

from simulator.certificates import is_ours

_HEAD_END = b"\r\n\r\n"
_LARGEST_HEAD = 32 * 1024
_CHAT_PATH = b"/ws/chat"
_log = logging.getLogger(__name__)


class House(Protocol):
    """What lies behind the door."""

    tls: ssl.SSLContext

    def refuses_connections(self) -> bool:
        """Whether a chat connection is to be cut at once, before a byte is answered."""
        ...

    def chat(self) -> asyncio.Protocol: ...

    def http(self) -> asyncio.Protocol: ...

    def media(self) -> asyncio.Protocol: ...


class Doorway(asyncio.Protocol):
    """Protocol of a connection of which nothing is known yet."""

    def __init__(self, house: House, tunnelled: bool = False) -> None:
        self._house = house
        self._tunnelled = tunnelled
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._opening: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast(asyncio.Transport, transport)  # uvloop's have another base class
        if self._buffer:
            self._look(transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._transport is not None and self._opening is None:
            self._look(self._transport)

    def _look(self, transport: asyncio.Transport) -> None:
        end = self._buffer.find(_HEAD_END)
        if end < 0:
            if len(self._buffer) > _LARGEST_HEAD or not self._buffer[:1].isalpha():  # TLS without CONNECT, say
                transport.abort()
            return
        method, _, rest = self._buffer[:end].partition(b" ")
        target = rest.partition(b" ")[0]
        if method == b"CONNECT" and not self._tunnelled:
            self._connect(transport, target.decode("latin-1"))
        elif target.partition(b"?")[0] == _CHAT_PATH and b"upgrade:" in self._buffer[:end].lower():
            self._enter_chat(transport)
        else:
            self._hand_over(transport, self._house.media if self._tunnelled else self._house.http)

    def _enter_chat(self, transport: asyncio.Transport) -> None:
        if self._house.refuses_connections():
            transport.abort()
        else:
            self._hand_over(transport, self._house.chat)

    def _hand_over(self, transport: asyncio.Transport, factory: Callable[[], asyncio.Protocol]) -> None:
        protocol = factory()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(self._buffer)
        self._buffer = b""

    def _connect(self, transport: asyncio.Transport, authority: str) -> None:
        host = authority.rpartition(":")[0]
        if not is_ours(host):
            _log.warning("refused a tunnel to %s, which is not WhatsApp's", host)
            transport.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            transport.close()
        elif host == "web.whatsapp.com" and self._house.refuses_connections():
            transport.abort()
        else:
            transport.pause_reading()
            self._opening = asyncio.ensure_future(self._open_tunnel(transport))

    async def _open_tunnel(self, transport: asyncio.Transport) -> None:
        transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        inner = Doorway(self._house, tunnelled=True)
        loop = asyncio.get_running_loop()
        try:
            tunnel = await loop.start_tls(transport, inner, self._house.tls, server_side=True)
        except (OSError, ssl.SSLError) as error:
            _log.warning("a client did not complete TLS: %s", error)
            transport.abort()
            return
        if tunnel is not None:
            inner.connection_made(tunnel)
