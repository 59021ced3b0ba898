"""The way of a request: snapshot, observe, judge, candidates, choose, reserve, run, settle, record.

Deciding is pure given the Snapshot; it is written once, as a generator that asks for slow signals, and two small
drivers (one blocking, one async) fetch them.
"""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Mapping
from typing import Any

from .backends.mirror import Mirror
from .backends.run import Dispatcher, StreamRun
from .errors import NotConfigured, RequestError, UnknownModel
from .policy.compile import CompiledPolicy
from .policy.judge import judge
from .selection.candidates import Fleet, candidates, is_auto
from .selection.choose import choose
from .selection.redecide import facts_of
from .state.sessions import MemorySessions, conversation_key
from .state.store import Budgets, Health, Ledger
from .telemetry import DETECTOR_FAILED, log
from .types import Decision, Detector, Need, Outcome, PolicyRef, Record, Request, SignalName, Signals, Snapshot, Verdict

__all__ = ["Engine", "EngineStream", "note_failure"]

OnRecord = Callable[[Record], None]
_Deciding = Generator[tuple[Signals, tuple[SignalName, ...]], None, Decision]


class Engine:
    """Everything that a request needs, assembled once and never changed; a reload builds another one.

    ``policies`` by name; ``detectors`` by the signal they provide; ``clock`` gives Unix seconds, ``new_id`` a fresh
    decision id. ``sessions`` remembers where conversations are warm, None forgets. ``mirror`` is the deployment that
    gets copies, the share of requests that are copied, and how many at once.
    """

    def __init__(
        self,
        *,
        policies: Mapping[str, CompiledPolicy],
        default_policy: str,
        detectors: Mapping[SignalName, Detector],
        fleet: Fleet,
        dispatcher: Dispatcher,
        budgets: Budgets,
        ledger: Ledger,
        clock: Callable[[], float],
        new_id: Callable[[], str],
        config_hash: str = "",
        sessions: MemorySessions | None = None,
        mirror: tuple[str, float, int] | None = None,
    ) -> None:
        self.policies, self.default_policy = policies, default_policy
        self.detectors, self.fleet, self.dispatcher = detectors, fleet, dispatcher
        self.budgets, self.ledger = budgets, ledger
        self._config_hash = config_hash
        self._clock, self._new_id, self._sessions = clock, new_id, sessions
        self._mirror: Mirror | None = None
        if mirror is not None:
            to, share, at_once = mirror
            self._mirror = Mirror(
                dispatcher, to=to, share=share, at_once=at_once, reserve=self._reserve, settle=self._settle
            )
        self._models = frozenset({*fleet.deployments, *fleet.local, *(d.model for d in fleet.deployments.values())})

    @property
    def health(self) -> Health:
        """What is known of the deployments' health; the dispatcher tells it of every attempt."""
        return self.dispatcher.health

    def snapshot(self, request: Request) -> Snapshot:
        """The state that this request's decision will depend on."""
        now_s = self._clock()
        clock_s = self.clock_s()
        health = self.health.view(clock_s)
        return Snapshot(
            id=self._new_id(),
            now_s=now_s,
            models=self.fleet.hash,
            config=self._config_hash,
            left_usd=self.budgets.left_usd(request.hints.tenant, now_s),
            unhealthy=frozenset(self.health.blocked(clock_s)),
            latency_ms=health.latency_ms,
            tail_ms=health.tail_ms,
            ttft_tail_ms=health.ttft_tail_ms,
            warm={} if self._sessions is None else self._sessions.warm(conversation_key(request), clock_s),
        )

    def observe(self, request: Request) -> Signals:
        """The request's signals, none computed yet."""
        return Signals(request, self.detectors, on_error=note_failure)

    def policy_for(self, request: Request) -> CompiledPolicy:
        """The policy that the request names (hint, or ``model: router/<policy>``), else the default.

        Raises:
            UnknownModel: no such policy is loaded.
            RequestError: hint and model name different policies.
        """
        named = request.model.removeprefix("router/") if request.model.startswith("router/") else None
        hinted = request.hints.policy
        if named and hinted and named != hinted:
            raise RequestError(
                f"model says policy {named!r}, the hint says {hinted!r}.", param="policy", hint="Name one of them."
            )
        name = hinted or named or self.default_policy
        policy = self.policies.get(name)
        if policy is None:
            raise UnknownModel(
                f"unknown policy {name!r}.", param="model", hint=_did_you_mean(name, self.policies, "Policies")
            )
        return policy

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
        deciding = self._deciding(request, snapshot or self.snapshot(request), False)
        try:
            while True:
                signals, names = next(deciding)
                await asyncio.to_thread(signals.fetch, names)
        except StopIteration as done:
            decision: Decision = done.value
            return decision

    def clock_s(self) -> float:
        """Seconds of the monotonic clock that requests are timed by."""
        return self.dispatcher.clock_s()

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
        decision = decision or await self.adecide(request)
        self._reserve(request, decision)
        run = self.dispatcher.start(request, decision, started_s=started_s)
        try:
            outcome = await run.finish()
        finally:
            self._finish(request, decision, run.outcome or Outcome(status="cancelled"), on_record)
        if run.failure is not None:
            raise run.failure
        return decision, outcome

    async def stream(
        self,
        request: Request,
        decision: Decision | None = None,
        *,
        started_s: float | None = None,
        on_record: OnRecord | None = None,
    ) -> EngineStream:
        """Decide and open the stream; its books are settled when it ends or is closed. The rest as above.

        Raises:
            RouterError: as :meth:`complete`, for everything that fails before the first chunk.
        """
        started_s = self.clock_s() if started_s is None else started_s
        decision = decision or await self.adecide(request)
        self._reserve(request, decision)
        run = self.dispatcher.stream(request, decision, started_s=started_s)
        return EngineStream(decision, run, self._settler(request, decision, on_record))

    async def warm(self) -> None:
        """Load now what the first hosted call would have to load; what cannot be loaded is logged."""
        await self.dispatcher.warm()

    async def aclose(self) -> None:
        """Close connections and write out the ledger."""
        if self._mirror is not None:
            await self._mirror.aclose()
        await self.dispatcher.aclose()
        self.ledger.close()

    def _deciding(self, request: Request, snapshot: Snapshot, all_signals: bool) -> _Deciding:
        policy = self.policy_for(request)
        self._check_model(request.model)
        signals = self.observe(request)
        verdict = judge(policy, signals, request)
        while isinstance(verdict, Need):
            yield signals, verdict.signals
            verdict = judge(policy, signals, request)
        wanted = signals.names if all_signals else _needed(verdict)
        missing = signals.missing(wanted)
        if missing:
            yield signals, missing
        for name in wanted:
            signals[name]
        found = candidates(request, signals, verdict, self.fleet, snapshot)
        return choose(
            request, signals, verdict, found, self.fleet, PolicyRef(name=policy.name, hash=policy.hash), snapshot
        )

    def _check_model(self, model: str) -> None:
        if is_auto(model) or model in self._models:
            return
        raise UnknownModel(
            f"unknown model {model!r}.",
            param="model",
            hint=_did_you_mean(model, {"auto": None, **dict.fromkeys(self._models)}, "Models"),
        )

    def _reserve(self, request: Request, decision: Decision) -> None:
        target = decision.target
        if target.kind != "llm":
            return
        if not target.configured:
            deployment = self.fleet.deployments[target.model or ""]
            credential = f"Set {deployment.key_env}" if deployment.key_env else "Configure a provider"
            raise NotConfigured(
                f"the decision is {target.model}, but no hosted provider is configured here.",
                hint=f"{credential}, or point ROUTER_UPSTREAM at an OpenAI-compatible server.",
            )
        if decision.snapshot is None or decision.snapshot.left_usd is None:
            return
        allowed = {target.model, *decision.fallbacks}
        worst = max((c.estimate.worst_usd or 0.0 for c in decision.candidates if c.model in allowed), default=0.0)
        limit = decision.budget.max_usd
        self.budgets.reserve(
            decision.id, request.hints.tenant, worst if limit is None else min(worst, limit), self._clock()
        )

    def _settle(
        self, request: Request, decision: Decision, outcome: Outcome, on_record: OnRecord | None = None
    ) -> None:
        now_s = self._clock()
        usd = outcome.usd if outcome.usd is not None else (decision.estimate.worst_usd or 0.0)
        self.budgets.settle(decision.id, usd, now_s)
        record = Record(decision=decision, outcome=outcome, tenant=request.hints.tenant, asked=facts_of(request))
        self.ledger.append(record)
        if on_record is not None:
            on_record(record)

    def _finish(
        self, request: Request, decision: Decision, outcome: Outcome, on_record: OnRecord | None = None
    ) -> None:
        """Settle, and do what follows an answer: remember where it is warm, copy it to the shadow."""
        self._settle(request, decision, outcome, on_record)
        if outcome.status != "answered" or decision.target.kind != "llm" or outcome.model is None:
            return
        if self._sessions is not None:
            expected = decision.snapshot.warm.get(outcome.model, 0) if decision.snapshot is not None else 0
            self._sessions.answered(
                conversation_key(request), outcome.model, outcome.usage, self.clock_s(), expected=expected
            )
        if self._mirror is not None:
            self._mirror.offer(request, decision, outcome)

    def _settler(self, request: Request, decision: Decision, on_record: OnRecord | None) -> Callable[[Outcome], None]:
        def settle(outcome: Outcome) -> None:
            self._finish(request, decision, outcome, on_record)

        return settle


