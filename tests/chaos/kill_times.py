"""How long each kill took to be made good, as it goes into benchmarks/results/kills.json."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from typing import Any


@dataclass
class KillTimes:
    """Seconds from the kill until the session was where it should be, by what was killed and the session's state."""

    seconds: dict[str, dict[str, float]] = field(default_factory=dict[str, dict[str, float]])

    def note(self, killed: str, state: str, seconds: float) -> None:
        self.seconds.setdefault(killed, {})[state] = round(seconds, 2)

    def document(self) -> dict[str, Any]:
        """With what it was measured on: times of another machine are other times."""
        return {
            "unit": "seconds",
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "load": round(os.getloadavg()[0], 1),
            "kills": self.seconds,
        }
