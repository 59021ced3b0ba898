"""A text cut into sentences and lines, and these put together to windows: what a sentence encoder can read."""

from __future__ import annotations

import re

__all__ = ["pieces", "windows_of"]

Stretch = tuple[int, int]

_SHORTEST, _LONGEST = 16, 280
_WINDOW = 420
_END = re.compile(r"(?<=[.!?;:])[\"')\]]*\s+|\n+|(?<=[。!?;])")


def pieces(text: str, *, first: int = 24, last: int = 16) -> list[Stretch]:
    """``(start, end)`` of the sentences and lines of ``text``, in reading order; never empty.

    A very short one is joined with what follows, a very long one is cut. Of more than ``first + last`` those in the
    middle are left out.
    """
    found: list[Stretch] = []
    start = 0
    for end in (*(match.end() for match in _END.finditer(text)), len(text)):
        if end - start < _SHORTEST and end < len(text) and "\n" not in text[start:end]:
            continue
        while end - start > _LONGEST:
            blank = text.rfind(" ", start + _LONGEST // 2, start + _LONGEST)
            cut = blank + 1 if blank > 0 else start + _LONGEST
            found.append((start, cut))
            start = cut
        if text[start:end].strip():
            found.append((start, end))
        start = end
    if len(found) > first + last:
        found = found[:first] + found[len(found) - last :]
    return found or [(0, len(text))]


def windows_of(stretches: list[Stretch]) -> list[Stretch]:
    """Overlapping windows of neighbouring pieces, a few sentences each; one window over a short text."""
    if stretches[-1][1] - stretches[0][0] <= 1.5 * _WINDOW:
        return [(stretches[0][0], stretches[-1][1])]
    found = []
    at, count = 0, len(stretches)
    while True:
        to = at
        while to + 1 < count and stretches[to + 1][1] - stretches[at][0] <= _WINDOW:
            to += 1
        found.append((stretches[at][0], stretches[to][1]))
        if to + 1 >= count:
            return found
        at = max(at + 1, (at + to + 2) // 2)
