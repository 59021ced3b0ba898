"""How good would each model's answer be? Ridge regressions over three views of a prompt, from recorded outcomes.

Views: hashed n-grams; the words' vectors of a static sentence encoder, so that a word that was never seen counts like
its neighbours; the surface (length, numbers, options). Inverse document frequencies (Spärck Jones, 1972) leave out what
every prompt holds, such as the examples of a few-shot prompt. How far each view is trusted is told by what it predicted
of held-out prompts (stacking with weights of at least 0: Breiman, 1996): a view that tells nothing counts nothing. All
that is linear, and is served as the tables that ``signals/quality.py`` reads. A curve a model follows: what the better
model gains is most between what everybody can and what nobody can, which no line tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
import scipy.sparse as sparse
from scipy.linalg import eigh
from scipy.optimize import nnls
from sklearn.linear_model import Ridge

from ..errors import RequestError
from ..features import FeatureSpec, TextHashes, prepared, sparse_rows
from ..local.files import write_arrays
from ..local.static import shipped_encoder
from ..signals.quality import BEND_WITHIN, FORMAT, LearnedQuality, QualityFacts, digest_of, standardised
from ..signals.surface import SURFACE, surface_of
from .known import known_table
from .outcomes import Outcomes, prompt_folds

__all__ = ["LEAST_ROWS", "QualityFit", "save_quality"]

SPEC = FeatureSpec(bits=18, words=(1, 2), chars=(4,), head=6144, tail=2048)
# Weights of words that share a row are added up, so the table is large enough that few do.
WORDS = FeatureSpec(bits=20, words=(1,), chars=(), head=SPEC.head, tail=SPEC.tail)
LEAST_ROWS = 50
ALPHAS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
_KEY_BITS = 32
_PULL = 0.1
_SQUARE = 4000
_BEND_PULL = 10.0
_BEND_FOLDS = 5

Floats = npt.NDArray[np.float64]
Matrix: TypeAlias = Any  # sparse or dense, one row a prompt


class _View(Protocol):
    """``fit``: rows of training prompts, of mean length 1; ``table``: weights of these rows, shape ``(width, M)``, as
    weights of what is served."""

    def fit(self, prompts: Sequence[str]) -> Matrix: ...
    def table(self, coefficients: Floats) -> Floats: ...


class _Ngrams:
    """Hashed n-grams; the learnt weights are those of the table's rows."""

    def fit(self, prompts: Sequence[str]) -> Matrix:
        data, indices, indptr = sparse_rows(prompts, SPEC)
        rows = sparse.csr_matrix((data, indices, indptr), shape=(len(prompts), 1 << SPEC.bits))
        rows.sum_duplicates()
        counts = np.asarray((rows > 0).sum(axis=0)).ravel()
        self._seen = np.flatnonzero(counts)
        weights = np.log((1.0 + len(prompts)) / (1.0 + counts[self._seen]))
        weighted = (rows[:, self._seen] @ sparse.diags(weights)).tocsr()
        self._weights = weights / (_size(weighted) or 1.0)
        return (rows[:, self._seen] @ sparse.diags(self._weights)).tocsr()

    def table(self, coefficients: Floats) -> Floats:
        found = np.zeros((1 << SPEC.bits, coefficients.shape[1]))
        found[self._seen] = self._weights[:, None] * coefficients
        return found


class _Words:
    """The known words' vectors, summed; the learnt weights are folded into one row a word."""

    def fit(self, prompts: Sequence[str]) -> Matrix:
        keys, vectors = shipped_encoder().words
        rows = _word_rows(prompts, keys)
        counts = np.asarray((rows > 0).sum(axis=0)).ravel()
        weights = np.log((1.0 + len(prompts)) / (1.0 + counts))
        found: Floats = rows @ (vectors * weights[:, None])
        scale = weights / (_size(found - found.mean(axis=0)) or 1.0)
        self._keys, self._vectors = keys, vectors * scale[:, None]
        dense: Floats = np.asarray(rows @ self._vectors, np.float64)
        return dense

    def table(self, coefficients: Floats) -> Floats:
        found = np.zeros((1 << WORDS.bits, coefficients.shape[1]))
        # The upper half of a word's hash is its key, and the upper bits of that its row.
        np.add.at(found, self._keys >> np.uint32(_KEY_BITS - WORDS.bits), self._vectors @ coefficients)
        return found


