"""What happens to a client after its handshake: a pairing, a login, or a refusal."""

from __future__ import annotations

import hmac
import logging
from typing import TYPE_CHECKING

from simulator.chat_socket import ChatSocket, Guest
from simulator.client import Client
from simulator.faults import AT_LOGIN, Fault, Kind
from simulator.noise import Established
from simulator.pairing import Pairing
from simulator.registry import Device
from simulator.stanzas import conflict, failure, now, stream_error

if TYPE_CHECKING:
    from simulator.world import World

from simulator.node import Node

_UNKNOWN_DEVICE = 401
_log = logging.getLogger(__name__)


def welcome(world: World, socket: ChatSocket, visitor: Established) -> Guest | None:
    """Let a client in: as a `Pairing` if it has no phone yet, else as a logged-in `Client`. None if turned away."""
    payload = visitor.payload
    if not payload.HasField("username"):
        return _pair(world, socket, visitor)
    device = world.registry.device(str(payload.username), payload.device)
    if device is None or not hmac.compare_digest(device.noise_key, visitor.client_static):
        world.clients.totals["unknownLogins"] += 1
        _log.info("turned away %s:%s, which is not linked", payload.username, payload.device)
        socket.end(failure(_UNKNOWN_DEVICE))
        return None
    world.clients.attempted(device)
    for kind in AT_LOGIN:
        fault = world.faults.take(kind, device.phone)
        if fault is not None:
            _log.info("%s meets %s at login", device.jid, kind)
            if kind is not Kind.STREAM_REPLACED:
                turn_away(world, socket, device, fault)
                return None
            client = _enter(world, socket, device)
            client.end(conflict("replaced"))
            return None
    if payload.pushName:
        world.registry.phone(device.phone, payload.pushName)
    return _enter(world, socket, device)


def turn_away(world: World, socket: ChatSocket, device: Device, fault: Fault) -> None:
    """End a device's connection in the way of a fault, at its login or later."""
    match fault.kind:
        case Kind.UNAVAILABLE:
            socket.end(stream_error("503"))
        case Kind.REFUSE_LOGIN:
            socket.end(failure(503))
        case Kind.CLIENT_OUTDATED:
            socket.end(failure(405))
        case Kind.BAN:
            socket.end(failure(402, code=str(fault.ban_code), expire=str(fault.ban_seconds)))
        case Kind.LOGGED_OUT:
            socket.end(conflict("device_removed"))
            world.forget(device)
        case Kind.STREAM_REPLACED:
            socket.end(conflict("replaced"))
        case _:
            socket.abort()


def _pair(world: World, socket: ChatSocket, visitor: Established) -> Guest | None:
    for kind in (Kind.REFUSE_CONNECT, Kind.DROP_SOCKET, Kind.UNAVAILABLE, Kind.REFUSE_LOGIN, Kind.CLIENT_OUTDATED):
        fault = world.faults.take(kind, None)
        if fault is not None:
            if kind in (Kind.REFUSE_CONNECT, Kind.DROP_SOCKET):
                socket.abort()
            else:
                code = {Kind.UNAVAILABLE: stream_error("503"), Kind.REFUSE_LOGIN: failure(503)}
                socket.end(code.get(kind, failure(405)))
            return None
    pairing = Pairing(world, socket, visitor)
    world.pairings.opened(pairing)
    pairing.begin()
    return pairing


def _enter(world: World, socket: ChatSocket, device: Device) -> Client:
    client = Client(world, socket, device)
    before = world.clients.entered(client)
    if before is not None:
        world.presence.left(before)
        world.replace(before)
    client.send(
        Node("success", {"t": now(), "props": "28", "location": "sim", "lid": device.lid_jid, "status": "active"})
    )
    return client
