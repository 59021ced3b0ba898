"""The way of a request: snapshot, observe, judge, candidates, choose, reserve, run, settle, record.

Deciding is pure given the Snapshot; it is written once, as a generator that asks for slow signals, and two small
drivers (one blocking, one async) fetch them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .backends.flywheel import Flywheel
from .backends.mirror import Mirror
from .backends.run import Dispatcher
from .backends.stream import CachedRun, SettledStream
from .errors import BudgetExceeded, RouterError, StateUnavailable
from .policy.compile import CompiledPolicy
from .policy.judge import judge
from .selection.candidates import Fleet, candidates
from .selection.choose import choose
from .selection.named import Named
from .signals.recent import RecentSignals
from .state.accounting import Accounting, Entry, OnRecord, who_asks
from .state.budget import Allowance, Rate
from .state.cache import AnswerCache
from .state.learning import VerdictLearner
from .state.lifecycle import Lifecycle
from .state.limits import Who
from .state.refusals import Refusals
from .state.sessions import MemorySessions, conversation_key
from .state.store import Health
from .state.watch import Watch
from .telemetry import DETECTOR_FAILED, log
from .types import (
    Decision,
    Detector,
    Message,
    Need,
    Outcome,
    PolicyRef,
    Request,
    Role,
    SignalName,
    Signals,
    Snapshot,
    Timing,
    Verdict,
    slow_of,
)

if TYPE_CHECKING:
    from .backends.probing import Prober
    from .state.shared_health import SharedHealth

__all__ = ["Engine", "note_failure"]

_UNLIMITED = Allowance()
_REHEARSED: tuple[tuple[tuple[Role, str], ...], ...] = (
    (
        ("system", "Is the message spam or ham? Answer with one word, without an explanation."),
        ("user", "You WON 1000 pounds, call 09061701461 or write to win@example.com. My name is Ann, 5 Main Street."),
    ),
    (("user", "Context: The mill was built in 1904.\n\nQuestion: How many years ago was it built, if this is 1950?"),),
)
_Deciding = Generator[tuple[Signals, tuple[SignalName, ...]], None, Decision]


class Engine:
    """Everything that a request needs, assembled once and never changed; a reload builds another one.

    ``policies`` by name; ``detectors`` by the signal they provide; ``clock`` gives Unix seconds, ``new_id`` a fresh
    decision id. ``sessions`` remembers where conversations are warm, None forgets. ``mirror`` is the deployment that
    gets copies of all that hosted models answer (None: only what a rule says), their share, and how many are out at
    once. ``cache`` gives answers again, None never.
    ``prober`` is what asks servers for their health, for who has the time to do so now and then; None: nobody does.
    ``shared_health`` tells other replicas of it, None: it stays in this process.
    ``lifecycle`` knows which local models may answer, ``watch`` how they do; ``flywheel`` compares them with hosted
    ones, None never.
    ``learner`` moves the estimated quality of models by users' verdicts, None leaves it. ``recent`` remembers the
    signals of the latest requests, None reads each one.
    """

    def __init__(
        self,
        *,
        policies: Mapping[str, CompiledPolicy],
        default_policy: str,
        detectors: Mapping[SignalName, Detector],
        fleet: Fleet,
        dispatcher: Dispatcher,
        accounting: Accounting,
        lifecycle: Lifecycle,
        watch: Watch,
        cache: AnswerCache | None = None,
        clock: Callable[[], float],
        new_id: Callable[[], str],
        config_hash: str = "",
        sessions: MemorySessions | None = None,
        mirror: tuple[str | None, float, int] = (None, 0.0, 8),
        flywheel: Flywheel | None = None,
        learner: VerdictLearner | None = None,
        recent: RecentSignals | None = None,
    ) -> None:
        self.policies, self.default_policy = policies, default_policy
        self.detectors, self.fleet, self.dispatcher = detectors, fleet, dispatcher
        self._slow = slow_of(detectors)
        # Seconds of the monotonic clock that requests are timed by.
        self.clock_s: Callable[[], float] = dispatcher.clock_s
        self.accounting, self.cache = accounting, cache
        self.budgets, self.ledger = accounting.budgets, accounting.ledger
        self.prober: Prober | None = None
        self.shared_health: SharedHealth | None = None
        self.learner, self._recent = learner, recent
        self._config_hash = config_hash
        self._clock, self._new_id, self._sessions = clock, new_id, sessions
        self.lifecycle, self.watch, self.flywheel = lifecycle, watch, flywheel
        to, share, at_once = mirror
        self._mirror = Mirror(dispatcher, accounting, to=to, share=share, at_once=at_once)
        self.refusals = Refusals(accounting, dispatcher.clock_s)
        self._named = Named(policies, default_policy, fleet)
        self.policy_for = self._named.policy_for

    @property
    def health(self) -> Health:
        """What is known of the deployments' health; the dispatcher tells it of every attempt."""
        return self.dispatcher.health

    def snapshot(self, request: Request) -> Snapshot:
        """The state that this request's decision will depend on. Blocks where budgets must be read from a store."""
        now_s = self._clock()
        if not self.budgets.limits:
            return self._snapshot(request, now_s, _UNLIMITED)
        return self._snapshot(request, now_s, self.budgets.allowance_now(self._who(request), now_s))

    async def asnapshot(self, request: Request, *, is_fresh: bool = False) -> Snapshot:
        """As :meth:`snapshot`, without blocking. ``is_fresh``: what budgets leave is asked for again."""
        now_s = self._clock()
        if not self.budgets.limits:
            return self._snapshot(request, now_s, _UNLIMITED)
        left = await self.budgets.allowance(self._who(request), now_s, is_fresh=is_fresh)
        return self._snapshot(request, now_s, left)

    def rates(self, request: Request) -> list[Rate]:
        """What limits of requests and tokens leave whoever sends ``request``, as far as this process knows."""
        if not self.budgets.limits:
            return []
        return self.budgets.rates(self._who(request), self._clock())

    def observe(self, request: Request) -> Signals:
        """The request's signals, none computed yet."""
        return Signals(request, self.detectors, on_error=note_failure, slow=self._slow)

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

    async def admit(self, request: Request, *, started_s: float) -> Decision:
        """As :meth:`adecide`, for a request that is to be carried out.

        Raises:
            StateUnavailable: budgets cannot be read, and nothing may run without them.
            BudgetExceeded: what is left of a limit does not reach.
                Both are on the ledger, with the decision as it would be without limits.
        """
        now_s = self._clock()
        snapshot: Snapshot | None = None
        try:
            snapshot = (
                await self.asnapshot(request) if self.budgets.limits else self._snapshot(request, now_s, _UNLIMITED)
            )
            try:
                return await self.adecide(request, snapshot=snapshot)
            except BudgetExceeded:
                # Nobody is refused for what others may have given back since the accounts were looked at.
                if not _is_limited(snapshot):
                    raise
                snapshot = await self.asnapshot(request, is_fresh=True)
                return await self.adecide(request, snapshot=snapshot)
        except (StateUnavailable, BudgetExceeded) as error:
            if (snapshot is None or _is_limited(snapshot)) and self.refusals.may_note(error):
                with suppress(RouterError):
                    decision = await self.adecide(request, snapshot=self._snapshot(request, now_s, _UNLIMITED))
                    self.refusals.record(request, decision, error, started_s)
            raise

    async def complete(
        self,
        request: Request,
        decision: Decision | None = None,
        *,
        started_s: float | None = None,
        on_record: OnRecord | None = None,
    ) -> tuple[Decision, Outcome]:
        """Decide (unless decided already), run, settle and record; ``on_record`` is told what the ledger is told.

        ``max_latency_ms`` counts from ``started_s`` (by :meth:`clock_s`), from now if that is not given: deciding is
        part of it.

        Raises:
            RouterError: as :meth:`decide`; ``NotConfigured``, ``UpstreamError`` or ``DeadlineExceeded`` when it cannot
                be carried out. What was spent until then is on the ledger.
        """
        started_s = self.clock_s() if started_s is None else started_s
        if self.cache is None:
            return await self._answer(request, decision, started_s, on_record)
        decision = decision or await self.admit(request, started_s=started_s)
        async with self.cache.turn(request, decision, started_s) as turn:
            if turn.found is not None:
                self.accounting.record(request, decision, turn.found, on_record)
                return decision, turn.found
            decision, outcome = await self._answer(request, decision, started_s, on_record)
            turn.keep(outcome)
        return decision, outcome

    async def _answer(
        self, request: Request, decision: Decision | None, started_s: float, on_record: OnRecord | None
    ) -> tuple[Decision, Outcome]:
        entry, timing = await self._open(request, decision, started_s)
        run = self.dispatcher.start(request, entry.running, started_s=started_s)
        try:
            outcome = await run.finish()
        finally:
            self._finish(request, entry, timing, run.outcome or Outcome(status="cancelled"), on_record)
        if run.failure is not None:
            raise run.failure
        return entry.decision, outcome

    async def stream(
        self,
        request: Request,
        decision: Decision | None = None,
        *,
        started_s: float | None = None,
        on_record: OnRecord | None = None,
    ) -> SettledStream:
        """Decide and open the stream; its books are settled when it ends or is closed. The rest as above.

        Raises:
            RouterError: as :meth:`complete`, for everything that fails before the first chunk.
        """
        started_s = self.clock_s() if started_s is None else started_s
        if self.cache is not None:
            # A stream may be served from the cache; it fills none, for its answer is never held as a whole.
            decision = decision or await self.admit(request, started_s=started_s)
            found = await self.cache.find(request, decision, started_s)
            if found is not None:
                decided = decision
                return SettledStream(
                    decided,
                    CachedRun(found, request),
                    lambda outcome: self.accounting.record(request, decided, outcome, on_record),
                )
        entry, timing = await self._open(request, decision, started_s)
        run = self.dispatcher.stream(request, entry.running, started_s=started_s)
        is_compared = self.flywheel is not None and self.flywheel.wants_stream(entry.decision)
        gathered: list[Mapping[str, Any]] | None = [] if is_compared else None

        def settle(outcome: Outcome) -> None:
            self._finish(request, entry, timing, outcome, on_record, gathered)

        return SettledStream(entry.decision, run, settle, gathered)

    async def warm(self) -> None:
        """Load now what the first requests would have to load; what cannot be loaded is logged."""
        await asyncio.gather(self.dispatcher.warm(), asyncio.to_thread(self._rehearse))

    def _rehearse(self) -> None:
        """Read requests of several kinds, so that patterns are compiled and models of slow detectors are loaded."""
        for turns in _REHEARSED:
            request = Request(messages=tuple(Message(role=role, text=text) for role, text in turns))
            self.observe(request).fetch(self.detectors)

    async def aclose(self) -> None:
        """Close connections, write out the ledger and what is still to be settled."""
        if self.prober is not None:
            self.prober.close()
        await self.retire()
        if self.shared_health is not None:
            await asyncio.to_thread(self.shared_health.close)
        await asyncio.to_thread(self.ledger.close)
        await asyncio.to_thread(self.budgets.close)
        if self.cache is not None:
            self.cache.close()

    async def retire(self) -> None:
        """Close what is this engine's own; the books, the ledger and the cache may go on in another one."""
        await self._mirror.aclose()
        if self.flywheel is not None:
            await self.flywheel.aclose()
        await self.dispatcher.aclose()

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
            if not _is_limited(snapshot):
                raise
            raise self.budgets.refusal(self._who(request), error, snapshot.now_s) from None
        finally:
            if recent is not None:
                recent.keep(key, signals)

    async def _open(self, request: Request, decision: Decision | None, started_s: float) -> tuple[Entry, Timing]:
        decision = decision or await self.admit(request, started_s=started_s)
        self.ledger.check()
        decided_s = self.clock_s()
        try:
            self._named.check_configured(decision)
            entry = await self.accounting.open(request, decision, lambda: self._decide_again(request))
        except (RouterError, asyncio.CancelledError) as error:
            self.refusals.note(request, decision, error, started_s)
            raise
        timing = Timing(decide=(decided_s - started_s) * 1000.0, reserve=(self.clock_s() - decided_s) * 1000.0)
        return entry, timing

    async def _decide_again(self, request: Request) -> Decision:
        decision = await self.adecide(request)
        self._named.check_configured(decision)
        return decision

    def _finish(
        self,
        request: Request,
        entry: Entry,
        timing: Timing,
        outcome: Outcome,
        on_record: OnRecord | None,
        chunks: list[Mapping[str, Any]] | None = None,
    ) -> None:
        """Settle, and do what follows an answer: remember where it is warm, copy it to the shadow, compare it."""
        timing = Timing(decide=timing.decide, reserve=timing.reserve, ttft=outcome.ttft_ms, total=outcome.latency_ms)
        self.accounting.close(request, entry, outcome, timing, on_record)
        decision = entry.decision
        if self.flywheel is not None:
            self.flywheel.offer(request, decision, outcome, chunks)
        self._mirror.offer(request, decision, outcome)
        if outcome.status != "answered" or decision.target.kind != "llm" or outcome.model is None:
            return
        if self._sessions is not None:
            expected = decision.snapshot.warm.get(outcome.model, 0) if decision.snapshot is not None else 0
            self._sessions.answered(
                conversation_key(request), outcome.model, outcome.usage, self.clock_s(), expected=expected
            )

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


def _is_limited(snapshot: Snapshot) -> bool:
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
