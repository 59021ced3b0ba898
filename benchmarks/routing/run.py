"""What is learned routing worth on recorded outcomes, beside predictors from the literature and litellm's heuristic?

    python benchmarks/routing/run.py --data DIR [--draws N] [--sets NAME,...] [--rivals NAME,...] [--no-curve]

Each finished set is kept in build/routing; started again with the same code and settings, a run goes on where it ended.

DIR/outcomes holds the recorded outcomes (RouteLLM, RouterBench, RouterDC). Every prediction is for a prompt that the
predictor has not seen: 5 folds over prompts; where there are several data sets, once more leaving one of them out; and
the five sets that asked the same two models once more together. Why a set allows no more is told by its learning curve
(a half, a quarter, an eighth of the training prompts), by how many prompts tell the two models apart at all, by the
APGR of an oracle, and by that of one who knows how other models did on the same prompt.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from machine import ROOT, write
from router.offline.evaluate import ahead, facts_of, held_out, pair_of, rival_report
from router.offline.fit_quality import QualityFit
from router.offline.outcomes import Outcomes, read_outcomes
from router.offline.rivals import RIVALS, Dense, make_predictor
from routing.limits import insider, learning_curve, limits, others_of
from routing.peers import all_rivals

SMALL, LARGE = "mistralai/mixtral-8x7b-chat", "gpt-4-1106-preview"
MOST = 3_000
"""Where there are more prompts, rivals are measured on a sample: a run takes minutes. The router is, on all, too."""
LEARNED = ("router", "knn", "mlp", "mf", "encoder")
"""Who can tell anything of a data set that was left out: the rest learns nothing, or only where prompts are alike."""
SETS: dict[str, dict[str, Any]] = {
    "routellm_mmlu": {},
    "routellm_gsm8k": {},
    "routerbench_arc_challenge": {"pair": (SMALL, LARGE)},
    "routerbench_mbpp": {"pair": (SMALL, LARGE)},
    "routerbench_winogrande": {"pair": (SMALL, LARGE)},
    "routerdc_7models": {},
}


PACKAGE = ROOT / "src" / "router"
THEIRS = [
    *(
        PACKAGE / "offline" / f"{name}.py"
        for name in ("arena", "evaluate", "outcomes", "rivals", "routing_curves", "typos")
    ),
    Path(__file__).with_name("peers.py"),
]
OURS = [
    *(PACKAGE / name for name in ("features.py", "signals/quality.py", "signals/surface.py", "local/static.py")),
    PACKAGE / "offline" / "fit_quality.py",
]
LIMITS = [Path(__file__).with_name("limits.py")]
RIVALS_CODE, ROUTER_CODE, LIMITS_CODE = (
    hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    for sources in (THEIRS, THEIRS + OURS, THEIRS + OURS + LIMITS)
)
"""What a part's figures depend on, as it was when this run began: rivals' do not change with the router's code."""


