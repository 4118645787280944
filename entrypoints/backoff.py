"""How long to wait before a part that died is started again."""

from dataclasses import dataclass


@dataclass
class Backoff:
    """Doubling delays in seconds; a part that then lived for `stable_seconds` is forgiven."""

    first: float = 0.2
    most: float = 10.0
    stable_seconds: float = 30.0
    _next: float = 0.0

    def delay_after(self, lived_seconds: float) -> float:
        """The delay before the next start, given how long the part lived this time."""
        if lived_seconds >= self.stable_seconds or self._next == 0.0:
            self._next = self.first
        delay = self._next
        self._next = min(self._next * 2, self.most)
        return delay
