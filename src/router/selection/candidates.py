"""Who could answer: every registered local model and hosted deployment, and for each loser its first failing reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from ..catalogue import Deployment, Family, LocalCard
from ..types import (
    Candidate,
    LocalEvidence,
    Request,
    Signals,
    Snapshot,
    Tier,
    TokenCount,
    Verdict,
)
from ..units import format_ms
from .estimate import affordable_output, estimate_hosted, estimate_local
from .losses import Asked, asked_of, hosted_loss, local_loss
from .plain import PlainTask, plain_task, plainly_hosted

__all__ = [
    "Balance",
    "Fleet",
    "candidates",
    "make_fleet",
    "output_limit",
]

Balance = Literal["weighted", "fastest"]
_MOST_TASKS = 64


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """All that is registered: hosted deployments by name, cards of local models by name. ``hash`` names this set.

    ``traits`` are each deployment's tags and what its family is good at. ``is_plan``: no hosted deployment can be
    called from here, so all take part and the decision says what it would do. ``groups`` names the group of those that
    share their load with others, ``balance`` how: by their weights, or the faster of two drawn by weight. ``plain``:
    what all members come down to for a plain request of a task; ``places``: how the deployments stand before the
    objective is asked, by the wanted tier and traits. Both are worked out when they are first needed.
    """

    deployments: Mapping[str, Deployment]
    local: Mapping[str, LocalCard]
    traits: Mapping[str, frozenset[str]]
    is_plan: bool
    hash: str
    groups: Mapping[str, str] = msgspec.field(default_factory=dict)
    balance: Balance = "weighted"
    plain: dict[str, PlainTask] = msgspec.field(default_factory=dict)
    places: dict[tuple[Tier | None, tuple[str, ...]], dict[str, int]] = msgspec.field(default_factory=dict)


def make_fleet(
    deployments: Iterable[Deployment],
    local: Iterable[LocalCard],
    families: Iterable[Family] = (),
    *,
    hash: str = "",
    balance: Balance = "weighted",
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
        groups=_groups(members),
        balance=balance,
    )


def _groups(members: Sequence[Deployment]) -> dict[str, str]:
    """Deployments of one group: named alike, or of one model with the same tier and parameters."""
    by_group: dict[str, list[str]] = {}
    for member in members:
        parameters = ",".join(f"{key}={member.params[key]!r}" for key in sorted(member.params))
        key = member.group or f"{member.model}|{member.tier}|{parameters}"
        by_group.setdefault(key, []).append(member.name)
    return {name: key for key, names in by_group.items() if len(names) > 1 for name in names}


def candidates(
    request: Request, signals: Signals, verdict: Verdict, fleet: Fleet, snapshot: Snapshot
) -> tuple[Candidate, ...]:
    """Every registered target with its estimate; ``failed`` is None for those that are able and allowed."""
    asked = asked_of(request, signals, verdict, snapshot)
    evidence: LocalEvidence | None = signals.get("local").value
    learned: Mapping[str, float] | None = signals.get("quality").value
    plan = fleet.is_plan
    is_plain = asked.is_auto and not asked.is_bound
    plain = (fleet.plain.get(asked.task) or _plain_task(fleet, asked.task)) if is_plain else None
    if plain is not None:
        found = [*plain.local]
        if evidence is not None:
            for place, name in enumerate(fleet.local):
                if name == evidence.model:
                    found[place] = _local(fleet.local[name], evidence, asked)
    else:
        found = [_local(card, evidence, asked) for card in fleet.local.values()]
    if plain is not None and learned is None and asked.tokens.units is None and not snapshot.quality_shift:
        found.extend(
            plainly_hosted(plain, asked, snapshot, lambda each: _hosted(each, asked, snapshot, None, plan=plan))
        )
    else:
        found.extend([_hosted(each, asked, snapshot, learned, plan=plan) for each in fleet.deployments.values()])
    limit_ms = asked.budget.max_latency_ms
    return tuple(found if limit_ms is None else _without_tails(found, limit_ms))


def _hosted(
    deployment: Deployment, asked: Asked, snapshot: Snapshot, learned: Mapping[str, float] | None, *, plan: bool
) -> Candidate:
    limit_ms = asked.budget.max_latency_ms
    estimate = estimate_hosted(deployment, asked.task, asked.tokens, snapshot, learned, max_latency_ms=limit_ms)
    loss = hosted_loss(deployment, asked, estimate, snapshot, plan=plan)
    failed, reason = loss if loss is not None else (None, None)
    return Candidate(
        model=deployment.name, kind="llm", tier=deployment.tier, estimate=estimate, failed=failed, reason=reason
    )


def _without_tails(found: Sequence[Candidate], limit_ms: float) -> list[Candidate]:
    """Those whose 95th percentile lately is over the limit lose, as long as one is left whose is not."""

    def is_late(candidate: Candidate) -> bool:
        return (candidate.estimate.tail_ms or 0.0) > limit_ms

    able = [candidate for candidate in found if candidate.failed is None]
    if all(map(is_late, able)) or not any(map(is_late, able)):
        return list(found)
    return [
        msgspec.structs.replace(
            candidate,
            failed="latency",
            reason=f"takes up to {format_ms(candidate.estimate.tail_ms)} (95 %), the limit is {format_ms(limit_ms)}",
        )
        if candidate.failed is None and is_late(candidate)
        else candidate
        for candidate in found
    ]


def output_limit(
    deployment: Deployment, tokens: TokenCount, max_usd: float | None, max_latency_ms: float | None = None
) -> int | None:
    """The output tokens that the money limit pays for, None when it does not bind."""
    if max_usd is None:
        return None
    most = affordable_output(deployment.price, tokens, max_usd, max_latency_ms=max_latency_ms)
    return most if most is not None and most < tokens.output_max else None


def _plain_task(fleet: Fleet, task: str) -> PlainTask:
    found = plain_task(fleet.deployments.values(), fleet.local.values(), task, plan=fleet.is_plan)
    if len(fleet.plain) < _MOST_TASKS:
        fleet.plain[task] = found
    return found


def _local(card: LocalCard, evidence: LocalEvidence | None, asked: Asked) -> Candidate:
    mine = evidence if evidence is not None and evidence.model == card.name else None
    estimate = estimate_local(card, mine)
    loss = local_loss(card, mine, asked, estimate)
    failed, reason = loss if loss is not None else (None, None)
    return Candidate(model=card.name, kind="local", estimate=estimate, failed=failed, reason=reason)
