"""The two texts of a request about a pair: premise and hypothesis, question and context.

They are told by their names (``Premise: ...``, ``<context>...</context>``, or the keys of a hinted JSON object), and
only where each name stands exactly once: a prompt with worked examples is not read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import msgspec

from ..catalogue import PAIR_MARK, HeadKind
from ..types import Request

__all__ = ["read_pair", "read_single", "without_pair"]

_NAMES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "pair": (
        ("premise", "sentence 1", "sentence1", "first sentence", "context", "passage", "text"),
        ("hypothesis", "sentence 2", "sentence2", "second sentence", "claim", "statement"),
    ),
    "span": (("question",), ("context", "passage", "paragraph", "document", "article", "text")),
    "number": (
        ("sentence 1", "sentence1", "first sentence", "text 1", "text1"),
        ("sentence 2", "sentence2", "second sentence", "text 2", "text2"),
    ),
}
_SINGLE = ("text", "sentence", "input", "passage", "document", "tweet", "message", "review")
_MARKER = re.compile(
    r"^[ \t>*#_-]{0,6}([A-Za-z][A-Za-z0-9 ]{0,30}?)[ \t]*[*_]{0,2}[ \t]*[:：][*_]{0,2}"
    r"|(?<=\s)(Premise|Hypothesis|Question|Context|Passage|Claim|Sentence ?[12])[ \t]*[:：]",
    re.MULTILINE,
)
_TITLES = "|".join(
    sorted({name for both in _NAMES.values() for names in both for name in names}, key=len, reverse=True)
)
_BARE = re.compile(
    rf"<({_TITLES})>\s*</\1>"
    rf"|^[ \t>*#_-]{{0,6}}(?:{_TITLES})[ \t*_]*[:：][ \t*_\"']*"
    rf"|(?<=\s)(?:{_TITLES})[ \t]*[:：](?=\s*$)",
    re.IGNORECASE | re.MULTILINE,
)
_MAX_CHARS = 65_536


def read_pair(request: Request, kind: HeadKind) -> str | None:
    """The two texts, ``PAIR_MARK`` between them, in the order in which a model of this kind reads them; or None."""
    names = _NAMES.get(kind)
    if names is None:
        return None
    hinted = request.hints.input
    if hinted is not None:
        return _joined(_hinted(hinted, names[0]), _hinted(hinted, names[1]))
    text = _last(request)
    if text is None:
        return None
    sections = _sections(text)
    return _joined(_only(sections, names[0]), _only(sections, names[1]))


def without_pair(request: Request, pair: str) -> Request:
    """The request without the two texts and their names: what is left is the instruction about them."""
    last = request.last_user()
    if last is None:
        return request
    message = request.messages[last]
    text = message.text
    for part in sorted(pair.split(PAIR_MARK), key=len, reverse=True):
        text = text.replace(part, "")
    messages = list(request.messages)
    messages[last] = msgspec.structs.replace(message, text=_BARE.sub("", text))
    return msgspec.structs.replace(request, messages=tuple(messages))


def read_single(request: Request) -> str | None:
    """The text of a request about one text: the hinted one, or what stands behind one marker; or None."""
    if request.hints.input is not None:
        return request.hints.input.replace(PAIR_MARK, " ").strip() or None
    text = _last(request)
    return None if text is None else _only(_sections(text), _SINGLE)


def _last(request: Request) -> str | None:
    last = request.last_user()
    if last is None or any(message.role in ("assistant", "tool") for message in request.messages):
        return None
    text = request.messages[last].text
    return text if len(text) <= _MAX_CHARS else None


def _sections(text: str) -> list[tuple[str, str]]:
    """``(name, content)`` of all that is marked, in the order of the text; names in lower case."""
    found = [
        (name.lower(), content.strip())
        for name, content in re.findall(r"<([A-Za-z][\w-]{0,40})>(.{0,60000}?)</\1>", text, re.DOTALL)
    ]
    if found:
        return found
    places = list(_MARKER.finditer(text))[:64]
    for at, place in enumerate(places):
        end = places[at + 1].start() if at + 1 < len(places) else len(text)
        found.append(((place[1] or place[2]).lower(), text[place.end() : end].strip(" \t\n*\"'")))
    return found


def _only(sections: Sequence[tuple[str, str]], names: Sequence[str]) -> str | None:
    # The most telling name wins: a premise is one even where a "Text:" stands elsewhere.
    for name in names:
        mine = [content for said, content in sections if said.replace("_", " ") == name]
        if mine:
            return (mine[0].replace(PAIR_MARK, " ") or None) if len(mine) == 1 else None
    return None


def _hinted(text: str, names: Sequence[str]) -> str | None:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    return _only([(str(key).lower(), value) for key, value in told.items() if isinstance(value, str)], names)


def _joined(first: str | None, second: str | None) -> str | None:
    return None if not first or not second else f"{first}{PAIR_MARK}{second}"
