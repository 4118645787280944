"""What all sessions of a process share: the library, the gate, the threads, the callbacks and the counters."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from whatsapp.client import Client, DeadEnd, OnEvent, OnReturn, Switchboard
from whatsapp.gate import Gate
from whatsapp.library import Library
from whatsapp.threads import SmallStackExecutor

T = TypeVar("T")

START_PATIENCE = 1.0
"""Seconds for which one start may keep the gate to itself (see `Client.start`). On loopback a start takes 30 ms, on a
real network some round trips; starts follow one another, so a lower limit makes a cold start of many faster where
the network is slow, and leaves more to chance."""


@dataclass
class HostCounters:
    """Sums over all sessions of this process."""

    starts: int = 0
    """Clients made. Each leaves a small database pool behind in the library: recycle a process that made thousands."""
    logins: int = 0
    undecryptable: int = 0
    handler_errors: int = 0


class Workshop:
    """Calls run on a pool that has threads enough for every session to hang in a call and still be closed."""

    def __init__(self, library: Library, database: str, capacity: int, start_patience: float = START_PATIENCE) -> None:
        self.library = library
        self.gate = Gate()
        self.switchboard = Switchboard()
        self.counters = HostCounters()
        self._dead_end = DeadEnd()
        self._database = database
        self._start_patience = start_patience
        self._calls = SmallStackExecutor(max_workers=3 * capacity + 32, thread_name_prefix="whatsapp-call")
        self._starts = ThreadPoolExecutor(max_workers=1, thread_name_prefix="whatsapp-start")

    def client(self, client_id: str, jid: bytes, proxy: str | None, on_event: OnEvent, on_return: OnReturn) -> Client:
        """A client that is not started."""
        return Client(
            library=self.library,
            gate=self.gate,
            switchboard=self.switchboard,
            dead_end=self._dead_end,
            id=client_id.encode(),
            database=self._database,
            jid=jid,
            proxy=proxy,
            on_event=on_event,
            on_return=on_return,
        )

    async def start(self, client: Client) -> None:
        """Start `client` when those that came before have started. Not to be cancelled half-way: shield it."""
        self.counters.starts += 1
        await asyncio.get_running_loop().run_in_executor(self._starts, client.start, self._start_patience)

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run a blocking call on a thread. A cancelled caller leaves it running."""
        return await asyncio.get_running_loop().run_in_executor(self._calls, function, *arguments)

    def close(self) -> None:
        """Let the threads end. Those inside the library end with their calls."""
        self._starts.shutdown(wait=False)
        self._calls.shutdown(wait=False)
