"""A Temporal development server of a test's own, which may be killed and frozen."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

from workflows.visibility import KEYS

START_SECONDS = 30.0
_PROGRAM = str(Path(sys.executable).parent / "temporal")


class TemporalServer:
    """`address` stays the same over `kill` and `start`; what it holds is in a file."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="perene-temporal-")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port: int = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def __enter__(self) -> TemporalServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.thaw()
        self.kill()
        self._folder.cleanup()

    def start(self) -> None:
        """Start it and wait until it serves."""
        attributes = [part for key in KEYS for part in ("--search-attribute", f"{key.name}=Keyword")]
        self._process = subprocess.Popen(
            [
                _PROGRAM,
                *("server", "start-dev", "--headless", "--log-level", "never", "--ip", "127.0.0.1"),
                *("--port", str(self._port), "--db-filename", f"{self._folder.name}/temporal.db"),
                *attributes,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_SECONDS
        health = [_PROGRAM, "operator", "cluster", "health", "--address", self.address]
        while subprocess.run(health, capture_output=True, check=False).returncode != 0:
            if time.monotonic() > deadline:
                raise RuntimeError("Temporal did not start")

    def kill(self) -> None:
        """kill -9; returns when it is gone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nobody answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """End a `freeze`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
