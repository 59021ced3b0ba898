"""Why some goals of learned routing are not met: what more than the text of a prompt would tell, and what can be told.

    python benchmarks/routing/bounds.py --data DIR [--draws N]

- MMLU, which prompts Mixtral fails: the router beside one who is told the subject (57 exams; nobody writes it into a
  prompt), beside the router that is told it, too, and beside the router that is told whether GPT-4 was right; where the
  extra ``deep`` is installed, also beside a classifier on a sentence encoder, and both of them together.
- mbpp: how far figures move when only the folds are drawn anew, and how many prompts would tell the goal from chance.
- winogrande: the router on all prompts and on those without a twin, beside one who only knows how the twin went, and
  learns whether to count that for or against (at prediction time: nobody has a twin's outcome in service).
- mbpp and winogrande: the router learnt alone or with the other sets of the same two models, whichever told more of
  held-out training prompts: what is reported had no say in it.
- RouterBench's three sets together, eleven models and their costs: over the best single model at its cost.

Everything is predicted for prompts that were not learnt from: 5 folds over prompts.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from machine import write
from router.offline.evaluate import held_out, many_report, pair_of, singles
from router.offline.fit_quality import QualityFit
from router.offline.outcomes import Outcomes, prompt_folds, read_outcomes
from router.offline.rivals import RIVALS
from router.offline.routing_curves import apgr, bootstrap
from routing.limits import twin_pairs
from routing.peers import all_rivals
from routing.run import one_pair

SEED = 20230427
PAIR = ("mistralai/mixtral-8x7b-chat", "gpt-4-1106-preview")
GOALS = {"mmlu": 0.75, "mbpp": 0.60, "winogrande": 0.53}
FOLDS = 5
SHRINK = 5.0
Figure = Callable[[np.ndarray], float]


def predicted(outcomes: Outcomes, seed: int = SEED) -> np.ndarray:
    """The router's held-out predictions, shape ``(N, M)``."""
    return held_out(outcomes, "router", folds=FOLDS, seed=seed).quality


def told(figure: Figure, rows: np.ndarray, draws: int) -> dict[str, Any]:
    """A figure over ``rows``, with its interval."""
    low, high = bootstrap(lambda drawn: figure(rows[drawn]), len(rows), draws=draws)
    return {"value": round(figure(rows), 4), "interval": [round(low, 4), round(high, 4)], "prompts": len(rows)}


def mmlu(data: Path, draws: int) -> dict[str, Any]:
    path = data / "outcomes" / "routellm_mmlu.jsonl.gz"
    outcomes = read_outcomes([path])
    weak, strong = pair_of(outcomes)
    fails, expected = outcomes.scores[:, weak] < 0.5, predicted(outcomes)
    subject, right = _subjects(path, outcomes, weak), outcomes.scores[:, [strong]]
    seen = {
        "router": -expected[:, weak],
        "subject": -subject,
        "router, told the subject": _mixed(outcomes, fails, np.column_stack([expected, subject])),
        "router, told whether GPT-4 was right": _mixed(outcomes, fails, np.column_stack([expected, right])),
    }
    RIVALS.update(all_rivals())
    if "encoder" in RIVALS:
        encoded = held_out(outcomes, "encoder", folds=FOLDS, seed=SEED).quality
        seen["encoder"] = -encoded[:, weak]
        seen["router and encoder together"] = _mixed(outcomes, fails, np.column_stack([expected, encoded]))
    everything = np.arange(len(outcomes))
    return {
        name: told(lambda rows, score=score: float(roc_auc_score(fails[rows], score[rows])), everything, draws)
        for name, score in seen.items()
    }


