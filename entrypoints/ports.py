"""Ports of the local stack: is one free, who has it, and which one to take when none was asked for."""

from __future__ import annotations

import random
import socket

import psutil

_UNASKED = range(20_000, 32_768)
"""Below the ports that systems give to outgoing connections (32768 and up on Linux, 49152 and up elsewhere): the one
chosen is bound by another process seconds later, and a connection that took it meanwhile would be in its way."""
_TRIES = 100
_given: set[int] = set()


class PortTakenError(Exception):
    """A port that the stack needs is in use."""

    def __init__(self, port: int, variable: str, holder: str | None) -> None:
        self.port, self.variable, self.holder = port, variable, holder
        by = f" by {holder}" if holder else ""
        super().__init__(f"port {port} ({variable}) is taken{by}; stop that, or set {variable} to another port")


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: connections of a former run that linger in TIME_WAIT do not matter.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def holder_of(port: int) -> str | None:
    """Who listens on a port, such as `python (pid 123)`; None where the system does not tell."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:  # macOS tells root alone
        return None
    for connection in connections:
        # (address, port), or () for a socket that is bound to nothing.
        listening_at = tuple(connection.laddr) if connection.status == psutil.CONN_LISTEN else ()
        if listening_at[1:2] == (port,) and connection.pid:
            try:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
            except psutil.NoSuchProcess:
                return None
    return None


def claim(host: str, port: int, variable: str) -> int:
    """The port to use: the one asked for if it is free, any free one for 0. Raises PortTakenError."""
    if port == 0:
        return _any_free(host)
    if not is_free(host, port):
        raise PortTakenError(port, variable, holder_of(port))
    return port


def _any_free(host: str) -> int:
    for port in random.sample(_UNASKED, _TRIES):
        if port not in _given and is_free(host, port):
            _given.add(port)
            return port
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
