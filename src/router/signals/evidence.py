"""What a local model's prediction comes down to for a request: the label that it chooses among the allowed ones, how
sure it is of it, and why that is not enough."""

from __future__ import annotations

import msgspec

from ..types import Contract, LocalEvidence, Prediction
from .label_map import LabelMap

__all__ = ["judged", "shortfall"]

# Labels that the request does not allow may hold so much of the probability, and no more.
_MOST_REMOVED = 0.2


def judged(
    evidence: LocalEvidence, prediction: Prediction, contract: Contract | None, labels: LabelMap | None
) -> LocalEvidence:
    """The evidence with what the model says, its choice being among the allowed labels."""
    every = prediction.probabilities
    free = max(range(len(every)), key=every.__getitem__)
    asked = contract.labels if contract is not None and labels is not None else None
    places = (
        tuple(range(len(every)))
        if asked is None or labels is None
        else tuple(place for place in labels.places if place is not None)
    )
    answers = asked if asked is not None else prediction.labels
    mass = sum(every[place] for place in places)
    at = max(range(len(places)), key=lambda index: every[places[index]])
    probability = every[places[at]] / mass if mass > 0.0 else 0.0
    reason = evidence.reason
    if reason is None:
        reason = shortfall(evidence, prediction, free=free, chosen=places[at], mass=mass, probability=probability)
    return msgspec.structs.replace(
        evidence,
        label=prediction.labels[places[at]],
        answer=(answers[at],),
        probability=probability,
        in_distribution=prediction.in_distribution,
        reason=reason,
    )


def shortfall(
    evidence: LocalEvidence, prediction: Prediction, *, free: int, chosen: int, mass: float, probability: float
) -> str | None:
    """The first condition that a prediction fails, as a sentence; None where the model may answer.

    ``free`` is the place of the label that it likes best, ``chosen`` of that among the allowed ones, which hold
    ``mass`` of its probability, and ``probability`` among them.
    """
    inside, least_inside, least = prediction.in_distribution, evidence.ood_threshold or 0.0, evidence.threshold or 0.0
    if inside < least_inside:
        return f"the text is unlike what {evidence.model} learnt from ({inside:.2f}, {least_inside:.2f} is needed)"
    if free != chosen:
        return f"{evidence.model} would rather say {prediction.labels[free]!r}, which is not allowed"
    if 1.0 - mass > _MOST_REMOVED:
        return f"labels that are not allowed are too likely for {evidence.model} ({1.0 - mass:.2f})"
    if probability < least:
        return f"{evidence.model} is not sure enough ({probability:.2f}, {least:.2f} is needed)"
    return None
