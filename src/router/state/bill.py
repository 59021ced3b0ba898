"""What was spent, from records: sums by tenant, model, day and so on, and the sum of one request line by line.

Arithmetic in whole nano-dollars over :class:`~router.types.Record`; where the records come from is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Literal

import msgspec

from ..types import Attempt, Record, Units, Usage
from .store import to_nano

__all__ = ["DIMENSIONS", "Dimension", "Line", "Total", "bill", "lines_of"]

Dimension = Literal["tenant", "key", "model", "day", "month", "policy", "task", "template", "status"]
DIMENSIONS: tuple[Dimension, ...] = ("tenant", "key", "model", "day", "month", "policy", "task", "template", "status")


UNITS = frozenset({"call", "picture", "picture written", "search", "second"})


class Total(msgspec.Struct):
    """Sums of a group: ``unpriced`` requests had calls at an unknown price, which count nothing."""

    requests: int = 0
    calls: int = 0
    failed: int = 0
    cached: int = 0
    local: int = 0
    input: int = 0
    cached_input: int = 0
    output: int = 0
    nano_usd: int = 0
    unpriced: int = 0
    estimated: int = 0

    @property
    def usd(self) -> float:
        """US dollars, for display; sums are made in ``nano_usd``."""
        return self.nano_usd / 1e9


class Line(msgspec.Struct, frozen=True):
    """One line of a request's bill: ``count`` tokens of a kind, or calls, pictures, searches, seconds, at ``rate`` USD
    each (None: unknown)."""

    model: str
    kind: str
    count: float
    rate: float | None

    @property
    def is_tokens(self) -> bool:
        """Whether tokens are counted."""
        return self.kind not in UNITS

    @property
    def usd(self) -> float | None:
        """What the line costs; None when the price is unknown."""
        return None if self.rate is None else self.count * self.rate


def bill(records: Iterable[Record], by: Sequence[Dimension], zone: tzinfo) -> dict[tuple[str, ...], Total]:
    """Sums of ``records`` by the dimensions of ``by``; days and months are those of ``zone``.

    With ``model`` among them a request counts in the group of each model that was called for it.
    """
    found: dict[tuple[str, ...], Total] = {}
    for record in records:
        for key, attempts in _groups(record, by, zone):
            total = found.setdefault(key, Total())
            hosted = [attempt for attempt in attempts if attempt.kind == "llm"]
            total.requests += 1
            total.failed += record.outcome.status in ("failed", "cancelled")
            total.cached += record.outcome.cached
            total.local += any(attempt.kind == "local" and attempt.error is None for attempt in attempts)
            total.calls += len(hosted)
            total.unpriced += any(attempt.usd is None for attempt in hosted)
            for attempt in hosted:
                total.input += attempt.usage.input
                total.cached_input += attempt.usage.cached_input
                total.output += attempt.usage.output
                total.estimated += attempt.usage.estimated
                total.nano_usd += to_nano(attempt.usd or 0.0)
    return dict(sorted(found.items()))


def lines_of(attempt: Attempt, rates: Mapping[str, float]) -> list[Line]:
    """The bill of one hosted call, by the rates that it was made at."""
    usage: Usage = attempt.usage
    plain = usage.input - usage.cached_input - usage.cache_write - usage.audio_input - usage.image_input
    written = usage.output - usage.reasoning - usage.audio_output - usage.image_output
    units = usage.units or Units()
    parts: tuple[tuple[str, float, float | None], ...] = (
        ("input", max(plain, 0), rates.get("input")),
        ("cached input", usage.cached_input, rates.get("cached_input", rates.get("input"))),
        ("cache write", usage.cache_write, rates.get("cache_write", rates.get("input"))),
        ("output", max(written, 0), rates.get("output")),
        ("reasoning", usage.reasoning, rates.get("reasoning", rates.get("output"))),
        ("audio input", usage.audio_input, rates.get("audio_input", 0.0 if rates.get("input") == 0.0 else None)),
        ("audio output", usage.audio_output, rates.get("audio_output", 0.0 if rates.get("output") == 0.0 else None)),
        ("image input", usage.image_input, rates.get("image_input", rates.get("input"))),
        ("image output", usage.image_output, rates.get("image_output", rates.get("output"))),
        *((kind, count if rates.get(f"per_{kind}") else 0, rates.get(f"per_{kind}")) for kind, count in (
            ("call", 1), ("picture", units.images), ("picture written", units.images_output),
            ("search", units.searches or 0), ("second", units.seconds),
        )),
    )  # fmt: skip
    return [Line(attempt.model, kind, count, rate) for kind, count, rate in parts if count]


def _groups(
    record: Record, by: Sequence[Dimension], zone: tzinfo
) -> Iterator[tuple[tuple[str, ...], Sequence[Attempt]]]:
    attempts = record.outcome.attempts
    if "model" not in by:
        yield tuple(_value(record, each, zone) for each in by), attempts
        return
    models = dict.fromkeys(attempt.model for attempt in attempts) or {record.outcome.model or "(none)": None}
    for model in models:
        key = tuple(model if each == "model" else _value(record, each, zone) for each in by)
        yield key, [attempt for attempt in attempts if attempt.model == model]


def _value(record: Record, dimension: Dimension, zone: tzinfo) -> str:
    match dimension:
        case "tenant":
            return record.tenant or "(none)"
        case "key":
            return record.key or "(none)"
        case "policy":
            return record.decision.policy.name
        case "task":
            return record.decision.task.label
        case "template":
            return record.template or "(none)"
        case "status":
            return record.outcome.status
        case _:
            form = "%Y-%m-%d" if dimension == "day" else "%Y-%m"
            return datetime.fromtimestamp(record.at_s, zone).strftime(form)
