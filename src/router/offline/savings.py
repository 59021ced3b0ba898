"""What routing saved, from the ledger: against each model alone, a random mix at the same bill, and hindsight.

Bills of models that were not asked are estimates: the candidate's estimate at the decision, times what the call that
was made cost over its own estimate (so the real token counts enter), or times the mean of that ratio where nothing
hosted was called. Intervals are 95 % percentile intervals of a bootstrap over conversations (Efron and Tibshirani 1993;
Poisson weights: Hanley and MacGibbon 2006): they tell how far the sample carries, not how good the estimates are. What
other models would have answered is not in a ledger, so quality is compared only where somebody judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from ..types import Candidate, Feedback, Record
from .offpolicy import Explored, always, as_logged, explored_row, off_policy

__all__ = ["Alone", "Baseline", "Estimated", "Judged", "Savings", "savings"]

RESAMPLES = 400
LEAST_EXPLORED = 30
_Floats = npt.NDArray[np.float64]


class Estimated(msgspec.Struct, frozen=True):
    """A value with the bounds of its 95 % interval; None where there is nothing to tell it from."""

    value: float | None
    low: float | None = None
    high: float | None = None


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """Every request to one ``model`` that was able and allowed to take it; the others as they were.

    ``able``: how many of the requests these are. ``usd``: what that would have cost. ``saved``: the share of that bill
    that routing saved (below zero: it cost more). ``quality``: its mean estimate, 0..1, which nobody measured.
    """

    model: str
    able: int
    usd: float
    saved: Estimated
    quality: float | None


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """Verdicts of users on one model's answers; ``share`` of good ones with the Wilson (1927) interval."""

    model: str
    good: int
    bad: int
    share: Estimated


class Alone(msgspec.Struct, frozen=True, kw_only=True):
    """The share of good answers that ``model`` alone would have given on the ``rows`` judged requests that chance had a
    say in, doubly robust (:mod:`~.offpolicy`); None stands for the choice of the objective, without chance."""

    model: str | None
    rows: int
    good: Estimated


class Savings(msgspec.Struct, frozen=True, kw_only=True):
    """What :func:`savings` found.

    ``requests`` were answered by routing and are compared; ``apart`` counts the others by reason. ``usd`` is the bill,
    ``quality`` the mean estimate of those who answered. ``best_single`` names the model of the highest mean estimate.
    ``random_share``: how many of the requests a random mix of the cheapest and the best single model could give the
    better one at the same bill, ``random_quality`` its estimate. ``floor_usd``: every request to its cheapest able
    candidate. ``wasted_usd``: calls whose answer was not used, which hindsight would not have made.
    """

    requests: int
    conversations: int
    apart: dict[str, int]
    usd: float
    quality: float | None
    singles: tuple[Baseline, ...]
    best_single: str | None
    random_share: float | None
    random_quality: float | None
    floor_usd: float
    floor_saved: Estimated
    wasted_usd: float
    verdicts: tuple[Judged, ...]
    alone: tuple[Alone, ...]
    not_known: tuple[str, ...]


class _Row(msgspec.Struct, frozen=True):
    """One request: who belongs together, the bill, the ratio of bill to estimate, and what each model would cost."""

    group: str
    usd: float
    wasted: float
    ratio: float | None
    answered_by: str
    quality: float | None
    estimates: Mapping[str, float]
    qualities: Mapping[str, float]
    cheapest: float


