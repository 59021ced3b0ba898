"""Choose the threshold above which a model may answer, so that its error there keeps a promise.

Learn-then-Test with fixed sequences (Angelopoulos, Bates, Candès, Jordan, Lei: "Learn then Test: Calibrating
Predictive Algorithms to Achieve Risk Control", 2021, arXiv:2110.01052): thresholds of a grid that was fixed before the
data are tested downwards with an exact binomial bound (Clopper and Pearson, 1934) from a few fixed starts, which share
the allowed failure probability, and each walk stops at its first threshold that fails. Then, with probability
``confidence`` over calibration rows, the share of wrong answers among those given is at most ``max_error`` on new rows
drawn like them. It holds for nothing else.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.stats import beta

__all__ = ["GRID", "NEVER", "STARTS", "Promise", "choose_threshold", "rows_needed", "upper_bound", "wilson_interval"]

NEVER = 1.01

# Dense near 1, where thresholds of good models lie; fixed, since the bound asks for a grid that no row has seen.
GRID: tuple[float, ...] = tuple(
    [round(1.0 - 10.0 ** (-4.0 + 0.1 * step), 6) for step in range(27)]
    + [round(0.96 - 0.01 * step, 6) for step in range(97)]
)
# Where walks begin. One walk from the top alone stops early when the few surest rows hold a mislabelled one.
STARTS: tuple[float, ...] = (GRID[0], 0.94, 0.85, 0.7, 0.5)
# A walk takes its first test where so many errors would be forgiven: fewer rows than that show next to nothing.
_FORGIVEN = 2


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """A threshold and what it keeps.

    Among ``answered`` of ``rows`` calibration rows ``errors`` were wrong; ``bound`` is the upper confidence bound of
    the error there. ``coverage`` is ``answered / rows``. ``threshold`` is :data:`NEVER` when nothing can be promised.
    """

    max_error: float
    confidence: float
    threshold: float
    coverage: float
    answered: int
    errors: int
    rows: int
    bound: float

    @property
    def is_kept(self) -> bool:
        """Whether any threshold keeps the promise."""
        return self.threshold <= 1.0


def upper_bound(errors: int, n: int, confidence: float) -> float:
    """One-sided Clopper-Pearson upper bound of an error rate, 1.0 for no rows."""
    if not 0 <= errors <= n:
        raise ValueError(f"{errors} errors in {n} rows")
    if errors == n:
        return 1.0
    return float(beta.ppf(confidence, errors + 1, n - errors))


def rows_needed(max_error: float, confidence: float, errors: int = 0) -> int:
    """How many answered rows, ``errors`` of them wrong, the promise needs at least."""
    if not 0.0 < max_error < 1.0 or not 0.0 < confidence < 1.0:
        raise ValueError(f"max_error {max_error} and confidence {confidence} must lie between 0 and 1")
    low, high = errors, max(16, 2 * errors)
    while upper_bound(errors, high, confidence) > max_error:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if upper_bound(errors, middle, confidence) > max_error:
            low = middle
        else:
            high = middle
    return high


def choose_threshold(
    probability: npt.NDArray[np.floating],
    correct: npt.NDArray[np.bool_],
    *,
    max_error: float,
    confidence: float = 0.95,
    may_answer: npt.NDArray[np.bool_] | None = None,
) -> Promise:
    """The lowest threshold of :data:`GRID` that the walk reaches.

    Args:
        probability: float, shape ``(n,)``: the probability of the predicted label of each calibration row.
        correct: bool, shape ``(n,)``: whether that label was right.
        max_error: the promised error among answered rows, 0..1.
        confidence: of the promise, 0..1.
        may_answer: bool, shape ``(n,)``: rows that pass the other gates (all by default).

    Thresholds that too few rows pass to show anything are walked over: they can neither keep nor break the promise.
    """
    each = 1.0 - (1.0 - confidence) / len(STARTS)
    needed = rows_needed(max_error, each, _FORGIVEN)
    n = len(probability)
    gate = np.ones(n, bool) if may_answer is None else may_answer
    reached: dict[float, tuple[int, int, float]] = {}
    for start in STARTS:
        for threshold in GRID:
            if threshold > start:
                continue
            answered = gate & (probability >= threshold)
            count, errors = int(answered.sum()), int((answered & ~correct).sum())
            if count < needed:
                continue
            bound = upper_bound(errors, count, each)
            if bound > max_error:
                break
            reached[threshold] = (count, errors, bound)
    threshold = min(reached, default=NEVER)
    count, errors, bound = reached.get(threshold, (0, 0, 1.0))
    return Promise(
        max_error=max_error,
        confidence=confidence,
        threshold=threshold,
        coverage=count / n if n else 0.0,
        answered=count,
        errors=errors,
        rows=n,
        bound=bound,
    )


def wilson_interval(hits: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's score interval of a share (1927); ``(0, 1)`` for no rows."""
    if n == 0:
        return 0.0, 1.0
    share = hits / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)
