"""``when`` -> a condition over a request's facts. Thresholds are looked up once, here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..document import Path, did_you_mean
from ..errors import ConfigError
from ..signals.own import OwnSignal
from ..spec import written
from .code import compared, one_of, yes_no
from .conditions import (
    FACTS,
    FLAG_KINDS,
    Unit,
    Values,
    compare,
    flagged,
    is_one_of,
    is_true,
    parse_comparison,
    parse_number,
)
from .logic import Condition, any_unknown, atom, conjunction, disjunction, negation
from .read import PolicyFile
from .schema import SafetyCondition, When

__all__ = ["compile_when", "conjuncts", "numeric_limits"]


def compile_when(file: PolicyFile, when: When, path: Path) -> Condition:
    """The condition of a rule or step; ``path`` is where it stands in ``file``."""
    return conjunction(conjuncts(file, when, path))


def conjuncts(file: PolicyFile, when: When, path: Path) -> list[Condition]:
    """The conditions that must all hold, nested ``all`` flattened, the cheapest first."""
    parts: list[Condition] = []
    for key, value in written(when):
        here = (*path, key)
        if key == "all":
            for index, inner in enumerate(value):
                parts += conjuncts(file, inner, (*here, index))
        elif key == "any":
            parts.append(disjunction([compile_when(file, inner, (*here, index)) for index, inner in enumerate(value)]))
        elif key == "not":
            parts.append(negation(compile_when(file, value, here)))
        elif key == "unknown":
            parts.append(any_unknown([signal.removeprefix("custom.") for signal in value]))
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
        return atom(
            compare(key, limits), signal, code=compared(key, limits), gate=key if _excludes_zero(limits) else None
        )
    if isinstance(value, bool):
        return atom(is_true(key, value), signal, code=yes_no(key, value), gate=key if value else None)
    words = frozenset([value] if isinstance(value, str) else value)
    tasks = words if key == "task" else None
    return atom(is_one_of(key, words), signal, code=one_of(key, words), tasks=tasks, gate=key)


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
        return atom(_is_clean, "safety")
    score = _limits(file, value.score, "share", (*path, "score")) if value.score is not None else ()
    check = flagged(
        frozenset(value.any or (["pii"] if value.pii else FLAG_KINDS)),
        score=score,
        severity=value.severity,
        where=value.where,
        pii=frozenset(value.pii or ()),
    )
    return atom(check, "safety", *(["split"] if value.where else []), gate="safety")


def _is_clean(values: Values) -> bool | None:
    flags = values["safety"]
    return None if flags is None else not flags


def _custom(file: PolicyFile, signal: str, wanted: Any, path: Path) -> Condition:
    own = file.signals.get(signal)
    if own is not None:
        _check_value(file, own, wanted, path)
    if isinstance(wanted, bool):
        return atom(is_true(signal, wanted), signal, cost=6, gate=signal if wanted else None)
    if isinstance(wanted, list):
        return atom(is_one_of(signal, frozenset(wanted)), signal, cost=6)
    if isinstance(wanted, str) and wanted.lstrip()[:1] not in tuple("<>=!"):
        return atom(is_one_of(signal, frozenset([wanted])), signal, cost=6)
    return atom(compare(signal, _limits(file, wanted, "number", path)), signal, cost=6)


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
