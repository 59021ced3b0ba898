"""The values of a signal that a policy can tell apart: one value of each region stands for all.

Two values stand in one region when every condition of the policy answers the same for both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, pairwise, product
from typing import Any, Final

import msgspec

from ..signals.own import OwnSignal
from ..types import TASKS, Flag, FlagKind, Message, Request, Severity, Signals, Span
from .conditions import FLAG_KINDS, SEVERITIES, Check, Values
from .schema import SafetyCondition

__all__ = ["PASSAGE", "QUESTION", "Leaf", "Region", "Variable", "make_variable", "values_of"]

MAX_FLAG_SETS = 512
_INFINITE: Final = float("inf")
# What every imagined request says: flags on data stand in the passage, other flags in the question.
QUESTION: Final = "Please look at this."
PASSAGE: Final = "A passage."


class Region(msgspec.Struct, frozen=True, kw_only=True):
    """One value that stands for all like it: as facts that conditions read, and as an example writes it."""

    facts: Mapping[str, Any]
    written: Mapping[str, Any]


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """A signal, or a fact of the request; its regions, the plainest first."""

    name: str
    regions: tuple[Region, ...]
    is_request: bool = False

    @property
    def all(self) -> int:
        return (1 << len(self.regions)) - 1


class Leaf(msgspec.Struct, frozen=True, kw_only=True):
    """A condition on one variable: ``key`` and ``value`` as written, ``limits`` of a number."""

    number: int
    variable: str
    key: str
    value: Any
    limits: tuple[float, ...]
    check: Check


def values_of(facts: Mapping[str, Any]) -> Values:
    values = Values(Signals(_REQUEST, {}), _REQUEST)
    values.update(facts)
    return values


_REQUEST: Final = Request(
    messages=(Message(role="user", text=QUESTION), Message(role="tool", text=PASSAGE)),
)

# Facts of signals that hold more than one, with the value that a request has when no condition asks.
_PARTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "task": {"task": "open_generation", "task_probability": 0.99},
    "tokens": {"tokens.input": 1.0, "tokens.output": 1.0, "tokens.output_max": 1.0},
    "contract": {"contract.shape": "free_text", "contract.closed": False},
    "local": {"local.may_answer": True, "local.template": False, "local.probability": 0.99},
}
# Facts of the request itself are never unknown; the first value is the plainest.
_OF_REQUEST: Final[Mapping[str, Any]] = {
    "tenant": "",
    "modality": frozenset(),
    "tools": False,
    "stream": False,
    "messages": 1,
    "budget.max_usd": _INFINITE,
    "budget.max_latency_ms": _INFINITE,
}
_WHOLE_NUMBERS: Final = frozenset(
    {"annotated", "few_shot", "intents", "messages", "tokens.input", "tokens.output", "tokens.output_max"}
)
_TRUTHS: Final = frozenset({"contract.closed", "local.may_answer", "local.template", "tools", "stream"})


def make_variable(name: str, leaves: list[Leaf], own: OwnSignal | None = None) -> tuple[Variable, bool]:
    """The variable with one region for each way in which its leaves can answer, and whether those are all. ``own``:
    the policy's own signal of that name."""
    whole = True
    if name == "safety":
        regions, whole = _safety_regions(leaves)
    elif name in _OF_REQUEST:
        regions = [_request_region(name, value) for value in _points(name, leaves, _OF_REQUEST[name])]
    else:
        parts = _PARTS.get(name, {name: None})
        keys = list(parts)
        points = [_own_points(own, leaves) if own else _points(key, leaves, parts[key]) for key in keys]
        found = [dict(zip(keys, values, strict=True)) for values in product(*points)]
        if name == "tokens" and not any(leaf.key == "tokens.output_max" for leaf in leaves):
            for facts in found:
                facts["tokens.output_max"] = facts["tokens.output"]
        regions = [_signal_region(name, facts) for facts in found]
        regions = [region for region in regions if _is_sound(region.facts)]
        regions.append(Region(facts={name: None, **dict.fromkeys(keys)}, written={}))
    kept: dict[tuple[bool | None, ...], Region] = {}
    for region in regions:
        values = values_of(region.facts)
        kept.setdefault(tuple(leaf.check(values) for leaf in leaves), region)
    return Variable(name=name, regions=tuple(kept.values()), is_request=name in _OF_REQUEST), whole


def _points(key: str, leaves: Iterable[Leaf], plain: Any) -> list[Any]:
    """Values of a fact of which no condition could tell others apart, the plainest first."""
    asked = [leaf for leaf in leaves if leaf.key == key or (leaf.key == "custom" and leaf.variable == key)]
    limits = sorted({limit for leaf in asked for limit in leaf.limits})
    found: list[Any] = [] if plain is None else [plain]
    if key == "task":
        found += TASKS
    elif key in _TRUTHS or (asked and all(isinstance(leaf.value, bool) for leaf in asked)):
        found += [False, True]
    elif key == "modality":
        words = [*dict.fromkeys(word for leaf in asked for word in leaf.value), "other"]
        found += [frozenset(some) for size in range(1, len(words) + 1) for some in combinations(words, size)][:64]
    elif limits:
        found += _around(limits, whole=key in _WHOLE_NUMBERS, share=key.endswith("probability"))
    words = [leaf.value if isinstance(leaf.value, list) else [leaf.value] for leaf in asked if not leaf.limits]
    if key not in ("task", "modality"):
        found += [word for listed in words for word in listed if isinstance(word, str)]
    if key in ("language", "tenant") or any(leaf.key == "custom" for leaf in asked if not leaf.limits):
        found.append("other")
    if key == "ood":
        found += ["in", "out"]
    elif key == "resource":
        found += ["high", "low"]
    elif key == "stakes":
        found += ["none", "medical", "legal", "financial"]
    elif key == "contract.shape":
        found += ["free_text", "bare_label", "json", "tool_call"]
    elif not found:
        found = [1.0 if key == "split" else False, True]
    return list(dict.fromkeys(found))


