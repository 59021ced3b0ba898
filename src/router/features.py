"""Text -> hashed n-grams -> linear scores: arrays in, numbers out. Signals, local models and training share it.

Tokens (runs of letters and digits, single punctuation marks), their n-grams and character n-grams are hashed by one
polynomial prefix hash over the UTF-8 bytes, so that the cost does not depend on a vocabulary and no Python loop runs
over the text (feature hashing: Weinberger et al., 2009, arXiv:0902.2206). The room knows nothing of requests.

What is done for each request stands in ``_ngrams.c`` a second time, ten times as fast: ``compiled`` is that module, or
None where it could not be built. The numpy code is the reference, and what trains.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from .compiled import compiled

__all__ = [
    "INVERSES",
    "POWERS",
    "VALUES",
    "FeatureSpec",
    "LinearScorer",
    "TextHashes",
    "bits_of",
    "buckets",
    "byte_grams",
    "compiled",
    "linear_scores",
    "pairs",
    "prepared",
    "sparse_rows",
    "token_grams",
    "token_hashes",
    "unsupported",
    "wide_grams",
]

MAX_BYTES = 32768

_U = np.uint64
_BASE = _U(0x9E3779B97F4A7C15)
_MIX = _U(0xFF51AFD7ED558CCD)
_STEP = _U(0xC4CEB9FE1A85EC53)
_WIDE = _U(0x9FB21C651E98DF25)
_WORD, _PUNCT = 1, 2


class _Powers:
    """``base ** n``, wrapping at 2**64, for n from 0 to ``count``; made when first asked for, as what is compiled needs
    none."""

    __slots__ = ("_base", "_count", "_made")

    def __init__(self, base: int, count: int) -> None:
        self._base, self._count = base, count
        self._made: npt.NDArray[np.uint64] | None = None

    def __getitem__(self, at: Any) -> Any:
        if self._made is None:
            powers = np.full(self._count + 1, self._base, np.uint64)
            powers[0] = 1
            self._made = np.cumprod(powers)
        return self._made[at]


def _byte_classes() -> npt.NDArray[np.uint8]:
    classes = np.full(256, _PUNCT, np.uint8)
    classes[list(b"abcdefghijklmnopqrstuvwxyz0123456789'_")] = _WORD
    classes[128:] = _WORD
    classes[list(b" \t\r\n\x0b\x0c")] = 0
    return classes


def _char_lengths() -> npt.NDArray[np.intp]:
    lengths = np.ones(256, np.intp)
    lengths[0xC0:0xE0], lengths[0xE0:0xF0], lengths[0xF0:] = 2, 3, 4
    return lengths


def _wide_leads() -> npt.NDArray[np.bool_]:
    leads = np.zeros(256, bool)
    leads[0xE0:] = True
    leads[0xE2] = False
    return leads


_LENGTH = _char_lengths()
_IS_WIDE = _wide_leads()
_POWER = _Powers(int(_BASE), MAX_BYTES + 1)
_INVERSE = _Powers(pow(int(_BASE), -1, 1 << 64), MAX_BYTES + 1)
_CLASS = _byte_classes()
_VALUE = np.arange(1, 257, dtype=np.uint64)
# A token's sum is that of VALUES[byte] * POWERS[place] over its bytes; INVERSES move a sum to the left.
VALUES, POWERS, INVERSES = _VALUE, _POWER, _INVERSE
_NOTHING_KNOWN = np.zeros(1 << 17, np.uint8)


class FeatureSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Which n-grams a model looks at; it is stored in the model's file, so that training and serving agree.

    ``bits``: log2 of the table's rows. ``words``/``chars``: orders of token and byte n-grams. ``edges``: so many first
    and last tokens get n-grams of their own (what an instruction starts and ends with tells more than its middle).
    ``head``/``tail``: bytes of the text that are read, the middle of a longer text is not; together at most 32,768.
    """

    bits: int = 17
    words: tuple[int, ...] = (1, 2)
    chars: tuple[int, ...] = (4,)
    edges: int = 0
    head: int = 3072
    tail: int = 1024


