"""Linear heads over sliding windows of a long text: each window's score from running sums, at the cost of one pass.

An attack hides in one paragraph of a long document, so a score over the whole would drown it. Arrays in, numbers out.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from ..features import TextHashes, pairs, wide_grams

__all__ = ["WindowSpec", "Windows", "scan"]


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


def bounds(n_tokens: int, spec: WindowSpec) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """First and last tokens of the windows over ``n_tokens`` tokens; the last window ends where the text ends."""
    if n_tokens <= spec.size + spec.step // 2:
        return np.zeros(1, np.intp), np.full(1, n_tokens, np.intp)
    first = np.arange(0, n_tokens - spec.size + spec.step, spec.step, dtype=np.intp)
    first = np.minimum(first, n_tokens - spec.size)
    return first, first + spec.size


def scan(
    hashes: TextHashes, table: npt.NDArray[np.float32], bias: npt.NDArray[np.float32], spec: WindowSpec
) -> Windows:
    """Raw scores of every window: ``bias`` plus each block of n-grams' sum over ``sqrt(its count)``.

    ``table``: float32, shape ``(2**spec.bits, heads)``. Blocks are words, word pairs, and single and paired characters
    of scripts without spaces.
    """
    shift = np.uint64(64 - spec.bits)
    n = len(hashes.tokens)
    first, last = bounds(n, spec)
    if len(first) == 1 and n > 0:
        return Windows(scores=_whole(hashes, table, bias, shift), first=first, last=last)
    if n == 0:
        return Windows(scores=bias[None, :].copy(), first=first, last=last)
    scores = _sliding(table.take((hashes.tokens >> shift).astype(np.intp), axis=0), first, spec, short=0)
    scores += _sliding(table.take((pairs(hashes.tokens) >> shift).astype(np.intp), axis=0), first, spec, short=1)
    scores += bias
    wide = wide_grams(hashes, (1, 2))
    if wide:
        begin, end = hashes.starts[first], hashes.ends[last - 1]
        for grams, at in wide:
            scores += _block(table, grams >> shift, at.searchsorted(begin), at.searchsorted(end))
    return Windows(scores=scores, first=first, last=last)


def _sliding(
    rows: npt.NDArray[np.float32], first: npt.NDArray[np.intp], spec: WindowSpec, *, short: int
) -> npt.NDArray[np.float32]:
    """Sums of ``spec.size - short`` rows from each of ``first``, over the root of their count.

    Two neighbouring steps make a window, so that each row is added once; the last window may begin between steps.
    """
    step, size = spec.step, spec.size
    begin = int(first[-1])
    aligned = len(first) if begin % step == 0 else len(first) - 1
    end = (aligned - 1) * step + size
    steps = np.add.reduceat(rows[:end], _starts(aligned + 1, step), axis=0)
    sums = steps[:-1] + steps[1:]
    if short:
        after = rows[size - short : end : step]
        sums[: len(after)] -= after
    if aligned < len(first):
        sums = np.concatenate((sums, rows[begin : begin + size - short].sum(axis=0)[None, :]))
    sums *= np.float32((size - short) ** -0.5)
    return sums


def _starts(count: int, step: int) -> npt.NDArray[np.intp]:
    return np.arange(0, count * step, step, dtype=np.intp)


def _whole(
    hashes: TextHashes, table: npt.NDArray[np.float32], bias: npt.NDArray[np.float32], shift: np.uint64
) -> npt.NDArray[np.float32]:
    """One window over everything needs no running sums."""
    tokens = hashes.tokens
    blocks = [tokens, pairs(tokens), *(grams for grams, _ in wide_grams(hashes, (1, 2)))]
    scores = bias.copy()
    for block in blocks:
        if not len(block):
            continue
        scores += table.take((block >> shift).astype(np.intp), axis=0).sum(axis=0) * np.float32(len(block) ** -0.5)
    return scores[None, :]


def _block(
    table: npt.NDArray[np.float32],
    rows: npt.NDArray[np.uint64],
    first: npt.NDArray[np.intp],
    last: npt.NDArray[np.intp],
) -> npt.NDArray[np.float32]:
    running = np.zeros((len(rows) + 1, table.shape[1]), np.float32)
    np.cumsum(table.take(rows.astype(np.intp), axis=0), axis=0, out=running[1:])
    counts = np.maximum(last - first, 1).astype(np.float32)
    sums: npt.NDArray[np.float32] = (running[last] - running[first]) / np.sqrt(counts)[:, None]
    return sums
