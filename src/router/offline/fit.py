"""Train the maker ``linear``: n-gram table, temperature, in-distribution score, thresholds, and the card's figures.

Four kinds of rows, kept apart: rows to fit the table, a first half of the calibration rows for temperature and
in-distribution score, the second half for the thresholds, and test rows for the card's figures.
"""

from __future__ import annotations

import platform
import random
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, Protocol, Self

import msgspec
import numpy as np
import numpy.typing as npt
import scipy
import scipy.sparse as sp
import sklearn
from scipy.optimize import minimize, minimize_scalar
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from ..catalogue import LocalCard
from ..features import FeatureSpec, sparse_rows
from ..local.base import CardedModel, write_card
from ..local.files import write_arrays
from ..local.linear import FACTS, MODEL_FILE, LinearArrays, LinearModel
from ..local.spelling import word_counts
from .contrast import contrast_of_label, contrast_of_labels, seen_features
from .known import known_table
from .label_heads import Helper, cores, many_heads
from .promise import NEVER, Goal
from .rows import Rows
from .threads import on_one_thread
from .thresholds import set_thresholds
from .typos import mistyped

__all__ = ["FEW_LABELS", "LinearMaker", "Measuring", "factors_of", "judge", "temperature_of", "two_halves"]

# From so many labels on, some can be left out to learn what a missing one looks like.
_MANY_LABELS = 20
FEW_LABELS = 10
_JUDGED_ROWS = 6000

_F64 = npt.NDArray[np.float64]


class Measuring(CardedModel, Protocol):
    """A model that also tells what calibration fits on: raw label scores ``(n, K)`` and facts ``(n, facts)``."""

    def measure(self, texts: Sequence[str]) -> tuple[npt.NDArray[np.float32], _F64]: ...


