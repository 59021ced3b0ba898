"""The student of the measurement: the maker ``neighbours``, learning as hosted answers come in.

The method is the package's (:class:`router.offline.neighbours.Learner`); the vectors are read once for all runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from router.offline.neighbours import Learner
from router.types import Prediction

__all__ = ["NAME", "Student"]

NAME = "student"

_F64 = npt.NDArray[np.float64]


class Student:
    """A :class:`router.types.LocalModel`. ``vectors`` gives the sentence vector of each text, of length 1."""

    name, is_fast = NAME, True

    def __init__(self, labels: Sequence[str], names: _F64, vectors: Mapping[str, _F64]) -> None:
        self.labels = tuple(labels)
        self._vectors = vectors
        self._learner = Learner(len(self.labels), names)
        self._last: tuple[tuple[str, ...], list[Prediction]] | None = None

    @property
    def unfitted(self) -> int:
        """Rows that were taken in since the last :meth:`refit`."""
        return self._learner.unfitted

    def learn(self, text: str, label: str) -> None:
        """Take a row in; :meth:`refit` makes it count."""
        self._learner.learn(self._vectors[text], self.labels.index(label))

    def see(self, text: str) -> None:
        """A text that the student answered itself."""
        self._learner.see(self._vectors[text])

    def refit(self) -> None:
        """Fit to all that was taken in."""
        self._learner.refit()
        self._last = None

    def probabilities(self, vectors: _F64) -> _F64:
        """Shape ``(len(vectors), labels)``."""
        return self._learner.learnt_.probabilities(vectors)

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """See :class:`router.types.LocalModel`."""
        if self._last is not None and self._last[0] == tuple(texts):
            return self._last[1]
        rows = self.probabilities(np.stack([self._vectors[text] for text in texts]))
        found = [Prediction(labels=self.labels, probabilities=tuple(row.tolist()), in_distribution=1.0) for row in rows]
        self._last = (tuple(texts), found)
        return found
