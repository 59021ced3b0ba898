"""What a list says of its labels, taken out of a text: ``- billing: invoices, refunds`` becomes ``- billing``.

What a label means is no part of its name. Glosses are blanked, by as many blanks, so that what is left is read as a
list without them and every place in the text stays where it was; what they say is kept beside the labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..patterns import late_pattern

__all__ = ["Gloss", "Glossed", "blanked", "cut", "may_name", "meanings", "names"]

_CLOSED = late_pattern(r"(?:\s*</?\w+>)+\s*\Z")
_EDGES = " \t\r\n\"'`“”„«»‘’「」*_[](){}<>|:："


class Gloss(NamedTuple):
    """What is said of the label that ends before ``start``; ``start`` and ``end`` bound what is blanked."""

    start: int
    end: int
    said: str


class Glossed(NamedTuple):
    """One list: ``start`` and ``end`` bound it, ``names`` are its items as far as their ends are clear, ``glosses`` is
    what is said of them, ``signs`` are places with the sign to write there."""

    start: int
    end: int
    names: tuple[str, ...]
    glosses: tuple[Gloss, ...]
    signs: tuple[tuple[int, str], ...] = ()


def names(text: str, lists: Sequence[Glossed], labels: Sequence[str]) -> bool:
    """Whether each of the lists names labels alone, all glosses standing right behind one."""
    known = {label.casefold() for label in labels}
    return all(
        {name.casefold() for name in one.names} <= known
        and all(_label_before(text, gloss.start, labels) is not None for gloss in one.glosses)
        for one in lists
    )


def meanings(text: str, lists: Sequence[Glossed], labels: Sequence[str]) -> tuple[str, ...]:
    """What the lists say of each label, in the order of the labels; empty where they say nothing of one."""
    told = dict.fromkeys(labels, "")
    for one in lists:
        for gloss in one.glosses:
            label = _label_before(text, gloss.start, labels)
            if label is not None:
                told[label] = f"{told[label]}; {gloss.said}" if told[label] else gloss.said
    return tuple(told.values())


def may_name(one: Glossed, text: str, labels: Sequence[str]) -> bool:
    """Whether a list may be the one that ``labels`` were read from, each with its gloss or without."""
    known = [label.casefold() for label in labels]
    if one.names:
        return any(label.startswith(name.casefold()) for label in known for name in one.names)
    return names(text, (one,), labels)


def blanked(text: str, lists: Sequence[Glossed]) -> str:
    """The text with blanks for all glosses, as long as it was."""
    kept: list[str] = []
    position = 0
    for gloss in sorted(gloss for one in lists for gloss in one.glosses):
        kept += (text[position : gloss.start], " " * (gloss.end - gloss.start))
        position = gloss.end
    whole = "".join((*kept, text[position:]))
    signs = [sign for one in lists for sign in one.signs]
    if signs:
        letters = list(whole)
        for place, sign in signs:
            letters[place] = sign
        whole = "".join(letters)
    return whole


def cut(text: str, lists: Sequence[Glossed]) -> str:
    """The text with blanks for all lists, names and glosses, as long as it was."""
    for one in lists:
        text = f"{text[: one.start]}{' ' * (one.end - one.start)}{text[one.end :]}"
    return text


def _label_before(text: str, place: int, labels: Sequence[str]) -> str | None:
    before = text[max(0, place - 80) : place]
    if ">" in before:
        before = _CLOSED.sub("", before)
    before = before.rstrip(_EDGES).casefold()
    fitting = [label for label in labels if before.endswith(folded := label.casefold().strip(_EDGES)) and folded
               and not before[: len(before) - len(folded)][-1:].isalnum()]  # fmt: skip
    return max(fitting, key=len) if fitting else None
