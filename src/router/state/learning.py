"""Verdicts of users move the estimated quality of hosted models, within bounds and only on enough evidence.

What a decision predicted is compared with the verdict on its answer. Verdicts on answers that were rarely asked for
count more (inverse propensity, capped), so that a model is judged on all requests that it could have got and not only
on those that suited it. Pure: verdicts in, shifts out; the file of verdicts is the whole state.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping

import msgspec

from ..types import Feedback, Record

__all__ = ["PRIORS", "Evidence", "Shifts", "VerdictLearner", "completed", "evidence_of"]

MAX_WEIGHT = 10.0
# A mean of n verdicts counts n / (n + this) of itself.
SHRINK = 20.0
# Who predicted where nothing was learnt from outcomes: the catalogue's priors.
PRIORS = "priors"

Shifts = Mapping[str, float]


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What verdicts say of one model: the weighted mean of verdict less prediction, and of how many even verdicts that
    is worth (Kish, 1965); ``shift`` is what is made of it, 0 on too little evidence."""

    verdicts: int
    effective: float
    mean: float
    shift: float


def completed(feedback: Feedback, record: Record) -> Feedback:
    """The verdict with what the record of its decision knows: who answered, and what had been predicted."""
    decision, model = record.decision, record.outcome.model
    learned = decision.signals.get("quality")
    predicted = None
    candidate = next((each for each in decision.candidates if each.model == model and each.kind == "llm"), None)
    if candidate is not None and candidate.estimate.quality is not None:
        moved = decision.snapshot.quality_shift.get(candidate.model, 0.0) if decision.snapshot is not None else 0.0
        predicted = min(1.0, max(0.0, candidate.estimate.quality - moved))
    explored = decision.exploration
    return msgspec.structs.replace(
        feedback,
        tenant=record.tenant,
        model=model,
        task=decision.task.label,
        predicted=predicted,
        predictor=learned.detector if learned is not None and learned.value is not None else PRIORS,
        # A fallback's answer was not drawn.
        propensity=explored.propensity if explored is not None and model == decision.target.model else None,
    )


def evidence_of(verdicts: Iterable[Feedback], *, max_shift: float, least: int) -> Evidence:
    """What the verdicts on one model's answers say; those without a prediction are passed over.

    ``max_shift``: bound of the shift, 0..1. ``least``: effective verdicts below which it is 0.
    """
    count = total = squares = residual = 0.0
    for each in verdicts:
        if each.predicted is None:
            continue
        weight = min(MAX_WEIGHT, 1.0 / each.propensity) if each.propensity else 1.0
        count, total, squares = count + 1, total + weight, squares + weight * weight
        residual += weight * ((each.verdict == "good") - each.predicted)
    if not count:
        return Evidence(verdicts=0, effective=0.0, mean=0.0, shift=0.0)
    effective, mean = total * total / squares, residual / total
    shift = 0.0
    if effective >= least:
        shift = min(max_shift, max(-max_shift, mean * effective / (effective + SHRINK)))
    return Evidence(verdicts=int(count), effective=effective, mean=mean, shift=shift)


class VerdictLearner:
    """Keeps the newest ``window`` verdicts of each hosted model and says how far they move it.

    Only verdicts on predictions of the present ``predictor`` count: another one's mistakes are not this one's. A
    decision counts once, with its newest verdict. ``shifts`` changes as a whole, and a Snapshot may keep it.
    """

    def __init__(
        self, *, predictor: str = PRIORS, max_shift: float = 0.1, least: int = 20, window: int = 1_000
    ) -> None:
        self.predictor, self.max_shift, self.least, self.window = predictor, max_shift, least, window
        self.shifts: Shifts = {}
        self._verdicts: dict[str, OrderedDict[str, Feedback]] = {}

    def take(self, feedback: Feedback) -> None:
        """Learn one verdict."""
        if feedback.model is None or feedback.predicted is None or feedback.predictor != self.predictor:
            return
        kept = self._verdicts.setdefault(feedback.model, OrderedDict())
        kept.pop(feedback.decision_id, None)
        kept[feedback.decision_id] = feedback
        if len(kept) > self.window:
            kept.popitem(last=False)
        found = {**self.shifts, feedback.model: round(self.evidence(feedback.model).shift, 6)}
        self.shifts = {model: shift for model, shift in found.items() if shift}

    def evidence(self, model: str) -> Evidence:
        """What the kept verdicts say of ``model``."""
        kept = self._verdicts.get(model, OrderedDict())
        return evidence_of(kept.values(), max_shift=self.max_shift, least=self.least)
