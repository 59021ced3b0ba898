"""Does a local model's answer rest on a word that it is known to lean on? Asks it again without that word."""

from __future__ import annotations

import re
from collections.abc import Collection

from ..types import LocalModel

__all__ = ["rests_on_shortcut", "words_of"]

_WORD = re.compile(r"[^\W\d_]\w*")


def words_of(text: str) -> set[str]:
    """The words of a text in small letters; what begins with a digit is none."""
    return {word.lower() for word in _WORD.findall(text)}


def rests_on_shortcut(model: LocalModel, text: str, place: int, shortcuts: Collection[str]) -> bool:
    """Whether the model no longer says label ``place`` when the known shortcuts are taken out of ``text``."""
    known = frozenset(shortcuts)
    if not known or known.isdisjoint(words_of(text)):
        return False
    without = _WORD.sub(lambda match: "" if match[0].lower() in known else match[0], text)
    probabilities = model.predict((without,))[0].probabilities
    return max(range(len(probabilities)), key=probabilities.__getitem__) != place
