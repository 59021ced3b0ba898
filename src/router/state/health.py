"""What was seen of each deployment lately: its breaker, latencies, errors, and what is left for extra calls.

Time comes in as a value. Who may be called, it says; whom to call, ``selection/`` does.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Mapping

import msgspec

from ..types import Attempt
from .breaker import CLOSED, Blocked, Breaker, BreakerRules, BreakerState, Opened, Source

__all__ = ["HealthView", "MemoryHealth", "RetryBudget"]

_SAMPLES = 64
_FEW = 20
# What many answers were seen of changes little from one to the next: decisions see it as it was so long ago at most.
_VIEW_S = 0.01


class HealthView(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision may know, in milliseconds, by deployment; from the last minutes only.

    ``latency_ms`` is the smoothed time of whole answers; ``tail_ms`` their 95th percentile and ``ttft_tail_ms`` that of
    the first token, once enough answers were seen.
    """

    latency_ms: Mapping[str, float] = msgspec.field(default_factory=dict)
    tail_ms: Mapping[str, float] = msgspec.field(default_factory=dict)
    ttft_tail_ms: Mapping[str, float] = msgspec.field(default_factory=dict)


class RetryBudget:
    """How many extra calls (retries at the same deployment, hedges) this process may make at each deployment.

    Each first call adds ``share`` of a call, each extra call takes one; ``burst`` are in hand at the start and at most.
    So a deployment that is down gets at most ``1 + share`` times its usual load (Dean & Barroso, *The Tail at Scale*,
    2013; gRPC's retry throttling, https://github.com/grpc/proposal/blob/master/A6-client-retries.md). ``empty`` are the
    deployments where no extra call may be made now.
    """

    def __init__(self, *, share: float = 0.2, burst: float = 10.0) -> None:
        self._share, self._burst = share, burst
        self._left: dict[str, float] = {}
        self.empty: frozenset[str] = frozenset()

    def first(self, model: str) -> None:
        """A first call goes out."""
        left = self._left.get(model)
        if left is not None:
            self._set(model, min(self._burst, left + self._share))

    def repeat(self, model: str) -> None:
        """An extra call goes out; whoever asked :attr:`empty` before has one."""
        self._set(model, self._left.get(model, self._burst) - 1.0)

    def _set(self, model: str, left: float) -> None:
        self._left[model] = left
        if (left < 1.0) is not (model in self.empty):
            self.empty = self.empty ^ {model}


