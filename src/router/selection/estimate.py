"""What would each candidate give: quality, USD, milliseconds. From the catalogue's priors and what was measured.

Arithmetic only. A price that is unknown stays unknown: it is never taken for zero.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..catalogue import Deployment, LocalCard
from ..price import Price, expected_usd, worst_case_usd, worst_units_usd
from ..types import Estimate, LocalEvidence, Snapshot, TokenCount

__all__ = ["affordable_output", "estimate_hosted", "estimate_local", "prior_quality"]

_TIER_QUALITY = {"small": 0.80, "large": 0.88}


def estimate_hosted(
    deployment: Deployment,
    task: str,
    tokens: TokenCount,
    snapshot: Snapshot,
    learned: Mapping[str, float] | None = None,
    *,
    max_latency_ms: float | None = None,
) -> Estimate:
    """Estimate for one hosted deployment: ``usd`` for the expected output, ``worst_usd`` for the longest allowed.

    ``learned``: expected scores by deployment or model; who has none keeps the catalogue's prior. Verdicts of users
    move both by the snapshot's ``quality_shift``.

    What of the conversation is warm in its prompt cache is billed at the cached price; the worst case counts on none.
    """
    name, price = deployment.name, deployment.price
    latency = snapshot.latency_ms.get(name)
    if latency is None:
        latency = deployment.ttft_ms + tokens.output * 1000.0 / deployment.tokens_per_s
    quality = None
    if learned is not None:
        quality = learned.get(name, learned.get(deployment.model))
    if quality is None:
        quality = prior_quality(deployment, task)
    if price.tiers:
        price = price.at(tokens.input)
    if snapshot.quality_shift:
        quality = min(1.0, max(0.0, quality + snapshot.quality_shift.get(name, 0.0)))
    usd = expected_usd(price, tokens, seconds=latency / 1000.0)
    worst = worst_case_usd(price, tokens, max_latency_ms=max_latency_ms)
    if not (snapshot.warm or snapshot.tail_ms):
        return Estimate(usd=usd, worst_usd=worst, latency_ms=latency, quality=quality)
    saved = _saved_usd(price, tokens, snapshot.warm.get(name, 0))
    return Estimate(
        usd=usd if usd is None or saved is None else usd - saved,
        worst_usd=worst,
        latency_ms=latency,
        quality=quality,
        tail_ms=snapshot.tail_ms.get(name),
        saved_usd=saved,
    )


def prior_quality(deployment: Deployment, task: str) -> float:
    """What the catalogue expects of ``deployment`` at ``task``, 0..1."""
    priors = deployment.quality
    quality = priors.get(task)
    return priors.get("*", _TIER_QUALITY[deployment.tier]) if quality is None else quality


def _saved_usd(price: Price, tokens: TokenCount, warm: int) -> float | None:
    at = price.at(tokens.input)
    if not warm or at.input is None or at.cached_input is None:
        return None
    return min(warm, tokens.input) * max(0.0, at.input - at.cached_input)


def estimate_local(card: LocalCard, evidence: LocalEvidence | None) -> Estimate:
    """Estimate for a local model: free, and as good as the calibrated probability of its answer where it has one."""
    quality = evidence.probability if evidence is not None else None
    return Estimate(usd=0.0, worst_usd=0.0, latency_ms=card.latency_us / 1000.0, quality=quality)


def affordable_output(
    price: Price, tokens: TokenCount, max_usd: float, *, max_latency_ms: float | None = None
) -> int | None:
    """How many output tokens ``max_usd`` pays for after the input and all else that the request asks for, -1 when not
    even that; None at unknown prices."""
    at = price.at(tokens.input)
    if at.input is None or at.output is None:
        return None
    units = 0.0 if at.by_unit is None else worst_units_usd(at.by_unit, tokens, max_latency_ms)
    if units is None:
        return None
    left = max_usd - at.per_call - units - at.input * tokens.input
    if left < 0:
        return -1
    return int(left / at.output) if at.output > 0 else 1 << 30
