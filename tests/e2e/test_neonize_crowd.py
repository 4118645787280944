"""Many sessions start and stop at once while others are in use: without the gate the process aborts."""

from __future__ import annotations

import pytest

from tests.e2e.adapter_fixtures import AdapterLab, lab, slow

__all__ = ["lab"]


def test_sixty_sessions_start_and_stop_together_while_others_send(lab: AdapterLab) -> None:
    lab.run("many_sessions_start_and_stop_while_others_are_used", sessions=60, rounds=2)


@slow
@pytest.mark.timeout(600)
def test_a_hundred_sessions_start_and_stop_together_ten_times(lab: AdapterLab) -> None:
    lab.run("many_sessions_start_and_stop_while_others_are_used", seconds=580, sessions=100, rounds=10)
