"""Figures of a local model on labelled texts, and of its in-distribution score on outsiders."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import f1_score, roc_auc_score

from ..local.linear import LinearModel
from .promise import NEVER, wilson_interval

__all__ = ["expected_calibration_error", "figures", "latency_us", "ood_figures"]

_THIRTY_WORDS = (
    "the delivery came two days late and one of the boxes was open , but the people on the phone were kind and sent "
    "me a new one the very next morning"
)


def figures(model: LinearModel, texts: Sequence[str], labels: Sequence[str], *, language: str = "en") -> dict[str, Any]:
    """Accuracy (with Wilson's 95 % interval), macro-F1 (bootstrap interval), ECE, and what the thresholds make of it.

    ``coverage`` is the share of texts that the model would answer, ``error_answered`` its error among them. When the
    set lacks some of the model's labels, the choice is among those it has, as for a request that allows only them.
    """
    card = model.card
    threshold = card.language_thresholds.get(language, card.threshold) if language in card.languages else NEVER
    allowed = [index for index, label in enumerate(model.labels) if label in set(labels)]
    truth = np.array([model.labels.index(label) for label in labels])
    found = model.predict(texts)
    full = np.array([prediction.probabilities for prediction in found])
    inside = np.array([prediction.in_distribution for prediction in found]) >= card.ood_threshold
    part = full[:, allowed] / np.maximum(full[:, allowed].sum(1, keepdims=True), 1e-9)
    choice = np.array(allowed)[part.argmax(1)]
    top, right = part.max(1), choice == truth
    answered = inside & (top >= threshold) & (choice == full.argmax(1)) & (full[:, allowed].sum(1) >= 0.8)
    errors = int((answered & ~right).sum())
    result: dict[str, Any] = {
        "rows": len(texts),
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


def ood_figures(model: LinearModel, inside: Sequence[str], outside: Sequence[str]) -> dict[str, Any]:
    """AUROC and FPR at 95 % recall of the in-distribution score, and how many outsiders would still be answered."""
    ours, theirs = model.predict(inside), model.predict(outside)
    scores = np.array([prediction.in_distribution for prediction in ours])
    others = np.array([prediction.in_distribution for prediction in theirs])
    truth = np.repeat([1, 0], [len(scores), len(others)])
    top = np.array([max(prediction.probabilities) for prediction in (*ours, *theirs)])
    answered = (others >= model.card.ood_threshold) & (top[len(scores) :] >= model.card.threshold)
    return {
        "ood_rows": len(outside),
        "ood_auroc": _short(roc_auc_score(truth, np.append(scores, others))),
        "ood_auroc_of_probability": _short(roc_auc_score(truth, top)),
        "ood_fpr95": _short((others >= np.quantile(scores, 0.05)).mean()),
        "ood_answered": _short(answered.mean()),
    }


def latency_us(model: LinearModel, text: str = _THIRTY_WORDS, repeats: int = 400) -> float:
    """Median microseconds of one prediction."""
    taken = []
    for _ in range(repeats):
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
    for _ in range(draws):
        rows = random.integers(0, len(truth), len(truth))
        found.append(f1_score(truth[rows], choice[rows], average="macro", zero_division=0))
    return [_short(end) for end in np.quantile(found, [0.025, 0.975])]


def _short(value: float | np.floating) -> float:
    return round(float(value), 4)
