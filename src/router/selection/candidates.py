"""Who could answer: every registered local model and hosted deployment, and for each loser its first failing reason.

Order of the checks: what the policy forbids, ability, health, hard budgets. The room chooses nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from ..catalogue import Deployment, Family, LocalCard
from ..types import Budget, Candidate, Estimate, Failure, LocalEvidence, Request, Signals, Snapshot, TokenCount, Verdict
from ..units import format_ms, format_usd
from .estimate import affordable_output, estimate_hosted, estimate_local

__all__ = ["MODEL_AUTO", "Fleet", "candidates", "effective_budget", "is_auto", "make_fleet", "output_limit"]

MODEL_AUTO = "auto"
_Loss = tuple[Failure, str] | None
_CAPABILITY = {"image": "vision", "audio": "audio", "file": "files", "video": "video"}


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """All that is registered: hosted deployments by name, cards of local models by name. ``hash`` names this set.

    ``traits`` are each deployment's tags and what its family is good at. ``is_plan``: no hosted deployment can be
    called from here, so all take part and the decision says what it would do.
    """

    deployments: Mapping[str, Deployment]
    local: Mapping[str, LocalCard]
    traits: Mapping[str, frozenset[str]]
    is_plan: bool
    hash: str


def make_fleet(
    deployments: Iterable[Deployment], local: Iterable[LocalCard], families: Iterable[Family] = (), *, hash: str = ""
) -> Fleet:
    """A fleet of uniquely named members."""
    by_family = {family.name: family for family in families}
    members = tuple(deployments)
    traits: dict[str, frozenset[str]] = {}
    for member in members:
        family = by_family.get(member.family or "")
        good_at = frozenset(family.good_at) if family is not None else frozenset()
        tuned = frozenset({"instruction_tuned"}) if family is not None and family.instruction_tuned else frozenset()
        traits[member.name] = member.tags | good_at | tuned
    return Fleet(
        deployments={member.name: member for member in members},
        local={card.name: card for card in local},
        traits=traits,
        is_plan=not any(member.configured for member in members),
        hash=hash,
    )


def is_auto(model: str) -> bool:
    """Whether the request leaves the choice of the model to the router (``auto`` or ``router/<policy>``)."""
    return model == MODEL_AUTO or model.startswith("router/")


def effective_budget(request: Request, verdict: Verdict, snapshot: Snapshot) -> Budget:
    """The tightest of the request's, the policy's and the windows' limits."""
    return Budget(
        max_usd=_least((request.hints.budget.max_usd, verdict.budget.max_usd, snapshot.left_usd)),
        max_latency_ms=_least((request.hints.budget.max_latency_ms, verdict.budget.max_latency_ms)),
    )


