"""``when`` -> closures: conditions over a request's facts, in three-valued logic.

Thresholds are looked up once, here. Each condition also knows which answers are *possible* while some slow signals are
still pending, so that judging can ask for exactly those that matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from ..errors import ConfigError
from ..signals.own import OwnSignal
from ..types import SignalName
from ..yamlfile import Path, did_you_mean
from .conditions import (
    FACTS,
    FLAG_KINDS,
    Check,
    Unit,
    Values,
    compare,
    flagged,
    is_one_of,
    is_true,
    parse_comparison,
    parse_number,
)
from .read import PolicyFile
from .schema import SafetyCondition, When

__all__ = [
    "FALSE",
    "NEITHER",
    "NEVER",
    "TRUE",
    "Condition",
    "all_hold",
    "compile_when",
    "conjunction",
    "conjuncts",
    "first_gate",
    "numeric_limits",
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
    so that most rules need not be looked at. ``any_of``: one of these must hold, and nothing else is asked."""

    check: Check
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
        return _any(parts) if len(parts) > 1 else parts[0] if parts else NEVER


def pending_answers(condition: Condition, values: Values, pending: frozenset[SignalName]) -> int:
    """Bit set of the answers (TRUE, FALSE, NEITHER) that a condition may still give once ``pending`` are known."""
    if condition.reads.isdisjoint(pending):
        return _bit(condition.check(values))
    return condition.possible(values, pending)


def compile_when(file: PolicyFile, when: When, path: Path) -> Condition:
    """The condition of a rule or step; ``path`` is where it stands in ``file``."""
    return conjunction(conjuncts(file, when, path))


def conjuncts(file: PolicyFile, when: When, path: Path) -> list[Condition]:
    """The conditions that must all hold, nested ``all`` flattened, the cheapest first."""
    parts: list[Condition] = []
    for name, info in type(when).model_fields.items():
        if name not in when.model_fields_set:
            continue
        key = info.alias or name
        value = getattr(when, name)
        here = (*path, key)
        if key == "all":
            for index, inner in enumerate(value):
                parts += conjuncts(file, inner, (*here, index))
        elif key == "any":
            parts.append(_any([compile_when(file, inner, (*here, index)) for index, inner in enumerate(value)]))
        elif key == "not":
            parts.append(_not(compile_when(file, value, here)))
        elif key == "unknown":
            parts.append(_unknown([signal.removeprefix("custom.") for signal in value]))
        elif key == "safety":
            parts.append(_safety(file, value, here))
        elif key == "custom":
            parts += [_custom(file, signal, wanted, (*here, signal)) for signal, wanted in value.items()]
        else:
            parts.append(_plain(file, key, value, here))
    return sorted(parts, key=lambda part: part.cost)


_UNITS: Final[Mapping[str, Unit]] = {
    "task_probability": "share",
    "local.probability": "share",
    "budget.max_usd": "usd",
    "budget.max_latency_ms": "ms",
    **dict.fromkeys(
        ("annotated", "few_shot", "intents", "messages", "tokens.input", "tokens.output", "tokens.output_max"), "number"
    ),
}


def _plain(file: PolicyFile, key: str, value: Any, path: Path) -> Condition:
    fact = FACTS.get(key)
    signal = key if fact is None else fact.signal
    if key in _UNITS:
        limits = _limits(file, value, _UNITS[key], path)
        return _atom(compare(key, limits), signal, gate=key if _excludes_zero(limits) else None)
    if isinstance(value, bool):
        return _atom(is_true(key, value), signal, gate=key if value else None)
    words = frozenset([value] if isinstance(value, str) else value)
    return _atom(is_one_of(key, words), signal, tasks=words if key == "task" else None, gate=key)


def numeric_limits(file: PolicyFile, key: str, written: float | str, path: Path) -> tuple[tuple[str, float], ...]:
    """The comparisons (operator, number) of a numeric fact, none for a fact that is no number.

    Raises:
        ConfigError: a threshold that is not there or has another unit.
    """
    return _limits(file, written, _UNITS[key], path) if key in _UNITS else ()


