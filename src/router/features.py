"""Text -> hashed n-grams -> linear scores: arrays in, numbers out. Signals, local models and training share it.

Tokens (runs of letters and digits, single punctuation marks), their n-grams and character n-grams are hashed by one
polynomial prefix hash over the UTF-8 bytes, so that the cost does not depend on a vocabulary and no Python loop runs
over the text (feature hashing: Weinberger et al., 2009, arXiv:0902.2206). The room knows nothing of requests.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

__all__ = ["FeatureSpec", "LinearScorer", "TextHashes", "buckets", "sparse_rows"]

MAX_BYTES = 8192

_U = np.uint64
_BASE = _U(0x9E3779B97F4A7C15)
_MIX = _U(0xFF51AFD7ED558CCD)
_STEP = _U(0xC4CEB9FE1A85EC53)
_WORD, _PUNCT = 1, 2


def _powers(base: int, count: int) -> npt.NDArray[np.uint64]:
    powers = [1]
    for _ in range(count):
        powers.append(powers[-1] * base % (1 << 64))
    return np.array(powers, dtype=np.uint64)


def _byte_classes() -> npt.NDArray[np.uint8]:
    classes = np.full(256, _PUNCT, np.uint8)
    classes[list(b"abcdefghijklmnopqrstuvwxyz0123456789'_")] = _WORD
    classes[128:] = _WORD
    classes[list(b" \t\r\n\x0b\x0c")] = 0
    return classes


_POWER = _powers(int(_BASE), MAX_BYTES + 1)
_INVERSE = _powers(pow(int(_BASE), -1, 1 << 64), MAX_BYTES + 1)
_CLASS = _byte_classes()
_VALUE = np.arange(1, 257, dtype=np.uint64)


class FeatureSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Which n-grams a model looks at; it is stored in the model's file, so that training and serving agree.

    ``bits``: log2 of the table's rows. ``words``/``chars``: orders of token and byte n-grams. ``edges``: so many first
    and last tokens get n-grams of their own (what an instruction starts and ends with tells more than its middle).
    ``head``/``tail``: bytes of the text that are read, the middle of a longer text is not; together at most 8,192.
    """

    bits: int = 17
    words: tuple[int, ...] = (1, 2)
    chars: tuple[int, ...] = (4,)
    edges: int = 0
    head: int = 3072
    tail: int = 1024


class TextHashes:
    """The hashes of one text that every spec draws from: made once, shared by all models that read the text.

    ``tokens``: uint64, one a token. ``prefix``: uint64, prefix hashes over the bytes, ``n_bytes + 1`` long.
    """

    __slots__ = ("classes", "n_bytes", "prefix", "tokens")

    def __init__(self, text: str, *, head: int = 3072, tail: int = 1024) -> None:
        limit = min(head + tail, MAX_BYTES)
        if len(text) > 2 * limit:  # lower() and encode() must cost what is read, not what was sent
            text = f"{text[:limit]}\n{text[-limit:]}"
        data = text.lower().encode("utf-8", "replace")
        if len(data) > limit:
            data = data[: limit - tail] + data[len(data) - tail :] if tail else data[:limit]
        raw = np.frombuffer(data, np.uint8)
        n = self.n_bytes = len(raw)
        prefix = np.zeros(n + 1, np.uint64)
        np.cumsum(_VALUE[raw] * _POWER[:n], out=prefix[1:])
        self.prefix = prefix
        classes = self.classes = _CLASS[raw]
        if n == 0:
            self.tokens = np.zeros(0, np.uint64)
            return
        differs = classes[1:] != classes[:-1]
        punct = classes == _PUNCT
        inside = classes != 0
        first = np.empty(n, bool)
        first[0] = True
        np.logical_or(differs, punct[1:], out=first[1:])
        last = np.empty(n, bool)
        last[-1] = True
        np.logical_or(differs, punct[:-1], out=last[:-1])
        start = (first & inside).nonzero()[0]
        end = (last & inside).nonzero()[0] + 1
        hashes = (prefix[end] - prefix[start]) * _INVERSE[start]
        hashes ^= hashes >> _U(29)
        hashes *= _MIX
        self.tokens = hashes


