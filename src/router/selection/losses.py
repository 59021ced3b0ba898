"""Why a candidate loses: what the policy forbids, ability, availability, hard budgets, health, in this order.

Each loss is the first check that fails and the reason in words. The room chooses nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from ..catalogue import Deployment, LocalCard
from ..types import (
    Budget,
    Estimate,
    Failure,
    LocalEvidence,
    Request,
    Signals,
    Snapshot,
    TokenCount,
    Verdict,
)
from ..units import format_ms, format_usd
from .estimate import affordable_output
from .rates import not_configured

__all__ = [
    "Asked",
    "Loss",
    "asked_of",
    "effective_budget",
    "hosted_loss",
    "is_auto",
    "local_loss",
    "not_made_for",
    "policy_loss",
]

Loss = tuple[Failure, str] | None
_CAPABILITY = {"image": "vision", "audio": "audio", "file": "files", "video": "video"}


class Asked(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What every candidate is measured against, worked out once.

    ``is_bound``: the policy forbids or requires something.
    """

    request: Request
    task: str
    tokens: TokenCount
    verdict: Verdict
    budget: Budget
    is_auto: bool
    is_bound: bool
    needs: frozenset[str]
    context_tokens: int
    model_left_usd: Mapping[str, float]


def asked_of(request: Request, signals: Signals, verdict: Verdict, snapshot: Snapshot) -> Asked:
    """What ``request`` asks of every candidate."""
    tokens: TokenCount | None = signals.get("tokens").value
    if tokens is None:
        tokens = TokenCount(input=request.n_bytes // 4 + 1, output=256, output_max=4096, units=request.units)
    needs = frozenset(_CAPABILITY.get(modality, modality) for modality in request.modalities)
    if request.tools:
        needs |= {"tools"}
    if request.wants_audio:
        needs |= {"audio_output"}
    budget = effective_budget(request, verdict, snapshot)
    return Asked(
        request=request,
        task=signals.get("task").value or "other",
        tokens=tokens,
        verdict=verdict,
        budget=budget,
        is_auto=is_auto(request.model),
        is_bound=bool(verdict.forbid or verdict.require),
        needs=needs,
        context_tokens=tokens.input + min(tokens.output_max, request.max_output_tokens or tokens.output),
        model_left_usd=snapshot.model_left_usd,
    )


def is_auto(model: str) -> bool:
    """Whether the request leaves the choice of the model to the router (``auto`` or ``router/<policy>``)."""
    return model == "auto" or model.startswith("router/")


def effective_budget(request: Request, verdict: Verdict, snapshot: Snapshot) -> Budget:
    """The tightest of the request's, the policy's and the windows' limits."""
    asked, allowed = request.hints.budget, verdict.budget
    if snapshot.left_usd is None and asked == allowed:
        return allowed
    return Budget(
        max_usd=_least((asked.max_usd, allowed.max_usd, snapshot.left_usd)),
        max_latency_ms=_least((asked.max_latency_ms, allowed.max_latency_ms)),
    )


def local_loss(card: LocalCard, mine: LocalEvidence | None, asked: Asked, estimate: Estimate) -> Loss:
    """Why a local model may not answer, None where it may; ``mine`` is the evidence that is about it."""
    verdict = asked.verdict
    if asked.is_bound:
        if "local" in verdict.forbid:
            return "policy", "the policy forbids local models here"
        if not verdict.require.isdisjoint(("llm", "small", "large")):
            return "policy", "the policy requires a hosted model here"
    if not asked.is_auto and asked.request.model != card.name:
        return "model", f"the request asks for {asked.request.model}"
    if mine is None:
        return not_made_for(card, asked.task)
    if mine.reason is not None:
        return "evidence", mine.reason
    if verdict.max_error is not None and card.promise.get("max_error", 1.0) > verdict.max_error:
        return "evidence", f"promises no error under {verdict.max_error:.3g}, as the policy asks"
    if asked.request.modalities:
        return "ability", f"cannot read {_words(asked.request.modalities)}"
    if asked.request.wants_audio:
        return "ability", "cannot speak"
    limit = asked.budget.max_latency_ms
    if limit is not None and (estimate.latency_ms or 0.0) > limit:
        return "latency", f"needs {format_ms(estimate.latency_ms)}, the limit is {format_ms(limit)}"
    return None


def not_made_for(card: LocalCard, task: str) -> tuple[Failure, str]:
    """The loss of a local model that has nothing to do with ``task``."""
    return "model", f"made for {card.task}; this is {task}"


def hosted_loss(deployment: Deployment, asked: Asked, estimate: Estimate, snapshot: Snapshot, *, plan: bool) -> Loss:
    """Why a hosted deployment loses, None where it is able; a ``plan`` counts on those that cannot be called, too."""
    return (
        (policy_loss(deployment, asked.verdict) if asked.is_bound else None)
        or _ability_loss(deployment, asked)
        or _availability_loss(deployment, asked, plan=plan)
        or _budget_loss(deployment, asked, estimate)
        or _health_loss(deployment, snapshot)
    )


def policy_loss(deployment: Deployment, verdict: Verdict) -> Loss:
    """Why the policy lets ``deployment`` not answer, None where it does."""
    traits = {"llm", deployment.tier, deployment.name, *deployment.tags}
    if deployment.in_house:  # "llm" forbids what leaves the house; an in-house server does not
        traits = (traits - {"llm"}) | {"in_house"}
    forbidden = traits & verdict.forbid
    if forbidden:
        return "policy", f"the policy forbids {_words(forbidden)} here"
    missing = verdict.require - traits - {"llm"}
    if missing:
        return "policy", f"the policy requires {_words(missing)} here"
    return None


def _ability_loss(deployment: Deployment, asked: Asked) -> Loss:
    able, request = deployment.capabilities, asked.request
    if asked.needs and not asked.needs <= able:
        missing = asked.needs - able
        for need, reason in (("tools", "cannot call tools"), ("audio_output", "cannot speak")):
            if need in missing:
                return "ability", reason
        return "ability", f"cannot read {_words(request.modalities)}"
    if request.json_schema is not None and able.isdisjoint(("json_schema", "tools")):
        return "ability", "cannot follow a JSON schema"
    window = deployment.context_tokens
    if window is not None and asked.context_tokens > window:
        return "ability", f"needs {asked.context_tokens:,} tokens of context, it has {window:,}"
    most, wanted = deployment.max_output_tokens, request.max_output_tokens
    if wanted is not None and most is not None and wanted > most:
        return "ability", f"can write {most:,} tokens, {wanted:,} are asked for"
    return None


def _availability_loss(deployment: Deployment, asked: Asked, *, plan: bool) -> Loss:
    if not asked.is_auto and asked.request.model not in (deployment.name, deployment.model):
        return "model", f"the request asks for {asked.request.model}"
    return None if plan else not_configured(deployment)


def _budget_loss(deployment: Deployment, asked: Asked, estimate: Estimate) -> Loss:
    budget, tokens = asked.budget, asked.tokens
    max_usd = _least((budget.max_usd, asked.model_left_usd.get(deployment.name)))
    if max_usd is not None:
        most = affordable_output(deployment.price, tokens, max_usd, max_latency_ms=budget.max_latency_ms)
        if most is None:
            return "money", _unknown(deployment)
        if most < tokens.output:
            return "money", f"needs {format_usd(estimate.usd)}, the limit is {format_usd(max_usd)}"
    limit = budget.max_latency_ms
    if limit is not None and estimate.latency_ms is not None and estimate.latency_ms > limit:
        return "latency", f"needs {format_ms(estimate.latency_ms)}, the limit is {format_ms(limit)}"
    return None


def _unknown(deployment: Deployment) -> str:
    if deployment.price.input is None or deployment.price.output is None:
        return "its price is unknown and a money limit is set"
    return "each search of the web costs, a money limit is set, and the request sets no max_uses"


def _health_loss(deployment: Deployment, snapshot: Snapshot) -> Loss:
    return ("cooling", "cooling down after failures") if deployment.name in snapshot.unhealthy else None


def _least(limits: Iterable[float | None]) -> float | None:
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else None


def _words(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
