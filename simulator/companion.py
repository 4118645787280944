"""The process that keeps the real second clients of the simulated phones: `python -m simulator.companion`.

It is a child of the simulator, which itself never loads the Go library. Requests come as JSON lines on stdin, answers
and events leave as JSON lines on what was stdout (`simulator/companion_process.py` is the other end):

    → {"id": 1, "do": "send", "phone": "5511…", "to": "5511…", "text": "hello"}
    ← {"reply": 1, "result": {"messageId": "3EB0…"}}
    ← {"reply": 1, "error": {"code": "SEND_FAILED", "message": "…"}}
    ← {"event": "qr", "phone": "5511…", "qr": "…"}

The parent has a QR code scanned, or says `{"do": "link_failed", …}`.

The end of stdin ends the process.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import importlib
import json
import logging
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from simulator.pinned_root import replace_pinned_root

THREADS_FOR_CALLS = 64
LONGEST_LINE = 256 * 1024 * 1024

_log = logging.getLogger("simulator.companion")


class Pipe:
    """The way to the parent: what was stdout, out of the reach of everything else that prints."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def write(self, value: dict[str, Any]) -> None:
        """Write one JSON line."""
        self._stream.write(json.dumps(value, ensure_ascii=False).encode() + b"\n")
        self._stream.flush()


def take_stdout() -> Pipe:
    """Keep the real stdout for the protocol and give its number to stderr's file, since Go prints to it."""
    stream = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return Pipe(stream)


async def serve(directory: Path, port: int, pipe: Pipe) -> None:
    """Answer requests until stdin ends. Each runs on its own; a phone's sends keep their order."""
    # Loads the Go library, so only once stdout was taken.
    from simulator.companion_commands import MOST_PHONES, Commands

    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(MOST_PHONES + THREADS_FOR_CALLS, "phone"))
    commands = Commands(directory, f"http://127.0.0.1:{port}", pipe.write)
    reader = asyncio.StreamReader(limit=LONGEST_LINE)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    pipe.write({"event": "ready"})
    running: set[asyncio.Task[None]] = set()
    while line := await reader.readline():
        task = asyncio.create_task(commands.answer(json.loads(line), pipe.write))
        running.add(task)
        task.add_done_callback(running.discard)
    await commands.close()


def main() -> None:
    """Read the options, load the library, put the simulator's Noise root in it, serve."""
    parser = argparse.ArgumentParser(prog="python -m simulator.companion", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port of the simulator on 127.0.0.1")
    parser.add_argument("--dir", type=Path, required=True, help="folder of the phones' keys and messages")
    parser.add_argument("--noise-root", type=bytes.fromhex, required=True, help="public key in hex")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides when this ends
    pipe = take_stdout()
    options.dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (options.dir / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a predecessor may still be ending, and two must never share the keys
        _load_library(options.noise_root)
        asyncio.run(_serve_and_leave(options.dir, options.port, pipe))


def _load_library(noise_root: bytes) -> None:
    """Load neonize's Go library, quietly, and replace the root key it pins."""
    importlib.import_module("pylibmagic")  # neonize needs libmagic, which this brings
    importlib.import_module("neonize.utils.log")  # gives the root logger its handler and its level
    logging.getLogger().setLevel(logging.WARNING)
    logging.getLogger("neonize.utils.log").setLevel(logging.WARNING)  # its level is handed to Go
    importlib.import_module("neonize._binder")
    replace_pinned_root(noise_root)


async def _serve_and_leave(directory: Path, port: int, pipe: Pipe) -> None:
    try:
        await serve(directory, port, pipe)
    except Exception:  # noqa: BLE001
        _log.exception("the companion ends")
        os._exit(1)
    os._exit(0)  # threads that wait in Go never return, and the interpreter would wait for them


if __name__ == "__main__":
    main()