def main() -> None:
    """Measure and write the results."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--draws", type=int, default=500)
    arguments.add_argument("--sets", default=",".join(SETS))
    arguments.add_argument("--rivals", help="only these, beside the router's own")
    arguments.add_argument("--no-curve", action="store_true", help="leave the learning curves out")
    options = arguments.parse_args()
    RIVALS.update(all_rivals())
    rivals = list(RIVALS) if options.rivals is None else ["router", *options.rivals.split(",")]
    learned = [name for name in rivals if name in LEARNED]
    found: dict[str, Any] = {}

    def measure(name: str, outcomes: Outcomes, rivals: list[str], pair: Any = None, by_dataset: bool = False) -> None:
        found[name] = measured(name, outcomes, rivals, pair, by_dataset, options.draws)
        show(name, found[name])

    for name in options.sets.split(","):
        outcomes, pair = read_outcomes([options.data / "outcomes" / f"{name}.jsonl.gz"]), SETS[name].get("pair")
        whole, whole_name = outcomes, name
        if len(outcomes) > MOST:
            measure(name, outcomes, ["router"], pair)
            name, outcomes = f"{name}, {MOST:,} prompts", sample(outcomes)
        measure(name, outcomes, rivals, pair)
        found[whole_name]["limits"] = allowed(
            whole_name, whole, pair, options.data, options.draws, is_curve_wanted=not options.no_curve
        )
        if len(set(outcomes.datasets)) > 1:
            measure(f"{name}, each set from the others", outcomes, learned, pair, True)
    if options.sets == ",".join(SETS):
        pooled = one_pair(options.data)
        measure("one pair, all sets together", pooled, learned)
        measure("one pair, each set from the others", pooled, learned, None, True)
    print("measuring time ...", flush=True)
    write("routing", {"draws": options.draws, "sets": found, "time": decision_time(options.data, rivals)})


def sample(outcomes: Outcomes) -> Outcomes:
    """At most ``MOST`` prompts, drawn evenly."""
    rows = np.random.default_rng(20230427).permutation(len(outcomes))[:MOST]
    return outcomes.take(np.sort(rows))


def measured(
    name: str, outcomes: Outcomes, rivals: list[str], pair: Any, by_dataset: bool, draws: int
) -> dict[str, Any]:
    """Figures of all ``rivals`` on one set, those that are kept from a run before included."""
    weak, strong = pair_of(outcomes, pair)
    dense, routers, gains = Dense(20230427), {}, {}
    for rival in rivals:

        def figures(rival: str = rival) -> dict[str, Any]:
            print(f"  measuring {rival} on {name} ...", flush=True)
            predicted = held_out(outcomes, rival, by_dataset=by_dataset, dense=dense)
            gain = predicted.quality[:, strong] - predicted.quality[:, weak]
            found = rival_report(outcomes, predicted, weak, strong, draws=draws)
            return {"figures": found, "gain": np.round(gain, 6).tolist()}

        part = kept(f"{name} {rival} {draws}", figures, ROUTER_CODE if rival == "router" else RIVALS_CODE)
        routers[rival] = {**part["figures"], "description": RIVALS[rival][1]}
        gains[rival] = np.array(part["gain"])
        if rival != "router":
            routers[rival]["router_ahead"] = ahead(outcomes, gains["router"], gains[rival], weak, strong, draws=draws)
    protocol = "each data set from the others" if by_dataset else "5-fold over prompts"
    return {"protocol": protocol, **facts_of(outcomes, weak, strong), "routers": routers}


def kept(name: str, measure: Callable[[], dict[str, Any]], code: str) -> dict[str, Any]:
    """What was measured before by the same ``code``, or is measured now and kept."""
    path = ROOT / "build" / "routing" / f"{name.replace(',', '').replace(' ', '-')}-{code}.json"
    if path.exists():
        known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return known
    path.parent.mkdir(parents=True, exist_ok=True)
    found = measure()
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(found), encoding="utf-8")
    unfinished.rename(path)
    return found


def allowed(
    name: str, outcomes: Outcomes, pair: Any, data: Path, draws: int, *, is_curve_wanted: bool
) -> dict[str, Any]:
    """What the data allows (``routing/limits.py``); ``insider`` only where other models were asked the same."""
    weak, strong = pair_of(outcomes, pair)
    found = limits(outcomes, weak, strong)
    others = others_of(outcomes, weak, strong, data / "outcomes" / "routerdc_7models.jsonl.gz")
    if others is not None:
        found["insider"] = insider(outcomes, weak, strong, others, draws=draws)
    if not is_curve_wanted:
        return found
    curve = kept(f"{name} curve {draws}", lambda: learning_curve(outcomes, weak, strong, draws=draws), LIMITS_CODE)
    return {**found, "learning_curve": curve}


def decision_time(data: Path, rivals: list[str]) -> dict[str, Any]:
    """Microseconds to predict one prompt, each rival in turn on each; all learnt a thousand of GSM8K."""
    outcomes = read_outcomes([data / "outcomes" / "routellm_gsm8k.jsonl.gz"])
    rows = np.random.default_rng(20230427).permutation(len(outcomes))
    dense, asks = Dense(20230427), {}
    for rival in rivals:
        predictor = make_predictor(rival, 20230427, dense)
        predictor.fit(outcomes.take(rows[:1000]))
        asks[rival] = (
            predictor.serving().predict
            if isinstance(predictor, QualityFit)
            else lambda prompt, predict=predictor.predict: predict([prompt])
        )
    times: dict[str, list[int]] = {rival: [] for rival in rivals}
    for row in rows[1000:1100]:
        for rival, ask in asks.items():
            started = time.perf_counter_ns()
            ask(outcomes.prompts[row])
            times[rival].append(time.perf_counter_ns() - started)
    return {"prompts": 100, "us": {rival: round(float(np.median(each)) / 1000, 1) for rival, each in times.items()}}


def one_pair(data: Path) -> Outcomes:
    """Mixtral-8x7B and GPT-4 on five sets of two sources: does what one set teaches help on another?"""
    parts = []
    for name, settings in SETS.items():
        if name.startswith(("routellm", "routerbench")):
            outcomes = sample(read_outcomes([data / "outcomes" / f"{name}.jsonl.gz"]))
            parts.append(outcomes.of(settings.get("pair", outcomes.models)))
    return Outcomes(
        tuple(prompt for part in parts for prompt in part.prompts),
        tuple(name for part in parts for name in part.datasets),
        ("mixtral-8x7b", "gpt-4-1106"),
        np.concatenate([part.scores for part in parts]),
        np.full((sum(map(len, parts)), 2), np.nan),
    )


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
