"""The words of a text, punctuation left out: the gate in front of all searches of this room."""

from __future__ import annotations

__all__ = ["table", "words_of"]

_FOLD = str.maketrans(dict.fromkeys("\n\t\r.,;:!?()[]{}<>\"'`*#|/=“”„«»‘’「」：，、。？！（）_-", " "))


def words_of(text: str) -> frozenset[str]:
    """The lower-case words of a text."""
    return frozenset(text.lower().translate(_FOLD).split())


def table(words: str) -> frozenset[str]:
    """The words of a table written with blanks between."""
    return frozenset(words.split())