def _subjects(path: Path, outcomes: Outcomes, model: int) -> np.ndarray:
    """Of each prompt the model's mean score on other prompts of its subject."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        subject_of = {row["prompt"]: row["subset"] for row in map(json.loads, lines)}
    names = np.array([subject_of[prompt] for prompt in outcomes.prompts])
    scores, found = outcomes.scores[:, model], np.zeros(len(outcomes))
    for train, test in prompt_folds(outcomes.prompts, FOLDS, SEED):
        for name in set(names[test]):
            known = scores[train[names[train] == name]]
            found[test[names[test] == name]] = (known.sum() + SHRINK * scores[train].mean()) / (len(known) + SHRINK)
    return found


def _mixed(outcomes: Outcomes, fails: np.ndarray, facts: np.ndarray) -> np.ndarray:
    """How likely each prompt fails, from ``facts``, shape ``(N, K)``, that were themselves learnt without it."""
    found = np.zeros(len(outcomes))
    for train, test in prompt_folds(outcomes.prompts, FOLDS, SEED):
        found[test] = LogisticRegression(max_iter=500).fit(facts[train], fails[train]).predict_proba(facts[test])[:, 1]
    return found


def mbpp(data: Path, draws: int) -> dict[str, Any]:
    outcomes = read_outcomes([data / "outcomes" / "routerbench_mbpp.jsonl.gz"])
    weak, strong = pair_of(outcomes, PAIR)
    low, high = outcomes.scores[:, weak], outcomes.scores[:, strong]
    drawn = []
    for seed in (SEED, 1, 2, 3, 4):
        expected = predicted(outcomes, seed)
        gain = expected[:, strong] - expected[:, weak]
        if seed == SEED:
            router = told(lambda rows, gain=gain: apgr(gain[rows], low[rows], high[rows]), np.arange(len(low)), draws)
        drawn.append(apgr(gain, low, high))
    half = (router["interval"][1] - router["interval"][0]) / 2
    return {
        "router": router,
        "other_folds": [round(min(drawn), 4), round(max(drawn), 4)],
        "mean_over_folds": round(float(np.mean(drawn)), 4),
        "prompts_that_tell": int((low != high).sum()),
        # The half width of an interval falls with the root of the number of prompts.
        "prompts_to_tell_goal_from_chance": round(len(low) * (half / (GOALS["mbpp"] - 0.5)) ** 2),
        "prompts_to_tell_goal_from_router": round(len(low) * (half / max(1e-9, GOALS["mbpp"] - router["value"])) ** 2),
    }


def winogrande(data: Path, draws: int) -> dict[str, Any]:
    outcomes = read_outcomes([data / "outcomes" / "routerbench_winogrande.jsonl.gz"])
    weak, strong = pair_of(outcomes, PAIR)
    low, high, expected = outcomes.scores[:, weak], outcomes.scores[:, strong], predicted(outcomes)
    twins: dict[int, list[int]] = {}
    for one, other in twin_pairs(outcomes):
        twins.setdefault(one, []).append(other)
        twins.setdefault(other, []).append(one)
    gains = {"router": expected[:, strong] - expected[:, weak], "twin": _twins_gain(outcomes, high - low, twins)}
    everything = np.arange(len(outcomes))
    alone = np.array([row for row in everything if row not in twins])

    def figure(name: str) -> Figure:
        return lambda rows: apgr(gains[name][rows], low[rows], high[rows])

    return {
        "router": told(figure("router"), everything, draws),
        "router, prompts without a twin": told(figure("router"), alone, draws),
        "twin": told(figure("twin"), everything, draws),
    }


def _twins_gain(outcomes: Outcomes, gain: np.ndarray, twins: dict[int, list[int]]) -> np.ndarray:
    """The gain on the twins among the training prompts, for or against as it went there; 0 without one."""
    found = np.zeros(len(outcomes))
    for train, test in prompt_folds(outcomes.prompts, FOLDS, SEED):
        here, mean = set(train.tolist()), gain[train].mean()

        def of_twins(rows: np.ndarray, here: set[int] = here, mean: float = mean) -> np.ndarray:
            near = [[gain[twin] - mean for twin in twins.get(int(row), []) if twin in here] for row in rows]
            return np.array([np.mean(each) if each else 0.0 for each in near])

        learnt = of_twins(train)
        found[test] = np.sign(learnt @ (gain[train] - mean)) * of_twins(test)
    return found


def chosen(data: Path, draws: int) -> dict[str, Any]:
    """Alone, or with the other sets? What two inner folds of the training prompts say is done."""
    sets, found = one_pair(data), {}
    names, everybody = np.array(sets.datasets), np.arange(len(sets))
    low, high = sets.scores[:, 0], sets.scores[:, 1]

    def gains(train: np.ndarray, test: np.ndarray) -> np.ndarray:
        expected = QualityFit(seed=SEED).fit(sets.take(train)).predict([sets.prompts[row] for row in test])
        return expected[:, 1] - expected[:, 0]

    for name in ("mbpp", "winogrande"):
        own, others = everybody[names == name], everybody[names != name]
        gain, joined = np.zeros(len(sets)), 0
        for train, test in _folds(sets, own, FOLDS):
            seen = {False: np.zeros(len(sets)), True: np.zeros(len(sets))}
            for inner, held in _folds(sets, train, 2):
                seen[False][held] = gains(inner, held)
                seen[True][held] = gains(np.r_[inner, others], held)
            alone, both = (apgr(seen[is_joined][train], low[train], high[train]) for is_joined in (False, True))
            joined += both > alone
            gain[test] = gains(np.r_[train, others] if both > alone else train, test)
        figure = told(lambda rows, gain=gain: apgr(gain[rows], low[rows], high[rows]), own, draws)
        found[name] = {**figure, "folds_with_others": int(joined), "folds": FOLDS}
    return found


def _folds(outcomes: Outcomes, rows: np.ndarray, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Folds of some of the rows, in numbers of the whole."""
    parts = prompt_folds([outcomes.prompts[row] for row in rows], count, SEED)
    return [(rows[train], rows[test]) for train, test in parts]