def prepared(text: str, *, head: int, tail: int, lower: str | None = None) -> bytes:
    """The lower-cased UTF-8 bytes of ``text`` that are read: the first and the last when it is longer than both.

    ``lower``: the text in small letters, where somebody has them already.
    """
    limit = min(head + tail, MAX_BYTES)
    if len(text) > 2 * limit:  # lower() and encode() must cost what is read, not what was sent
        text, lower = f"{text[:limit]}\n{text[-limit:]}", None
    data = (text.lower() if lower is None else lower).encode("utf-8", "replace")
    if len(data) > limit:
        data = data[: limit - tail] + data[len(data) - tail :] if tail else data[:limit]
    return data


@cache
def bits_of(orders: tuple[int, ...]) -> int:
    """A set of small numbers as an integer with these bits set, which is how ``compiled`` takes n-gram orders."""
    bits = 0
    for order in orders:
        bits |= 1 << order
    return bits


def unsupported(spec: FeatureSpec, most_bits: int) -> str | None:
    """What of a file's ``spec`` cannot be scored here, None when all can; ``most_bits`` is the largest table."""
    orders = (*spec.words, *spec.chars)
    if not (8 <= spec.bits <= most_bits and spec.words and spec.words[0] == 1 and spec.edges == 0):
        return f"bits {spec.bits}, words {spec.words} and edges {spec.edges} are not supported"
    if len(orders) > 12 or not all(1 <= order <= 8 for order in orders):
        return f"n-gram orders {orders} are not supported"
    if min(spec.head, spec.tail) < 0 or not 16 <= spec.head + spec.tail <= MAX_BYTES:
        return f"head {spec.head} and tail {spec.tail} are not supported"
    return None


class TextHashes:
    """The hashes of one text that every spec draws from: made once, shared by all models that read the text.

    ``tokens``: uint64, one a token. ``starts``/``ends``: intp, the tokens' places in ``data``, the lower-cased UTF-8
    bytes that were read. ``prefix``: uint64, prefix hashes over these bytes, ``n_bytes + 1`` long.
    """

    __slots__ = ("classes", "data", "ends", "n_bytes", "prefix", "starts", "tokens")

    def __init__(self, text: str, *, head: int = 3072, tail: int = 1024) -> None:
        self._hash(prepared(text, head=head, tail=tail))

    @classmethod
    def of(cls, data: bytes) -> TextHashes:
        """The hashes of bytes that :func:`prepared` made."""
        hashes = cls.__new__(cls)
        hashes._hash(data)
        return hashes

    def _hash(self, data: bytes) -> None:
        raw = self.data = np.frombuffer(data, np.uint8)
        n = self.n_bytes = len(raw)
        prefix = np.zeros(n + 1, np.uint64)
        np.cumsum(_VALUE[raw] * _POWER[:n], out=prefix[1:])
        self.prefix = prefix
        classes = self.classes = _CLASS[raw]
        if n == 0:
            self.tokens = np.zeros(0, np.uint64)
            self.starts = self.ends = np.zeros(0, np.intp)
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
        start = self.starts = (first & inside).nonzero()[0]
        end = self.ends = (last & inside).nonzero()[0] + 1
        self.tokens = token_hashes((prefix[end] - prefix[start]) * _INVERSE[start])

    def cut(self, head: int, tail: int) -> TextHashes:
        """The hashes of the first ``head`` and the last ``tail`` bytes, without hashing again.

        Equal to hashing the two parts joined, but for tokens that a cut falls into: those are left out.
        """
        n = self.n_bytes
        if n <= head + tail:
            return self
        first = int(self.ends.searchsorted(head, side="right"))
        last = int(self.starts.searchsorted(n - tail))
        kept = TextHashes.__new__(TextHashes)
        shift = n - tail - head
        kept.n_bytes = head + tail
        kept.data = np.concatenate((self.data[:head], self.data[n - tail :]))
        kept.classes = np.concatenate((self.classes[:head], self.classes[n - tail :]))
        moved = (self.prefix[n - tail + 1 :] - self.prefix[n - tail]) * (
            _POWER[head : head + 1] * _INVERSE[n - tail : n - tail + 1]
        )
        kept.prefix = np.concatenate((self.prefix[: head + 1], moved + self.prefix[head]))
        kept.tokens = np.concatenate((self.tokens[:first], self.tokens[last:]))
        kept.starts = np.concatenate((self.starts[:first], self.starts[last:] - shift))
        kept.ends = np.concatenate((self.ends[:first], self.ends[last:] - shift))
        return kept


