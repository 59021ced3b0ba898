"""Which maker, with which hyper-parameters, suits these rows: stratified cross-validation within a time limit."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedKFold

from ..features import FeatureSpec
from .embedding import EmbeddingMaker
from .fit import FEW_LABELS, LinearMaker
from .label_heads import Helper
from .rows import Rows, count_labels
from .threads import on_one_thread
from .transfer import SPEC

__all__ = ["Score", "candidates", "cross_validate", "winner"]

Progress = Callable[[str, float], None]
MOST_ROWS = 4000
FOLDS = 3


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate's cross-validated figures: the mean over folds of accuracy and macro-F1, ``error`` the standard
    error of their mean, and the seconds a fold took (features left out)."""

    name: str
    maker: str
    settings: Mapping[str, Any]
    accuracy: float
    macro_f1: float
    value: float
    error: float
    folds: int
    seconds: float


def candidates(rows: Rows, maker: str = "auto") -> list[tuple[str, type[LinearMaker], dict[str, Any]]]:
    """``(name, maker, settings)`` in the order in which they are tried: the likeliest first.

    Typing mistakes cost most where each of many labels is told by a few words of short texts: there, shorter n-grams
    outlive more of them, and more of them are learnt. What shipped models tell helps where a few labels are told by
    words of any kind; and the table of few labels may be a large one.
    """
    counts = list(count_labels(rows).values())
    uneven = max(counts) > 1.5 * min(counts)
    # Contrast helps most where labels are noisy; where each of many is told by its own few words, it may not.
    variants = [(uneven, 0.5), *([(uneven, 0.0)] if len(counts) >= FEW_LABELS else []), *([(False, 0.5)] * uneven)]
    is_few = len(counts) < FEW_LABELS
    makers: list[tuple[type[LinearMaker], dict[str, Any]]] = []
    if maker in {"auto", "embedding"}:
        makers += [(EmbeddingMaker, {"transfers": True})] * is_few + [(EmbeddingMaker, {})]
    if maker in {"auto", "linear"}:
        makers.append((LinearMaker, {}))
    found = []
    strengths = (0.2, 0.07, 0.6) if is_few else (0.5, 0.15, 1.5)
    read: dict[str, Any] = {
        "spec": SPEC if is_few else FeatureSpec(bits=16, words=(1, 2), chars=(2, 3, 4)),
        "typos": 0.25 if is_few else 0.5,
        "copies": 1 if is_few else 2,
        "spells": True,
    }
    for c in strengths:
        for kind, more in makers:
            for balanced, contrast in variants if c == strengths[0] else variants[:1]:
                settings: dict[str, Any] = {"c": c, "balanced": balanced, "contrast": contrast, **read, **more}
                said = [kind.maker, f"c={c:g}", f"contrast={contrast:g}", *["balanced"] * balanced, *more]
                found.append((", ".join(said), kind, settings))
    return found


@on_one_thread
def cross_validate(
    rows: Rows,
    maker: str = "auto",
    *,
    seconds: float = 120.0,
    seed: int = 0,
    progress: Progress = lambda what, share: None,
    clock: Callable[[], float] = time.monotonic,
    helper: Helper | None = None,
) -> list[Score]:
    """Scores of all candidates that ``seconds`` allow, at least one, on at most ``MOST_ROWS`` rows."""
    draw = np.random.default_rng(seed)
    sample = rows if len(rows) <= MOST_ROWS else rows.pick(np.sort(draw.permutation(len(rows))[:MOST_ROWS]))
    counts = count_labels(sample)
    sample = sample.pick([index for index, label in enumerate(sample.labels) if counts[label] >= 2])
    labels = np.array(sample.labels)
    folds = max(2, min(FOLDS, min(count_labels(sample).values(), default=2)))
    parts = list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(labels, labels))
    started = clock()
    found: list[Score] = []
    matrices: dict[tuple[str, bool], Any] = {}
    tried = candidates(rows, maker)
    for index, (name, kind, settings) in enumerate(tried):
        spent = clock() - started
        if found and spent + 1.2 * max(score.seconds for score in found) * folds > seconds:
            progress(f"time is up: {len(found)} of {len(tried)} candidates tried", 1.0)
            break
        progress(f"cross-validating {name}", index / len(tried))
        made = kind(seed=seed, helper=helper, **settings)
        read = made.maker, "transfers" in settings
        if read not in matrices:
            matrices[read] = made.features(sample.texts)
        found.append(_score(name, made, settings, matrices[read], labels, parts, clock))
    progress("cross-validated", 1.0)
    return found


def winner(scores: list[Score]) -> Score:
    """The best candidate; the ``linear`` maker's best when that is within one standard error (simpler and smaller)."""
    best = max(scores, key=lambda score: score.value)
    simple = max((score for score in scores if score.maker == "linear"), key=lambda score: score.value, default=best)
    return simple if simple.value >= best.value - best.error else best


def _score(
    name: str,
    made: LinearMaker,
    settings: Mapping[str, Any],
    matrix: Any,
    labels: npt.NDArray[np.str_],
    parts: list[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]],
    clock: Callable[[], float],
) -> Score:
    accuracies, f1s = [], []
    started = clock()
    for fit, held in parts:
        classes = np.unique(labels[fit])
        weights, biases = made.label_heads(matrix[fit], labels[fit].tolist(), np.ones(len(fit)))
        said = classes[(matrix[held] @ weights + biases).argmax(1)]
        accuracies.append(float((said == labels[held]).mean()))
        f1s.append(float(f1_score(labels[held], said, average="macro", zero_division=0)))
    values = (np.array(accuracies) + np.array(f1s)) / 2
    return Score(
        name=name,
        maker=made.maker,
        settings=settings,
        accuracy=round(float(np.mean(accuracies)), 4),
        macro_f1=round(float(np.mean(f1s)), 4),
        value=float(values.mean()),
        error=float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else 0.0,
        folds=len(parts),
        seconds=round((clock() - started) / len(parts), 2),
    )
