"""Learned routers from the literature, in one shape, to be measured side by side.

Each has ``fit(outcomes)`` and ``predict(prompts) -> (N, M)`` expected scores. They read dense vectors of the prompts:
latent semantic analysis of the training prompts (Deerwester et al., 1990), so that nothing has to be downloaded.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import TruncatedSVD
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer

from .fit_quality import QualityFit
from .outcomes import Outcomes

__all__ = ["RIVALS", "Dense", "Predictor", "make_predictor"]

Floats = npt.NDArray[np.float64]


class Predictor(Protocol):
    """What is measured: expected scores of each model, shape ``(N, M)``."""

    def fit(self, outcomes: Outcomes) -> Any: ...
    def predict(self, prompts: Sequence[str]) -> Floats: ...


class Dense:
    """Vectors of prompts, learnt on the training prompts alone.

    Rivals that learn from the same prompts share one: its vectors are learnt once for each set of training prompts.
    """

    def __init__(self, seed: int, width: int = 128) -> None:
        self.seed, self.width = seed, width
        self._learnt: dict[tuple[str, ...], tuple[Pipeline, Floats]] = {}

    def learn(self, prompts: Sequence[str]) -> tuple[Pipeline, Floats]:
        """What gives vectors of length 1, by its ``transform``, and those of ``prompts``, shape ``(N, width)``."""
        key = tuple(prompts)
        if key not in self._learnt:
            words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2, max_features=100_000)
            rows = words.fit_transform(prompts)
            reduce = TruncatedSVD(min(self.width, rows.shape[0] - 1, rows.shape[1] - 1), random_state=self.seed)
            vectors = Normalizer().fit_transform(reduce.fit_transform(rows))
            self._learnt[key] = (make_pipeline(words, reduce, Normalizer()), vectors)
        return self._learnt[key]


class Neighbours:
    """Mean scores of the 40 most similar prompts (the kNN router of RouterBench, Hu et al., 2024)."""

    def __init__(self, seed: int, dense: Dense) -> None:
        self._dense = dense

    def fit(self, outcomes: Outcomes) -> Neighbours:
        self._steps, vectors = self._dense.learn(outcomes.prompts)
        self._near = KNeighborsRegressor(min(40, len(outcomes)), metric="cosine", algorithm="brute")
        self._near.fit(vectors, outcomes.scores)
        return self

    def predict(self, prompts: Sequence[str]) -> Floats:
        found: Floats = self._near.predict(self._steps.transform(prompts))
        return found


class Perceptron:
    """Two hidden layers on the vectors (the MLP router of RouterBench, Hu et al., 2024)."""

    def __init__(self, seed: int, dense: Dense) -> None:
        self._dense = dense
        self._net = MLPRegressor(hidden_layer_sizes=(100, 100), early_stopping=True, max_iter=60, random_state=seed)

    def fit(self, outcomes: Outcomes) -> Perceptron:
        self._steps, vectors = self._dense.learn(outcomes.prompts)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # sixty rounds are what it gets
            self._net.fit(vectors, outcomes.scores)
        return self

    def predict(self, prompts: Sequence[str]) -> Floats:
        return np.asarray(self._net.predict(self._steps.transform(prompts)), np.float64).reshape(len(prompts), -1)


class Factors:
    """Bilinear factors of prompts and models (the matrix factorisation of RouteLLM, Ong et al., 2024).

    ``logit = w . (v_model * (W x + b))``, by gradient descent (Adam) on cross-entropy of the scores.
    """

    def __init__(
        self, seed: int, dense: Dense, *, rank: int = 32, steps: int = 300, rate: float = 0.02, decay: float = 1e-3
    ) -> None:
        self._dense = dense
        self.seed, self.rank, self.steps, self.rate, self.decay = seed, rank, steps, rate, decay

    def fit(self, outcomes: Outcomes) -> Factors:
        self._steps, x = self._dense.learn(outcomes.prompts)
        chance = np.random.default_rng(self.seed)
        mean = np.clip(outcomes.scores.mean(axis=0), 0.02, 0.98)
        self._weights = [
            chance.normal(0, 0.1, (x.shape[1], self.rank)),
            chance.normal(0, 0.1, (self.rank, len(outcomes.models))),
            np.log(mean / (1 - mean)),
        ]
        moments = [(np.zeros_like(w), np.zeros_like(w)) for w in self._weights]
        for step in range(1, self.steps + 1):
            rows = chance.integers(0, len(x), min(2048, len(x)))
            inner = x[rows] @ self._weights[0]
            error = (_sigmoid(inner @ self._weights[1] + self._weights[2]) - outcomes.scores[rows]) / len(rows)
            slopes = [
                x[rows].T @ (error @ self._weights[1].T) + self.decay * self._weights[0],
                inner.T @ error + self.decay * self._weights[1],
                error.sum(axis=0),
            ]
            for weight, slope, (first, second) in zip(self._weights, slopes, moments, strict=True):
                first += 0.1 * (slope - first)
                second += 0.001 * (slope * slope - second)
                corrected = first / (1 - 0.9**step)
                weight -= self.rate * corrected / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        return self

    def predict(self, prompts: Sequence[str]) -> Floats:
        return _sigmoid(self._steps.transform(prompts) @ self._weights[0] @ self._weights[1] + self._weights[2])


class Routes:
    """Each model is a route, and its utterances the training prompts that it should have got: the cheapest that did
    best, by outcome. A prompt's votes are the mean similarities of its five nearest utterances (the route layer of
    semantic-router, github.com/aurelio-labs/semantic-router).
    """

    def __init__(self, seed: int, dense: Dense, *, top: int = 5) -> None:
        self._dense, self.top = dense, top

    def fit(self, outcomes: Outcomes) -> Routes:
        self._steps, self._vectors = self._dense.learn(outcomes.prompts)
        price = np.nan_to_num(outcomes.usd).mean(axis=0)
        if not price.any():
            price = outcomes.scores.mean(axis=0)  # where no cost is known, the better model is the dearer one
        ranks = price.argsort().argsort() * 1e-6
        self._route = (outcomes.scores - ranks).argmax(axis=1)
        self._means = outcomes.scores.mean(axis=0)
        return self

    def predict(self, prompts: Sequence[str]) -> Floats:
        found = np.zeros((len(prompts), len(self._means)))
        top = min(self.top, len(self._vectors))
        for start in range(0, len(prompts), 512):
            near = self._steps.transform(prompts[start : start + 512]) @ self._vectors.T
            best = np.argpartition(-near, top - 1, axis=1)[:, :top]
            for row, columns in enumerate(best):
                np.add.at(found[start + row], self._route[columns], near[row, columns] / top)
        total: Floats = found + 1e-6 * self._means
        return total


class Length:
    """Longer prompts are harder: the least one can do."""

    def __init__(self, seed: int, dense: Dense) -> None:
        self._word = re.compile(r"\S+")

    def fit(self, outcomes: Outcomes) -> Length:
        self._means = outcomes.scores.mean(axis=0)
        return self

    def predict(self, prompts: Sequence[str]) -> Floats:
        size = np.log1p([len(self._word.findall(prompt)) for prompt in prompts])
        found: Floats = self._means[None, :] - size[:, None] * (1.0 - self._means[None, :]) / 20.0
        return found


def _ours(seed: int, dense: Dense) -> QualityFit:
    return QualityFit(seed=seed)


RIVALS: dict[str, tuple[Any, str]] = {
    "router": (_ours, "n-grams, word vectors and surface: ridge, stacked"),
    "knn": (Neighbours, "kNN on LSA vectors (RouterBench)"),
    "mlp": (Perceptron, "MLP on LSA vectors (RouterBench)"),
    "mf": (Factors, "matrix factorisation on LSA vectors (RouteLLM)"),
    "routes": (Routes, "nearest utterances of each model, on LSA vectors (semantic-router)"),
    "length": (Length, "number of words"),
}
"""Name -> (maker, description). ``router`` is this package's own."""


def make_predictor(name: str, seed: int, dense: Dense | None = None) -> Predictor:
    """A fresh predictor by its name in :data:`RIVALS`; those that are given one ``dense`` share its work."""
    made: Predictor = RIVALS[name][0](seed, dense or Dense(seed))
    return made


def _sigmoid(x: Floats) -> Floats:
    found: Floats = 1.0 / (1.0 + np.exp(-np.clip(x, -30, 30)))
    return found
