"""How often something may be done that others can cause at their pleasure."""

from __future__ import annotations

__all__ = ["Pace"]


class Pace:
    """``burst`` times at once, and ``per_s`` times a second from then on. Not for several threads at once: then it may
    let one or two more through."""

    def __init__(self, burst: int, per_s: float) -> None:
        self._burst, self._per_s = float(burst), per_s
        self._left, self._as_of_s = self._burst, float("-inf")
        self.missed = 0

    def take(self, now_s: float) -> bool:
        """Whether it may be done now, by a clock of seconds that only goes forward; ``missed`` counts how often not,
        since it last could."""
        passed_s = min(max(0.0, now_s - self._as_of_s), self._burst / self._per_s)
        self._left = min(self._burst, self._left + passed_s * self._per_s)
        self._as_of_s = now_s
        if self._left < 1.0:
            self.missed += 1
            return False
        self._left -= 1.0
        return True
