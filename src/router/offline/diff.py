"""Two policies over the same requests: flows between targets, and what the change costs, with intervals.

Cost, latency and quality are estimates of the decisions, not measurements. Intervals are 95 % percentile intervals of a
paired bootstrap over requests (Efron and Tibshirani 1993, chapter 13), so they tell how far the sample carries, and
nothing about how good the estimates are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from .traffic import Compared, Side

__all__ = ["Change", "Diff", "Measure", "diff"]

RESAMPLES = 400


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """A total or mean under both policies. ``change``, ``low`` and ``high`` are per cent of the old value; None where
    there is nothing to compare with. ``rows``: how many rows have an estimate under both."""

    old: float
    new: float
    rows: int
    change: float | None
    low: float | None
    high: float | None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A request whose target changed."""

    row: int
    old: Side
    new: Side


class Diff(msgspec.Struct, frozen=True, kw_only=True):
    """What changes. ``flows``: requests by old and new place; ``missing``: records that lack a signal the new policy
    asks for, by signal; there it counts as unknown. ``refallen``: requests that keep their target and get other
    fallbacks. ``copied`` are the copies to be expected of a hundred requests, ``copies`` what all of them cost."""

    rows: int
    errors: int
    changed: int
    flows: dict[str, int]
    cost: Measure
    latency: Measure
    quality: Measure
    changes: tuple[Change, ...]
    reasons: dict[str, int]
    missing: dict[str, int]
    refallen: int
    copied: tuple[float, float]
    copies: Measure

    def share(self, place: str, side: int) -> float:
        """Per cent of the requests at ``place`` (``llm``: all tiers) under the old (0) or the new policy (1)."""
        named = sum(count for flow, count in self.flows.items() if flow.split(" -> ")[side].startswith(place))
        return 100.0 * named / self.rows if self.rows else 0.0

    def measured(self) -> dict[str, float | None]:
        """All measures that a condition may ask for, in per cent: relative changes of cost, latency and quality,
        otherwise percentage points of all requests."""
        places = {"local": "local", "llm": "llm", "small": "llm/small", "large": "llm/large", "refused": "refuse"}
        found: dict[str, float | None] = {name: getattr(self, name).change for name in ("cost", "latency", "quality")}
        found |= {name: self.share(place, 1) - self.share(place, 0) for name, place in places.items()}
        found["failed"] = self.share("fails", 1) - self.share("fails", 0)
        found["copied"] = self.copied[1] - self.copied[0]
        found["changed"] = 100.0 * self.changed / self.rows if self.rows else 0.0
        return found


def diff(rows: Iterable[Compared], *, keep: int = 1000, seed: int = 0) -> Diff:
    """Sum up ``rows``; the first ``keep`` changed ones are kept."""
    flows: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    missing: Counter[str] = Counter()
    estimates: dict[str, list[tuple[float, float]]] = {"usd": [], "latency_ms": [], "quality": [], "copies_usd": []}
    changes: list[Change] = []
    refallen, copied = 0, [0.0, 0.0]
    count = errors = changed = 0
    for row in rows:
        if row.is_copy:
            continue
        if row.old is None or row.new is None:
            errors += 1
            continue
        count += 1
        flows[f"{row.old.place} -> {row.new.place}"] += 1
        missing.update(row.missing)
        for name, pairs in estimates.items():
            one, other = getattr(row.old, name), getattr(row.new, name)
            if one is not None and other is not None:
                pairs.append((one, other))
        copied = [copied[0] + row.old.copies, copied[1] + row.new.copies]
        is_same = (row.old.place, row.old.model) == (row.new.place, row.new.model)
        refallen += is_same and row.old.fallbacks != row.new.fallbacks
        if not is_same:
            changed += 1
            reasons[f"{row.old.rule} -> {row.new.rule}"] += 1
            if len(changes) < keep:
                changes.append(Change(row=row.row, old=row.old, new=row.new))
    generator = np.random.default_rng(seed)
    return Diff(
        rows=count,
        errors=errors,
        changed=changed,
        flows=dict(flows.most_common()),
        cost=_measure(estimates["usd"], generator, total=True),
        latency=_measure(estimates["latency_ms"], generator),
        quality=_measure(estimates["quality"], generator),
        changes=tuple(changes),
        reasons=dict(reasons.most_common()),
        missing=dict(missing.most_common()),
        refallen=refallen,
        copied=(100.0 * copied[0] / count, 100.0 * copied[1] / count) if count else (0.0, 0.0),
        copies=_measure(estimates["copies_usd"], generator, total=True),
    )


def _measure(pairs: Sequence[tuple[float, float]], generator: np.random.Generator, *, total: bool = False) -> Measure:
    if not pairs:
        return Measure(old=0.0, new=0.0, rows=0, change=None, low=None, high=None)
    values: NDArray[np.float64] = np.asarray(pairs, dtype=np.float64)
    old, new = (float(part) for part in (values.sum(axis=0) if total else values.mean(axis=0)))
    change = 100.0 * (new / old - 1.0) if old else None
    low = high = None
    if change is not None:
        ratios = np.empty(RESAMPLES)
        for at in range(RESAMPLES):
            # Poisson weights resample independent rows and need no memory of indices (Hanley and MacGibbon 2006).
            sums = generator.poisson(1.0, len(values)).astype(np.float64) @ values
            ratios[at] = sums[1] / sums[0] if sums[0] else 1.0
        low, high = (float(100.0 * (bound - 1.0)) for bound in np.quantile(ratios, (0.025, 0.975)))
    return Measure(old=old, new=new, rows=len(pairs), change=change, low=low, high=high)
