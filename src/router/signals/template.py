"""The fingerprint of a request's prompt template: everything that its application says every time.

That is the system prompt and the instruction, without the text that is judged. Values that change from call to call
(dates, times, identifiers, numbers of four digits or more, addresses) do not count.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

from ..types import Request, Split

__all__ = ["template_of"]

_MOST_CHARS = 20_000
_LEAST_DIGITS = 4
_NUMBER = re.compile(r"\d[\w:./+@-]*")
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DAY = r"\d{1,2}(?:st|nd|rd|th|\.)?"
# What belongs to a number that ends it: weekday, day and month before a year, the letters of an identifier.
_BEFORE = re.compile(
    rf"(?:(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day,?\s+)?"
    rf"(?:{_DAY}\s+(?:of\s+)?{_MONTH},?\s+|{_MONTH}\s+{_DAY},?\s+|{_MONTH},?\s+)"
    rf"|[\w+-][\w.+-]*)$",
    re.IGNORECASE,
)
_AROUND = 48
_MOST_PARTS = 128


def template_of(request: Request, split: Split | None) -> str:
    """Fingerprint of system prompt, instruction and offered tools, 16 hex digits; empty where they say nothing.

    ``split`` is the text to judge. Where it is unknown, only system messages and tools count, for a user's message is
    then all text.
    """
    digest = hashlib.blake2b(digest_size=8)
    is_empty = True
    for index, message in enumerate(request.messages):
        if message.role in ("system", "developer"):
            if split is None or index != split.message:
                text = _without_slots(message.text[:_MOST_CHARS])
            else:
                text = _around(message.text, split)
        elif split is not None and index == split.message:
            text = _around(message.text, split)
        else:
            continue
        digest.update(f"{message.role}\0{text}\0".encode("utf-8", "replace"))
        is_empty = False
    for tool in request.tools:
        digest.update(f"tool\0{tool.name}\0".encode("utf-8", "replace"))
        is_empty = False
    return "" if is_empty else digest.hexdigest()


def _around(text: str, split: Split) -> str:
    before, after = text[: split.start], text[split.end :]
    return f"{_without_slots(before[-_MOST_CHARS:])}\0{_without_slots(after[:_MOST_CHARS])}"


@lru_cache(maxsize=512)
def _without_slots(text: str) -> str:
    parts: list[str] = []
    at = 0
    for match in _NUMBER.finditer(text):
        start, end = match.span()
        if start < at or sum(map(str.isdigit, match[0])) < _LEAST_DIGITS:
            continue
        while text[end - 1] in ".:/-+@":
            end -= 1
        before = _BEFORE.search(text, max(at, start - _AROUND), start) if len(parts) < _MOST_PARTS else None
        parts += (text[at : start if before is None else before.start()], "\0")
        at = end
    return "".join((*parts, text[at:])) if parts else text
