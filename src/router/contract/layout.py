"""Which stretch of one message is the text to judge: the instruction, examples and answer cues around it left out.

Layout decides, never meaning: tags, fences, markers, quotation marks, paragraphs, a colon. Where two readings are
possible the answer is :data:`AMBIGUOUS`, because a classifier fed the instruction answers nonsense.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..patterns import late_pattern
from .blocks import Block, fences, has_marker, is_answer_cue, markers, tags, trimmed
from .examples import behind_shown
from .fields import HEADLINES, SUBJECTS, document, goes_on_in_field, is_document
from .paragraphs import (
    AMBIGUOUS,
    PARAGRAPH,
    SPEAKERS,
    TEXTS_OWN,
    Found,
    after_colon,
    paragraphs,
    quoted,
    without_instruction,
)
from .speech import is_instruction, lists, orders
from .vocabulary import DATA_TAGS, NOT_DATA, NOUNS
from .words import table

__all__ = ["inside", "marked", "tagged", "whole_or_wrapped"]

_REMINDERS = ("<system-reminder", "<environment_details", "<system_reminder", "[system note", "[system:", "<ide_")

_NO_TAGS = NOT_DATA | frozenset(
    [
        "p",
        "div",
        "span",
        "a",
        "b",
        "i",
        "em",
        "strong",
        "br",
        "ul",
        "ol",
        "li",
        "h1",
        "h2",
        "h3",
        "table",
        "tr",
        "td",
        "th",
        "html",
        "head",
        "u",
        "font",
    ]
)
"""Tags of instructions, and those of HTML: text that is written in it has no tag around it."""


_PARTS = late_pattern(r"(?:(?:^|(?<=[\n.!?/\"”] )|(?<=\n))[ \t]*)([\w][\w /()-]{0,18})[:：]\s", re.MULTILINE)

_QUOTED_LINE = late_pattern(r"(?:\"(?P<in>[^\"]{2,}?)\"|“(?P<in2>[^“”]{2,}?)”)[ \t]*\n[ \t]*\n")

# "is the following message spam? hello there"
_ASKED_FIRST = late_pattern(r"\W*(?:is|are|was|does) (?:this|the following) [^?\n]{3,80}\?[ \t]+(?=\S)", re.IGNORECASE)
_OWN_HEADING = late_pattern(r"^(?P<name>[A-Z][\w'-]{1,20}(?: [\w'-]{2,20}){0,2}): (?=\S)", re.MULTILINE)


def whole_or_wrapped(text: str) -> Found | None:
    """The user's message under an instruction that stands elsewhere: all of it, or what its wrapping holds."""
    if _has_reminder(text):
        return AMBIGUOUS
    start, end = trimmed(text, 0, len(text))
    one = tagged(text, ())
    if one is not None:
        rest = text[start : one[0]] + text[one[1] : end]
        if one is AMBIGUOUS:
            return one
        bare = rest.strip("`\"'<>/-=#*~ \n\t")
        if (
            not bare
            or orders(bare)
            or (len(bare) < 60 and bare.endswith((":", "：")))
            or (len(bare) < 120 and bare.endswith(("?", "？")) and "`" not in rest)
            or (text[start] == "<" and len(rest) < 400)
        ):
            return one
    found = list(markers(text)) if has_marker(text) else []
    inputs = [block for block in found if block.kind == "input"]
    heads = [match[1].lower() for match in _PARTS.finditer(text, 0, 4000)] if _PARTS.match(text, start) else []
    if _is_talk(heads) or is_document(text, start, end):
        return (start, end, 0.85)
    if inputs and inputs[0].outer <= start + 3:
        if inputs[0].name in HEADLINES and PARAGRAPH.search(text, inputs[0].start, end):
            return (start, end, 0.9)  # an e-mail or article with its headline
        if inputs[0].name in SUBJECTS and len(inputs) == 1 and "\n" in text[inputs[0].start : end]:
            return (start, end, 0.85)  # an e-mail whose subject stands right above what it says
        return marked(text, ())
    if inputs and text.endswith("?\n\n", start, inputs[0].outer) and ":" not in text[start : inputs[0].outer]:
        return marked(text, ())  # "How does the loaf in this note sound?", and then the note
    if orders(text):
        if inputs:
            return marked(text, ())
        ask = text.find("\n", start)
        if 0 < ask < start + 200 and text[start:ask].rstrip().endswith((":", "：")):
            return (
                ask,
                max(ask, without_instruction(text, ask, end, ())),
                0.85,
            )  # "Please classify this review:" on a line of its own
        found_inside = inside(text, ())
        if found_inside is None and (asked := _ASKED_FIRST.match(text)) is not None:
            rest = text[asked.end() : end]
            return None if "\n" in rest or is_instruction(rest, ()) else (asked.end(), end, 0.8)
        return found_inside
    if _PARTS.match(text):
        names = [match[1].lower() for match in _PARTS.finditer(text, 0, 4000)]
        if len(set(names)) > 1 and not _is_talk(names):
            return AMBIGUOUS  # "Sheet: ... Claim: ...": two inputs
    if found and found[0].kind == "answer" and found[0].outer <= start + 3:
        # "Answer: the trainer was brilliant": of a survey, under an instruction that codes answers.
        return (found[0].start, end, 0.7) if len(found) == 1 and end - found[0].start > 24 else None
    if text.startswith("Question: ", start) and "\n" not in text[start:end]:
        return AMBIGUOUS  # a heading of the caller's, or the text's own word
    answer = found[-1] if found and found[-1].kind == "answer" and found[-1].start >= end else None
    return (start, answer.outer if answer else end, 0.95)


