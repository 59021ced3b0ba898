"""Set a trained model's thresholds anew on rows of one's own: ``router calibrate``.

The model stays as it is; temperature and in-distribution score too. What changes is from which probability on it may
answer, for a promise that then holds for texts like these rows.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..catalogue import LocalCard
from ..errors import RequestError
from ..local.base import CardedModel
from .measure import confirmed, figures
from .promise import Goal
from .rows import Rows, rows_hash, split_rows
from .thresholds import set_thresholds

__all__ = ["recalibrate"]

_OF_THRESHOLDS = frozenset({"inside", "coverage", "error_answered", "error_answered_interval", "ood_answered"})


def recalibrate(
    model: CardedModel, rows: Rows, goal: Goal, *, keep: float = 0.96, test: Rows | None = None, seed: int = 0
) -> tuple[LocalCard, dict[str, Any]]:
    """The card with new thresholds, and what the test of the frozen result said.

    ``keep``: share of the rows that counts as in-distribution. ``test``: rows to test on; without them 30 % of ``rows``
    are kept back.

    Raises:
        RequestError: nothing can be promised (with how many rows are needed), the promise broke on the test rows, or
            these test rows were tested on before.
    """
    if not 0.5 <= keep <= 1.0:
        raise RequestError(f"{keep} of the rows cannot be in-distribution: 0.5 to 1 is expected.", param="inside")
    unknown = sorted({*rows.labels, *(test.labels if test is not None else ())} - set(model.labels))
    if unknown:
        raise RequestError(
            f"the rows have labels that {model.name} has not: {', '.join(unknown[:8])}.",
            hint=f"It has: {', '.join(model.labels[:20])}.",
        )
    if test is None:
        parts = split_rows(rows, calibration=0.0, test=0.3, most=10**9, seed=seed)
        rows, test = parts.fit, parts.test
    seen, identity = set(rows.texts), rows_hash(test)
    test = test.pick([index for index, text in enumerate(test.texts) if text not in seen])
    if not len(test):
        raise RequestError("no test row is left that is no calibration row too.", hint="Bring other rows to test on.")
    before = model.card.promise.get("tested", {})
    if before.get("data_hash") == identity and not before.get("holds", True):
        raise RequestError(
            "the promise already broke on these test rows; a second look at them proves nothing.",
            hint="Bring fresh rows.",
        )
    found = set_thresholds(model.predict(rows.texts), rows, goal=goal, keep=keep)
    if not found.promise.is_kept:
        raise RequestError(f"nothing can be promised: {found.promise.why}.", hint="The card was left as it is.")
    fields = found.card_fields(model.card.calibration)
    card = msgspec.structs.replace(model.card, **fields)
    predictions = model.predict(test.texts)
    tested = confirmed(card, predictions, test, goal) | {"data_hash": identity}
    # What earlier figures say of answers is of earlier thresholds.
    earlier = {
        name: {key: value for key, value in row.items() if key not in _OF_THRESHOLDS} if isinstance(row, dict) else row
        for name, row in card.metrics.items()
    }
    here = figures(card, predictions, test.labels, language=card.languages[0], every_label=True)
    card = msgspec.structs.replace(
        card, promise={**card.promise, "tested": tested}, metrics={**earlier, "calibrated": here}
    )
    return card, tested
