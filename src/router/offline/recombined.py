"""Written requests recombined: the instruction of one around the input of another, so that input tells no task.

In a few thousand rows words of the inputs go together with tasks by chance, and n-grams learn that by heart. The task
of a request nearly always follows from its instruction, so the instruction keeps its label whatever text stands in it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence

from .typos import mistyped

__all__ = ["has_input", "recombined"]

_QUOTED = re.compile(r"([\"“«「„<]|```\n?)([^\"”»」<>“„]{12,})([\"”»」“<]|\n?```)")
_TURN = "\n\nUser: "
_MARKS = (
    ('"', '"'),
    ("'", "'"),
    ("“", "”"),
    ("\n\n", ""),
    ("\n", "\n"),
    ("<text>", "</text>"),
    ("```\n", "\n```"),
    ("", ""),
)
_MAX_INPUT = 600

Parts = tuple[str, str, str, bool]


def parts_of(text: str) -> Parts | None:
    """``(before, input, after, is_quoted)`` of a request; None when no input stands apart from its instruction."""
    if text.startswith("System: ") and text.count(_TURN) == 1 and "\n\nAssistant: " not in text:
        at = text.index(_TURN) + len(_TURN)
        return text[:at], text[at:], "", False
    if "\n\nAssistant: " in text:
        return None
    longest = max(_QUOTED.finditer(text), key=lambda match: len(match[2]), default=None)
    if longest is not None:
        return text[: longest.start(2)], longest[2], text[longest.end(2) :], longest[1][0] not in "<`"
    at = text.rfind("\n") + 1
    if 1 < at < len(text) - 12:
        return text[:at], text[at:], "", False
    at = text.find(": ") + 2
    if 8 < at < len(text) - 12:
        return text[:at], text[at:], "", False
    return None


def has_input(text: str) -> bool:
    """Whether a request has an input that stands apart from an instruction of three words or more."""
    parts = parts_of(text)
    return parts is not None and len(f"{parts[0]}{parts[2]}".split()) >= 3


def recombined(
    rows: Sequence[tuple[str, str]], more_inputs: Sequence[str], count: int, seed: int = 0
) -> Iterator[tuple[str, str]]:
    """``count`` pairs of text and task made from such pairs; ``more_inputs`` are further texts to stand in them."""
    draw = random.Random(seed)  # noqa: S311 no secret is drawn
    usable = [(parts, task) for text, task in rows if has_input(text) and (parts := parts_of(text)) is not None]
    inputs = [parts[1] for parts, _ in usable if len(parts[1]) <= _MAX_INPUT]
    if not usable:
        return
    for _ in range(count):
        (before, _, after, is_quoted), task = draw.choice(usable)
        pool = more_inputs if more_inputs and draw.random() < 0.4 else inputs
        text = _placed(before, draw.choice(pool)[:_MAX_INPUT], after, is_quoted, draw)
        yield (mistyped(text, draw) if draw.random() < 0.15 else text), task


def _placed(before: str, given: str, after: str, is_quoted: bool, draw: random.Random) -> str:
    if is_quoted and draw.random() < 0.5:
        opening, closing = draw.choice(_MARKS)
        before, after = f"{before[:-1]}{opening}", f"{closing}{after[1:]}"
    way = draw.random()
    if after.strip(' ."”»') or before.startswith("System: ") or way > 0.3:
        return f"{before}{given}{after}".strip()
    instruction = before.rstrip(' \n:"“«„<-')
    if way < 0.15:
        return f"System: {instruction}.{_TURN}{given}"
    return f"{given}\n\n{instruction}"
