"""The gate keeps a writer alone, lets readers pass together, and starves neither."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whatsapp.gate import Gate


class UnlockedMap:
    """A map like Go's: whoever meets a writer in it is caught, as the Go runtime would abort."""

    def __init__(self) -> None:
        self.readers = 0
        self.writing = False
        self.collisions = 0
        self._count = threading.Lock()

    def read(self) -> None:
        with self._count:
            self.readers += 1
            self.collisions += self.writing
        time.sleep(0)
        with self._count:
            self.collisions += self.writing
            self.readers -= 1

    def write(self) -> None:
        with self._count:
            self.collisions += self.writing or self.readers > 0
            self.writing = True
        time.sleep(0.0002)
        with self._count:
            self.collisions += self.readers > 0
            self.writing = False


def _together(*work: Callable[[], None]) -> None:
    failures: list[BaseException] = []

    def guarded(one: Callable[[], None]) -> None:
        try:
            one()
        except BaseException as failure:  # noqa: BLE001 - shown by the test
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(one,), daemon=True) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive(), "a thread is stuck in the gate"
    if failures:
        raise failures[0]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from("RRRW"), min_size=2, max_size=24), st.integers(0, 2**16))
def test_no_writer_ever_meets_anybody(kinds: list[str], seed: int) -> None:
    gate, shared_map, chance = Gate(entry=30), UnlockedMap(), random.Random(seed)
    delays = [chance.random() * 0.002 for _ in kinds]

    def visit(kind: str, delay: float) -> Callable[[], None]:
        def run() -> None:
            time.sleep(delay)
            for _ in range(3):
                with gate.exclusive() if kind == "W" else gate.shared():
                    shared_map.write() if kind == "W" else shared_map.read()

        return run

    _together(*(visit(kind, delay) for kind, delay in zip(kinds, delays, strict=True)))
    assert shared_map.collisions == 0
    assert gate.counters.writes == 3 * kinds.count("W")
    assert gate.counters.reads == 3 * kinds.count("R")


def test_readers_are_inside_together() -> None:
    gate, both = Gate(), threading.Barrier(2, timeout=5)

    def read() -> None:
        with gate.shared():
            both.wait()

    _together(read, read)


def test_a_long_call_keeps_writers_out_only_while_it_enters() -> None:
    gate, entered, leave = Gate(entry=0.02), threading.Event(), threading.Event()

    def long_call() -> None:
        with gate.shared():
            entered.set()
            assert leave.wait(10)

    def write() -> None:
        assert entered.wait(5)
        with gate.exclusive():
            leave.set()

    _together(long_call, write)
    assert gate.counters.write_wait >= 0.01


def test_writers_pass_in_the_order_in_which_they_came() -> None:
    gate, order, holding = Gate(), list[int](), threading.Event()
    release = threading.Event()

    def first() -> None:
        with gate.exclusive():
            holding.set()
            assert release.wait(5)

    def writer(number: int) -> Callable[[], None]:
        def run() -> None:
            with gate.exclusive():
                order.append(number)

        return run

    threads = [threading.Thread(target=first, daemon=True)]
    threads[0].start()
    assert holding.wait(5)
    for number in range(20):
        thread = threading.Thread(target=writer(number), daemon=True)
        thread.start()
        threads.append(thread)
        while len(gate._writers) < number + 2:
            time.sleep(0.001)
    release.set()
    for thread in threads:
        thread.join(10)
    assert order == list(range(20))


def test_a_reader_gets_its_turn_among_writers_that_never_end() -> None:
    gate, stop, written = Gate(turn=0.05), threading.Event(), threading.Event()

    def write_for_ever() -> None:
        while not stop.is_set():
            with gate.exclusive():
                written.set()

    def read() -> None:
        assert written.wait(5)
        with gate.shared():
            stop.set()

    _together(write_for_ever, write_for_ever, write_for_ever, read)


def test_a_writer_gets_its_turn_among_readers_that_never_end() -> None:
    gate, stop, reading = Gate(entry=30), threading.Event(), threading.Event()

    def read_for_ever() -> None:
        while not stop.is_set():
            with gate.shared():
                reading.set()

    def write() -> None:
        assert reading.wait(5)
        with gate.exclusive():
            stop.set()

    _together(read_for_ever, read_for_ever, read_for_ever, write)


@pytest.mark.parametrize("kind", ["exclusive", "shared"])
def test_a_failure_inside_leaves_the_gate_open(kind: str) -> None:
    gate = Gate(entry=30)
    with pytest.raises(ZeroDivisionError), getattr(gate, kind)():
        raise ZeroDivisionError
    with gate.exclusive():
        pass
    with gate.shared():
        pass


def test_waiting_is_measured() -> None:
    gate, inside = Gate(), threading.Event()

    def hold() -> None:
        with gate.exclusive():
            inside.set()
            time.sleep(0.03)

    def read() -> None:
        assert inside.wait(5)
        with gate.shared():
            pass

    _together(hold, read)
    assert gate.counters.read_wait > 0.01
    assert gate.counters.longest_wait >= gate.counters.read_wait
    assert gate.counters.write_held > 0.02
