"""Counters, gauges and histograms of one process or several, told as Prometheus reads them.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import msgspec

__all__ = ["Family", "Series", "text_of"]

Labels = tuple[str, ...]


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """One metric: its name without what its kind puts behind it, and ``what`` it is for people.

    ``bounds``: the upper ones of a histogram's buckets. ``together``: what several processes' gauges are as one.
    """

    name: str
    what: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: Labels = ()
    bounds: tuple[float, ...] = ()
    together: Literal["sum", "max", "min"] = "sum"


class Series:
    """What one process has counted of ``families``. Not safe for threads: whoever counts holds ``lock``, once for all
    that it has to count."""

    def __init__(self, families: Iterable[Family]) -> None:
        self.lock = threading.Lock()
        self._values = {each.name: _Values(each) for each in families}

    def add(self, family: Family, labels: Labels = (), amount: float = 1.0) -> None:
        """Count ``amount`` more."""
        self._values[family.name][labels][0] += amount

    def observe(self, family: Family, labels: Labels, values: Iterable[float]) -> None:
        """Put values into a histogram."""
        in_order = sorted(values)
        if not in_order:
            return
        found, below = self._values[family.name][labels], 0
        for index, bound in enumerate(family.bounds):
            upto = bisect_right(in_order, bound, below)
            found[index] += upto - below
            below = upto
        found[-2] += len(in_order) - below
        found[-1] += sum(in_order)

    def set(self, family: Family, labels: Labels, value: float) -> None:
        """Set a gauge."""
        self._values[family.name][labels][0] = value

    def encoded(self) -> bytes:
        """All of it, for another process."""
        return msgspec.msgpack.encode({name: [*values.items()] for name, values in self._values.items()})


class _Values(dict[Labels, list[float]]):
    """The values of a family by their labels; of a histogram how many each bucket has, the last one without a bound,
    and behind them their sum."""

    def __init__(self, family: Family) -> None:
        self._length = len(family.bounds) + 2 if family.kind == "histogram" else 1
        if not family.labels:
            self[()] = [0.0] * self._length

    def __missing__(self, labels: Labels) -> list[float]:
        found = self[labels] = [0.0] * self._length
        return found


def text_of(families: Iterable[Family], told: Sequence[bytes]) -> bytes:
    """The metrics of all processes that ``told`` theirs, as text."""
    decoded = [_decode(each) for each in told]
    lines: list[str] = []
    for family in families:
        values = _together(family, [each.get(family.name, []) for each in decoded])
        name = f"{family.name}_total" if family.kind == "counter" else family.name
        lines += (f"# HELP {name} {family.what}", f"# TYPE {name} {family.kind}")
        for labels, numbers in values.items():
            if family.kind == "histogram":
                lines += _histogram(family, labels, numbers)
            else:
                lines.append(f"{name}{_labelled(family.labels, labels)} {numbers[0]!r}")
    return "\n".join([*lines, ""]).encode()


_decode = msgspec.msgpack.Decoder(dict[str, list[tuple[Labels, list[float]]]]).decode


_MERGES: Mapping[str, Callable[[Iterable[float]], float]] = {"sum": sum, "max": max, "min": min}


def _together(family: Family, told: Sequence[Sequence[tuple[Labels, list[float]]]]) -> Mapping[Labels, list[float]]:
    merge = _MERGES[family.together]
    found: dict[Labels, list[list[float]]] = {}
    for each in told:
        for labels, numbers in each:
            found.setdefault(labels, []).append(numbers)
    return {labels: [merge(parts) for parts in zip(*all_, strict=True)] for labels, all_ in found.items()}


def _histogram(family: Family, labels: Labels, numbers: Sequence[float]) -> list[str]:
    names, lines, count = (*family.labels, "le"), list[str](), 0.0
    for bound, more in zip((*map(repr, family.bounds), "+Inf"), numbers, strict=False):
        count += more
        lines.append(f"{family.name}_bucket{_labelled(names, (*labels, bound))} {count!r}")
    told = _labelled(family.labels, labels)
    return [*lines, f"{family.name}_count{told} {count!r}", f"{family.name}_sum{told} {numbers[-1]!r}"]


def _labelled(names: Labels, values: Labels) -> str:
    if not names:
        return ""
    pairs = sorted([f'{name}="{value.translate(_ESCAPES)}"' for name, value in zip(names, values, strict=True)])
    return f"{{{','.join(pairs)}}}"


_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