def buckets(hashes: TextHashes, spec: FeatureSpec) -> tuple[list[npt.NDArray[np.intp]], list[float]]:
    """Table rows of a text's n-grams, in blocks, and the weight of each block's entries.

    Blocks are: token n-grams, byte n-grams, n-grams at the edges; each is scaled to unit energy (``1/sqrt(count)``),
    so that long texts do not shout. Returns ``(blocks, scales)`` of equal length; rows are in ``0 .. 2**bits - 1``.
    """
    shift = _U(64 - spec.bits)
    blocks = [_ngrams(hashes.tokens, spec.words)]
    if spec.chars:
        n, prefix = hashes.n_bytes, hashes.prefix
        grams = []
        for order in spec.chars:
            if n >= order:
                gram = (prefix[order:] - prefix[:-order]) * _INVERSE[: n - order + 1]
                gram *= _STEP
                gram ^= gram >> _U(31)
                gram *= _MIX
                grams.append(gram)
        blocks.append(np.concatenate(grams) if grams else np.zeros(0, np.uint64))
    if spec.edges:
        edge = spec.edges
        blocks.append(_ngrams(hashes.tokens[:edge], (1, 2, 3)) * _STEP)
        blocks.append(_ngrams(hashes.tokens[-edge:], (1, 2, 3)) * _BASE)
    rows = [(block >> shift).astype(np.intp) for block in blocks]
    return rows, [1.0 / max(1, len(row)) ** 0.5 for row in rows]


def _ngrams(tokens: npt.NDArray[np.uint64], orders: Sequence[int]) -> npt.NDArray[np.uint64]:
    grams = []
    gram = tokens
    for order in range(1, max(orders) + 1):
        if order > 1:
            if len(gram) < 2:
                break
            gram = gram[:-1] * _STEP + tokens[order - 1 :]
            gram ^= gram >> _U(31)
            gram *= _MIX
        if order in orders:
            grams.append(gram)
    return np.concatenate(grams) if grams else np.zeros(0, np.uint64)


class LinearScorer:
    """``scores = bias + scale * sum of table rows``: many linear heads scored by one gather.

    ``table``: int8, shape ``(2**spec.bits, heads)``. ``scale``, ``bias``: float32, shape ``(heads,)``.
    """

    __slots__ = ("bias", "scale", "spec", "table")

    def __init__(
        self,
        spec: FeatureSpec,
        table: npt.NDArray[np.int8],
        scale: npt.NDArray[np.float32],
        bias: npt.NDArray[np.float32],
    ) -> None:
        if table.shape != (1 << spec.bits, len(bias)) or scale.shape != bias.shape:
            raise ValueError(f"table {table.shape}, scale {scale.shape} and bias {bias.shape} do not fit {spec}")
        self.spec, self.table, self.scale, self.bias = spec, table, scale, bias

    def scores(self, hashes: TextHashes) -> npt.NDArray[np.float32]:
        """Raw scores (log-odds before calibration), float32, shape ``(heads,)``."""
        rows, scales = buckets(hashes, self.spec)
        weights = np.repeat(np.array(scales, np.float32), [len(row) for row in rows])
        gathered = self.table.take(np.concatenate(rows), axis=0).astype(np.float32)
        total: npt.NDArray[np.float32] = (weights @ gathered) * self.scale + self.bias
        return total


def sparse_rows(
    texts: Sequence[str], spec: FeatureSpec
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """``(data, indices, indptr)`` of a CSR matrix of shape ``(len(texts), 2**bits)``, for training.

    A row holds exactly what :class:`LinearScorer` gathers for the text; duplicate indices are to be summed
    (``scipy.sparse.csr_matrix(...).sum_duplicates()``).
    """
    data, indices, indptr = [], [], [0]
    for text in texts:
        rows, scales = buckets(TextHashes(text, head=spec.head, tail=spec.tail), spec)
        for row, scale in zip(rows, scales, strict=True):
            indices.append(row.astype(np.int32))
            data.append(np.full(len(row), scale, np.float32))
        indptr.append(indptr[-1] + sum(len(row) for row in rows))
    return (
        np.concatenate(data) if data else np.zeros(0, np.float32),
        np.concatenate(indices) if indices else np.zeros(0, np.int32),
        np.array(indptr, np.int64),
    )