_PARTIES = table("agent bot customer client caller doctor patient operator interviewer tenant landlord guest nurse rep")


def _is_talk(names: Sequence[str]) -> bool:
    """Whether the lines' headings are the speakers of a conversation: they come again."""
    distinct = set(names)
    if len(distinct) > 1 and distinct <= _PARTIES:
        return True  # "Agent: ... Caller: ..."
    return len(names) >= len(distinct) + 2 or (distinct <= SPEAKERS and len(names) > len(distinct))


def inside(text: str, labels: Sequence[str]) -> Found | None:
    """The text to judge within a message that holds its instruction as well."""
    if _has_reminder(text):
        return AMBIGUOUS
    found = _inside(text, labels)
    tail = behind_shown(text, labels) if labels and text.count("\n") > 3 else 0
    if tail and (found is None or found[0] < tail):
        behind = _inside(text[tail:], labels)
        found = None if behind is None else (tail + behind[0], tail + behind[1], min(behind[2], 0.85))
    return found


def _inside(text: str, labels: Sequence[str]) -> Found | None:
    return (
        tagged(text, labels) or document(text, labels) or marked(text, labels) or quoted(text, labels)
        or paragraphs(text, labels) or after_colon(text, labels)
    )  # fmt: skip


def _has_reminder(text: str) -> bool:
    if "<" not in text and "[" not in text:
        return False
    lower = text.lower()
    return any(mark in lower for mark in _REMINDERS)


def tagged(text: str, labels: Sequence[str]) -> Found | None:
    if "</" in text:
        blocks = [block for block in tags(text) if block.name not in _NO_TAGS and block.end > block.start]
        data = [block for block in blocks if block.name in DATA_TAGS] or blocks
        data = [block for block in data if not lists(text[block.start : block.end], labels)]
        if len(data) == 1:
            start, end = data[0].start, data[0].end
            inner = [block for block in tags(text[start:end]) if block.name in DATA_TAGS]
            if len(inner) == 1 and inner[0].outer == 0 and start + inner[0].outer_end == end:
                return (start + inner[0].start, start + inner[0].end, 0.93)
            nested = [block.name for block in tags(text[start:end])]
            if len(nested) > len(set(nested)) and not set(nested) & _NO_TAGS:
                return AMBIGUOUS  # "<doc>...</doc><doc>...</doc>" in one element: several texts
            return (start, end, 0.96 if data[0].name in DATA_TAGS else 0.8)
        if len(data) > 1:
            return AMBIGUOUS
    if (
        "```" in text
        or '"""' in text
        or "'''" in text
        or "---" in text
        or "###" in text
        or "===" in text
        or "BEGIN" in text
    ):
        data = [
            block for block in fences(text)
            if not lists(text[block.start : block.end], labels) and not text.startswith(("{", "["), block.start)
        ]  # fmt: skip
        if len(data) == 1:
            return (data[0].start, data[0].end, 0.94)
    return None


