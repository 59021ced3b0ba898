"""The words of a text, punctuation left out: the gate in front of all searches of this room."""

from __future__ import annotations

from collections.abc import Iterable

from ..patterns import late_pattern

__all__ = ["alternatives", "stands_in", "table", "words_of"]

_MARKS = b"\n\t\r.,;:!?()[]{}<>\"'`*#|/=_-"
_FOLD = bytes.maketrans(_MARKS, b" " * len(_MARKS))
_WIDE_MARKS = late_pattern("[“”„«»‘’「」：，、。？！（）]")


def words_of(text: str) -> frozenset[str]:
    """The lower-case words of a text."""
    # Bytes are translated several times faster than text is.
    lower = text.lower().encode("utf-8", "surrogatepass").translate(_FOLD).decode("utf-8", "surrogatepass")
    return frozenset((lower if text.isascii() else _WIDE_MARKS.sub(" ", lower)).split())


def table(words: str) -> frozenset[str]:
    """The words of a table written with blanks between."""
    return frozenset(words.split())


def alternatives(words: Iterable[str]) -> str:
    """Those of ``words`` that are plain ASCII letters, as alternatives of a pattern."""
    return "|".join(sorted(word for word in words if word.isascii() and word.isalpha()))


def stands_in(text: str, word: str) -> bool:
    """Whether a word stands in a text by itself."""
    place = text.find(word)
    while place >= 0:
        before, after = text[place - 1 : place], text[place + len(word) : place + len(word) + 1]
        if not (before.isalnum() or after.isalnum()):
            return True
        place = text.find(word, place + 1)
    return False
