"""What deployments come down to for a request that nothing sets apart: its tokens alone cost, and nothing is warm.

Most requests are such, and each asks for an estimate of every deployment; so prices, speed and expected quality stand
here in one row each, worked out once a task. :mod:`.estimate` says what an estimate is: a test holds the rows to the
same figures, to the last bit.
"""

from __future__ import annotations

from typing import NamedTuple

from ..catalogue import Deployment
from ..price import dearest_rates
from ..types import Tier
from .estimate import prior_quality

__all__ = ["Rate", "rate_of"]

_NO_LIMIT = 1 << 62


class Rate(NamedTuple):
    """A deployment's row for one task.

    ``most_input``: up to how many tokens of input these prices hold, -1 for none, because tokens alone do not tell what
    a call costs, or it cannot be called. ``window``: how many tokens fit. USD a token; ``worst_`` is the dearest kind.
    """

    deployment: Deployment
    name: str
    tier: Tier
    most_input: int
    window: int
    quality: float
    ttft_ms: float
    tokens_per_s: float
    per_call: float
    input: float
    output: float
    worst_input: float
    worst_output: float


def rate_of(deployment: Deployment, task: str, *, plan: bool) -> Rate:
    """The row of ``deployment`` for requests of ``task``; a ``plan`` counts on those that cannot be called, too."""
    price, by_unit, window = deployment.price, deployment.price.by_unit, deployment.context_tokens
    dearest = dearest_rates(price)
    has_more = by_unit is not None and not by_unit.is_only_asked
    if dearest is None or has_more or not (plan or deployment.configured):
        most_input = -1
    else:
        most_input = price.tiers[0].above if price.tiers else _NO_LIMIT
    return Rate(
        deployment=deployment,
        name=deployment.name,
        tier=deployment.tier,
        most_input=most_input,
        window=_NO_LIMIT if window is None else window,
        quality=prior_quality(deployment, task),
        ttft_ms=deployment.ttft_ms,
        tokens_per_s=deployment.tokens_per_s,
        per_call=price.per_call,
        input=price.input or 0.0,
        output=price.output or 0.0,
        worst_input=dearest[0] if dearest else 0.0,
        worst_output=dearest[1] if dearest else 0.0,
    )
