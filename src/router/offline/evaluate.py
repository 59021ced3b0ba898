"""Routing over recorded outcomes, beside honest baselines: what ``router bench`` reports.

Predictions are made for prompts that the predictor never saw: by cross-validation over prompts (one that stands twice
is in one fold), or leaving one data set out. Intervals are bootstrapped over prompts.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from ..errors import RequestError
from .arena import arena_report, arena_score, operating_weight
from .cautions import cautions
from .fit_quality import LEAST_ROWS, QualityFit
from .outcomes import Outcomes, prompt_folds
from .rivals import RIVALS, Dense, Predictor, make_predictor
from .routing_curves import Curve, aiq, apgr, bootstrap, cost_curve, cpt, hull, quality_at_cost, saving_at_quality
from .typos import mistyped

__all__ = [
    "Predicted",
    "ahead",
    "calibration_error",
    "facts_of",
    "held_out",
    "many_report",
    "pair_of",
    "pair_report",
    "report",
    "rival_report",
    "singles",
]

Floats = npt.NDArray[np.float64]
COST_SHARES = (0.1, 0.25, 0.5, 1.0)
"""Of the best single model's cost: where quality is read off the curves."""
_TYPED = 60
"""Of each fold, the prompts that are read once more with typing mistakes."""


class Predicted(msgspec.Struct, frozen=True):
    """Held-out predictions. ``quality``: shape ``(N, M)``; ``price``: mean USD of each model over the training rows, in
    the same shape; ``majority``: of each prompt, the best model of its data set in the training rows.
    ``us``: microseconds to predict one prompt, the median over single calls. ``mistyped``: rows and the predictions
    for their prompts with three typing mistakes."""

    quality: Floats
    price: Floats
    majority: npt.NDArray[np.intp]
    us: float
    mistyped: tuple[npt.NDArray[np.intp], Floats]


