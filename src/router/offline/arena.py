"""RouterArena's figures of a routing: arena score and optimality.

Lu et al., "RouterArena" (2025, arXiv:2510.00202), as its evaluation computes them (github.com/RouteWorks/RouterArena,
``router_evaluation/compute_scores.py`` and ``llm_evaluation/run.py``). A router has one operating point there: the one
here is chosen by predictions and known prices alone, before any outcome is looked at.
"""

from __future__ import annotations

from math import log2
from typing import Any

import numpy as np
import numpy.typing as npt

from .outcomes import Outcomes
from .routing_curves import bootstrap, price_weights

__all__ = ["arena_report", "arena_score", "operating_weight"]

Floats = npt.NDArray[np.float64]


def arena_score(accuracy: float, usd_per_1000: float) -> float:
    """The weighted harmonic mean of accuracy and cost, 0..1, with RouterArena's constants.

    Cost counts from 1 at $0.0044 a thousand requests to 0 at $200, by its logarithm, and no more or less beyond these;
    accuracy weighs ten times as much.
    """
    beta, dearest, cheapest = 0.1, 200.0, 0.0044
    within = min(max(usd_per_1000, cheapest), dearest)
    cost = (log2(dearest) - log2(within)) / (log2(dearest) - log2(cheapest))
    return (1 + beta) * accuracy * cost / (beta * accuracy + cost) if accuracy > 0.0 else 0.0


def operating_weight(predicted: Floats, price: Floats) -> float:
    """The weight of price whose arena score is expected to be best; arrays of shape ``(N, M)``."""
    rows = np.arange(len(predicted))

    def expected(weight: float) -> float:
        chosen = (predicted - weight * price).argmax(axis=1)
        quality = float(np.clip(predicted[rows, chosen], 0.0, 1.0).mean())
        return arena_score(quality, 1000 * float(price[rows, chosen].mean()))

    return max(price_weights(predicted, price), key=expected)


def arena_report(outcomes: Outcomes, chosen: npt.NDArray[np.intp], *, draws: int = 1000) -> dict[str, Any]:
    """What ``chosen`` brings, shape ``(N,)``, as JSON values.

    Among prompts answered right, ``optimal_selection`` is the share that went to the cheapest model that was right, and
    ``optimal_cost`` that model's cost over what was paid; ``optimal_accuracy`` is the accuracy over the oracle's. They
    are None where that is nothing.
    """
    rows = np.arange(len(outcomes))
    scores, usd = outcomes.scores[rows, chosen], outcomes.usd[rows, chosen]
    low, high = bootstrap(
        lambda drawn: arena_score(float(scores[drawn].mean()), 1000 * float(usd[drawn].mean())),
        len(outcomes),
        draws=draws,
    )
    right = scores >= 1.0
    costs = np.where(outcomes.scores >= 1.0, outcomes.usd, np.inf)[right]
    paid, oracle = float(usd[right].sum()), float(outcomes.scores.max(axis=1).mean())
    is_cheapest = costs.argmin(axis=1) == chosen[right]
    return {
        "arena": {
            "value": round(arena_score(float(scores.mean()), 1000 * float(usd.mean())), 4),
            "interval": [round(low, 4), round(high, 4)],
        },
        "accuracy": round(float(scores.mean()), 4),
        "usd_per_1000": round(1000 * float(usd.mean()), 5),
        "optimal_selection": round(float(is_cheapest.mean()), 4) if right.any() else None,
        "optimal_cost": round(float(costs.min(axis=1).sum()) / paid, 4) if paid > 0.0 else None,
        "optimal_accuracy": round(float(scores.mean()) / oracle, 4) if oracle > 0.0 else None,
    }
