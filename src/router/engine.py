"""The way of a request: decide (snapshot, observe, judge, candidates, choose), reserve, run, settle, record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from .backends.flywheel import Flywheel
from .backends.mirror import Mirror
from .backends.run import Dispatcher
from .backends.stream import CachedRun, SettledStream
from .deciding import UNLIMITED, Decider, is_limited
from .errors import BudgetExceeded, RouterError, StateUnavailable
from .policy.compile import CompiledPolicy
from .selection.candidates import Fleet
from .signals.recent import RecentSignals
from .state.accounting import Accounting, Entry, OnRecord
from .state.budget import Rate
from .state.cache import AnswerCache
from .state.learning import VerdictLearner
from .state.lifecycle import Lifecycle
from .state.refusals import Refusals
from .state.sessions import LEAST_TOKENS, MemorySessions, conversation_key
from .state.watch import Watch
from .types import (
    Decision,
    Detector,
    Message,
    Outcome,
    Request,
    Role,
    SignalName,
    Snapshot,
    Timing,
)

if TYPE_CHECKING:
    from .backends.probing import Prober
    from .state.shared_health import SharedHealth

__all__ = ["Engine"]

_REHEARSED: tuple[tuple[tuple[Role, str], ...], ...] = (
    (
        ("system", "Is the message spam or ham? Answer with one word, without an explanation."),
        ("user", "You WON 1000 pounds, call 09061701461 or write to win@example.com. My name is Ann, 5 Main Street."),
    ),
    (("user", "Context: The mill was built in 1904.\n\nQuestion: How many years ago was it built, if this is 1950?"),),
)


class Engine(Decider):
    """Everything that a request needs, assembled once and never changed; a reload builds another one.

    Beside what a :class:`Decider` needs: ``mirror`` is the deployment that gets copies of all that hosted models answer
    (None: only what a rule says), their share, and how many are out at once. ``cache`` gives answers again, None never.
    ``prober`` is what asks servers for their health, for who has the time to do so now and then; None: nobody does.
    ``shared_health`` tells other replicas of it, None: it stays in this process.
    ``lifecycle`` knows which local models may answer, ``watch`` how they do; ``flywheel`` compares them with hosted
    ones, None never.
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
        super().__init__(
            policies=policies,
            default_policy=default_policy,
            detectors=detectors,
            fleet=fleet,
            accounting=accounting,
            health=dispatcher.health,
            clock=clock,
            clock_s=dispatcher.clock_s,
            new_id=new_id,
            config_hash=config_hash,
            sessions=sessions,
            learner=learner,
            recent=recent,
        )
        self.dispatcher, self.accounting, self.cache = dispatcher, accounting, cache
        self.ledger = accounting.ledger
        self.prober: Prober | None = None
        self.shared_health: SharedHealth | None = None
        self.lifecycle, self.watch, self.flywheel = lifecycle, watch, flywheel
        to, share, at_once = mirror
        self._mirror = Mirror(dispatcher, accounting, to=to, share=share, at_once=at_once)
        self.refusals = Refusals(accounting, dispatcher.clock_s)

    def rates(self, request: Request) -> list[Rate]:
        """What limits of requests and tokens leave whoever sends ``request``, as far as this process knows."""
        if not self.budgets.limits:
            return []
        return self.budgets.rates(self._who(request), self._clock())

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
                await self.asnapshot(request) if self.budgets.limits else self._snapshot(request, now_s, UNLIMITED)
            )
            try:
                return await self.adecide(request, snapshot=snapshot)
            except BudgetExceeded:
                # Nobody is refused for what others may have given back since the accounts were looked at.
                if not is_limited(snapshot):
                    raise
                snapshot = await self.asnapshot(request, is_fresh=True)
                return await self.adecide(request, snapshot=snapshot)
        except (StateUnavailable, BudgetExceeded) as error:
            if (snapshot is None or is_limited(snapshot)) and self.refusals.may_note(error):
                with suppress(RouterError):
                    decision = await self.adecide(request, snapshot=self._snapshot(request, now_s, UNLIMITED))
                    self.refusals.record(request, decision, error, started_s)
            raise

    def complete(
        self,
        request: Request,
        decision: Decision | None = None,
        *,
        started_s: float | None = None,
        on_record: OnRecord | None = None,
    ) -> Coroutine[Any, Any, tuple[Decision, Outcome]]:
        """Decide (unless decided already), run, settle and record; ``on_record`` is told what the ledger is told.

        ``max_latency_ms`` counts from ``started_s`` (by :meth:`clock_s`), from now if that is not given: deciding is
        part of it.

        Raises:
            RouterError: as :meth:`decide`; ``NotConfigured``, ``UpstreamError`` or ``DeadlineExceeded`` when it cannot
                be carried out. What was spent until then is on the ledger.
        """
        started_s = self.clock_s() if started_s is None else started_s
        if self.cache is None:
            return self._answer(request, decision, started_s, on_record)
        return self._answer_by(self.cache, request, decision, started_s, on_record)

    async def _answer_by(
        self,
        cache: AnswerCache,
        request: Request,
        decision: Decision | None,
        started_s: float,
        on_record: OnRecord | None,
    ) -> tuple[Decision, Outcome]:
        decision = decision or await self.admit(request, started_s=started_s)
        async with cache.turn(request, decision, started_s) as turn:
            if turn.found is not None:
                self.accounting.record(request, decision, turn.found, on_record)
                return decision, turn.found
            decision, outcome = await self._answer(request, decision, started_s, on_record)
            turn.keep(outcome)
        return decision, outcome

    async def _answer(
        self, request: Request, decision: Decision | None, started_s: float, on_record: OnRecord | None
    ) -> tuple[Decision, Outcome]:
        entry, took_ms = await self._open(request, decision, started_s)
        run = self.dispatcher.start(request, entry.running, started_s=started_s)
        try:
            outcome = await run.finish()
        finally:
            self._finish(request, entry, took_ms, run.outcome or Outcome(status="cancelled"), on_record)
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
        entry, took_ms = await self._open(request, decision, started_s)
        run = self.dispatcher.stream(request, entry.running, started_s=started_s)
        is_compared = self.flywheel is not None and self.flywheel.wants_stream(entry.decision)
        gathered: list[Mapping[str, Any]] | None = [] if is_compared else None

        def settle(outcome: Outcome) -> None:
            self._finish(request, entry, took_ms, outcome, on_record, gathered)

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

    async def _open(
        self, request: Request, decision: Decision | None, started_s: float
    ) -> tuple[Entry, tuple[float, float]]:
        """What may run, and how many milliseconds it took to decide and to reserve."""
        decision = decision or await self.admit(request, started_s=started_s)
        accounting, decided_s = self.accounting, self.clock_s()
        accounting.ledger.check()
        try:
            self._named.check_configured(decision)
            if accounting.budgets.limits:
                entry = await accounting.open(request, decision, partial(self._decide_again, request))
            else:
                entry = accounting.open_unlimited(request, decision)
        except (RouterError, asyncio.CancelledError) as error:
            self.refusals.note(request, decision, error, started_s)
            raise
        return entry, ((decided_s - started_s) * 1000.0, (self.clock_s() - decided_s) * 1000.0)

    async def _decide_again(self, request: Request) -> Decision:
        decision = await self.adecide(request)
        self._named.check_configured(decision)
        return decision

    def _finish(
        self,
        request: Request,
        entry: Entry,
        took_ms: tuple[float, float],
        outcome: Outcome,
        on_record: OnRecord | None,
        chunks: list[Mapping[str, Any]] | None = None,
    ) -> None:
        """Settle, and do what follows an answer: remember where it is warm, copy it to the shadow, compare it."""
        timing = Timing(decide=took_ms[0], reserve=took_ms[1], ttft=outcome.ttft_ms, total=outcome.latency_ms)
        self.accounting.close(request, entry, outcome, timing, on_record)
        decision = entry.decision
        if self.flywheel is not None:
            self.flywheel.offer(request, decision, outcome, chunks)
        self._mirror.offer(request, decision, outcome)
        if outcome.status != "answered" or decision.target.kind != "llm" or outcome.model is None:
            return
        if self._sessions is not None and outcome.usage.input >= LEAST_TOKENS:
            expected = decision.snapshot.warm.get(outcome.model, 0) if decision.snapshot is not None else 0
            self._sessions.answered(
                conversation_key(request), outcome.model, outcome.usage, self.clock_s(), expected=expected
            )