class _Surface:
    """How the prompt looks."""

    def fit(self, prompts: Sequence[str]) -> Matrix:
        rows = _surfaces(prompts)
        self.middle, spread = rows.mean(axis=0), rows.std(axis=0)
        self.spread = np.where(spread > 1e-6, spread, 1.0).astype(np.float32)
        looks = standardised(rows, self.middle, 1.0 / self.spread).astype(np.float64)
        self._scale = 1.0 / (_size(looks) or 1.0)
        found: Floats = looks * self._scale
        return found

    def table(self, coefficients: Floats) -> Floats:
        return coefficients * self._scale


class QualityFit:
    """A predictor of scores, in the manner of scikit-learn: ``fit``, ``predict``, learnt attributes end in ``_``.

    Args:
        alphas: strengths of regularisation to choose from, by cross-validation over prompts within the training rows.
        seed: of the folds.

    ``alphas_``: the chosen strengths, and ``trust_``: how far a view's predictions are followed, 0 or more, both of
    shape ``(2, 3)``: for how hard a prompt is for all models, and for differences between models; ``bend_``: the
    curves over the former, see :class:`~router.signals.quality.LearnedQuality`; ``models_``: names, in the order of the
    columns.
    """

    def __init__(self, *, alphas: Sequence[float] = ALPHAS, seed: int = 20230427) -> None:
        self.alphas, self.seed = tuple(alphas), seed

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
        surface = _Surface()
        views: tuple[_View, ...] = (_Ngrams(), _Words(), surface)
        rows = [view.fit(outcomes.prompts) for view in views]
        folds = prompt_folds(outcomes.prompts, 3, self.seed)
        truth = outcomes.scores - outcomes.scores.mean(axis=0)
        tuned = [self._tuned(matrix, outcomes.scores, folds) for matrix in rows]
        self.alphas_ = np.array([[alpha for alpha, _ in part] for part in tuned]).T
        held = [[found for _, found in each] for each in zip(*tuned, strict=True)]
        self.trust_ = np.array([_trust(each, part(truth)) for each, part in zip(held, _PARTS, strict=True)])
        self.models_, self.n_rows_ = outcomes.models, len(outcomes)
        self.means_ = outcomes.scores.mean(axis=0)
        self.bias_ = self.means_.copy()
        tables = []
        for view, matrix, alphas, trusts in zip(views, rows, self.alphas_.T, self.trust_.T, strict=True):
            mixed = np.zeros((matrix.shape[1], len(self.models_)))
            for alpha in set(alphas):
                coefficients = np.atleast_2d(_ridge(alpha, matrix).fit(matrix, truth).coef_).T
                for part, strength, trust in zip(_PARTS, alphas, trusts, strict=True):
                    mixed += (strength == alpha) * trust * part(coefficients)
            self.bias_ -= np.asarray(matrix.mean(axis=0)).ravel() @ mixed
            tables.append(view.table(mixed))
        level, gaps = (
            sum(trust * found for trust, found in zip(trusts, each, strict=True))
            for trusts, each in zip(self.trust_, held, strict=True)
        )
        self.spread_, self.bend_ = _bend(level[:, 0], _gaps(truth) - gaps, self.seed)
        self._table, self._word_table, self._surface = tables
        self._middle, self._spread = surface.middle, surface.spread
        self._known = known_table(outcomes.prompts, SPEC)
        return self

    def predict(self, prompts: Sequence[str]) -> Floats:
        """Expected scores, shape ``(N, M)``, not clipped: so differences between models keep their order."""
        found = np.tile(self.bias_, (len(prompts), 1))
        for spec, table in ((SPEC, self._table), (WORDS, self._word_table)):
            data, indices, indptr = sparse_rows(prompts, spec)
            found += sparse.csr_matrix((data, indices, indptr), shape=(len(prompts), 1 << spec.bits)) @ table
        looks = standardised(_surfaces(prompts), self._middle, 1.0 / self._spread)
        found += looks.astype(np.float64) @ self._surface
        level = found.mean(axis=1) - self.means_.mean()
        total: Floats = found + _powers(level, self.spread_) @ self.bend_
        return total

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What :class:`~router.signals.quality.LearnedQuality` reads; weights of tables have eight bits."""
        table, scale = _eight_bits(self._table)
        word_table, word_scale = _eight_bits(self._word_table)
        return {
            "table": table,
            "scale": scale,
            "word_table": word_table,
            "word_scale": word_scale,
            "bias": self.bias_.astype(np.float32),
            "level": np.array([self.means_.mean(), self.spread_], np.float32),
            "bend": self.bend_.astype(np.float32),
            "surface": self._surface.astype(np.float32),
            "middle": self._middle.astype(np.float32),
            "spread": self._spread,
            "known": self._known,
        }

    def serving(self) -> LearnedQuality:
        """The detector as a router runs it, without scikit-learn."""
        arrays = self.arrays()
        digest = digest_of(arrays)
        facts = QualityFacts(
            version=digest[:12],
            digest=digest,
            models=self.models_,
            spec=SPEC,
            words=WORDS,
            rows=self.n_rows_,
            means=tuple(round(float(mean), 4) for mean in self.means_),
        )
        return LearnedQuality(facts, arrays)

    def _tuned(
        self, rows: Matrix, scores: Floats, folds: Sequence[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]
    ) -> list[tuple[float, Floats]]:
        """For the level, and for the gaps: the strength that told most of held-out prompts, and what it told."""
        held = np.zeros((len(self.alphas), *scores.shape))
        gram = (rows @ rows.T).toarray() if sparse.issparse(rows) and rows.shape[0] <= _SQUARE else None
        for train, test in folds:
            truth = scores[train] - scores[train].mean(axis=0)
            for at, found in enumerate(_unseen(rows, gram, train, test, truth, self.alphas)):
                held[at, test] = found
        chosen = []
        for part in _PARTS:
            truth = part(scores - scores.mean(axis=0))
            best = max(range(len(self.alphas)), key=lambda at: _told(part(held[at]), truth))
            chosen.append((self.alphas[best], part(held[best])))
        return chosen


def save_quality(fit: QualityFit, path: Path) -> LearnedQuality:
    """Write what a router loads, one safetensors file; the detector in it."""
    detector = fit.serving()
    write_arrays(path, fit.arrays(), {"format": FORMAT, "facts": msgspec.json.encode(detector.facts).decode()})
    return detector


def _told(found: Floats, truth: Floats) -> float:
    """How much of ``truth`` is told by ``found``, at the scale that fits best."""
    return max(0.0, float((found * truth).sum())) ** 2 / (float((found**2).sum()) or 1.0)


def _unseen(
    rows: Matrix,
    gram: Floats | None,
    train: npt.NDArray[np.intp],
    test: npt.NDArray[np.intp],
    truth: Floats,
    alphas: Sequence[float],
) -> list[Floats]:
    """Predictions of ``test`` by ridges learnt from ``train``, one for each of ``alphas``; through the rows' products
    ``gram`` where given, for then one decomposition serves all."""
    if gram is None:
        ridges = [_ridge(alpha, rows).fit(rows[train], truth) for alpha in alphas]
        return [np.asarray(ridge.predict(rows[test])).reshape(len(test), -1) for ridge in ridges]
    inside, across = gram[np.ix_(train, train)], gram[np.ix_(test, train)]
    means = inside.mean(axis=0)
    values, vectors = eigh(inside - means - means[:, None] + means.mean())
    across = across - across.mean(axis=1, keepdims=True) - means + means.mean()
    turned, across = vectors.T @ truth, across @ vectors
    return [across @ (turned / (np.maximum(values, 0.0) + alpha)[:, None]) for alpha in alphas]


def _trust(held: Sequence[Floats], truth: Floats) -> Floats:
    """Weights of the views, shape ``(len(held),)``, that fit what happened to held-out prompts, none below 0.

    The whole is then less its standard error: noise must not outvote the best model.
    """
    sizes = np.array([float(np.mean(each**2)) ** 0.5 for each in held])
    found = np.column_stack([each.ravel() for each in held]) / np.maximum(sizes, 1e-12)
    # A little ridge: views that say the same share their weight, for on other prompts they may not.
    pull = np.eye(len(held)) * (_PULL * len(found)) ** 0.5
    weights, _ = nnls(np.vstack([found, pull]), np.r_[truth.ravel(), np.zeros(len(held))])
    weights = np.where(sizes > 1e-12, weights / np.maximum(sizes, 1e-12), 0.0)
    mixed = sum(weight * each for weight, each in zip(weights, held, strict=True))
    kept: Floats = weights * _certain(mixed, truth)
    return kept


def _certain(found: Floats, truth: Floats) -> float:
    """The factor at which ``found``, shape ``(N, M)``, tells ``truth`` best, less its standard error; at least 0."""
    energy = float(np.sum(found**2))
    if energy <= 0.0:
        return 0.0
    slope = float(np.sum(found * truth)) / energy
    deviation = float(((((truth - slope * found) * found).sum(axis=1)) ** 2).sum()) ** 0.5 / energy
    certain: float = max(0.0, slope - deviation)
    return certain


def _bend(level: Floats, left: Floats, seed: int) -> tuple[float, Floats]:
    """How wide ``level``, shape ``(N,)``, spreads, and curves over it, shape ``(3, M)``, that tell what is ``left`` of
    the gaps, shape ``(N, M)``; 0 as far as they tell nothing with certainty of rows that they were not fitted to."""
    spread = float(level.std())
    if spread < 1e-9:
        return 1.0, np.zeros((3, left.shape[1]))
    powers = _powers(level, spread)
    fold = np.random.default_rng(seed).permutation(len(level)) % _BEND_FOLDS
    told = np.zeros(left.shape)
    for each in range(_BEND_FOLDS):
        told[fold == each] = powers[fold == each] @ _fitted(powers[fold != each], left[fold != each])
    kept = min(1.0, _certain(told, left))
    return spread, kept * _fitted(powers, left)


def _fitted(powers: Floats, left: Floats) -> Floats:
    """Coefficients of ``powers`` for ``left``, the middle free and the rest held back a little."""
    pull = np.eye(3) * np.array([0.0, _BEND_PULL, _BEND_PULL])
    found: Floats = np.linalg.solve(powers.T @ powers + pull, powers.T @ left)
    return found


def _powers(level: Floats, spread: float) -> Floats:
    """Shape ``(N, 3)``: 1, the level in its spreads, and its square; cut, for beyond it nothing was seen."""
    x = np.clip(level / spread, -BEND_WITHIN, BEND_WITHIN)
    found: Floats = np.column_stack([np.ones_like(x), x, x * x])
    return found


def _level(scores: Floats) -> Floats:
    """Of each row the mean over the models, in the same shape."""
    return np.broadcast_to(scores.mean(axis=1, keepdims=True), scores.shape)


def _gaps(scores: Floats) -> Floats:
    """Of each row the differences to its mean."""
    found: Floats = scores - scores.mean(axis=1, keepdims=True)
    return found


_PARTS = (_level, _gaps)


def _word_rows(prompts: Sequence[str], keys: npt.NDArray[np.uint32]) -> sparse.csr_matrix:
    """How often each known word is in each prompt, scaled as the table of words is read."""
    indices, indptr, data = [], [0], []
    for prompt in prompts:
        tokens = TextHashes(prompt, head=WORDS.head, tail=WORDS.tail).tokens
        asked = (tokens >> np.uint64(_KEY_BITS)).astype(np.uint32)
        at = np.minimum(keys.searchsorted(asked), len(keys) - 1)
        known = at[keys[at] == asked]
        indices.append(known)
        data.append(np.full(len(known), max(1, len(tokens)) ** -0.5))
        indptr.append(indptr[-1] + len(known))
    rows = sparse.csr_matrix(
        (np.concatenate(data), np.concatenate(indices), indptr), shape=(len(prompts), len(keys)), dtype=np.float64
    )
    rows.sum_duplicates()
    return rows


def _surfaces(prompts: Sequence[str]) -> npt.NDArray[np.float32]:
    rows = [surface_of(prepared(prompt, head=SPEC.head, tail=SPEC.tail)) for prompt in prompts]
    return np.array(rows, np.float32).reshape(len(prompts), len(SURFACE))


def _size(rows: Matrix) -> float:
    """The root of the mean squared length of the rows."""
    squares = rows.multiply(rows).sum() if sparse.issparse(rows) else np.square(rows).sum()
    return float((squares / max(1, rows.shape[0])) ** 0.5)


def _eight_bits(weights: Floats) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    scale = np.maximum(np.abs(weights).max(axis=0), 1e-12) / 127.0
    return np.ascontiguousarray(np.round(weights / scale), np.int8), scale.astype(np.float32)


def _ridge(alpha: float, rows: Matrix) -> Ridge:
    if sparse.issparse(rows):
        return Ridge(alpha=alpha, solver="sparse_cg", tol=1e-3)
    return Ridge(alpha=alpha, solver="cholesky")
