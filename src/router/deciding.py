"""Request -> Decision: observe, judge, candidates, choose. Pure, given the snapshot of state that it is taken with.

It is written once, as a generator that asks for slow signals, and two small drivers (one blocking, one async) fetch
them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator, Mapping

from .errors import BudgetExceeded
from .policy.compile import CompiledPolicy
from .policy.judge import judge
from .selection.candidates import Fleet, candidates
from .selection.choose import choose
from .selection.named import Named
from .signals.recent import RecentSignals
from .state.accounting import Accounting, who_asks
from .state.budget import Allowance
from .state.learning import VerdictLearner
from .state.limits import Who
from .state.sessions import MemorySessions, conversation_key
from .state.store import Health
from .telemetry import DETECTOR_FAILED, log
from .types import (
    Decision,
    Detector,
    Need,
    PolicyRef,
    Request,
    SignalName,
    Signals,
    Snapshot,
    Verdict,
    slow_of,
)

__all__ = ["UNLIMITED", "Decider", "is_limited", "note_failure"]

UNLIMITED = Allowance()
_Deciding = Generator[tuple[Signals, tuple[SignalName, ...]], None, Decision]


class Decider:
    """Everything that a decision needs, assembled once and never changed.

    ``policies`` by name; ``detectors`` by the signal they provide; ``health`` of the deployments; ``clock`` gives Unix
    seconds, ``clock_s`` those of the monotonic clock that requests are timed by, ``new_id`` a fresh decision id.
    ``sessions`` remembers where conversations are warm, None forgets. ``learner`` moves the estimated quality of models
    by users' verdicts, None leaves it. ``recent`` remembers the signals of the latest requests, None reads each one.
    """

    def __init__(
        self,
        *,
        policies: Mapping[str, CompiledPolicy],
        default_policy: str,
        detectors: Mapping[SignalName, Detector],
        fleet: Fleet,
        accounting: Accounting,
        health: Health,
        clock: Callable[[], float],
        clock_s: Callable[[], float],
        new_id: Callable[[], str],
        config_hash: str = "",
        sessions: MemorySessions | None = None,
        learner: VerdictLearner | None = None,
        recent: RecentSignals | None = None,
    ) -> None:
        self.policies, self.default_policy = policies, default_policy
        self.detectors, self.fleet = detectors, fleet
        self.budgets, self.health = accounting.budgets, health
        self.clock_s, self.learner = clock_s, learner
        self.slow, self._recent = slow_of(detectors), recent
        self._config_hash = config_hash
        self._clock, self._new_id, self._sessions = clock, new_id, sessions
        self._named = Named(policies, default_policy, fleet)
        self.policy_for = self._named.policy_for

    def snapshot(self, request: Request) -> Snapshot:
        """The state that this request's decision will depend on. Blocks where budgets must be read from a store."""
        now_s = self._clock()
        if not self.budgets.limits:
            return self._snapshot(request, now_s, UNLIMITED)
        return self._snapshot(request, now_s, self.budgets.allowance_now(self._who(request), now_s))

    async def asnapshot(self, request: Request, *, is_fresh: bool = False) -> Snapshot:
        """As :meth:`snapshot`, without blocking. ``is_fresh``: what budgets leave is asked for again."""
        now_s = self._clock()
        if not self.budgets.limits:
            return self._snapshot(request, now_s, UNLIMITED)
        left = await self.budgets.allowance(self._who(request), now_s, is_fresh=is_fresh)
        return self._snapshot(request, now_s, left)

    def observe(self, request: Request) -> Signals:
        """The request's signals, none computed yet."""
        return Signals(request, self.detectors, on_error=note_failure, slow=self.slow)

    def measured(self, request: Request) -> tuple[Signals, dict[SignalName, float]]:
        """All signals, and the microseconds of processor time of this thread that each one added."""
        signals, costs = self.observe(request), {}
        for name in self.detectors:
            started_ns = time.thread_time_ns()
            signals.fetch((name,))
            costs[name] = (time.thread_time_ns() - started_ns) / 1000.0
        return signals, costs

    def decide(self, request: Request, *, snapshot: Snapshot | None = None, all_signals: bool = False) -> Decision:
        """Decide, fetching slow signals in this thread. ``all_signals`` computes also those nobody asked for.

        Raises:
            RequestError, NoCandidate, BudgetExceeded, DeadlineInfeasible: see :mod:`router.errors`.
        """
        deciding = self._deciding(request, snapshot or self.snapshot(request), all_signals)
        try:
            while True:
                signals, names = next(deciding)
                signals.fetch(names)
        except StopIteration as done:
            decision: Decision = done.value
            return decision

    async def adecide(self, request: Request, *, snapshot: Snapshot | None = None) -> Decision:
        """As :meth:`decide`; slow signals are fetched in a worker thread."""
        deciding = self._deciding(request, snapshot or await self.asnapshot(request), False)
        try:
            while True:
                signals, names = next(deciding)
                await asyncio.to_thread(signals.fetch, names)
        except StopIteration as done:
            decision: Decision = done.value
            return decision

    def _deciding(self, request: Request, snapshot: Snapshot, all_signals: bool) -> _Deciding:
        policy = self.policy_for(request)
        self._named.check_model(request.model)
        recent, signals = self._recent, self.observe(request)
        key = recent.recall(signals) if recent is not None else None
        if signals.late("task"):  # other detectors read it, so it comes first
            yield signals, ("task",)
        verdict = judge(policy, signals, request)
        while isinstance(verdict, Need):
            yield signals, verdict.signals
            verdict = judge(policy, signals, request)
        wanted = signals.names if all_signals else _needed(verdict)
        missing = signals.missing(wanted)
        if missing:
            yield signals, missing
        for name in wanted:
            signals.get(name)
        found = candidates(request, signals, verdict, self.fleet, snapshot)
        named = PolicyRef(name=policy.name, hash=policy.hash)
        try:
            return choose(request, signals, verdict, found, self.fleet, named, snapshot)
        except BudgetExceeded as error:
            if not is_limited(snapshot):
                raise
            raise self.budgets.refusal(self._who(request), error, snapshot.now_s) from None
        finally:
            if recent is not None:
                recent.keep(key, signals)

    def _who(self, request: Request) -> Who:
        return who_asks(request, self.policy_for(request).name)

    def _snapshot(self, request: Request, now_s: float, left: Allowance) -> Snapshot:
        clock_s, health = self.clock_s(), self.health
        seen = health.view(clock_s)
        return Snapshot(
            id=self._new_id(),
            now_s=now_s,
            models=self.fleet.hash,
            config=self._config_hash,
            left_usd=left.left_usd,
            unhealthy=frozenset(health.blocked(clock_s)),
            latency_ms=seen.latency_ms,
            tail_ms=seen.tail_ms,
            ttft_tail_ms=seen.ttft_tail_ms,
            warm={} if self._sessions is None else self._sessions.warm(conversation_key(request), clock_s),
            model_left_usd=left.model_left_usd,
            soft_limits=left.used_up,
            quality_shift={} if self.learner is None else self.learner.shifts,
        )


def is_limited(snapshot: Snapshot) -> bool:
    """Whether a window's hard limit of money binds the request, and not only what it allows itself."""
    return snapshot.left_usd is not None or bool(snapshot.model_left_usd)


def _needed(verdict: Verdict) -> tuple[SignalName, ...]:
    if verdict.refuse is not None:
        return ("task",)
    needed: tuple[SignalName, ...] = ("task", "tokens") if "local" in verdict.forbid else ("task", "tokens", "local")
    grades = verdict.escalate is not None and "contract" in verdict.escalate.on
    if grades:
        needed = (*needed, "contract")
    # What is to be masked is found by this signal, whether or not a rule reads it.
    return (*needed, "safety") if verdict.redact else needed


def note_failure(detector: Detector, error: Exception) -> None:
    """Log that a detector failed, without the text that it failed on."""
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    place = f"{where.tb_frame.f_code.co_name}:{where.tb_lineno}" if where is not None else ""
    # The message of an unforeseen error may quote the prompt: its type and place must do.
    log.error("%s: %s, %s in %s", DETECTOR_FAILED, "/".join(detector.provides), type(error).__name__, place)
