"""What frames a located text without belonging to it: an answer cue behind it, brackets or START and END around it.

Also whether what was located is one text at all: two numbered ones, or words to the assistant, are none.
"""

from __future__ import annotations

import re

from ..patterns import late_pattern
from .blocks import FENCES, is_answer_cue, is_input_marker, trimmed
from .speech import ITEM_LINE
from .vocabulary import DATA_TAGS

__all__ = ["TWIN", "is_nothing", "is_pair", "is_several", "is_talk", "unframed", "unquoted"]

_CUE = late_pattern(
    r"(?:^|(?P<line>\n)|(?<=[.!?;|\"'”’»)])[;|]?[ \t]+|[;|])[ \t]*[*_#>]{0,3}(?P<name>[^\W\d_][\w /'’-]{0,30}?)[ \t]*"
    r"(?:\([^()\n]{0,120}\))?[*_]{0,2}[ \t]*(?:[:：]|=|[-=]{1,2}>|→)[*_ \t]*$"
)
TWIN = late_pattern(r"[^\W\d_][\w -]{0,20}?[ \t]*(?P<sign>[:：=])[ \t]+(?=\S)")
_WRAPPED = tuple(
    late_pattern(form, re.DOTALL)
    for form in (
        r"<{2,4}\s*(?P<in>[^<>\s].*[^<>\s])\s*>{2,4}",
        r"\w*>{2,4}\s*(?P<in>[^<>\s].*[^<>\s])\s*<{2,4}\w*",
        r"\[(?P<name>[A-Za-z_]{2,24})\]\s*(?P<in>.*\S)\s*\[/(?P=name)\]",
        r"<!\[CDATA\[\s*(?P<in>.*\S)\s*\]\]>",
        r"#{3,6}\s*(?P<in>[^\s#].*[^\s#])\s*#{3,6}",
        r"(?P<name>[A-Z]{3,20})\n(?P<in>.*\S)\nEND (?P=name)",
        r"[-=*#\[<(]{0,5} ?(?:[A-Z]+ )?(?:START|BEGIN)(?: OF)?(?: [A-Z]+)?[^\w\n]{0,6}\n(?P<in>.*\S)\s*\n"
        r"[-=*#\[<(]{0,5} ?(?:[A-Z]+ )?END(?: OF)?(?: [A-Z]+)?[^\w\n]{0,6}",
    )
)
_OPENING = late_pattern(
    r"\W{0,6}(?:[A-Z]+ )?(?:START|BEGIN)\b|<{2}|>{2}|\[([A-Za-z_]{2,24})\](?=.*\[/\1\])|\w+>{2}|"
    r"<!\[CDATA\[|#{3,6}(?=[^\s#].*#{3}\Z)|([A-Z]{3,20})\n(?=.*\nEND \2\Z)",
    re.DOTALL,
)
# DSPy's field marker (https://dspy.ai), a line of dashes, and the sign of a quoted line that stands alone.
_LEAD = late_pattern(
    r"【[^】\n]{1,20}】\s*|<\|\w{1,24}\|>(?:user\b)?\s*|\[INST\]\s*|\[\[ ## \w{1,40} ## \]\]\s*|[-=*_#]{3,}[ \t]*\n\s*|"
    r">[ \t]+(?=[^\n]+\Z)|\[(?![^\]]*\b(?:START|BEGIN|END)\b)(?P<head>[^\W\d_][\w '’/-]{1,32})\]:?[ \t]*\n\s*"
)
_BRACKETED = late_pattern(r"^\[[^\W\d_][\w '’/-]{1,32}\]:?[ \t]*$", re.MULTILINE)
# "Comment follows.", "REVIEW" or "Employee comment" underlined, "Titre de dépêche :" on a line of its own.
_HEADING = late_pattern(
    r"(?P<name>[^\W\d_][^\n:：.]{1,40}?)(?:[ \t]?[:：][*_]{0,2}[ \t]*\n|[ \t]*\n[-=~]{3,}[ \t]*\n|(?: follows|"
    r" below)[.:]?[ \t]*\n)\s*"
)
_CAPITALS = late_pattern(r"(?P<name>[^\W\d_]{3,20}(?: [^\W\d_]{2,20})?)[ \t]*\n\s*")
_GREETING = late_pattern(
    r"(?:hi|hello|hey|dear|hallo|liebe|guten|sehr|bonjour|cher|hola|buen|estimad|ciao|olá|beste)\w*\b", re.I
)
_ADDRESS = late_pattern(r"(?:https?://|www\.)\S+")
_EMPTY = late_pattern(r"[^:：\n]{1,40}[:：]\W*|\W*")
_SECOND = late_pattern(
    r"\n[ \t]*[*_#]{0,3}(?:(?:user|customer|the|submitted|expected|expert|model|retrieved) )?(?:question|query|claim|"
    r"hypothesis|frage|antwort|pregunta|respuesta|réponse|domanda|risposta|pergunta|resposta|vraag|antwoord|"
    r"premise|answer|document|context|passage|evidence|rubric|criteria|reference|candidate|target|"
    r"aspect)(?: \d)?[*_]{0,2}[:：]",
    re.IGNORECASE,
)
_FENCES = (*FENCES, *(f"\n{mark}" for mark in FENCES))
_LINES = ("=====", "*****", "#####", "~~~~~")
_LINE = late_pattern(r"^[=*#~]{5,}[ \t]*$", re.MULTILINE)
_TRAIL = late_pattern(r"\s*(?:\n#{1,6} [^\n]{1,30}|\n[<>]{3}|\[/INST\]|<\|\w{1,24}\|>(?:assistant\b)?|</s>)\s*\Z")
_NUMBERED = late_pattern(
    r"(?:^|\n|(?<=[.!?;] ))[ \t]*[\[(*]{0,2}(?P<stem>[^\W\d_]{0,12}) ?[#_-]?(?P<number>\d|[A-D])[\])*]{0,2}"
    r"[ \t]*[:：]\s"
)
_TALK = late_pattern(
    r"\W*(?:(?:ok|okay|hm+|well|wait|great|perfect|cool|nice|sure|got it|thanks|thank you|thx|merci|danke|gracias|"
    r"obrigad[oa]|"
    r"grazie)\b[\s,.!]*)*(?:really\b|are you sure|why\b|how come|no[,.] |actually[, ]|hm\b|(?:and|but|so)\b|(?:look|"
    r"check|try) (?:at )?(?:it|that|this|the|again)\b|"
    r"(?:can|could|would|will) you (?:please |also |now |then )?(?:draft|write|explain|re-?|try|check|tag|label|"
    r"classify|"
    r"say|tell|give|show|list|summari|translat|elaborat|change|justify|make)|"
    r"[^.?!\n]{0,30}\bdid i (?:ask|say|send|write|mean)\b|(?:please )?(?:switch|change) (?:to|the)\b|"
    r"(?:please )?(?:stop|quit) \w+ing\b|[^.?!\n]{0,40}\btell me an? (?:joke|story)\b|"
    r"(?:thanks|thank you|thx|ok|okay|great|cool|perfect|bye|never ?mind|good|nice|yes|no)\b[\s.!]*\Z|"
    r"(?:now|again|once more|same)\b,? (?:do|try|use|answer|say|give|in|with|for|again|but|the same)\b|"
    r"how (?:did|do|can|could|would) you (?:know|tell|decide|get|see|come|figure|arrive|mean)\b|"
    r"what (?:makes|made) you\b|"
    r"(?:please )?(?:explain|elaborate|rewrite|redo|justify|draft) |what (?:do you mean|about|if)\b|which (?:one|"
    r"of)\b|"
    r"warum|wieso|bist du|kannst du|pourquoi|peux-tu|por qué|puedes)|"
    r".{0,200}\b(?:would|could|can|did|do|will|should) you (?:still |also |really )?(?:tag|label|classify|"
    r"categori[sz]e|rate|"
    r"answer|choose|pick|say|change)\b",
    re.IGNORECASE,
)


