"""Keeps calls into neonize's Go side from meeting in its maps.

goneonize keeps its clients in three plain Go maps (`clients`, `eventChannel`, `StopSignal`) without a lock, and the Go
runtime aborts the process when a map is written while another thread reads or writes it. Who touches them (main.go):

- `Neonize` (start) writes all three before it dials, and reads two once more after the handshake, as it enters its
  event loop (`CallbackFunction`, `FetchMe`): a *writer* until the loop's first callback;
- `Stop` deletes from all three: a *writer*;
- every other exported call reads `clients[id]` once, as it enters: a *reader* for that moment.

So a writer is alone; readers pass together. A reader cannot see when Go has done its look-up, so it counts as inside
until it returns or `entry` seconds have passed, whichever is first: the look-up takes well under a microsecond, and
a send may wait 75 s for its acknowledgement. Waiting writers go before new readers, in order; a reader that waits
while writers keep coming is let in after at most `turn` seconds, so that neither side starves.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class GateCounters:
    """What the gate has seen. Times are seconds since the process started."""

    writes: int = 0
    reads: int = 0
    write_wait: float = 0.0
    read_wait: float = 0.0
    longest_wait: float = 0.0
    write_held: float = 0.0


@dataclass(eq=False)
class _Entry:
    """One reader inside the gate."""

    since: float
    left: bool = False


class Gate:
    """The readers–writer gate. Its methods block: call them from worker threads, never from the event loop."""

    def __init__(self, *, entry: float = 0.05, turn: float = 0.25) -> None:
        """`entry`: how long a reader counts as inside at most. `turn`: how long readers wait behind writers."""
        self._changed = threading.Condition(threading.Lock())
        self._entry = entry
        self._turn = turn
        self._inside: deque[_Entry] = deque()
        self._writing = False
        self._writers: deque[threading.Event] = deque()
        self._readers_waiting_since: deque[float] = deque()
        self.counters = GateCounters()

    @contextmanager
    def exclusive(self) -> Generator[None]:
        """Alone in the gate, until the block ends. Writers pass in the order in which they came."""
        ticket = threading.Event()
        started = time.monotonic()
        with self._changed:
            self._writers.append(ticket)
            if self._writers[0] is ticket:
                ticket.set()
        ticket.wait()  # only the first in line watches the gate, so that a thousand of them do not wake each other
        with self._changed:
            while not self._may_write():
                self._changed.wait(self._until_next_entry_is_over())
            self._writing = True
            self.counters.writes += 1
            self.counters.write_wait += self._waited(started)
        began = time.monotonic()
        try:
            yield
        finally:
            with self._changed:
                self._writing = False
                self.counters.write_held += time.monotonic() - began
                self._writers.popleft()
                if self._writers:
                    self._writers[0].set()
                self._changed.notify_all()

    @contextmanager
    def shared(self) -> Generator[None]:
        """With other readers, never with a writer, until the block ends or the entry time has passed."""
        started = time.monotonic()
        with self._changed:
            self._readers_waiting_since.append(started)
            while not self._may_read(started):
                self._changed.wait(self._turn)
            self._readers_waiting_since.remove(started)
            entry = _Entry(time.monotonic())
            self._inside.append(entry)
            self.counters.reads += 1
            self.counters.read_wait += self._waited(started)
        try:
            yield
        finally:
            with self._changed:
                entry.left = True
                if self._writers:
                    self._changed.notify_all()

    def _waited(self, started: float) -> float:
        waited = time.monotonic() - started
        self.counters.longest_wait = max(self.counters.longest_wait, waited)
        return waited

    def _may_read(self, started: float) -> bool:
        if self._writing:
            return False
        return not self._writers or time.monotonic() - started >= self._turn

    def _may_write(self) -> bool:
        if self._readers_waiting_since and time.monotonic() - self._readers_waiting_since[0] >= self._turn:
            return False  # their turn: they are woken by the same notification and enter first
        self._forget_past_entries()
        return not self._inside

    def _forget_past_entries(self) -> None:
        now = time.monotonic()
        while self._inside and (self._inside[0].left or now - self._inside[0].since >= self._entry):
            self._inside.popleft()
        if self._inside and any(entry.left for entry in self._inside):
            self._inside = deque(entry for entry in self._inside if not entry.left)

    def _until_next_entry_is_over(self) -> float:
        if not self._inside:
            return self._turn
        return max(0.0005, self._inside[0].since + self._entry - time.monotonic())
