"""Yes or no, true or false, and scales of numbers, in several languages."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .listing import Listing, list_at
from .vocabulary import RANGE_WORDS
from .words import words_of

__all__ = ["YES_WORDS", "ranges", "yes_no"]

_YES = {
    "yes": ("no",), "y": ("n",), "ja": ("nein", "nee"), "oui": ("non",), "sí": ("no",), "si": ("no",), "sì": ("no",),
    "sim": ("não", "nao"), "true": ("false",), "wahr": ("falsch",), "vrai": ("faux",), "verdadero": ("falso",),
    "verdadeiro": ("falso",), "vero": ("falso",), "waar": ("onwaar",),
}  # fmt: skip
YES_WORDS = frozenset(_YES)
_JOIN = r"[\"'”’»`*.]{0,2}\s*(?:/|\||,\s*or|,|\bor\b|\boder\b|\bou\b|\bo\b|\bof\b)\s*[\"'“‘«`*]{0,2}"
_COND = r"[\"'”’»`*]{0,2},?\s+(?:if|when|wenn|falls|si|se|als|indien|for|where)\b[^\n]{2,300}?[\s\"'“‘«`*]"
_PAIRS = {
    yes: re.compile(
        rf"(?<!\w)({yes})(?:{_JOIN}|{_COND})({'|'.join(nos)})(?!\w)(?P<more>[\"'”’»`*]{{0,2}}\s*(?:/|\||"
        rf",?\s*\bor\b)\s*"
        rf"[\"'“‘«`*]{{0,2}}\w)?",
        re.IGNORECASE,
    )
    for yes, nos in _YES.items()
}
_REVERSED = {
    yes: re.compile(rf"(?<!\w)({'|'.join(nos)})(?:{_JOIN}|{_COND})({yes})(?!\w)(?P<more>\Z\A)?", re.IGNORECASE)
    for yes, nos in _YES.items()
}
_RANGE = re.compile(
    r"(?<![\d.$€£])(\d{1,2})\s*(?:-|–|—|to|bis|à|a|tot|至|到|~|〜|から)\s*(\d{1,2})(?![\d.%:/])"
    r"(?:\s*(?:stars?|sterne[n]?|étoiles?|estrellas?|estrelas?|stelle|sterren|星|つ星))?",
    re.IGNORECASE,
)


def yes_no(text: str, words: frozenset[str]) -> Iterator[Listing]:
    for yes in sorted(words & YES_WORDS):
        if not any(no in words for no in _YES[yes]):
            continue
        for patterns in (_PAIRS, _REVERSED):
            match = patterns[yes].search(text)
            if match is None:
                continue
            if match["more"]:
                listing = list_at(text, match.start())
                if listing is not None:
                    yield listing
                break
            before = text[max(0, match.start() - 2) : match.start()]
            if "/" in before or "|" in before or (before.rstrip().endswith(",") and len(yes) > 1):
                break
            alike = match[1].istitle() == match[2].istitle() and match[1].isupper() == match[2].isupper()
            # "True or false: ...": how the answer is to be spelled is not said.
            yield Listing((match[1], match[2]), match.start(), match.end(), 0.88 if alike else 0.5)
            break


def ranges(text: str) -> Iterator[Listing]:
    for match in _RANGE.finditer(text):
        low, high = int(match[1]), int(match[2])
        if not (low in (0, 1) and 2 <= high - low + 1 <= 11):
            continue
        around = words_of(text[max(0, match.start() - 60) : match.end() + 30])
        if around & RANGE_WORDS or "星" in match[0]:
            yield Listing(tuple(map(str, range(low, high + 1))), match.start(), match.end(), 0.8)
