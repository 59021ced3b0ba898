"""How many separate tasks does the request ask for (RWD-02 of the guide: several intents)?

Numbered asks, asks of different kinds joined by "and then" or "also", and questions that a person adds to a message.
Examples, texts to work on and several questions on one text are one task.
"""

from __future__ import annotations

import re

from ..patterns import late_pattern
from ..types import Signals
from .excerpt import Excerpt, excerpt, near
from .rule import Rule
from .triggers import phrases, trigger, triggers

__all__ = ["INTENTS"]

_KINDS = (
    ("summary", "summari[sz]e|sum up|tl;?dr|shorten|fasse|zusammenfassen|résume[rz]?|resum[ea]|resumir|riassumi"),
    ("translate", "translate|übersetze?|traduis|traduire|traduisez|traduce|traducir|traduz|traduza|traduci"),
    ("label", "classify|categori[sz]e|label|tag|rate|score|rank|detect|klassifiziere|classe[rz]?|clasifica|classifica"),
    ("extract", "extract|pull out|list|identify|find|highlight|extrahiere|liste|extrais|extrae|lista|estrai|"
    "elenca|nenne"),
    ("write", "write|draft|compose|create|generate|make|design|come up with|brainstorm|suggest|propose|schreibe?|"
    "erstelle?|rédige[rz]?|"
              "écris|escribe|redacta|escreva|scrivi|schlage"),
    ("rewrite", "rewrite|rephrase|paraphrase|correct|proofread|fix the grammar|edit|polish|improve|korrigiere|"
    "verbessere|corrige[rz]?|"
                "reformule[rz]?|reescribe|correggi"),
    ("code", "code|implement|debug|refactor|fix the (?:bug|code)|add (?:unit )?tests|write (?:unit )?tests"),
    ("compute", "calculate|compute|solve|convert|count|estimate|berechne|calcule[rz]?|calcula|resuelve|calcola"),
    ("compare", "compare|contrast|vergleiche|compare[rz]|compara|confronta"),
    ("plan", "plan|schedule|book|remind|set (?:up|an? (?:alarm|timer|reminder))|order|cancel|refund|change|update|"
    "send|reset|buche|reserviere"),
    ("advise", "recommend|advise|empfiehl|recommande[rz]?|recomienda|recomende|consiglia"),
    ("check", "check|verify|fact-check|evaluate|review|judge|prüfe|vérifie[rz]?|verifica|revisa"),
    ("answer", "answer|tell me|give me|what|who|when|where|how|which|explain|describe|sag mir|dis-moi|dime|dimmi"),
)  # fmt: skip
_VERB = "|".join(f"(?P<{kind}>{form})" for kind, form in _KINDS)


def _forms(pattern: str) -> tuple[str, ...]:
    """The words that a small pattern such as ``summari[sz]e`` or ``vergleiche?`` stands for."""
    if "[" in pattern:
        head, rest = pattern.split("[", 1)
        letters, tail = rest.split("]", 1)
        optional = tail.startswith("?")
        tail = tail.removeprefix("?")
        return tuple(
            form for letter in (*letters, *([""] if optional else [])) for form in _forms(f"{head}{letter}{tail}")
        )
    if "?" in pattern:
        head, tail = pattern.split("?", 1)
        return (*_forms(head + tail), *_forms(head[:-1] + tail))
    return (pattern,)


