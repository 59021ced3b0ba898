"""Worked examples whose headings take turns: "Job: ...", "Field: ...", again and again, and "Field:" at the end."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise

from ..patterns import late_pattern

__all__ = ["alternating", "answering"]

_MAX = 48
_LINE_HEADING = late_pattern(r"^(?P<name>[^\W\d_][\w '’-]{1,32})(?::(?=[ \t\n]|\Z)|：)", re.MULTILINE)
# "Example 1:" above each of them
_EXAMPLE = late_pattern(
    r"(?:examples?|beispiele?|exemples?|ejemplos?|esempi[oi]?|exemplos?|voorbeeld(?:en)?|shot|示例|例子?|예시)"
    r" ?#?\d{0,3}"
)


def alternating(text: str) -> list[tuple[str, str, int, int]]:
    """Headings of worked examples by their order alone: two that take turns, the last of which has nothing under it.

    Of each its kind (``input`` or ``answer``), its name, where it begins and where it ends.
    """
    found = islice(_LINE_HEADING.finditer(text), _MAX)
    lines = [match for match in found if _EXAMPLE.fullmatch(match["name"].lower()) is None]
    if len(lines) < 4 or text[lines[-1].end() :].strip():
        return []
    names = [match["name"].lower() for match in lines]
    first, second = names[-2:]
    turns = 2
    while names[-turns - 2 : -turns] == [first, second]:
        turns += 2
    if first == second or turns < 4 or names.count(first) != turns // 2:
        return []
    return [
        ("input" if match["name"].lower() == first else "answer", match["name"].lower(), match.start(), match.end())
        for match in lines[-turns:]
    ]


_ANSWERING = late_pattern(r"\n[ \t]*(?P<name>[^\W\d_][\w ]{0,20}):[ \t]+(?P<answer>[^\n:]{1,48})(?=\n|\Z)")


def answering(text: str, starts: Sequence[int]) -> Iterator[tuple[str, int, int]]:
    """The headings under which worked examples answer, by their order alone: one that stands once below each text.

    ``starts``: where the texts begin, all under one heading. Of each its name, where it begins and where it ends.
    """
    shown: list[tuple[str, int, int]] = []
    for start, end in pairwise(starts):
        below = list(islice(_ANSWERING.finditer(text, start, end), 2))
        if len(below) != 1 or (shown and below[0]["name"] != shown[0][0]):
            return
        shown.append((below[0]["name"], below[0].start("name"), below[0].start("answer")))
    if shown and (last := _ANSWERING.search(text, starts[-1])) is not None and last["name"] == shown[0][0]:
        shown.append((last["name"], last.start("name"), last.start("answer")))
    if len(shown) > 1:
        yield from shown
