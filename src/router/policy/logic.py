"""Conditions over a request's facts, joined in Kleene's three-valued logic: what is unknown is neither true nor false.

Each condition also knows which answers are *possible* while some slow signals are still pending, so that judging can
ask for exactly those that matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from ..types import SignalName
from .code import Code, both, called, either, inverted, one_unknown
from .conditions import Check, Values

__all__ = [
    "FALSE",
    "NEITHER",
    "NEVER",
    "TRUE",
    "Condition",
    "any_unknown",
    "atom",
    "conjunction",
    "disjunction",
    "first_gate",
    "negation",
    "pending_answers",
]

TRUE: Final = 1
FALSE: Final = 2
NEITHER: Final = 4
_ANY: Final = TRUE | FALSE | NEITHER

# Reading order within a rule: what is known or costs nothing first, what reads wording or runs a model last.
_COST: Final[Mapping[str, int]] = {
    "task": 1,
    "safety": 2,
    "knowledge": 4,
    "contract": 5,
    "split": 5,
    "annotated": 6,
    "ood": 6,
    "local": 6,
}

Possible = Callable[[Values, frozenset[SignalName]], int]


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """A compiled condition. ``size`` counts what must hold at least (how specific it is); ``tasks`` is set when it
    asks for the task and nothing else. ``gate`` is a fact without which (False, zero, empty or unknown) it cannot hold,
    so that most rules need not be looked at. ``any_of``: one of these must hold, and nothing else is asked. ``code``
    says the same as ``check``."""

    check: Check
    code: Code
    possible: Possible
    reads: frozenset[SignalName]
    size: int
    cost: int = 3
    tasks: frozenset[str] | None = None
    gate: str | None = None
    any_of: tuple[Condition, ...] = ()

    def given(self, task: str) -> Condition | None:
        """What is left to check where the task is ``task``; None for nothing, as the condition holds. ``""``, which no
        rule names, stands for an unknown task."""
        if self.tasks is not None:
            return None if task in self.tasks else NEVER
        if not self.any_of:
            return self
        parts: list[Condition] = []
        for part in self.any_of:
            left = part.given(task)
            if left is None:
                return None
            if left is not NEVER:
                parts.append(left)
        if (*parts,) == self.any_of:
            return self
        return disjunction(parts) if len(parts) > 1 else parts[0] if parts else NEVER


def pending_answers(condition: Condition, values: Values, pending: frozenset[SignalName]) -> int:
    """Bit set of the answers (TRUE, FALSE, NEITHER) that a condition may still give once ``pending`` are known."""
    if condition.reads.isdisjoint(pending):
        return _bit(condition.check(values))
    return condition.possible(values, pending)


def atom(
    check: Check,
    *signals: str | None,
    code: Code | None = None,
    cost: int | None = None,
    tasks: frozenset[str] | None = None,
    gate: str | None = None,
) -> Condition:
    """A condition that joins no others; ``check`` reads ``signals`` (None: what needs no signal). Without ``code`` it
    is called."""
    reads = frozenset(signal for signal in signals if signal is not None)

    def possible(values: Values, pending: frozenset[str]) -> int:
        return _bit(check(values)) if reads.isdisjoint(pending) else _ANY

    dearest = max((_COST.get(signal, 3) for signal in reads), default=0) if cost is None else cost
    return Condition(
        check=check,
        code=called(check) if code is None else code,
        possible=possible,
        reads=reads,
        size=1,
        cost=dearest,
        tasks=tasks,
        gate=gate,
    )


def any_unknown(names: list[str]) -> Condition:
    """The condition that one of these facts is unknown."""
    keys = tuple(names)

    def check(values: Values) -> bool:
        for key in keys:  # noqa: SIM110 a plain loop is twice as fast as any() over a generator
            if values[key] is None:
                return True
        return False

    condition = atom(check, *keys, code=one_unknown(keys))

    def possible(values: Values, pending: frozenset[str]) -> int:
        return _bit(check(values)) if condition.reads.isdisjoint(pending) else TRUE | FALSE

    return msgspec.structs.replace(condition, possible=possible)


def conjunction(parts: list[Condition]) -> Condition:
    """The condition that all of ``parts`` hold."""
    if len(parts) == 1:
        return parts[0]
    checks = tuple(part.check for part in parts)

    def check(values: Values) -> bool | None:
        found: bool | None = True
        for part in checks:
            answer = part(values)
            if answer is None:
                found = None
            elif not answer:
                return False
        return found

    possible = _folded(parts, decides=FALSE, neutral=TRUE)
    code = both([part.code for part in parts])
    return _joined(parts, check, code, possible, size=sum(part.size for part in parts), gate=first_gate(parts))


def first_gate(parts: Iterable[Condition]) -> str | None:
    """A fact without which not all of ``parts`` can hold."""
    return next((part.gate for part in parts if part.gate is not None), None)


def disjunction(parts: list[Condition]) -> Condition:
    """The condition that one of ``parts`` holds."""
    checks = tuple(part.check for part in parts)

    def check(values: Values) -> bool | None:
        found: bool | None = False
        for part in checks:
            answer = part(values)
            if answer is None:
                found = None
            elif answer:
                return True
        return found

    gates = {part.gate for part in parts}
    return _joined(
        parts,
        check,
        either([part.code for part in parts]),
        _folded(parts, decides=TRUE, neutral=FALSE),
        size=min(part.size for part in parts),
        gate=gates.pop() if len(gates) == 1 else None,
        any_of=tuple(parts),
    )


def negation(part: Condition) -> Condition:
    """The condition that ``part`` does not hold; what is unknown stays so."""
    inner = part.check

    def check(values: Values) -> bool | None:
        answer = inner(values)
        return None if answer is None else not answer

    def possible(values: Values, pending: frozenset[str]) -> int:
        found = pending_answers(part, values, pending)
        return (found & NEITHER) | (FALSE if found & TRUE else 0) | (TRUE if found & FALSE else 0)

    return _joined([part], check, inverted(part.code), possible, size=part.size)


def _joined(
    parts: Iterable[Condition],
    check: Check,
    code: Code,
    possible: Possible,
    *,
    size: int,
    gate: str | None = None,
    any_of: tuple[Condition, ...] = (),
) -> Condition:
    parts = list(parts)
    reads = frozenset[str]().union(*(part.reads for part in parts))
    cost = max((part.cost for part in parts), default=0)
    return Condition(
        check=check,
        code=code,
        possible=possible,
        reads=reads,
        size=size,
        cost=cost,
        gate=gate,
        any_of=any_of,
    )


NEVER = Condition(check=lambda _: False, code=either(()), possible=lambda _, __: FALSE, reads=frozenset(), size=1)
"""What does not hold for a task, whatever else is known."""


def _folded(parts: list[Condition], *, decides: int, neutral: int) -> Possible:
    def possible(values: Values, pending: frozenset[str]) -> int:
        found = neutral
        for part in parts:
            found = _fold(found, pending_answers(part, values, pending), decides=decides, neutral=neutral)
        return found

    return possible


def _fold(left: int, right: int, *, decides: int, neutral: int) -> int:
    """Possible answers of two joined conditions: ``decides`` wins over NEITHER, NEITHER over ``neutral``."""
    found = (left | right) & decides
    if (left | right) & NEITHER and left & ~decides and right & ~decides:
        found |= NEITHER
    return found | (left & right & neutral)


def _bit(answer: bool | None) -> int:
    return NEITHER if answer is None else TRUE if answer else FALSE
