"""Choose the threshold above which a model may answer, so that its error there keeps a promise.

Learn-then-Test with fixed sequences (Angelopoulos, Bates, Candès, Jordan, Lei: "Learn then Test: Calibrating
Predictive Algorithms to Achieve Risk Control", 2021, arXiv:2110.01052): thresholds of a grid that was fixed before the
data are tested downwards with a bound that holds for every sample size from a few fixed starts, which share the allowed
failure probability, and each walk stops at its first threshold that fails. Then, with probability ``confidence`` over
calibration rows, the mean loss among the answers given is at most ``max_error`` on new rows drawn like them. It holds
for nothing else.

The bound of right-or-wrong losses is exact (Clopper and Pearson, 1934); that of other losses is by betting
(Waudby-Smith and Ramdas, 2024, "Estimating means of bounded random variables by betting", section 4, arXiv:2010.09686).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from ..errors import RequestError
from .rows import Rows

__all__ = [
    "GRID",
    "NEVER",
    "STARTS",
    "Goal",
    "Promise",
    "agreement",
    "choose_threshold",
    "lower_bound",
    "mean_upper_bound",
    "rows_needed",
    "upper_bound",
    "wilson_interval",
]

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

_F64 = npt.NDArray[np.float64]


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """What is promised.

    ``max_error``: the share of wrong answers among those given, 0..1. With ``keep`` and ``of="hosted"`` it is measured
    against the hosted model's recorded answers instead: the local answers are right at least ``keep`` times as often as
    the hosted ones on the same rows (where rows have a true label), or agree with them at that rate (where the hosted
    answers are the labels). ``confidence``: of the promise, 0..1.
    """

    max_error: float = 0.05
    confidence: float = 0.95
    keep: float | None = None
    of: str | None = None

    def __post_init__(self) -> None:
        if self.keep is not None:
            _check_share("keep", self.keep)
        _check_share("max_error", self.max_error)
        _check_share("confidence", self.confidence)
        if self.of not in {None, "hosted"} or (self.keep is None) != (self.of is None):
            raise RequestError("keep goes with of: hosted, and of: hosted with keep.", param="of")

    @classmethod
    def read(cls, promise: Mapping[str, Any]) -> Goal:
        """``{keep: 0.98, of: hosted, confidence: 0.95}`` or ``{max_error: 0.02}``.

        Raises:
            RequestError: unknown keys, or values out of range.
        """
        unknown = set(promise) - {"max_error", "confidence", "keep", "of"}
        if unknown:
            raise RequestError(
                f"a promise has no {min(unknown)!r}.", hint="It has max_error, or keep and of; confidence."
            )
        found = dict(promise)
        if "keep" in found:
            found.setdefault("of", "hosted")
            found.setdefault("max_error", round(1.0 - float(found["keep"]), 9))
        return cls(**found)

    def losses(self, said: Sequence[str], rows: Rows) -> _F64:
        """The loss of each answer in 0..1, whose mean is promised to stay below :attr:`limit`; shape ``(n,)``.

        Raises:
            RequestError: the promise is about hosted answers and the rows have none.
        """
        wrong = np.array([label != truth for label, truth in zip(said, rows.labels, strict=True)], np.float64)
        if self.keep is None:
            return wrong
        if not rows.hosted:
            raise RequestError(
                "the promise is about the hosted model's answers, and the rows have none.",
                hint="Give them as a column named 'hosted' beside the true labels, or promise max_error.",
            )
        hosted = np.array([label == truth for label, truth in zip(rows.hosted, rows.labels, strict=True)], np.float64)
        # keep * hosted - local <= 0 on average, moved into 0..1.
        return (self.keep * hosted - (1.0 - wrong) + 1.0) / (1.0 + self.keep)

    @property
    def limit(self) -> float:
        """The mean loss that must not be passed."""
        return self.max_error if self.keep is None else 1.0 / (1.0 + self.keep)


def agreement(keep: float, confidence: float) -> Goal:
    """The promise to answer as the hosted model would, at least ``keep`` of the time, 0..1.

    Raises:
        RequestError: a value out of range.
    """
    _check_share("keep", keep)
    return Goal(max_error=round(1.0 - keep, 9), confidence=confidence)


def _check_share(name: str, value: float) -> None:
    if not 0.0 < value < 1.0:
        raise RequestError(f"{name} is {value}; it lies between 0 and 1.", param=name)


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """A threshold and what it keeps.

    Among ``answered`` of ``rows`` calibration rows the losses summed to ``errors`` (wrong answers, unless the goal is
    about hosted ones); ``bound`` is the upper confidence bound of the mean loss there, against ``goal.limit``.
    ``coverage`` is ``answered / rows``. ``threshold`` is :data:`NEVER` when nothing can be promised; ``why`` says why.
    """

    goal: Goal
    threshold: float
    coverage: float
    answered: int
    errors: float
    rows: int
    bound: float
    why: str = ""

    @property
    def is_kept(self) -> bool:
        """Whether any threshold keeps the promise."""
        return self.threshold <= 1.0

    def as_card(self) -> dict[str, Any]:
        """What a card says of it."""
        goal = {name: value for name, value in msgspec.structs.asdict(self.goal).items() if value is not None}
        return {
            **goal,
            "threshold": self.threshold,
            "coverage": round(self.coverage, 6),
            "answered": self.answered,
            "errors": int(self.errors) if self.errors == int(self.errors) else round(self.errors, 4),
            "rows": self.rows,
            "bound": round(self.bound, 6),
            "limit": round(self.goal.limit, 6),
            "method": "fixed-sequence Learn-then-Test, "
            + ("Clopper-Pearson bound" if self.goal.keep is None else "betting bound"),
            **({"why": self.why} if self.why else {}),
        }


def upper_bound(errors: int, n: int, confidence: float) -> float:
    """One-sided Clopper-Pearson upper bound of an error rate, 1.0 for no rows."""
    if not 0 <= errors <= n:
        raise ValueError(f"{errors} errors in {n} rows")
    if errors == n:
        return 1.0
    return float(beta.ppf(confidence, errors + 1, n - errors))


def lower_bound(errors: int, n: int, confidence: float) -> float:
    """One-sided Clopper-Pearson lower bound of an error rate, 0.0 for no rows."""
    return 1.0 - upper_bound(n - errors, n, confidence) if n else 0.0


def mean_upper_bound(losses: npt.NDArray[np.floating], confidence: float) -> float:
    """Upper confidence bound of the mean of values in 0..1, valid for every sample size; 1.0 for no values.

    Exact for values 0 and 1; by betting for others: the least mean against which the hedged bets do not win.
    """
    n = len(losses)
    if n == 0:
        return 1.0
    if bool(((losses == 0.0) | (losses == 1.0)).all()):
        return upper_bound(round(float(losses.sum())), n, confidence)
    values = np.asarray(losses, np.float64)
    # Bets from the values before, as the paper's predictable plug-in (equations 24 to 26).
    counts = np.arange(1, n + 1)
    means = (0.5 + np.cumsum(values)) / (counts + 1)
    spreads = (0.25 + np.cumsum((values - means) ** 2)) / (counts + 1)
    spreads = np.concatenate(([0.25], spreads[:-1]))
    bets = np.sqrt(2.0 * math.log(1.0 / (1.0 - confidence)) / (n * spreads))
    win = math.log(1.0 / (1.0 - confidence))

    def beats(mean: float) -> bool:
        """Whether the wealth of one who bets that the true mean is below ``mean`` ever reached the goal."""
        capped = np.minimum(bets, 0.75 / (1.0 - mean)) if mean < 1.0 else bets
        return float(np.cumsum(np.log1p(capped * (mean - values))).max()) >= win

    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if beats(middle) else (middle, high)
    return high


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
    loss: npt.NDArray[np.floating],
    goal: Goal,
    *,
    may_answer: npt.NDArray[np.bool_] | None = None,
) -> Promise:
    """The lowest threshold of :data:`GRID` that the walk reaches.

    Args:
        probability: float, shape ``(n,)``: the probability of the predicted label of each calibration row.
        loss: float, shape ``(n,)``: what that label costs, 0..1 (see :meth:`Goal.losses`).
        goal: the promise.
        may_answer: bool, shape ``(n,)``: rows that pass the other gates (all by default).

    Thresholds that too few rows pass to show anything are walked over: they can neither keep nor break the promise.
    """
    each = 1.0 - (1.0 - goal.confidence) / len(STARTS)
    n = len(probability)
    gate = np.ones(n, bool) if may_answer is None else may_answer
    # Settled before a loss is seen: where rows are few, the first test forgives nothing.
    needed, least = (rows_needed(goal.max_error, each, errors) for errors in (_FORGIVEN, 0))
    if int(gate.sum()) < 2 * needed:
        needed = least
    reached: dict[float, tuple[int, float, float]] = {}
    for start in STARTS:
        for threshold in GRID:
            if threshold > start:
                continue
            answered = gate & (probability >= threshold)
            count = int(answered.sum())
            if count < needed:
                continue
            bound = mean_upper_bound(loss[answered], each)
            if bound > goal.limit:
                break
            reached[threshold] = (count, float(loss[answered].sum()), bound)
    threshold = min(reached, default=NEVER)
    count, errors, bound = reached.get(threshold, (0, 0.0, 1.0))
    return Promise(
        goal=goal,
        threshold=threshold,
        coverage=count / n if n else 0.0,
        answered=count,
        errors=errors,
        rows=n,
        bound=bound,
        why="" if reached else _why_not(probability, loss, goal, gate, needed),
    )


def _why_not(
    probability: npt.NDArray[np.floating],
    loss: npt.NDArray[np.floating],
    goal: Goal,
    gate: npt.NDArray[np.bool_],
    needed: int,
) -> str:
    """Why nothing can be promised, and how many rows would do, as far as these rows can tell."""
    n, inside = len(probability), int(gate.sum())
    share = max(inside / n, 0.05) if n else 0.5
    if inside < needed:
        return f"{n:,} calibration rows are too few: at least {math.ceil(needed / share):,} are needed for this promise"
    order = np.argsort(-probability[gate], kind="stable")
    means = np.cumsum(loss[gate][order]) / np.arange(1, inside + 1)
    # At the error of the surest rows, how many such rows would carry the bound below the limit?
    at = needed - 1 + int(np.argmin(means[needed - 1 :]))
    rate, part = float(means[at]), (at + 1) / n
    if rate >= 0.98 * goal.limit:
        found = (
            "are not as good as the hosted model's"
            if goal.keep is not None
            else f"are wrong in {rate:.1%} of the calibration rows, and {goal.limit:.1%} is the most"
        )
        return (
            f"even its surest answers {found}: more of them would hardly help; a better model (more rows to learn "
            "from, another maker) or a weaker promise would"
        )
    answered = needed
    each = 1.0 - (1.0 - goal.confidence) / len(STARTS)
    if goal.keep is not None:
        spread = float(loss[gate][order][: at + 1].var())
        answered = max(needed, math.ceil(2.0 * math.log(1.0 / (1.0 - each)) * spread / (goal.limit - rate) ** 2))
    while goal.keep is None and upper_bound(round(rate * answered), answered, each) > goal.limit:
        answered = math.ceil(answered * 1.1)
    return f"{n:,} calibration rows are too few: about {math.ceil(answered / part):,} are needed for this promise"


def wilson_interval(hits: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's score interval of a share (1927); ``(0, 1)`` for no rows."""
    if n == 0:
        return 0.0, 1.0
    share = hits / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)
