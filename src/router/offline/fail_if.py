"""When is a change of policy too much? ``cost>+5% or local<-10%`` -> a test over what a comparison measured.

condition := all { "or" all }        all := one { "and" one }
one       := measure op number "%"   op  := < | <= | > | >=
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from ..errors import RouterError

__all__ = ["MEASURES", "FailIf", "parse_fail_if"]

# What may be asked: changes in per cent of what it was, or of all requests.
MEASURES: Final = (
    "cost", "latency", "quality", "local", "llm", "small", "large", "refused", "failed", "copied", "changed"
)  # fmt: skip
_OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ONE = re.compile(r"\s*(?P<measure>[a-z]+)\s*(?P<op><=|>=|<|>)\s*(?P<number>[+-]?\d+(?:\.\d+)?)\s*%\s*")


class _One(msgspec.Struct, frozen=True):
    measure: str
    op: str
    per_cent: float

    def __str__(self) -> str:
        return f"{self.measure}{self.op}{self.per_cent:+g}%"


class FailIf(msgspec.Struct, frozen=True):
    """Alternatives, each a list of conditions that must all hold."""

    alternatives: tuple[tuple[_One, ...], ...]

    def __str__(self) -> str:
        return " or ".join(" and ".join(str(one) for one in every) for every in self.alternatives)

    def holds(self, measured: Mapping[str, float | None]) -> str | None:
        """The first alternative that holds of ``measured`` (per cent by measure), None when none does.

        A measure that is None (nothing to compare with) satisfies no condition on it.
        """
        for every in self.alternatives:
            if all(_is_so(one, measured[one.measure]) for one in every):
                return " and ".join(f"{one} ({measured[one.measure]:+.2f}%)" for one in every)
        return None


def parse_fail_if(text: str) -> FailIf:
    """Read a condition.

    Raises:
        RouterError: with the place and what is allowed.
    """
    alternatives = []
    for part in re.split(r"\bor\b", text):
        every = []
        for one in re.split(r"\band\b", part):
            match = _ONE.fullmatch(one)
            if match is None or match["measure"] not in MEASURES:
                raise RouterError(
                    f'--fail-if: "{one.strip()}" is no condition.',
                    hint=f"Write it like cost>+5% or local<-10%; measures: {', '.join(MEASURES)}.",
                )
            every.append(_One(match["measure"], match["op"], float(match["number"])))
        alternatives.append(tuple(every))
    return FailIf(tuple(alternatives))


def _is_so(one: _One, value: float | None) -> bool:
    return value is not None and _OPERATORS[one.op](value, one.per_cent)
