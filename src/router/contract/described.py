"""A request without what it says of its labels, and the contract with it.

That a label is described changes neither how it is spelled nor in which shape it is to be answered: the request is read
without the glosses, and the contract keeps them as ``meanings``. Which model knows such a label is not decided here. A
gloss that is a rule ("only if it is older than 30 days") blocks the contract, as rules elsewhere do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial

import msgspec

from ..patterns import late_pattern
from ..types import Contract, Request, Signal, Split
from .gloss_lists import glossed_lists
from .glosses import Glossed, blanked, cut, may_name, meanings, names
from .memory import Memory

__all__ = ["Plainer", "described", "plainer"]

_MOST_CHARS = 160
# "positive: use this when the customer is happy" says what the label means.
_LED = late_pattern(
    r"\A\W*(?:(?:please )?(?:use|choose|pick|select|assign)(?: (?:this|it))?(?: (?:label|category|class|one))? )?"
    r"(?:when(?:ever)?|if|for|where) (?!both|two|several|more|none|no |nothing|in doubt|unsure)",
    re.IGNORECASE,
)
_RULE = late_pattern(
    r"\b(?:if|unless|except|otherwise|regardless|priority|precedence|prefer\w*|instead of|rather than|in doubt|unsure|"
    r"ignor(?:e|ing)|disregard(?:ing)?|by default|defaults?|always|even (?:when|though)|"
    r"when(?:ever)? (?:both|two|several|more|in doubt|unsure)|"
    r"(?:choose|pick|select|use|assign|answer|return|output|say|label|classify|treat|count|take|skip|move|set|mark) "
    r"(?:it|this|that|these|those|them|only|as|the label|instead)|"
    r"(?:do not|don't|never) (?:use|choose|pick|select|assign)|"
    r"not (?:allowed|to be (?:used|confused|chosen))|takes? precedence|wins?|beats?|overrides?|explain why|say why|"
    r"(?:which|that|what) we call|(?:written|spelled|spelt|abbreviated) as|"
    r"(?:and|then|please) (?:say|explain|specify|name|describe|state|add|give|list) |"
    r"also (?:give|say|output|return|add|mention|name|write|send|reply|answer|explain|list)|followed by|"
    r"(?:than|over|under|above|below|within|after|before|least|most|exceeding|up to) (?:[$€£] ?)?\d+|"
    r"wenn|falls|sofern|außer|vorrang|sauf|excepto|salvo|tranne|tenzij|indien)\b|[<>≥≤] ?\d+|如果|除非|優先|优先|場合",
    re.IGNORECASE,
)
_DESCRIPTION = late_pattern(
    r"\b(?:print|return|output|write|give|state|quote|name|answer with|reply with|respond with) (?:only )?"
    r"(?:(?:the|its|their|his|a|one|full|matching|corresponding|label's|category's|short) ){1,3}"
    r"(?:descriptions?|definitions?|meanings?|gloss(?:es)?|explanations?)\b",
    re.IGNORECASE,
)


class Plainer(msgspec.Struct, frozen=True, kw_only=True):
    """``request`` with blanks for the glosses of ``lists`` (by the message's index), and ``original`` as it came."""

    request: Request
    original: Request
    lists: Mapping[int, tuple[Glossed, ...]]

    def unlisted(self) -> Plainer:
        """The request without the lists: for one whose labels are named elsewhere as well."""
        messages = list(self.original.messages)
        for index, lists in self.lists.items():
            messages[index] = msgspec.structs.replace(messages[index], text=cut(messages[index].text, lists))
        return msgspec.structs.replace(self, request=msgspec.structs.replace(self.original, messages=tuple(messages)))

    def narrowed(self, contract: Contract | None) -> Plainer | None:
        """The request with its labels' glosses blanked alone; None where that is nothing else, or nothing."""
        labels = None if contract is None else contract.labels
        if labels is None:
            return None
        kept = {
            index: tuple(one for one in lists if names(self.original.messages[index].text, (one,), labels))
            for index, lists in self.lists.items()
        }
        kept = {index: lists for index, lists in kept.items() if lists}
        return None if not kept or kept == self.lists else _without(self.original, kept)


def plainer(request: Request, read: Contract | None, memory: Memory) -> Plainer | None:
    """The request without the glosses of all its lists; None where it has none, or ``read`` says that they are not of
    its labels."""
    found: dict[int, tuple[Glossed, ...]] = {}
    for index, message in enumerate(request.messages):
        text = message.text
        if message.role == "user":
            lists = glossed_lists(text)
        elif message.role in ("system", "developer"):
            lists = memory.recall("glosses", text, None, partial(glossed_lists, text))
        else:
            continue
        if lists:
            found[index] = lists
    if not found:
        return None
    if read is not None and read.labels is not None and read.blocker is None:
        kept = {
            index: tuple(one for one in lists if may_name(one, request.messages[index].text, read.labels))
            for index, lists in found.items()
        }
        found = {index: lists for index, lists in kept.items() if lists}
    return _without(request, found) if found else None


def described(told: Plainer, signal: Signal[Contract], judged: Split | None) -> Signal[Contract] | None:
    """The contract with what the labels mean; None where the glosses are not those of its labels."""
    contract = signal.value
    if contract is None or contract.labels is None:
        return None
    told_by_message = []
    for index, lists in told.lists.items():
        text = told.original.messages[index].text
        if not names(text, lists, contract.labels):
            return None
        is_judged = judged is not None and judged.message == index
        if judged is not None and is_judged and any(one.start < judged.end and judged.start < one.end for one in lists):
            return None  # glosses in the text to judge
        told_by_message.append(meanings(text, lists, contract.labels))
    said = ["; ".join(filter(None, told)) for told in zip(*told_by_message, strict=True)]
    if not any(said):
        return None
    kept = tuple(meaning if len(meaning) <= _MOST_CHARS else f"{meaning[:_MOST_CHARS]}…" for meaning in said)
    contract = msgspec.structs.replace(contract, meanings=kept)
    if contract.blocker is None and any(_DESCRIPTION.search(message.text) for message in told.request.messages):
        contract = msgspec.structs.replace(contract, blocker="what a label means is asked for, not the label.")
    if contract.blocker is None:
        rule = next(filter(None, (_RULE.search(_LED.sub("", meaning, count=1)) for meaning in said)), None)
        if rule is not None:
            blocker = f"a rule in the request decides the label ({rule[0]!r})."
            contract = msgspec.structs.replace(contract, blocker=blocker, is_learnable=True)
    return msgspec.structs.replace(signal, value=contract)


def _without(request: Request, lists: Mapping[int, tuple[Glossed, ...]]) -> Plainer:
    messages = [
        msgspec.structs.replace(message, text=blanked(message.text, lists[index])) if index in lists else message
        for index, message in enumerate(request.messages)
    ]
    return Plainer(
        request=msgspec.structs.replace(request, messages=tuple(messages)), original=request, lists=dict(lists)
    )
