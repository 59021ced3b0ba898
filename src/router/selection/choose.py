"""Candidates -> Decision: the precedence of the guide, then the objective; and the order of those who come next.

Safety and ability were settled before (``candidates``). Here: hard budgets beat recommendations, recommendations beat
the objective, and the larger tier is paid for only when a rule asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter

from ..errors import BudgetExceeded, DeadlineInfeasible, NoCandidate
from ..types import (
    Budget,
    Candidate,
    Decision,
    Estimate,
    Exploration,
    Fired,
    LocalEvidence,
    PolicyRef,
    Request,
    Runner,
    Signals,
    Snapshot,
    Target,
    TaskReading,
    TokenCount,
    Verdict,
)
from ..units import format_ms, format_usd
from .balance import balanced
from .beside import drawn_mirrors, named_fallbacks
from .candidates import Fleet, output_limit
from .explore import explored
from .losses import effective_budget, is_auto
from .ranking import by_rank, ordered, ranks
from .stickiness import stay_note, staying, warm_tier

__all__ = ["choose"]

_NO_REASON = (None, "model")
_MODEL, _ID = attrgetter("model"), attrgetter("id")


def choose(
    request: Request,
    signals: Signals,
    verdict: Verdict,
    found: tuple[Candidate, ...],
    fleet: Fleet,
    policy: PolicyRef,
    snapshot: Snapshot,
) -> Decision:
    """The chosen candidate, the ordered fallbacks, and the reasoning as data.

    Raises:
        BudgetExceeded: able candidates exist, but none fits the money left.
        DeadlineInfeasible: able candidates exist, but none fits the latency limit.
        NoCandidate: nothing registered can honour the request.
    """
    budget = effective_budget(request, verdict, snapshot)
    exploration: Exploration | None = None
    # Without it no local model is able.
    evidence: LocalEvidence | None = signals.get("local").value
    if verdict.refuse is not None:
        order: list[Candidate] = []
        target = Target(kind="refuse")
        reason = f"refused by {verdict.refused_by}: {verdict.refuse}" if verdict.refused_by else verdict.refuse
    else:
        is_learned = signals.get("quality").value is not None
        order, exploration = _order(
            found, verdict, fleet, snapshot, request.hints.session or snapshot.id, is_learned=is_learned
        )
        if not order:
            raise _nobody(found, budget, snapshot.model_left_usd)
        target = _target(order[0], fleet)
        # Otherwise none was made for such a task.
        unable = _unable_local(found) if evidence is not None or verdict.forbid or verdict.require else None
        reason = _reason(order[0], verdict, unable, signals.get("task").value or "this task")
        if snapshot.warm:
            reason += stay_note(order, snapshot)
        if exploration is not None and exploration.greedy != order[0].model:
            reason = f"{reason}; drawn to learn from it, instead of {exploration.greedy}"
        if snapshot.soft_limits:
            reason = f"{reason}; the cheapest is wanted, since {snapshot.soft_limits[0]} is used up"
    is_limited = budget.max_usd is not None or bool(snapshot.model_left_usd)
    later = order[1:] if is_auto(request.model) else []
    if evidence is not None:
        later = [candidate for candidate in later if candidate.kind == "llm"]
    named = verdict.fallback
    if named is None and target.kind == "llm":
        named = fleet.deployments[target.model or ""].fallback
    if named is not None:
        by_name = {candidate.model: candidate for candidate in later}
        later = [by_name[name] for name in named_fallbacks(named, tuple(by_name), fleet)]
    return Decision(
        id=snapshot.id,
        policy=policy,
        task=_task(signals),
        target=target,
        fallbacks=tuple(map(_MODEL, later)),
        rules=tuple(map(_ID, verdict.rules)),
        reason=reason,
        estimate=order[0].estimate if order else Estimate(usd=0.0, worst_usd=0.0, latency_ms=0.0),
        candidates=found,
        signals=signals.known(),
        verdict=verdict,
        budget=budget,
        max_output_tokens=_output_limit(order, later, fleet, signals, budget, snapshot) if is_limited else None,
        evidence=evidence,
        snapshot=snapshot,
        exploration=exploration,
        mirrors=drawn_mirrors(verdict.mirror, found, target.model, snapshot.id) if verdict.mirror and order else (),
    )


def _order(
    found: tuple[Candidate, ...], verdict: Verdict, fleet: Fleet, snapshot: Snapshot, draw: str, *, is_learned: bool
) -> tuple[list[Candidate], Exploration | None]:
    objective = verdict.objective
    stays: frozenset[str] = frozenset()
    # Who learnt what each model is worth on such a request lets the objective weigh the tiers; else the larger one
    # is for rules to ask for.
    tier = verdict.tier or (None if is_learned else "small")
    if not (snapshot.unhealthy or snapshot.warm or snapshot.soft_limits or objective.explore):
        order = ordered(found, verdict, fleet, tier)
        return balanced(order, fleet, stays, draw, snapshot.latency_ms) if fleet.groups else order, None
    # Those that are cooling down are the last resort, behind everybody in good health.
    able = [candidate for candidate in found if candidate.failed is None]
    resort = [c for c in found if c.failed == "cooling"] if snapshot.unhealthy else []
    if not able:
        able, resort = resort, able
    if snapshot.warm:
        tier, stays = verdict.tier or warm_tier(able, snapshot) or tier, staying(able, snapshot)
    placed = ranks(able, verdict, fleet, tier, stays)
    if resort:
        resort = by_rank(ranks(resort, verdict, fleet, tier, stays), resort)
    if snapshot.soft_limits:
        # A soft limit that is used up overrules what is only recommended, never what is forbidden or required.
        costs = [(*_cost(each), rank) for each, rank in zip(able, placed, strict=True)]
        return [*by_rank(costs, able), *resort], None
    order = by_rank(placed, able)
    if fleet.groups:
        order = balanced(order, fleet, stays, draw, snapshot.latency_ms)
    # A ladder begins where it begins: its first step is no choice of the objective.
    if not objective.explore or verdict.escalate is not None:
        return [*order, *resort], None
    places = {(each.kind, each.model): rank[0] for each, rank in zip(able, placed, strict=True)}
    order, exploration = explored(
        order,
        lambda candidate: places[candidate.kind, candidate.model],
        lambda candidate: fleet.groups.get(candidate.model, candidate.model),
        share=objective.explore,
        draw=snapshot.id,
    )
    return [*order, *resort], exploration


def _cost(candidate: Candidate) -> tuple[bool, float]:
    usd = candidate.estimate.usd
    return (usd is None, usd or 0.0)


def _target(candidate: Candidate, fleet: Fleet) -> Target:
    if candidate.kind == "local":
        return Target(kind="local", model=candidate.model)
    return Target(
        kind="llm",
        tier=candidate.tier,
        model=candidate.model,
        configured=fleet.deployments[candidate.model].configured,
    )


def _unable_local(found: Sequence[Candidate]) -> Candidate | None:
    """The first local model that lost for another reason than what it was made for."""
    for candidate in found:
        if candidate.kind != "local":
            break  # local models come first
        if candidate.failed not in _NO_REASON:
            return candidate
    return None


def _reason(chosen: Candidate, verdict: Verdict, unable: Candidate | None, task: str) -> str:
    """``unable``: the local model that would have to answer, where there is one."""
    decisive: Fired | None = None
    local: str | None = None
    for fired in verdict.rules:
        if decisive is None and fired.decisive:
            decisive = fired
        if local is None and fired.outcome.startswith("local"):
            local = fired.id
    said = f"{decisive.id} ({decisive.outcome})" if decisive else "the policy's default (otherwise)"
    if chosen.kind == "local":
        return said if verdict.prefer != "llm" else f"{said}, but no hosted model fits the limits; a local model can"
    if verdict.prefer == "local" or local is not None:
        why = f"{unable.model}: {unable.reason}" if unable else f"none is registered for {task}"
        if verdict.prefer == "local":
            return f"{said}, but no local model may answer ({why})"
        return f"{said}; {local} would have a local model answer ({why})"
    if verdict.tier is not None and chosen.tier != verdict.tier:
        return f"{said}, but no {verdict.tier} deployment is able"
    return said


def _task(signals: Signals) -> TaskReading:
    task = signals.get("task")
    scores: Mapping[str, float] = signals.get("scores").value or {}
    runners = sorted(scores, key=scores.__getitem__, reverse=True)[:4]
    label = task.value or "other"
    return TaskReading(
        label=label,
        probability=task.confidence,
        runners_up=tuple([Runner(label=name, probability=scores[name]) for name in runners if name != label][:3]),
    )


def _output_limit(
    order: Sequence[Candidate],
    later: Sequence[Candidate],
    fleet: Fleet,
    signals: Signals,
    budget: Budget,
    snapshot: Snapshot,
) -> int | None:
    by_model = snapshot.model_left_usd
    tokens = signals.get("tokens").value or TokenCount(input=1, output=256, output_max=4096)
    limits = [
        limit
        for candidate in (*order[:1], *later)
        if candidate.kind == "llm"
        for max_usd in (budget.max_usd, by_model.get(candidate.model))
        if (limit := output_limit(fleet.deployments[candidate.model], tokens, max_usd, budget.max_latency_ms))
        is not None
    ]
    return min(limits) if limits else None


def _nobody(found: Sequence[Candidate], budget: Budget, by_model: Mapping[str, float]) -> NoCandidate:
    reasons = {candidate.model: candidate.reason or "" for candidate in found}
    over_money = [c for c in found if c.failed == "money" and c.estimate.worst_usd is not None]
    over_time = [c for c in found if c.failed == "latency"]
    if over_money:
        cheapest = min(over_money, key=lambda c: c.estimate.usd or 0.0)
        limits = (budget.max_usd, by_model.get(cheapest.model))
        left_usd = min((limit for limit in limits if limit is not None), default=None)
        return BudgetExceeded(
            f"no able model fits the money limit of {format_usd(left_usd)}; the cheapest, {cheapest.model}, "
            f"would probably need {format_usd(cheapest.estimate.usd)}.",
            needed_usd=cheapest.estimate.usd,
            left_usd=left_usd,
            deployment=cheapest.model,
            reasons=reasons,
            hint="Raise max_usd, shorten the request, or lower max_tokens.",
        )
    if over_time:
        fastest = min(over_time, key=lambda c: c.estimate.latency_ms or 0.0)
        return DeadlineInfeasible(
            f"no able model fits the latency limit of {format_ms(budget.max_latency_ms)}; the fastest, "
            f"{fastest.model}, would probably need {format_ms(fastest.estimate.latency_ms)}.",
            needed_ms=fastest.estimate.latency_ms,
            limit_ms=budget.max_latency_ms,
            reasons=reasons,
            hint="Raise max_latency_ms, or ask for a shorter answer.",
        )
    listing = "; ".join(f"{model}: {reason}" for model, reason in list(reasons.items())[:12])
    return NoCandidate(
        f"no registered model can honour this request ({listing or 'none is registered'}).",
        reasons=reasons,
        hint="Register a deployment that can, or change the request or the policy.",
    )