def marked(text: str, labels: Sequence[str]) -> Found | None:
    found = list(markers(text)) if has_marker(text) else []
    found = [block for block in found if not (block.kind == "input" and _lists_at(text, block, labels))]
    inputs = [block for block in found if block.kind == "input"]
    if not inputs and labels and (own := _own_heading(text, labels)) is not None:
        inputs = [own]
    if not inputs:
        return None
    answers = [block for block in found if block.kind == "answer"]
    place = len(inputs) - 1
    block = inputs[place]
    # A marker whose own line is empty and that another follows at once holds them all: "Email:\nSubject: ...".
    while place > 0 and inputs[place - 1].start == inputs[place].outer:
        place -= 1
        block = inputs[place]
    if place > 0:
        before = inputs[place - 1]
        if not any(before.outer < answer.outer < block.outer for answer in answers):
            if before.name == block.name or block.outer - before.start < 2000:
                return AMBIGUOUS  # two inputs, and nothing says which one is judged
        elif not any(text[a.outer : a.start].find("\n") < 0 for a in answers if before.outer < a.outer < block.outer):
            return AMBIGUOUS
    end = len(text)
    for answer in answers:
        if answer.outer > block.start:
            if not labels and answer.start < len(text) and "\n" not in text[answer.outer : answer.start]:
                return AMBIGUOUS  # "Context: ... Answer: ...": an answer that is to be judged
            if answer.start < len(text) and "\n" not in text[answer.outer : answer.start]:
                line_end = text.find("\n", answer.start)
                if line_end >= 0 and text[line_end:].strip():
                    continue  # a line of the text that only looks like a cue
                if labels and text[answer.start :].strip().casefold() not in {label.casefold() for label in labels}:
                    continue
            end = answer.outer
            break
    start, end = trimmed(text, block.start, end)
    if text.startswith(('"', "“"), start) and (line := _QUOTED_LINE.match(text, start, end)) is not None:
        # 'Ticket: "..."', and another paragraph: what is quoted ends there.
        group = "in" if line["in"] else "in2"
        return (line.start(group), line.end(group), 0.92)
    end = without_instruction(text, start, end, labels)
    if start >= end:
        return None if end >= 0 else AMBIGUOUS
    if block.name in HEADLINES and PARAGRAPH.search(text, start, end):
        start = block.outer  # an e-mail or article with its headline
    elif goes_on_in_field(text, start, end):
        return AMBIGUOUS
    return (start, end, 0.92)


def _own_heading(text: str, labels: Sequence[str]) -> Block | None:
    """What stands behind the only heading of the caller's own ("Memo: ..."), up to the end of the text."""
    found: list[Block] = []
    for match in _OWN_HEADING.finditer(text) if has_marker(text) else ():
        name = match["name"].lower()
        word = name.rsplit(" ", 1)[-1]
        if (
            match["name"].isupper()
            or name.split(" ", 1)[0] in TEXTS_OWN
            or word in NOUNS
            or is_answer_cue(name)
            or word in NOT_DATA
            or name.startswith("http")
        ):
            continue
        line = text[match.end() : match.end() + 400].split("\n", 1)[0]
        if lists(line, labels) or is_instruction(line, labels):
            continue
        found.append(Block("input", name, match.end(), len(text), match.start(), len(text)))
        if len(found) > 1:
            return None
    return found[0] if found else None


def _lists_at(text: str, block: Block, labels: Sequence[str]) -> bool:
    stop = text.find("\n", block.start)
    return lists(text[block.start : len(text) if stop < 0 else stop], labels)
