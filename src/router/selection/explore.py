"""Exploration: a stated share of requests goes to a candidate drawn at random, and the probability of it is logged.

Epsilon-greedy (Sutton and Barto 2018, section 2.2), but only among hosted candidates that the policy leaves equal: what
a rule, a limit or a warm conversation decides is never explored. The draw hangs on the decision's id alone, so a
recorded decision can be made again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..draws import draw_share
from ..types import Candidate, Exploration

__all__ = ["explored"]


def explored(
    order: Sequence[Candidate],
    equal_by: Callable[[Candidate], Any],
    group_of: Callable[[Candidate], str],
    *,
    share: float,
    draw: str,
) -> tuple[list[Candidate], Exploration | None]:
    """``order`` with the drawn candidate first, and what to log; None when nothing could be drawn.

    Those compete with the first whose ``equal_by`` is the same; of deployments with one ``group_of`` only one does.
    ``share`` is the share of explored requests, 0..1; ``draw`` whatever differs from request to request.
    """
    first = order[0] if order else None
    if first is None or first.kind != "llm":
        return list(order), None
    among: dict[str, Candidate] = {}
    for candidate in order:
        if candidate.kind == "llm" and candidate.estimate.usd is not None and equal_by(candidate) == equal_by(first):
            among.setdefault(group_of(candidate), candidate)
    among_them = list(among.values())
    if len(among_them) < 2 or first not in among_them:
        return list(order), None
    explores = draw_share(f"explore:{draw}") < share
    chosen = among_them[int(draw_share(f"explored:{draw}") * len(among_them))] if explores else first
    propensity = share / len(among_them) + (1.0 - share) * (chosen is first)
    logged = Exploration(
        share=share,
        among=tuple(candidate.model for candidate in among_them),
        greedy=first.model,
        propensity=propensity,
    )
    return [chosen, *(candidate for candidate in order if candidate is not chosen)], logged
