"""Fits the two kinds of arrays behind the learned signals: pooled n-gram vectors with a softmax, and linear heads.

Plain mini-batch Adam (Kingma and Ba, 2015, arXiv:1412.6980) with decoupled weight decay on sparse rows: both models are
small enough that nothing more is needed than NumPy and SciPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from ..features import TextHashes, pairs, wide_grams
from ..reading import ReadingSpec, WordVectors, looked_up, read, word_places
from ..signals.learned import SCAN_HEAD, SCAN_TAIL
from ..signals.windows import WindowSpec, bounds

__all__ = [
    "Adam",
    "Pooled",
    "Readings",
    "fit_heads",
    "fit_pooled",
    "kept_units",
    "quantised",
    "reading_rows",
    "window_rows",
]

Floats = npt.NDArray[np.float32]
# Directions of known words are small numbers beside pooled rows, and fewer of them are dropped.
WORDS_WEIGH, WORDS_DROPPED = 4.0, 0.2
_CHUNK = 1 << 16  # numbers that stay in the processor's cache while they are updated


class Readings(NamedTuple):
    """What is read of texts: ``places``, three CSR matrices of shape ``(texts, 2**bits)``, exactly what
    :func:`router.reading.read` sums at serving; ``words``: what :func:`router.reading.word_places` tells, float32,
    shape ``(texts, 3 * D)``."""

    places: Sequence[Any]
    words: Floats

    def at(self, rows: Any) -> Readings:
        """Those of some texts."""
        return Readings([place[rows] for place in self.places], self.words[rows])


class Pooled:
    """Scores of tasks: each place of a text the sum of its rows' vectors in ``table``, the three places times
    ``weights``; and a hidden layer over known words, as :class:`router.reading.WordLayer` has it."""

    def __init__(self, table: Floats, weights: Floats, bias: Floats, *layer: Floats) -> None:
        self.table, self.weights, self.bias = table, weights, bias
        self.word_weights, self.word_bias, self.word_out = layer

    @property
    def arrays(self) -> list[Floats]:
        """All that is trained, in the order in which it is given."""
        return [self.table, self.weights, self.bias, self.word_weights, self.word_bias, self.word_out]

    @classmethod
    def drawn(cls, rows: int, width: int, words: int, units: int, labels: int, seed: int) -> Pooled:
        """What training begins with."""
        rng = np.random.default_rng(seed)
        wide, far = words**-0.5, units**-0.5
        return cls(
            rng.normal(0, 0.1, (rows, width)).astype(np.float32),
            rng.normal(0, 0.3 / (3 * width) ** 0.5, (3 * width, labels)).astype(np.float32),
            np.zeros(labels, np.float32),
            rng.uniform(-wide, wide, (words, units)).astype(np.float32),
            rng.uniform(-wide, wide, units).astype(np.float32),
            rng.uniform(-far, far, (units, labels)).astype(np.float32),
        )

    def scores(self, readings: Readings, batch: int = 2048) -> Floats:
        """Raw scores, shape ``(texts, labels)``."""
        parts = []
        for at in range(0, len(readings.words), batch):
            part = readings.at(slice(at, at + batch))
            pooled = np.concatenate([place @ self.table for place in part.places], axis=1)
            units = np.maximum(part.words @ self.word_weights + self.word_bias, 0.0)
            parts.append(pooled @ self.weights + self.bias + units @ self.word_out)
        return np.concatenate(parts) if parts else np.zeros((0, len(self.bias)), np.float32)


def reading_rows(texts: Sequence[str], spec: ReadingSpec, words: WordVectors) -> Readings:
    """What ``spec`` reads of texts."""
    data: list[list[Floats]] = [[], [], []]
    indices: list[list[npt.NDArray[np.int32]]] = [[], [], []]
    indptr = [[0], [0], [0]]
    known = np.zeros((len(texts), 3 * len(words.scale)), np.float32)
    for index, text in enumerate(texts):
        hashes = TextHashes(text, head=SCAN_HEAD, tail=SCAN_TAIL).cut(spec.head, spec.tail)
        known[index] = word_places(looked_up(hashes, spec, words), spec, words)
        reading = read(hashes, spec)
        rows = reading.rows.astype(np.int32)
        for place in range(3):
            weights = reading.weights[place]
            at = weights.nonzero()[0]
            data[place].append(weights[at])
            indices[place].append(rows[at])
            indptr[place].append(indptr[place][-1] + len(at))
    shape = (len(texts), 1 << spec.bits)
    places = [
        sp.csr_matrix((np.concatenate(data[k]), np.concatenate(indices[k]), np.array(indptr[k])), shape=shape)
        for k in range(3)
    ]
    return Readings(places, known)


def window_rows(texts: Sequence[str], spec: WindowSpec) -> tuple[Any, npt.NDArray[np.int64]]:
    """CSR rows of all windows of all texts, and the text that each window is of; as :func:`windows.scan` sums them."""
    shift = np.uint64(64 - spec.bits)
    data: list[Floats] = []
    indices: list[npt.NDArray[np.int32]] = []
    indptr, owner = [0], []
    for index, text in enumerate(texts):
        hashes = TextHashes(text, head=SCAN_HEAD, tail=SCAN_TAIL)
        n = len(hashes.tokens)
        if n == 0:
            indptr.append(indptr[-1])
            owner.append(index)
            continue
        uni = (hashes.tokens >> shift).astype(np.int32)
        bi = (pairs(hashes.tokens) >> shift).astype(np.int32) if n > 1 else np.zeros(0, np.int32)
        wide = [((grams >> shift).astype(np.int32), at) for grams, at in wide_grams(hashes, (1, 2))]
        for first, last in zip(*bounds(n, spec), strict=True):
            blocks = [uni[first:last], bi[first : max(last - 1, first)]]
            begin, end = hashes.starts[first], hashes.ends[last - 1]
            blocks.extend(rows[at.searchsorted(begin) : at.searchsorted(end)] for rows, at in wide)
            size = 0
            for block in blocks:
                if len(block):
                    indices.append(block)
                    data.append(np.full(len(block), len(block) ** -0.5, np.float32))
                    size += len(block)
            indptr.append(indptr[-1] + size)
            owner.append(index)
    shape = (len(owner), 1 << spec.bits)
    matrix = sp.csr_matrix((np.concatenate(data), np.concatenate(indices), np.array(indptr)), shape=shape)
    matrix.sum_duplicates()
    return matrix, np.array(owner, np.int64)


class Adam:
    """Adam over several arrays, its rate falling to zero over ``steps``; ``decay`` shrinks a value a step (AdamW)."""

    def __init__(self, values: list[Floats], rates: list[float], decay: list[float], steps: int) -> None:
        self.values, self.rates, self.decay, self.steps = values, rates, decay, steps
        self.first = [np.zeros_like(value) for value in values]
        self.second = [np.zeros_like(value) for value in values]
        self.step = 0

    def update(self, gradients: Sequence[Floats]) -> None:
        self.step += 1
        fade = max(0.0, 1.0 - self.step / self.steps)
        for value, gradient, first, second, rate, decay in zip(
            self.values, gradients, self.first, self.second, self.rates, self.decay, strict=True
        ):
            flat = [array.reshape(-1) for array in (value, gradient, first, second)]
            for at in range(0, value.size, _CHUNK):
                self._part([array[at : at + _CHUNK] for array in flat], rate * fade, decay)

    def _part(self, arrays: Sequence[Floats], size: float, decay: float) -> None:
        value, gradient, first, second = arrays
        first *= 0.9
        first += 0.1 * gradient
        second *= 0.98
        second += 0.02 * np.square(gradient)
        value -= size * (first / (1 - 0.9**self.step)) / (np.sqrt(second / (1 - 0.98**self.step)) + 1e-8)
        if decay:
            value *= 1.0 - size * decay


def kept_units(rng: np.random.Generator, shape: tuple[int, ...], share: float) -> Floats:
    """A mask of dropout: ``share`` of it is kept, at ``1 / share``, and the rest is zero."""
    return (rng.random(shape, dtype=np.float32) < share).astype(np.float32) / np.float32(share)


def fit_pooled(
    readings: Readings,
    targets: Floats,
    weights: Floats,
    *,
    width: int = 32,
    units: int = 64,
    epochs: int = 8,
    batch: int = 256,
    rate: float = 3e-3,
    dropout: float = 0.3,
    decay: float = 0.1,
    seed: int = 0,
) -> Pooled:
    """Cross-entropy against ``targets``, shape ``(rows, labels)``, each row summing to one; rows weigh ``weights``."""
    rng = np.random.default_rng(seed)
    count, words = readings.words.shape
    model = Pooled.drawn(readings.places[0].shape[1], width, words, units, targets.shape[1], seed)
    decays = [decay, decay, 0.0, decay, decay, decay]
    adam = Adam(model.arrays, [rate] * len(decays), decays, epochs * (count // batch + 1))

    for _ in range(epochs):
        order = rng.permutation(count)
        for at in range(0, count, batch):
            chosen = order[at : at + batch]
            rows, known = readings.at(chosen)
            pooled = np.concatenate([row @ model.table for row in rows], axis=1)
            mask = kept_units(rng, pooled.shape, 1.0 - dropout)
            pooled *= mask
            known = known * (WORDS_WEIGH * kept_units(rng, known.shape, 1.0 - WORDS_DROPPED))
            hidden = known @ model.word_weights + model.word_bias
            loud = (hidden > 0.0) * kept_units(rng, hidden.shape, 1.0 - dropout)
            hidden *= loud
            scores = pooled @ model.weights + model.bias + hidden @ model.word_out
            scores -= scores.max(axis=1, keepdims=True)
            likely = np.exp(scores)
            likely /= likely.sum(axis=1, keepdims=True)
            weight = weights[chosen][:, None]
            slope = (likely - targets[chosen]) * weight / weight.sum()
            back = (slope @ model.weights.T) * mask
            apart = np.concatenate([back[:, k * width : (k + 1) * width] for k in range(3)])
            table = sp.vstack(rows, format="csr").T @ apart
            behind = (slope @ model.word_out.T) * loud
            adam.update(
                [table, pooled.T @ slope, slope.sum(axis=0), known.T @ behind, behind.sum(axis=0), hidden.T @ slope]
            )
    model.word_weights *= np.float32(WORDS_WEIGH)
    return model


def fit_heads(
    matrix: Any,
    targets: Floats,
    weights: Floats,
    *,
    epochs: int = 6,
    batch: int = 512,
    rate: float = 0.05,
    decay: float = 0.02,
    seed: int = 0,
) -> tuple[Floats, Floats]:
    """Independent logistic heads: ``(table, bias)``. ``weights`` has a column a head; zero leaves a row out of it."""
    rng = np.random.default_rng(seed)
    count = matrix.shape[0]
    table = np.zeros((matrix.shape[1], targets.shape[1]), np.float32)
    bias = np.zeros(targets.shape[1], np.float32)
    adam = Adam([table, bias], [rate, rate], [decay, 0.0], epochs * (count // batch + 1))
    for _ in range(epochs):
        order = rng.permutation(count)
        for at in range(0, count, batch):
            chosen = order[at : at + batch]
            rows = matrix[chosen]
            likely = 1.0 / (1.0 + np.exp(-np.clip(rows @ table + bias, -30, 30)))
            slope = ((likely - targets[chosen]) * weights[chosen] / batch).astype(np.float32)
            adam.update([rows.T @ slope, slope.sum(axis=0)])
    return table, bias


def quantised(table: Floats) -> tuple[npt.NDArray[np.int8], Floats]:
    """``(int8 table, scale a column)`` with ``table`` about their product; the rarest extremes are clipped."""
    scale = np.maximum(np.quantile(np.abs(table), 0.9999, axis=0), 1e-12).astype(np.float32) / np.float32(127)
    return np.clip(np.rint(table / scale), -127, 127).astype(np.int8), scale
