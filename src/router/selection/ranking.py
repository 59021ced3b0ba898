"""Candidates in order: what binds or is recommended first, then what the objective says, then the name.

``_candidates.c`` says the same of plain values where it was compiled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import features
from ..types import Candidate, Tier, Verdict
from .candidates import Fleet
from .plain import candidate_fields

__all__ = ["Rank", "by_rank", "ordered", "ranks"]

_INFINITE = float("inf")
_LAST = 1 << 20
_MOST_PLACES = 64

Rank = tuple[int, float, str]
"""The least comes first: what binds or is recommended, then what the objective says, then the name."""


def ordered(found: tuple[Candidate, ...], verdict: Verdict, fleet: Fleet, tier: Tier | None) -> list[Candidate]:
    """Those that did not fail, in the order of their :func:`ranks`."""
    if features.compiled is not None:
        places, local, (quality, cost, latency) = _places(fleet, tier, verdict.rank), _local(verdict), _weights(verdict)
        order = features.compiled.ordered(candidate_fields(), found, places, local, quality, cost, latency)
        if order is not None:
            return order
    able = [candidate for candidate in found if candidate.failed is None]
    return by_rank(ranks(able, verdict, fleet, tier, frozenset()), able)


def ranks(
    found: Sequence[Candidate], verdict: Verdict, fleet: Fleet, tier: Tier | None, stays: frozenset[str]
) -> list[Rank]:
    """The rank of each candidate; of equals, one that ``stays`` names comes first."""
    by_quality, by_cost, by_latency = _weights(verdict)
    places, local = _places(fleet, tier, verdict.rank), _local(verdict)
    # Quality less what cost and latency weigh; an unknown price counts as the worst.
    found_ranks: list[Rank] = [
        (
            local if each.kind == "local" else places[each.model],
            -(by_quality * (likely.quality or 0.0) - by_cost * likely.usd - by_latency * (likely.latency_ms or 0.0))
            if likely.usd is not None
            else _INFINITE,
            each.model,
        )
        for each in found
        for likely in (each.estimate,)
    ]
    return [(place - (name in stays), worth, name) for place, worth, name in found_ranks] if stays else found_ranks


def by_rank(ranks: Sequence[Any], found: Sequence[Candidate]) -> list[Candidate]:
    """The candidates in the order of ``ranks``, one for each."""
    return [found[at] for at in sorted(range(len(found)), key=ranks.__getitem__)]


def _weights(verdict: Verdict) -> tuple[float, float, float]:
    objective = verdict.objective
    return objective.quality, objective.cost, objective.latency / 1000.0


def _local(verdict: Verdict) -> int:
    """In a tie the local model comes first: equal in quality, so the cheaper and faster one."""
    return _LAST if verdict.prefer == "llm" else -1


def _places(fleet: Fleet, tier: Tier | None, rank: tuple[str, ...]) -> dict[str, int]:
    """What ranks deployments before the objective does: the tier, and how many of the traits in ``rank`` they lack.

    Odd numbers of one and more, so that where the conversation is warm goes before its equals.
    """
    places = fleet.places.get((tier, rank))
    if places is None:
        wanted = frozenset(rank)
        places = {
            name: 1 + 2 * (len(wanted - fleet.traits[name]) + (len(wanted) + 1) * (tier not in (None, deployment.tier)))
            for name, deployment in fleet.deployments.items()
        }
        if len(fleet.places) < _MOST_PLACES:
            fleet.places[tier, rank] = places
    return places
