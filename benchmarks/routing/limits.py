"""What recorded outcomes allow: how many prompts tell two models apart, what more prompts would bring, how far one gets
who knows how other models did on the very prompt, and what prompts of nearly the same words say of each other."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score

from router.offline.fit_quality import LEAST_ROWS, QualityFit
from router.offline.outcomes import Outcomes, prompt_folds, read_outcomes
from router.offline.routing_curves import apgr, bootstrap

SHARES = (0.125, 0.25, 0.5, 1.0)
MOST_TWINS = 2_000
SEED = 20230427


def limits(outcomes: Outcomes, weak: int, strong: int) -> dict[str, Any]:
    """Counts of the prompts that tell the models apart, and of twins where there are at most ``MOST_TWINS`` prompts."""
    gain = outcomes.scores[:, strong] - outcomes.scores[:, weak]
    return {
        **(twins(outcomes, gain) if len(outcomes) <= MOST_TWINS else {}),
        "stronger_better": int((gain > 0).sum()),
        "weaker_better": int((gain < 0).sum()),
        "alike": int((gain == 0).sum()),
    }


def twins(outcomes: Outcomes, gain: np.ndarray) -> dict[str, Any]:
    """How many prompts have a twin, and how twins' gains go together: below 0, who learns from one is misled about the
    other."""
    pairs = twin_pairs(outcomes)
    if len(pairs) < 20:
        return {"twins": len({row for pair in pairs for row in pair})}
    left, right = np.array([*pairs, *((other, one) for one, other in pairs)]).T
    both = float(np.corrcoef(gain[left], gain[right])[0, 1])
    return {"twins": len(set(left.tolist())), "twins_correlation": round(both, 4)}


def twin_pairs(outcomes: Outcomes) -> list[tuple[int, int]]:
    """Rows of prompts whose last paragraphs share 85 % of their words."""
    words = [set(prompt.rstrip().rsplit("\n\n", 1)[-1].lower().split()) for prompt in outcomes.prompts]
    return [
        (one, other)
        for one in range(len(words))
        for other in range(one)
        if len(words[one] & words[other]) >= 0.85 * len(words[one] | words[other])
    ]


def learning_curve(outcomes: Outcomes, weak: int, strong: int, *, draws: int = 500) -> dict[str, Any]:
    """APGR and AUROC over the share of the training prompts that was learnt from (None where they are too few), and
    what one doubling brings: the slope of a line through the points, with its interval over prompts."""
    low, high = outcomes.scores[:, weak], outcomes.scores[:, strong]
    figures = {
        "apgr": lambda rows, quality: apgr(quality[rows, strong] - quality[rows, weak], low[rows], high[rows]),
        "auroc_weak_fails": lambda rows, quality: float(roc_auc_score(low[rows] < 0.5, -quality[rows, weak])),
    }
    seeds = (1, 2, 3) if len(outcomes) <= MOST_TWINS else (1,)
    learnt = {share: found for share in SHARES if (found := _predicted(outcomes, share, seeds)) is not None}
    doublings = np.log2(list(learnt))
    everything, told = np.arange(len(outcomes)), {}
    for name, figure in figures.items():

        def at(rows: np.ndarray, figure: Any = figure) -> list[float]:
            return [float(np.mean([figure(rows, quality) for quality in each])) for each in learnt.values()]

        def slope(rows: np.ndarray, at: Any = at) -> float:
            return float(np.polyfit(doublings, at(rows), 1)[0])

        low_end, high_end = bootstrap(slope, len(outcomes), draws=draws)
        points = dict(zip(learnt, at(everything), strict=True))
        told[name] = {
            "shares": {str(share): round(points[share], 4) if share in points else None for share in SHARES},
            "a_doubling": {
                "value": round(slope(everything), 4),
                "interval": [round(low_end, 4), round(high_end, 4)],
            },
        }
    return told


def _predicted(outcomes: Outcomes, share: float, seeds: tuple[int, ...]) -> list[np.ndarray] | None:
    """Held-out predictions, shape ``(N, M)``, one for each draw of folds; None where too few prompts are left."""
    found = []
    for seed in seeds:
        quality, chance = np.zeros(outcomes.scores.shape), np.random.default_rng(seed)
        for train, test in prompt_folds(outcomes.prompts, 5, seed):
            part = chance.permutation(train)[: int(len(train) * share)]
            if len(part) < LEAST_ROWS:
                return None
            quality[test] = (
                QualityFit(seed=seed).fit(outcomes.take(part)).predict([outcomes.prompts[row] for row in test])
            )
        found.append(quality)
    return found


def insider(outcomes: Outcomes, weak: int, strong: int, others: np.ndarray, *, draws: int = 500) -> dict[str, Any]:
    """Figures of one who reads no prompt, but knows what ``others``, other models' scores of shape ``(N, K)``, were on
    that very prompt: a ridge regression on them, 5 folds. Who reads the prompt alone knows less of how hard it is."""
    low, high = outcomes.scores[:, weak], outcomes.scores[:, strong]
    gain, fails = np.zeros(len(outcomes)), np.zeros(len(outcomes))
    for train, test in prompt_folds(outcomes.prompts, 5, SEED):
        told = Ridge(10.0).fit(others[train], np.column_stack([low, high])[train]).predict(others[test])
        gain[test], fails[test] = told[:, 1] - told[:, 0], -told[:, 0]
    found: dict[str, Any] = {"models": others.shape[1]}
    for name, figure in (
        ("apgr", lambda rows: apgr(gain[rows], low[rows], high[rows])),
        ("auroc_weak_fails", lambda rows: float(roc_auc_score(low[rows] < 0.5, fails[rows]))),
    ):
        ends = bootstrap(figure, len(outcomes), draws=draws)
        found[name] = {
            "value": round(figure(np.arange(len(outcomes))), 4),
            "interval": [round(end, 4) for end in ends],
        }
    return found


def others_of(outcomes: Outcomes, weak: int, strong: int, elsewhere: Path) -> np.ndarray | None:
    """Scores of other models on the same prompts, shape ``(N, K)``: those of the set itself, else those of the file
    ``elsewhere`` where it holds all prompts; None where nobody else was asked."""
    if len(outcomes.models) > 2:
        return np.delete(outcomes.scores, [weak, strong], axis=1)
    known = read_outcomes([elsewhere])
    rows = {_letters(prompt): row for row, prompt in enumerate(known.prompts)}
    same = [rows.get(_letters(prompt)) for prompt in outcomes.prompts]
    return None if None in same else known.scores[[row for row in same if row is not None]]


def _letters(prompt: str) -> str:
    return "".join(filter(str.isalnum, prompt.lower()))
