"""Which prompt templates a local model could take over: a verdict for each, what it would save and what is missing.

The estimate is by cross-validation on the recorded hosted answers: agreement with them, at the threshold that a promise
would set. It is what training may expect, no promise itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedKFold

from .embedding import EmbeddingMaker
from .fit import temperature_of
from .harvest import MOST_LABELS, Harvest
from .promise import STARTS, Goal, choose_threshold, rows_needed, upper_bound, wilson_interval
from .rows import Rows, count_labels
from .threads import on_one_thread

__all__ = [
    "Advice",
    "Estimated",
    "advise",
    "cross_predicted",
    "least_rows",
    "rows_for",
    "suggested_config",
]

Verdict = Literal["train", "more rows", "no contents", "not feasible"]

CALIBRATED = 0.225
"""The share of all rows that sets the threshold (see ``router.offline.classifier``)."""
_LEAST_TO_ESTIMATE = 60
_MOST_TO_ESTIMATE = 4_000
_DRAWS = 200
_LOCAL_MS = 1.0
_MONTH_DAYS = 30.0
_MOST_ASKED = 1_000_000
_WORTH_A_MODEL = 0.2  # of the requests: a promise under which fewer are answered is hardly worth one
_LAXER = (0.98, 0.97, 0.95, 0.93, 0.9, 0.85, 0.8)
_F64 = npt.NDArray[np.float64]
_Interval = tuple[float, float]


class Estimated(msgspec.Struct, frozen=True, kw_only=True):
    """What cross-validation says: the model agrees with the hosted answers in ``agreement`` of all rows; from
    ``threshold`` on it would answer ``coverage`` of them and agree there in ``agreement_answered``. 0..1, intervals
    95 %."""

    rows: int
    agreement: float
    agreement_interval: _Interval
    coverage: float
    coverage_interval: _Interval
    agreement_answered: float
    agreement_answered_interval: _Interval
    threshold: float


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on one template, with its reasons.

    ``spent_nano_usd`` is exact. ``rows`` are different texts with a hosted answer, ``rows_missing`` how many more
    training needs as far as these can tell (None: unknown). ``saves_nano_usd_month`` and ``gains_p50_ms`` are what
    handing over would bring, with 95 % bootstrap intervals. ``entropy`` is that of the labels, in bits. ``laxer``:
    where the model would answer next to nothing as asked, the strictest agreement of some at which it would, and how
    much.
    """

    template: str
    templates: tuple[str, ...]
    verdict: Verdict
    reasons: tuple[str, ...]
    requests: int
    hosted: int
    days: float
    spent_nano_usd: int
    unpriced: int
    teacher: str
    labels: dict[str, int]
    entropy: float
    rows: int
    rows_missing: int | None
    repeated: int
    conflicts: int
    estimate: Estimated | None = None
    laxer: tuple[float, float] | None = None
    saves_nano_usd_month: int | None = None
    saves_interval: tuple[int, int] | None = None
    gains_p50_ms: float | None = None
    gains_interval: _Interval | None = None
    wording: str = ""


def least_rows(goal: Goal) -> int:
    """The fewest rows with which training can keep the promise: calibration rows that are all answered rightly."""
    return math.ceil(rows_needed(goal.max_error, _each(goal)) / CALIBRATED)


