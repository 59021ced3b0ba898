"""The most that carrying out a decision may use: what must be set aside before anything is called.

Arithmetic only. Input tokens are estimated, so twice the estimate is set aside, or one token a byte where that is less;
output is what the request, the decision and the deployment allow, and nothing at all is asked for beyond it.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ..catalogue import Deployment
from ..price import worst_case_usd
from ..types import Budget, Decision, Request, TokenCount

__all__ = ["capped", "hosted_models", "worst_tokens", "worst_usd"]

_MARGIN = 64


def hosted_models(decision: Decision) -> tuple[str, ...]:
    """The hosted deployments that the decision may call."""
    first = (decision.target.model,) if decision.target.kind == "llm" else ()
    return tuple(name for name in dict.fromkeys((*first, *decision.fallbacks)) if name is not None)


def worst_tokens(request: Request, decision: Decision) -> TokenCount:
    """Tokens that one call may be billed for at most."""
    signal = decision.signals.get("tokens")
    tokens: TokenCount | None = signal.value if signal is not None else None
    if tokens is None:
        tokens = TokenCount(input=request.n_bytes // 4 + 1, output=256, output_max=4096, units=request.units)
    most = 2 * tokens.input + _MARGIN
    if not request.modalities and request.n_bytes:
        most = max(tokens.input, min(most, request.n_bytes))
    written = tokens.output_max
    if decision.max_output_tokens is not None:
        written = min(written, decision.max_output_tokens)
    return TokenCount(input=most, output=tokens.output, output_max=written, units=tokens.units)


def worst_usd(
    request: Request, decision: Decision, deployments: Mapping[str, Deployment], tokens: TokenCount
) -> dict[str, float]:
    """The dearest that one call to each hosted model may be, at most what its limits allow; 0 at an unknown price,
    which no deployment has that is held against a hard budget."""
    snapshot = decision.snapshot
    by_model = snapshot.model_left_usd if snapshot is not None else {}
    found: dict[str, float] = {}
    for name in hosted_models(decision):
        price = deployments[name].price
        worst = worst_case_usd(price, tokens, max_latency_ms=decision.budget.max_latency_ms) or 0.0
        limits = (decision.budget.max_usd, by_model.get(name))
        found[name] = min([worst, *(limit for limit in limits if limit is not None)])
    return found


def capped(decision: Decision, tokens: TokenCount, max_usd: float | None) -> Decision:
    """The decision as it may be run: it spends at most ``max_usd`` in all and writes no more than ``tokens`` allow."""
    limit = decision.budget.max_usd
    if max_usd is not None:
        limit = max_usd if limit is None else min(limit, max_usd)
    return msgspec.structs.replace(
        decision,
        budget=Budget(max_usd=limit, max_latency_ms=decision.budget.max_latency_ms),
        max_output_tokens=tokens.output_max,
    )
