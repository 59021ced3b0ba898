"""The words of a policy file as types: task names, comparisons, money, lists that may be a single word.

Each type says how it is written, for people (errors with a suggestion) and for editors (JSON Schema).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from ..spec import After, Before, Checked, Spec, UnknownWordError, Written
from ..types import TASKS, OnFlag
from .conditions import FLAG_KINDS, Unit, parse_comparison, parse_number

__all__ = [
    "RULE_ID",
    "RULE_PATTERN",
    "WORD",
    "Budgets",
    "Checks",
    "Count",
    "FlagKinds",
    "Language",
    "Languages",
    "Milliseconds",
    "Money",
    "Open",
    "Place",
    "Places",
    "RuleIds",
    "Share",
    "ShareNumber",
    "Stakes",
    "Strict",
    "Tags",
    "Task",
    "Tasks",
    "Text",
    "Time",
    "Usd",
    "Words",
    "one_or_many",
]

RULE_ID = r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$"
RULE_PATTERN = r"^[A-Za-z*][A-Za-z0-9_.*-]{0,63}$"
WORD = r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$"


class Open(Checked, frozen=True, kw_only=True):
    """Strict keys and types; a key without a value means something (unknown, or: take it away)."""

    reading: ClassVar[Mapping[str, Any]] = {"strict": True}


class Strict(Open, frozen=True, kw_only=True):
    """As above, and a key without a value is a slip: a condition that was forgotten must not hold for everything."""

    takes_null: ClassVar[bool] = False


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


one_or_many = (Before(_listed), Written(lambda listed: {"anyOf": [listed["items"], listed]}))


def _refusing_all(value: Any) -> Any:
    """A list of flags means: an answer that has one of them is refused."""
    listed = _listed(value)
    if isinstance(listed, list) and all(isinstance(word, str) for word in listed):
        return dict.fromkeys(listed, "refuse")
    return value


def _one_of(what: str, options: Iterable[str]) -> tuple[Any, ...]:
    allowed = list(options)

    def check(word: str) -> str:
        if word not in allowed:
            raise UnknownWordError(what, word, allowed)
        return word

    return After(check), Written({"type": "string", "enum": allowed})


def _comparison(unit: Unit) -> Callable[[Any], int | float | str]:
    def check(value: Any) -> int | float | str:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError('write a comparison: ">=1000", "<40%", ">0, <100"')
        parse_comparison(value, unit)
        return value

    return check


def _number(unit: Unit) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError(f"{value!r} is not a number with its unit")
        number = parse_number(value, unit)
        if not number >= 0 or number == float("inf"):
            raise ValueError(f"{value!r} must be finite and not negative")
        return number

    return check


def _as_written(*examples: str) -> Written:
    return Written({"type": ["string", "number"], "examples": list(examples)})


Words = Annotated[list[Annotated[str, Spec(min_length=1, max_length=200)]], Spec(min_length=1), *one_or_many]
Tags = Annotated[list[Annotated[str, Spec(pattern=WORD)]], Spec(min_length=1), *one_or_many]
Place = Annotated[str, Spec(min_length=1, max_length=200)]
Places = Annotated[list[Place], *one_or_many]
Task = Annotated[str, *_one_of("task", TASKS)]
Tasks = Annotated[list[Task], Spec(min_length=1), *one_or_many]
Language = Annotated[str, Spec(pattern="^[a-z]{2,3}$")]
Languages = Annotated[list[Language], Spec(min_length=1), *one_or_many]
FlagKinds = Annotated[list[Annotated[str, *_one_of("flag", FLAG_KINDS)]], Spec(min_length=1), *one_or_many]
_FLAG = Annotated[str, *_one_of("flag", FLAG_KINDS)]
Checks = Annotated[
    dict[_FLAG, OnFlag],
    Spec(min_length=1),
    Before(_refusing_all),
    Written(lambda mapped: {"anyOf": [*_MANY_FLAGS, mapped]}),
]
_MANY_FLAGS: list[dict[str, Any]] = [
    {"type": "string", "enum": list(FLAG_KINDS)},
    {"type": "array", "items": {"type": "string", "enum": list(FLAG_KINDS)}, "minItems": 1},
]
RuleIds = Annotated[list[Annotated[str, Spec(pattern=RULE_PATTERN)]], *one_or_many]
Stakes = Literal["none", "medical", "legal", "financial"]
Count = Annotated[int | float | str, Before(_comparison("number")), _as_written(">=1000", ">0, <100")]
Share = Annotated[int | float | str, Before(_comparison("share")), _as_written(">=80%", "<0.4")]
Money = Annotated[int | float | str, Before(_comparison("usd")), _as_written("<=$0.001")]
Time = Annotated[int | float | str, Before(_comparison("ms")), _as_written("<=300ms", ">2s")]
Usd = Annotated[float, Before(_number("usd")), _as_written("$0.002")]
Milliseconds = Annotated[float, Before(_number("ms")), _as_written("900ms", "3s")]
ShareNumber = Annotated[float, Before(_number("share")), _as_written("2%", "0.02")]
Text = Annotated[str, Spec(min_length=1, max_length=4000)]


class Budgets(Strict, frozen=True, kw_only=True):
    """Limits of one request, added to the caller's own: the tighter one binds."""

    max_usd: Annotated[Usd | None, Spec(description="The most that one request may cost: `$0.002`.")] = None
    max_latency_ms: Annotated[
        Milliseconds | None, Spec(description="The longest that one request may take, retries included: `900ms`, `3s`.")
    ] = None

    def __post_init__(self) -> None:
        if self.max_usd is None and self.max_latency_ms is None:
            raise ValueError("write max_usd or max_latency_ms, or leave budgets out")
