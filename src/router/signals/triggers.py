"""Words that open a rule's patterns, looked up together: one pass over a request's words serves all signals.

Most patterns cannot match without one of a few words, and most requests have none of them. Each group of such words is
a bit; a request's words are met with all groups at once, so that a signal with nothing to read costs nearly nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import msgspec

from .. import features
from .gates import Gates

__all__ = ["Trigger", "WordSet", "groups", "n_words", "phrases", "phrases_in", "trigger", "triggers", "words_in"]


class Trigger(msgspec.Struct, frozen=True, gc=False):
    """A group of words and its bit in :func:`groups`."""

    words: frozenset[str]
    bit: int


# Filled while the modules of the signals are imported, and never after.
_BITS: dict[str, int] = {}
_made: list[Trigger] = []
_PHRASES: set[str] = set()


def triggers(words: str) -> Trigger:
    """The group of the blank-separated ``words``, which are lower case."""
    return trigger(words.split())


def trigger(words: Iterable[str]) -> Trigger:
    """The group of ``words``."""
    made = Trigger(frozenset(words), 1 << len(_made))
    _made.append(made)
    for word in made.words:
        _BITS[word] = _BITS.get(word, 0) | made.bit
    return made


def groups(raw: bytes) -> tuple[int, frozenset[str], bool]:
    """The bits of all groups of which a word stands in ``raw``, lower-case UTF-8, those words, and whether a digit
    stands there."""
    if features.compiled is None:
        found = _BITS.keys() & {word.decode("utf-8", "replace") for word in words_in(raw)}
        bits = 0
        for word in found:
            bits |= _BITS[word]
        return bits, frozenset(found), len(raw) != len(raw.translate(None, b"0123456789"))
    return features.compiled.word_groups(_known(), raw)


class WordSet:
    """A fixed set of words, apart from all groups."""

    __slots__ = ("_set", "_words")

    def __init__(self, words: Iterable[str]) -> None:
        self._words = frozenset(words)
        self._set: object | None = None

    def among(self, raw: bytes) -> frozenset[str]:
        """Those of the words that stand in ``raw``, lower-case UTF-8."""
        if features.compiled is None:
            return self._words & {word.decode("utf-8", "replace") for word in words_in(raw)}
        if self._set is None:
            words = list(self._words)
            self._set = features.compiled.words(words, [0] * len(words))
        return features.compiled.word_groups(self._set, raw)[1]


def n_words(raw: bytes) -> int:
    """How many distinct words ``raw`` has, lower-case UTF-8."""
    return len(words_in(raw)) if features.compiled is None else features.compiled.word_count(raw)


def words_in(raw: bytes) -> frozenset[bytes]:
    """The distinct words of lower-case UTF-8: letters, digits, apostrophes and all beyond ASCII."""
    return frozenset(raw.translate(_BLANKS).split())


_BLANKS = bytes(c if 48 <= c <= 57 or 97 <= c <= 122 or c == 39 or c >= 128 else 32 for c in range(256))


def phrases(texts: Iterable[str]) -> frozenset[str]:
    """Phrases that :func:`phrases_in` looks for, in lower case."""
    made = frozenset(texts)
    _PHRASES.update(made)
    return made


def phrases_in(raw: bytes) -> tuple[str, ...]:
    """All phrases of :func:`phrases` that stand anywhere in ``raw``, lower-case UTF-8."""
    return _known_phrases().found(raw)


# Both are made when a request first asks: by then all groups are there.
@cache
def _known() -> object:
    assert features.compiled is not None
    return features.compiled.words(list(_BITS), list(_BITS.values()))


@cache
def _known_phrases() -> Gates:
    return Gates(sorted(_PHRASES))
