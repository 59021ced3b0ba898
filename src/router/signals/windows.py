"""Linear heads over sliding windows of a long text: each window's score from running sums, at the cost of one pass.

An attack hides in one paragraph of a long document, so a score over the whole would drown it. Arrays in, numbers out.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from .. import features
from ..features import TextHashes, pairs, wide_grams

__all__ = ["WindowSpec", "Windows", "bounds", "scan", "worst_windows"]


class WindowSpec(msgspec.Struct, frozen=True, kw_only=True):
    """``bits``: log2 of the table's rows; windows are ``size`` tokens long and begin every ``step`` tokens.

    A window is two steps long.
    """

    bits: int = 16
    size: int = 64
    step: int = 32


class Windows(msgspec.Struct, frozen=True, kw_only=True):
    """``scores``: float32, shape ``(windows, heads)``; a window holds the tokens ``first <= t < last``."""

    scores: npt.NDArray[np.float32]
    first: npt.NDArray[np.intp]
    last: npt.NDArray[np.intp]


def worst_windows(
    data: bytes,
    spec: WindowSpec,
    table: npt.NDArray[np.int8],
    scale: npt.NDArray[np.float32],
    bias: npt.NDArray[np.float32],
) -> tuple[tuple[float, int, int], ...]:
    """For each head its highest raw score over the windows, and the bytes of ``data`` between which that window stands.

    ``data``: lower-cased UTF-8, at most 32 KiB. ``table``: shape ``(2**spec.bits, heads)``, its rows times ``scale``.
    """
    if features.compiled is not None:
        return features.compiled.worst_windows(data, spec.bits, spec.size, spec.step, table, scale, bias)
    hashes = TextHashes.of(data)
    found = scan(hashes, table, scale, bias, spec)
    if not len(hashes.tokens):
        return tuple((score, 0, 0) for score in found.scores[0].tolist())
    best = found.scores.argmax(axis=0)
    begin, end = hashes.starts[found.first[best]], hashes.ends[found.last[best] - 1]
    return tuple(zip(found.scores.max(axis=0).tolist(), begin.tolist(), end.tolist(), strict=True))


def bounds(n_tokens: int, spec: WindowSpec) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """First and last tokens of the windows over ``n_tokens`` tokens; the last window ends where the text ends."""
    if n_tokens <= spec.size + spec.step // 2:
        return np.zeros(1, np.intp), np.full(1, n_tokens, np.intp)
    first = np.arange(0, n_tokens - spec.size + spec.step, spec.step, dtype=np.intp)
    first = np.minimum(first, n_tokens - spec.size)
    return first, first + spec.size


def scan(
    hashes: TextHashes,
    table: npt.NDArray[np.int8],
    scale: npt.NDArray[np.float32],
    bias: npt.NDArray[np.float32],
    spec: WindowSpec,
) -> Windows:
    """Raw scores of every window: ``bias`` plus each block of n-grams' sum over ``sqrt(its count)``.

    Blocks are words, word pairs, and single and paired characters of scripts without spaces.
    """
    shift = np.uint64(64 - spec.bits)
    n = len(hashes.tokens)
    first, last = bounds(n, spec)
    scores = np.zeros((len(first), len(bias)), np.float32)
    if n:
        scores += _block(table, hashes.tokens >> shift, first, last)
        scores += _block(table, pairs(hashes.tokens) >> shift, first, last - 1)
    wide = wide_grams(hashes, (1, 2)) if n else []
    if wide and len(first) == 1:
        for grams, _ in wide:
            scores += _block(table, grams >> shift, np.zeros(1, np.intp), np.full(1, len(grams), np.intp))
    elif wide:
        begin, end = hashes.starts[first], hashes.ends[last - 1]
        for grams, at in wide:
            scores += _block(table, grams >> shift, at.searchsorted(begin), at.searchsorted(end))
    return Windows(scores=scores * scale + bias, first=first, last=last)


def _block(
    table: npt.NDArray[np.int8],
    rows: npt.NDArray[np.uint64],
    first: npt.NDArray[np.intp],
    last: npt.NDArray[np.intp],
) -> npt.NDArray[np.float32]:
    """Sums of the rows ``first <= r < last`` of each window, over the root of their count."""
    running = np.zeros((len(rows) + 1, table.shape[1]), np.int32)
    np.cumsum(table.take(rows.astype(np.intp), axis=0), axis=0, dtype=np.int32, out=running[1:])
    counts = np.maximum(last - first, 1).astype(np.float32)
    sums: npt.NDArray[np.float32] = (running[last] - running[first]) / np.sqrt(counts)[:, None]
    return sums
