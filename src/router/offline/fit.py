"""Train the maker ``linear``: n-gram table, temperature, in-distribution score, thresholds, and the card's figures.

Four kinds of rows, kept apart: rows to fit the table, a first half of the calibration rows for temperature and
in-distribution score, the second half for the thresholds, and test rows for the card's figures.
"""

from __future__ import annotations

import hashlib
import platform
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
import numpy.typing as npt
import scipy
import scipy.sparse as sp
import sklearn
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from ..catalogue import LocalCard
from ..features import FeatureSpec, TextHashes, buckets, sparse_rows
from ..local.base import write_card
from ..local.files import write_arrays
from ..local.linear import FACTS, KNOWN_BITS, MODEL_FILE, LinearArrays, LinearModel
from .measure import expected_calibration_error
from .promise import NEVER, Promise, choose_threshold
from .typos import mistyped

__all__ = ["LinearMaker", "Rows", "is_kept_for", "rows_hash"]

# From so many labels on, some can be left out to learn what a missing one looks like.
_MANY_LABELS = 20

_F64 = npt.NDArray[np.float64]


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """Texts and their labels, equally long.

    ``weights`` (1.0 each by default) count rows more or less in training; ``languages`` (ISO 639-1, one a text) ask for
    thresholds by language when they are given.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    weights: tuple[float, ...] = ()
    languages: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.texts)

    def pick(self, keep: Sequence[int] | npt.NDArray[np.intp]) -> Rows:
        """The rows at these indices."""
        return Rows(
            texts=tuple(self.texts[index] for index in keep),
            labels=tuple(self.labels[index] for index in keep),
            weights=tuple(self.weights[index] for index in keep) if self.weights else (),
            languages=tuple(self.languages[index] for index in keep) if self.languages else (),
        )


def rows_hash(*parts: Rows) -> str:
    """SHA-256 over texts and labels in order: names the data that a model was made from."""
    digest = hashlib.sha256()
    for rows in parts:
        for text, label in zip(rows.texts, rows.labels, strict=True):
            digest.update(f"{len(text)}:{text}{len(label)}:{label}".encode("utf-8", "replace"))
    return digest.hexdigest()


def is_kept_for(text: str, share: float, salt: str = "") -> bool:
    """Whether a text falls into a fixed random ``share`` of all texts: the same on every machine and in every order."""
    digest = hashlib.sha256(f"{salt}\x00{text}".encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8], "big") < share * 2.0**64


class LinearMaker:
    """Trains a :class:`router.local.linear.LinearModel`, in scikit-learn's manner.

    Args:
        spec: which n-grams.
        c: inverse regularisation of the support vector machine (squared hinge loss, one against the rest).
        balanced: whether rare labels weigh as much as frequent ones.
        keep: share of calibration texts that must count as in-distribution, 0..1.
        max_error, confidence: the promise, see :mod:`router.offline.promise`; ``language_errors`` replace ``max_error``
            for a language.
        typos: weight of a second copy of each row with three typing mistakes, 0 for none.
        prune: table entries of at most this size (of 127) become zero; the wheel gets smaller.

    Attributes after ``fit``: ``classes_`` (labels), ``arrays_``, ``temperature_``, ``ood_threshold_``, ``promise_``.
    """

    def __init__(
        self,
        *,
        spec: FeatureSpec | None = None,
        c: float = 1.0,
        balanced: bool = False,
        keep: float = 0.96,
        min_known: float = 0.5,
        max_error: float = 0.05,
        confidence: float = 0.95,
        language_errors: Mapping[str, float] | None = None,
        prune: int = 0,
        known_from: int = 1,
        typos: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.spec = spec or FeatureSpec(bits=16, words=(1, 2), chars=(3, 4, 5))
        self.c, self.balanced, self.keep, self.min_known = c, balanced, keep, min_known
        self.max_error, self.confidence, self.prune = max_error, confidence, prune
        self.language_errors = dict(language_errors or {})
        self.known_from, self.typos, self.seed = known_from, typos, seed

    def fit(self, rows: Rows, calibration: Rows, outliers: Mapping[str, Sequence[str]]) -> Self:
        """Fit on ``rows``, calibrate on ``calibration`` (no text of which may be in ``rows``).

        ``outliers`` are texts that are not for this model, by origin: half of the origins teach the outlier head, the
        other half (which the head has not seen) how far to trust it.
        """
        self.classes_ = tuple(sorted(set(rows.labels)))
        head_origins, check_origins = _two_halves(sorted(outliers))
        head_texts = [text for origin in head_origins for text in outliers[origin]]
        check_texts = [text for origin in check_origins for text in outliers[origin]]
        first, second = _calibration_halves(calibration, self.seed)
        draft = self._draft(self.classes_, rows, first, head_texts)
        self.temperature_ = draft.temperature
        if len(self.classes_) >= _MANY_LABELS:
            weights = self._learnt_without_labels(rows, first, head_texts, check_texts)
        else:
            facts = self._facts(self.classes_, draft, (first.texts, check_texts))
            weights = _judge(facts[0], facts[1:])
        draft = msgspec.structs.replace(draft, ood_weights=weights)
        # Nobody's text may be called strange for a few unknown words only: the gate catches other languages and noise.
        known = self._model(self.classes_, draft).measure(second.texts)[1][:, 0]
        gate = min(self.min_known, float(np.quantile(known, 0.005))) if len(known) else self.min_known
        self.arrays_ = msgspec.structs.replace(draft, min_known=gate)
        self._set_thresholds(second)
        return self

    def predict_proba(self, texts: Sequence[str]) -> _F64:
        """Calibrated probabilities, float64, shape ``(len(texts), len(classes_))``."""
        return np.array([prediction.probabilities for prediction in self.model().predict(texts)])

    def model(self) -> LinearModel:
        """The fitted model, in memory."""
        return self._model(self.classes_, self.arrays_)

    def export(self, directory: Path, card: LocalCard) -> LocalCard:
        """Write the model file and the card, completed with its hash; returns that card."""
        sha256 = write_arrays(directory / MODEL_FILE, *self.arrays_.as_file())
        card = msgspec.structs.replace(card, files={MODEL_FILE: sha256})
        write_card(directory, card)
        return card

    def card(self, **facts: Any) -> LocalCard:
        """A card with what fitting has found; ``facts`` are the fields that only the caller knows."""
        promise = self.promise_
        return LocalCard(
            labels=self.classes_,
            maker="linear",
            threshold=promise.threshold,
            language_thresholds={name: found.threshold for name, found in self.promises_.items() if found.is_kept},
            ood_threshold=self.ood_threshold_,
            files={MODEL_FILE: "0" * 64},
            promise={name: _rounded(getattr(promise, name)) for name in promise.__struct_fields__}
            | {"method": "fixed-sequence Learn-then-Test, Clopper-Pearson bound"}
            | ({"by_language": by_language} if (by_language := self._promises_by_language()) else {}),
            calibration={
                "method": "temperature",
                "temperature": _rounded(self.temperature_),
                "rows": self.calibration_rows_,
                "ece": _rounded(self.ece_),
                "in_distribution_keeps": self.keep,
            },
            made_with={
                "python": platform.python_version(),
                "numpy": np.__version__,
                "scipy": scipy.__version__,
                "scikit-learn": sklearn.__version__,
            },
            **facts,
        )

    def _promises_by_language(self) -> dict[str, dict[str, float]]:
        return {
            language: {"max_error": promise.max_error, "coverage": round(promise.coverage, 4)}
            for language, promise in self.promises_.items()
            if promise.is_kept
        }

    # ----- steps -----

    def _draft(self, labels: tuple[str, ...], rows: Rows, fresh: Rows, outliers: Sequence[str]) -> LinearArrays:
        """Table and temperature; the in-distribution weights are still zero."""
        matrix = self._matrix(rows.texts)
        weights, biases = self._label_heads(*self._with_mistyped(matrix, rows))
        inlier_weights, inlier_bias = self._inlier_head(matrix, outliers)
        table, scale = _quantised(np.column_stack([weights, inlier_weights]), self.prune)
        bias = np.append(biases, inlier_bias).astype(np.float32)
        draft = LinearArrays(
            spec=self.spec,
            table=table,
            scale=scale,
            bias=bias,
            temperature=1.0,
            known=self._known(rows.texts),
            ood_weights=np.zeros(len(FACTS) + 1, np.float32),
            min_known=0.0,
        )
        truth = np.array([labels.index(label) for label in fresh.labels])
        scores = self._model(labels, draft).measure(fresh.texts)[0].astype(np.float64)
        return msgspec.structs.replace(draft, temperature=_temperature(scores, truth))

    def _learnt_without_labels(
        self, rows: Rows, fresh: Rows, head_texts: Sequence[str], check_texts: Sequence[str]
    ) -> npt.NDArray[np.float32]:
        """In-distribution weights from a model that never saw every fifth label: those rows are near outsiders.

        Texts of other sets alone would teach only to spot other worlds, not the next-door question that is missing.
        """
        left_out = set(self.classes_[self.seed % 5 :: 5])
        kept = tuple(label for label in self.classes_ if label not in left_out)
        inside = [[i for i, label in enumerate(part.labels) if label not in left_out] for part in (rows, fresh)]
        near = [text for text, label in zip(rows.texts, rows.labels, strict=True) if label in left_out]
        fresh = fresh.pick(inside[1])
        draft = self._draft(kept, rows.pick(inside[0]), fresh, head_texts)
        facts = self._facts(kept, draft, (fresh.texts, near, check_texts))
        return _judge(facts[0], facts[1:])

    def _facts(self, labels: tuple[str, ...], arrays: LinearArrays, groups: Sequence[Sequence[str]]) -> list[_F64]:
        model = self._model(labels, arrays)
        return [model.measure(texts)[1] for texts in groups]

    def _model(self, labels: tuple[str, ...], arrays: LinearArrays) -> LinearModel:
        card = LocalCard(
            name="draft",
            task="other_classification",
            labels=labels,
            maker="linear",
            languages=("en",),
            rows=0,
            threshold=NEVER,
            ood_threshold=1.0,
            licence="",
            data_hash="",
            files={},
        )
        return LinearModel(card, arrays)

    def _matrix(self, texts: Sequence[str]) -> sp.csr_matrix:
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
        copies = self._matrix([mistyped(text, draw) for text in rows.texts])
        return sp.vstack([matrix, copies]), [*rows.labels, *rows.labels], np.append(weigh, self.typos * weigh)

    def _label_heads(self, matrix: sp.csr_matrix, labels: Sequence[str], weigh: _F64) -> tuple[_F64, _F64]:
        machine = LinearSVC(
            C=self.c,
            class_weight="balanced" if self.balanced else None,
            tol=1e-3 if len(set(labels)) < 10 else 1e-2,
            max_iter=3000,
            random_state=self.seed,
        )
        machine.fit(matrix, np.array(labels), sample_weight=weigh)
        weights, biases = machine.coef_.T, machine.intercept_
        if weights.shape[1] == 1:  # one machine tells two labels apart: each gets half of its score
            weights, biases = np.column_stack([-weights, weights]) / 2, np.array([-biases[0], biases[0]]) / 2
        return weights, biases

    def _inlier_head(self, matrix: sp.csr_matrix, outliers: Sequence[str]) -> tuple[_F64, float]:
        if not outliers:
            return np.zeros(matrix.shape[1]), 0.0
        both = sp.vstack([matrix, self._matrix(outliers)])
        target = np.repeat([1, 0], [matrix.shape[0], len(outliers)])
        machine = LinearSVC(C=0.3, class_weight="balanced", tol=1e-2, max_iter=2000, random_state=self.seed)
        machine.fit(both, target)
        return machine.coef_[0], float(machine.intercept_[0])

    def _known(self, texts: Sequence[str]) -> npt.NDArray[np.uint8]:
        fine = msgspec.structs.replace(self.spec, bits=KNOWN_BITS)
        counts = np.zeros(1 << KNOWN_BITS, np.uint16)
        for text in texts:
            blocks, _ = buckets(TextHashes(text, head=fine.head, tail=fine.tail), fine)
            counts[np.unique(np.concatenate(blocks))] += 1
        return np.packbits(counts >= self.known_from, bitorder="little")

    def _set_thresholds(self, rows: Rows) -> None:
        predictions = self.model().predict(rows.texts)
        inside = np.array([prediction.in_distribution for prediction in predictions])
        matrix = np.array([prediction.probabilities for prediction in predictions])
        truth = np.array([self.classes_.index(label) for label in rows.labels])
        top, right = matrix.max(1), matrix.argmax(1) == truth
        self.ood_threshold_ = _rounded(float(np.quantile(inside, 1.0 - self.keep)))
        self.calibration_rows_ = len(rows)
        self.ece_ = expected_calibration_error(top, right)
        self.promise_: Promise = choose_threshold(
            top,
            right,
            max_error=self.max_error,
            confidence=self.confidence,
            may_answer=inside >= self.ood_threshold_,
        )
        # A mixture keeps its promise on average only: one language must not pay with its errors for another.
        self.promises_: dict[str, Promise] = {}
        spoken = np.array(rows.languages)
        for language in sorted(set(rows.languages)) if len(set(rows.languages)) > 1 else ():
            mine = spoken == language
            self.promises_[language] = choose_threshold(
                top[mine],
                right[mine],
                max_error=self.language_errors.get(language, self.max_error),
                confidence=self.confidence,
                may_answer=inside[mine] >= self.ood_threshold_,
            )


def _judge(inside: _F64, outside: Sequence[_F64]) -> npt.NDArray[np.float32]:
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


def _two_halves(names: Sequence[str]) -> tuple[list[str], list[str]]:
    return list(names[::2]), list(names[1::2]) or list(names[::2])


def _calibration_halves(rows: Rows, seed: int) -> tuple[Rows, Rows]:
    order = np.random.default_rng(seed).permutation(len(rows))
    cut = len(rows) // 3
    return rows.pick(order[:cut]), rows.pick(order[cut:])


def _quantised(weights: _F64, prune: int) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """int8 table and each column's scale. The largest 0.01 % of a column may saturate: finer steps for the rest."""
    scale = np.empty(weights.shape[1], np.float32)
    table = np.empty(weights.shape, np.int8)
    for column in range(weights.shape[1]):
        size = np.abs(weights[:, column])
        live = size[size > 0]
        limit = float(np.quantile(live, 0.9999)) if len(live) else 1.0
        scale[column] = limit / 127.0
        steps = np.clip(np.rint(weights[:, column] / scale[column]), -127, 127).astype(np.int8)
        steps[np.abs(steps) <= prune] = 0
        table[:, column] = steps
    return table, scale


def _temperature(scores: _F64, truth: npt.NDArray[np.intp]) -> float:
    """The factor before softmax that makes the labels likeliest (temperature scaling: Guo et al., 2017)."""

    def loss(log_factor: float) -> float:
        scaled = scores * np.exp(log_factor)
        return float((logsumexp(scaled, axis=1) - scaled[np.arange(len(truth)), truth]).mean())

    found = minimize_scalar(loss, bounds=(-3.0, 5.0), method="bounded")
    return float(np.exp(found.x))


def _rounded(value: Any) -> Any:
    return round(value, 6) if isinstance(value, float) else value