class EngineStream:
    """An async iterator of OpenAI ``chat.completion.chunk`` objects; closing it early stops the upstream.

    ``outcome`` is None until the stream ended or was closed.
    """

    def __init__(self, decision: Decision, run: StreamRun, settle: Callable[[Outcome], None]) -> None:
        self.decision = decision
        self.outcome: Outcome | None = None
        self._run, self._settle = run, settle
        self._chunks = self._iterate()

    def __aiter__(self) -> AsyncIterator[Mapping[str, Any]]:
        return self._chunks

    async def aclose(self) -> None:
        """Stop; what was used until now is counted."""
        await self._chunks.aclose()
        await self._finish()

    async def _iterate(self) -> AsyncGenerator[Mapping[str, Any], None]:
        try:
            async for chunk in self._run:
                yield chunk
        finally:
            await self._finish()

    async def _finish(self) -> None:
        if self.outcome is None:
            await self._run.aclose()
            self.outcome = self._run.outcome or Outcome(status="cancelled")
            self._settle(self.outcome)


def _needed(verdict: Verdict) -> tuple[SignalName, ...]:
    if verdict.refuse is not None:
        return ("task",)
    needed = ("task", "tokens") if "local" in verdict.forbid else ("task", "tokens", "local")
    grades = verdict.escalate is not None and "contract" in verdict.escalate.on
    return (*needed, "contract") if grades else needed


def note_failure(detector: Detector, error: Exception) -> None:
    """Log that a detector failed, without the text that it failed on."""
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    place = f"{where.tb_frame.f_code.co_name}:{where.tb_lineno}" if where is not None else ""
    # The message of an unforeseen error may quote the prompt: its type and place must do.
    log.error("%s: %s, %s in %s", DETECTOR_FAILED, "/".join(detector.provides), type(error).__name__, place)


def _did_you_mean(word: str, options: Mapping[str, Any], title: str) -> str:
    close = difflib.get_close_matches(word, list(options), n=1)
    guess = f"Did you mean {close[0]!r}? " if close else ""
    return f"{guess}{title}: {', '.join(sorted(options)[:40])}."
