"""The process that pairing processes are forked from: `python -m whatsapp.pairing_server FD`.

Each attempt to pair needs a process that is thrown away: whatsmeow leaves threads behind when a QR code is not
scanned. Starting Python and loading neonize's protobuf modules takes 0.3 s; this process has done so, holds no thread
and no Go library (neither survives a fork), and makes a child in milliseconds.

FD is one end of a socket pair. A packet is a request with the child's end of another pair; end of file ends us.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys

from whatsapp import pairing_child, pairing_packets

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when `parent` (its parent's process id) ends (prctl(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_PDEATHSIG")
    if os.getppid() != parent:
        os._exit(1)  # it ended before the request


def serve(control: socket.socket) -> None:
    """Fork a child for each request, until end of file."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are not waited for: the worker holds their pidfds
    pairing_packets.send(control, {"kind": "ready"})
    while True:
        request, descriptors = pairing_packets.receive(control)
        if request is None:
            return
        _fork(control, request, descriptors[0])


def _fork(control: socket.socket, request: pairing_packets.Packet, descriptor: int) -> None:
    server = os.getpid()
    if os.fork():
        os.close(descriptor)
        return
    try:
        die_with_parent(server)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        control.close()
        pairing_child.run(socket.socket(fileno=descriptor), request)
    finally:
        os._exit(1)


def main() -> None:
    """Take the end of the pair from the command line and serve."""
    os.dup2(2, 1)  # the Go library prints to stdout
    # A Ctrl-C goes to the whole group; the worker decides when pairing ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent(int(sys.argv[2]))
    serve(socket.socket(fileno=int(sys.argv[1])))


if __name__ == "__main__":
    main()
