"""From predictions on calibration rows: how much of the world is let in, and from which probability on is answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from ..state.betting import histogram
from ..types import Prediction
from .measure import expected_calibration_error
from .promise import Goal, Promise, choose_threshold
from .rows import Rows

__all__ = ["Thresholds", "set_thresholds"]


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """What calibration has set. ``by_language`` is empty when the rows speak one language; ``in_distribution`` counts
    the rows' in-distribution scores by :func:`router.state.betting.bin_of`."""

    ood_threshold: float
    promise: Promise
    by_language: Mapping[str, Promise]
    rows: int
    ece: float
    in_distribution: tuple[int, ...] = ()

    def card_fields(self, calibration: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of a :class:`router.catalogue.LocalCard` that thresholds decide; ``calibration`` adds to one."""
        kept = {name: found for name, found in self.by_language.items() if found.is_kept}
        promise = self.promise.as_card()
        if kept:
            promise["by_language"] = {
                name: {"max_error": found.goal.max_error, "coverage": round(found.coverage, 4)}
                for name, found in kept.items()
            }
        return {
            "threshold": self.promise.threshold,
            "language_thresholds": {name: found.threshold for name, found in kept.items()},
            "ood_threshold": self.ood_threshold,
            "promise": promise,
            "calibration": {
                **calibration,
                "rows": self.rows,
                "ece": round(self.ece, 6),
                "in_distribution": list(self.in_distribution),
            },
        }


def set_thresholds(
    predictions: Sequence[Prediction],
    rows: Rows,
    *,
    goal: Goal,
    keep: float,
    language_errors: Mapping[str, float] | None = None,
    ood_threshold: float | None = None,
) -> Thresholds:
    """Thresholds from ``predictions`` on ``rows``, which nothing was fitted on.

    ``keep``: share of these rows that must count as in-distribution, 0..1 (ignored when ``ood_threshold`` is given).
    ``language_errors`` replace the goal's ``max_error`` for a language.
    """
    inside = np.array([prediction.in_distribution for prediction in predictions])
    top = np.array([max(prediction.probabilities) for prediction in predictions])
    said = [prediction.labels[int(np.argmax(prediction.probabilities))] for prediction in predictions]
    right = np.array([label == truth for label, truth in zip(said, rows.labels, strict=True)], bool)
    if ood_threshold is None:
        ood_threshold = round(float(np.quantile(inside, 1.0 - keep)), 6) if len(inside) else 1.0
    gate = inside >= ood_threshold
    loss = goal.losses(said, rows)

    def chosen(mine: npt.NDArray[np.bool_], aim: Goal) -> Promise:
        return choose_threshold(top[mine], loss[mine], aim, may_answer=gate[mine])

    # A mixture keeps its promise on average only: one language must not pay with its errors for another.
    spoken = np.array(rows.languages)
    names = sorted(set(rows.languages)) if len(set(rows.languages)) > 1 else []
    return Thresholds(
        ood_threshold=ood_threshold,
        promise=chosen(np.ones(len(top), bool), goal),
        by_language={
            name: chosen(
                spoken == name,
                msgspec.structs.replace(goal, max_error=(language_errors or {}).get(name, goal.max_error)),
            )
            for name in names
        },
        rows=len(rows),
        ece=expected_calibration_error(top, right) if len(top) else 0.0,
        in_distribution=tuple(histogram(inside.tolist())),
    )
