"""A label into the text that was asked for, and an answer's text against what was asked for.

It knows the ``Contract`` only: neither the request that it was read from nor the model that found the label.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..errors import RequestError
from ..types import Contract

__all__ = ["check", "given_label", "render", "render_tool_arguments"]

_MAX_DEPTH = 64
_EDGES = " \t\r\n.,:;!\"'`*"


def render(contract: Contract, answers: Sequence[str]) -> str:
    """The answer's text: the label in the caller's spelling, or a JSON text with the label at ``contract.path``.

    ``answers`` are labels of the contract: exactly one, unless ``multi_label``; several bare labels are joined by
    ``", "``. For a tool call it is the arguments' JSON text, as :func:`render_tool_arguments`.

    Raises:
        RequestError: the contract has no labels or a blocker, or an answer is none of its labels.
    """
    chosen = _chosen(contract, answers)
    if contract.shape == "bare_label":
        return ", ".join(answer if isinstance(answer, str) else json.dumps(answer) for answer in chosen)
    return _json_text(contract, chosen)


def render_tool_arguments(contract: Contract, answers: Sequence[str]) -> str:
    """The JSON text of ``tool_calls[].function.arguments`` for these labels.

    Raises:
        RequestError: as :func:`render`, or the contract asks for no tool call.
    """
    if contract.shape != "tool_call":
        raise RequestError("the contract asks for no tool call.", hint="Use render() for text and JSON answers.")
    return _json_text(contract, _chosen(contract, answers))


def check(contract: Contract, text: str) -> bool:
    """Whether an answer's text honours the contract: one of its labels, in its shape; True where anything is allowed.

    For JSON and tool calls the label must stand at ``path`` with a value of the list, and the fixed fields with theirs;
    other fields do not matter. Bare labels are compared exactly, apart from surrounding white space.
    """
    labels = contract.labels
    if contract.shape == "free_text":
        return True
    if contract.shape == "bare_label":
        if labels is None:
            return bool(text.strip())
        written = {str(value) for value in _values(contract)}
        bare = text.strip()
        if bare in written:
            return True
        return contract.multi_label and all(part.strip() in written for part in bare.split(","))
    try:
        document = msgspec.json.decode(text.encode("utf-8", "surrogatepass"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return _holds(contract, document)


def given_label(contract: Contract, message: Mapping[str, Any]) -> str | None:
    """The one label that an OpenAI assistant message gives, in the caller's spelling; None when it gives none, or
    several, or something else beside it. Case, quotes and final punctuation do not matter."""
    if contract.labels is None:
        return None
    if contract.shape in ("json", "tool_call"):
        try:
            document = msgspec.json.decode(_written(contract, message).encode("utf-8", "surrogatepass"))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        found, there = _at(document, contract.path)
        if there and isinstance(found, list) and len(found) == 1:
            found = found[0]
        if not there or isinstance(found, list | dict):
            return None
    else:
        found = message.get("content")
    for label, value in zip(contract.labels, _values(contract), strict=True):
        if _same(found, value):
            return label
    if not isinstance(found, str):
        return None
    said = found.strip(_EDGES).casefold()
    same = [
        label
        for label, value in zip(contract.labels, _values(contract), strict=True)
        if str(value).strip(_EDGES).casefold() == said
    ]
    return same[0] if len(same) == 1 else None


def _written(contract: Contract, message: Mapping[str, Any]) -> str:
    if contract.shape == "json":
        content = message.get("content")
        return content if isinstance(content, str) else ""
    calls = message.get("tool_calls") or [{"function": message.get("function_call") or {}}]
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, Mapping) else None
        if isinstance(function, Mapping) and function.get("name") == contract.tool:
            arguments = function.get("arguments")
            return arguments if isinstance(arguments, str) else ""
    return ""


def _holds(contract: Contract, document: Any) -> bool:
    if contract.labels is None:
        return True
    for path, value in contract.fixed:
        found, there = _at(document, path)
        if not there or not _same(found, value):
            return False
    found, there = _at(document, contract.path)
    if not there:
        return False
    allowed = _values(contract)
    if contract.multi_label:
        return isinstance(found, list) and all(any(_same(item, value) for value in allowed) for item in found)
    return any(_same(found, value) for value in allowed)


def _chosen(contract: Contract, answers: Sequence[str]) -> list[Any]:
    labels = contract.labels
    if labels is None or contract.blocker is not None:
        raise RequestError(
            "this answer cannot be written by a classifier"
            + (f": {contract.blocker}" if contract.blocker else ": the request names no labels."),
            hint="Send the request to a hosted model.",
        )
    if isinstance(answers, str):
        answers = (answers,)
    if not contract.multi_label and len(answers) != 1:
        raise RequestError(f"exactly one label is asked for, {len(answers)} were given.", hint="Give one label.")
    if contract.multi_label and not answers and contract.shape == "bare_label":
        raise RequestError("no label was given, and a bare answer cannot be empty.", hint="Give at least one label.")
    values = _values(contract)
    try:
        return [values[labels.index(answer)] for answer in answers]
    except ValueError:
        raise RequestError(
            f"{list(answers)!r} is not among the labels {list(labels)!r}.", hint="Use the caller's own spelling."
        ) from None


def _values(contract: Contract) -> tuple[Any, ...]:
    return contract.values if contract.values is not None else (contract.labels or ())


def _json_text(contract: Contract, chosen: list[Any]) -> str:
    document: Any = {}
    value: Any = chosen if contract.multi_label else chosen[0]
    for path, fixed in (*contract.fixed, (contract.path, value)):
        document = _put(document, path, fixed)
    return json.dumps(document, ensure_ascii=False, separators=(", ", ": "))


def _put(document: Any, path: Sequence[str], value: Any) -> Any:
    if not path:
        return value
    place = document
    for key in path[:-1]:
        place = place.setdefault(key, {})
    place[path[-1]] = value
    return document


def _at(document: Any, path: Sequence[str]) -> tuple[Any, bool]:
    for key in path[:_MAX_DEPTH]:
        if not isinstance(document, dict) or key not in document:
            return None, False
        document = document[key]
    return document, True


def _same(left: Any, right: Any) -> bool:
    # JSON tells true from 1, Python does not.
    return isinstance(left, bool) == isinstance(right, bool) and left == right