def _excludes_zero(limits: tuple[tuple[str, float], ...]) -> bool:
    return any((op == ">" and limit >= 0) or (op in (">=", "=", "==") and limit > 0) for op, limit in limits)


def _safety(file: PolicyFile, value: SafetyCondition | str, path: Path) -> Condition:
    if isinstance(value, str):
        return _atom(_is_clean, "safety")
    score = _limits(file, value.score, "share", (*path, "score")) if value.score is not None else ()
    check = flagged(
        frozenset(value.any or (["pii"] if value.pii else FLAG_KINDS)),
        score=score,
        severity=value.severity,
        where=value.where,
        pii=frozenset(value.pii or ()),
    )
    return _atom(check, "safety", *(["split"] if value.where else []), gate="safety")


def _is_clean(values: Values) -> bool | None:
    flags = values["safety"]
    return None if flags is None else not flags


def _custom(file: PolicyFile, signal: str, wanted: Any, path: Path) -> Condition:
    own = file.signals.get(signal)
    if own is not None:
        _check_value(file, own, wanted, path)
    if isinstance(wanted, bool):
        return _atom(is_true(signal, wanted), signal, cost=6, gate=signal if wanted else None)
    if isinstance(wanted, list):
        return _atom(is_one_of(signal, frozenset(wanted)), signal, cost=6)
    if isinstance(wanted, str) and wanted.lstrip()[:1] not in tuple("<>=!"):
        return _atom(is_one_of(signal, frozenset([wanted])), signal, cost=6)
    return _atom(compare(signal, _limits(file, wanted, "number", path)), signal, cost=6)


def _check_value(file: PolicyFile, own: OwnSignal, wanted: Any, path: Path) -> None:
    """Hold a condition on a signal of the policy's own to the values that it can have."""
    options = own.values
    is_comparison = isinstance(wanted, int | float) and not isinstance(wanted, bool)
    is_comparison = is_comparison or (isinstance(wanted, str) and wanted.lstrip()[:1] in tuple("<>=!"))
    if not options:
        if not is_comparison:
            raise file.error(f'{own.name} is a number; write a comparison such as ">=2".', *path)
        return
    for word in wanted if isinstance(wanted, list) else [wanted]:
        if word not in options or isinstance(word, bool) is not isinstance(options[0], bool):
            listed = ", ".join(str(option).lower() if option in (True, False) else str(option) for option in options)
            guess = did_you_mean(word, [str(option) for option in options if not isinstance(option, bool)])
            told = f'did you mean "{guess}"? It is one of: {listed}.' if guess else f"it is one of: {listed}."
            raise file.error(f'the signal {own.name} is never "{word}"; {told}', *path)


def _limits(file: PolicyFile, written: float | str, unit: Unit, path: Path) -> tuple[tuple[str, float], ...]:
    try:
        parts = parse_comparison(written, unit)
    except ValueError as error:
        raise file.error(f"{error}.", *path) from error
    return tuple((part.op, _threshold(file, part.limit, unit, path)) for part in parts)


def _threshold(file: PolicyFile, limit: float | str, unit: Unit, path: Path) -> float:
    if not isinstance(limit, str):
        return limit
    written = file.thresholds.get(limit)
    if written is None:
        raise _no_threshold(file, limit, path)
    try:
        return parse_number(written, unit)
    except ValueError as error:
        raise file.error(f"{error} (used at {file.place(*path)}).", "thresholds", limit) from error


def _no_threshold(file: PolicyFile, name: str, path: Path) -> ConfigError:
    close = did_you_mean(name, file.thresholds)
    listed = ", ".join(file.thresholds) or "none"
    suggestion = f'did you mean "{close}"?' if close else f"thresholds are: {listed}."
    return file.error(f'there is no threshold "{name}"; {suggestion}', *path)


