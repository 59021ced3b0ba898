"""State in this process: accounts and the newest records. Lost when it ends.

Safe for threads: each object guards itself with one lock, held only for arithmetic.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from ..types import Record
from .store import Balance, Granted, Op, Refused, Reply, Reserve, Settle, Settled

__all__ = ["MemoryLedger", "MemoryStore"]

_REMEMBER_S = 3600.0


class MemoryStore:
    """See :class:`~.store.Store`. There is no lease: what this process holds ends with it."""

    def __init__(self, *, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._sums: dict[str, list[int]] = {}  # account -> [spent, reserved]
        self._ends: dict[str, float] = {}
        self._held: dict[str, Reserve] = {}
        self._done: dict[str, float] = {}
        self._lock = threading.Lock()

    def apply(self, ops: Sequence[Op]) -> list[Reply]:
        """See :class:`~.store.Store`."""
        with self._lock:
            return [self._reserve(op) if isinstance(op, Reserve) else self._settle(op) for op in ops]

    def balances(self, accounts: Sequence[str]) -> list[Balance]:
        """See :class:`~.store.Store`."""
        with self._lock:
            return [self._balance(account) for account in accounts]

    def beat(self) -> int:
        """See :class:`~.store.Store`."""
        now_s = self._now()
        with self._lock:
            while self._done:
                oldest = next(iter(self._done))
                if self._done[oldest] > now_s - _REMEMBER_S:
                    break
                del self._done[oldest]
            for account in [a for a, ends_s in self._ends.items() if ends_s < now_s - _REMEMBER_S]:
                if not self._sums[account][1]:
                    del self._sums[account], self._ends[account]
        return 0

    def close(self) -> None:
        """See :class:`~.store.Store`."""

    def _reserve(self, op: Reserve) -> Reply:
        sums = self._sums
        if op.id not in self._held and op.id not in self._done:
            for index, claim in enumerate(op.claims):
                if claim.cap is not None:
                    spent, reserved = sums.get(claim.account, _EMPTY)
                    if spent + reserved + claim.amount > claim.cap:
                        return Refused(index, tuple(self._balance(claim.account) for claim in op.claims))
            for claim in op.claims:
                self._sum(claim.account, claim.ends_s)[1] += claim.amount
            self._held[op.id] = op
        return Granted(tuple([self._balance(claim.account) for claim in op.claims]))

    def _settle(self, op: Settle) -> Reply:
        if op.id not in self._done:
            held = self._held.pop(op.id, None)
            if held is not None:
                for claim in held.claims:
                    self._sums[claim.account][1] -= claim.amount
            for share in op.shares:
                self._sum(share.account, share.ends_s)[0] += share.amount
            self._done[op.id] = self._now()
        return Settled()

    def _sum(self, account: str, ends_s: float | None) -> list[int]:
        found = self._sums.get(account)
        if found is None:
            found = self._sums[account] = [0, 0]
            if ends_s is not None:
                self._ends[account] = ends_s
        return found

    def _balance(self, account: str) -> Balance:
        spent, reserved = self._sums.get(account, _EMPTY)
        return Balance(spent, reserved)


_EMPTY = (0, 0)


class MemoryLedger:
    """The newest ``keep`` records; older ones are dropped."""

    def __init__(self, keep: int = 10_000) -> None:
        self._records: deque[Record] = deque(maxlen=keep)

    def append(self, record: Record) -> None:
        """See :class:`~.store.Ledger`."""
        self._records.append(record)

    def check(self) -> None:
        """Memory is always there."""

    def tail(self, count: int) -> Sequence[Record]:
        """See :class:`~.store.Ledger`."""
        return list(self._records)[-count:] if count > 0 else []

    def find(self, decision: str) -> Record | None:
        """See :class:`~.store.Ledger`."""
        return next((record for record in reversed(self._records.copy()) if record.decision.id == decision), None)

    def close(self) -> None:
        """Nothing is held back."""
