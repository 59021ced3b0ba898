"""Prompt templates that are one: their wording differs only in values that an application fills in.

The fingerprint of a live request (:mod:`router.signals.template`) already passes over numbers, dates and identifiers.
Offline, where wordings can be laid side by side, names, quoted inserts and free slots are found too, in the manner of
Drain (He, Zhu, Zheng, Lyu: "Drain: An Online Log Parsing Approach with Fixed Depth Tree", ICWS 2017): wordings of
similar tokens fall into one group, and a place where members differ is a slot once it holds several values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher

import msgspec

__all__ = ["Wording", "merged_templates", "slot_tokens"]

SLOT = "<*>"
# Drain's similarity threshold, stricter: an instruction is shorter than a log is long.
_LIKE = 0.8
# A place with fewer values may be two instructions that differ in one word.
_LEAST_VALUES = 3
_MOST_TOKENS = 1_000
_MOST_GROUPS = 400
_TOKEN = re.compile(
    r"""(?P<address>https?://\S+|[\w.!#$%&'*+/=?^`{|}~-]+@[\w-]+\.[\w.-]+)
    |(?P<quoted>"[^"\n]{1,200}"|“[^”\n]{1,200}”|«[^»\n]{1,200}»|`[^`\n]{1,200}`|(?<!\w)'[^'\n]{1,200}'(?!\w))
    |(?P<word>\w[\w'’-]*)
    |(?P<mark>[^\w\s])""",
    re.VERBOSE,
)
_HEX = re.compile(r"[0-9a-fA-F]{8,}")
_MONTH = re.compile(
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?|(?:mon|tues|wednes|thurs|fri|satur|sun)day)",
    re.IGNORECASE,
)
_SENTENCE_ENDS = frozenset(".!?:;\n")


class Wording(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a template: the text around what is judged, and the labels that are allowed."""

    frame: str
    allowed: tuple[str, ...] = ()


def slot_tokens(text: str, keep: Sequence[str] = ()) -> tuple[str, ...]:
    """The tokens of a wording, each value that looks filled in (number, date, address, quotation, name) as ``<*>``.

    ``keep`` are words that are never slots: the labels. Slots that touch are one.
    """
    kept = {word.casefold() for label in keep for word in re.findall(r"\w+", label)}
    quotable = {label.casefold() for label in keep}
    found: list[str] = []
    starts_sentence = True
    for match in _TOKEN.finditer(text):
        if len(found) >= _MOST_TOKENS:
            break
        token = match[0]
        is_slot = match["address"] is not None
        if match["quoted"] is not None:
            is_slot = token[1:-1].strip().casefold() not in quotable
        elif match["word"] is not None and token.casefold() not in kept:
            is_slot = (
                any(map(str.isdigit, token))
                or _HEX.fullmatch(token) is not None
                or (_MONTH.fullmatch(token) is not None and token[:1].isupper())
                or (token[:1].isupper() and not starts_sentence and not token.isupper())
            )
        if not is_slot:
            found.append(token.casefold())
        elif not found or found[-1] != SLOT:
            found.append(SLOT)
        starts_sentence = token in _SENTENCE_ENDS or "\n" in text[match.end() : match.end() + 1]
    return tuple(found)


class _Group:
    """Templates that are one so far: their common tokens, and which of them stand in it."""

    def __init__(self, name: str, tokens: tuple[str, ...]) -> None:
        self.members = [name]
        self.tokens = tokens
        self.wordings = {tokens}


def merged_templates(wordings: Mapping[str, Wording]) -> dict[str, str]:
    """Each template (a key of ``wordings``) with the one that stands for it: the first of its group.

    Templates are one when they allow the same labels and their wording is the same but for slots. A place whose values
    do not look filled in is a slot when at least three templates differ there and nowhere else by much.
    """
    chosen: dict[str, str] = {}
    by_labels: dict[tuple[str, ...], list[tuple[str, tuple[str, ...]]]] = {}
    for name, wording in wordings.items():
        tokens = slot_tokens(wording.frame, wording.allowed)
        by_labels.setdefault(tuple(sorted(wording.allowed)), []).append((name, tokens))
    for rows in by_labels.values():
        groups: dict[tuple[str, ...], _Group] = {}
        for name, tokens in rows:
            # A wording of next to nothing tells no template from another.
            key = tokens if sum(token != SLOT for token in tokens) >= 2 else (name,)
            if key in groups:
                groups[key].members.append(name)
            else:
                groups[key] = _Group(name, tokens)
        for group in _drained([*groups.values()]):
            chosen.update(dict.fromkeys(group.members, group.members[0]))
    return {name: chosen[name] for name in wordings}


def _drained(groups: list[_Group]) -> list[_Group]:
    """Groups whose wordings differ in one free slot, put together."""
    found: list[_Group] = []
    alike: list[list[_Group]] = []
    for group in groups[:_MOST_GROUPS]:
        for pile in alike:
            if _is_like(pile[0].tokens, group.tokens):
                pile.append(group)
                break
        else:
            alike.append([group])
    for pile in alike:
        if len(pile) >= _LEAST_VALUES and _differ_in_one_place([each.tokens for each in pile]):
            first = pile[0]
            first.members = [name for each in pile for name in each.members]
            found.append(first)
        else:
            found += pile
    return [*found, *groups[_MOST_GROUPS:]]


def _is_like(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    if min(len(one), len(other)) < _LIKE * max(len(one), len(other)):
        return False
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    return matcher.real_quick_ratio() >= _LIKE and matcher.quick_ratio() >= _LIKE and matcher.ratio() >= _LIKE


def _differ_in_one_place(wordings: Sequence[tuple[str, ...]]) -> bool:
    """Whether all share a beginning and an end, and between them each has a value of its own."""
    shortest = min(map(len, wordings))
    head = next((at for at in range(shortest) if len({each[at] for each in wordings}) > 1), shortest)
    tail = next((at for at in range(shortest - head) if len({each[-1 - at] for each in wordings}) > 1), shortest - head)
    values = {each[head : len(each) - tail] for each in wordings}
    return len(values) >= _LEAST_VALUES and head + tail >= _LIKE * max(map(len, wordings))
