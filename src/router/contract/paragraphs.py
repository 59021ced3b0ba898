"""The text to judge where no tag or marker frames it: in quotation marks, in paragraphs of its own, behind a colon."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..patterns import late_pattern
from .blocks import next_colon, quotations, trimmed
from .speech import is_instruction, is_own, lists, mentions, orders
from .vocabulary import ANSWER_WORDS, CLASSIFY, INPUT_WORDS, NOUNS
from .words import alternatives, table, words_of

__all__ = [
    "AMBIGUOUS",
    "PARAGRAPH",
    "SPEAKERS",
    "TEXTS_OWN",
    "Found",
    "after_colon",
    "paragraphs",
    "quoted",
    "without_instruction",
]

_HEADING = late_pattern(r"\**[A-Z][\w'’-]*(?: [\w'’-]+){0,3}\**[:：]\**(?:[ \t]*\n|[ \t])")
# "Tone of a guest's letter: ..."
_ASKED_OF = late_pattern(
    rf"(?:{alternatives(NOUNS | ANSWER_WORDS)}) of "
    r"(?:an?|the|this|my) [\w'’ -]{2,50}[:：][ \t]+(?=\S)",
    re.IGNORECASE,
)
_SMALL_HEADING = late_pattern(r"^([a-z]{2,12}):[ \t]+(?=\S)", re.MULTILINE)
# "Here is the question: when do swans moult?"
_FILLED = late_pattern(
    r"(?:(?:reply|response|answer|comment|quote|summary|note)s?|(?:here (?:is|are)|this is) (?:the|an?|my|our) "
    r"[\w ]{1,30})[:：] \S+ \S",
    re.IGNORECASE,
)
PARAGRAPH = late_pattern(r"\n[ \t\r]*\n")
_LINE = late_pattern("\n")
# "Rules: only the label." right below the text
RULES_BELOW = late_pattern(
    r"\n[ \t]*[*_#]{0,3} ?(?:[^\W\d_]+ )?(?:rules?|guidelines|instructions?|constraints|requirements|criteria|"
    r"reference values|regole|istruzioni|reglas|instrucciones|règles|consignes|regeln|anweisungen|hinweise|regras|"
    r"instruções|regels|规则|要求|ルール|注意)[*_]*[ \t]?[:：]",
    re.IGNORECASE,
)
TEXTS_OWN = table(
    """
    re fw fwd aw wg ps edit update urgent warning breaking attention important reminder subject from to dear hi hello
    fact question tip spoiler verdict pros cons new
    """
)
"""Words before a colon that a text has of its own."""
_OF_TEXT = CLASSIFY | INPUT_WORDS | {"this", "following"}
Found = tuple[int, int, float]
AMBIGUOUS: Found = (0, 0, 0.0)
"""Several readings are possible: no other way of splitting is tried."""
SPEAKERS = table(
    "a b q agent bot user customer client caller me you assistant operator doctor patient interviewer speaker kunde"
)


def without_instruction(text: str, start: int, end: int, labels: Sequence[str]) -> int:
    """The end of the text when its last paragraphs or lines are the instruction; -1 when they hold another text."""
    if labels and (told := RULES_BELOW.search(text, start, end)) is not None:
        end = trimmed(text, start, told.start())[1]
    for _ in range(12):
        cut = max(text.rfind("\n", start, end), start)
        if cut <= start:
            return end
        last = text[cut:end].strip()
        if last and not is_instruction(last, labels):
            return end
        if _is_filled(last, labels):
            return -1  # "Reply: sorry to hear that": another text beside the one that was found
        end = trimmed(text, start, cut)[1]
    return end


def _is_filled(part: str, labels: Sequence[str]) -> bool:
    """Whether a stretch between instructions holds a text of its own, beside the one to judge."""
    return _FILLED.match(part) is not None and not lists(part, labels)


def quoted(text: str, labels: Sequence[str]) -> Found | None:
    folded = {label.casefold() for label in labels}
    found = [
        block for block in quotations(text)
        if text[block.start : block.end].casefold().strip(".,") not in folded
        and block.end - block.start > 1
        and not (text.startswith(":", block.outer_end) and text[: block.outer].rstrip().endswith(("{", ",")))
    ]  # fmt: skip
    if len(found) > 1:
        doubles = [block for block in found if block.name not in "'‘`"]
        found = doubles if len(doubles) == 1 else found
    if len(found) != 1:
        return None
    block = found[0]
    if (end := _end_of_quoted(text, block.outer, block.outer_end)) != block.outer_end:
        return AMBIGUOUS if end < 0 else (*trimmed(text, block.outer + 1, end - 1), 0.85)
    length = block.end - block.start
    rest = len(text) - length
    if length < 12 and " " not in text[block.start : block.end] and text[block.start : block.end].isascii():
        return None
    if rest > 400 and length < rest / 3:
        return None
    around = f"{text[: block.outer]} {text[block.outer_end :]}"
    if labels and not mentions(around, labels) and not is_instruction(around, labels):
        return None
    # Words of the text may stand outside the quotation marks: a quotation within the text to judge.
    before, after = text[: block.outer].rstrip(), text[block.outer_end :].lstrip()
    if before and not before.endswith((":", "：", "?", ".", ")", "\n", ",")) and after and len(after.split()) > 30:
        return None
    return (block.start, block.end, 0.9)


def _end_of_quoted(text: str, start: int, end: int) -> int:
    """Where a paragraph in quotation marks ends that holds a quotation itself: "She said "no" to it."; -1 where it may
    be two quotations."""
    mark = text[start]
    if mark not in "\"'`" or text[:start].rstrip(" \t")[-1:] not in ("", "\n", ":"):
        return end
    stop = PARAGRAPH.search(text, end)
    tail = text[end : stop.start() if stop is not None else len(text)].rstrip()
    if not tail.endswith(mark):
        return end
    return -1 if re.search(rf"(?:^|\s){mark}\w", tail) is not None else end + len(tail)


def paragraphs(text: str, labels: Sequence[str]) -> Found | None:
    """Instruction first or last, in paragraphs or lines of its own."""
    for pattern in (PARAGRAPH, _LINE):
        parts = _parts(text, pattern)
        if len(parts) < 2:
            continue
        told = [is_instruction(text[start:end], labels) for start, end in parts]
        if len(parts) == 2 and all(told) and labels:
            told = [mentions(text[start:end], labels) or not is_own(text[start:end]) for start, end in parts]
        if all(told) or not any(told):
            continue
        if any(is_told and _is_filled(text[slice(*part)], labels) for is_told, part in zip(told, parts, strict=True)):
            return AMBIGUOUS
        first = told.index(False)
        last = len(told) - 1 - told[::-1].index(False)
        if any(told[first : last + 1]):
            return None
        start, end = _without_header(text, parts[first][0], parts[last][1])
        if start < 0 or (text[start:end].endswith("?") and end - start < 25):
            return AMBIGUOUS
        certainty = 0.86 if pattern is PARAGRAPH else 0.8
        return (start, end, certainty if (first > 0) != (last < len(parts) - 1) else certainty - 0.05)
    return None


def _without_header(text: str, start: int, end: int) -> tuple[int, int]:
    """The text without a heading line such as ``Issue body:``; a start of -1 when words before a colon are unclear."""
    heading = _HEADING.match(text, start, end)
    if heading is None and (asked := _ASKED_OF.match(text, start, end)) is not None:
        return trimmed(text, asked.end(), end)
    if heading is None:
        own = _SMALL_HEADING.match(text, start, end)
        if own is None or own[1] in TEXTS_OWN or own[1] in SPEAKERS or _SMALL_HEADING.search(text, own.end(), end):
            return start, end
        return trimmed(text, own.end(), end)  # "bio: gym, dogs": a heading, written in small letters
    if heading[0].rstrip(" \t*:：").isupper() and heading[0][-1] != "\n":
        return start, end  # "URGENT: your parcel is held": a heading known by nobody, shouted by the text itself
    if heading[0].endswith("\n"):
        return trimmed(text, heading.end(), end)
    name = re.escape(heading[0].strip(" \t*:：").lower())
    if re.search(rf"\b(?:the|this|that|following) (?:[\w-]+ )?{name}\b", f"{text[:start]} {text[end:]}".lower()):
        return trimmed(text, heading.end(), end)  # "Classify the question" and "Question: ..."
    return -1, end


def _parts(text: str, pattern: re.Pattern[str]) -> list[tuple[int, int]]:
    parts: list[tuple[int, int]] = []
    position = 0
    for match in pattern.finditer(text):
        parts.append((position, match.start()))
        position = match.end()
        if len(parts) > 200:
            break
    parts.append((position, len(text)))
    return [(start, end) for start, end in (trimmed(text, *part) for part in parts) if start < end]


def after_colon(text: str, labels: Sequence[str]) -> Found | None:
    """``Classify as spam or ham: WIN A PRIZE``: instruction, colon, text, all in one line."""
    place = -1
    for _ in range(8):
        place = next_colon(text, place + 1)
        if place < 0:
            return None
        head, rest = text[:place], text[place + 1 :]
        if "\n" in rest.strip() and len(labels) > 0 and mentions(rest, labels):
            return None
        if not rest.strip() or (rest[:1] not in " \t\n" and text[place] == ":"):
            continue
        if labels and mentions(head, labels) and not lists(rest, labels):
            if is_instruction(rest, labels) or (rest.rstrip().endswith("?") and _OF_TEXT.isdisjoint(words_of(head))):
                return None  # "Hot or cold: what is tea?" asks for knowledge
            start, end = trimmed(text, place + 1, len(text))
            return (start, end, 0.85)
        if not mentions(text, labels) and orders(head) and len(head) < 200:
            if is_instruction(rest, labels):
                return AMBIGUOUS
            start, end = trimmed(text, place + 1, len(text))
            return (start, end, 0.8)
    return None
