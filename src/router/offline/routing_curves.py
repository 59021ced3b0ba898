"""What a routing is worth: curves of quality over cost, and the published figures that are read off them.

PGR, APGR and CPT: Ong et al., "RouteLLM" (2024, arXiv:2406.18665). AIQ, the area under the non-decreasing convex hull
of quality over cost: Hu et al., "RouterBench" (2024, arXiv:2403.12031). Arrays in, numbers out.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import numpy.typing as npt

__all__ = [
    "Curve",
    "aiq",
    "apgr",
    "bootstrap",
    "cost_curve",
    "cpt",
    "hull",
    "price_weights",
    "quality_at_cost",
    "saving_at_quality",
]

Floats = npt.NDArray[np.float64]


class Curve(msgspec.Struct, frozen=True):
    """Operating points of one router: mean USD a request and mean quality (0..1) of each, cheapest first."""

    usd: Floats
    quality: Floats


def gained(gain: Floats, weak: Floats, strong: Floats) -> Floats:
    """PGR when the 0, 1, ... n prompts of highest ``gain`` go to the strong model, shape ``(n + 1,)``.

    1.0 is the strong model's quality, 0.0 the weak one's; prompts of equal gain share what they bring, so that their
    order in the file does not matter.
    """
    order = np.argsort(-gain, kind="stable")
    brought = (strong - weak)[order]
    ranks = gain[order]
    starts = np.flatnonzero(np.r_[True, ranks[1:] != ranks[:-1]])
    sizes = np.diff(np.r_[starts, len(ranks)])
    brought = np.repeat(np.add.reduceat(brought, starts) / sizes, sizes)
    total = float(brought.sum())
    if total <= 0.0:
        return np.full(len(gain) + 1, np.nan)  # there is no gap to recover
    recovered: Floats = np.r_[0.0, np.cumsum(brought)] / total
    return recovered


def apgr(gain: Floats, weak: Floats, strong: Floats) -> float:
    """Mean PGR over all shares of calls to the strong model; random routing has 0.5. NaN without a gap."""
    curve = gained(gain, weak, strong)
    return float((curve[1:] + curve[:-1]).sum() / (2 * len(gain)))


def cpt(gain: Floats, weak: Floats, strong: Floats, share: float) -> float:
    """The least share of calls to the strong model that recovers ``share`` of the gap; random routing has ``share``."""
    reached = np.flatnonzero(gained(gain, weak, strong) >= share - 1e-12)
    return float(reached[0] / len(gain)) if len(reached) else float("nan")


def cost_curve(predicted: Floats, price: Floats, scores: Floats, usd: Floats, *, points: int = 64) -> Curve:
    """Choose for each prompt the model of highest ``predicted - weight * price``, for many weights.

    All arrays have shape ``(N, M)``; ``price`` is what the router believed, ``usd`` what was paid.
    """
    rows = np.arange(len(scores))
    found = set()
    for weight in price_weights(predicted, price, points=points):
        chosen = (predicted - weight * price).argmax(1)
        found.add((float(usd[rows, chosen].mean()), float(scores[rows, chosen].mean())))
    curve = np.array(sorted(found))
    return Curve(curve[:, 0], curve[:, 1])


def price_weights(predicted: Floats, price: Floats, *, points: int = 64) -> list[float]:
    """Quality given up for a USD: ``points`` values from 0 to so much that price alone decides."""
    spread = float(predicted.max() - predicted.min()) or 1.0
    step = float(np.median(price[price > 0])) if (price > 0).any() else 1.0
    found: list[float] = (np.r_[0.0, np.geomspace(1e-4, 1e3, points - 1)] * spread / step).tolist()
    return found


def hull(curve: Curve) -> Curve:
    """The non-decreasing convex hull: what mixing two operating points at random reaches, too."""
    kept: list[tuple[float, float]] = []
    best = -np.inf
    for usd, quality in zip(curve.usd.tolist(), curve.quality.tolist(), strict=True):
        if quality <= best:
            continue
        best = quality
        while len(kept) >= 2 and _is_below(kept[-2], kept[-1], (usd, quality)):
            kept.pop()
        if kept and kept[-1][0] == usd:
            kept.pop()
        kept.append((usd, quality))
    return Curve(np.array([point[0] for point in kept]), np.array([point[1] for point in kept]))


def _is_below(left: tuple[float, float], middle: tuple[float, float], right: tuple[float, float]) -> bool:
    return (middle[1] - left[1]) * (right[0] - left[0]) <= (right[1] - left[1]) * (middle[0] - left[0])


def quality_at_cost(curve: Curve, usd: float) -> float:
    """The best quality whose mean cost is at most ``usd``, mixing points at random; NaN when nothing is so cheap."""
    best = hull(curve)
    return float("nan") if usd < best.usd[0] else float(np.interp(usd, best.usd, best.quality))


def saving_at_quality(curve: Curve, quality: float, usd: float) -> float:
    """Share of ``usd`` that is saved at ``quality``, mixing points at random; NaN when it is never reached, or where
    ``usd`` is nothing."""
    best = hull(curve)
    if quality > best.quality[-1] + 1e-12 or usd <= 0.0:
        return float("nan")
    return 1.0 - float(np.interp(quality, best.quality, best.usd)) / usd


def aiq(curve: Curve, cheapest: float, dearest: float) -> float:
    """Mean quality of the hull between two costs, from where the curve begins; flat where it has ended."""
    best = hull(curve)
    grid = np.linspace(max(cheapest, best.usd[0]), dearest, 512)
    return float(np.interp(grid, best.usd, best.quality).mean())


def bootstrap(
    figure: Callable[[npt.NDArray[np.intp]], float], count: int, *, draws: int = 1000, seed: int = 20230427
) -> tuple[float, float]:
    """The 95 % percentile interval of ``figure`` over resampled rows ``0 .. count - 1`` (Efron, 1979)."""
    chance = np.random.default_rng(seed)
    values = np.array([figure(chance.integers(0, count, count)) for _ in range(draws)])
    if not np.isfinite(values).any():
        return float("nan"), float("nan")
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)
