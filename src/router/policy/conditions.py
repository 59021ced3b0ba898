"""The words of ``when``: which observations a rule may ask about, and how a value is compared with what is written.

Each condition answers True, False or None. None is "unknown": the signal has no value, so the condition does not hold,
and neither does its negation (Kleene's three-valued logic). The room knows neither YAML nor what rules do.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, get_args

import msgspec

from ..types import Flag, FlagKind, Request, Signals, Span
from ..units import parse_ms, parse_share, parse_usd

__all__ = [
    "FACTS",
    "FLAG_KINDS",
    "SIGNALS",
    "SIGNAL_OF",
    "Check",
    "Comparison",
    "Fact",
    "Unit",
    "Values",
    "compare",
    "flagged",
    "is_one_of",
    "is_true",
    "parse_comparison",
    "parse_number",
]

Unit = Literal["number", "share", "usd", "ms"]

FLAG_KINDS: Final[tuple[FlagKind, ...]] = get_args(FlagKind)
SEVERITIES: Final[Mapping[str, int]] = {"low": 0, "medium": 1, "high": 2}


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """What a condition may ask: ``signal`` is the signal it reads (None: the request itself tells), ``read`` how."""

    signal: str | None
    read: Callable[[Signals, Request], Any]


class Values(dict[str, Any]):
    """The facts of one request, each read when a rule first asks for it and kept for the next rule."""

    __slots__ = ("request", "signals")

    def __init__(self, signals: Signals, request: Request) -> None:
        self.signals = signals
        self.request = request

    def __missing__(self, key: str) -> Any:
        fact = FACTS.get(key)
        value = self.signals.get(key).value if fact is None else fact.read(self.signals, self.request)
        self[key] = value
        return value


Check = Callable[[Values], bool | None]


def _part(signal: str, read: Callable[[Any], Any]) -> Fact:
    def of(signals: Signals, _: Request) -> Any:
        value = signals.get(signal).value
        return None if value is None else read(value)

    return Fact(signal=signal, read=of)


def _of_request(read: Callable[[Signals, Request], Any]) -> Fact:
    return Fact(signal=None, read=read)


def _task_probability(signals: Signals, _: Request) -> float | None:
    task = signals.get("task")
    # NaN compares false with everything, so it would pass for a sure reading.
    return None if task.value is None or task.confidence != task.confidence else task.confidence


_INFINITE = float("inf")


def _limit(value: float | None) -> float:
    return _INFINITE if value is None else value


# Facts that are not a signal's plain value. A limit that is not set is infinite, not unknown.
FACTS: Final[Mapping[str, Fact]] = {
    "task_probability": Fact(signal="task", read=_task_probability),
    "tokens.input": _part("tokens", lambda tokens: tokens.input),
    "tokens.output": _part("tokens", lambda tokens: tokens.output),
    "tokens.output_max": _part("tokens", lambda tokens: tokens.output_max),
    "contract.shape": _part("contract", lambda contract: contract.shape),
    "contract.closed": _part("contract", lambda contract: bool(contract.labels) and contract.blocker is None),
    "local.may_answer": _part("local", lambda evidence: evidence.reason is None),
    "local.template": _part("local", lambda evidence: bool(evidence.template)),
    "local.probability": _part("local", lambda evidence: evidence.probability),
    "budget.max_usd": _of_request(lambda _, request: _limit(request.hints.budget.max_usd)),
    "budget.max_latency_ms": _of_request(lambda _, request: _limit(request.hints.budget.max_latency_ms)),
    "tenant": _of_request(lambda _, request: request.hints.tenant or ""),
    "modality": _of_request(lambda _, request: request.modalities),
    "tools": _of_request(lambda _, request: bool(request.tools)),
    "stream": _of_request(lambda _, request: request.stream),
    "messages": _of_request(lambda _, request: len(request.messages)),
}

# The signal behind a fact that is not called like it.
SIGNAL_OF: Final[Mapping[str, str]] = {key: fact.signal for key, fact in FACTS.items() if fact.signal is not None}

# Signals that rules may name in `unknown:`; docs/architecture.md says what each holds.
SIGNALS: Final = (
    "adversarial",
    "agent",
    "annotated",
    "context",
    "contract",
    "explanation",
    "few_shot",
    "intents",
    "inverse",
    "knowledge",
    "language",
    "local",
    "noise",
    "ood",
    "quality",
    "reasoning",
    "resource",
    "safety",
    "shortcut",
    "split",
    "stakes",
    "symbols",
    "task",
    "tokens",
)

_OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
}
_PART = re.compile(r"\s*(?P<op><=|>=|==|!=|<|>|=)?\s*(?P<limit>[^<>=!\s][^<>=!]*?)\s*")
_BETWEEN_PARTS = re.compile(r",\s*(?=[<>=!])|\s+and\s+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PARSERS: Final[Mapping[Unit, Callable[[str | float], float]]] = {
    "usd": parse_usd,
    "ms": parse_ms,
    "share": parse_share,
}


class Comparison(msgspec.Struct, frozen=True):
    """``op`` is one of ``< <= > >= = !=``; ``limit`` a number, or the name of one of the policy's thresholds."""

    op: str
    limit: float | str