def unframed(text: str, start: int, end: int) -> tuple[int, int]:
    """The stretch without its frame; an empty stretch when a frame opens and does not close."""
    for _ in range(6):
        piece = text[start:end]
        lead = _LEAD.match(piece)
        if lead is not None and lead.end() < len(piece) and f"[/{lead['head']}]" not in piece:
            if lead["head"] and len(_BRACKETED.findall(piece)) > 1:
                return start, start  # "[Premise]", "[Hypothesis]"
            start += lead.end()
            continue
        if ("#" in piece[-36:] or piece[-1:] in ">]t") and (
            trail := _TRAIL.search(piece, max(0, len(piece) - 40))
        ) is not None:
            end = start + trail.start()
            continue
        if "\n" in piece and _OPENING.match(piece) is None and (below := _under_heading(piece)) >= 0:
            if below == 0 and text.startswith(_FENCES, end):
                break  # fences say where the text begins: its first line is its own
            if below == 0:
                return start, start
            start += below
            continue
        cue = _CUE.search(piece, max(0, len(piece) - 200)) if piece[-1:] in ":：=>→* " else None
        if cue is not None and (cue["line"] or is_answer_cue(cue["name"].lower())):
            sign = cue[0].rstrip(" *_\t")[-1]
            start, end = trimmed(text, start, start + cue.start())
            heading = TWIN.match(text, start, end)
            if heading is not None and heading["sign"] == sign and "\n" not in text[start:end]:
                start = heading.end()  # "Note = ..." above "Pile ="
            continue
        if _OPENING.match(piece) is None:
            break
        for form in _WRAPPED:
            held = form.fullmatch(piece)
            if held is not None:
                start, end = start + held.start("in"), start + held.end("in")
                break
        else:
            return start, start
    return start, end