class LinearMaker:
    """Trains a :class:`router.local.linear.LinearModel`, in scikit-learn's manner.

    ``maker`` is the word for it on cards.

    Args:
        spec: which n-grams.
        c: inverse regularisation of the support vector machine (squared hinge loss, one against the rest).
        balanced: whether rare labels weigh as much as frequent ones.
        keep: share of calibration texts that must count as in-distribution, 0..1.
        goal: what is promised, see :mod:`router.offline.promise`; ``language_errors`` replace its ``max_error`` for a
            language.
        contrast: how much features weigh by how they tell labels apart, 0..1 (see :mod:`router.offline.contrast`).
        typos: weight of each of ``copies`` further copies of each row with three typing mistakes, 0 for none.
        spells: whether words one typing mistake away from a training word are read as it (English rows only).
        prune: table entries of at most this size (of 127) become zero; the wheel gets smaller.
        helper: takes half of the work where there are many labels; the result is the same without one.

    Attributes after ``fit``: ``classes_`` (labels), ``arrays_``, ``temperature_``, ``thresholds_``.
    """

    maker: Literal["linear", "embedding", "encoder"] = "linear"

    def __init__(
        self,
        *,
        spec: FeatureSpec | None = None,
        c: float = 1.0,
        balanced: bool = False,
        keep: float = 0.96,
        min_known: float = 0.5,
        goal: Goal | None = None,
        language_errors: Mapping[str, float] | None = None,
        prune: int = 0,
        known_from: int = 1,
        contrast: float = 0.0,
        typos: float = 0.0,
        copies: int = 1,
        spells: bool = False,
        seed: int = 0,
        helper: Helper | None = None,
    ) -> None:
        self.spec = spec or FeatureSpec(bits=16, words=(1, 2), chars=(3, 4, 5))
        self.c, self.balanced, self.keep, self.min_known = c, balanced, keep, min_known
        self.goal, self.prune = goal or Goal(), prune
        self.language_errors = dict(language_errors or {})
        self.known_from, self.contrast, self.typos, self.seed = known_from, contrast, typos, seed
        self.copies, self.spells, self.helper = copies, spells, helper

    @on_one_thread
    def fit(self, rows: Rows, calibration: Rows, outliers: Mapping[str, Sequence[str]]) -> Self:
        """Fit on ``rows``, calibrate on ``calibration`` (no text of which may be in ``rows``).

        ``outliers`` are texts that are not for this model, by origin: half of the origins teach the outlier head, the
        other half (which the head has not seen) how far to trust it.
        """
        self.classes_ = tuple(sorted(set(rows.labels)))
        head_origins, check_origins = two_halves(sorted(outliers))
        head_texts = [text for origin in head_origins for text in outliers[origin]]
        check_texts = [text for origin in check_origins for text in outliers[origin]]
        first, second = _calibration_halves(calibration, self.seed)
        draft = self.draft(self.classes_, rows, first, head_texts)
        self.temperature_ = draft.temperature
        if len(self.classes_) >= _MANY_LABELS:
            weights = self._learnt_without_labels(rows, first, head_texts, check_texts)
        else:
            facts = self._facts(self.classes_, draft, (first.texts, check_texts))
            weights = judge(facts[0], facts[1:])
        draft = msgspec.structs.replace(draft, ood_weights=weights)
        # Nobody's text may be called strange for a few unknown words only: the gate catches other languages and noise.
        known = self._model(self._draft_card(self.classes_), draft).measure(second.texts)[1][:, 0]
        gate = min(self.min_known, float(np.quantile(known, 0.005))) if len(known) else self.min_known
        self.arrays_ = msgspec.structs.replace(draft, min_known=gate)
        self.thresholds_ = set_thresholds(
            self.model().predict(second.texts),
            second,
            goal=self.goal,
            keep=self.keep,
            language_errors=self.language_errors,
        )
        return self

    def predict(self, texts: Sequence[str]) -> list[str]:
        """The likeliest label of each text."""
        return [self.classes_[index] for index in self.predict_proba(texts).argmax(1)] if len(texts) else []

    def predict_proba(self, texts: Sequence[str]) -> _F64:
        """Calibrated probabilities, float64, shape ``(len(texts), len(classes_))``."""
        found = [prediction.probabilities for prediction in self.model().predict(texts)]
        return np.array(found).reshape(len(texts), len(self.classes_))

    def model(self, card: LocalCard | None = None) -> CardedModel:
        """The fitted model, in memory, with ``card`` (without one it has never heard of thresholds)."""
        return self._model(card or self._draft_card(self.classes_), self.arrays_)

    def export(self, directory: Path, card: LocalCard) -> LocalCard:
        """Write the model file and the card, completed with its hash; returns that card."""
        sha256 = write_arrays(directory / MODEL_FILE, *self.arrays_.as_file())
        card = msgspec.structs.replace(card, files={MODEL_FILE: sha256})
        write_card(directory, card)
        return card

    def card(self, **facts: Any) -> LocalCard:
        """A card with what fitting has found; ``facts`` are the fields that only the caller knows."""
        return LocalCard(
            labels=self.classes_,
            maker=self.maker,
            files={MODEL_FILE: "0" * 64},
            made_with={
                "python": platform.python_version(),
                "numpy": np.__version__,
                "scipy": scipy.__version__,
                "scikit-learn": sklearn.__version__,
            },
            **self.thresholds_.card_fields(
                {
                    "method": "temperature",
                    "temperature": round(self.temperature_, 6),
                    "in_distribution_keeps": self.keep,
                }
            ),
            **facts,
        )

    # ----- steps -----

    def draft(self, labels: tuple[str, ...], rows: Rows, fresh: Rows, outliers: Sequence[str]) -> LinearArrays:
        """What ``rows`` teach of ``labels``, scaled on ``fresh`` rows; the in-distribution weights are still zero."""
        matrix = self.features(rows.texts)
        weights, biases = self.label_heads(*self._with_mistyped(matrix, rows))
        inlier_weights, inlier_bias = self._inlier_head(matrix, outliers)
        draft = self._arrays(np.column_stack([weights, inlier_weights]), np.append(biases, inlier_bias), rows)
        at = {label: index for index, label in enumerate(labels)}
        truth = np.array([at[label] for label in fresh.labels], np.intp)
        scores = self._model(self._draft_card(labels), draft).measure(fresh.texts)[0].astype(np.float64)
        return msgspec.structs.replace(draft, temperature=temperature_of(scores, truth))

    def _arrays(self, weights: _F64, bias: _F64, rows: Rows) -> LinearArrays:
        """The model's numbers from weights ``(features, K + 1)``, in the order of :meth:`features`'s columns."""
        table, scale = _quantised(weights, self.prune)
        spelling, counts = word_counts(rows.texts) if self.spells else (np.zeros(0, np.uint32), np.zeros(0, np.uint16))
        return LinearArrays(
            spec=self.spec,
            table=table,
            scale=scale,
            bias=bias.astype(np.float32),
            temperature=1.0,
            known=known_table(rows.texts, self.spec, self.known_from),
            ood_weights=np.zeros(len(FACTS) + 1, np.float32),
            min_known=0.0,
            spelling=spelling,
            spelling_counts=counts,
        )

    def _learnt_without_labels(
        self, rows: Rows, fresh: Rows, head_texts: Sequence[str], check_texts: Sequence[str]
    ) -> npt.NDArray[np.float32]:
        """In-distribution weights from a model that never saw every fifth label: those rows are near outsiders.

        Texts of other sets alone would teach only to spot other worlds, not the next-door question that is missing.
        """
        left_out = set(self.classes_[self.seed % 5 :: 5])
        kept = tuple(label for label in self.classes_ if label not in left_out)
        # How far to trust the score is learnt as well from some thousand rows, in a fraction of the time.
        rows = rows.pick(np.random.default_rng(self.seed).permutation(len(rows))[:_JUDGED_ROWS])
        kept = tuple(label for label in kept if label in set(rows.labels))
        known = set(kept)
        inside = [[i for i, label in enumerate(part.labels) if label in known] for part in (rows, fresh)]
        near = [text for text, label in zip(rows.texts, rows.labels, strict=True) if label in left_out]
        fresh = fresh.pick(inside[1])
        draft = self.draft(kept, rows.pick(inside[0]), fresh, head_texts)
        facts = self._facts(kept, draft, (fresh.texts, near, check_texts))
        return judge(facts[0], facts[1:])

    def _facts(self, labels: tuple[str, ...], arrays: LinearArrays, groups: Sequence[Sequence[str]]) -> list[_F64]:
        model = self._model(self._draft_card(labels), arrays)
        return [model.measure(texts)[1] for texts in groups]

    def _model(self, card: LocalCard, arrays: LinearArrays) -> Measuring:
        return LinearModel(card, arrays)

    def _draft_card(self, labels: tuple[str, ...]) -> LocalCard:
        return LocalCard(
            name="draft",
            task="other_classification",
            labels=labels,
            maker=self.maker,
            languages=("en",),
            rows=0,
            threshold=NEVER,
            ood_threshold=1.0,
            licence="",
            data_hash="",
            files={},
        )

    def features(self, texts: Sequence[str]) -> sp.csr_matrix:
        """What the heads are fitted on, shape ``(len(texts), features)``."""
        data, indices, indptr = sparse_rows(texts, self.spec)
        matrix = sp.csr_matrix((data.astype(np.float64), indices, indptr), shape=(len(texts), 1 << self.spec.bits))
        matrix.sum_duplicates()
        return matrix

    def _with_mistyped(self, matrix: sp.csr_matrix, rows: Rows) -> tuple[sp.csr_matrix, list[str], _F64]:
        """Features, labels and weights to fit the label heads on."""
        weigh = np.array(rows.weights) if rows.weights else np.ones(len(rows))
        if self.typos <= 0.0:
            return matrix, list(rows.labels), weigh
        draw = random.Random(self.seed)  # noqa: S311 no secret is drawn
        drawn = [self.features([mistyped(text, draw) for text in rows.texts]) for _ in range(self.copies)]
        weights = np.concatenate([weigh, *[self.typos * weigh] * self.copies])
        return sp.vstack([matrix, *drawn]), list(rows.labels) * (1 + self.copies), weights

    def label_heads(self, matrix: sp.csr_matrix, labels: Sequence[str], weigh: _F64) -> tuple[_F64, _F64]:
        """Weights ``(features, K)`` and biases ``(K,)`` of the labels, in sorted order."""
        names, target = np.unique(labels, return_inverse=True)
        seen, plain = seen_features(matrix), self._plain_columns(matrix.shape[1])
        if len(names) >= FEW_LABELS:
            scale = contrast_of_labels(seen, target, self.contrast, plain)
            weights, biases = many_heads(
                matrix @ sp.diags(scale),
                target,
                weigh,
                c=self.c,
                balanced=self.balanced,
                seed=self.seed,
                helper=self.helper,
            )
            return weights * scale[:, None], biases

        def head(label: int) -> tuple[_F64, float]:
            mine = target == label
            return self._head(matrix, mine, weigh, contrast_of_label(seen, mine, self.contrast, plain))

        asked = range(1 if len(names) == 2 else 0, len(names))
        # liblinear's Newton steps draw nothing and leave the interpreter free: a thread a label.
        with ThreadPoolExecutor(min(cores(), len(asked))) as threads:
            found = list(threads.map(head, asked))
        return _both(np.stack([column for column, _ in found], axis=1), np.array([bias for _, bias in found]))

    def _head(self, matrix: sp.csr_matrix, mine: npt.NDArray[np.bool_], weigh: _F64, scale: _F64) -> tuple[_F64, float]:
        """One label's column of weights and its bias."""
        machine = LinearSVC(
            C=self.c,
            # Coordinate descent crawls where two labels overlap; Newton steps do not, but cost more a label.
            dual=False,
            class_weight="balanced" if self.balanced else None,
            tol=1e-3,
            max_iter=3000,
            random_state=self.seed,
        ).fit(matrix @ sp.diags(scale), mine, sample_weight=weigh)
        return machine.coef_[0] * scale, float(machine.intercept_[0])

    def _plain_columns(self, width: int) -> slice:
        """Columns that are no counts and are left as they are."""
        return slice(width, width)

    def _inlier_head(self, matrix: sp.csr_matrix, outliers: Sequence[str]) -> tuple[_F64, float]:
        if not outliers:
            return np.zeros(matrix.shape[1]), 0.0
        both = sp.vstack([matrix, self.features(outliers)])
        target = np.repeat([1, 0], [matrix.shape[0], len(outliers)])
        machine = LinearSVC(C=0.3, class_weight="balanced", tol=1e-2, max_iter=2000, random_state=self.seed)
        machine.fit(both, target)
        return machine.coef_[0], float(machine.intercept_[0])


