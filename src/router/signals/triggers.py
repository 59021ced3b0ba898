"""Words that open a rule's patterns, looked up together: one pass over a request's words serves all signals.

Most patterns cannot match without one of a few words, and most requests have none of them. Each group of such words is
a bit; a request's words are met with all groups at once, so that a signal with nothing to read costs nearly nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from .. import features

__all__ = ["Trigger", "groups", "trigger", "triggers", "words_in"]


class Trigger(NamedTuple):
    """A group of words and its bit in :func:`groups`."""

    words: frozenset[str]
    bit: int


# Filled while the modules of the signals are imported, and never after.
_BITS: dict[str, int] = {}
_made: list[Trigger] = []


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


def groups(raw: bytes) -> tuple[int, frozenset[str]]:
    """The bits of all groups of which a word stands in ``raw``, lower-case UTF-8, and those words."""
    if features.compiled is None:
        found = _BITS.keys() & {word.decode("utf-8", "replace") for word in words_in(raw)}
        bits = 0
        for word in found:
            bits |= _BITS[word]
        return bits, frozenset(found)
    words, known = _known()
    bits, numbers = features.compiled.word_groups(known, raw)
    return bits, frozenset([words[number] for number in numbers])


def words_in(raw: bytes) -> frozenset[bytes]:
    """The distinct words of lower-case UTF-8: letters, digits, apostrophes and all beyond ASCII."""
    return frozenset(raw.translate(_BLANKS).split())


_BLANKS = bytes(c if 48 <= c <= 57 or 97 <= c <= 122 or c == 39 or c >= 128 else 32 for c in range(256))


@cache
def _known() -> tuple[list[str], object]:
    # Made when a request first asks: by then all groups are there.
    assert features.compiled is not None
    words = list(_BITS)
    return words, features.compiled.words([word.encode() for word in words], [_BITS[word] for word in words])
