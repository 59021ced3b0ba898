"""Scores of a text's hashed n-grams from one table, and which of them the training texts had, told by a bit table.

In C where ``features.compiled`` is there; the numpy code is the reference.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from . import features
from .features import FeatureSpec, TextHashes, bits_of, buckets

__all__ = ["KNOWN_BITS", "KnownScorer"]

KNOWN_BITS = 20

# Rows gathered at a time: what is gathered stays in the processor's cache, however long the text.
_CHUNK = 512
_F32 = npt.NDArray[np.float32]


class KnownScorer:
    """``table``: int8 ``(2**spec.bits, columns)``; ``scale``, ``bias``: float32 ``(columns,)``; ``known``: uint8
    ``(2**KNOWN_BITS / 8,)``, one bit an n-gram of the training texts. ``spec`` has no edges."""

    __slots__ = ("_spec", "_told")

    def __init__(
        self, spec: FeatureSpec, table: npt.NDArray[np.int8], scale: _F32, bias: _F32, known: npt.NDArray[np.uint8]
    ) -> None:
        self._spec = spec
        self._told = (bits_of(spec.words), bits_of(spec.chars), spec.bits, table, scale, bias, known)

    def scores(self, data: bytes) -> tuple[Sequence[float], float, float, float] | None:
        """All columns' scores for the bytes that :func:`.features.prepared` made, and the shares of known words, pairs
        and letters; None when they hold no token."""
        if features.compiled is not None:
            return features.compiled.label_scores(data, *self._told)
        spec, (*_, table, scale, bias, known) = self._spec, self._told
        hashes = TextHashes.of(data)
        n_words = len(hashes.tokens)
        if n_words == 0:
            return None
        blocks, scales = buckets(hashes, msgspec.structs.replace(spec, bits=KNOWN_BITS))
        fine = np.concatenate(blocks)
        weights = np.repeat(np.array(scales, np.float32), [len(block) for block in blocks])
        rows = fine >> (KNOWN_BITS - spec.bits)
        total = np.zeros(len(bias), np.float32)
        for start in range(0, len(rows), _CHUNK):
            stop = start + _CHUNK
            total += weights[start:stop] @ table.take(rows[start:stop], axis=0).astype(np.float32)
        seen = (known.take(fine >> 3) >> (fine & 7).astype(np.uint8)) & 1
        words_end = len(blocks[0])
        count = np.count_nonzero
        words = int(count(seen[:n_words])) / n_words
        pairs = int(count(seen[n_words:words_end])) / (words_end - n_words) if words_end > n_words else words
        letters = int(count(seen[words_end:])) / (len(seen) - words_end) if len(seen) > words_end else words
        return (total * scale + bias).tolist(), words, pairs, letters
