"""Stacks whose processes are killed, and the times in which they come back."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.kill_times import KillTimes
from tests.stack import Stack

RESULTS_VARIABLE = "PERENE_KILL_RESULTS"
"""Names the JSON file that the measured times are written to; unset, they are only printed."""


@pytest.fixture(scope="module")
def one_worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack as `perene up` makes it."""
    stack = Stack(tmp_path_factory.mktemp("one") / "perene", PERENE_MAX_CONNECTIONS="200")
    try:
        stack.up()
        yield stack
    finally:
        stack.end()


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two worker processes, so that one can take over from the other."""
    stack = Stack(tmp_path_factory.mktemp("two") / "perene", PERENE_MAX_CONNECTIONS="200")
    try:
        stack.up("--workers", "2")
        yield stack
    finally:
        stack.end()


@pytest.fixture(scope="session")
def kill_times() -> Iterator[KillTimes]:
    times = KillTimes()
    yield times
    if times.seconds and (file := os.environ.get(RESULTS_VARIABLE)):
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text(json.dumps(times.document(), indent=2) + "\n")
