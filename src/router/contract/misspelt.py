"""Words of instructions as people misspell them."""

from __future__ import annotations

from .frame_words import RISKS
from .lexicon import ENGLISH
from .vocabulary import ANSWER_WORDS, CLASSIFY, INPUT_WORDS, NOUNS

__all__ = ["is_one_edit"]

_USUAL = ENGLISH | ANSWER_WORDS | CLASSIFY | INPUT_WORDS | NOUNS
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def is_one_edit(word: str) -> bool:
    """Whether a word is a usual one with a letter too many, too few, or two letters in each other's place."""
    if not 5 <= len(word) <= 16 or not word.isascii() or word in RISKS:
        return False
    if word[-1] == "s" and word[:-1] in _USUAL:
        return True
    if len(word) < 6:
        return False
    for place in range(len(word)):
        head, tail = word[:place], word[place + 1 :]
        if head + tail in _USUAL or head + tail[:1] + word[place] + tail[1:] in _USUAL:
            return True
    places = range(1, len(word) + 1)
    return any(word[:place] + letter + word[place:] in _USUAL for place in places for letter in _LETTERS)
