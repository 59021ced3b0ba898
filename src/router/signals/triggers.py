"""Words that open a rule's patterns, looked up together: one pass over a request's words serves all signals.

Most patterns cannot match without one of a few words, and most requests have none of them. Each group of such words is
a bit; a request's words are met with all groups at once, so that a signal with nothing to read costs nearly nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import NamedTuple

__all__ = ["Trigger", "groups", "trigger", "triggers"]


class Trigger(NamedTuple):
    """A group of words, as UTF-8, and its bit in :func:`groups`."""

    words: frozenset[bytes]
    bit: int


# Filled while the modules of the signals are imported, and never after.
_BITS: dict[bytes, int] = {}
_made: list[Trigger] = []


def triggers(words: str) -> Trigger:
    """The group of the blank-separated ``words``, which are lower case."""
    return trigger(word.encode() for word in words.split())


def trigger(words: Iterable[bytes]) -> Trigger:
    """The group of ``words``."""
    made = Trigger(frozenset(words), 1 << len(_made))
    _made.append(made)
    for word in made.words:
        _BITS[word] = _BITS.get(word, 0) | made.bit
    return made


def groups(words: Set[bytes]) -> int:
    """The bits of all groups that hold one of ``words``."""
    found = 0
    for word in _BITS.keys() & words:
        found |= _BITS[word]
    return found