def savings(records: Iterable[Record], feedback: Sequence[Feedback] = (), *, seed: int = 20230427) -> Savings:
    """Compare what was paid with what else could have been. Records are read once, in any order."""
    apart: dict[str, int] = {}
    rows: list[_Row] = []
    ids: dict[str, str] = {}
    newest = {each.decision_id: each for each in feedback}  # who judges twice has changed their mind
    drawn_rows: list[Explored] = []
    for record in records:
        why = _left_out(record)
        if why is not None:
            apart[why] = apart.get(why, 0) + 1
            continue
        rows.append(_row(record))
        ids[record.decision.id] = rows[-1].answered_by
        verdict = newest.get(record.decision.id)
        if verdict is not None:
            found = explored_row(record.decision, float(verdict.verdict == "good"))
            drawn_rows += [found] if found is not None else []
    groups: dict[str, int] = {}
    group = np.array([groups.setdefault(row.group, len(groups)) for row in rows], np.intp)
    paid, ratio = np.array([row.usd for row in rows], np.float64), _ratios(rows)
    floor = np.minimum(paid, np.array([row.cheapest for row in rows], np.float64) * ratio)
    models = sorted({name for row in rows for name in row.estimates})
    alone = [np.array([row.estimates.get(name, np.nan) for row in rows], np.float64) * ratio for name in models]
    bills = np.column_stack([paid, floor, *(np.where(np.isnan(usd), paid, usd) for usd in alone)])
    totals, drawn = bills.sum(axis=0), _drawn(bills, group, len(groups), seed)
    singles = []
    for at, name in enumerate(models):
        known = [row.qualities[name] for row in rows if name in row.qualities]
        singles.append(
            Baseline(
                model=name,
                able=int(np.isfinite(alone[at]).sum()),
                usd=float(totals[at + 2]),
                saved=_saved(totals, drawn, 0, at + 2),
                quality=float(np.mean(known)) if known else None,
            )
        )
    best = max(singles, key=lambda each: (each.quality or 0.0, -each.usd), default=None)
    bill = float(totals[0])
    share, mixed = _random(singles, best, bill)
    known_quality = [row.quality for row in rows if row.quality is not None]
    return Savings(
        requests=len(rows),
        conversations=len(groups),
        apart=apart,
        usd=bill,
        quality=float(np.mean(known_quality)) if known_quality else None,
        singles=tuple(sorted(singles, key=lambda each: -each.usd)),
        best_single=best.model if best is not None else None,
        random_share=share,
        random_quality=mixed,
        floor_usd=float(totals[1]),
        floor_saved=_saved(totals, drawn, 1, 0),
        wasted_usd=sum(row.wasted for row in rows),
        verdicts=_judged(ids, newest),
        alone=_alone(drawn_rows),
        not_known=tuple(_not_known(rows, ids, newest)),
    )


def _left_out(record: Record) -> str | None:
    outcome = record.outcome
    if outcome.cached:
        return "cached"
    if outcome.status != "answered":
        return outcome.status
    if not record.is_priced:
        return "price unknown"
    return None if record.decision.candidates else "no candidates recorded"


def _row(record: Record) -> _Row:
    decision, outcome = record.decision, record.outcome
    able = [each for each in decision.candidates if _is_able(each)]
    hosted = {each.model: each for each in able if each.kind == "llm" and each.estimate.usd is not None}
    answered_by = outcome.model or decision.target.model or ""
    last = next((each for each in reversed(outcome.attempts) if each.error is None), None)
    ratio = None
    if last is not None and last.kind == "llm" and last.usd is not None and last.model in hosted:
        estimated = hosted[last.model].estimate.usd or 0.0
        ratio = last.usd / estimated if estimated > 0.0 else None
    own = next((each.estimate.quality for each in decision.candidates if each.model == answered_by), None)
    asked = record.asked
    estimates = {name: each.estimate.usd or 0.0 for name, each in hosted.items()}
    return _Row(
        group=(asked.session if asked is not None and asked.session else None) or record.id or decision.id,
        usd=record.nano_usd / 1e9,
        wasted=sum(each.usd or 0.0 for each in outcome.attempts if each.error is not None),
        ratio=ratio,
        answered_by=answered_by,
        quality=own,
        estimates=estimates,
        qualities={name: each.estimate.quality for name, each in hosted.items() if each.estimate.quality is not None},
        cheapest=min([0.0 for each in able if each.kind == "local"] + list(estimates.values()), default=0.0),
    )