def _atom(
    check: Check,
    *signals: str | None,
    cost: int | None = None,
    tasks: frozenset[str] | None = None,
    gate: str | None = None,
) -> Condition:
    reads = frozenset(signal for signal in signals if signal is not None)

    def possible(values: Values, pending: frozenset[str]) -> int:
        return _bit(check(values)) if reads.isdisjoint(pending) else _ANY

    dearest = max((_COST.get(signal, 3) for signal in reads), default=0) if cost is None else cost
    return Condition(check=check, possible=possible, reads=reads, size=1, cost=dearest, tasks=tasks, gate=gate)


def _unknown(names: list[str]) -> Condition:
    keys = tuple(names)

    def check(values: Values) -> bool:
        for key in keys:  # noqa: SIM110 as in all_hold
            if values[key] is None:
                return True
        return False

    condition = _atom(check, *keys)

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

    def possible(values: Values, pending: frozenset[str]) -> int:
        found = TRUE
        for part in parts:
            found = _fold(found, pending_answers(part, values, pending), decides=FALSE, neutral=TRUE)
        return found

    return _joined(parts, check, possible, size=sum(part.size for part in parts), gate=first_gate(parts))


def first_gate(parts: Iterable[Condition]) -> str | None:
    """A fact without which not all of ``parts`` can hold."""
    return next((part.gate for part in parts if part.gate is not None), None)


def _any(parts: list[Condition]) -> Condition:
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

    def possible(values: Values, pending: frozenset[str]) -> int:
        found = FALSE
        for part in parts:
            found = _fold(found, pending_answers(part, values, pending), decides=TRUE, neutral=FALSE)
        return found

    gates = {part.gate for part in parts}
    return _joined(
        parts,
        check,
        possible,
        size=min(part.size for part in parts),
        gate=gates.pop() if len(gates) == 1 else None,
        any_of=tuple(parts),
    )


def _not(part: Condition) -> Condition:
    inner = part.check

    def check(values: Values) -> bool | None:
        answer = inner(values)
        return None if answer is None else not answer

    def possible(values: Values, pending: frozenset[str]) -> int:
        found = pending_answers(part, values, pending)
        return (found & NEITHER) | (FALSE if found & TRUE else 0) | (TRUE if found & FALSE else 0)

    return _joined([part], check, possible, size=part.size)


def _joined(
    parts: Iterable[Condition],
    check: Check,
    possible: Possible,
    *,
    size: int,
    gate: str | None = None,
    any_of: tuple[Condition, ...] = (),
) -> Condition:
    parts = list(parts)
    reads = frozenset[str]().union(*(part.reads for part in parts))
    cost = max((part.cost for part in parts), default=0)
    return Condition(check=check, possible=possible, reads=reads, size=size, cost=cost, gate=gate, any_of=any_of)


NEVER = Condition(check=lambda _: False, possible=lambda _, __: FALSE, reads=frozenset(), size=1)
"""What does not hold for a task, whatever else is known."""


def _fold(left: int, right: int, *, decides: int, neutral: int) -> int:
    """Possible answers of two joined conditions: ``decides`` wins over NEITHER, NEITHER over ``neutral``."""
    found = (left | right) & decides
    if (left | right) & NEITHER and left & ~decides and right & ~decides:
        found |= NEITHER
    return found | (left & right & neutral)


def all_hold(checks: list[Check]) -> Check | None:
    """For a rule as a whole only "true" counts, so the first part that is not true ends it."""
    if len(checks) < 2:
        return checks[0] if checks else None
    first, second, *others = checks
    if not others:
        return lambda values: first(values) and second(values)
    rest = tuple(checks)

    def check(values: Values) -> bool:
        for part in rest:  # noqa: SIM110 a plain loop is twice as fast as all() over a generator
            if not part(values):
                return False
        return True

    return check


def _bit(answer: bool | None) -> int:
    return NEITHER if answer is None else TRUE if answer else FALSE