def rows_for(probability: _F64, wrong: _F64, goal: Goal) -> int | None:
    """How many rows training would need with errors like these, None where more rows would hardly help.

    ``probability`` of the predicted label and whether it was ``wrong``, shape ``(n,)``, out of fold.
    """
    order = np.argsort(-probability, kind="stable")
    sums = np.cumsum(wrong[order])
    best: float | None = None
    n = len(order)
    for percent in range(5, 101, 5):
        count = max(1, n * percent // 100)
        rate = (float(sums[count - 1]) + 0.5) / (count + 1)
        if rate >= 0.9 * goal.max_error:
            continue
        answered = rows_needed(goal.max_error, _each(goal))
        while upper_bound(round(rate * answered), answered, _each(goal)) > goal.max_error:
            answered = math.ceil(answered * 1.05)
            if answered > _MOST_ASKED:
                break
        needed = answered / (count / n) / CALIBRATED
        best = needed if best is None else min(best, needed)
    return None if best is None or best > _MOST_ASKED else math.ceil(best)


@on_one_thread
def cross_predicted(rows: Rows, seed: int = 0) -> tuple[_F64, _F64]:
    """Probability of the predicted label of each row by a model that has not seen it, and whether it was wrong.

    Labels with a single row cannot be predicted and count as wrong. Shape ``(n,)`` each.
    """
    labels = np.array(rows.labels)
    counts = count_labels(rows)
    usual = np.array([counts[label] >= 2 for label in rows.labels])
    probability, wrong = np.zeros(len(rows)), np.ones(len(rows))
    places = np.flatnonzero(usual)
    if len(set(labels[places])) < 2:
        return probability, wrong
    maker = EmbeddingMaker(c=0.5, seed=seed)
    matrix = maker.features(rows.texts)
    classes = np.unique(labels[places])
    scores = np.full((len(rows), len(classes)), -10.0)
    folds = max(2, min(5, min(counts[label] for label in classes)))
    for fit, held in StratifiedKFold(folds, shuffle=True, random_state=seed).split(places, labels[places]):
        mine = places[fit]
        weights, biases = maker.label_heads(matrix[mine], labels[mine].tolist(), np.ones(len(mine)))
        columns = np.searchsorted(classes, np.unique(labels[mine]))
        scores[np.ix_(places[held], columns)] = matrix[places[held]] @ weights + biases
    truth = np.searchsorted(classes, labels[places])
    scaled = scores[places] * temperature_of(scores[places], truth)
    scaled -= scaled.max(1, keepdims=True)
    shares = np.exp(scaled)
    shares /= shares.sum(1, keepdims=True)
    probability[places] = shares.max(1)
    wrong[places] = shares.argmax(1) != truth
    return probability, wrong


def advise(harvest: Harvest, goal: Goal, *, seed: int = 0) -> Advice:
    """The verdict on one template for a promise of agreement with its hosted answers."""
    rows = harvest.as_rows()
    verdict, reasons = _first_look(harvest, len(rows))
    missing: int | None = None
    estimate: Estimated | None = None
    laxer: tuple[float, float] | None = None
    saved: tuple[int, int, int] | None = None
    gained: tuple[float, float, float] | None = None
    if verdict in ("train", "more rows"):
        missing = max(0, least_rows(goal) - len(rows))
        if len(rows) >= _LEAST_TO_ESTIMATE:
            newest = rows.pick(range(max(0, len(rows) - _MOST_TO_ESTIMATE), len(rows)))
            probability, wrong = cross_predicted(newest, seed)
            estimate = _estimated(probability, wrong, goal, seed)
            if estimate.coverage < _WORTH_A_MODEL:
                laxer = _laxer(probability, wrong, goal)
            needed = rows_for(probability, wrong, goal)
            if needed is None:
                verdict, missing = "not feasible", None
                reasons = [_too_unsure(probability, wrong, goal)]
            else:
                missing = max(missing, needed - len(rows))
        if verdict != "not feasible":
            verdict = "train" if missing == 0 and estimate is not None and estimate.coverage > 0 else "more rows"
            reasons = [] if verdict == "train" else [_rows_missing(len(rows), missing)]
        if estimate is not None and estimate.coverage > 0:
            saved, gained = _gains(harvest, estimate, seed)
    labels = dict(harvest.labels.most_common())
    return Advice(
        template=harvest.template,
        templates=tuple(harvest.templates),
        verdict=verdict,
        reasons=tuple(reasons + _notes(harvest)),
        requests=harvest.requests,
        hosted=harvest.hosted,
        days=round(harvest.days, 3),
        spent_nano_usd=harvest.nano_usd,
        unpriced=harvest.unpriced,
        teacher=harvest.teacher,
        labels=dict(list(labels.items())[:100]),
        entropy=round(_entropy(list(labels.values())), 3),
        rows=len(rows),
        rows_missing=missing,
        repeated=harvest.repeated,
        conflicts=harvest.conflicts,
        estimate=estimate,
        laxer=laxer,
        saves_nano_usd_month=None if saved is None else saved[0],
        saves_interval=None if saved is None else saved[1:],
        gains_p50_ms=None if gained is None else gained[0],
        gains_interval=None if gained is None else gained[1:],
        wording=" ".join(harvest.frame.split())[:200],
    )


def suggested_config(
    advices: Sequence[Advice],
    goal: Goal,
    *,
    models: str = "models",
    is_of_logs: bool = False,
    is_recording: bool = False,
) -> str:
    """What to add to router.yaml for these verdicts, as YAML; empty when there is nothing to do.

    ``is_of_logs``: the rows stand in logs of another tool, and training reads the router's own ledger.
    ``is_recording``: the ledger records prompts and answers already.
    """
    ready = [advice for advice in advices if advice.verdict == "train"]
    waiting = [advice for advice in advices if advice.verdict in ("no contents", "more rows") and not is_recording]
    asked = f" --keep {round(1.0 - goal.max_error, 9):g}"
    asked += "" if goal.confidence == Goal().confidence else f" --confidence {goal.confidence:g}"
    lines: list[str] = []
    if waiting or (ready and is_of_logs):
        lines += [
            "ledger:",
            "  contents: true    # prompts and answers are recorded, so that there is something to learn",
        ]
    if ready and is_of_logs:
        lines.append("# Training reads this ledger and no other logs. Send the requests through the router; then:")
        for advice in ready:
            lines.append(f"#   router train --from-ledger {advice.template} --out {models}/{advice.template}{asked}")
    elif ready:
        lines += ["local_models:", "  paths:"]
        for advice in ready:
            place = f"{models}/{advice.template}"
            lines.append(f"    - {place}    # router train --from-ledger {advice.template} --out {place}{asked}")
        lines.append("  flywheel: {shadow: 5%, audit: 2%}    # it answers once it has agreed for long enough")
    return "\n".join(lines) + "\n" if lines else ""


# ----- steps -----


def _first_look(harvest: Harvest, rows: int) -> tuple[Verdict, list[str]]:
    """What can be said without a model."""
    if not harvest.hosted:
        return "not feasible", ["no hosted model answered it: there is nothing to save"]
    if not harvest.readable:
        return "no contents", [
            "prompts and answers were not recorded; set `ledger: {contents: true}` to learn from them"
        ]
    closed = [label for label, count in harvest.labels.items() if count >= 2]
    counted = sum(harvest.labels.values())
    if len(harvest.labels) >= MOST_LABELS or (counted >= 30 and len(harvest.labels) > 0.5 * counted):
        return "not feasible", [f"the answers are free text: {len(harvest.labels):,} different ones in {counted:,}"]
    if harvest.unlabelled > 0.5 * harvest.readable and harvest.readable >= 30:
        return "not feasible", [
            f"{harvest.unlabelled:,} of {harvest.readable:,} answers are none of the labels that were asked for"
        ]
    blocked = sum(harvest.obstacles.values())
    if blocked > 0.5 * harvest.readable:
        reason = harvest.obstacles.most_common(1)[0][0]
        hint = ""
        if not harvest.allowed and len(closed) >= 2:
            hint = (
                f"; the {len(closed)} answers seen look like labels: name them in a JSON schema or in the hint `labels`"
            )
        return "not feasible", [reason + hint]
    if counted >= 30 and len(closed) < 2:
        return "not feasible", ["the answer is always the same"]
    return ("train" if rows >= _LEAST_TO_ESTIMATE else "more rows"), []


def _notes(harvest: Harvest) -> list[str]:
    found = []
    if harvest.conflicts:
        found.append(f"{harvest.conflicts:,} texts were answered differently later; the newest answer counts")
    if harvest.unpriced:
        found.append(f"{harvest.unpriced:,} calls had no known price and count nothing")
    if len(harvest.templates) > 1:
        found.append(f"{len(harvest.templates):,} wordings differ only in what is filled in and count as one")
    if harvest.dropped:
        found.append(f"{harvest.dropped:,} rows were left out, for only so many are kept")
    return found


def _rows_missing(rows: int, missing: int | None) -> str:
    if not missing:
        return f"{rows:,} rows do not carry the promise yet"
    return f"{rows:,} rows; about {missing:,} more are needed"


def _too_unsure(probability: _F64, wrong: _F64, goal: Goal) -> str:
    order = np.argsort(-probability, kind="stable")[: max(20, len(probability) // 20)]
    return (
        f"of the {len(order):,} hosted answers of which a local model is surest it disagrees with "
        f"{int(wrong[order].sum()):,}, too many to promise {goal.max_error:.1%} at most, however many rows there are"
    )


def _laxer(probability: _F64, wrong: _F64, goal: Goal) -> tuple[float, float] | None:
    """The strictest agreement below the goal's at which a fair share would be answered, and that share."""
    for kept in _LAXER:
        lax = msgspec.structs.replace(goal, max_error=round(1.0 - kept, 9), keep=None if goal.keep is None else kept)
        if lax.max_error > goal.max_error:
            coverage = choose_threshold(probability, wrong, lax).coverage
            if coverage >= _WORTH_A_MODEL:
                return kept, round(coverage, 4)
    return None


def _estimated(probability: _F64, wrong: _F64, goal: Goal, seed: int) -> Estimated:
    promise = choose_threshold(probability, wrong, goal)
    draw = np.random.default_rng(seed)
    n = len(probability)
    shares = []
    for _ in range(_DRAWS // 4):
        again = draw.integers(0, n, n)
        shares.append(choose_threshold(probability[again], wrong[again], goal).coverage)
    answered = probability >= promise.threshold
    count, errors = int(answered.sum()), int(wrong[answered].sum())
    right = n - int(wrong.sum())
    low, high = np.quantile(shares, [0.025, 0.975])
    return Estimated(
        rows=n,
        agreement=round(right / n, 4),
        agreement_interval=_short(wilson_interval(right, n)),
        coverage=round(promise.coverage, 4),
        coverage_interval=_short((float(low), float(high))),
        agreement_answered=round(1.0 - errors / count, 4) if count else 0.0,
        agreement_answered_interval=_short(wilson_interval(count - errors, count)),
        threshold=promise.threshold,
    )


def _gains(
    harvest: Harvest, estimate: Estimated, seed: int
) -> tuple[tuple[int, int, int] | None, tuple[float, float, float] | None]:
    """Nano-dollars a month and milliseconds of the median that handing over would save, each with its interval."""
    draw = np.random.default_rng(seed)
    a_month = harvest.hosted / harvest.days * _MONTH_DAYS
    low, high = estimate.coverage_interval
    # A triangle over the interval stands for what is not known of the coverage.
    shares = draw.triangular(low, min(max(estimate.coverage, low), high), high, _DRAWS) if high > low else None
    covered = np.full(_DRAWS, estimate.coverage) if shares is None else shares
    saved: tuple[int, int, int] | None = None
    if harvest.nano_usd:
        costs = np.array(harvest.costs, np.float64)
        means = np.array([draw.choice(costs, len(costs)).mean() for _ in range(_DRAWS)])
        exact = harvest.nano_usd / harvest.hosted
        ends = np.quantile(means * covered * a_month, [0.025, 0.975])
        saved = (round(exact * estimate.coverage * a_month), round(float(ends[0])), round(float(ends[1])))
    gained: tuple[float, float, float] | None = None
    if harvest.latencies_ms:
        taken = np.array(harvest.latencies_ms)
        found = []
        for share in covered:
            sample = draw.choice(taken, len(taken))
            found.append(_median_gain(sample, float(share)))
        low, high = np.quantile(found, [0.025, 0.975])
        gained = (round(_median_gain(taken, estimate.coverage), 1), round(float(low), 1), round(float(high), 1))
    return saved, gained


def _median_gain(latencies_ms: _F64, share: float) -> float:
    """How much the median falls when a ``share`` of the requests, as likely slow as fast, takes no time to speak of."""
    before = float(np.median(latencies_ms))
    if share >= 0.5:
        return before - _LOCAL_MS
    return before - float(np.quantile(latencies_ms, (0.5 - share) / (1.0 - share)))


def _entropy(counts: Sequence[int]) -> float:
    """Shannon entropy in bits."""
    total = sum(counts)
    return sum(count / total * math.log2(total / count) for count in counts if count) if total else 0.0


def _each(goal: Goal) -> float:
    """The confidence of one walk of the threshold's choice."""
    return 1.0 - (1.0 - goal.confidence) / len(STARTS)


def _short(interval: _Interval) -> _Interval:
    return round(interval[0], 4), round(interval[1], 4)
