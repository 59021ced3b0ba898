"""State in this process: spending limits and the newest records. Lost when it ends.

Safe for threads: each object guards itself with one lock, held only for arithmetic.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from ..errors import BudgetExceeded
from ..types import Record
from ..units import format_usd
from .store import SpendLimit, Window, from_nano, to_nano

__all__ = ["MemoryBudgets", "MemoryLedger"]

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

    def find(self, decision: str) -> Record | None:
        """See :class:`~.store.Ledger`."""
        return next((record for record in reversed(self._records) if record.decision.id == decision), None)

    def close(self) -> None:
        """Nothing is held back."""


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
