"""What rides in the sentence that lists the labels, or behind it, and may decide which of them is right.

"_ or _, preferring spam", "_ for screens, _ for routes", "up to 280 characters is _", "... Assign it to Kim."
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ..patterns import late_pattern
from .vocabulary import DATA_TAGS, INPUT_WORDS, NOUNS
from .words import alternatives, stands_in

__all__ = ["does_more", "has_rider", "has_rule", "has_sense", "short_capitals"]

_OF_TEXT = (
    alternatives(INPUT_WORDS | NOUNS | DATA_TAGS)
    + "|list|tone|wording|contents|words|language|options|above|below|following"
)
_TURN = late_pattern(r"(?:[,;:(–—]| - |\b(?:but|prefer\w*|except|not|never|than|over|before)\b).*", re.DOTALL)
_PER = late_pattern(r" (?:for|per) (?:each|every) ")
# "_ for screens, _ for routes"
_GLOSSED = late_pattern(r"_[\"'”`]? (?:for|means|=) [^_]{2,40}[,;] (?:and )?[\"'“`]?_[\"'”`]? (?:for|means|=) ")
# "_ or _, using the time it was sent", "_ or _ with what the user says"
_MEANS = late_pattern(
    r"_[^_\w]* ?(?:only )?(?:(?:using|based on|going by|judging by|depending on|considering|given) (?:only )?(?:the|"
    r"its|their|his|"
    rf"her|how|when|where|who|what)\b(?! (?:[\w'’-]+ ){{0,3}}?(?:{_OF_TEXT})\b)|with what\b)"
)
# "Is it _ or _ for shareholders?"
_FOR_WHOM = late_pattern(
    rf"_[\"'”`]? (?:for|to) (?!(?:it|each|me|us|you)\b|(?:the|this|that|my|our) (?:[\w'’-]+ "
    rf"){{0,2}}?(?:{_OF_TEXT}))[a-z]"
)
# "up to 280 characters is _": an amount decides.
_AMOUNT = late_pattern(
    r"(?<![\w.#/-])\d[\d.,]*(?![\w/])(?! ?(?:words?|labels?|categor\w+|class(?:es)?|options?|tags?|topics?|intents?|"
    r"tokens?|values?|types?|buckets?|teams?|queues?|departments?|choices|answers?|stars?|of (?:the|these|them)|"
    r"[.)：:]))"
)
_ASKS_ALSO = late_pattern(
    r", ?(?:and|und|et|y|e|en) (?:is|are|does|do|did|has|have|must|should|can|could|will|would|what|which|how|who|"
    r"muss|ist|soll|"
    r"kann|hat|wird|est|doit|es|debe|è|deve|moet|kan)\b"
)
_DOES_MORE = late_pattern(
    r"\W*(?:(?:close|fix|open|move|file|send|forward) (?:it|them)|"
    r"(?:assign|set|rate|label|mark|tag|name|route) (?:(?:it|them) (?=\w)|its|two|three))\b"
    r"(?! ?(?:as|to|with|by) (?:one|the|a|its|exactly)\b)"
)
# "spam has nothing to do with its usual sense", "we have retired other"
_GIVEN_SENSE = (
    r"(?<![\w-]){0}s?['\"`]? (?:is|are|has|have|means?|stands?|covers?|only|includes?|applies|apply|counts?|beats?|"
    r"wins?|must|should|needs?|takes?|comes?|goes|belongs?|was|will|can|may)\b|\b(?:retired|dropped|removed|discontinued|"
    r"renamed|replaced|banned|abolished) ['\"`]?{0}\b|"
    r",\s*(?:then |please )?(?:take|pick|choose|prefer|use|go (?:for|with)|assign|answer|say|return) ['\"`]?{0}\b"
)


def has_rider(lower: str, spoken: Iterable[str]) -> bool:
    """Whether a label is spoken of again behind the list, or something is labelled for each of several things.

    ``lower``: a sentence in small letters with ``_`` for each listed label; ``spoken``: other labels that
    stand in it.
    """
    last = lower.rfind("_")
    behind = _TURN.search(lower, last)
    if behind is not None and any(stands_in(behind[0], name) for name in spoken):
        return True
    return _PER.search(lower, last) is not None


def has_rule(lower: str, names: Iterable[str], *, is_question: bool) -> bool:
    """Whether glosses, an amount or a second question stand in a sentence, all labels being ``_``."""
    if is_question and (_ASKS_ALSO.search(lower) is not None or _FOR_WHOM.search(lower) is not None):
        return True
    if "_" not in lower and not is_question:
        return False
    if _MEANS.search(lower) is not None:
        return True
    if _AMOUNT.search(lower) is not None and not any(map(str.isdigit, "".join(names))):
        return True
    return _GLOSSED.search(lower) is not None


def does_more(lower: str) -> bool:
    """Whether an order behind the list wants something done with the label: "assign it to Kim", "label it twice"."""
    return "_" not in lower and _DOES_MORE.match(lower) is not None


def has_sense(lower: str, name: str) -> bool:
    """Whether a sentence in small letters says something of one label: what it means, that it is not to be used."""
    return re.search(_GIVEN_SENSE.format(re.escape(name)), lower) is not None


def short_capitals(labels: Sequence[str]) -> list[str]:
    """Labels as short as usual words, told from those by their capitals: "Long ones are IT"."""
    found = [label for label in labels if label.isupper() and label.isalpha() and len(label) < 4]
    return found if len(found) < len(labels) else []
