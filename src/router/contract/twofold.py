"""Whether a second thing is asked for beside the label: "and its urgency", "then rate the tone", "分類と緊急度".

One classifier answers one question. What a list is called is no second thing, nor is what is asked for only once.
"""

from __future__ import annotations

from ..patterns import late_pattern
from .frames import stem, tied_names
from .usual import LED, TWO_ASKED
from .words import alternatives, table

__all__ = ["asks_twice"]

_THINGS = table(
    """
    urgency priority severity importance impact risk mood tone emotion sentiment polarity language topic subject theme
    category type kind intent department team queue confidence score rating status complexity difficulty audience
    gender location country product brand reason summary title
    """
)
_DEGREES = table(
    "urgent serious severe important angry satisfied confident sure certain difficult complex positive negative happy "
    "likely relevant formal polite"
)
_GATE = _THINGS | _DEGREES
_OF = r"(?: (?:overall|main|general|likely|apparent|customer['’]s|user['’]s|author['’]s|writer['’]s))?"
_THING = rf"(?P<thing>{alternatives(_THINGS)})\b(?!['’-])"
_AND = r"(?:\band|\bplus|&|\+|\bas well as|\balong with|\btogether with|\bthen|\balso)[ ,]+(?:also |then )?"
_VERB = (
    r"(?:rate|give|tell|state|determine|say|return|assign|assess|judge|name|mark|set|add|estimate|detect|identify|note|"
    r"report|specify|indicate|choose|pick|classify|label|tag|score|evaluate|provide|output)\w*(?: (?:me|us|it|to it))? "
)
# "..., and its urgency", "one topic and one priority"
_BARE = late_pattern(
    rf"{_AND}(?:its|their|his|her|one|a single|exactly one|an?|(?:in )?what|which)(?: one-word)?{_OF} {_THING}", 2
)
# "..., then rate its urgency": where a list or another such order stands before
_ORDERED = late_pattern(rf"{_AND}{_VERB}(?:its|their|his|her|the|one|an?){_OF} {_THING}", 2)
_DEGREE = late_pattern(rf"{_AND}(?:{_VERB})?how (?:{alternatives(_DEGREES)})\b", 2)
_EARLIER = late_pattern(r"_|\b(?:classif|categori[sz]|label|tag|sort|assign|route|triage)\w*", 2)
_ASKED = late_pattern(
    r"_|\b(?:classif|categori[sz]|label|tag|sort|assign|route|triage|determin|identif|detect|give|return|output|state|"
    r"provide|report|tell|which|what|choose|pick|find|name)\w*",
    2,
)
# "Assign category and priority", "by topic and by mood", "(b) the urgency"; lines "Topic:" and "Priority:" to be filled
_DET = r"(?:(?:the|an?|its|their|one) )?"
_PAIR = late_pattern(
    rf"\b(?:assign|give|return|output|provide|report|state|add|set|print|write|determine|need)\w* (?:me )?{_DET}"
    rf"(?P<one>{alternatives(_THINGS)})(?: \([^()\n]{{1,80}}\))?(?:,? and|,|/| ?&| ?\+| plus) ?{_DET}{_THING}|"
    rf"\bby (?:the )?(?P<first>{alternatives(_THINGS)})\b[^.\n]{{0,60}}(?:,| and) by (?:the )?(?P<second>"
    rf"{alternatives(_THINGS)})\b|"
    rf"(?:\([2b]\)|(?<![\w.])[2b]\)|(?<![\w.])2\. ) ?{_DET}(?:\w+ )?(?P<item>{alternatives(_THINGS)})\b[^.\n]{{0,40}}$|"
    rf"^\W*(?P<line>{alternatives(_THINGS)})(?: ?\([^()\n]*\))?:[ \t]*\n\W*(?P<below>{alternatives(_THINGS)})"
    r"(?: ?\([^()\n]*\))?:[ \t_]*$",
    2 | 8,
)
_LISTS = table("category type kind intent topic")
_ABROAD = late_pattern(
    r"\b(?:und|sowie) (?:(?:die|deren|dessen|ihre|seine|eine) )?(?:dringlichkeit|priorität|stimmung|tonalität|"
    r"sprache)\b|"
    r"\bet (?:(?:son|sa|le|la|une?) |l['’])(?:urgence|priorité|gravité|ton|langue|humeur)\b|"
    r"\by (?:su|la|el|una?) (?:urgencia|prioridad|gravedad|tono|idioma)\b|"
    r"\be (?:(?:a|o|sua|la|il|una) |l['’])(?:urgência|prioridade|gravidade|idioma|urgenza|priorità|gravità|lingua)\b|"
    r"\ben (?:de|het|een) (?:urgentie|prioriteit|ernst|toon|taal)\b|"
    r"(?:と|および|及び|ならびに|和|与|與|以及|及|并|同时|및|와|과|그리고)\s?(?:其|它的|그)?"
    r"(?:緊急度|紧急程度|紧急度|緊急程度|优先级|優先度|重要度|重要性|严重程度|語気|语气|语言|言語|긴급도|우선순위|중요도|심각도|언어)",
    2,
)


def asks_twice(text: str, words: frozenset[str]) -> bool:
    """Whether an instruction, with ``_`` for each listed label, asks for something beside what its list answers."""
    if LED.search(text) is not None or ("and" in words and TWO_ASKED.search(text) is not None):
        return True
    if not text.isascii() and _ABROAD.search(text) is not None:
        return True
    if words.isdisjoint(_GATE):
        return not words.isdisjoint(("und", "et", "y", "e", "en")) and _ABROAD.search(text) is not None
    bare = _BARE.search(text)
    if bare is not None and text.lower().count(bare["thing"].lower()) == 1 and _ASKED.search(text, 0, bare.start()):
        return True
    pair = _PAIR.search(text)
    if pair is not None and len({name.lower() for name in pair.groups() if name}) != 1:
        return True
    if pair is not None and pair["item"] is not None and pair["item"].lower() not in _LISTS:
        return True
    if (degree := _DEGREE.search(text)) is not None and _EARLIER.search(text, 0, degree.start()) is not None:
        return True
    ordered = _ORDERED.search(text)
    if ordered is None or _EARLIER.search(text, 0, ordered.start()) is None or ordered["thing"].lower() in _LISTS:
        return False
    return stem(ordered["thing"].lower()) not in tied_names(text.lower())
