"""Typing mistakes, drawn: to train models that bear them, and to measure how well they do."""

from __future__ import annotations

import random

__all__ = ["mistyped"]

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def mistyped(text: str, draw: random.Random, typos: int = 3) -> str:
    """``text`` with letters swapped, dropped, doubled or replaced at ``typos`` places."""
    letters = list(text)
    for _ in range(typos):
        if len(letters) < 2:
            break
        place = draw.randrange(len(letters) - 1)
        kind = draw.randrange(4)
        if kind == 0:
            letters[place], letters[place + 1] = letters[place + 1], letters[place]
        elif kind == 1:
            del letters[place]
        elif kind == 2:
            letters.insert(place, letters[place])
        else:
            letters[place] = draw.choice(_LETTERS)
    return "".join(letters)
