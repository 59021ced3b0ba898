"""What deployments come down to for a request whose tokens alone cost.

Most requests are such, and each asks for an estimate of every deployment; so prices, speed and expected quality stand
here in one row each, worked out once a task. :mod:`.estimate` says what an estimate is: a test holds the rows to the
same figures, to the last bit.
"""

from __future__ import annotations

from typing import NamedTuple

from ..catalogue import Deployment
from ..price import dearest_rates
from ..types import Failure, Tier
from .estimate import prior_quality

__all__ = ["FOLLOWS_SCHEMA", "Rate", "not_configured", "rate_of"]

_NO_LIMIT = 1 << 62
# What is needed for an answer by a JSON schema: a form of it, or a tool that has this form.
FOLLOWS_SCHEMA = "schema"


class Rate(NamedTuple):
    """A deployment's row for one task.

    ``failed`` and ``reason``: why it cannot be called at all. ``able``: its capabilities. ``most_input``: up to how
    many tokens of input these prices hold, -1 for none, because tokens alone do not tell what a call costs.
    ``window``: how many tokens fit, ``most_output``: how many it can write. USD a token; ``worst_`` is the dearest
    kind.
    """

    deployment: Deployment
    name: str
    tier: Tier
    failed: Failure | None
    reason: str | None
    able: frozenset[str]
    most_input: int
    window: int
    most_output: int
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
    most_output, able = deployment.max_output_tokens, frozenset(deployment.capabilities)
    failed, reason = (None if plan else not_configured(deployment)) or (None, None)
    dearest = dearest_rates(price)
    has_more = by_unit is not None and not by_unit.is_only_asked
    most_input = price.tiers[0].above if price.tiers else _NO_LIMIT
    return Rate(
        deployment=deployment,
        name=deployment.name,
        tier=deployment.tier,
        failed=failed,
        reason=reason,
        able=able if able.isdisjoint(("json_schema", "tools")) else able | {FOLLOWS_SCHEMA},
        most_input=-1 if dearest is None or has_more else most_input,
        window=_NO_LIMIT if window is None else window,
        most_output=_NO_LIMIT if most_output is None else most_output,
        quality=prior_quality(deployment, task),
        ttft_ms=deployment.ttft_ms,
        tokens_per_s=deployment.tokens_per_s,
        per_call=float(price.per_call),
        input=price.input or 0.0,
        output=price.output or 0.0,
        worst_input=dearest[0] if dearest else 0.0,
        worst_output=dearest[1] if dearest else 0.0,
    )


def not_configured(deployment: Deployment) -> tuple[Failure, str] | None:
    """Why ``deployment`` cannot be called from here, None where it can."""
    if deployment.configured:
        return None
    where = f": set {deployment.key_env}" if deployment.key_env else ""
    return "unavailable", f"not configured{where}"
