"""Yes or no, true or false, and scales of numbers, in several languages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from ..patterns import late_pattern
from .listing import Listing, list_at
from .vocabulary import INPUT_WORDS, RANGE_WORDS
from .words import words_of

__all__ = ["YES_WORDS", "is_polar", "question_of", "ranges", "yes_no"]

_YES = {
    "yes": ("no",), "y": ("n",), "ja": ("nein", "nee"), "oui": ("non",), "sí": ("no",), "si": ("no",), "sì": ("no",),
    "sim": ("não", "nao"), "true": ("false",), "wahr": ("falsch",), "vrai": ("faux",), "verdadero": ("falso",),
    "verdadeiro": ("falso",), "vero": ("falso",), "waar": ("onwaar",),
}  # fmt: skip
YES_WORDS = frozenset(_YES)
_POLAR = frozenset(frozenset((yes, no)) for yes, nos in _YES.items() for no in nos)
_JOIN = r"[\"'”’»`*.]{0,2}\s*(?:/|\||,\s*or|,|\bor\b|\boder\b|\bou\b|\boppure\b|\bo\b|\bof\b)\s*[\"'“‘«`*]{0,2}"
_COND = r"[\"'”’»`*]{0,2},?\s+(?:if|when|wenn|falls|si|se|als|indien|for|where)\b[^\n]{2,300}?[\s\"'“‘«`*]"
_PAIRS = {
    yes: late_pattern(
        rf"(?<!\w)({yes})(?:{_JOIN}|{_COND})({'|'.join(nos)})(?!\w)(?P<more>[\"'”’»`*]{{0,2}}\s*(?:/|\||"
        rf",?\s*\bor\b)\s*"
        rf"[\"'“‘«`*]{{0,2}}\w)?",
        re.IGNORECASE,
    )
    for yes, nos in _YES.items()
}
_REVERSED = {
    yes: late_pattern(rf"(?<!\w)({'|'.join(nos)})(?:{_JOIN}|{_COND})({yes})(?!\w)(?P<more>\Z\A)?", re.IGNORECASE)
    for yes, nos in _YES.items()
}
_RANGE = late_pattern(
    r"(?<![\d.$€£])(\d{1,2})\s*(?:-|–|—|to|bis|à|a|tot|至|到|~|〜|から)\s*(\d{1,2})(?![\d.%:/])"
    r"(?:\s*(?:stars?|sterne[n]?|étoiles?|estrellas?|estrelas?|stelle|sterren|星|つ星))?",
    re.IGNORECASE,
)


_INPUT = "|".join(sorted(map(re.escape, (word for word in INPUT_WORDS if word.isalpha())), key=len, reverse=True))
_SUBJECT = rf"(?:it|this|(?:[^\W\d_]['\w’-]* ){{1,4}}?(?:{_INPUT}))"
_WHAT = (
    r"(?:an? |eine? |un[ea]? |considered )?(?P<what>[^\W\d_][\w-]*(?: [\w-]+){0,2}?) ?"
    r"(?=[?.,;:!()\n]|$|or not\b|oder nicht\b|ist\b|\byes/no|\bja/nein)"
)
_ASKED = tuple(
    late_pattern(form, re.IGNORECASE)
    for form in (
        rf"(?:^|[\n.:!?] ?)(?:is|ist|¿? ?es|è|é) {_SUBJECT} {_WHAT}",
        rf"\b(?:whether|(?:tell me|decide|determine|check|say|judge|detect|indicate|assess|evaluate) if|"
        rf"(?:yes|true)[\"'”’]{{0,2}},? (?:if|when)) {_SUBJECT} is {_WHAT}",
        rf"\bob {_SUBJECT} {_WHAT}",
        rf"(?:^|[\n.:!?] ?)est-ce que {_SUBJECT} est {_WHAT}",
        rf"\bsi {_SUBJECT} (?:es|est) {_WHAT}",
    )
)
_DENIED = late_pattern(r"(?:not?|non|un|free|kein|nicht|pas|sin|sans|less|more|too|very|never)\b|non-?|un(?!i)")
_AGAINST = late_pattern(r"\b(?:no|false|nein|non|não)[\"'”’]{0,2},? (?:if|when|wenn|si|se)\b", re.IGNORECASE)


def is_polar(labels: Sequence[str]) -> bool:
    """Whether the answers are yes and no, or true and false."""
    return len(labels) == 2 and frozenset([labels[0].casefold(), labels[1].casefold()]) in _POLAR


def question_of(texts: Iterable[str]) -> str:
    """What instructions ask whether it is so of the text to judge ("toxic"); empty unless exactly one thing is asked.

    A denial ("not spam") is left to whoever reads more than words.
    """
    found: set[str] = set()
    for text in texts:
        if _AGAINST.search(text):
            return ""
        for form in _ASKED:
            for match in form.finditer(text):
                words = match["what"].casefold().split()
                while len(words) > 1 and words[0] in INPUT_WORDS:
                    words.pop(0)
                found.add(" ".join(words))
    asked = found.pop() if len(found) == 1 else ""
    return "" if _DENIED.match(asked) else asked


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