def together(data: Path, draws: int) -> dict[str, Any]:
    outcomes = read_outcomes(
        [data / "outcomes" / f"routerbench_{name}.jsonl.gz" for name in ("arc_challenge", "mbpp", "winogrande")]
    )
    found = many_report(outcomes, held_out(outcomes, "router"), draws=draws)
    kept = ("over_best_single", "over_random_mix", "aiq", "quality_at_cost", "saving_at_95_percent", "regret_to_oracle")
    alone = singles(outcomes)
    means = {name: row["quality"] for name, row in alone["models"].items()}
    best = max(means, key=lambda name: means[name])
    cheaper_right = outcomes.scores.copy()
    wins = outcomes.scores[:, outcomes.models.index(best)]
    cheaper_right[:, outcomes.models.index(best)] = 0.0
    return {
        "prompts": len(outcomes),
        "models": len(outcomes.models),
        "best_single": {"model": best, "quality": means[best]},
        "majority_per_dataset": found["majority_per_dataset"],
        "best_of_each_set": {
            name: outcomes.models[int(outcomes.scores[np.array(outcomes.datasets) == name].mean(axis=0).argmax())]
            for name in sorted(set(outcomes.datasets))
        },
        "best_fails_another_right": round(float(((wins < 0.5) & (cheaper_right.max(axis=1) >= 0.5)).mean()), 4),
        "random_mix": {"aiq": alone["aiq_of_random_mix"], "quality_at_cost": alone["quality_at_cost"]},
        "router": {name: found[name] for name in kept},
    }


def main() -> None:
    """Measure and write the results."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--draws", type=int, default=500)
    options = arguments.parse_args()
    found: dict[str, Any] = {"draws": options.draws, "goals": GOALS}
    parts = (together, mbpp, winogrande, chosen, mmlu)
    for name, measure in ((part.__name__, part) for part in parts):
        found[name] = measure(options.data, options.draws)
        print(name, json.dumps(found[name], indent=1), flush=True)
    write("routing_bounds", found)


if __name__ == "__main__":
    main()
