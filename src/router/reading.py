"""Reads a whole request: one gather of table rows, summed over three places, and the scores of its tasks.

Stands in ``_ngrams.c`` a second time, as :mod:`.features` tells; the numpy code is the reference, and what trains.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from . import features
from .features import TextHashes, bits_of, byte_grams, token_grams, wide_grams

__all__ = [
    "Reading",
    "ReadingSpec",
    "WordLayer",
    "WordVectors",
    "layer_arguments",
    "looked_up",
    "read",
    "said_of_risks",
    "softmax",
    "task_scores",
    "word_places",
]


class ReadingSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How a whole request is read: once as a whole, and once more each at its beginning and at its end.

    An instruction stands at the edges more often than in the middle, so the same table rows are summed over three
    places: all of the text, its first and its last ``edge`` tokens. ``words``: orders of token n-grams; ``chars``:
    order of byte n-grams, 0 for none; ``wide``: orders of character n-grams in scripts without spaces;
    ``head``/``tail`` as in :class:`.features.FeatureSpec`. ``first``/``last``: so many tokens at both ends are looked
    up among known words, where there is a :class:`WordLayer`; neither is less than ``edge``.
    """

    bits: int = 16
    words: tuple[int, ...] = (1, 2)
    chars: int = 4
    wide: tuple[int, ...] = (1, 2)
    edge: int = 16
    head: int = 1536
    tail: int = 1024
    first: int = 64
    last: int = 32


