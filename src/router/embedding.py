"""The way of an embedding request: judge, choose, reserve, call, settle, record.

There is no choice between models but by name: vectors of two models cannot be compared, so nothing falls back from one
to another. The policy's safety binds as it does elsewhere: what must stay in house, or would have to be masked, goes to
a deployment in house or nowhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from .backends.base import read_usage
from .backends.books import Books, typed_error
from .backends.embeddings import Embedder
from .catalogue import Deployment
from .engine import Engine
from .errors import (
    BudgetExceeded,
    NoCandidate,
    NotConfigured,
    RequestError,
    RouterError,
    UnknownModel,
    UpstreamError,
)
from .policy.judge import judge
from .selection.steps import Call
from .types import (
    Attempt,
    AttemptRole,
    Budget,
    Decision,
    Estimate,
    Need,
    Outcome,
    PolicyRef,
    Record,
    Target,
    TaskReading,
    Timing,
    Usage,
    Verdict,
)
from .units import format_usd
from .wire.embeddings import EmbeddingRequest

__all__ = ["Embeddings"]

_BYTES_A_TOKEN = 3
_USUAL_BYTES_A_TOKEN = 4
_TIMEOUT_S = 60.0
_TRIES = 2
_RETRY_S = 0.25
_PATIENCE_S = 1.0


class Embeddings:
    """Embeds over ``deployments``, with the policies, budgets and ledger of ``engine``."""

    def __init__(self, engine: Engine, deployments: Sequence[Deployment], embedder: Embedder) -> None:
        self._engine, self._embedder = engine, embedder
        self._deployments = tuple(deployments)

    async def decide(self, asked: EmbeddingRequest) -> Decision:
        """Who embeds.

        Raises:
            UnknownModel: no such model. NoCandidate: the policy lets nobody have it. NotConfigured: no credential here.
            RequestError: the policy refuses the text. BudgetExceeded: it would cost more than allowed.
        """
        engine, request = self._engine, asked.request
        deployment = self._named(asked.model)
        policy = engine.policy_for(request)
        verdict = Verdict()
        snapshot = await engine.asnapshot(request)
        if request.messages:
            signals = engine.observe(request)
            judged = judge(policy, signals, request)
            while isinstance(judged, Need):
                await asyncio.to_thread(signals.fetch, judged.signals)
                judged = judge(policy, signals, request)
            verdict = judged
        self._check_policy(asked, deployment, verdict)
        estimate = _estimate(asked, deployment)
        windows = (snapshot.left_usd, snapshot.model_left_usd.get(deployment.name))
        own = (request.hints.budget.max_usd, verdict.budget.max_usd)
        limits = [limit for limit in (*own, *windows) if limit is not None]
        if limits and (estimate.worst_usd is None or estimate.worst_usd > min(limits)):
            needed = "an unknown price" if estimate.worst_usd is None else format_usd(estimate.worst_usd)
            raise BudgetExceeded(
                f"embedding this needs {needed}, and {format_usd(min(limits))} is allowed.",
                needed_usd=estimate.worst_usd,
                hint="Raise max_usd, or send less.",
            )
        if not deployment.configured:
            raise NotConfigured(
                f"{deployment.name} has no credential here.",
                hint=f"Set {deployment.key_env}." if deployment.key_env else "Give it an api_base or a key_env.",
            )
        return Decision(
            id=snapshot.id,
            policy=PolicyRef(name=policy.name, hash=policy.hash),
            task=TaskReading(label="other", probability=0.0),
            target=Target(kind="llm", model=deployment.name),
            fallbacks=(),
            rules=tuple(fired.id for fired in verdict.rules),
            reason="An embedding was asked for; its model is named, not chosen.",
            estimate=estimate,
            candidates=(),
            signals={},
            verdict=verdict,
            budget=Budget(max_usd=min(limits, default=None), max_latency_ms=request.hints.budget.max_latency_ms),
            snapshot=snapshot,
        )

    async def embed(
        self, asked: EmbeddingRequest, decision: Decision, *, on_record: Callable[[Record], None]
    ) -> tuple[Mapping[str, Any], Outcome]:
        """Call, settle and record.

        Raises:
            UpstreamError: the provider failed. BudgetExceeded: a window's limit leaves too little.
        """
        engine = self._engine
        deployment = self._named(asked.model)
        worst = decision.estimate.worst_usd
        tokens = -(-asked.request.n_bytes // _BYTES_A_TOKEN)
        began_s = engine.clock_s()
        try:
            entry = await engine.accounting.open_named(asked.request, decision, worst or 0.0, tokens)
        except (RouterError, asyncio.CancelledError) as error:
            engine.refusals.note(asked.request, decision, error, began_s)
            raise
        attempts: list[Attempt] = []
        found: dict[str, Any] | None = None
        failure: UpstreamError | None = None
        limit_ms = decision.budget.max_latency_ms
        try:
            while found is None and len(attempts) < _TRIES:
                elapsed_ms = (engine.clock_s() - began_s) * 1000.0
                left_s = _TIMEOUT_S if limit_ms is None else (limit_ms - elapsed_ms) / 1000.0
                if left_s <= 0:
                    break
                books = self._books(asked, deployment, left_s, began_s, attempts)
                books.sent(None)
                try:
                    found = await self._embedder.embed(deployment, asked.body, timeout_s=left_s)
                except asyncio.CancelledError:
                    books.cancelled()
                    raise
                except Exception as error:  # noqa: BLE001 whatever it is, the books are kept
                    failure = typed_error(error, deployment.name)
                    books.failed(failure)
                    wait_s = max(_RETRY_S, failure.retry_after_s or 0.0)
                    if not (failure.retryable and wait_s <= min(_PATIENCE_S, left_s) and _can_pay(decision, attempts)):
                        break
                    if len(attempts) < _TRIES:
                        await asyncio.sleep(wait_s)
                else:
                    books.answered(read_usage(found.get("usage")) or books.counted())
        finally:
            outcome = _outcome(deployment, attempts, (engine.clock_s() - began_s) * 1000.0)
            engine.accounting.close(asked.request, entry, outcome, Timing(total=outcome.latency_ms), on_record)
        if found is None:
            raise failure or UpstreamError(f"{deployment.name}: no time was left.", kind="timeout")
        return found, outcome

    def _books(
        self, asked: EmbeddingRequest, deployment: Deployment, left_s: float, began_s: float, attempts: list[Attempt]
    ) -> Books:
        """Books of one call, which end among ``attempts``."""
        timeout_ms, clock_s = left_s * 1000.0, self._engine.clock_s
        role: AttemptRole = "retry" if attempts else "first"
        return Books(
            Call(model=deployment.name, kind="llm", timeout_ms=timeout_ms, ttft_ms=timeout_ms, role=role),
            price=msgspec.structs.replace(deployment.price, output=0.0),
            input_tokens=lambda: -(-asked.request.n_bytes // _USUAL_BYTES_A_TOKEN),
            elapsed_ms=lambda: (clock_s() - began_s) * 1000.0,
            close=lambda _books, attempt, _error, _is_sent: attempts.append(attempt),
        )

    async def aclose(self) -> None:
        """Close connections."""
        await self._embedder.aclose()

    def _named(self, model: str) -> Deployment:
        if model == "auto" and self._deployments:
            return self._deployments[0]
        for deployment in self._deployments:
            if model in (deployment.name, deployment.model):
                return deployment
        names = ", ".join(deployment.name for deployment in self._deployments)
        raise UnknownModel(
            f"there is no model {model[:100]!r} for embeddings.",
            param="model",
            hint=f"Models: {names}." if names else "Name some in the config, under embeddings.",
        )

    def _check_policy(self, asked: EmbeddingRequest, deployment: Deployment, verdict: Verdict) -> None:
        if verdict.refuse is not None:
            raise RequestError(verdict.refuse, param="input", hint="The policy refuses this text.")
        if deployment.in_house:
            return
        why = None
        if "llm" in verdict.forbid or "in_house" in verdict.require:
            why = "the policy keeps this text in house"
        elif verdict.redact:
            why = "the policy wants personal data masked, and a masked text has another embedding"
        elif asked.has_tokens:
            why = "token numbers cannot be searched for what must stay in house"
        if why is not None:
            raise NoCandidate(
                f"{why}, and {deployment.name} is not in house.", hint="Name a deployment that is in_house."
            )


def _estimate(asked: EmbeddingRequest, deployment: Deployment) -> Estimate:
    # No tokeniser has fewer than three bytes a token over a whole text of words; a token list is its own count.
    worst = -(-asked.request.n_bytes // _BYTES_A_TOKEN)
    rate = deployment.price.input
    usd = None if rate is None else worst * rate
    return Estimate(usd=usd, worst_usd=usd)


def _can_pay(decision: Decision, attempts: Sequence[Attempt]) -> bool:
    """Whether the money left pays for the input once more, after what the failed calls may have cost."""
    limit, worst = decision.budget.max_usd, decision.estimate.worst_usd
    if limit is None or worst is None:
        return True
    return worst + sum(worst if attempt.usd is None else attempt.usd for attempt in attempts) <= limit * (1 + 1e-9)


def _outcome(deployment: Deployment, attempts: Sequence[Attempt], took_ms: float) -> Outcome:
    last = attempts[-1] if attempts else None
    is_answered = last is not None and last.error is None
    costs = [attempt.usd for attempt in attempts]
    known = [cost for cost in costs if cost is not None]
    return Outcome(
        status="answered" if is_answered else "cancelled" if last is None or last.error == "cancelled" else "failed",
        model=deployment.name if is_answered else None,
        usage=last.usage if last is not None and is_answered else Usage(),
        usd=sum(known) if len(known) == len(costs) else None,
        latency_ms=took_ms,
        attempts=tuple(attempts),
        error=last.error if last is not None else None,
    )
