"""Lists behind a cue in plain words: "one of", "answer", "options:", "classify it as", in several languages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ..patterns import late_pattern
from .labels import Listing
from .listing import list_at
from .vocabulary import CLASSIFY, INPUT_WORDS, NOUNS, WEAK_NOUNS
from .words import alternatives, table

__all__ = ["DIRECT", "OPEN_LIST", "as_lists", "direct_lists", "noun_lists"]

# Phrases behind which a list of answers stands at once; what stands before them does not matter.
DIRECT: Mapping[str, tuple[str, ...]] = {
    "one": ("one of", "only one", "just one", "exactly one", "one word"),
    "any": ("any of",),
    "which": ("which of",),
    "apply": ("apply",),
    "either": ("either",),
    "choose": ("choose",),
    "select": ("select",),
    "pick": ("pick",),
    "choosing": ("choosing from", "choosing between", "choosing"),
    "picking": ("picking from", "picking"),
    "selecting": ("selecting from", "selecting"),
    "set": ("of the set",),
    "codes": ("codes",),
    "answer": ("answer",),
    "respond": ("respond",),
    "reply": ("reply",),
    "return": ("return",),
    "output": ("output",),
    "say": ("say",),
    "write": ("write only", "write just"),
    "possible": ("possible",),
    "allowed": ("allowed",),
    "valid": ("valid",),
    "available": ("available",),
    "mögliche": ("mögliche",),
    "erlaubte": ("erlaubte",),
    "possibles": ("possibles",),
    "posibles": ("posibles",),
    "possíveis": ("possíveis",),
    "possibili": ("possibili",),
    "mogelijke": ("mogelijke",),
    "must": ("must be", "must exactly match"),
    "between": ("between",),
    # German
    "eine": ("eine der", "in eine der"),
    "einer": ("einer der",),
    "eines": ("eines der", "eines von"),
    "genau": ("mit genau", "genau"),
    "entweder": ("entweder",),
    "antworte": ("antworte",),
    "antworten": ("antworten sie",),
    "gib": ("gib",),
    "wähle": ("wähle aus", "wähle"),
    "as": ("as",),
    "element": ("element of the set", "element of"),
    "holds": ("that holds", "which holds"),
    "contains": ("that contains", "which contains"),
    "weise": ("weise",),
    # French
    "réponds": ("réponds",),
    "répondez": ("répondez",),
    "parmi": ("parmi",),
    "choisis": ("choisis",),
    "choisissez": ("choisissez",),
    # Spanish, Portuguese, Italian
    "responde": ("responde",),
    "responda": ("responda",),
    "contesta": ("contesta",),
    "devuelve": ("devuelve",),
    "elige": ("elige",),
    "una": ("una de", "una delle", "una di", "una tra", "una fra"),
    "uno": ("uno de", "uno dei", "uno tra", "uno di", "uno fra"),
    "entre": ("entre",),
    "uma": ("uma das", "uma de"),
    "um": ("um dos",),
    "escolha": ("escolha",),
    "rispondi": ("rispondi",),
    "scegli": ("scegli",),
    "tra": ("tra",),
    # Dutch
    "antwoord": ("antwoord",),
    "kies": ("kies",),
    "een": ("een van",),
    "één": ("één van",),
}  # fmt: skip

_CHOOSE = table(
    "set codes choose choosing select selecting pick picking wähle choisis choisissez elige escolha scegli kies"
)
_NAMED = table("possible allowed valid available mögliche erlaubte possibles posibles possíveis possibili")

_PASSIVE = table("labeled labelled classified rated graded sorted marked tagged categorized categorised")
# Phrases that announce a list only when a word of this kind stands before them.
_UNSURE: Mapping[str, re.Pattern[str]] = {
    "must": late_pattern(r"answer|output|label|response|reply|value|categor|result|it\b|prediction"),
    "between": late_pattern(
        r"choose|choosing|decide|deciding|select|pick|choice|distinguish|differentiat|classif|sort"
    ),
    "entre": late_pattern(r"elige|escolh|seleccion|choisis|decide|opci|opç|uma|una"),
    "tra": late_pattern(r"scegli|uno|una|decidi"),
    "either": late_pattern(r"answer|output|label|respon|reply|classif|return|say|choose|pick|as\b|is\b|with"),
}

_SENTENCE_END = late_pattern(r"[\n?!]|\.(?=\s|$)")
_PREPOSITION = late_pattern(
    r"\b(?:as|into|under|to|whether|if|is|in|als|ob|comme|en|como|se|come|entre|tra|som|jako|как|between|among|by|"
    r"with|"
    r"(?<=is )about|means|ist|est|es|é|è|of)(?=[ :])|[:：](?=\s)",
    re.IGNORECASE,
)
# "ob der Satz ... ist", "of de review ... is": German and Dutch put the verb behind the list.
_CLAUSE_SUBJECT = late_pattern(
    rf" (?:de[rnm]?|die|das|diese[rs]?|dies|dit|deze|het|folgende[rs]?|volgende)(?: [\w-]+){{0,2}}? "
    rf"(?:{alternatives(INPUT_WORDS)}) ",
    re.IGNORECASE,
)
_ARE = late_pattern(r"\s+(?:are|is|sind|lauten|sont|son|são|sono|zijn)\b", re.IGNORECASE)
_INTRO = late_pattern(r"[^\n.?!;:：=(\[{（]{0,70}[:：=(\[{（]|[^\n.?!;:]{0,80}[.:?]?(?=\s*\n)")
_ALLOWED = late_pattern(
    r"possible|allowed|valid|these|following|available|permitted|candidate|mögliche|posibles|possíveis"
)
_EXCLUSIVE = late_pattern(
    r"ausschließlich|uniquement|únicamente|soltanto|one of|exactly one|only one|just one|one word|which of|single|only|"
    r"exactly|either|(?:choos|select|pick)\w*\b|any of|all that|between|"
    r"label|categor|intent|class|\beine[srn]? |entweder|genau|nur|l'une|parmi|une? seule?|un[ao]? (?:de|dei|delle|"
    r"tra|solo|sola)|"
    r"uma das|um dos|elige|escolh|scegli|choisis|kies|[eé]{2}n van|apenas|solo|seul"
)
# "between bug report and feature request": an "and" that stands for an "or"
_PAIR = late_pattern(
    r" (?:an? )?((?!the )[\w/-]+(?: [\w/-]+){0,2}?) and (?:an? )?((?!the )[\w/-]+(?: [\w/-]+){0,2}?)(?=[.,:;?!\n(]|$)",
    2,
)
# "Answer questions about home and travel": what is answered, not what the answer is.
_ANSWERED = late_pattern(
    r"(?: (?:[\w'’-]+)){0,3}? (?:questions|queries|inquiries|enquiries|callers|customers|users)\b", re.I
)
OPEN_LIST = late_pattern(r"\b(?:e\.g\.|such as|for example|for instance|z\. ?b\.|par exemple|por ejemplo|like)", re.I)


def noun_lists(text: str, words: frozenset[str], dutch: bool) -> Iterator[Listing]:
    lower = ""
    for noun in sorted(words & NOUNS):
        lower = lower or text.lower()
        for place in _places(lower, noun):
            after = place + len(noun)
            copula = _ARE.match(text, after)
            if copula is not None:
                listing = list_at(text, copula.end(), dutch=dutch)
                is_list = listing is not None and (noun not in WEAK_NOUNS and len(listing.labels) > 2)
                if listing is not None and (
                    is_list or listing.closed or _ALLOWED.search(lower, max(0, place - 24), place)
                ):
                    yield listing
                    continue
            intro = _INTRO.match(text, after)
            if intro is None:
                continue
            if OPEN_LIST.search(intro[0]):
                continue
            if noun in WEAK_NOUNS and not _ALLOWED.search(lower, max(0, place - 24), place):
                listing = list_at(text, intro.end(), introduced=True, dutch=dutch)
                if listing is not None and listing.closed:
                    yield listing
                continue
            listing = list_at(text, intro.end(), introduced=True, dutch=dutch)
            if listing is not None:
                yield listing


def direct_lists(text: str, words: frozenset[str], dutch: bool) -> Iterator[Listing]:
    lower = ""
    for word in sorted(words & DIRECT.keys()):
        lower = lower or text.lower()
        for phrase in DIRECT[word]:
            for place in _places(lower, phrase):
                after = place + len(phrase)
                if _ANSWERED.match(text, after) is not None:
                    continue
                listing = list_at(text, after, dutch=dutch)
                if listing is None and word == "between" and (pair := _PAIR.match(text, after)) is not None:
                    listing = Listing((pair[1], pair[2]), pair.start(1), pair.end(2), 0.85)
                if listing is None:
                    intro = _INTRO.match(text, after)
                    if intro is None or OPEN_LIST.search(intro[0]) or (word == "one" and " or " in intro[0]):
                        continue
                    listing = list_at(text, intro.end(), introduced=True, dutch=dutch)
                if listing is None:
                    continue
                is_named = (
                    word in _NAMED and text[listing.start - 2 : listing.start].rstrip(" \n[{(") in (":", "")
                ) or (
                    word in _CHOOSE and text[after : listing.start].strip(" \n\"'") in (":", "{", ": {", ": [", ": (")
                )
                if not listing.closed and not is_named and not _EXCLUSIVE.search(lower, place, listing.start):
                    continue
                if word == "as" and (not listing.closed or len(listing.labels) < 3):
                    continue
                if word in _UNSURE and not _UNSURE[word].search(lower, max(0, place - 48), place):
                    continue
                yield listing


def as_lists(text: str, words: frozenset[str], dutch: bool) -> Iterator[Listing]:
    lower = text.lower()
    for verb in sorted(words & CLASSIFY):
        for place in _places(lower, verb):
            if verb in _PASSIVE:  # "is labelled A, B or C"
                listing = list_at(text, place + len(verb), dutch=dutch)
                if listing is not None and listing.closed:
                    yield listing
                    continue
            stop = _SENTENCE_END.search(text, place)
            end = min(place + 260, stop.start() if stop else len(text))
            # The verb may be followed by several such words: the last one that a list stands behind counts, one with
            # an "or" before all others.
            best: Listing | None = None
            for word in reversed(list(_PREPOSITION.finditer(text, place, end))):
                subject = _CLAUSE_SUBJECT.match(text, word.end()) if word[0].lower() in ("ob", "of") else None
                start = subject.end() if subject is not None else word.end()
                listing = list_at(text, start, introduced=word[0] == ":", dutch=dutch)
                if listing is None:
                    continue
                if word[0] == ":" and not listing.closed and not _EXCLUSIVE.search(lower, place, listing.end + 60):
                    continue
                if OPEN_LIST.search(text, place, listing.start):
                    break
                best = listing if best is None or listing.closed else best
                if best.closed:
                    break
            if best is not None:
                yield best


def _places(lower: str, phrase: str) -> Iterator[int]:
    place = lower.find(phrase)
    for _ in range(8):
        if place < 0:
            return
        before = lower[place - 1 : place]
        after = lower[place + len(phrase) : place + len(phrase) + 1]
        if not (before.isalnum() or after.isalnum() or after == "_"):
            yield place
        place = lower.find(phrase, place + 1)
