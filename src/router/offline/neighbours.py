"""Train the maker ``neighbours``: closed-form classifiers on a pretrained encoder's vectors (extra ``train``).

:class:`Learner` is the method alone, on vectors: it takes rows in one by one and is fitted anew in milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..local.encoder import Graph
from ..local.files import write_arrays
from ..local.neighbours import NEIGHBOURS_FILE, NearestGraph, Neighbours, unit
from .bases import pretrained
from .encoder import EncoderMaker
from .finetune import classifier
from .onnx_export import exported, quantised
from .rows import Rows

__all__ = ["Learner", "NeighboursMaker"]

# Chosen on the seed and development rows of OCaTS (77 intents, three rows each and up), see benchmarks/flywheel.
_SHRINK = 0.6
_NAME_WEIGHT = 2.0
_OWN_WEIGHT = 0.2
_OWN_LEAST = 0.5
_OWN_ROWS = 20

_MOST_ROWS = 20_000
_LEAST_COSINE = 0.97  # of a vector by int8 products with itself by float ones

_F64 = npt.NDArray[np.float64]


class Learner:
    """Learns K labels from vectors of length 1.

    Args:
        labels: K.
        names: float, shape ``(K, H)``: vectors of what the labels are called, which count as two rows each: a label's
            name is known before anybody was asked. None where names say nothing.

    Attributes after :meth:`refit`: ``learnt_``.
    """

    def __init__(self, labels: int, names: npt.NDArray[Any] | None = None) -> None:
        self._labels, self._names = labels, names
        self._rows: list[npt.NDArray[Any]] = []
        self._truth: list[int] = []
        self._weigh: list[float] = []
        self._seen: list[npt.NDArray[Any]] = []
        self.unfitted = 0

    def learn(self, vector: npt.NDArray[Any], label: int, weight: float = 1.0) -> None:
        """Take a row in; :meth:`refit` makes it count."""
        self._rows.append(vector)
        self._truth.append(label)
        self._weigh.append(weight)
        self.unfitted += 1

    def see(self, vector: npt.NDArray[Any]) -> None:
        """A text without a label: what the learner is sure of teaches it, too (self-training)."""
        self._seen.append(vector)

    def refit(self) -> None:
        """Fit to all rows, then once more with the unlabelled ones that it is sure of counting a fifth."""
        x, y, weigh = np.stack(self._rows), np.array(self._truth, np.intp), np.array(self._weigh)
        if self._names is not None:
            x = np.vstack([x, self._names])
            y = np.concatenate([y, np.arange(self._labels)])
            weigh = np.concatenate([weigh, np.full(self._labels, _NAME_WEIGHT)])
        self.learnt_ = _fitted(x, y, weigh, self._labels, near=(x, y))
        if len(self._seen) > _OWN_ROWS:
            seen = np.stack(self._seen)
            shares = self.learnt_.probabilities(seen)
            sure = shares.max(1) >= _OWN_LEAST
            if sure.any():
                self.learnt_ = _fitted(
                    np.vstack([x, seen[sure]]),
                    np.concatenate([y, shares[sure].argmax(1)]),
                    np.concatenate([weigh, _OWN_WEIGHT * shares[sure].max(1)]),
                    self._labels,
                    near=(x, y),
                )
        self.unfitted = 0


class NeighboursMaker(EncoderMaker):
    """Trains a model of the maker ``neighbours``, in scikit-learn's manner: nothing is fine-tuned, so it takes seconds.

    Args as of :class:`router.offline.encoder.EncoderMaker`, of which ``schedule``, ``minutes`` and ``typos`` mean
    nothing here. Attributes after ``fit``: ``classes_``, ``learnt_``, ``arrays_``, ``thresholds_``, ``has_names_``
    (whether the labels' names were of use).
    """

    maker = "neighbours"
    reads_ngrams = False

    def _learnt(self, rows: Rows, check: Rows) -> NearestGraph:
        graph = self._as_it_is(check.texts)
        if len(rows) > _MOST_ROWS:
            rows = rows.pick(np.sort(np.random.default_rng(self.seed).permutation(len(rows))[:_MOST_ROWS]))
        self.progress("reading rows with the pretrained encoder", 0.2)
        vectors = unit(graph.run(rows.texts)[1])
        at = {label: index for index, label in enumerate(self.classes_)}
        truth = np.array([at[label] for label in rows.labels], np.intp)
        names = unit(graph.run([_words_of(label) for label in self.classes_])[1])
        # Names that are codes or numbers say nothing of the texts: they must tell them apart better than chance does.
        told = float(((vectors @ names.T).argmax(1) == truth).mean())
        self.has_names_ = told > 2.0 * float(np.bincount(truth).max()) / len(truth)
        learner = Learner(len(self.classes_), names if self.has_names_ else None)
        for vector, label, weight in zip(vectors, truth, rows.weights or (1.0,) * len(rows), strict=True):
            learner.learn(vector, int(label), weight)
        learner.refit()
        self.learnt_ = learner.learnt_
        return NearestGraph(graph, self.learnt_)

    def _as_it_is(self, check: Sequence[str]) -> Graph:
        """The pretrained encoder as a graph whose vectors were compared on ``check``."""
        network, _, tokenizer = pretrained(self.base, self.max_tokens)
        self.progress("exporting", 0.0)
        whole = exported(classifier(network, 1).eval(), {"logits": False, "pooled": False})
        self.tokenizer_ = tokenizer.to_str().encode()

        def read(graph: bytes) -> Graph:
            return Graph(graph, self.tokenizer_, max_tokens=self.max_tokens)

        texts = check[:100]
        expected = unit(read(whole).run(texts)[1])

        def alike(small: bytes) -> bool:
            return float((unit(read(small).run(texts)[1]) * expected).sum(1).mean()) >= _LEAST_COSINE

        self.graph_, self.numbers_ = quantised(whole, alike)
        return read(self.graph_)

    def _files(self, directory: Path) -> dict[str, str]:
        neighbours = write_arrays(directory / NEIGHBOURS_FILE, *self.learnt_.as_file())
        return {**super()._files(directory), NEIGHBOURS_FILE: neighbours}


def _words_of(label: str) -> str:
    """``Refund_not_showing_up`` -> ``refund not showing up``."""
    return " ".join(label.replace("_", " ").replace("?", "").lower().split())


def _fitted(
    x: npt.NDArray[Any], y: npt.NDArray[np.intp], weigh: _F64, labels: int, *, near: tuple[npt.NDArray[Any], Any]
) -> Neighbours:
    means, sums = np.zeros((labels, x.shape[1])), np.zeros(labels)
    np.add.at(means, y, x * weigh[:, None])
    np.add.at(sums, y, weigh)
    means /= np.maximum(sums, 1e-9)[:, None]
    centred = (x - means[y]) * np.sqrt(weigh)[:, None]
    covariance = centred.T @ centred / max(weigh.sum() - labels, 1.0)
    width = len(covariance)
    covariance = (1 - _SHRINK) * covariance + _SHRINK * np.trace(covariance) / width * np.eye(width)
    weights = np.linalg.solve(covariance, means.T)
    return Neighbours(
        weights=weights, offset=0.5 * (means.T * weights).sum(0), rows=near[0], truth=near[1].astype(np.int32)
    )
