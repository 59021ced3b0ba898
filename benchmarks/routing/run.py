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
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from machine import ROOT, write
from router.offline.evaluate import ahead, facts_of, held_out, pair_of, rival_report
from router.offline.fit_quality import LEAST_ROWS, QualityFit
from router.offline.outcomes import Outcomes, prompt_folds, read_outcomes
from router.offline.rivals import RIVALS, Dense, make_predictor
from router.offline.routing_curves import apgr
from routing.peers import all_rivals

SMALL, LARGE = "mistralai/mixtral-8x7b-chat", "gpt-4-1106-preview"
MOST = 3_000
"""Where there are more prompts, rivals are measured on a sample: a run takes minutes. The router is, on all, too."""
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
RIVALS_CODE, ROUTER_CODE = (
    hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    for sources in (THEIRS, THEIRS + OURS)
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
    found: dict[str, Any] = {}

    def measure(name: str, outcomes: Outcomes, rivals: list[str], pair: Any = None, by_dataset: bool = False) -> None:
        found[name] = measured(name, outcomes, rivals, pair, by_dataset, options.draws)
        show(name, found[name])

    for name in options.sets.split(","):
        outcomes, pair = read_outcomes([options.data / "outcomes" / f"{name}.jsonl.gz"]), SETS[name].get("pair")
        if len(outcomes) > MOST:
            measure(name, outcomes, ["router"], pair)
            name, outcomes = f"{name}, {MOST:,} prompts", sample(outcomes)
        measure(name, outcomes, rivals, pair)
        if not options.no_curve:
            found[name]["limits"] = limits(name, outcomes, found[name])
        if len(set(outcomes.datasets)) > 1:
            measure(f"{name}, each set from the others", outcomes, ["router", "knn"], pair, True)
    if options.sets == ",".join(SETS):
        measure("one pair, each set from the others", one_pair(options.data), ["router", "mf"], None, True)
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


def limits(name: str, outcomes: Outcomes, measured: dict[str, Any]) -> dict[str, Any]:
    """What the data allows: how many prompts tell the models apart, and APGR over the share of training prompts."""
    weak, strong = pair_of(outcomes, measured["pair"])
    gain = outcomes.scores[:, strong] - outcomes.scores[:, weak]
    curve = kept(f"{name} curve", lambda: learning_curve(outcomes, weak, strong), ROUTER_CODE)
    return {
        **(twins(outcomes, gain) if len(outcomes) < 2_000 else {}),
        "stronger_better": int((gain > 0).sum()),
        "weaker_better": int((gain < 0).sum()),
        "alike": int((gain == 0).sum()),
        "learning_curve": {**curve, "1.0": measured["routers"]["router"]["pair"]["apgr"]["value"]},
    }


def twins(outcomes: Outcomes, gain: np.ndarray) -> dict[str, Any]:
    """Prompts whose last paragraph shares 85 % of its words with another's, and how their gains go together: below 0,
    who learns from one is misled about the other."""
    words = [set(prompt.rstrip().rsplit("\n\n", 1)[-1].lower().split()) for prompt in outcomes.prompts]
    pairs = [
        (one, other)
        for one in range(len(words))
        for other in range(one)
        if len(words[one] & words[other]) >= 0.85 * len(words[one] | words[other])
    ]
    if len(pairs) < 20:
        return {"twins": len({row for pair in pairs for row in pair})}
    left, right = np.array([*pairs, *((other, one) for one, other in pairs)]).T
    both = float(np.corrcoef(gain[left], gain[right])[0, 1])
    return {"twins": len(set(left.tolist())), "twins_correlation": round(both, 4)}


def learning_curve(outcomes: Outcomes, weak: int, strong: int) -> dict[str, Any]:
    """APGR over the share of the training prompts that was learnt from; None where they are too few."""
    curve: dict[str, Any] = {}
    for share in (0.125, 0.25, 0.5):
        figures = []
        for seed in (1, 2, 3) if len(outcomes) < 600 else (1,):
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
    return curve


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