def _under_heading(piece: str) -> int:
    """Where the text under a heading line begins: -1 without such a line, 0 when what it announces is not clear."""
    heading = _HEADING.match(piece)
    if heading is None:
        heading = _CAPITALS.match(piece)
        if heading is None or not heading["name"].isupper() or piece[heading.end() :].isupper():
            return -1
    name = heading["name"].lower()
    if heading.end() == len(piece) or name.count(" ") > 4 or _GREETING.match(name):
        return -1
    return heading.end() if is_input_marker(name.removeprefix("the ")) else 0


def is_nothing(piece: str) -> bool:
    """Whether there is no text: an address alone, or a heading with nothing under it."""
    if _ADDRESS.fullmatch(piece) is not None:
        return True
    return len(piece) < 60 and _EMPTY.fullmatch(piece) is not None


def is_pair(piece: str) -> bool:
    """Whether a stretch holds two texts that are to be held against each other ("Q1: ... Q2: ..."), or parts between
    lines."""
    if any(line in piece for line in _LINES) and len(_LINE.findall(piece)) > 1:
        return True
    if ":" not in piece and "：" not in piece:
        return False
    if _SECOND.search(piece) is not None:
        return True
    numbers: dict[str, set[str]] = {}
    for match in _NUMBERED.finditer(piece[:8000]):
        numbers.setdefault(match["stem"].casefold(), set()).add(match["number"])
    return any(len(found) > 1 for found in numbers.values())


def is_talk(piece: str) -> bool:
    """Whether a turn speaks to the assistant about its answers, or wants other work, rather than being a text."""
    return _TALK.match(piece[:400]) is not None or (
        len(piece) < 160 and piece.rstrip().endswith(("?", "？")) and _AND.match(piece) is not None
    )


_AND = late_pattern(r"\W*(?:und|aber|et|mais|y|pero|e|mas|ma|en|maar|och|men|og|i|a|и|а|но) \w", re.IGNORECASE)
_ROW = late_pattern(r"\s*\d{1,6}[;,\t|]\s*[^\d\s]")  # a row of a table, by its number


_WORDS_ALONE = late_pattern(r"[^\W\d_]+(?:, [^\W\d_]+)+(?:,|,? (?:and|und|et|y|e|or)) [^\W\d_]+\.?")


_OPENED = late_pattern(r"<([A-Za-z_]{2,24})[ >]")


_PAIRS = {
    '"': '"',
    "“": "”",
    "„": "“",
    "«": "»",
    "»": "«",
    "›": "‹",
    "‹": "›",
    "「": "」",
    "『": "』",
    "'": "'",
    "‘": "’",
    "`": "`",
    "<": ">",
}


def is_several(piece: str) -> bool:
    """Whether a stretch holds several texts: a list of them, or elements of one name."""
    if "</" in piece:
        names = [match[1].lower() for match in _OPENED.finditer(piece, 0, 4000)]
        if any(names.count(name) > 1 for name in set(names) & DATA_TAGS):
            return True
    if len(piece) < 80 and ", " in piece and _WORDS_ALONE.fullmatch(piece) is not None:
        return True
    lines = [line for line in piece.split("\n", 40) if line.strip()]
    are_items = [ITEM_LINE.match(line) is not None or _ROW.match(line) is not None for line in lines]
    # Behind a list within a letter or an article its words go on.
    return len(lines) > 1 and sum(are_items) * 2 > len(lines) and (are_items[-1] or are_items[0])


def unquoted(text: str, start: int, end: int) -> tuple[int, int]:
    """Without one pair of quotation marks, or of angle brackets that are no tag, around the whole stretch."""
    closer = _PAIRS.get(text[start : start + 1])
    if closer is None or end - start < 3:
        return start, end
    stop = end
    if text[stop - 1] != closer:
        return start, end
    inner = text[start + 1 : stop - 1]
    if closer == ">" and ("<" in inner or " " not in inner):
        return start, end
    place = inner.find(closer)
    if place > 0 and not inner[place - 1].isspace() and not (closer == "'" and inner[place + 1 : place + 2].isalnum()):
        return start, end
    return trimmed(text, start + 1, stop - 1)