def _is_able(candidate: Candidate) -> bool:
    # Limits and health are of the moment; what the policy forbids or a model cannot do binds a single model as well.
    return candidate.failed in (None, "money", "latency", "cooling")


def _ratios(rows: Sequence[_Row]) -> _Floats:
    """Bill over estimate, shape ``(N,)``; the mean of the known ones where nothing hosted was called."""
    known = [row.ratio for row in rows if row.ratio is not None]
    mean = float(np.mean(known)) if known else 1.0
    return np.array([mean if row.ratio is None else row.ratio for row in rows], np.float64)


def _drawn(bills: _Floats, group: npt.NDArray[np.intp], groups: int, seed: int) -> _Floats:
    """Sums of resampled conversations, shape ``(RESAMPLES, bills.shape[1])``."""
    sums = np.column_stack([np.bincount(group, column, groups) for column in bills.T])
    generator = np.random.default_rng(seed)
    return np.array([generator.poisson(1.0, groups).astype(np.float64) @ sums for _ in range(RESAMPLES)], np.float64)


def _saved(totals: _Floats, drawn: _Floats, paid: int, instead: int) -> Estimated:
    """Which share of the bill in column ``instead`` the one in column ``paid`` saves."""
    if not totals[instead] > 0.0:
        return Estimated(None)
    kept = drawn[drawn[:, instead] > 0.0]
    low, high = np.quantile(1.0 - kept[:, paid] / kept[:, instead], [0.025, 0.975])
    return Estimated(float(1.0 - totals[paid] / totals[instead]), float(low), float(high))


def _random(singles: Sequence[Baseline], best: Baseline | None, bill: float) -> tuple[float | None, float | None]:
    cheap = min(singles, key=lambda each: each.usd, default=None)
    if cheap is None or best is None or best.usd <= cheap.usd or cheap.quality is None or best.quality is None:
        return None, None
    share = min(1.0, max(0.0, (bill - cheap.usd) / (best.usd - cheap.usd)))
    return share, cheap.quality + share * (best.quality - cheap.quality)


def _alone(rows: Sequence[Explored]) -> tuple[Alone, ...]:
    choices = [(None, as_logged), *((name, always(name)) for name in sorted({m for row in rows for m in row.among}))]
    found = [(name, off_policy(rows, choice)) for name, choice in choices]
    return tuple(
        Alone(model=name, rows=each.rows, good=Estimated(each.dr, each.low, each.high))
        for name, each in found
        if each is not None and each.rows >= LEAST_EXPLORED
    )


def _judged(ids: Mapping[str, str], newest: Mapping[str, Feedback]) -> tuple[Judged, ...]:
    counts: dict[str, list[int]] = {}
    for decision, each in newest.items():
        if decision in ids:
            counts.setdefault(ids[decision], [0, 0])[each.verdict == "bad"] += 1
    return tuple(
        Judged(model=model, good=good, bad=bad, share=_wilson(good, good + bad))
        for model, (good, bad) in sorted(counts.items())
    )


def _wilson(good: int, count: int, z: float = 1.96) -> Estimated:
    share = good / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * (share * (1 - share) / count + z * z / (4 * count * count)) ** 0.5
    return Estimated(share, middle - half, middle + half)


def _not_known(rows: Sequence[_Row], ids: Mapping[str, str], newest: Mapping[str, Feedback]) -> Iterable[str]:
    judged = len(newest.keys() & ids.keys())
    yield "How good the answers of models that were not asked would have been: a ledger holds no such answers."
    yield (
        f"How good the answers given were, but for {judged:,} of {len(rows):,} that somebody judged; and who judges "
        "chooses what to judge."
    )
    without = sum(row.ratio is None for row in rows)
    if without:
        yield (
            f"What a hosted model would have cost for {without:,} requests that none answered: their token counts are "
            "estimates, scaled by the mean error of the others."
        )
    yield "How many tokens other models would have written: they are taken to write as many as the one that did."
