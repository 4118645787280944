"""How long to wait before the next try."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from workflows.backoff import CAP_SECONDS, FIRST_SECONDS, reconnect_delay

attempts = st.integers(min_value=1, max_value=10_000_000)
randoms = st.integers().map(Random)


@given(st.integers(max_value=0), randoms)
def test_the_first_try_is_made_at_once(attempt: int, random: Random) -> None:
    assert reconnect_delay(attempt, random) == 0.0


@given(attempts, randoms)
def test_a_delay_is_never_above_the_cap_and_never_nothing(attempt: int, random: Random) -> None:
    assert FIRST_SECONDS / 2 <= reconnect_delay(attempt, random) <= CAP_SECONDS


@given(attempts, randoms)
def test_a_delay_lies_in_the_upper_half_of_its_ceiling(attempt: int, random: Random) -> None:
    ceiling = min(CAP_SECONDS, FIRST_SECONDS * 2.0 ** min(attempt - 1, 60))
    assert ceiling / 2 <= reconnect_delay(attempt, random) <= ceiling


@given(st.integers())
def test_delays_grow_until_the_cap(seed: int) -> None:
    delays = [reconnect_delay(attempt, Random(seed)) for attempt in range(1, 20)]
    assert delays == sorted(delays)
    assert delays[-1] == delays[-2]


def test_a_fleet_that_was_cut_off_at_once_does_not_return_at_once() -> None:
    delays = [reconnect_delay(10, Random(seed)) for seed in range(1_000)]
    assert max(delays) - min(delays) > CAP_SECONDS * 0.45
    tenth = [sum(1 for delay in delays if low <= delay - CAP_SECONDS / 2 < low + 1.5) for low in range(0, 15, 3)]
    assert min(tenth) > 50


@given(attempts, st.integers())
def test_the_same_random_gives_the_same_delay(attempt: int, seed: int) -> None:
    assert reconnect_delay(attempt, Random(seed)) == reconnect_delay(attempt, Random(seed))
