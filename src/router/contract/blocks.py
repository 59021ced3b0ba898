"""The delimited stretches of a prompt: XML tags, fences, triple quotes, ``Review:`` markers, quotation marks.

Purely where they stand; what they mean is decided by those who ask. Costs are bounded: at most so many stretches of a
kind are looked at, and none of the searches backtracks.
"""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

from ..patterns import late_pattern
from .lexicon_further import FURTHER_INPUTS
from .turns import alternating, answering
from .vocabulary import ANSWER_WORDS, CLASSIFY, INPUT_WORDS, NOT_DATA, NOUNS

__all__ = [
    "FENCES",
    "Block",
    "fences",
    "has_marker",
    "is_answer_cue",
    "is_input_marker",
    "markers",
    "next_colon",
    "quotations",
    "tags",
    "trimmed",
]

_MAX = 48


class Block(NamedTuple):
    """Content at ``text[start:end]`` (no white space at its edges), delimiters included ``text[outer:outer_end]``."""

    kind: str
    name: str
    start: int
    end: int
    outer: int
    outer_end: int


_TAG = late_pattern(r"<([A-Za-z][\w.:-]{0,40})(?:\s[^<>]{0,200})?>")
_HEADING = late_pattern(r"^(?:#{1,4} +([^\n]{1,40})|\[([A-Za-z][\w '’-]{1,32})\]:?[ \t]*)(?:\n|\Z)", re.MULTILINE)
_RULE = late_pattern(r"^[ \t]*([-=#*_~\"])\1{2,}[ \t]*$|^(\")$", re.MULTILINE)
_FRAMED = late_pattern(
    r"^[-=*#\[<]{2,} ?(?:(?:BEGIN|START)(?: OF)?(?P<name>(?: [A-Z]+){0,3})|(?:[A-Z]+ ){1,3}(?:BEGIN|"
    r"START)S?) ?[-=*#\]>]{2,}[ \t]*\n(?P<in>.+?)\n"
    r"[-=*#\[<]{2,} ?(?:END(?: OF)?(?: [A-Z]+){0,3}|(?:[A-Z]+ ){1,3}ENDS?) ?[-=*#\]>]{2,}[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
# "Job title -> ...", "text = ..." on a line of its own.
_POINTED = late_pattern(
    r"^[ \t]*(?P<name>[^\W\d_](?:[\w]| (?=\w)){0,24})[ \t]*(?:[-=]{1,2}>|→|=|>{2,3})(?:[ \t]+(?=\S)|"
    r"[ \t]*$)",
    re.MULTILINE,
)
_FENCE_INFO = late_pattern(r"[A-Za-z]{0,12}[ \t]*\n")


_INPUT_PREFIXES = ("customer ", "user ", "the ", "input ", "product ", "movie ", "film ", "support ", "chat ", "news ",
                   "email ", "user's ", "customer's ", "patient ", "current ", "new ", "your ", "here is the ",
                   "here's the ", "this is the ", "following ", "incoming ")  # fmt: skip
_INPUT_SUFFIXES = (" to classify", " to analyze", " to analyse", " to label", " to judge", " to evaluate", " sample",
                   " text", " below", " body", " content", " to be classified", " message", " here",
                   " to moderate", " to categorize", " to review")  # fmt: skip
FENCES = ("```", '"""', "'''")
"""What stands around data."""
_UNSPACED_INPUTS = (
    "文本", "评论", "句子", "内容", "消息", "标题", "输入", "テキスト", "レビュー",
    "コメント", "メッセージ", "텍스트", "리뷰", "문장", "댓글", "메시지", "本文", "正文",
    "新闻", "帖子", "邮件", "ニュース", "メール", "投稿", "뉴스", "기사",
)  # fmt: skip
_SAYS = (
    " says",
    " said",
    " writes",
    " wrote",
    " asks",
    " asked",
    " schreibt",
    " sagt",
    " écrit",
    " escribe",
    " scrive",
)
_OF = ("of ", "from ", "de ", "du ", "des ", "der ", "del ", "di ", "da ", "van ", "av ", "do ")
_COMPOUND_INPUTS = (
    "meddelande", "melding", "meldung", "nachricht", "anfrage", "kommentar", "bericht", "vraag", "reactie", "besked",
    "recension", "rezension", "bewertung", "beschwerde", "ärende", "notiz", "text", "tekst",
)  # fmt: skip
_NO_INPUT = frozenset({"possible", "allowed", "example", "sample", "valid", "available", "output", "other", "previous"})
_STRIP = " \t*_#>-•`"


# "in <ticket> tags": the element is spoken of, it does not begin here.
_SPOKEN_OF = late_pattern(
    r"(?:\s?(?:and|\.{3}|…|,)?\s?</[^<>\n]{1,40}>)?[\"'`]? (?:xml )?(?:tags?|elements?|block|section)\b", re.I
)


def has_marker(text: str) -> bool:
    """Whether a text can hold a marker at all; cheap."""
    return ":" in text or "：" in text or "#" in text or "]\n" in text or _may_point(text)


def tags(text: str) -> list[Block]:
    """XML-like elements that are closed, outermost first in the order of the text, nested ones left out."""
    if "</" not in text:
        return []
    found: list[Block] = []
    position = 0
    for _ in range(_MAX):
        opening = _TAG.search(text, position)
        if opening is None:
            break
        if _SPOKEN_OF.match(text, opening.end()):
            position = opening.end()
            continue
        closing = text.find(f"</{opening[1]}>", opening.end())
        if closing < 0:
            position = opening.end()
            continue
        start, end = trimmed(text, opening.end(), closing)
        outer_end = closing + len(opening[1]) + 3
        found.append(Block("tag", opening[1].lower(), start, end, opening.start(), outer_end))
        position = outer_end
    return found


def fences(text: str) -> list[Block]:
    """Stretches between triple backticks, triple quotes, or two lines of ``###``, ``---``, ``===`` or the like."""
    found: list[Block] = []
    for mark in ("```", '"""', "'''"):
        position = text.find(mark)
        while position >= 0 and len(found) < _MAX:
            begin = position + 3
            closing = text.find(mark, begin)
            if closing < 0:
                break
            if mark == "```":
                info = _FENCE_INFO.match(text, begin)
                begin = info.end() if info else begin
            start, end = trimmed(text, begin, closing)
            if start < end:
                found.append(Block("fence", mark, start, end, position, closing + 3))
            position = text.find(mark, closing + 3)
    for framed in _FRAMED.finditer(text) if "BEGIN" in text or "START" in text else ():
        start, end = trimmed(text, framed.start("in"), framed.end("in"))
        if start < end:
            found.append(Block("fence", "BEGIN", start, end, framed.start(), framed.end()))
    if found:
        return found
    rules = list(_RULE.finditer(text))
    if len(rules) == 2 and rules[0][0].strip()[0] == rules[1][0].strip()[0]:
        start, end = trimmed(text, rules[0].end(), rules[1].start())
        heading = text[start : start + 40].split(":", 1)[0]
        if start < end and not text.startswith(f"{heading}:", trimmed(text, rules[1].end(), len(text))[0]):
            found.append(Block("fence", rules[0][0].strip()[:3], start, end, rules[0].start(), rules[1].end()))
    return found


def _may_point(text: str) -> bool:
    return "->" in text or "→" in text or ">>" in text or "=" in text


@functools.lru_cache(maxsize=8)  # who looks for the instruction and who looks for the text ask alike
def markers(text: str) -> tuple[Block, ...]:
    """``Review: ...``-like markers at the start of a line or sentence; the content runs to the end of the text.

    ``name`` is the marker in lower case; ``kind`` is ``input`` or ``answer``.
    """
    found = _headings(text) if "#" in text or "]\n" in text else []
    headings = len(found)
    position = -1
    for _ in range(_MAX):
        position = next_colon(text, position + 1)
        if position < 0:
            break
        line = text.rfind("\n", 0, position) + 1
        stop = position
        if text[position - 1 : position] == ")":  # "Sentiment (positive, negative):"
            opening = text.rfind("(", line, position)
            stop = opening if opening > line else position
        if stop - line > 120:
            line = stop - 60
        head = text[line:stop]
        if headings and head.startswith(("#", "[")) and any(block.outer == line for block in found):
            continue
        cut = max(head.rfind(". "), head.rfind("? "), head.rfind("! "), head.rfind("。"), head.rfind(") "))
        if cut >= 0:
            line, head = line + cut + 1, head[cut + 1 :]
        if head[:1] == "[" and head[-1:] == "]":
            head = head[1:-1]  # "[Message]: ..."
        name = head.strip(_STRIP).split(" (", 1)[0].lower()
        if not name or len(name) > 40 or name.count(" ") > 4 or text.startswith("(str", stop):
            continue
        kind = "input" if is_input_marker(name) else "answer" if is_answer_cue(name) else ""
        if not kind and _is_named_before(text, line, head, name):
            # "Estimate the urgency ... Urgency:", with nothing behind it: there the answer is to stand.
            kind = "input" if text[position + 1 :].strip(" \n\t*_") else "answer"
        if not kind:
            continue
        begin = position + 1
        while text[begin : begin + 1] == "*":
            begin += 1
        start, end = trimmed(text, begin, len(text))
        found.append(Block(kind, name, start, end, line + len(head) - len(head.lstrip()), end))
    if text[-8:].rstrip().endswith((":", "：")) and text.count("\n") > 4:
        turns = alternating(text)
        begun = {outer for _, _, outer, _ in turns}
        found = [block for block in found if block.outer not in begun]
        for kind, name, outer, begin in turns:
            found.append(Block(kind, name, *trimmed(text, begin, len(text)), outer, len(text)))
    inputs = [block for block in found if block.kind == "input"]
    if 1 < len(inputs) < 24 and all(block.kind == "input" and block.name == inputs[0].name for block in found):
        for name, outer, begin in answering(text, [block.start for block in inputs]):
            found.append(Block("answer", name.lower(), *trimmed(text, begin, len(text)), outer, len(text)))
    pointed = _POINTED.finditer(text) if _may_point(text) else ()
    for match in pointed:
        name = match["name"].lower()
        kind = "input" if is_input_marker(name) else "answer" if is_answer_cue(name) else ""
        if not kind and _is_named_before(text, match.start(), match["name"].capitalize(), name):
            kind = "input"
        if kind:
            start, end = trimmed(text, match.end(), len(text))
            found.append(Block(kind, name, start, end, match.start("name"), end))
    found.sort(key=lambda block: block.outer)
    if len(found) > 3:
        # What is an answer's heading once is no text's heading.
        answers = {block.name for block in found if block.kind == "answer" and not is_input_marker(block.name)}
        found = [block._replace(kind="answer") if block.name in answers else block for block in found]
    return tuple(found)


def _headings(text: str) -> list[Block]:
    found: list[Block] = []
    for match in _HEADING.finditer(text):
        if match[1] is None and f"[/{match[2]}]" in text:
            continue  # "[REVIEW] ... [/REVIEW]" is a frame
        name = (match[1] or match[2]).strip(" :*#").lower()
        if name in ("context", "background", "about"):
            continue
        kind = "input" if is_input_marker(name) else "answer" if is_answer_cue(name) else ""
        if not kind and _is_named_before(text, match.start(), name.capitalize(), name):
            kind = "input"
        if kind:
            start, end = trimmed(text, match.end(), len(text))
            found.append(Block(kind, name, start, end, match.start(), end))
        if len(found) >= _MAX:
            break
    return found


def is_input_marker(name: str) -> bool:
    """Whether a marker's words (lower case, no colon) introduce the text to judge."""
    name = name.removesuffix(" is")  # "The user input is:"
    if name in INPUT_WORDS or name in FURTHER_INPUTS:
        return True
    if "/" in name:
        return any(is_input_marker(half.strip()) for half in name.split("/"))  # "Lyrics/description:"
    if name[-1:].isdigit():
        name = name.rstrip("0123456789").rstrip(" #")
    elif name.endswith(_SAYS):
        return name.count(" ") <= 2
    whole = name
    while name.startswith(_INPUT_PREFIXES):
        name = name[len(next(prefix for prefix in _INPUT_PREFIXES if name.startswith(prefix))) :]
    if name.endswith(_INPUT_SUFFIXES):
        suffix = next(suffix for suffix in _INPUT_SUFFIXES if name.endswith(suffix))
        name = name[: -len(suffix)] or name
    if name in INPUT_WORDS:
        return True
    if not name.isascii() and name.endswith(_UNSPACED_INPUTS):
        return True
    if " " not in name and name.endswith(_COMPOUND_INPUTS):
        return True  # "Kundmeddelande", "Kundenanfrage", "Klantvraag"
    first, _, rest = whole.partition(" ")
    if first in INPUT_WORDS and rest.startswith(_OF):
        return True
    if first in ("reply", "answer", "response", "feedback") and rest.startswith("from "):
        return True
    return rest in INPUT_WORDS and first not in _NO_INPUT and first not in CLASSIFY


def _is_named_before(text: str, line: int, head: str, name: str) -> bool:
    """Whether a line's marker is a word by which the instruction before it calls the text: "the advert ... Advert:"."""
    word = name.rsplit(" ", 1)[-1]
    if len(word) < 3 or name.count(" ") > 1 or word in NOT_DATA or word in NOUNS or word in ANSWER_WORDS:
        return False
    if not head[:1].isupper() or text[max(0, line - 1) : line] != "\n" or line > 4000:
        return False
    return (
        re.search(
            rf"(?:the|this|each|following|type of|kind of|sort of|a|an|den|die|das|le|la|el|il|"
            rf"het)\s(?:[\w-]+\s){{0,3}}{re.escape(word)}\b",
            text[:line].lower(),
        )
        is not None
    )


def is_answer_cue(name: str) -> bool:
    """Whether a marker's words (lower case, no colon) announce the answer."""
    if name in ANSWER_WORDS:
        return True
    word = name.rsplit(" ", 1)[-1]
    if name == "sample target":  # scikit-llm's examples
        return True
    return word in ANSWER_WORDS and name.count(" ") <= 3


_OPEN = late_pattern(r"[\"“„«「『]|(?<![\w'])['‘`](?=\S)")
_CLOSE = {'"': '"', "“": "”", "„": "“”", "«": "»", "「": "」", "『": "』", "'": "'", "‘": "’", "`": "`"}


@functools.lru_cache(maxsize=8)
def quotations(text: str) -> tuple[Block, ...]:
    """Quoted stretches, outermost first in the order of the text; a quote inside another is part of it."""
    found: list[Block] = []
    position = _first_quote(text)
    if position < 0:
        return ()
    for _ in range(_MAX):
        opening = _OPEN.search(text, position)
        if opening is None:
            break
        mark = opening[0]
        closing = _closing(text, opening.end(), mark)
        if closing < 0:
            position = opening.end()
            continue
        start, end = trimmed(text, opening.end(), closing)
        if start < end:
            found.append(Block("quote", mark, start, end, opening.start(), closing + 1))
        position = closing + 1
    return tuple(found)


def _first_quote(text: str) -> int:
    """Where to look for quotation marks first; -1 when none can open: an apostrophe inside a word does not."""
    marks = '"`' if text.isascii() else '"`“„«「『‘'
    places = [place for place in map(text.find, marks) if place >= 0]
    place = -1
    while (place := text.find("'", place + 1)) >= 0:
        if place == 0 or not text[place - 1].isalnum():
            places.append(place)
            break
    return min(places) if places else -1


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The stretch without white space at its edges."""
    piece = text[start:end]
    lead = len(piece) - len(piece.lstrip())
    if lead == len(piece):
        return start, start
    return start + lead, end - (len(piece) - len(piece.rstrip()))


def next_colon(text: str, position: int) -> int:
    """Where the next colon of either width stands; -1 where none does."""
    narrow = text.find(":", position)
    if text.isascii():
        return narrow
    wide = text.find("：", position)
    return narrow if wide < 0 else wide if narrow < 0 else min(narrow, wide)


def _closing(text: str, position: int, mark: str) -> int:
    closers = _CLOSE[mark]
    if mark not in "'‘`":
        places = [place for place in (text.find(closer, position) for closer in closers) if place >= 0]
        return min(places) if places else -1
    for _ in range(_MAX):
        place = text.find(closers, position)
        if place < 0:
            return -1
        after = text[place + 1 : place + 2]
        if not after.isalnum():  # an apostrophe inside a word closes nothing
            return place
        position = place + 1
    return -1
