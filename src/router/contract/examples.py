"""Worked examples in a request: what the assistant answered before, as chat turns or as ``Sentiment: positive`` lines.

Knows how examples look, not what the labels mean. Their answers tell the shape and the spelling, seldom the whole list.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Sequence

import msgspec

from ..patterns import late_pattern
from ..types import Contract, Request
from .blocks import markers
from .vocabulary import ANSWER_WORDS

__all__ = ["EDGES", "MARKED", "Shown", "behind_shown", "is_example", "is_pointed", "shown_answers", "without_examples"]

_MAX_TURNS = 64
# "Note: swapped the compressor" and "Label: replaced" on the line below.
_PAIR = late_pattern(
    r"^[ \t]*(?:\d{1,2}[.)] )?(?P<in>[^\W\d_][^:：\n]{0,24})(?:: |： ?)(?P<text>[^\n]+)\n"
    r"[ \t]*(?P<out>[^\W\d_][^:：\n]{0,24})(?:: |： ?)(?P<label>[^\n]{1,80})$",
    re.MULTILINE,
)
_GREETING = late_pattern(
    r"\W*(?:hi|hello|hey|hallo|good (?:morning|afternoon|evening)|bonjour|hola|ciao|olá|moin|servus)\b(?: there| "
    r"all| again|"
    r" everyone)?\W*",
    re.IGNORECASE,
)
_VALUE = late_pattern(r"\{\s*\"[^\"]{1,40}\"\s*:\s*\"([^\"]*)\"\s*\}")


_EXAMPLE = late_pattern(
    r"[\"'“„«‘`].{1,400}[\"'”“»’`]\s*(?:->|=>|→|⇒|—|–|=|:)\s*(.{1,64})$|.{2,400}\s(?:->|=>|→|⇒)\s*(.{1,64})$"
)
_ROW = late_pattern(r"[ \t]*\|[^|\n]{1,400}(?:\|[^|\n]*)*\|([^|\n]{1,64})\|[ \t]*")
_ARROW = late_pattern(r"\s*\S.{0,400}?\s*(?:->|=>|→|⇒)\s*(.{1,64}?)\s*")
MARKED = late_pattern(r"[\W_]*([^\W\d_][\w ]{0,24}?)\**[:：]\**\s*(.{1,64})$")
EDGES = " \t\"'`*.,“”‘’«»[](){}<>"
"""Signs around an answer that do not belong to it."""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """The answers that the examples show. ``path`` is set when they are JSON objects of one key."""

    answers: tuple[str, ...]
    labels: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    certainty: float = 0.0
    is_chat: bool = False

    def against(self, contract: Contract) -> str | None:
        """Why the examples do not fit the contract; None when they do, or when they are plain conversation."""
        labels = contract.labels
        if labels is None or not self.answers:
            return None
        known = set(labels)
        strange = [answer for answer in self.answers if answer not in known]
        if not strange:
            return None
        folded = {label.casefold() for label in labels}
        if all(answer.casefold() in folded for answer in strange):
            return "the examples spell the labels differently from the list."
        return "the examples give answers that are not in the list."


def without_examples(text: str, labels: Sequence[str]) -> str:
    """An instruction without its worked examples of two lines, whose text is no rule."""
    known = {label.casefold() for label in labels}
    if "->" in text or "=>" in text or "→" in text:
        lines = text.split("\n")
        others = [line for line in lines if not is_pointed(line, known)]
        text = "\n".join(others) if len(others) + 1 < len(lines) else text
    if "|\n" in text:
        text = _without_rows(text, known)
    if text.count(": ") + text.count("：") < 2:
        return text

    def shown(pair: re.Match[str]) -> str:
        answer = pair["label"].strip()
        value = _VALUE.fullmatch(answer)
        answer = value[1] if value is not None else answer.strip("\"'`*.")
        return "" if answer.casefold() in known and pair["in"] != pair["out"] else pair[0]

    return _PAIR.sub(shown, text)


def _without_rows(text: str, known: set[str]) -> str:
    """The text without a table whose last column holds labels, when at least two of its rows are such examples."""
    lines = text.split("\n")
    shown = {
        place
        for place, line in enumerate(lines)
        if (row := _ROW.fullmatch(line)) is not None and row[1].strip().strip(EDGES).casefold() in known
    }
    if len(shown) < 2:
        return text
    rows = {place for place, line in enumerate(lines) if line.lstrip().startswith("|")}
    first = min(shown)
    head = {place for place in (first - 1, first - 2) if place in rows}
    return "\n".join(line for place, line in enumerate(lines) if place not in shown | head)


_ANSWERED = late_pattern(
    r"^[ \t]*(?:[-*•] )?(?P<name>[^\W\d_][\w ]{0,24})[:：][ \t]*[\"'`]?(?P<label>[^\n\"'`:：]{1,48}?)[\"'`.]?[ \t]*$",
    re.MULTILINE,
)


def behind_shown(text: str, labels: Sequence[str]) -> int:
    """Where the worked examples of a prompt end: behind the last line that is a heading and a label; 0 without two."""
    known = {label.casefold() for label in labels}
    shown = [match for match in _ANSWERED.finditer(text) if match["label"].casefold() in known]
    if len(shown) < 2 or len({match["name"] for match in shown}) > 1:
        return 0
    return shown[-1].end()


def is_pointed(line: str, names: Collection[str]) -> bool:
    """Whether a line is a text, an arrow and one of the labels (in small letters)."""
    pointed = _ARROW.fullmatch(line)
    return pointed is not None and pointed[1].strip(EDGES).casefold() in names


def shown_answers(request: Request) -> Shown | None:
    """What worked examples show, or None when the request has none."""
    last = request.last_user()
    if last is None:
        return None
    turns: list[str] = []
    previous, is_greeted = "", False
    for message in request.messages[:last]:
        if message.role == "assistant" and previous == "user" and not is_greeted:
            turns.append(message.text.strip())
        previous = message.role
        is_greeted = message.role == "user" and len(message.text) < 40 and _GREETING.fullmatch(message.text) is not None
    if turns:
        return _read(turns[:_MAX_TURNS], is_chat=True)
    return _read(_lines(request.messages[last].text), is_chat=False)


def _read(answers: list[str], *, is_chat: bool) -> Shown | None:
    if not answers or (not is_chat and len(answers) < 2):
        return None
    path: tuple[str, ...] = ()
    if all(answer.startswith("{") and answer.endswith("}") and len(answer) < 400 for answer in answers):
        found = [_only_entry(answer) for answer in answers]
        entries = [entry for entry in found if entry is not None]
        if len(entries) == len(found) and len({key for key, _ in entries}) == 1:
            path = (entries[0][0],)
            answers = [value for _, value in entries]
    counts = Counter(answers)
    short = all(0 < len(answer) <= 48 and "\n" not in answer for answer in counts)
    certainty = 0.0
    labels: tuple[str, ...] = ()
    if (
        short
        and len(counts) >= 2
        and all(answer.count(" ") <= 3 and not answer.endswith(("?", "!")) for answer in counts)
    ):
        labels = tuple(counts)
        # Each label shown at least twice: the list is probably whole, but nobody said so.
        certainty = 0.7 if min(counts.values()) >= 2 else 0.55 if len(answers) > len(counts) else 0.3
    return Shown(answers=tuple(answers), labels=labels, path=path, certainty=certainty, is_chat=is_chat)


def _lines(text: str) -> list[str]:
    if text.count(":") < 4 or text.count("\n") < 3 or len(text) > 20_000:
        return []
    found = markers(text)
    cues = Counter(block.name for block in found if block.kind == "answer")
    if not cues:
        return []
    name, count = cues.most_common(1)[0]
    inputs = sum(block.kind == "input" for block in found)
    if count < 2 or inputs < 2:
        return []
    answers: list[str] = []
    for block in found:
        if block.name != name or block.kind != "answer" or block.start >= len(text):
            continue
        stop = text.find("\n", block.start)
        line = text[block.start : len(text) if stop < 0 else stop].strip()
        # An empty cue is where the answer is to be written: what follows it is the next line.
        if line and "\n" not in text[block.outer : block.start] and ":" not in line:
            answers.append(line)
    return answers


def _only_entry(text: str) -> tuple[str, str] | None:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or len(document) != 1:
        return None
    key, value = next(iter(document.items()))
    return (key, value) if isinstance(value, str) else None


def is_example(line: str, names: set[str]) -> bool:
    """Whether a line shows a worked example: a quoted text and its label, or a marked answer that is a label."""
    line = line.lstrip("-*• \t")
    shown = _EXAMPLE.match(line)
    if shown is not None:
        left = line[: max(shown.start(1), shown.start(2))]
        answer = (shown[1] or shown[2]).strip(EDGES).casefold()
        return answer in names and (shown[1] is not None or left.count(" ") > 2)
    marked = MARKED.match(line)
    return (
        marked is not None
        and marked[2].strip(EDGES).casefold() in names
        and marked[1].lower().rsplit(" ", 1)[-1] in ANSWER_WORDS
    )