def _own_points(own: OwnSignal, leaves: Iterable[Leaf]) -> list[Any]:
    limits = sorted({limit for leaf in leaves for limit in leaf.limits})
    is_share, is_count = own.kind == "examples", own.kind in ("keywords", "regex")
    return [*own.values] or _around(limits, whole=is_count, share=is_share) if limits or own.values else [0.0]


def _around(limits: Sequence[float], *, whole: bool, share: bool) -> list[float]:
    """The limits, a number between each two, one below and one above."""
    if whole:
        near = {int(limit) + step for limit in limits for step in (-1, 0, 1)}
        return [float(number) for number in sorted(near | {0}) if number >= 0]
    most = 1.0 if share else 2 * limits[-1] + 1
    ends = [0.0, *limits, most]
    between = [(low + high) / 2 for low, high in pairwise(ends)]
    return sorted({*between, *limits, 0.0, *([1.0] if share else [])}, reverse=True)


def _is_sound(facts: Mapping[str, Any]) -> bool:
    most = facts.get("tokens.output_max")
    return most is None or facts["tokens.output"] <= most


def _request_region(name: str, value: Any) -> Region:
    if name == "messages":
        value = max(int(value), 1)
    written: Any = sorted(value) if name == "modality" else value
    return Region(facts={name: value}, written={} if value == _OF_REQUEST[name] else {name: written})


def _signal_region(name: str, facts: dict[str, Any]) -> Region:
    facts = {key: int(value) if key in _WHOLE_NUMBERS else value for key, value in facts.items()}
    written: dict[str, Any] = facts
    if name == "tokens":
        written = {"tokens": [facts[key] for key in _PARTS["tokens"]]}
    elif name == "contract":
        written = {"shape": facts["contract.shape"], **({"labels": ["a", "b"]} if facts["contract.closed"] else {})}
    elif name == "local":
        written = {"may_answer": facts["local.may_answer"], **({"template": True} if facts["local.template"] else {})}
    elif name == "split":
        written = {"split": PASSAGE}
    elif name == "task":
        plain = facts["task_probability"] == _PARTS["task"]["task_probability"]
        written = {"task": facts["task"], **({} if plain else {"task_probability": facts["task_probability"]})}
    return Region(facts={name: True, **facts}, written=written)


def _safety_regions(leaves: list[Leaf]) -> tuple[list[Region], bool]:
    """Clean, unknown, and every set of flags that some condition tells from the others."""
    ways: dict[tuple[bool | None, ...], tuple[tuple[Flag, dict[str, Any]], ...]] = {}

    def answers(flags: tuple[tuple[Flag, dict[str, Any]], ...]) -> tuple[bool | None, ...]:
        values = values_of({"safety": tuple(flag for flag, _ in flags), "split": None})
        return tuple(leaf.check(values) for leaf in leaves)

    ways[answers(())] = ()
    singles: dict[tuple[bool | None, ...], tuple[Flag, dict[str, Any]]] = {}
    for one in _flags(leaves):
        singles.setdefault(answers((one,)), one)
    complete = True
    for one in singles.values():
        for flags in [*ways.values()]:
            ways.setdefault(answers((*flags, one)), (*flags, one))
            if len(ways) > MAX_FLAG_SETS:
                complete = False
                break
    regions = [
        Region(facts={"safety": tuple(flag for flag, _ in flags)}, written={"safety": [seen for _, seen in flags]})
        for flags in ways.values()
    ]
    return [*regions, Region(facts={"safety": None}, written={})], complete


def _flags(leaves: Iterable[Leaf]) -> Iterator[tuple[Flag, dict[str, Any]]]:
    asked = [leaf.value for leaf in leaves if isinstance(leaf.value, SafetyCondition)]
    limits = sorted({limit for leaf in leaves for limit in leaf.limits})
    scores = [1.0, *_around(limits, whole=False, share=True)] if limits else [1.0]
    severities: list[Severity] = [
        name
        for name in ("high", "medium", "low")
        if name == "high" or any(condition.severity is not None for condition in asked)
    ]
    places = ["own", "data"] if any(condition.where is not None for condition in asked) else ["own"]
    kinds_of_data = ["", *dict.fromkeys(word for condition in asked for word in condition.pii or ())]
    for kind, place, score, severity in product(FLAG_KINDS, places, scores, severities):
        for data in kinds_of_data if kind == "pii" else [""]:
            yield _flag(kind, place, score, severity, data)


def _flag(kind: FlagKind, place: str, score: float, severity: Severity, data: str) -> tuple[Flag, dict[str, Any]]:
    message, text = (0, QUESTION) if place == "own" else (1, PASSAGE)
    span = Span(message=message, start=0, end=len(text), kind=data)
    seen: dict[str, Any] = {"kind": kind}
    if score != 1.0:
        seen["score"] = score
    if SEVERITIES[severity] != SEVERITIES["high"]:
        seen["severity"] = severity
    if data:
        seen["pii"] = data
    if place == "data":
        seen["text"] = PASSAGE
    return Flag(kind=kind, score=score, severity=severity, spans=(span,)), seen
