"""What the pairing processes and the worker say to each other: one JSON object a packet, over SOCK_SEQPACKET."""

from __future__ import annotations

import json
import socket
from array import array
from typing import Any, cast

PACKET_BYTES = 16 * 1024

Packet = dict[str, Any]


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends; neither survives exec unless it is passed on."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(end: socket.socket, packet: Packet, *descriptors: int) -> None:
    """Send one packet, with open file descriptors if given. Raises OSError if the other end is gone."""
    data = json.dumps(packet).encode()
    if descriptors:
        socket.send_fds(end, [data], list(descriptors))
    else:
        end.send(data)


def receive(end: socket.socket) -> tuple[Packet | None, list[int]]:
    """The next packet and its descriptors; None at the end. Raises BlockingIOError on a non-blocking end."""
    data, descriptors, _, _ = socket.recv_fds(end, PACKET_BYTES, 4)
    return (cast(Packet, json.loads(data)) if data else None), list(array("i", descriptors))