def token_hashes(sums: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The hashes of tokens from their sums."""
    hashes = sums ^ (sums >> _U(29))
    hashes *= _MIX
    return hashes


def buckets(hashes: TextHashes, spec: FeatureSpec) -> tuple[list[npt.NDArray[np.intp]], list[float]]:
    """Table rows of a text's n-grams, in blocks, and the weight of each block's entries.

    Blocks are: token n-grams, byte n-grams, n-grams at the edges; each is scaled to unit energy (``1/sqrt(count)``),
    so that long texts do not shout. Returns ``(blocks, scales)`` of equal length; rows are in ``0 .. 2**bits - 1``.
    """
    shift = _U(64 - spec.bits)
    blocks = [_ngrams(hashes.tokens, spec.words)]
    if spec.chars:
        grams = [byte_grams(hashes, order) for order in spec.chars if hashes.n_bytes >= order]
        blocks.append(np.concatenate(grams) if grams else np.zeros(0, np.uint64))
    if spec.edges:
        edge = spec.edges
        blocks.append(_ngrams(hashes.tokens[:edge], (1, 2, 3)) * _STEP)
        blocks.append(_ngrams(hashes.tokens[-edge:], (1, 2, 3)) * _BASE)
    rows = [(block >> shift).astype(np.intp) for block in blocks]
    return rows, [1.0 / max(1, len(row)) ** 0.5 for row in rows]


def _ngrams(tokens: npt.NDArray[np.uint64], orders: Sequence[int]) -> npt.NDArray[np.uint64]:
    grams = token_grams(tokens, orders)
    return np.concatenate(grams) if grams else np.zeros(0, np.uint64)


def token_grams(tokens: npt.NDArray[np.uint64], orders: Sequence[int]) -> list[npt.NDArray[np.uint64]]:
    """Hashes of n-grams of tokens, a block for each of the orders that the text is long enough for."""
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
    return grams


def byte_grams(hashes: TextHashes, order: int) -> npt.NDArray[np.uint64]:
    """Hashes of n-grams of bytes; the text is at least as long."""
    prefix = hashes.prefix
    return _mixed((prefix[order:] - prefix[:-order]) * _INVERSE[: hashes.n_bytes - order + 1])


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


def linear_scores(
    data: bytes,
    spec: FeatureSpec,
    table: npt.NDArray[np.int8],
    scale: npt.NDArray[np.float32],
    bias: npt.NDArray[np.float32],
) -> Sequence[float]:
    """What :class:`LinearScorer` gives for the bytes that :func:`prepared` made; empty when they hold no token."""
    if compiled is not None and not spec.edges:
        found = compiled.label_scores(
            data, bits_of(spec.words), bits_of(spec.chars), spec.bits, table, scale, bias, _NOTHING_KNOWN
        )
        return () if found is None else found[0]
    hashes = TextHashes.of(data)
    scores: list[float] = LinearScorer(spec, table, scale, bias).scores(hashes).tolist() if len(hashes.tokens) else []
    return scores


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


def pairs(tokens: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Hashes of neighbouring tokens, shape ``(len(tokens) - 1,)``."""
    return _ngrams(tokens, (2,))


def wide_grams(hashes: TextHashes, orders: Sequence[int]) -> list[tuple[npt.NDArray[np.uint64], npt.NDArray[np.intp]]]:
    """Character n-grams that begin with a letter of three or more bytes: Chinese, Japanese, Korean, Thai, Hindi ...

    For each order its hashes and the bytes at which they begin; empty when the text holds no such letter. Typographic
    marks (U+2000 to U+2FFF: quotes, dashes, arrows) are none.
    """
    begin = _IS_WIDE[hashes.data].nonzero()[0]
    if not len(begin):
        return []
    n, data, prefix = hashes.n_bytes, hashes.data, hashes.prefix
    found = []
    end = begin
    for order in range(1, max(orders) + 1):
        inside = end < n
        if not inside.all():
            begin, end = begin[inside], end[inside]
        end = np.minimum(end + _LENGTH[data[end]], n)
        if order in orders and len(begin):
            found.append((_mixed((prefix[end] - prefix[begin]) * _INVERSE[begin] * _WIDE), begin))
    return found


def _mixed(grams: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    grams *= _STEP
    grams ^= grams >> _U(31)
    grams *= _MIX
    return grams
