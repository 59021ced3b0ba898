"""How good would each model's answer be? One ridge regression a model over hashed n-grams, from recorded outcomes.

Linear in the table that ``signals/quality.py`` reads: inverse document frequencies (Spärck Jones, 1972) are folded into
the weights, and wording that was never seen adds nothing, so that a strange prompt falls back to each model's mean.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import scipy.sparse as sparse
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold

from ..errors import RequestError
from ..features import FeatureSpec, sparse_rows
from ..local.files import write_arrays
from ..signals.quality import FORMAT, LearnedQuality, QualityFacts
from .outcomes import Outcomes

__all__ = ["LEAST_ROWS", "QualityFit", "prompt_folds", "save_quality"]

SPEC = FeatureSpec(bits=16, words=(1, 2), chars=(4,), head=6144, tail=2048)
LEAST_ROWS = 50
ALPHAS = (100.0, 300.0, 1000.0, 3000.0)
LEAST_TRUST = 0.02

Floats = npt.NDArray[np.float64]


class QualityFit:
    """A predictor of scores, in the manner of scikit-learn: ``fit``, ``predict``, learnt attributes end in ``_``.

    Args:
        alphas: strengths of regularisation to choose from, by cross-validation over prompts within the training rows.
        seed: of the folds.

    ``alpha_``: the chosen strength; ``trust_``: how far predictions may leave each model's mean, 0..1; ``models_``:
    names, in the order of the columns.
    """

    def __init__(self, *, spec: FeatureSpec = SPEC, alphas: Sequence[float] = ALPHAS, seed: int = 20230427) -> None:
        self.spec, self.alphas, self.seed = spec, tuple(alphas), seed

    def fit(self, outcomes: Outcomes) -> QualityFit:
        """Learn from ``outcomes``.

        Raises:
            RequestError: fewer than :data:`LEAST_ROWS` prompts.
        """
        if len(outcomes) < LEAST_ROWS:
            raise RequestError(
                f"{len(outcomes)} prompts are too few to learn quality from.",
                hint=f"Record outcomes of at least {LEAST_ROWS} prompts; several hundred tell much more.",
            )
        rows = self.rows(outcomes.prompts)
        counts = np.asarray((rows > 0).sum(axis=0)).ravel()
        self._seen = np.flatnonzero(counts)
        self.weights_ = np.log((1.0 + len(outcomes)) / (1.0 + counts[self._seen])) + 1.0
        weighted = self._weighted(rows)
        self.alpha_, self.trust_ = self._tuned(weighted, outcomes)
        self._ridge = _ridge(self.alpha_).fit(weighted, outcomes.scores)
        self.models_, self.n_rows_ = outcomes.models, len(outcomes)
        self.means_ = outcomes.scores.mean(axis=0)
        return self

    def rows(self, prompts: Sequence[str]) -> sparse.csr_matrix:
        """Features of prompts, shape ``(N, 2**spec.bits)``."""
        data, indices, indptr = sparse_rows(prompts, self.spec)
        matrix = sparse.csr_matrix((data, indices, indptr), shape=(len(prompts), 1 << self.spec.bits))
        matrix.sum_duplicates()
        return matrix

    def predict(self, prompts: Sequence[str]) -> Floats:
        """Expected scores, shape ``(N, M)``, not clipped: so differences between models keep their order."""
        found: Floats = np.asarray(self._ridge.predict(self._weighted(self.rows(prompts))), np.float64).reshape(
            len(prompts), -1
        )
        trusted: Floats = self.means_ + self.trust_ * (found - self.means_)
        return trusted

    def table(self) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """``(table, scale, bias)`` for :class:`~router.signals.quality.LearnedQuality`."""
        weights = np.zeros((1 << self.spec.bits, len(self.models_)))
        weights[self._seen] = self.trust_ * (np.atleast_2d(self._ridge.coef_) * self.weights_).T
        bias = self.means_ + self.trust_ * (self._ridge.intercept_ - self.means_)
        scale = np.maximum(np.abs(weights).max(axis=0), 1e-12) / 127.0
        return (
            np.ascontiguousarray(np.round(weights / scale), np.int8),
            scale.astype(np.float32),
            bias.astype(np.float32),
        )

    def serving(self) -> LearnedQuality:
        """The detector as a router runs it: weights of eight bits, no scikit-learn."""
        table, scale, bias = self.table()
        facts = QualityFacts(
            version=hashlib.sha256(table.tobytes() + bias.tobytes()).hexdigest()[:12],
            models=self.models_,
            spec=self.spec,
            rows=self.n_rows_,
            means=tuple(round(float(mean), 4) for mean in self.means_),
        )
        return LearnedQuality(facts, table, scale, bias)

    def _weighted(self, rows: sparse.csr_matrix) -> sparse.csr_matrix:
        return (rows[:, self._seen] @ sparse.diags(self.weights_)).tocsr()

    def _tuned(self, rows: sparse.csr_matrix, outcomes: Outcomes) -> tuple[float, float]:
        """``(alpha, trust)`` that did best on prompts held out of the training rows.

        The strength is the one that predicts differences between models best. How far these are then trusted is the
        slope of what happened on what was predicted, less its standard error: noise must not outvote the best model.
        """
        folds = prompt_folds(outcomes.prompts, 3, self.seed)
        best: tuple[float, float, Floats, Floats] | None = None
        for alpha in self.alphas:
            found, truth = np.zeros(outcomes.scores.shape), np.zeros(outcomes.scores.shape)
            for train, test in folds:
                means = outcomes.scores[train].mean(axis=0)
                found[test] = _ridge(alpha).fit(rows[train], outcomes.scores[train]).predict(rows[test]) - means
                truth[test] = outcomes.scores[test] - means
            found -= found.mean(axis=1, keepdims=True)
            truth -= truth.mean(axis=1, keepdims=True)
            error = float(((found - truth) ** 2).sum())
            if best is None or error < best[0]:
                best = (error, alpha, found, truth)
        assert best is not None
        _, alpha, found, truth = best
        energy = float((found**2).sum()) or 1.0
        slope = float((found * truth).sum()) / energy
        deviation = float((((truth - slope * found) * found).sum(axis=1) ** 2).sum()) ** 0.5 / energy
        return alpha, min(1.0, max(LEAST_TRUST, slope - deviation))


def prompt_folds(
    prompts: Sequence[str], count: int, seed: int
) -> list[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """``count`` pairs of training and test rows; a prompt that stands in several rows is in one fold."""
    keys: dict[str, int] = {}
    groups = np.array([keys.setdefault(prompt, len(keys)) for prompt in prompts])
    shuffled = np.random.default_rng(seed).permutation(len(keys))[groups]
    folds = GroupKFold(min(count, len(keys))).split(groups, groups=shuffled)
    return [(train.astype(np.intp), test.astype(np.intp)) for train, test in folds]


def save_quality(fit: QualityFit, path: Path) -> LearnedQuality:
    """Write what a router loads, one safetensors file; the detector in it."""
    detector = fit.serving()
    table, scale, bias = fit.table()
    arrays: dict[str, npt.NDArray[Any]] = {"table": table, "scale": scale, "bias": bias}
    write_arrays(path, arrays, {"format": FORMAT, "facts": msgspec.json.encode(detector.facts).decode()})
    return detector


def _ridge(alpha: float) -> Ridge:
    return Ridge(alpha=alpha, solver="sparse_cg", tol=1e-3)