def parse_number(value: str | float, unit: Unit) -> float:
    """A number in ``unit`` as people write it (``"$0.002"``, ``"300ms"``, ``"40%"``, ``8_000``).

    Raises:
        ValueError: with the accepted forms.
    """
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is not a number")
    if unit != "number":
        return _PARSERS[unit](value)
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(value.replace(",", ""))
    except ValueError:
        raise ValueError(f'"{value}" is not a number') from None


def parse_comparison(value: str | float, unit: Unit) -> tuple[Comparison, ...]:
    """``">=1000"``, ``"<40%"``, ``">0, <few_rows"`` or a bare number (equal to it): all parts must hold.

    Raises:
        ValueError: with the accepted forms.
    """
    if isinstance(value, int | float):
        return (Comparison("=", parse_number(value, unit)),)
    parts = []
    for part in _BETWEEN_PARTS.split(value):
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError(f'"{value}" is not a comparison; write it like ">=1000", "<40%" or ">0, <100"')
        limit = match["limit"]
        named = _NAME.fullmatch(limit) is not None
        parts.append(Comparison(match["op"] or "=", limit if named else parse_number(limit, unit)))
    return tuple(parts)


def compare(key: str, parts: tuple[tuple[str, float], ...]) -> Check:
    """The check that ``values[key]`` satisfies all of ``parts`` (operator, number)."""
    if len(parts) == 1:
        (op, limit), *_ = parts
        holds = _OPERATORS[op]

        def check(values: Values) -> bool | None:
            value = values[key]
            if value is None:
                return None
            try:
                return holds(value, limit)
            except TypeError:  # a detector of the user's own gave something that is no number
                return None

        return check
    checks = [compare(key, (part,)) for part in parts]

    def check_all(values: Values) -> bool | None:
        found = [check(values) for check in checks]
        return None if None in found else all(found)

    return check_all


def is_one_of(key: str, words: frozenset[str]) -> Check:
    """The check that a word (or one of a set of words) is among ``words``."""

    def check(values: Values) -> bool | None:
        value = values[key]
        if value is None:
            return None
        if isinstance(value, str):
            return value in words
        try:
            return not words.isdisjoint(value)
        except TypeError:  # a detector of the user's own gave something that is no word
            return None

    return check


def is_true(key: str, wanted: bool) -> Check:
    """The check that a yes/no fact is ``wanted``."""
    unwanted = not wanted

    def check(values: Values) -> bool | None:
        value = values[key]
        return None if value is None else (not value) is unwanted

    return check


def flagged(
    kinds: frozenset[str],
    *,
    score: tuple[tuple[str, float], ...] = (),
    severity: str | None = None,
    where: Literal["own", "data"] | None = None,
    pii: frozenset[str] = frozenset(),
) -> Check:
    """The check that a raised flag of one of ``kinds`` meets every condition. Unknown when safety is unknown.

    ``where``: ``data`` is text that the user passes on (a tool's result, or the text to judge where it is only a part
    of its message), ``own`` everything else, also a flag without spans. ``pii``: kinds of personal data in its spans.
    """
    least = SEVERITIES[severity] if severity is not None else 0
    holds = tuple((_OPERATORS[op], limit) for op, limit in score)

    def check(values: Values) -> bool | None:
        flags = values["safety"]
        if not flags:
            return None if flags is None else False
        for flag in flags:
            if flag.kind not in kinds or SEVERITIES[flag.severity] < least:
                continue
            if not all(op(flag.score, limit) for op, limit in holds):
                continue
            if pii and pii.isdisjoint(span.kind for span in flag.spans):
                continue
            if where is None or where == ("data" if _stands_in_data(flag, values) else "own"):
                return True
        return False

    return check


def _stands_in_data(flag: Flag, values: Values) -> bool:
    return bool(flag.spans) and all(_is_data(span, values) for span in flag.spans)


def _is_data(span: Span, values: Values) -> bool:
    messages = values.request.messages
    if not 0 <= span.message < len(messages):
        return False
    message = messages[span.message]
    if message.role == "tool":
        return True
    split = values["split"]
    if split is None or split.message != span.message or split.end - split.start >= len(message.text.strip()):
        return False
    return bool(split.start <= span.start and span.end <= split.end)