def candidates(
    request: Request, signals: Signals, verdict: Verdict, fleet: Fleet, snapshot: Snapshot
) -> tuple[Candidate, ...]:
    """Every registered target with its estimate; ``reason`` is None for those that are able and allowed."""
    task = signals["task"].value or "other"
    tokens = signals["tokens"].value or TokenCount(input=request.n_bytes // 4 + 1, output=256, output_max=4096)
    budget = effective_budget(request, verdict, snapshot)
    evidence = signals["local"].value
    found = [_local(card, evidence, request, task, verdict, budget) for card in fleet.local.values()]
    plan = fleet.is_plan
    for deployment in fleet.deployments.values():
        estimate = estimate_hosted(deployment, task, tokens, snapshot.latency_ms)
        loss = (
            _policy_loss(deployment, verdict)
            or _ability_loss(deployment, request, tokens)
            or _availability_loss(deployment, request, snapshot, plan=plan)
            or _budget_loss(deployment, tokens, budget, estimate)
        )
        failed, reason = loss or (None, None)
        found.append(
            Candidate(
                model=deployment.name,
                kind="llm",
                tier=deployment.tier,
                estimate=estimate,
                failed=failed,
                reason=reason,
            )
        )
    return tuple(found)


def output_limit(deployment: Deployment, tokens: TokenCount, max_usd: float | None) -> int | None:
    """The output tokens that the money limit pays for, None when it does not bind."""
    if max_usd is None:
        return None
    most = affordable_output(deployment.price, tokens.input, max_usd)
    return most if most is not None and most < tokens.output_max else None


def _local(
    card: LocalCard,
    evidence: LocalEvidence | None,
    request: Request,
    task: str,
    verdict: Verdict,
    budget: Budget,
) -> Candidate:
    mine = evidence if evidence is not None and evidence.model == card.name else None
    estimate = estimate_local(card, mine)
    failed, reason = _local_loss(card, mine, request, task, verdict, budget, estimate) or (None, None)
    return Candidate(model=card.name, kind="local", estimate=estimate, failed=failed, reason=reason)


def _local_loss(
    card: LocalCard,
    mine: LocalEvidence | None,
    request: Request,
    task: str,
    verdict: Verdict,
    budget: Budget,
    estimate: Estimate,
) -> _Loss:
    if "local" in verdict.forbid:
        return "policy", "the policy forbids local models here"
    if "llm" in verdict.require or verdict.require & {"small", "large"}:
        return "policy", "the policy requires a hosted model here"
    if not is_auto(request.model) and request.model != card.name:
        return "model", f"the request asks for {request.model}"
    if mine is None:
        return "model", f"made for {card.task}; this is {task}"
    if mine.reason is not None:
        return "evidence", mine.reason
    if verdict.max_error is not None and card.promise.get("max_error", 1.0) > verdict.max_error:
        return "evidence", f"promises no error under {verdict.max_error:.3g}, as the policy asks"
    if request.modalities:
        return "ability", f"cannot read {_words(request.modalities)}"
    if budget.max_latency_ms is not None and (estimate.latency_ms or 0.0) > budget.max_latency_ms:
        return "latency", f"needs {format_ms(estimate.latency_ms)}, the limit is {format_ms(budget.max_latency_ms)}"
    return None


def _policy_loss(deployment: Deployment, verdict: Verdict) -> _Loss:
    if not verdict.forbid and not verdict.require:
        return None
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


def _ability_loss(deployment: Deployment, request: Request, tokens: TokenCount) -> _Loss:
    able = deployment.capabilities
    if request.tools and "tools" not in able:
        return "ability", "cannot call tools"
    if request.json_schema is not None and "json_schema" not in able and "tools" not in able:
        return "ability", "cannot follow a JSON schema"
    for modality in request.modalities:
        if _CAPABILITY.get(modality, modality) not in able:
            return "ability", f"cannot read {modality}"
    if deployment.context_tokens is not None:
        needed = tokens.input + min(tokens.output_max, request.max_output_tokens or tokens.output)
        if needed > deployment.context_tokens:
            return "ability", f"needs {needed:,} tokens of context, it has {deployment.context_tokens:,}"
    if (
        request.max_output_tokens is not None
        and deployment.max_output_tokens is not None
        and request.max_output_tokens > deployment.max_output_tokens
    ):
        return (
            "ability",
            f"can write {deployment.max_output_tokens:,} tokens, {request.max_output_tokens:,} are asked for",
        )
    return None


def _availability_loss(deployment: Deployment, request: Request, snapshot: Snapshot, *, plan: bool) -> _Loss:
    if not is_auto(request.model) and request.model not in (deployment.name, deployment.model):
        return "model", f"the request asks for {request.model}"
    if not deployment.configured and not plan:
        where = f": set {deployment.key_env}" if deployment.key_env else ""
        return "unavailable", f"not configured{where}"
    if deployment.name in snapshot.unhealthy:
        return "unavailable", "cooling down after failures"
    return None


def _budget_loss(deployment: Deployment, tokens: TokenCount, budget: Budget, estimate: Estimate) -> _Loss:
    if budget.max_usd is not None:
        most = affordable_output(deployment.price, tokens.input, budget.max_usd)
        if most is None:
            return "money", "its price is unknown and a money limit is set"
        if most < tokens.output:
            return "money", f"needs {format_usd(estimate.usd)}, the limit is {format_usd(budget.max_usd)}"
    if (
        budget.max_latency_ms is not None
        and estimate.latency_ms is not None
        and estimate.latency_ms > budget.max_latency_ms
    ):
        return "latency", f"needs {format_ms(estimate.latency_ms)}, the limit is {format_ms(budget.max_latency_ms)}"
    return None


def _least(limits: Iterable[float | None]) -> float | None:
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else None


def _words(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
