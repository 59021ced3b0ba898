"""Worked examples whose headings take turns: "Job: ...", "Field: ...", again and again, and "Field:" at the end."""

from __future__ import annotations

import re
from itertools import islice

from ..patterns import late_pattern

__all__ = ["alternating"]

_MAX = 48
_LINE_HEADING = late_pattern(r"^(?P<name>[^\W\d_][\w '’-]{1,32})[:：](?=[ \t\n]|\Z)", re.MULTILINE)


def alternating(text: str) -> list[tuple[str, str, int, int]]:
    """Headings of worked examples by their order alone: two that take turns, the last of which has nothing under it.

    Of each its kind (``input`` or ``answer``), its name, where it begins and where it ends.
    """
    lines = list(islice(_LINE_HEADING.finditer(text), _MAX))
    if len(lines) < 4 or lines[-1].end() != len(text):
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
