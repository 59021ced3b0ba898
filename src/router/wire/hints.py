"""Hints as callers write them, in the body's ``router`` object or in ``x-router-*`` headers, and their one meaning.

The room checks what can be checked without a policy or a model set: names, types, units, contradictions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..document import did_you_mean as closest
from ..errors import RequestError
from ..types import TASKS, Budget, Hints
from ..units import parse_ms, parse_usd
from .jsonbody import shown

__all__ = ["HEADERS", "did_you_mean", "merge_hints", "read_headers", "read_hints"]

KEYS = ("task", "input", "labels", "max_usd", "max_latency_ms", "tenant", "policy", "session")
HEADERS: Mapping[str, str] = {
    "x-router-task": "task",
    "x-router-labels": "labels",
    "x-router-budget-usd": "max_usd",
    "x-router-deadline-ms": "max_latency_ms",
    "x-router-tenant": "tenant",
    "x-router-policy": "policy",
    "x-router-session": "session",
}
MAX_LABELS = 1000
MAX_NAME = 512
_TASKS = frozenset(TASKS)


def read_hints(value: Mapping[str, Any], *, at: str = "router") -> Hints:
    """Hints of a ``router`` object: ``{task, input, labels, max_usd, max_latency_ms, tenant, policy, session}``.

    ``max_usd`` is a number of US dollars or text such as ``"$0.002"``, ``max_latency_ms`` a number of milliseconds or
    text such as ``"900ms"``; ``labels`` at least two distinct texts. A key that is absent or null is no hint. ``at``
    stands before the key in ``RequestError.param``.

    Raises:
        RequestError: an unknown key or task, a wrong type, a negative budget, fewer than two labels.
    """
    for key in value:
        if key not in KEYS:
            raise RequestError(
                f"unknown hint {shown(key)}.{did_you_mean(str(key), KEYS)}",
                param=f"{at}.{key}"[:200],
                hint=f"Hints: {', '.join(KEYS)}.",
            )
    task = _text(value, "task", at)
    if task is not None and task not in _TASKS:
        raise RequestError(
            f"unknown task {shown(task)}.{did_you_mean(task, TASKS)}",
            param=f"{at}.task",
            hint=f"Tasks: {', '.join(TASKS)}.",
        )
    return Hints(
        task=task,
        input=_text(value, "input", at),
        labels=_labels(value.get("labels"), f"{at}.labels"),
        budget=Budget(
            max_usd=_amount(value.get("max_usd"), parse_usd, f"{at}.max_usd"),
            max_latency_ms=_amount(value.get("max_latency_ms"), parse_ms, f"{at}.max_latency_ms"),
        ),
        tenant=_text(value, "tenant", at, most=MAX_NAME),
        policy=_text(value, "policy", at, most=MAX_NAME),
        session=_text(value, "session", at, most=MAX_NAME),
    )


def read_headers(headers: Iterable[tuple[bytes, bytes]]) -> Hints:
    """Hints of ``x-router-*`` request headers (names in lower case); others are passed over.

    Labels are separated by commas. Values are UTF-8.

    Raises:
        RequestError: as :func:`read_hints`; also a header sent twice, unknown or not UTF-8.
    """
    found: dict[str, Any] = {}
    for raw_name, raw_value in headers:
        if not raw_name.startswith(b"x-router-"):
            continue
        name = raw_name.decode("latin-1")
        key = HEADERS.get(name)
        if key is None:
            raise RequestError(f"unknown header {shown(name)}.{did_you_mean(name, HEADERS)}", param=name[:200])
        if key in found:
            raise RequestError(f"the header {name} was sent twice.", param=name, hint="Send it once.")
        try:
            text = raw_value.decode().strip()
        except UnicodeDecodeError as error:
            raise RequestError(f"the header {name} is not UTF-8.", param=name) from error
        found[key] = [label.strip() for label in text.split(",")] if key == "labels" else text
    return read_hints(found, at="header") if found else _NONE


def merge_hints(body: Hints, beside: Hints) -> Hints:
    """Hints given in the body and beside it (headers, arguments) as one.

    Raises:
        RequestError: both say something and not the same.
    """
    if beside in (_NONE, body):
        return body
    if body == _NONE:
        return beside
    merged: dict[str, Any] = {}
    for key in KEYS:
        if key.startswith("max_"):
            one, other = getattr(body.budget, key), getattr(beside.budget, key)
        else:
            one, other = getattr(body, key), getattr(beside, key)
        if one is not None and other is not None and one != other:
            raise RequestError(
                f"the hint {key} is given twice and contradicts itself: {shown(one)} in the body, "
                f"{shown(other)} beside it.",
                param=f"router.{key}",
                hint="Give it once.",
            )
        merged[key] = one if one is not None else other
    budget = Budget(max_usd=merged.pop("max_usd"), max_latency_ms=merged.pop("max_latency_ms"))
    return Hints(budget=budget, **merged)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`` Did you mean "x"?`` when a known word is close, else nothing."""
    close = closest(word[:80], known)
    return f' Did you mean "{close}"?' if close else ""


_NONE = Hints()


def _text(value: Mapping[str, Any], key: str, at: str, *, most: int | None = None) -> str | None:
    text = value.get(key)
    if text is None:
        return None
    if not isinstance(text, str):
        raise RequestError(f"{at}.{key} must be text.", param=f"{at}.{key}")
    if not text.strip():
        raise RequestError(f"{at}.{key} is empty.", param=f"{at}.{key}", hint="Leave it out instead.")
    if most is not None and len(text) > most:
        raise RequestError(
            f"{at}.{key} has {len(text):,} characters.", param=f"{at}.{key}", hint=f"Give at most {most}."
        )
    return text


def _labels(value: Any, param: str) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list | tuple) or not all(isinstance(label, str) for label in value):
        raise RequestError(f"{param} must be a list of texts.", param=param, hint='Write ["positive", "negative"].')
    labels = tuple(label.strip() for label in value)
    if not all(labels):
        raise RequestError(f"{param} has an empty label.", param=param, hint="Remove it.")
    if len(set(labels)) != len(labels):
        raise RequestError(f"{param} names a label twice.", param=param, hint="Labels must be distinct.")
    if not 2 <= len(labels) <= MAX_LABELS:
        raise RequestError(
            f"{param} has {len(labels)} labels.", param=param, hint=f"Give 2 to {MAX_LABELS:,} distinct labels."
        )
    return labels


def _amount(value: Any, parse: Any, param: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            return float(parse(value))
        except (ValueError, OverflowError) as error:
            raise RequestError(f"{param}: {error}.", param=param) from error
    raise RequestError(f"{param} must be a number or text.", param=param)
