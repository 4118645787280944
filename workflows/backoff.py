"""How long to wait before the next try: capped exponential growth with jitter, without limit on the number of tries."""

from __future__ import annotations

from random import Random
from typing import Final

FIRST_SECONDS: Final = 1.0
CAP_SECONDS: Final = 30.0


def reconnect_delay(attempt: int, random: Random) -> float:
    """Seconds before try `attempt` (0 is the first, made at once).

    The delay is drawn from the upper half of min(cap, 2^(attempt-1)): enough jitter to spread a fleet that was cut off
    in one moment, and never more than `CAP_SECONDS`, so that everything is back soon after an outage of any length.
    """
    if attempt <= 0:
        return 0.0
    ceiling = min(CAP_SECONDS, FIRST_SECONDS * 2.0 ** min(attempt - 1, 16))
    return ceiling * (0.5 + random.random() / 2)
