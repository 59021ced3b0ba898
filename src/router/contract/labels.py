"""A list of labels, and what can be a label by its looks: how long it is, which signs and words it may hold."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..patterns import late_pattern

__all__ = [
    "FORM",
    "LEAD",
    "MAX_LABELS",
    "UNSPACED",
    "Listing",
    "clean",
    "has_prose",
    "is_bracketed",
    "is_ellipsis",
    "is_label",
    "is_plausible",
    "no_list",
]

MAX_LABELS = 300
_MAX_CHARS = 64
LEAD = late_pattern(
    r"(?:[ \t]*(?:exactly|only|just|strictly|simply|either|one|a|single|of|the|these|those|following|below|given|"
    r"word|"
    r"possible|allowed|predefined|available|candidate|valid|labels?|categor(?:y|ies)|classes|class|options?|choices?|"
    r"values?|words?|tags?|intents?|topics?|sentiments?|emotions?|strings?|answers?|exact|two|three|four|five|six|"
    r"seven|"
    r"with|from|between|among|is it|is|are|be|as|being|must|should|eine[nmrs]?|der|den|die|das|hier|eher|"
    r"folgenden|kategorien?|"
    r"wörter|wort|entweder|"
    r"als|nur|ausschließlich|mit|genau|exakt|l'une?|une?|des|les?|suivant(?:e?s)?|catégories?|uniquement|"
    r"seulement|par|"
    r"soit|comme|mots?|una?o?|de|las?|los|siguientes?|categorías?|solo|sólo|solamente|únicamente|con|como|entre|"
    r"uma?|das|"
    r"dos|seguintes?|categorias?|apenas|somente|com|delle|dei|seguenti|categorie|solo|soltanto|fra|tra|come|een|"
    r"één|van|volgende|categorieën|alleen|uitsluitend|met|per|ou)\b)+",
    re.IGNORECASE,
)
_SENTENCE_WORDS = late_pattern(
    r"\b(?:i|my|we|you|he|she|they|is|was|are|were|have|had|has|will|would|should|so|if|me|them|do|did|does|because|"
    r"but|"
    r"really)\b",
    re.IGNORECASE,
)
_EDGE = "¿¡ \t\r\n*_`\"'“”„‘’«»「」『』<>"
_CODED = late_pattern(
    r"[\"'(\[]?(?:-?\d{1,3}|[A-Za-z]|[+-])[\"')\]]? ?(?:=+>?|->|→| (?:for|if|when|means?|meaning|is|stands for|"
    r"für|wenn|bedeutet|pour|si|para|per|significa)) ",
    re.IGNORECASE,
)
# "Do not explain": a rule among others, no label.
_ORDER = late_pattern(
    r"(?:do not|don't|never|always|only|just|return|answer|reply|respond|output|avoid|be|if|when|you (?:must|"
    r"should|may)) (?!to\b)",
    re.IGNORECASE,
)
_HALF_CLOSED = late_pattern(r"\w+['’”\"] ")
_HALF_QUOTED = late_pattern(r"(?:^|\s)['‘„“«\"]\w[^'’”“»\"]*$")
# A remark on how labels are written, which gives them no meaning.
FORM = late_pattern(
    r"(?:(?:in |all |exactly |only |just |as )*(?:upper ?-?case|lower ?-?case|capitals?|caps|(?:one|a single|"
    r"1) (?:word|token|label)|"
    r"as written|no punctuation|required|default spelling|case[- ]sensitive)(?: only| letters)?)|"
    r"(?:just |only |please )*(?:answer|reply|respond|pick|choose|select|say) .{1,40}",
    re.IGNORECASE,
)
_AMOUNT = late_pattern(r"[-+]?\d+(?:[.,:/-]\d+)+")
_POLITE = late_pattern(r"^(?:.*\s)?(?:please|pls|plz|thx)$|\s(?:thanks|thank you|cheers)$", re.IGNORECASE)
_ELLIPSIS = frozenset(
    {
        "lower-case",
        "lowercase",
        "upper-case",
        "uppercase",
        "etc",
        "...",
        "…",
        "and so on",
        "usw",
        "so on",
        "others like that",
        "ähnliches",
        "usw.",
        "similares",
        "simili",
        "similar",
        "the like",
        "something similar",
        "whatever fits",
        "whatever else",
        "and more",
    }
)
UNSPACED = late_pattern(r"[\u3040-\u30ff\u3400-\u9fff]")
_UNSPACED_CLAUSE = late_pattern(r"输出|判断|回答|返回|选择|只|不要|ください|分類|出力|答え|选|算|是|一つ|だけ")
# Words that say how to answer, which an enumeration may run into.
_NO_LABEL = late_pattern(
    r"(?:otherwise|else|wait|rather|actually|instead|whichever|whatever|if|when|unless|except|wenn|sonst|sinon|"
    r"without|with|no|never|nothing|only|please|pls|just|"
    r"using|using \S+|say|name|write|explain|give|return|reply|"
    r"answer|output|add|tell|quote|justify|translate|summari[sz]e|dont|don't|do|in|not?(?= (?:a|the|your|any|an)\b)|"
    r"why|what|which|how|such as|like|e\.g|etc\.?|and so on|usw\.?|ohne|begründe\w*|nenne|nur|bitte|sans|"
    r"explique\w*|sin|sem|senza|"
    r"zonder|"
    r"s'il|por favor|per favore|explica|solo|sólo|alleen|one(?: word| token)?|nothing else|(?:lower|upper)-?case|"
    r"as is|exactly|in one|optional|and|or|as)(?:\s.*)?$",
    re.IGNORECASE,
)


class Listing(NamedTuple):
    """Labels found at ``text[start:end]``; ``certainty`` is 0..1.

    ``defined``: the list says what its labels mean. ``numbered``: ``digit`` or ``letter`` when its items carry such.
    ``marks``: numbers or letters that are to be written for the labels. ``closed``: an "or", a slash or a bar says that
    one of them is meant; a mere enumeration may be fields to fill.
    """

    labels: tuple[str, ...]
    start: int
    end: int
    certainty: float
    defined: bool = False
    numbered: str = ""
    closed: bool = True
    marks: tuple[str, ...] = ()


def has_prose(labels: tuple[str, ...]) -> bool:
    """Whether words of a sentence stand among the labels ("the", "was"), so that they may be no labels."""
    return _SENTENCE_WORDS.search(" ".join(labels)) is not None


def clean(item: str) -> str:
    """An item without the quotes, stars and full stops around it."""
    if item.lstrip().startswith("__") and not item.rstrip().endswith("_"):
        return item.strip(" \t\r\n.,;:")  # "__label__toxic"
    item = item.strip(_EDGE)
    if item.endswith((".", ",", ";", ":", "。")) and not item[:-1].endswith("."):
        item = item[:-1]
    return item.strip(_EDGE)


def is_plausible(items: list[str], max_words: int) -> bool:
    if not 2 <= len(items) <= MAX_LABELS:
        return False
    if 0 < sum(_AMOUNT.fullmatch(item) is not None for item in items) < len(items):
        return False  # a row of a table: "2026-03-02;CARD;-61.20"
    if any(map(_POLITE.search, items)) or all(item.lower().startswith(("no ", "without ")) for item in items):
        return False  # "one word please, thanks"; "no quotes, no newline"
    if items[0].casefold() == "one" and items[-1].casefold().startswith(("more", "several", "multiple")):
        return False  # "one or more categories"
    are_tags = all(item.startswith("#") and item[1:].isidentifier() for item in items)
    for item in items:
        if " " in item and (LEAD.fullmatch(item) or _CODED.match(item) or _ORDER.match(item)):
            return False  # "only with the": words that lead to a list; "1 for positive": what stands for the label
        if not item or len(item) > _MAX_CHARS or item.count(" ") >= max_words or not any(map(str.isalnum, item)):
            return False
        if (
            (item[-1] in "?!" and "_" not in item)
            or "\n" in item
            or "<" in item
            or (">" in item and " > " not in item)
            or _HALF_QUOTED.search(item) is not None
            or "…" in item
            or "=" in item
            or "**" in item
            or (item.startswith("[") and "] " in item)
            or item.startswith(("e.g", "etc", "- ", "* ", "=", "|", "`"))
            or (item.startswith("#") and not are_tags)
            or is_ellipsis(item)
            or _HALF_CLOSED.match(item) is not None
        ):
            return False
    return len({item.casefold() for item in items}) == len(items)


def is_ellipsis(item: str) -> bool:
    """Whether an item stands for others, or says how labels are written, and is none: "and so on", "lower-case"."""
    return item.casefold() in _ELLIPSIS or item.endswith((" etc", " etc.", " usw", " usw.", " ecc", " enz"))


# "If it is a wedding", "Si es CORPORATIVO": what begins so is the head of a rule.
_CONDITION = late_pattern(
    r"(?:if|when|whenever|unless|wenn|falls|sofern|sobald|si|cuando|se|quando|caso|lorsque|als|indien|wanneer|om|hvis|"
    r"если|когда|jeśli|gdy|eğer|jika|kalau|nếu|khi)\b[ ,](?=.*\w)|s['’]il\b|如果|若是?|当|當|もし|만약",
    re.IGNORECASE,
)
_AND_SO_ON = ("等等", "など", " 등", " 등등")


def no_list(labels: tuple[str, ...]) -> str | None:
    """Why a list that was read holds no labels, or not all of them; None where nothing speaks against it."""
    last = labels[-1]
    if last.endswith(_AND_SO_ON) or is_ellipsis(last):
        return "the list of labels is open."
    if last.endswith("等") and len(last) > 2 and not any(label.endswith("等") for label in labels[:-1]):
        return "the list of labels is open."  # but "初等、中等、高等"
    if sum(_CONDITION.match(label) is not None for label in labels) * 2 >= len(labels):
        return "what is listed are the conditions of a rule."
    return None


def is_bracketed(item: str) -> bool:
    """Whether an item in square brackets of its own can be a label: "[Not a customer]"."""
    return any(map(str.isalnum, item)) and not any(mark in item for mark in '="{}<>:')


def is_label(item: str) -> bool:
    """Whether an item can be a label by its looks."""
    if not 0 < len(item) <= 48 or not is_bracketed(item):
        return False
    if _HALF_QUOTED.search(item) is not None or _HALF_CLOSED.match(item) is not None:
        return False
    if _POLITE.search(item):
        return False
    if UNSPACED.search(item):
        return len(item) <= 8 and not _UNSPACED_CLAUSE.search(item)
    return _NO_LABEL.match(item) is None
