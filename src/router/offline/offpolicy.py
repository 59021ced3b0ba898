"""What another choice would have scored, from explored decisions and verdicts on their answers.

Where chance had a say and its probability was logged, verdicts on the drawn answers stand for those on the others.
Inverse propensity scoring (Horvitz and Thompson, 1952) is unbiased; the doubly robust estimator (Dudik, Langford and
Li, 2011, arXiv:1103.4601) is too, and varies less where the predicted quality is worth something. Both speak of the
requests that were judged; when verdicts come more readily on one model's answers than on another's, that biases them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec
import numpy as np

from ..types import Decision

__all__ = ["Explored", "OffPolicy", "always", "as_logged", "explored_row", "off_policy"]


class Explored(msgspec.Struct, frozen=True, kw_only=True):
    """One judged decision in which chance had a say.

    ``chosen`` among ``among``, with ``propensity``; ``reward`` 0..1; ``predicted`` the estimated quality of each;
    ``greedy`` who would have been asked without exploration.
    """

    among: tuple[str, ...]
    chosen: str
    greedy: str
    propensity: float
    reward: float
    predicted: Mapping[str, float]


class OffPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The mean reward that a choice would have got: by inverse propensity (``ips``) and doubly robust (``dr``), with
    the bounds of the latter's 95 % interval (normal approximation). ``rows`` are those the estimate is made from."""

    rows: int
    ips: float
    dr: float
    low: float
    high: float


Choice = Callable[[Explored], str]


def always(model: str) -> Choice:
    """``model`` wherever it is among the candidates, else who would have been asked anyway."""
    return lambda row: model if model in row.among else row.greedy


def as_logged(row: Explored) -> str:
    """The choice without exploration."""
    return row.greedy


def explored_row(decision: Decision, reward: float) -> Explored | None:
    """A decision and the verdict on it; None when chance had no say."""
    found = decision.exploration
    if found is None or decision.target.model is None:
        return None
    quality = {each.model: each.estimate.quality or 0.0 for each in decision.candidates if each.model in found.among}
    return Explored(
        among=found.among,
        chosen=decision.target.model,
        greedy=found.greedy,
        propensity=found.propensity,
        reward=reward,
        predicted=quality,
    )


def off_policy(rows: Iterable[Explored], choice: Choice) -> OffPolicy | None:
    """What ``choice`` would have scored; None without rows."""
    weighted, robust = [], []
    for row in rows:
        wanted = choice(row)
        weight = 1.0 / row.propensity if wanted == row.chosen else 0.0
        predicted = row.predicted.get(wanted, 0.0)
        weighted.append(weight * row.reward)
        robust.append(predicted + weight * (row.reward - predicted))
    if not robust:
        return None
    mean = float(np.mean(robust))
    half = 1.96 * float(np.std(robust, ddof=1)) / len(robust) ** 0.5 if len(robust) > 1 else float("inf")
    return OffPolicy(rows=len(robust), ips=float(np.mean(weighted)), dr=mean, low=mean - half, high=mean + half)
