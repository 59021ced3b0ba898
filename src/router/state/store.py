"""What the router must remember, as small protocols; each technology meets the meanings only here.

Money is counted in whole nano-dollars (1e-9 USD), so that sums are exact. Times are Unix seconds, given by the caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from ..types import Attempt, Record
from .health import HealthView

__all__ = ["Budgets", "Health", "Ledger", "SpendLimit", "Window", "from_nano", "to_nano"]

Window = Literal["hour", "day", "month", "total"]


class SpendLimit(msgspec.Struct, frozen=True, kw_only=True):
    """At most ``usd`` a ``window`` for one tenant (``"*"``: for each tenant alike; None: for all together)."""

    usd: float
    window: Window = "total"
    tenant: str | None = None


class Budgets(Protocol):
    """Spending limits: money is reserved before a call and settled after it, so that N callers cannot overspend."""

    def left_usd(self, tenant: str | None, now_s: float) -> float | None:
        """What the tightest window leaves, reservations counted as spent; None when there is no limit."""

    def reserve(self, reservation: str, tenant: str | None, usd: float, now_s: float) -> None:
        """Set ``usd`` aside under the id ``reservation``.

        Raises:
            BudgetExceeded: it does not fit; nothing was set aside.
        """

    def settle(self, reservation: str, usd: float, now_s: float) -> None:
        """Replace a reservation by what was really spent; 0 releases it. An unknown id is ignored."""


class Ledger(Protocol):
    """One row a request, appended once and never changed."""

    def append(self, record: Record) -> None:
        """Take the record; must not block the answer."""

    def tail(self, count: int) -> Sequence[Record]:
        """The newest records, oldest first."""

    def find(self, decision: str) -> Record | None:
        """The record of a decision by its id, None when it is not (or no longer) known."""

    def close(self) -> None:
        """Write out what is still held."""


class Health(Protocol):
    """What was seen of each deployment lately. Its seconds are those of one steady clock, whichever."""

    def observe(self, attempt: Attempt, now_s: float) -> None:
        """Take note of one finished attempt at a hosted deployment."""

    def admit(self, model: str, now_s: float) -> bool:
        """Whether a call may go out now. Where a breaker is half-open, the first caller's is the only probe."""

    def blocked(self, now_s: float) -> Mapping[str, float]:
        """Deployments that must not be called now, and in how many seconds they may be."""

    def view(self, now_s: float) -> HealthView:
        """Latencies of the last minutes."""


def to_nano(usd: float) -> int:
    """Whole nano-dollars, rounded to the nearest."""
    return round(usd * 1_000_000_000)


def from_nano(nano: int) -> float:
    """US dollars."""
    return nano / 1_000_000_000