def report(
    outcomes: Outcomes,
    rivals: Sequence[str],
    *,
    pair: tuple[str, str] | None = None,
    folds: int = 5,
    seed: int = 20230427,
    draws: int = 1000,
    by_dataset: bool = False,
    note: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Everything about ``rivals`` on ``outcomes``, as JSON values; ``note`` is told each rival before it is measured.

    Raises:
        RequestError: too few prompts, or a model of ``pair`` without outcomes.
    """
    weak, strong = pair_of(outcomes, pair)
    routers: dict[str, Any] = {}
    dense, ours = Dense(seed), None
    for name in rivals:
        note(name)
        predicted = held_out(outcomes, name, folds=folds, seed=seed, by_dataset=by_dataset, dense=dense)
        routers[name] = rival_report(outcomes, predicted, weak, strong, draws=draws)
        routers[name]["description"] = RIVALS[name][1]
        gain = predicted.quality[:, strong] - predicted.quality[:, weak]
        if name == "router":
            ours = gain
        elif ours is not None:
            routers[name]["router_ahead"] = ahead(outcomes, ours, gain, weak, strong, draws=draws)
    protocol = "each data set from the others" if by_dataset else f"{folds}-fold over prompts, seed {seed}"
    return {"protocol": protocol, **facts_of(outcomes, weak, strong), "routers": routers}


def facts_of(outcomes: Outcomes, weak: int, strong: int) -> dict[str, Any]:
    """What needs no router, as JSON values: sizes, names, the pair, its oracle and the models alone."""
    low, high = outcomes.scores[:, weak], outcomes.scores[:, strong]
    return {
        "prompts": len(outcomes),
        "datasets": sorted(set(outcomes.datasets)),
        "pair": [outcomes.models[weak], outcomes.models[strong]],
        "cautions": cautions(outcomes, weak, strong),
        "oracle_apgr": _short(apgr(high - low, low, high)),
        "singles": singles(outcomes),
    }


def rival_report(
    outcomes: Outcomes, predicted: Predicted, weak: int, strong: int, *, draws: int = 1000
) -> dict[str, Any]:
    """All figures of one predictor, as JSON values."""
    found = {
        "pair": pair_report(outcomes, predicted, weak, strong, draws=draws),
        "many": many_report(outcomes, predicted, draws=draws),
        "us": predicted.us,
    }
    if len(set(outcomes.datasets)) > 1:
        found["datasets"] = _each_dataset(outcomes, predicted, weak, strong, draws)
    return {**found, "arena": _arena(outcomes, predicted, draws)} if outcomes.has_cost else found


def _each_dataset(outcomes: Outcomes, predicted: Predicted, weak: int, strong: int, draws: int) -> dict[str, Any]:
    """Figures of the pair within each data set: what is told beyond which set a prompt is from. The APGR is None where
    the weak model is as good as the strong one."""
    gain, names = predicted.quality[:, strong] - predicted.quality[:, weak], np.array(outcomes.datasets)

    def figures(here: npt.NDArray[np.intp]) -> dict[str, Any]:
        low, high, told = outcomes.scores[here, weak], outcomes.scores[here, strong], gain[here]
        return {
            "prompts": len(here),
            "weak": _short(float(low.mean())),
            "strong": _short(float(high.mean())),
            "apgr": _with_interval(lambda rows: apgr(told[rows], low[rows], high[rows]), len(here), draws),
            "auroc_weak_fails": _short(_auroc(low < 0.5, -predicted.quality[here, weak])),
        }

    return {name: figures(np.flatnonzero(names == name)) for name in sorted(set(outcomes.datasets))}


def ahead(
    outcomes: Outcomes, ours: Floats, theirs: Floats, weak: int, strong: int, *, draws: int = 1000
) -> dict[str, Any]:
    """APGR of routing by the gains ``ours`` less that by ``theirs``, each shape ``(N,)``, over the same resamples."""
    low, high = outcomes.scores[:, weak], outcomes.scores[:, strong]
    return _with_interval(
        lambda rows: apgr(ours[rows], low[rows], high[rows]) - apgr(theirs[rows], low[rows], high[rows]),
        len(outcomes),
        draws,
    )


def held_out(
    outcomes: Outcomes,
    rival: str,
    *,
    folds: int = 5,
    seed: int = 20230427,
    by_dataset: bool = False,
    dense: Dense | None = None,
) -> Predicted:
    """Predictions of ``rival`` for every prompt, made without it; ``dense``: what rivals of one seed share.

    Raises:
        RequestError: too few prompts, or one data set alone with ``by_dataset``.
    """
    splits = _dataset_splits(outcomes) if by_dataset else prompt_folds(outcomes.prompts, folds, seed)
    quality, price = np.zeros(outcomes.scores.shape), np.zeros(outcomes.scores.shape)
    majority = np.zeros(len(outcomes), np.intp)
    times, typed, draw = [], [], random.Random(seed)  # noqa: S311 no secret
    for train, test in splits:
        learnt = outcomes.take(train)
        if len(learnt) < LEAST_ROWS:
            raise _too_few(outcomes, train, test, by_dataset=by_dataset, folds=folds)
        predictor = make_predictor(rival, seed, dense)
        predictor.fit(learnt)
        quality[test] = predictor.predict([outcomes.prompts[row] for row in test])
        ask = predictor.serving().predict if isinstance(predictor, QualityFit) else _one_by_one(predictor)
        for row in test[:20]:
            started = time.perf_counter_ns()
            ask(outcomes.prompts[row])
            times.append(time.perf_counter_ns() - started)
        typed.append(
            (test[:_TYPED], predictor.predict([mistyped(outcomes.prompts[row], draw) for row in test[:_TYPED]]))
        )
        price[test] = np.nan_to_num(learnt.usd).mean(axis=0)
        best = _best_by_dataset(learnt)
        overall = int(learnt.scores.mean(axis=0).argmax())
        majority[test] = [best.get(outcomes.datasets[row], overall) for row in test]
    again = np.concatenate([rows for rows, _ in typed]), np.concatenate([found for _, found in typed])
    return Predicted(quality, price, majority, round(float(np.median(times)) / 1000, 1), again)


def _too_few(
    outcomes: Outcomes, train: npt.NDArray[np.intp], test: npt.NDArray[np.intp], *, by_dataset: bool, folds: int
) -> RequestError:
    if by_dataset:
        without = f"without {outcomes.datasets[int(test[0])]!r}, {len(train)} prompts are left to learn from"
        return RequestError(f"{without}; {LEAST_ROWS} is the least.", hint="Record more outcomes of other data sets.")
    least = -(-LEAST_ROWS * folds // (folds - 1))
    return RequestError(
        f"of {len(outcomes)} prompts that all models were asked, {len(train)} are left to learn from while the others "
        f"are predicted; {LEAST_ROWS} is the least.",
        hint=f"Record outcomes of at least {least} prompts (with {folds} folds); several hundred tell much more.",
    )


def _arena(outcomes: Outcomes, predicted: Predicted, draws: int) -> dict[str, Any]:
    """RouterArena's figures, its robustness by typing mistakes: the share of prompts that keep their model."""
    weight = operating_weight(predicted.quality, predicted.price)
    chosen = (predicted.quality - weight * predicted.price).argmax(axis=1)
    rows, quality = predicted.mistyped
    kept = (quality - weight * predicted.price[rows]).argmax(axis=1) == chosen[rows]
    return {**arena_report(outcomes, chosen, draws=draws), "robustness": _short(float(kept.mean()))}


def _one_by_one(predictor: Predictor) -> Callable[[str], Any]:
    return lambda prompt: predictor.predict([prompt])


def pair_of(outcomes: Outcomes, pair: tuple[str, str] | None = None) -> tuple[int, int]:
    """``(weak, strong)``, two different models: those named; else the best model, and the best of those that cost at
    most a quarter of it, or the cheapest other one; where costs are unknown, the worst against the best. Of equally
    good models the dearest is the strong one.

    Raises:
        RequestError: a model of ``pair`` has no outcomes, or it names one twice.
    """
    if pair is not None:
        if pair[0] == pair[1]:
            raise RequestError(f"{pair[0]!r} cannot be routed against itself.", hint="Name two different models.")
        outcomes.of(pair)  # says which of them is missing
        return outcomes.models.index(pair[0]), outcomes.models.index(pair[1])
    means = outcomes.scores.mean(axis=0)
    usd = outcomes.usd.mean(axis=0) if outcomes.has_cost else np.zeros(len(means))
    strong = max(range(len(means)), key=lambda model: (means[model], usd[model], model))
    others = [model for model in range(len(means)) if model != strong]
    if not outcomes.has_cost:
        return min(others, key=lambda model: means[model]), strong
    cheap = [model for model in others if usd[model] <= usd[strong] / 4]
    if not cheap:
        return min(others, key=lambda model: usd[model]), strong
    return max(cheap, key=lambda model: means[model]), strong


def pair_report(
    outcomes: Outcomes, predicted: Predicted, weak: int, strong: int, *, draws: int = 1000
) -> dict[str, Any]:
    """APGR, CPT(50), CPT(80) and the AUROC of telling where the weak model fails, with intervals."""
    gain = predicted.quality[:, strong] - predicted.quality[:, weak]
    low, high = outcomes.scores[:, weak], outcomes.scores[:, strong]
    failed = low < 0.5
    figures: Mapping[str, Callable[[npt.NDArray[np.intp]], float]] = {
        "apgr": lambda rows: apgr(gain[rows], low[rows], high[rows]),
        "cpt_50": lambda rows: cpt(gain[rows], low[rows], high[rows], 0.5),
        "cpt_80": lambda rows: cpt(gain[rows], low[rows], high[rows], 0.8),
        "auroc_weak_fails": lambda rows: _auroc(failed[rows], -predicted.quality[rows, weak]),
    }
    report: dict[str, Any] = {
        name: _with_interval(figure, len(outcomes), draws if name != "auroc_weak_fails" else min(draws, 200))
        for name, figure in figures.items()
    }
    report["ece"] = {
        name: _short(calibration_error(predicted.quality[:, column], outcomes.scores[:, column]))
        for name, column in (("weak", weak), ("strong", strong))
    }
    return report


def calibration_error(expected: Floats, scores: Floats, *, bins: int = 10) -> float:
    """The mean distance between expected and real scores over bins of as many prompts each (Naeini et al., 2015)."""
    order = np.argsort(np.clip(expected, 0.0, 1.0), kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    gaps = [abs(float(np.clip(expected[part], 0.0, 1.0).mean() - scores[part].mean())) * len(part) for part in parts]
    return sum(gaps) / len(order)


def many_report(outcomes: Outcomes, predicted: Predicted, *, draws: int = 1000) -> dict[str, Any]:
    """All models at once: quality and cost of the routing beside the baselines, and the difference to the best single
    model at its own cost, with its interval. Without recorded costs, every call costs the same.

    ``over_random_mix`` is the AIQ less that of mixing the models at random, which is what routing must beat at equal
    cost. ``over_best_single`` takes the operating point that was best in hindsight: where "always the best model" is
    on the curve it cannot be below 0, and 0 says that nothing was gained."""
    scores = outcomes.scores
    usd = outcomes.usd if outcomes.has_cost else np.ones_like(scores)
    price = predicted.price if outcomes.has_cost else np.ones_like(scores)
    means, costs = scores.mean(axis=0), usd.mean(axis=0)
    best = int(means.argmax())
    curve = cost_curve(predicted.quality, price, scores, usd)
    rows = np.arange(len(outcomes))

    def over_best(sample: npt.NDArray[np.intp]) -> float:
        drawn = cost_curve(predicted.quality[sample], price[sample], scores[sample], usd[sample], points=24)
        return quality_at_cost(drawn, float(usd[sample, best].mean())) - float(scores[sample, best].mean())

    def over_mix(sample: npt.NDArray[np.intp]) -> float:
        drawn = cost_curve(predicted.quality[sample], price[sample], scores[sample], usd[sample])
        ends = float(usd[sample].mean(axis=0).min()), float(usd[sample].mean(axis=0).max())
        return aiq(drawn, *ends) - aiq(_random_mix(scores[sample], usd[sample]), *ends)

    shape = hull(curve)
    return {
        "curve": [[_short(x, 7), _short(y)] for x, y in zip(shape.usd, shape.quality, strict=True)],
        "aiq": _short(aiq(curve, float(costs.min()), float(costs.max()))) if outcomes.has_cost else None,
        "over_random_mix": _with_interval(over_mix, len(outcomes), min(draws, 200)) if outcomes.has_cost else None,
        "quality_at_cost": _at_shares(curve, float(costs[best])) if outcomes.has_cost else None,
        "quality_at_cost_of_best": _short(quality_at_cost(curve, float(costs[best]))),
        "over_best_single": _with_interval(over_best, len(outcomes), min(draws, 300)),
        "saving_at_95_percent": _short(saving_at_quality(curve, 0.95 * means[best], float(costs[best])))
        if outcomes.has_cost
        else None,
        "saving_at_99_percent": _short(saving_at_quality(curve, 0.99 * means[best], float(costs[best])))
        if outcomes.has_cost
        else None,
        "regret_to_oracle": _short(float(scores.max(axis=1).mean()) - float(shape.quality[-1])),
        "majority_per_dataset": _short(float(scores[rows, predicted.majority].mean())),
    }


def singles(outcomes: Outcomes) -> dict[str, Any]:
    """The baselines that need no router: each model alone, mixing them at random (RouterBench's Zero router), and the
    oracle."""
    means = outcomes.scores.mean(axis=0)
    usd = outcomes.usd.mean(axis=0)
    alone: dict[str, Any] = {}
    if outcomes.has_cost:
        mix = _random_mix(outcomes.scores, outcomes.usd)
        alone["aiq_of_random_mix"] = _short(aiq(mix, float(usd.min()), float(usd.max())))
        alone["quality_at_cost"] = _at_shares(mix, float(usd[int(means.argmax())]))
        alone["best_arena"] = _short(max(map(arena_score, means.tolist(), (1000 * usd).tolist())))
    return {
        **alone,
        "models": {
            name: {"quality": _short(mean), "usd": _short(cost, 7) if np.isfinite(cost) else None}
            for name, mean, cost in zip(outcomes.models, means, usd, strict=True)
        },
        "oracle": _short(float(outcomes.scores.max(axis=1).mean())),
    }


def _random_mix(scores: Floats, usd: Floats) -> Curve:
    """Each model alone; between them lies what mixing them at random reaches."""
    means, costs = scores.mean(axis=0), usd.mean(axis=0)
    order = np.lexsort((means, costs))
    return Curve(costs[order], means[order])


def _at_shares(curve: Curve, usd: float) -> dict[str, float | None]:
    """The quality at some shares of ``usd``; None where even the cheapest costs more."""
    return {str(share): _short(quality_at_cost(curve, share * usd)) for share in COST_SHARES}


def _dataset_splits(outcomes: Outcomes) -> list[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    names = np.array(outcomes.datasets)
    if len(set(outcomes.datasets)) < 2:
        raise RequestError("there is one data set only.", hint="Leaving one out needs two or more.")
    return [(np.flatnonzero(names != name), np.flatnonzero(names == name)) for name in sorted(set(outcomes.datasets))]


def _best_by_dataset(outcomes: Outcomes) -> dict[str, int]:
    names = np.array(outcomes.datasets)
    return {name: int(outcomes.scores[names == name].mean(axis=0).argmax()) for name in set(outcomes.datasets)}


def _auroc(truth: npt.NDArray[np.bool_], score: Floats) -> float:
    return float(roc_auc_score(truth, score)) if 0 < truth.sum() < len(truth) else float("nan")


def _with_interval(figure: Callable[[npt.NDArray[np.intp]], float], count: int, draws: int) -> dict[str, Any]:
    value = figure(np.arange(count))
    low, high = bootstrap(figure, count, draws=draws)
    return {"value": _short(value), "interval": [_short(low), _short(high)]}


def _short(value: float, digits: int = 4) -> float | None:
    return round(float(value), digits) if np.isfinite(value) else None
