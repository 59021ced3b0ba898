"""Records of requests that nothing ran for: a limit, no provider, a store that is away, a caller who left before.

A refusal costs whoever is refused nothing, so its record must not fill a disk: there is a pace for them.
"""

from __future__ import annotations

from collections.abc import Callable

from ..errors import BudgetExceeded, NotConfigured, RateLimited, RouterError
from ..telemetry import REFUSALS_UNRECORDED, log
from ..types import Decision, Outcome, Request
from .accounting import Accounting
from .pace import Pace

__all__ = ["Refusals"]

# About 2 KB each, at most 170 MB a day.
_AT_ONCE, _PER_S = 100, 1.0


class Refusals:
    """What ``accounting`` is told of them; ``clock_s`` is the clock that requests are timed by."""

    def __init__(self, accounting: Accounting, clock_s: Callable[[], float]) -> None:
        self._accounting, self._clock_s = accounting, clock_s
        self._pace = Pace(_AT_ONCE, _PER_S)

    def note(self, request: Request, decision: Decision, error: BaseException, started_s: float) -> None:
        """Record that nothing ran, and why, where the pace allows it."""
        if self.may_note(error):
            self.record(request, decision, error, started_s)

    def may_note(self, error: BaseException) -> bool:
        """Whether a refusal gets a record; asking counts as one."""
        pace = self._pace
        if not isinstance(error, BudgetExceeded | RateLimited | NotConfigured):
            return True
        if not pace.take(self._clock_s()):
            return False
        if pace.missed:
            log.warning("%s: %d", REFUSALS_UNRECORDED, pace.missed)
            pace.missed = 0
        return True

    def record(self, request: Request, decision: Decision, error: BaseException, started_s: float) -> None:
        """As :meth:`note`, for whoever has asked."""
        waited_ms = (self._clock_s() - started_s) * 1000.0
        outcome = Outcome(status="cancelled", latency_ms=waited_ms)
        if isinstance(error, RouterError):
            outcome = Outcome(status="failed", error=error.code, latency_ms=waited_ms)
        self._accounting.record(request, decision, outcome)
