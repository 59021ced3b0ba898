"""Is every sentence of an instruction of a usual kind? What is not understood may be the rule that decides the label.

Looking for known rules finds known rules only. This turns the burden round: a sentence must say who is to answer, ask
for the label, list the labels, point at the text, or limit the answer, in words that such sentences are made of.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..patterns import late_pattern
from .lexicon import KNOWN, UNSPACED
from .vocabulary import ANSWER_WORDS, INPUT_WORDS, NOUNS, YES_NO
from .words import table

__all__ = ["FOREIGN", "is_example", "unexplained"]

_SENTENCE = late_pattern(r"((?:[.?!;](?=[\s\"')\]]|$)|[。？！；\n])+)")
_WORD = late_pattern(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_CJK = late_pattern(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_CLAUSE = late_pattern(r"[,，、：:]")
_PREFIX = r"\W*(?:[\w'’-]{1,24}(?: [\w'’-]{1,24}){0,2} ?[:：]\W*)?(?:(?:please|now|then|so|kindly|bitte|first|also) )*"
_ROLE = late_pattern(
    _PREFIX + r"(?:you(?: are|'re|r (?:task|job|role|goal|purpose) is| (?:will be |)(?:given|shown|receive|read|"
    r"label|"
    r"classify|sort|route|moderate|tag|triage|filter|grade|judge|rate|detect|screen|categori[sz]e)\b)|act as|as an? |"
    r"you (?:work|help|support|assist) |i am|i'm|i have|i run|we are|we run|here (?:is|are)|below (?:is|are)|"
    r"this is|these are|the following (?:is|are)|"
    r"du (?:bist|klassifizierst|sortierst|ordnest|bewertest)|sie sind|tu (?:es|classes|tries|modères)|vous êtes|eres|"
    r"usted es|você é|sei un|siete|(?:jij |je |u )bent|helpful)\b",
    re.IGNORECASE,
)
_ASK = late_pattern(
    _PREFIX + r"(?:classif\w+|categori[sz]e\w*|labell?\w*|rate|determine|decide|detect|identif\w+|assign|analy[sz]e|"
    r"guess|evaluate|assess|judge|predict|sort|tag|mark|flag|route|triage|moderate|(?:tell|say|find)(?: me| us)? (?:if|"
    r"whether|which|what|the|out)|recogni[sz]e|score|"
    r"use (?:the|this) (?:tool|function)(?: to)?|"
    r"given|is|are|does|do|was|would|which|what|whose|how|in which|to which|"
    r"klassifizier\w*|ordne|bestimme|bewerte|kategorisiere|entscheide|beurteile|erkenne|ist|sind|enthält|welche\w*|"
    r"in welche|"
    r"was|handelt|class\w+|déterminez?|indiquez?|analysez?|évaluez?|quel\w*|est-ce|est|dans quel\w*|"
    r"diga|dime|dis(?:-moi)?|dites|sage?|dimmi|zeg|clasif\w+|determina|indica|analiza|evalúa|etiqueta|cuál|"
    r"classifi\w+|analise|avalie|identifique|qual|valuta|analizza|assegna|determina|quale|"
    r"classificeer|bepaal|beoordeel|welk\w*)\b",
    re.IGNORECASE,
)
# A worked example in two elements, as OpenAI's guide to prompts writes them.
_PAIRED = late_pattern(
    r"<(\w{1,40})(?: \w+=\"[^\"<>]{0,40}\")?>[^<>]{1,2000}</\1>\s*<(\w{1,40})(?: \w+=\"[^\"<>]{0,40}\")?>"
    r"([^<>]{1,64})</\2>"
)
_EXAMPLE = late_pattern(
    r"[\"'“„«‘`].{1,400}[\"'”“»’`]\s*(?:->|=>|→|⇒|—|–|=|:)\s*(.{1,64})$|.{2,400}\s(?:->|=>|→|⇒)\s*(.{1,64})$"
)
_MARKED = late_pattern(r"[\W_]*([^\W\d_][\w ]{0,24}?)\**[:：]\**\s*(.{1,64})$")
_MOST = 200
_PLAIN = (
    ANSWER_WORDS
    | INPUT_WORDS
    | NOUNS
    | {"yes", "no", "não", "non", "nein", "nee", "si", "sí", "true", "false", "other", "none", "one", "any", "all"}
)
_PREDICATE = table("is are was were be must should can may will ist sind muss est sont doit es son debe é são è sono")
_TAGS = late_pattern(r"</?[a-z_]{2,24}>")
_DIGIT = late_pattern(r"\d")
_POLAR = late_pattern(
    r"(?:and |also,? )?(?:do|does|did|has|have|had|can|could|will|would|is there|are there|was there)\b(?! you)"
)
_OR = late_pattern(r"\b(?:or|oder|ou)\b")
_SHOWN = "\x00"
_ANSWERED = late_pattern(r"[\"']\w{1,40}[\"']\s*:\s*[\"']([^\"'\n]{1,64})[\"']")
_ELIDED = frozenset(
    ["l", "d", "qu", "c", "s", "n", "j", "m", "t", "dell", "all", "un", "nell", "sull", "quest", "dall"]
)
FOREIGN = "¤"
"""Stands for data that is not the text to judge: fine in a worked example, unexplained anywhere else."""
_EDGES = " \t\"'`*.,“”‘’«»[](){}<>"


def unexplained(text: str, labels: Sequence[str], keys: Sequence[str] = ()) -> bool:
    """Whether an instruction holds a sentence of no usual kind. ``text``: text to judge and label lists left out;
    ``keys``: names of fields and tools, which are no rule where they are spoken of.
    """
    names = {label.casefold().strip(_EDGES) for label in labels if label}
    for key in keys:
        text = text.replace(key, "_")
    if "</" in text:
        text = _PAIRED.sub(lambda shown: "" if shown[3].strip().strip(_EDGES).casefold() in names else shown[0], text)
    if "\n" in text:
        lines = text.split("\n")
        text = "\n".join(_SHOWN if is_example(line, names) else line for line in lines)
    parts = _SENTENCE.split(text)
    if len(parts) > 2 * _MOST:
        return True
    ends = [*parts[1::2], ""]
    is_first, is_open = True, False
    for part, end in zip(parts[::2], ends, strict=True):
        if not part or part.isspace():
            continue
        sentence = part.strip()
        if sentence == _SHOWN:
            is_open = False
            continue
        if is_open or FOREIGN in sentence:
            if is_open:
                return True
            is_open = True
            continue
        if not _is_usual(sentence, names, is_question="?" in end or "？" in end, is_first=is_first):
            return True
        is_first = False
    return is_open


def is_example(line: str, names: set[str]) -> bool:
    """Whether a line shows a worked example: a quoted text and its label, or a marked answer that is a label."""
    shown = _EXAMPLE.match(line)
    if shown is not None:
        left = line[: max(shown.start(1), shown.start(2))]
        answer = (shown[1] or shown[2]).strip(_EDGES).casefold()
        return answer in names and (shown[1] is not None or left.count(" ") > 2)
    marked = _MARKED.match(line)
    return (
        marked is not None
        and marked[2].strip(_EDGES).casefold() in names
        and marked[1].lower().rsplit(" ", 1)[-1] in ANSWER_WORDS
    )


def _is_usual(sentence: str, names: set[str], *, is_question: bool, is_first: bool) -> bool:
    lower = sentence.lower()
    if "<" in lower:
        lower = _TAGS.sub(" ", lower).strip()
    if not lower.isascii() and _CJK.search(lower):
        return all(_is_usual_unspaced(clause) for clause in _CLAUSE.split(lower)) or is_example(sentence, names)
    if "{" in lower:
        lower = _ANSWERED.sub(lambda match: "_" if match[1] in names else match[0], lower)
    is_asked = (is_question and len(lower) < 240) or _ASK.match(lower) is not None
    spoken = [name for name in names if _stands_in(lower, name)]
    if len(spoken) == 1 < len(names) and not is_asked and spoken[0] not in _PLAIN and len(spoken[0]) > 2:
        return is_example(sentence, names)  # a rule about one label, or a default
    if len(spoken) > 1 or is_asked:
        for name in sorted(spoken, key=len, reverse=True):
            if name not in KNOWN:
                lower = lower.replace(name, "_")
    if is_question and "_" not in lower and not spoken and (_OR.search(lower) or _asks_anew(lower, names)):
        return False  # a second question beside the one whose answers are listed
    words = _WORD.findall(lower)
    strange = [word for word in words if not _is_known(word, names)]
    if not strange:
        return True
    if is_asked:
        listed = lower.rfind("_")
        if listed >= 0 and any(not _is_known(word, names) for word in _WORD.findall(lower[listed:])):
            return False  # "label it _ or _ with a smiley behind it"
        return len(strange) <= 6 and len(strange) * 2 <= len(words) + 2
    if _ROLE.match(lower):
        return len(words) < 60
    if is_first and "_" not in lower and len(words) <= 10 and _PREDICATE.isdisjoint(words) and not _DIGIT.search(lower):
        return len(strange) <= 4  # what the application is: "moderation filter of a cooking forum"
    return is_example(sentence, names)


def _asks_anew(lower: str, names: set[str]) -> bool:
    """A question to be answered by yes or no, where neither is a label."""
    return _POLAR.match(lower) is not None and names.isdisjoint(YES_NO)


def _is_known(word: str, names: set[str]) -> bool:
    if word in KNOWN or word in names:
        return True
    article, _, rest = word.replace("’", "'").partition("'")
    return rest in KNOWN and article in _ELIDED


def _stands_in(text: str, word: str) -> bool:
    place = text.find(word)
    while place >= 0:
        before, after = text[place - 1 : place], text[place + len(word) : place + len(word) + 1]
        if not (before.isalnum() or after.isalnum()):
            return True
        place = text.find(word, place + 1)
    return False


def _is_usual_unspaced(clause: str) -> bool:
    if not _CJK.search(clause):
        return sum(word not in KNOWN for word in _WORD.findall(clause)) <= 1
    return len(clause.strip()) <= 4 or any(word in clause for word in UNSPACED)
