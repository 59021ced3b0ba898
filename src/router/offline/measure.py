"""Figures of a local model on labelled texts, and of its in-distribution score on outsiders.

They are made from its predictions and its card: thresholds may change, what a text is predicted does not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import f1_score, roc_auc_score

from ..catalogue import LocalCard
from ..local.base import CardedModel
from ..types import Prediction
from .promise import NEVER, Goal, lower_bound, mean_upper_bound, wilson_interval
from .rows import Rows, count_labels, rows_hash

__all__ = [
    "answered",
    "blind_spots",
    "confirmed",
    "expected_calibration_error",
    "figures",
    "latency_us",
    "ood_figures",
    "said_labels",
]

_THIRTY_WORDS = (
    "the delivery came two days late and one of the boxes was open , but the people on the phone were kind and sent "
    "me a new one the very next morning"
)


def said_labels(predictions: Sequence[Prediction]) -> list[str]:
    """The likeliest label of each text."""
    return [prediction.labels[int(np.argmax(prediction.probabilities))] for prediction in predictions]


def figures(
    card: LocalCard,
    predictions: Sequence[Prediction],
    labels: Sequence[str],
    *,
    language: str = "en",
    every_label: bool = False,
) -> dict[str, Any]:
    """Accuracy (with Wilson's 95 % interval), macro-F1 (bootstrap interval), ECE, and what the thresholds make of it.

    ``coverage`` is the share of texts that the model would answer, ``error_answered`` its error among them. When the
    set lacks some of the model's labels, the choice is among those it has, as for a request that allows only them;
    with ``every_label``, or where the set has one label alone, it is among all.
    """
    threshold = card.language_thresholds.get(language, card.threshold) if language in card.languages else NEVER
    present = set(card.labels) if every_label or len(set(labels)) < 2 else set(labels)
    allowed = [index for index, label in enumerate(card.labels) if label in present]
    truth = np.array([card.labels.index(label) for label in labels])
    full = np.array([prediction.probabilities for prediction in predictions])
    inside = np.array([prediction.in_distribution for prediction in predictions]) >= card.ood_threshold
    part = full[:, allowed] / np.maximum(full[:, allowed].sum(1, keepdims=True), 1e-9)
    choice = np.array(allowed)[part.argmax(1)]
    top, right = part.max(1), choice == truth
    answered = inside & (top >= threshold) & (choice == full.argmax(1)) & (full[:, allowed].sum(1) >= 0.8)
    errors = int((answered & ~right).sum())
    result: dict[str, Any] = {
        "rows": len(predictions),
        "labels": len(allowed),
        "accuracy": _short(right.mean()),
        "accuracy_interval": [_short(end) for end in wilson_interval(int(right.sum()), len(right))],
        "macro_f1": _short(f1_score(truth, choice, average="macro")),
        "macro_f1_interval": _bootstrap_f1(truth, choice),
        "ece": _short(expected_calibration_error(top, right)),
        "inside": _short(inside.mean()),
        "coverage": _short(answered.mean()),
        "error_answered": _short(errors / max(1, int(answered.sum()))),
        "error_answered_interval": [_short(end) for end in wilson_interval(errors, int(answered.sum()))],
    }
    return result


def ood_figures(card: LocalCard, ours: Sequence[Prediction], theirs: Sequence[Prediction]) -> dict[str, Any]:
    """AUROC and FPR at 95 % recall of the in-distribution score, and how many outsiders would still be answered."""
    scores = np.array([prediction.in_distribution for prediction in ours])
    others = np.array([prediction.in_distribution for prediction in theirs])
    truth = np.repeat([1, 0], [len(scores), len(others)])
    top = np.array([max(prediction.probabilities) for prediction in (*ours, *theirs)])
    answered = (others >= card.ood_threshold) & (top[len(scores) :] >= card.threshold)
    return {
        "ood_rows": len(theirs),
        "ood_auroc": _short(roc_auc_score(truth, np.append(scores, others))),
        "ood_auroc_of_probability": _short(roc_auc_score(truth, top)),
        "ood_fpr95": _short((others >= np.quantile(scores, 0.05)).mean()),
        "ood_answered": _short(answered.mean()),
    }


def answered(card: LocalCard, predictions: Sequence[Prediction], languages: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which texts the model would answer when all its labels are allowed; bool, shape ``(n,)``.

    ``languages``: one a text, or none when all are in the card's first language.
    """
    spoken = languages or (card.languages[0],) * len(predictions)
    least = [
        card.language_thresholds.get(language, card.threshold) if language in card.languages else NEVER
        for language in spoken
    ]
    return np.array(
        [
            prediction.in_distribution >= card.ood_threshold and max(prediction.probabilities) >= threshold
            for prediction, threshold in zip(predictions, least, strict=True)
        ],
        bool,
    )


def blind_spots(card: LocalCard, predictions: Sequence[Prediction], rows: Rows) -> list[str]:
    """What a mean over all answers hides, as sentences: labels that are never told, and a model that tells nothing."""
    counts = count_labels(rows)
    right = [label for label, truth in zip(said_labels(predictions), rows.labels, strict=True) if label == truth]
    told = set(right)
    found = []

    def named(labels: Sequence[str]) -> str:
        return ", ".join(map(repr, labels[:8])) + (" ..." if len(labels) > 8 else "")

    if missed := [label for label in counts if label not in told]:
        found.append(f"No test row of {named(missed)} was told right: a promise about all answers hides that.")
    if unseen := [label for label in card.labels if label not in counts]:
        found.append(f"There was no test row of {named(unseen)}: how well it tells them is not known.")
    usual, count = next(iter(counts.items()))
    if len(counts) > 1 and len(right) <= count:
        found.append(
            f"On the test rows it is right no more often than always saying {usual!r} ({count / len(rows):.1%})."
        )
    return found


def confirmed(card: LocalCard, predictions: Sequence[Prediction], rows: Rows, goal: Goal) -> dict[str, Any]:
    """The frozen model and thresholds, its card's, on rows that decided nothing: does the promise hold there?

    ``holds`` is False when these rows show, at the goal's confidence, that the mean loss is above the limit;
    ``confirmed`` is True when they show that it is below. In between they are too few to say.
    """
    mine, said = answered(card, predictions, rows.languages), said_labels(predictions)
    wrong = np.array([label != truth for label, truth in zip(said, rows.labels, strict=True)], bool)
    losses = goal.losses(said, rows)[mine]
    count = int(mine.sum())
    if goal.keep is None:
        least = lower_bound(int(losses.sum()), count, goal.confidence)
    else:
        least = 1.0 - mean_upper_bound(1.0 - losses, goal.confidence) if count else 0.0
    return {
        "rows": len(rows),
        "answered": count,
        "errors": int((wrong & mine).sum()),
        "mean_loss": _short(losses.mean()) if count else None,
        "limit": _short(goal.limit),
        "holds": bool(least <= goal.limit),
        "confirmed": bool(count and mean_upper_bound(losses, goal.confidence) <= goal.limit),
        "data_hash": rows_hash(rows),
    }


def latency_us(model: CardedModel, texts: Sequence[str] = (), repeats: int = 200) -> float:
    """Median microseconds of one prediction, of texts spread over ``texts``; of one of 30 words unless given."""
    spread = list(texts[:: max(1, math.ceil(len(texts) / repeats))]) or [_THIRTY_WORDS]
    taken = []
    for turn in range(repeats):
        text = spread[turn % len(spread)]
        started = time.perf_counter_ns()
        model.predict((text,))
        taken.append(time.perf_counter_ns() - started)
    return float(np.median(taken)) / 1000.0


def expected_calibration_error(probability: npt.NDArray[np.floating], right: npt.NDArray[np.bool_]) -> float:
    """ECE over 15 bins of equal width (Guo et al., 2017, arXiv:1706.04599)."""
    bins = np.minimum((probability * 15).astype(int), 14)
    total = 0.0
    for index in range(15):
        mine = bins == index
        if mine.any():
            total += mine.mean() * abs(probability[mine].mean() - right[mine].mean())
    return float(total)


def _bootstrap_f1(truth: npt.NDArray[np.intp], choice: npt.NDArray[np.intp], draws: int = 200) -> list[float]:
    random = np.random.default_rng(0)
    found = []
    size = int(max(truth.max(), choice.max())) + 1
    for _ in range(draws):
        rows = random.integers(0, len(truth), len(truth))
        real, said = truth[rows], choice[rows]
        both = np.bincount(real[real == said], minlength=size)
        either = np.bincount(real, minlength=size) + np.bincount(said, minlength=size)
        found.append(float((2.0 * both[either > 0] / either[either > 0]).mean()))
    return [_short(end) for end in np.quantile(found, [0.025, 0.975])]


def _short(value: float | np.floating) -> float:
    return round(float(value), 4)
