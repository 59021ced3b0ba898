"""Load shared among deployments of one group: a weighted draw, pure in what it is drawn from.

The draw hangs on the session where there is one, so that an A/B split keeps a caller on one side.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ..draws import DRAWS, draw_number
from ..types import Candidate
from .candidates import Fleet

__all__ = ["balanced"]


def balanced(
    order: Sequence[Candidate], fleet: Fleet, staying: frozenset[str], draw: str, seen_ms: Mapping[str, float]
) -> list[Candidate]:
    """``order`` with the members of each group drawn anew over the places that they have.

    A member of ``staying`` keeps its group's first place. ``draw`` is whatever differs from request to request.
    ``seen_ms`` is how long answers of a deployment lately took, where any were seen.
    """
    places: dict[str, list[int]] = {}
    for at, candidate in enumerate(order):
        group = fleet.groups.get(candidate.model)
        if group is not None:
            places.setdefault(group, []).append(at)
    found = list(order)
    for members in places.values():
        if len(members) < 2:
            continue
        drawn = _drawn([order[at] for at in members], fleet, draw, seen_ms)
        drawn.sort(key=lambda candidate: candidate.model not in staying)
        for place, candidate in zip(members, drawn, strict=True):
            found[place] = candidate
    return found


def _drawn(members: list[Candidate], fleet: Fleet, draw: str, seen_ms: Mapping[str, float]) -> list[Candidate]:
    def key(candidate: Candidate) -> float:
        # Sampling without replacement by weight (Efraimidis & Spirakis, 2006).
        weight = fleet.deployments[candidate.model].weight
        chance = (draw_number(f"{draw}:{candidate.model}") + 1) / (DRAWS + 1)
        return -math.log(chance) / weight if weight > 0 else math.inf

    drawn = sorted(members, key=key)
    if fleet.balance == "fastest":
        # The better of two (Mitzenmacher, 2001): nearly as good as the best of all, and nobody is trampled. Who was
        # not seen lately is compared with nobody: what the catalogue expects of him would keep him from being tried.
        first, second = (seen_ms.get(candidate.model) for candidate in drawn[:2])
        if first is not None and second is not None and second < first:
            drawn[0], drawn[1] = drawn[1], drawn[0]
    return drawn
