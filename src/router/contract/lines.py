"""Enumerations line by line: marked lines, the first column of a table, members of an enumeration in Python, or lines
of their own as short as labels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ..patterns import late_pattern
from .labels import Listing, clean

__all__ = ["Run", "line_runs"]

_MARK = late_pattern(
    r"[ \t]*(?:[-*+•–·▪▸►→✓☐‣・]|\[[ xX]?\](?!\()|\([ oxX]?\)(?= )|"
    r"(?P<digit>\(?\d{1,2}(?:[.):：、]|[ \t][-–—=](?=[ \t]))|\[\d{1,2}\](?=[ \t])|[①-⑳❶-❿]|\d\ufe0f?\u20e3)|"
    r"(?P<letter>\(?[A-Za-z](?:[.)](?=\s)|[ \t][-–—=](?=[ \t]))|\[[A-WYZa-wyz]\](?=[ \t])))[ \t]*"
)


_LINE_END = late_pattern(r"[.?!:：。？！,]$")


_GLOSSED = late_pattern(r":\s|：|\s[-–—=]{1,2}>?\s|[(（].{3,}[)）]|[,，、]")
# "Windows, doors, or frames"
_LISTS_IN = late_pattern(r"[^:：()（）=]+, (?:or|and|oder|und|ou|et|o|y|e) [^:：()（）=,]+")
_SAID = late_pattern(r"[.?!:。？！：_][\"'”’)\]*]*(?:$|\s)|[<`\"]")
_ROW = late_pattern(r"[ \t]*\|?[ \t]*([^|\n]{1,60}?)[ \t]*\|(?:[ \t]*([^|\n]*?)[ \t]*\|?)?[ \t]*")


_RULE = late_pattern(r"[ \t]*\|?[ \t:|-]{3,}\|?[ \t]*")


_MEMBER = late_pattern(
    r"[ \t]*(?P<name>[A-Za-z_]\w{0,40})\s*=\s*(?:[\"'](?P<value>[^\"'\n]{1,60})[\"']|auto\(\)|\d+),?[ \t]*"
)


class Run(NamedTuple):
    """An enumeration and what stands around it: ``head``, the words before it in its sentence (or its lines' heading),
    ``tail`` those behind it. ``introduced``: a colon, bracket or heading stands right before it; ``joined`` by "or", a
    bar or a slash ("or"), by commas alone (","), by "and" ("and"), or line by line ("lines").
    """

    listing: Listing
    head: str
    tail: str
    introduced: bool
    joined: str


def line_runs(text: str) -> Iterator[Run]:
    """Lists of lines: marked ones, table rows, enumeration members, or lines of their own as short as labels."""
    if "\n" not in text:
        return
    lines = text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    index = 0
    while index < len(lines):
        for read in (_table, _members, _marked, _plain):
            got = read(lines, index)
            if got is not None:
                break
        else:
            index += 1
            continue
        items, after, defined, numbered = got
        distinct = {item.casefold() for item in items}
        if len(items) > 1 and len(distinct) == len(items) and all(items):
            head = next((line for line in reversed(lines[max(0, index - 2) : index]) if line.strip()), "")
            begin, end = starts[index], starts[after] - 1
            listing = Listing(tuple(items), begin, end, 0.72, defined, numbered)
            yield Run(
                listing, head.strip(), "", head.rstrip().endswith((":", "：", "?")) or head.startswith("#"), "lines"
            )
        index = max(after, index + 1)


_Lines = tuple[list[str], int, bool, str]


def _table(lines: list[str], index: int) -> _Lines | None:
    """A table in Markdown: its first column."""
    if index + 2 >= len(lines) or "|" not in lines[index] or not _RULE.fullmatch(lines[index + 1]):
        return None
    items, defined, place = [], False, index + 2
    while place < len(lines) and (row := _ROW.fullmatch(lines[place])) is not None:
        items.append(clean(row[1]))
        defined = defined or bool(row[2])
        place += 1
    return (items, place, defined, "") if len(items) > 1 else None


def _members(lines: list[str], index: int) -> _Lines | None:
    """Members of an enumeration in Python: their values, or their names."""
    items, names, place = [], [], index
    while place < len(lines) and (member := _MEMBER.fullmatch(lines[place])) is not None:
        names.append(member["name"])
        items.append(member["value"] or member["name"])
        place += 1
    if len(items) < 2:
        return None
    alike = items == names
    return (items, place, not alike, "")


def _marked(lines: list[str], index: int) -> _Lines | None:
    items: list[str] = []
    numbered, defined, place, indent = "", False, index, -1
    while place < len(lines):
        line = lines[place]
        mark = _MARK.match(line)
        if mark is None or not any(map(str.isalnum, line[mark.end() :])):
            if (
                not line.strip()
                and items
                and place + 1 < len(lines)
                and _MARK.match(lines[place + 1])
                and lines[place + 1].strip()
            ):
                place += 1
                continue
            break
        depth = len(line) - len(line.lstrip())
        indent = depth if indent < 0 else indent
        item = line[mark.end() :].strip()
        if depth > indent:
            defined = True
            place += 1
            continue
        numbered = "digit" if mark["digit"] else "letter" if mark["letter"] else numbered
        if _GLOSSED.search(item) and not _LISTS_IN.fullmatch(item):
            defined = True
        items.append(clean(item))
        place += 1
    if len(items) < 2 or any(len(item) > 48 or item.count(" ") > 5 for item in items):
        return None
    return items, place, defined, numbered


def _plain(lines: list[str], index: int) -> _Lines | None:
    """Lines as short as labels, above and below which stands a blank line, a sentence or nothing."""
    items: list[str] = []
    place = index
    while place < len(lines):
        line = lines[place].strip()
        words = line.split()
        if not words or len(words) > 5 or len(line) > 40 or _LINE_END.search(line) or line[0] in "#|<>{}[]=`_\"'(":
            break
        if _MARK.match(line) or re.search(r"[:：=]|->", line):
            break
        items.append(line)
        place += 1
    if len(items) < 2:
        return None
    after = lines[place].strip() if place < len(lines) else ""
    if after and not after.startswith("#") and (len(after.split()) < 3 or not _SAID.search(after)):
        return None  # a label that is longer than the others
    return items, place, False, ""
