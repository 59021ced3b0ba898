"""Where a decision may change: the values at a threshold and a hair beside it, and the least that an answer costs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from ..price import Price
from ..types import TokenCount
from .estimate import affordable_output

__all__ = ["beside", "least_usd", "ratio"]


def beside(
    points: Iterable[float], now: float, *, whole: bool = False, most: float | None = None
) -> Iterator[tuple[str, float, float]]:
    """For each point the values on it and a hair beside it, as ``(op, limit, value)``, away from ``now``."""
    for point in points:
        above = float(math.floor(point) + 1) if whole else math.nextafter(point, math.inf)
        below = float(math.ceil(point) - 1) if whole else math.nextafter(point, -math.inf)
        if whole and not float(point).is_integer():
            on_up, on_down = float(math.ceil(point)), float(math.floor(point))
        else:
            on_up = on_down = point
        if now < point:
            yield ">=", on_up, on_up
        if now <= point and (most is None or above <= most):
            yield ">", point, above
        if now > point:
            yield "<=", on_down, on_down
        if now >= point and below >= 0:
            yield "<", point, below


def ratio(value: float, now: float | None) -> float:
    """How far ``value`` is from ``now``, as the logarithm of their ratio; 3 where there is no end or no beginning."""
    if now is None or value == math.inf:
        return 3.0
    return abs(math.log((value + 1e-9) / (now + 1e-9)))


def least_usd(price: Price, tokens: TokenCount) -> float | None:
    """The smallest money limit that pays for the expected answer, to the last bit; None at an unknown price."""
    at = price.at(tokens.input)
    if at.input is None or at.output is None:
        return None
    usd: float = at.per_call + at.input * tokens.input + at.output * tokens.output
    for _ in range(64):
        lower = math.nextafter(usd, 0.0)
        if (affordable_output(price, tokens, lower) or 0) < tokens.output:
            break
        usd = lower
    for _ in range(64):
        if (affordable_output(price, tokens, usd) or 0) >= tokens.output:
            break
        usd = math.nextafter(usd, math.inf)
    return usd
