"""State in this process: spending limits, the newest records, health of the deployments. Lost when it ends.

Safe for threads: each object guards itself with one lock, held only for arithmetic.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from ..errors import BudgetExceeded
from ..types import Attempt, Record
from ..units import format_usd
from .store import SpendLimit, Window, from_nano, to_nano

__all__ = ["MemoryBudgets", "MemoryHealth", "MemoryLedger"]

_Key = tuple[int, str | None, str]


class MemoryBudgets:
    """Spending limits over windows in UTC; ``limits`` may be empty, then nothing is ever refused."""

    def __init__(self, limits: Sequence[SpendLimit] = ()) -> None:
        self._limits = tuple(limits)
        self._spent: dict[_Key, int] = {}
        self._reserved: dict[str, tuple[tuple[_Key, ...], int]] = {}
        self._lock = threading.Lock()

    def left_usd(self, tenant: str | None, now_s: float) -> float | None:
        """See :class:`~.store.Budgets`."""
        with self._lock:
            lefts = [self._left(key) for key in self._keys(tenant, now_s)]
        return from_nano(max(0, min(lefts))) if lefts else None

    def reserve(self, reservation: str, tenant: str | None, usd: float, now_s: float) -> None:
        """See :class:`~.store.Budgets`."""
        amount = to_nano(usd)
        with self._lock:
            keys = self._keys(tenant, now_s)
            for key in keys:
                if self._left(key) < amount:
                    raise self._refusal(key, amount, now_s)
            for key in keys:
                self._spent[key] = self._spent.get(key, 0) + amount
            self._reserved[reservation] = (keys, amount)

    def settle(self, reservation: str, usd: float, now_s: float) -> None:
        """See :class:`~.store.Budgets`."""
        with self._lock:
            keys, amount = self._reserved.pop(reservation, ((), 0))
            for key in keys:
                self._spent[key] += to_nano(usd) - amount
            self._forget_old_windows(now_s)

    def _keys(self, tenant: str | None, now_s: float) -> tuple[_Key, ...]:
        keys: list[_Key] = []
        for index, limit in enumerate(self._limits):
            if limit.tenant is None:
                keys.append((index, None, _window_start(limit.window, now_s)))
            elif limit.tenant in ("*", tenant):
                keys.append((index, tenant or "", _window_start(limit.window, now_s)))
        return tuple(keys)

    def _left(self, key: _Key) -> int:
        return to_nano(self._limits[key[0]].usd) - self._spent.get(key, 0)

    def _refusal(self, key: _Key, amount: int, now_s: float) -> BudgetExceeded:
        limit, left = self._limits[key[0]], max(0, self._left(key))
        resets_at = _window_end(limit.window, now_s)
        who = f"tenant {key[1]!r}" if key[1] else "all tenants together"
        return BudgetExceeded(
            f"the {limit.window} budget of {format_usd(limit.usd)} for {who} leaves {format_usd(from_nano(left))}; "
            f"this request may need {format_usd(from_nano(amount))}.",
            needed_usd=from_nano(amount),
            left_usd=from_nano(left),
            resets_at=resets_at,
            hint=f"It resets at {resets_at}." if resets_at else "Raise the limit in the config.",
        )

    def _forget_old_windows(self, now_s: float) -> None:
        if len(self._spent) < 10_000:
            return
        held = {key for keys, _ in self._reserved.values() for key in keys}
        self._spent = {
            key: spent
            for key, spent in self._spent.items()
            if key in held or key[2] == _window_start(self._limits[key[0]].window, now_s)
        }


class MemoryLedger:
    """The newest ``keep`` records; older ones are dropped."""

    def __init__(self, keep: int = 10_000) -> None:
        self._records: deque[Record] = deque(maxlen=keep)

    def append(self, record: Record) -> None:
        """See :class:`~.store.Ledger`."""
        self._records.append(record)

    def tail(self, count: int) -> Sequence[Record]:
        """See :class:`~.store.Ledger`."""
        return list(self._records)[-count:] if count > 0 else []

    def close(self) -> None:
        """Nothing is held back."""


class MemoryHealth:
    """A breaker a deployment: ``failures`` in a row open it for ``cooldown_s``, then one probe may pass.

    An error that says for how long (Retry-After is part of the attempt's driver) or that no retry can help
    (``auth``, ``quota``) opens it at once.
    """

    def __init__(self, *, failures: int = 3, cooldown_s: float = 30.0, smoothing: float = 0.2) -> None:
        self._limit, self._cooldown_s, self._smoothing = failures, cooldown_s, smoothing
        self._failures: dict[str, int] = {}
        self._open_until: dict[str, float] = {}
        self._latency: dict[str, float] = {}
        self._lock = threading.Lock()

    def observe(self, attempt: Attempt, now_s: float) -> None:
        """See :class:`~.store.Health`. Errors that are the request's own fault do not count."""
        if attempt.kind != "llm" or attempt.error in ("bad_request", "context_length", "content_filter", "cancelled"):
            return
        with self._lock:
            if attempt.error is None:
                self._failures.pop(attempt.model, None)
                self._open_until.pop(attempt.model, None)
                before = self._latency.get(attempt.model, attempt.latency_ms)
                self._latency[attempt.model] = before + self._smoothing * (attempt.latency_ms - before)
                return
            count = self._failures[attempt.model] = self._failures.get(attempt.model, 0) + 1
            if count >= self._limit or attempt.error in ("auth", "quota"):
                self._open_until[attempt.model] = now_s + self._cooldown_s

    def unhealthy(self, now_s: float) -> frozenset[str]:
        """See :class:`~.store.Health`."""
        if not self._open_until:
            return frozenset()
        with self._lock:
            return frozenset(name for name, until in self._open_until.items() if until > now_s)

    def latency_ms(self) -> Mapping[str, float]:
        """See :class:`~.store.Health`."""
        with self._lock:
            return dict(self._latency)


def _window_start(window: Window, now_s: float) -> str:
    if window == "total":
        return ""
    form = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d", "month": "%Y-%m"}[window]
    return datetime.fromtimestamp(now_s, UTC).strftime(form)


def _window_end(window: Window, now_s: float) -> str | None:
    now = datetime.fromtimestamp(now_s, UTC).replace(minute=0, second=0, microsecond=0)
    match window:
        case "hour":
            end = now + timedelta(hours=1)
        case "day":
            end = now.replace(hour=0) + timedelta(days=1)
        case "month":
            end = (now.replace(day=1, hour=0) + timedelta(days=32)).replace(day=1)
        case _:
            return None
    return end.isoformat()
