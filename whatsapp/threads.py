"""Threads that live in Go calls: many, and with little stack."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

STACK_BYTES = 512 * 1024
"""Address space of a thread's stack; only what is touched costs memory. The default is 8 MB."""

_stack_size = threading.Lock()


@contextmanager
def _small_stacks() -> Generator[None]:
    with _stack_size:
        before = threading.stack_size(STACK_BYTES)
        try:
            yield
        finally:
            threading.stack_size(before)


def start_thread(name: str, run: Callable[[], object]) -> threading.Thread:
    """Run `run` on a daemon thread of its own (a thread inside Go cannot be told to end at interpreter exit)."""
    thread = threading.Thread(target=run, name=name, daemon=True)
    with _small_stacks():
        thread.start()
    return thread


class SmallStackExecutor(ThreadPoolExecutor):
    """A ThreadPoolExecutor whose threads have small stacks."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        with _small_stacks():
            return super().submit(fn, *args, **kwargs)
