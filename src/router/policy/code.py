"""Conditions as Python expressions, so that all rules of a task are one function without a call for each comparison,
and so is the decision flow.

An expression is truthy exactly when the condition holds; a second one when it certainly does not (what is unknown is
neither, as in :mod:`.logic`, whose checks say the same one by one: they are the reference). Expressions read facts from
``values``; words and numbers that they compare with are constants of the function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from .conditions import FACTS, Check, Values

__all__ = [
    "Code",
    "Fires",
    "both",
    "called",
    "compared",
    "either",
    "fires",
    "inverted",
    "one_of",
    "one_unknown",
    "walks",
    "yes_no",
]

Fires = Callable[[Values], list[int]]
"""The indexes of the rules that fire."""


class Code(msgspec.Struct, frozen=True):
    """``holds`` and ``fails`` are expressions over ``values`` and the names in ``constants``. A policy file is at most
    40 levels deep, so that they nest far fewer brackets than Python's parser takes (200). ``first`` is the fact that
    both read before any other, None for a check."""

    holds: str
    fails: str
    constants: Mapping[str, Any]
    first: str | None = None


_OPERATORS: Final[Mapping[str, str]] = {"=": "=="}


def compared(key: str, parts: Sequence[tuple[str, float]]) -> Code:
    """As :func:`.conditions.compare`; a value that is no number raises TypeError where it is compared."""
    constants = {_name(limit): limit for _, limit in parts}
    tests = " and ".join(f"fact {_OPERATORS.get(op, op)} {_name(limit)}" for op, limit in parts)
    known = f"(fact := values[{key!r}]) is not None"
    return Code(f"({known} and {tests})", f"({known} and not ({tests}))", constants, key)


def one_of(key: str, words: frozenset[str]) -> Code:
    """As :func:`.conditions.is_one_of`."""
    name = _name(words)
    known = f"(fact := values[{key!r}]) is not None"
    test = f"(fact in {name} if isinstance(fact, str) else not {name}.isdisjoint(fact))"
    return Code(f"({known} and {test})", f"({known} and not {test})", {name: words}, key)


def yes_no(key: str, wanted: bool) -> Code:
    """As :func:`.conditions.is_true`."""
    yes, no = f"values[{key!r}]", f"((fact := values[{key!r}]) is not None and not fact)"
    return Code(yes, no, {}, key) if wanted else Code(no, yes, {}, key)


def one_unknown(keys: Sequence[str]) -> Code:
    """That one of these facts is unknown."""
    unknown = " or ".join(f"values[{key!r}] is None" for key in keys)
    return Code(f"({unknown})", f"(not ({unknown}))", {}, keys[0] if keys else None)


def called(check: Check) -> Code:
    """A check that is asked as it is."""
    name = _name(check)
    return Code(f"{name}(values)", f"({name}(values) is False)", {name: check})


def both(parts: Sequence[Code]) -> Code:
    """All of ``parts`` hold."""
    return _joined(parts, " and ", " or ") if parts else Code("True", "False", {})


def either(parts: Sequence[Code]) -> Code:
    """One of ``parts`` holds."""
    return _joined(parts, " or ", " and ") if parts else Code("False", "True", {})


def inverted(part: Code) -> Code:
    """``part`` certainly does not hold."""
    return Code(part.fails, part.holds, part.constants, part.first)


def fires(
    always: Sequence[int],
    checked: Sequence[tuple[Sequence[Code], int]],
    gated: Mapping[str, Sequence[tuple[Sequence[Code], int]]],
) -> Fires:
    """One function over the rules of a task.

    ``always`` fire; of ``checked`` those whose conditions hold, asked in this order; of ``gated`` those as well, but
    only when the fact is neither false, zero, empty nor unknown. The function raises TypeError where a value cannot be
    compared with what is written.
    """
    constants: dict[str, Any] = {}
    lines = ["def fires(values):", " signals, request = values.signals, values.request", " get = signals.get"]
    lines.append(f" fired = [{', '.join(map(str, always))}]")
    surely: set[str] = set()

    def rule(indent: str, parts: Sequence[Code], index: int) -> None:
        code = both(parts)
        constants.update(code.constants)
        lines.append(f"{indent}if {code.holds}: fired.append({index})")

    def reading(key: str) -> str:
        # A fact that nobody has read yet is put there at once: asked of the mapping it would be missed first.
        if key in surely:
            return f"values[{key!r}]"
        surely.add(key)
        fact = FACTS.get(key)
        if fact is None:
            return f"values[{key!r}] = get({key!r}).value"
        constants[_name(fact.read)] = fact.read
        return f"values[{key!r}] = {_name(fact.read)}(signals, request)"

    for parts, index in checked:
        first = both(parts).first
        if first is not None and first not in surely:
            lines.append(f" {reading(first)}")
        rule(" ", parts, index)
    for gate, entries in gated.items():
        lines += [f" gate = {reading(gate)}", " if gate:"]
        for parts, index in entries:
            rule("  ", parts, index)
    lines += [" fired.sort()", " return fired"]
    function: Fires = _function(lines, constants)
    return function


def walks(steps: Sequence[tuple[Code, Sequence[Any]]]) -> Callable[[Values], Any]:
    """One function over the steps of a flow, which begins at the first and has no circle.

    Beside a step's condition stands where yes, no and unknown lead: to another step (its index), or to an end, which
    the function gives back. It raises TypeError as that of :func:`fires`.
    """
    constants: dict[str, Any] = {}
    lines = ["def walks(values):", " step = 0"]
    for index in _in_order(steps):
        code, ways = steps[index]
        constants.update(code.constants)
        lines.append(f" if step == {index}:")
        for test, way in zip((f"if {code.holds}", f"elif {code.fails}", "else"), ways, strict=True):
            if not isinstance(way, int):
                constants[_name(way)] = way
            lines.append(f"  {test}: " + (f"step = {way}" if isinstance(way, int) else f"return {_name(way)}"))
    function: Callable[[Values], Any] = _function(lines, constants)
    return function


def _in_order(steps: Sequence[tuple[Code, Sequence[Any]]]) -> list[int]:
    """The steps that can be reached, each before those that it leads to."""
    left: list[int] = []  # each behind those that it leads to

    def visit(index: int) -> None:
        for way in steps[index][1]:
            if isinstance(way, int) and way not in left:
                visit(way)
        left.append(index)

    visit(0)
    return left[::-1]


def _function(lines: Sequence[str], constants: dict[str, Any]) -> Any:
    name = lines[0].removeprefix("def ").split("(", 1)[0]
    exec(compile("\n".join(lines), f"<{name}>", "exec"), constants)  # noqa: S102 made of the policy's own parts above
    return constants[name]


def _joined(parts: Sequence[Code], holding: str, failing: str) -> Code:
    if len(parts) == 1:
        return parts[0]
    constants = {name: value for part in parts for name, value in part.constants.items()}
    return Code(
        f"({holding.join(part.holds for part in parts)})",
        f"({failing.join(part.fails for part in parts)})",
        constants,
        parts[0].first,
    )


def _name(value: Any) -> str:
    """A name for a constant. What it names is kept beside it, so that no other object has this number."""
    if isinstance(value, int | float):
        return "number_" + repr(float(value)).translate(_SIGNS)
    return f"constant_{id(value)}"


_SIGNS = str.maketrans(".-+", "_mp")
