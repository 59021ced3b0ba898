"""The parts of a request in which its instruction stands, read once for all signals that look for words.

An instruction stands at the start or the end of a message far more often than in its middle, so that a bounded number
of characters is enough; what the whole text tells cheaply (its length, marks counted in C) is kept beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from .. import features
from ..types import Signals
from .triggers import Trigger, groups, phrases_in

__all__ = [
    "COUNTED",
    "Excerpt",
    "edges",
    "excerpt",
    "flow",
    "has_shared_case",
    "is_unspaced",
    "lines",
    "lowered",
    "near",
]

_HEAD, _TAIL, _SYSTEM = 700, 400, 600
COUNTED = 12_000
# Up to here others read the whole text in small letters anyway.
_SHARED = 32_768

_MAX_PLACES = 32
_NONE: frozenset[str] = frozenset()

_NO_BLANKS_BETWEEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")


class Excerpt(msgspec.Struct, frozen=True, gc=False):
    """``system`` and ``user`` are whole texts; ``text`` is what is read of them, ``lower`` its lower case.

    ``ask`` is the user's part of ``lower``; ``triggers`` the words of triggers that stand in ``lower``, ``groups``
    their bits; ``phrases`` those that stand in ``ask``; ``is_unspaced`` tells that it has signs of a script that writes
    no blanks (or glues words), so that words say little. ``breaks`` are those of lines in the first ``COUNTED``
    characters of ``user``.
    """

    system: str
    user: str
    text: str
    lower: str
    ask: str
    triggers: frozenset[str]
    groups: int
    phrases: tuple[str, ...]
    is_unspaced: bool
    has_digit: bool
    breaks: int

    def saying(self, phrases: frozenset[str]) -> list[str]:
        """Those of a group of phrases that stand in ``ask``."""
        return [phrase for phrase in self.phrases if phrase in phrases] if self.phrases else []

    def among(self, trigger: Trigger) -> frozenset[str]:
        """Those of the trigger's words that stand in ``lower``."""
        return trigger.words & self.triggers if self.groups & trigger.bit else _NONE


def lowered(signals: Signals) -> str:
    """The whole text of the last user message in small letters; see :meth:`router.types.Signals.view`."""
    last = signals.request.last_user()
    return "" if last is None else signals.request.messages[last].text.lower()


def has_shared_case(text: str) -> bool:
    """Whether parts of the small letters of ``text`` are the small letters of its parts, and not too many of them."""
    return len(text) <= _SHARED and text.isascii()


def excerpt(signals: Signals) -> Excerpt:
    """Read the request once; see :meth:`router.types.Signals.view`."""
    request = signals.request
    system = user = ""
    for message in request.messages:
        if message.role in ("system", "developer"):
            system = f"{system}\n{message.text}" if system else message.text
    last = request.last_user()
    if last is not None:
        user = request.messages[last].text
    read = edges(user)
    if read is user:
        lower = signals.view(lowered)
    else:
        lower = edges(signals.view(lowered)) if has_shared_case(user) else read.lower()
    ask = lower
    raw = raw_ask = ask.encode("utf-8", "replace")
    if system:
        read = f"{system[:_SYSTEM]}\n{read}"
        lower = read.lower()
        raw = lower.encode("utf-8", "replace")
    bits, found, has_digit = groups(raw)
    breaks = user.count("\n", 0, COUNTED)
    return Excerpt(
        system, user, read, lower, ask, found, bits, phrases_in(raw_ask), is_unspaced(lower), has_digit, breaks
    )


def lines(signals: Signals) -> list[str]:
    """The lines of the first ``COUNTED`` characters of the last user message; see :meth:`router.types.Signals.view`."""
    return signals.view(excerpt).user[:COUNTED].split("\n")


def edges(text: str) -> str:
    """What is read of a text: its first 700 and its last 400 characters."""
    return text if len(text) <= _HEAD + _TAIL else f"{text[:_HEAD]}\n{text[-_TAIL:]}"


def is_unspaced(text: str) -> bool:
    """Whether signs of a script that writes no blanks stand in ``text``."""
    return not text.isascii() and _NO_BLANKS_BETWEEN.search(text) is not None


def flow(text: str, words: Iterable[str], reach: int) -> str:
    """As :func:`near`, in one line with a blank in front: a pattern that starts with a blank is found far faster."""
    return " " + near(text, words, reach).replace("\n", " ")


def near(text: str, words: Iterable[str], reach: int) -> str:
    """The stretches of ``text`` within ``reach`` characters of ``words``, a line each; wide patterns are slow on prose.

    Stretches begin and end between words and run into one another where they overlap.
    """
    if features.compiled is not None:
        return features.compiled.near(text, words, reach)
    places: list[tuple[int, int]] = []
    for word in words:
        place = text.find(word)
        while place >= 0 and len(places) < _MAX_PLACES:
            places.append((place, place + len(word)))
            place = text.find(word, place + len(word))
    places.sort()
    parts: list[str] = []
    start = end = -1
    for first, last in places:
        if end >= 0 and first - reach <= end:
            end = last + reach
            continue
        if end >= 0:
            parts.append(text[start : _blank_after(text, end)])
        start, end = text.rfind(" ", 0, max(0, first - reach)) + 1, last + reach
    if end >= 0:
        parts.append(text[start : _blank_after(text, end)])
    return "\n".join(parts)


def _blank_after(text: str, place: int) -> int:
    found = text.find(" ", place)
    return len(text) if found < 0 else found