_POLITE = (
    r"(?:(?:please|kindly|now|first(?:ly)?|second(?:ly)?|third(?:ly)?|finally|lastly|next|then|also|and|can you|"
    r"could you|would you|will you|"
    r"i (?:need|want|would like|'d like) (?:you )?to|help me(?: to)?|bitte|dann|danach|außerdem|und|puis|ensuite|et|"
    r"aussi|luego|después|también|y|"
    r"depois|também|e|poi|anche|i also (?:need|want) (?:you )?to|you (?:should|must) (?:also )?)[, ]+)*"
)
_CLAUSE = late_pattern(
    rf"(?:\A|[.;:!?\n]\s*(?:[-*•]\s*|\(?\d{{1,2}}[.)]\s*|\(?[a-z]\)\s*)?|,? (?:and|then|und|et|y|e|puis|luego|dann|"
    rf"poi) |, (?=then|also|and))"
    rf"{_POLITE}(?:{_VERB})\b"
)
_ITEM = late_pattern(
    rf"[ \t]*(?:\(?\d{{1,2}}[.):]|[-*•]|\(?[a-d]\)|(?:first|second|third|finally|then|"
    rf"next),?)[ \t]+{_POLITE}(?:{_VERB})\b"
)
_ITEM_WORDS = ("a)", "b)", "c)", "d)", "first", "second", "third", "finally", "then", "next")
_ITEM_STARTS = frozenset("0123456789-*•(abcdfstn")
_NUMBERED = late_pattern(r"^[ \t]*\(?(?:\d{1,2})[.)][ \t]+[^\n]{4,200}$", re.M)
_ADDED = late_pattern(
    r"(?:^|[.!?,;\n]\s*|\band )(?:(?:oh,? |and |but )?(?:also\b|btw\b|by the way|additionally|in addition|"
    r"on top of that|another thing|one more thing|"
    r"second question|another question|separately|while (?:you're|you are|we're) at it|plus,? (?:can|could|i|my|do|"
    r"how|what)|besides(?: that)?,|"
    r"außerdem|zusätzlich|noch (?:eine frage|etwas)|übrigens|aussi,|de plus|en plus|autre (?:question|chose)|"
    r"par ailleurs|además|también (?:quiero|quisiera|"
    r"necesito|me|puedes)|otra (?:cosa|pregunta)|por cierto|além disso|também (?:quero|preciso)|outra coisa|inoltre|"
    r"un'altra cosa))"
)
_GIVEN = late_pattern(r": [^\n]+")
_QUESTION = late_pattern(r"[^.?!\n]{8,200}\?")
_UNSPACED = late_pattern(
    r"另外|还有|同时请|此外|顺便|然后(?:再|把|请)|并(?:且)?(?:翻译|总结|写|列出|分类|提取|回答)|また、|ついでに|"
    r"それから|그리고 또|또한|추가로"
)
_ADDING = triggers(
    "also btw additionally addition besides plus separately außerdem zusätzlich übrigens aussi ailleurs además también "
    "cierto além também inoltre"
)
_ADDING_PHRASES = phrases(
    ("by the way", "on top of that", "another thing", "more thing", "second question", "another question",
     "while you're", "while we're", "while you are", "while we are", "de plus", "en plus", "autre question",
     "autre chose", "par ailleurs", "otra cosa", "otra pregunta", "por cierto", "além disso", "outra coisa",
     "altra cosa", "noch eine frage", "noch etwas", "zusätzlich", "in addition")
)  # fmt: skip
_GROUP = late_pattern(r"\(\?:[^()]*(?:\([^()]*\)[^()]*)*\)")
_VERBS = trigger(
    word
    for kind, form in _KINDS
    if kind != "answer"
    for part in _GROUP.sub("", form).split("|")
    for word in _forms(part.split(" ", 1)[0])
)


def _read(signals: Signals) -> tuple[int | None, float]:
    view = signals.view(excerpt)
    if not view.user.strip():
        return None, 0.0
    count, sure = _count(view)
    return count, sure


def _count(view: Excerpt) -> tuple[int, float]:
    ask = view.ask
    if view.is_unspaced:
        added = len(_UNSPACED.findall(ask[:600]))
        if added:
            return 1 + min(added, 3), 0.75
    first = ask.find("\n")
    if first >= 0:
        kinds = _listed(ask) if view.groups & _VERBS.bit else ()
        # A list of things to do with different verbs; a list of criteria or of examples has none.
        if len(kinds) >= 2:
            return min(len(kinds), 9), 0.85
        if ask.find("\n", first + 1) >= 0 and ask.find("?", ask.find("?") + 1) >= 0:
            asked = [line for line in _NUMBERED.findall(ask) if "?" in line]
            if len(asked) >= 2 and len(view.user) < 900:
                return len(asked), 0.7
    adds = (*view.among(_ADDING), *view.saying(_ADDING_PHRASES))
    several = len(view.among(_VERBS)) >= 2
    if not adds and not several:
        return 1, 0.93
    limit = ask[:500] if len(view.user) > 1100 else ask[:900]
    # The first ask of a request stands where requests begin.
    start = ask[:200]
    if several and any(verb in start for verb in view.among(_VERBS)) and _CLAUSE.search(start):
        colon = limit.find(": ")
        if colon > 0 and any(match.lastgroup != "answer" for match in _CLAUSE.finditer(limit[:colon])):
            # What stands behind "Translate this:" is the text to work on.
            limit = _GIVEN.sub(":", limit)
        found: dict[str, int] = {}
        for match in _CLAUSE.finditer(limit):
            found.setdefault(match.lastgroup or "", match.start())
        found.pop("answer", None)
        if len(found) >= 2 and _are_asks(found):
            return len(found), 0.8
    added = 0
    if adds and len(view.user) < 1500:
        added = len(_ADDED.findall(near(limit, adds, 30)))
    if added:
        return 1 + min(max(added, len(_QUESTION.findall(limit)) - 1), 4), 0.75
    return 1, 0.85


def _listed(ask: str) -> set[str | None]:
    """The kinds of what the lines of a list ask for."""
    kinds: set[str | None] = set()
    for line in ask.split("\n"):
        start = line.lstrip(" \t")[:8]
        if start[:1] not in _ITEM_STARTS or (start[:1].isalpha() and not start.startswith(_ITEM_WORDS)):
            continue
        match = _ITEM.match(line)
        if match is not None:
            kinds.add(match.lastgroup)
    return kinds


def _are_asks(found: dict[str, int]) -> bool:
    """The first ask stands where requests begin, so that a story about somebody who "writes and plans" is none."""
    starts = sorted(found.values())
    return starts[0] <= 160 and starts[-1] - starts[0] <= 420


INTENTS = Rule(name="intents", read=_read)
