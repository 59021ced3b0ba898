"""Words that are neither known nor English are read as the training word that they are one typing mistake away from.

Candidates are all strings at one deletion, transposition, replacement, insertion or missing space (Norvig, 2007, "How
to Write a Spelling Corrector"); the most frequent in training wins. A word is its hash: candidates are hashed from
prefix sums, without ever being written out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from ..features import INVERSES, POWERS, VALUES, TextHashes, token_hashes
from .static import shipped_encoder

__all__ = ["Speller", "word_counts"]

_SHIFT = np.uint64(32)
_LEAST_LETTERS, _MOST_LETTERS = 3, 24
# So many unknown words are always looked at; more only where they are few among the text's words: what is strange as a
# whole is no text with mistakes.
_ALWAYS, _MOST, _SHARE = 6, 16, 0.3
# Longer texts hold enough other words, and are not looked at.
_MOST_BYTES = 4096
# From so much English among the words of the training texts on, English words count as written right.
_ENGLISH = 0.7
_MOST_WORDS = 1 << 16

_A, _Z = ord("a"), ord("z")
_LETTERS = 26
_VALUES_OF_LETTERS = VALUES[_A : _Z + 1]

_U64 = npt.NDArray[np.uint64]
_Keys = npt.NDArray[np.uint32]


class Speller:
    """Reads texts as a model's training texts are spelt.

    ``words``: uint32 ``(V,)``, rising: the upper halves of the training words' hashes; ``counts``: uint16 ``(V,)``, how
    often each was seen. Without a word it changes nothing.
    """

    def __init__(self, words: _Keys, counts: npt.NDArray[np.uint16]) -> None:
        self.words, self.counts = words, counts

    def spelt(self, text: str) -> str:
        """``text`` itself where nothing is to be changed, else in small letters with changed words."""
        if not len(self.words) or len(text) > _MOST_BYTES:
            return text
        data = text.lower().encode("utf-8", "replace")
        if len(data) > _MOST_BYTES:
            return text
        hashes = TextHashes.of(data)
        parts: list[bytes] = []
        done = 0
        for index in self._strange(hashes):
            start, end = int(hashes.starts[index]), int(hashes.ends[index])
            better = self._nearest(data[start:end])
            if better is not None:
                parts += [data[done:start], better]
                done = end
        if not parts:
            return text
        return b"".join([*parts, data[done:]]).decode("utf-8", "replace")

    def _strange(self, hashes: TextHashes) -> list[int]:
        """Places of the words to look at."""
        keys = (hashes.tokens >> _SHIFT).astype(np.uint32)
        length = hashes.ends - hashes.starts
        unknown = ~_among(keys, self.words) & (length >= _LEAST_LETTERS) & (length <= _MOST_LETTERS)
        if not unknown.any():
            return []
        unknown &= ~_among(keys, shipped_encoder().keys)
        found: list[int] = unknown.nonzero()[0].tolist()
        if len(found) > _ALWAYS and len(found) > _SHARE * len(keys):
            return []
        return found[:_MOST]

    def _nearest(self, word: bytes) -> bytes | None:
        """The most frequent training word (or two) one mistake away."""
        letters = np.frombuffer(word, np.uint8)
        if letters.min() < _A or letters.max() > _Z:
            return None
        n = len(letters)
        power = POWERS[: n + 1]
        value = VALUES[letters] * power[:n]
        head = np.zeros(n + 1, np.uint64)
        np.cumsum(value, out=head[1:])
        tail = head[n] - head
        others = _VALUES_OF_LETTERS
        swapped = VALUES[letters[1:]] * power[: n - 1] + VALUES[letters[:-1]] * power[1:n]
        hashed = np.concatenate(
            (
                head[:n] + tail[1:] * INVERSES[1],
                tail[0] - value[:-1] - value[1:] + swapped,
                ((tail[0] - value)[:, None] + others * power[:n, None]).ravel(),
                ((head + tail * power[1])[:, None] + others * power[: n + 1, None]).ravel(),
                head[1:n],
                tail[1:n] * INVERSES[1:n],
            )
        )
        seen = self._seen(hashed)
        split = len(hashed) - 2 * (n - 1)
        best = int(seen[:split].argmax())
        if seen[best]:
            return _changed(word, best)
        both = np.minimum(seen[split : split + n - 1], seen[split + n - 1 :])
        cut = int(both.argmax())
        return word[: cut + 1] + b" " + word[cut + 1 :] if both[cut] else None

    def _seen(self, hashed: _U64) -> npt.NDArray[np.uint16]:
        """How often words of these hashes were seen in training."""
        keys = (token_hashes(hashed) >> _SHIFT).astype(np.uint32)
        at = np.minimum(self.words.searchsorted(keys), len(self.words) - 1)
        found: npt.NDArray[np.uint16] = np.where(self.words[at] == keys, self.counts[at], np.uint16(0))
        return found


def word_counts(texts: Iterable[str]) -> tuple[_Keys, npt.NDArray[np.uint16]]:
    """A :class:`Speller`'s words and counts: those of ``texts``, none where most of them are not English.

    The most frequent 65,536 words are kept.
    """
    counts: Counter[int] = Counter()
    for text in texts:
        hashes = TextHashes(text)
        counts.update((hashes.tokens >> _SHIFT).tolist())
    kept = sorted(counts.most_common(_MOST_WORDS))
    words = np.array([key for key, _ in kept], np.uint32)
    seen = np.array([min(count, 65535) for _, count in kept], np.uint16)
    english = float(seen[_among(words, shipped_encoder().keys)].sum(dtype=np.int64)) if len(words) else 0.0
    if english < _ENGLISH * seen.sum(dtype=np.int64):
        return words[:0], seen[:0]
    return words, seen


def _among(keys: _Keys, rising: _Keys) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = rising[np.minimum(rising.searchsorted(keys), len(rising) - 1)] == keys
    return found


def _changed(word: bytes, at: int) -> bytes:
    """The candidate at a place of the array of :meth:`Speller._nearest`."""
    n = len(word)
    if at < n:
        return word[:at] + word[at + 1 :]
    at -= n
    if at < n - 1:
        return word[:at] + word[at + 1 : at + 2] + word[at : at + 1] + word[at + 2 :]
    at -= n - 1
    is_replaced = at < n * _LETTERS
    place, letter = divmod(at if is_replaced else at - n * _LETTERS, _LETTERS)
    return word[:place] + bytes([_A + letter]) + word[place + is_replaced :]
