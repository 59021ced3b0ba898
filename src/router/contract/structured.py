"""The asked-for answer where a schema or a tool fixes its form, held against the labels that the wording names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ..types import Contract, Request, Tool
from .labels import Listing
from .polar import is_polar
from .rules import described
from .schema import Field
from .wording import listings
from .words import words_of

__all__ = ["TWO_LISTS", "blocked", "conflict", "structured", "tool_of"]

TWO_LISTS = "the request names two different lists of labels."
_YES_NO = (frozenset({"yes", "no"}), frozenset({"true", "false"}))
_TOOL_WORDS = (
    "classif", "label", "categor", "sentiment", "tag", "route", "triage", "moderat", "detect", "intent", "rate",
    "record", "extract", "response", "answer", "output", "select", "predict", "assign", "topic", "emotion", "spam",
    "toxic",
)  # fmt: skip


def blocked(contract: Contract, reason: str | None) -> Contract:
    """The contract with the reason as its blocker; the first one stands."""
    if reason is None or contract.blocker is not None:
        return contract
    return msgspec.structs.replace(contract, blocker=reason)


def tool_of(request: Request) -> tuple[Tool | None, str | None]:
    """The tool whose call is the answer, and why that is not certain."""
    tools, choice = request.tools, request.tool_choice
    if not tools or choice == "none":
        return None, None
    named = [tool for tool in tools if tool.name == choice]
    if named:
        return named[0], None
    if len(tools) > 1:
        return None, "several tools are offered and the model may call any of them."
    only = tools[0]
    if choice == "required":
        return only, None
    about = f"{only.name} {only.description}".lower()
    if any(word in about for word in _TOOL_WORDS):
        return only, None
    return None, "a tool is offered for actions and the model may call it."


def structured(
    request: Request, found: Sequence[Listing], field: Field, shape: Any, tool: Tool | None
) -> tuple[Contract, float]:
    """The contract of a schema's ``field``, and how certain it is; ``found``: lists of labels in the wording."""
    contract = Contract(
        shape=shape, labels=field.labels, values=field.values, multi_label=field.multi_label, path=field.path,
        tool=None if tool is None else tool.name, blocker=field.blocker, fixed=field.fixed,
    )  # fmt: skip
    confidence = 0.97 if field.certain else 0.85
    hinted = request.hints.labels
    descriptions = [
        text for text in (field.description, field.about, tool.description if tool is not None else "") if text
    ]
    if field.labels is None:
        if field.blocker is not None:
            return contract, 0.9
        listed = list(found)
        if not listed and field.description:
            listed = listings(field.description, words_of(field.description))
        labels = hinted or (listed[0].labels if listed else None)
        if labels is None:
            return contract, 0.8
        confidence = 0.93 if hinted else min(0.9, listed[0].certainty)
        contract = msgspec.structs.replace(contract, labels=tuple(labels))
        if not hinted and conflict(listed):
            contract = blocked(contract, TWO_LISTS)
    elif hinted:
        contract = _restricted(contract, hinted)
    elif found and contract.blocker is None and not _agrees(contract, found):
        contract = blocked(contract, "the instruction and the schema name different labels.")
    elif field.defined or any(listing.defined for listing in found):
        contract = blocked(contract, "the request gives its labels meanings of their own.")
    for text in descriptions:
        contract = blocked(contract, described(text, words_of(text), contract.labels or ()))
    return contract, confidence


def _restricted(contract: Contract, hinted: Sequence[str]) -> Contract:
    labels = contract.labels or ()
    places = {label.casefold(): index for index, label in enumerate(labels)}
    chosen = [places.get(label.casefold(), -1) for label in hinted]
    if -1 in chosen or len(set(chosen)) != len(chosen) or not chosen:
        return blocked(contract, "the hinted labels are not those of the schema.")
    values = contract.values
    return msgspec.structs.replace(
        contract,
        labels=tuple(labels[index] for index in chosen),
        values=None if values is None else tuple(values[index] for index in chosen),
    )


def _agrees(contract: Contract, found: Sequence[Listing]) -> bool:
    wanted = {_folded(label) for label in contract.labels or ()}
    sure = [listing for listing in found if listing.certainty >= 0.8]
    if not sure:
        return True
    if wanted == {"true", "false"}:
        return all(
            {_folded(label) for label in listing.labels} in _YES_NO or _are_named(contract.path, listing)
            for listing in sure
        )
    return any({_folded(label) for label in listing.labels} == wanted for listing in sure) and all(
        {_folded(label) for label in listing.labels} <= wanted for listing in sure
    )


def _are_named(path: Sequence[str], listing: Listing) -> bool:
    """Whether a field is called as one of two things is: `is_refusal`, "either a refusal to answer or content"."""
    name = _folded(path[-1]).removeprefix("is ") if path else ""
    named = [label for label in map(_folded, listing.labels) if f" {name} " in f" {label} "]
    return name != "" and len(listing.labels) == 2 and len(named) == 1 and not named[0].startswith(("no ", "not "))


def _folded(label: str) -> str:
    return label.casefold().replace("_", " ").replace("-", " ").strip()


def conflict(found: Sequence[Listing]) -> bool:
    """Whether another list is named beside the first one."""
    if len(found) < 2:
        return False
    first = {_folded(label) for label in found[0].labels}
    # "Does it touch security (auth, crypto)? Yes or no": what is asked about is no list of answers.
    is_asked = is_polar(found[0].labels)
    return any(
        listing.certainty >= 0.78
        and not (is_asked and (not listing.closed or listing.labels[-1].casefold() == "not"))
        and (not all(_is_among(_folded(label), first) for label in listing.labels) or _is_shorter(listing, found[0]))
        for listing in found[1:]
    )


def _is_shorter(listing: Listing, first: Listing) -> bool:
    """Whether a list is offered whole, and lacks some of the first one's labels."""
    return listing.closed and len(listing.labels) < len(first.labels)


def _is_among(label: str, known: set[str]) -> bool:
    """Whether a label is one of the known, or one with a word more: "passive voice"."""
    return label in known or any(label.startswith(f"{one} ") or one.startswith(f"{label} ") for one in known)