class _Newest:
    """The newest numbers, kept in order as well, so that their 95th percentile is at hand."""

    __slots__ = ("_in_order", "_values")

    def __init__(self) -> None:
        self._values: deque[float] = deque()
        self._in_order: list[float] = []

    def add(self, value: float) -> None:
        """Take one in; the oldest goes once there are enough."""
        if len(self._values) == _SAMPLES:
            del self._in_order[bisect_left(self._in_order, self._values.popleft())]
        self._values.append(value)
        insort(self._in_order, value)

    @property
    def is_full(self) -> bool:
        """Whether as many were seen as are kept."""
        return len(self._values) == _SAMPLES

    @property
    def tail(self) -> float | None:
        """The 95th percentile (nearest rank), None where fewer than 20 were seen."""
        count = len(self._in_order)
        return self._in_order[-(-count * 19 // 20) - 1] if count >= _FEW else None


class _Seen:
    """The newest latencies of one deployment."""

    __slots__ = ("latency_ms", "newest_s", "times", "ttfts")

    def __init__(self) -> None:
        self.latency_ms: float | None = None
        self.times, self.ttfts = _Newest(), _Newest()
        self.newest_s = 0.0


class MemoryHealth:
    """Health of the deployments as this process saw it. Safe for threads.

    ``smoothing`` is the weight of the newest latency; what is older than ``window_s`` is forgotten, so that a
    deployment that was slow is tried again.
    """

    def __init__(
        self,
        *,
        failures: int = 5,
        cooldown_s: float = 2.0,
        smoothing: float = 0.2,
        window_s: float = 300.0,
        rules: BreakerRules | None = None,
    ) -> None:
        self.rules = rules or BreakerRules(failures=failures, cooldown_s=cooldown_s)
        self._smoothing = smoothing
        self._window_s = window_s
        self._breakers: dict[str, Breaker] = {}
        self._open: dict[str, Breaker] = {}
        self._watchers: list[Callable[[], None]] = []
        self._seen: dict[str, _Seen] = {}
        self._view = HealthView()
        self._stale: set[str] = set()
        self._checked_s = 0.0
        self._is_news = False
        self._lock = threading.Lock()

    def observe(self, attempt: Attempt, now_s: float) -> None:
        """See :class:`~.store.Health`. Errors that are the request's own fault do not count."""
        if attempt.kind != "llm":
            return
        name = attempt.model
        with self._lock:
            before = self._breakers.get(name, CLOSED)
            after = before.after(attempt, now_s, self.rules)
            is_change = after is not before and self._put(name, after)
            if attempt.error is None or attempt.error == "rejected":
                self._measure(name, attempt, now_s)
        if is_change:
            self._tell()

    def began(self, model: str, now_s: float) -> None:
        """See :class:`~.store.Health`."""
        if model not in self._open:
            return
        with self._lock:
            is_change = self._put(model, self._breakers[model].began(now_s))
        if is_change:
            self._tell()

    def admit(self, model: str, now_s: float, *, is_early: bool = False) -> bool:
        """See :class:`~.store.Health`."""
        if model not in self._open:
            return True
        with self._lock:
            admitted = self._breakers[model].admit(now_s, self.rules, is_early=is_early)
            if admitted is not None:
                self._put(model, admitted)
            return admitted is not None

    def blocked(self, now_s: float) -> Mapping[str, Blocked]:
        """See :class:`~.store.Health`."""
        if not self._open:
            return _NOBODY
        with self._lock:
            found = ((name, breaker.blocked(now_s, self.rules)) for name, breaker in self._open.items())
            return {name: blocked for name, blocked in found if blocked is not None}

    def watch(self, call: Callable[[], None]) -> None:
        """See :class:`~.store.Health`."""
        self._watchers.append(call)

    def _put(self, name: str, after: Breaker) -> bool:
        """Keep a breaker; whether who may be called can have changed."""
        before = self._breakers.get(name, CLOSED)
        if after is before:
            return False
        self._breakers[name] = after
        was_open = name in self._open
        if after.openings or after.told_until_s:
            self._open[name] = after
        else:
            self._open.pop(name, None)
        return was_open or name in self._open

    def _tell(self) -> None:
        for call in self._watchers:
            call()

    def found_down(self, model: str, now_s: float, *, for_s: float) -> None:
        """See :class:`~.store.Health`."""
        with self._lock:
            before = self._breakers.get(model, CLOSED)
            after = msgspec.structs.replace(
                before,
                openings=max(before.openings, 1),
                open_until_s=max(before.open_until_s, now_s + for_s),
                by=before.by if before.openings else "check",
            )
            self._put(model, after)

    def found_up(self, model: str) -> None:
        """See :class:`~.store.Health`."""
        self._reclose(model, "check")

    def own(self, now_s: float) -> dict[str, Opened]:
        """What this process itself knows to be out."""
        with self._lock:
            found = {
                name: Opened(
                    open_s=max(0.0, breaker.open_until_s - now_s) if breaker.openings else 0.0,
                    told_s=max(0.0, breaker.told_until_s - now_s),
                )
                for name, breaker in self._open.items()
                if breaker.by != "others"
            }
        return {name: opened for name, opened in found.items() if opened.open_s or opened.told_s}

    def is_closed(self, model: str) -> bool:
        """Whether only what a provider said can stand in the way of a call."""
        return not self._breakers.get(model, CLOSED).openings

    def hear(self, model: str, opened: Opened, now_s: float, *, age_s: float, grace_s: float) -> bool:
        """Another replica found it out ``age_s`` ago; whether that is taken over. Who found it out too, or was answered
        by it since then, knows better; nobody knows better than the provider. ``grace_s`` more are left to the other
        one to find out first that it is back."""
        with self._lock:
            before, seen = self._breakers.get(model, CLOSED), self._seen.get(model)
            is_known = before.by != "others" and bool(before.openings or before.told_until_s > now_s)
            is_better = is_known or (seen is not None and seen.newest_s > now_s - age_s)
            told_until_s = max(before.told_until_s, now_s + opened.told_s if opened.told_s else 0.0)
            after = msgspec.structs.replace(before, told_until_s=told_until_s, by=before.by if is_known else "others")
            if opened.open_s and not is_better:
                open_until_s = max(before.open_until_s, now_s + opened.open_s + grace_s)
                after = msgspec.structs.replace(after, openings=max(before.openings, 1), open_until_s=open_until_s)
            elif told_until_s == before.told_until_s:
                return False
            self._put(model, after)
            return True

    def unhear(self, model: str) -> None:
        """The other replicas say no more that it is out."""
        self._reclose(model, "others")

    def _reclose(self, model: str, by: Source) -> None:
        with self._lock:
            breaker = self._open.get(model)
            if breaker is None or breaker.by != by:
                return
            up = Breaker(
                calls=breaker.calls, error_share=breaker.error_share, told_until_s=breaker.told_until_s, by=breaker.by
            )
            self._put(model, up)
        self._tell()

    def unhealthy(self, now_s: float) -> frozenset[str]:
        """See :class:`~.store.Health`."""
        return frozenset(self.blocked(now_s)) if self._open else frozenset()

    def state(self, model: str, now_s: float) -> BreakerState:
        """The state of one deployment's breaker."""
        return self._breakers.get(model, CLOSED).state(now_s)

    def error_share(self, model: str) -> float:
        """The smoothed share of calls that failed, 0..1."""
        return self._breakers.get(model, CLOSED).error_share

    def view(self, now_s: float) -> HealthView:
        """See :class:`~.store.Health`."""
        age_s = now_s - self._checked_s
        if (self._stale and (self._is_news or not 0.0 < age_s < _VIEW_S)) or age_s > self._window_s / 10:
            with self._lock:
                old = [name for name, seen in self._seen.items() if now_s - seen.newest_s >= self._window_s]
                for name in old:
                    del self._seen[name]
                self._view = self._changed_view({*self._stale, *old})
                self._stale, self._checked_s, self._is_news = set(), now_s, False
        return self._view

    def _changed_view(self, names: set[str]) -> HealthView:
        view = self._view
        latency, tail, ttft = dict(view.latency_ms), dict(view.tail_ms), dict(view.ttft_tail_ms)
        for name in names:
            seen = self._seen.get(name)
            for into, value in (
                (latency, seen.latency_ms if seen else None),
                (tail, seen.times.tail if seen else None),
                (ttft, seen.ttfts.tail if seen else None),
            ):
                if value is None:
                    into.pop(name, None)
                else:
                    into[name] = value
        return HealthView(latency_ms=latency, tail_ms=tail, ttft_tail_ms=ttft)

    def _measure(self, name: str, attempt: Attempt, now_s: float) -> None:
        seen = self._seen.get(name)
        if seen is None:
            seen = self._seen[name] = _Seen()
        took = attempt.latency_ms
        before = seen.latency_ms
        seen.latency_ms = took if before is None else before + self._smoothing * (took - before)
        seen.times.add(took)
        if attempt.ttft_ms is not None:
            seen.ttfts.add(attempt.ttft_ms)
        seen.newest_s = now_s
        self._stale.add(name)
        self._is_news = self._is_news or not seen.times.is_full


_NOBODY: Mapping[str, Blocked] = {}