class WordVectors(NamedTuple):
    """What words mean, as :class:`.local.static.StaticEncoder` tells it: ``keys``, uint32 ``(V,)``, rising, the upper
    halves of the words' hashes; ``vectors``, int8 ``(V, D)``; ``scale``, float32 ``(D,)``. ``name`` tells tables apart.
    """

    name: str
    keys: npt.NDArray[np.uint32]
    vectors: npt.NDArray[np.int8]
    scale: npt.NDArray[np.float32]

    def rows(self, tokens: npt.NDArray[np.uint64]) -> npt.NDArray[np.intp]:
        """The rows of hashed tokens, shape as ``tokens``; -1 for an unknown word."""
        asked = (tokens >> np.uint64(32)).astype(np.uint32)
        at = self.keys.searchsorted(asked)
        np.minimum(at, len(self.keys) - 1, out=at)
        return np.where(self.keys[at] == asked, at, -1)

    def direction(self, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
        """The scaled sum of the vectors of known ``rows`` at length 1, float32, shape ``(D,)``; zeros for none."""
        return self.directed(self.vectors.take(rows[rows >= 0], axis=0).sum(0, dtype=np.int32))

    def directed(self, summed: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """A sum of vectors, int32, scaled and at length 1."""
        total = summed.astype(np.float32) * self.scale
        length = float(np.sqrt(total @ total))
        vector: npt.NDArray[np.float32] = total / length if length > 0.0 else total
        return vector


class WordLayer(NamedTuple):
    """A hidden layer over the vectors of known words, whose outcome is added to the scores of n-grams.

    An n-gram that no training row had says nothing; a word that none had is still like others that some had.
    ``weights``: int8 ``(3 * D, units)``, for whole, beginning and end, each column times its ``weigh``; ``weigh`` and
    ``bias``: float32 ``(units,)``; ``out``: float32 ``(units, tasks)``; ``risks``: float32 ``(units + 1, risks)``, the
    last row an offset. Units below zero are silent (rectified). What is said of risks counts as far as the words are
    known: a text in a language of which none is has the scores of n-grams alone.
    """

    words: WordVectors
    weights: npt.NDArray[np.int8]
    weigh: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    out: npt.NDArray[np.float32]
    risks: npt.NDArray[np.float32]

    def units(self, places: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The hidden units of what :func:`word_places` tells, shapes ``(..., 3 * D)`` and ``(..., units)``."""
        units: npt.NDArray[np.float32] = np.maximum(places @ self.weights * self.weigh + self.bias, 0.0)
        return units


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """Table rows of one text and how they are summed.

    ``rows``: intp, shape ``(n,)``; ``weights``: float32, shape ``(3, n)``, for the whole, the beginning and the end.
    """

    rows: npt.NDArray[np.intp]
    weights: npt.NDArray[np.float32]


def read(hashes: TextHashes, spec: ReadingSpec) -> Reading:
    """The rows of a text for ``spec``. Each block of n-grams weighs ``1/sqrt(its count)`` in each of the places."""
    tokens, edge = hashes.tokens, spec.edge
    n = len(tokens)
    if n == 0:
        return Reading(rows=np.zeros(0, np.intp), weights=np.zeros((3, 0), np.float32))
    blocks: list[npt.NDArray[np.uint64]] = []
    places: list[tuple[int, int]] = []  # of each block: entries at the beginning, first entry of the end
    for grams in token_grams(tokens, spec.words):
        blocks.append(grams)
        places.append((min(edge, len(grams)), max(0, n - edge)))
    starts = hashes.starts
    head_byte = int(hashes.ends[edge - 1]) if n > edge else hashes.n_bytes
    tail_byte = int(starts[n - edge]) if n > edge else 0
    for grams, begin in wide_grams(hashes, spec.wide):
        blocks.append(grams)
        places.append((int(begin.searchsorted(head_byte)), int(begin.searchsorted(tail_byte))))
    if spec.chars and hashes.n_bytes >= spec.chars:
        grams = byte_grams(hashes, spec.chars)
        blocks.append(grams)
        places.append((min(head_byte, len(grams)), min(tail_byte, len(grams))))
    rows = np.concatenate(blocks) if blocks else np.zeros(0, np.uint64)
    rows >>= np.uint64(64 - spec.bits)
    weights = np.zeros((3, len(rows)), np.float32)
    at_row = 0
    for block, (head, tail) in zip(blocks, places, strict=True):
        size = len(block)
        if size:
            weights[0, at_row : at_row + size] = size**-0.5
            if head:
                weights[1, at_row : at_row + head] = head**-0.5
            if tail < size:
                weights[2, at_row + tail : at_row + size] = (size - tail) ** -0.5
        at_row += size
    return Reading(rows=rows.astype(np.intp), weights=weights)


def looked_up(hashes: TextHashes, spec: ReadingSpec, words: WordVectors) -> npt.NDArray[np.intp]:
    """The rows of the first and last tokens among known words, -1 for an unknown one."""
    tokens = hashes.tokens
    if len(tokens) > spec.first + spec.last:
        tokens = np.concatenate((tokens[: spec.first], tokens[len(tokens) - spec.last :]))
    return words.rows(tokens)


def word_places(rows: npt.NDArray[np.intp], spec: ReadingSpec, words: WordVectors) -> npt.NDArray[np.float32]:
    """Directions of the summed vectors of known words: of all :func:`looked_up`, of the first and of the last
    ``spec.edge``; float32, shape ``(3 * D,)``, zeros where no word is known."""
    return np.concatenate([words.direction(part) for part in (rows, rows[: spec.edge], rows[-spec.edge :])])


def task_scores(
    data: bytes,
    spec: ReadingSpec,
    table: npt.NDArray[np.int8],
    weights: npt.NDArray[np.float32],
    bias: npt.NDArray[np.float32],
    layer: WordLayer | None = None,
) -> Sequence[float]:
    """Raw scores of a request's tasks, one a column of ``weights``; empty when the text has no token.

    ``table``: shape ``(2**spec.bits, d)``; ``weights``: shape ``(3 * d, tasks)``, for whole, beginning and end.
    """
    if features.compiled is not None:
        return features.compiled.task_scores(
            data, spec.head, spec.tail, bits_of(spec.words), spec.chars, bits_of(spec.wide), spec.edge, spec.bits,
            table, weights, bias, layer_arguments(spec, layer),
        )  # fmt: skip
    hashes = TextHashes.of(data).cut(spec.head, spec.tail)
    if not len(hashes.tokens):
        return ()
    reading = read(hashes, spec)
    gathered = table.take(reading.rows, axis=0).astype(np.float32)
    found = (reading.weights @ gathered).ravel() @ weights + bias
    if layer is not None:
        places = word_places(looked_up(hashes, spec, layer.words), spec, layer.words)
        found = found + layer.units(places) @ layer.out
    scores: list[float] = found.tolist()
    return scores


def said_of_risks(data: bytes, spec: ReadingSpec, layer: WordLayer) -> Sequence[float]:
    """What the words of a request say of each risk, as far as they are known; added to its log-odds. The compiled
    reader says it beside the scores of tasks."""
    rows = looked_up(TextHashes.of(data).cut(spec.head, spec.tail), spec, layer.words)
    share = float((rows >= 0).mean()) if len(rows) else 0.0
    said: list[float] = (
        share * (layer.units(word_places(rows, spec, layer.words)) @ layer.risks[:-1] + layer.risks[-1])
    ).tolist()
    return said


def layer_arguments(spec: ReadingSpec, layer: WordLayer | None) -> tuple[Any, ...] | None:
    """``layer`` as the compiled module takes it."""
    if layer is None:
        return None
    _, keys, vectors, scale = layer.words
    return (
        keys, vectors, scale, layer.weights, layer.weigh, layer.bias, layer.out, layer.risks, spec.first, spec.last,
    )  # fmt: skip


def softmax(scores: Sequence[float], temperature: float) -> Sequence[float]:
    """Probabilities: the exponentials of ``scores`` over ``temperature``, scaled so that they add up to one."""
    if features.compiled is not None:
        return features.compiled.softmax(tuple(scores), temperature)
    top = max(scores)
    exponentials = [exp((score - top) / temperature) for score in scores]
    total = sum(exponentials)
    return [exponential / total for exponential in exponentials]