def _both(weights: _F64, biases: _F64) -> tuple[_F64, _F64]:
    """One machine tells two labels apart: each gets half of its score."""
    if weights.shape[1] > 1:
        return weights, biases
    return np.column_stack([-weights, weights]) / 2, np.array([-biases[0], biases[0]]) / 2


def judge(inside: _F64, outside: Sequence[_F64]) -> npt.NDArray[np.float32]:
    """Logistic weights that tell inside from outside; each kind of outsider weighs the same, both sides too."""
    facts = np.vstack([inside, *outside])
    weigh = [np.full(len(inside), 0.5 / len(inside))] + [
        np.full(len(group), 0.5 / len(outside) / max(1, len(group))) for group in outside
    ]
    centre, spread = facts.mean(0), facts.std(0) + 1e-9
    judge = LogisticRegression(C=1.0, max_iter=1000)
    target = np.repeat([1, 0], [len(inside), len(facts) - len(inside)])
    judge.fit((facts - centre) / spread, target, sample_weight=np.concatenate(weigh) * len(facts))
    weights = judge.coef_[0] / spread
    return np.append(weights, judge.intercept_[0] - float(weights @ centre)).astype(np.float32)


def two_halves(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Of the origins of outsiders: those that teach what one looks like, and those that show how far this goes."""
    return list(names[::2]), list(names[1::2]) or list(names[::2])


def _calibration_halves(rows: Rows, seed: int) -> tuple[Rows, Rows]:
    order = np.random.default_rng(seed).permutation(len(rows))
    cut = min(len(rows) // 4, 800)  # a temperature needs few rows, a promise many
    return rows.pick(order[:cut]), rows.pick(order[cut:])


def _quantised(weights: _F64, prune: int) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """int8 table and each column's scale. The largest few saturate: finer steps for the rest."""
    scale = np.empty(weights.shape[1], np.float32)
    table = np.empty(weights.shape, np.int8)
    for column in range(weights.shape[1]):
        size = np.abs(weights[:, column])
        live = size[size > 0]
        # Of a large table that keeps small weights, 0.01 % would be dozens, and those that tell most.
        most = 1e-4 / max(1.0, 0.0 if prune else len(live) / 65536)
        limit = float(np.quantile(live, 1.0 - most)) if len(live) else 1.0
        scale[column] = limit / 127.0
        steps = np.clip(np.rint(weights[:, column] / scale[column]), -127, 127).astype(np.int8)
        steps[np.abs(steps) <= prune] = 0
        table[:, column] = steps
    return table, scale


def temperature_of(scores: _F64, truth: npt.NDArray[np.intp]) -> float:
    """The factor before softmax that makes the labels likeliest (temperature scaling: Guo et al., 2017)."""
    return factors_of((scores,), truth)[0]


def factors_of(readings: Sequence[_F64], truth: npt.NDArray[np.intp]) -> tuple[float, ...]:
    """As :func:`temperature_of`, a factor for each of the scores whose sum is taken (a logarithmic opinion pool)."""
    if not len(truth):
        return (1.0,) * len(readings)
    # One row more that might be of any label: without it, rows that are all right ask for endless confidence.
    unsure = 1.0 / (len(truth) + 1)
    mine = np.arange(len(truth)), truth
    aims = [(1.0 - unsure) * scores[mine] + unsure * scores.mean(1) for scores in readings]

    def loss(logs: _F64) -> float:
        factors = np.exp(logs)
        total = sum(factor * scores for factor, scores in zip(factors, readings, strict=True))
        aim = sum(factor * each for factor, each in zip(factors, aims, strict=True))
        return float((logsumexp(total, axis=1) - aim).mean())

    if len(readings) == 1:
        found = [minimize_scalar(lambda log: loss(np.array([log])), bounds=(-3.0, 5.0), method="bounded").x]
    else:
        bounds = [(-5.0, 5.0)] * len(readings)
        found = minimize(loss, np.zeros(len(readings)), bounds=bounds, method="L-BFGS-B").x
    return tuple(np.exp(found).tolist())
