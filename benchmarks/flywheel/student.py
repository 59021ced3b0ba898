"""The student of the measurement: a local model that is refitted in milliseconds as hosted answers come in.

Sentence vectors (MiniLM, frozen), and two closed-form classifiers whose probabilities are multiplied:

- a Gaussian for each label with one covariance for all, shrunk towards a multiple of the identity (regularised linear
  discriminant analysis: Friedman, 1989);
- the nearest ten neighbours, weighted by similarity.

The words of each label's name ("card_arrival": "card arrival") count as rows of it: what a label is called is known
before anybody was asked. What it answered itself and was sure of counts a little, too (self-training). Every constant
was chosen on seed and dev rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from router.types import Prediction

__all__ = ["NAME", "Student", "softmax"]

NAME = "student"
SHRINK = 0.6
NAME_WEIGHT = 2.0
NEIGHBOURS = 10
NEIGHBOUR_TEMPERATURE = 0.07
GAUSSIAN_TEMPERATURE = 8.0
OWN_WEIGHT = 0.2
OWN_LEAST = 0.5

_F64 = npt.NDArray[np.float64]


class Student:
    """A :class:`router.types.LocalModel`. ``vectors`` gives the sentence vector of each text, of length 1."""

    name, is_fast = NAME, True

    def __init__(self, labels: Sequence[str], names: _F64, vectors: Mapping[str, _F64]) -> None:
        self.labels = tuple(labels)
        self._names, self._vectors = names, vectors
        self._rows: list[_F64] = []
        self._truth: list[int] = []
        self.unfitted = 0
        self._seen: list[_F64] = []
        self._last: tuple[tuple[str, ...], list[Prediction]] | None = None

    def learn(self, text: str, label: str) -> None:
        """Take a row in; :meth:`refit` makes it count."""
        self._rows.append(self._vectors[text])
        self._truth.append(self.labels.index(label))
        self.unfitted += 1

    def see(self, text: str) -> None:
        """A text that the student answered itself: what it is sure of teaches it, too."""
        self._seen.append(self._vectors[text])

    def refit(self) -> None:
        """Fit to all rows, then once more with its own sure answers beside them (self-training)."""
        count = len(self.labels)
        self._x = np.vstack([*self._rows, self._names])
        self._y = np.concatenate([np.array(self._truth, np.intp), np.arange(count)])
        weigh = np.concatenate([np.ones(len(self._truth)), np.full(count, NAME_WEIGHT)])
        self._fit(self._x, self._y, weigh)
        if len(self._seen) > 20:
            seen = np.stack(self._seen)
            shares = self.probabilities(seen)
            sure = shares.max(1) >= OWN_LEAST
            if sure.any():
                self._fit(
                    np.vstack([self._x, seen[sure]]),
                    np.concatenate([self._y, shares[sure].argmax(1)]),
                    np.concatenate([weigh, OWN_WEIGHT * shares[sure].max(1)]),
                )
        self.unfitted, self._last = 0, None

    def _fit(self, x: _F64, y: npt.NDArray[np.intp], weigh: _F64) -> None:
        count = len(self.labels)
        means, sums = np.zeros((count, x.shape[1])), np.zeros(count)
        np.add.at(means, y, x * weigh[:, None])
        np.add.at(sums, y, weigh)
        means /= sums[:, None]
        centred = (x - means[y]) * np.sqrt(weigh)[:, None]
        covariance = centred.T @ centred / max(weigh.sum() - count, 1.0)
        width = len(covariance)
        covariance = (1 - SHRINK) * covariance + SHRINK * np.trace(covariance) / width * np.eye(width)
        self._weights = np.linalg.solve(covariance, means.T)
        self._offset = 0.5 * (means.T * self._weights).sum(0)

    def probabilities(self, vectors: _F64) -> _F64:
        """Shape ``(n, labels)``."""
        gaussian = softmax((vectors @ self._weights - self._offset) / GAUSSIAN_TEMPERATURE)
        near = vectors @ self._x.T
        count = min(NEIGHBOURS, near.shape[1])
        places = np.argpartition(-near, count - 1, axis=1)[:, :count]
        votes = np.full_like(gaussian, 1e-6)
        rows = np.arange(len(vectors))
        for column in range(count):
            at = places[:, column]
            np.add.at(votes, (rows, self._y[at]), np.exp((near[rows, at] - 1) / NEIGHBOUR_TEMPERATURE))
        votes /= votes.sum(1, keepdims=True)
        return softmax((np.log(gaussian + 1e-4) + np.log(votes + 1e-3)) / 2)

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """See :class:`router.types.LocalModel`."""
        if self._last is not None and self._last[0] == tuple(texts):
            return self._last[1]
        rows = self.probabilities(np.stack([self._vectors[text] for text in texts]))
        found = [Prediction(labels=self.labels, probabilities=tuple(row.tolist()), in_distribution=1.0) for row in rows]
        self._last = (tuple(texts), found)
        return found


def softmax(scores: _F64) -> _F64:
    """Rows that sum to one."""
    shares: _F64 = np.exp(scores - scores.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    return shares
