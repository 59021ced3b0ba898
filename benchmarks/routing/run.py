"""What is learned routing worth on recorded outcomes, beside predictors from the literature and litellm's heuristic?

    python benchmarks/routing/run.py --data DIR [--draws N] [--sets NAME,...]

DIR/outcomes holds the recorded outcomes (RouteLLM, RouterBench, RouterDC). Every prediction is for a prompt that the
predictor has not seen (5 folds over prompts; the pooled sets once more leaving one data set out).
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

import numpy as np

from machine import write
from router.offline.evaluate import report
from router.offline.outcomes import Outcomes, read_outcomes
from router.offline.rivals import RIVALS

SMALL, LARGE = "mistralai/mixtral-8x7b-chat", "gpt-4-1106-preview"
SETS: dict[str, dict[str, Any]] = {
    "routellm_mmlu": {},
    "routellm_gsm8k": {},
    "routerbench_arc_challenge": {"pair": (SMALL, LARGE)},
    "routerbench_mbpp": {"pair": (SMALL, LARGE)},
    "routerbench_winogrande": {"pair": (SMALL, LARGE)},
    "routerdc_7models": {},
}


class Complexity:
    """The keyword and length heuristic of ``litellm``: the harder a prompt looks, the more the better model gains."""

    def __init__(self, seed: int) -> None:
        from litellm.router_strategy.complexity_router.complexity_router import ComplexityRouter

        self._score = ComplexityRouter("auto", None).classify

    def fit(self, outcomes: Outcomes) -> Complexity:
        self._means = outcomes.scores.mean(axis=0)
        return self

    def predict(self, prompts: list[str]) -> np.ndarray:
        hard = np.array([float(self._score(prompt)[1]) for prompt in prompts])
        return self._means[None, :] - hard[:, None] * (1.0 - self._means[None, :])


def main() -> None:
    """Measure and write the results."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--draws", type=int, default=500)
    arguments.add_argument("--sets", default=",".join(SETS))
    options = arguments.parse_args()
    RIVALS["litellm-complexity"] = (Complexity, "keyword and length heuristic of litellm")
    found = {}
    for name in options.sets.split(","):
        outcomes = read_outcomes([options.data / "outcomes" / f"{name}.jsonl.gz"])
        found[name] = report(outcomes, tuple(RIVALS), draws=options.draws, **SETS[name])
        show(name, found[name])
        if len(set(outcomes.datasets)) > 1:
            found[f"{name}, each set from the others"] = report(
                outcomes, ("router", "knn"), draws=options.draws, by_dataset=True, **SETS[name]
            )
            show(f"{name}, each set from the others", found[f"{name}, each set from the others"])
    write("routing", {"sets": found})


def show(name: str, figures: dict[str, Any]) -> None:
    """One line a predictor."""
    print(f"{name}: {figures['prompts']} prompts, {figures['pair']}, oracle APGR {figures['oracle_apgr']}")
    for rival, values in figures["routers"].items():
        two, many = values["pair"], values["many"]["over_best_single"]
        print(
            f"  {rival:<20} APGR {two['apgr']['value']} {two['apgr']['interval']}  AUROC "
            f"{two['auroc_weak_fails']['value']}  over best {many['value']} {many['interval']}  {values['us']} us",
            flush=True,
        )


if __name__ == "__main__":
    main()
