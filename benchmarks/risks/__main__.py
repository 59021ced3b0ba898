"""How well risks are told: ``python -m benchmarks.risks --data DIR``.

By the first look alone, with the deep reading (``guide-router-deep``) of all requests and of those that the first look
is unsure of, and with the second look (extra ``deep``). Sets: ``safety/dev`` (data
sets of which nothing was trained on), ``safety/contrast_dev`` (pairs of a safe request and its unsafe twin),
``languages.jsonl`` (fourteen pairs in five languages each) and ``answers.jsonl`` (what a model wrote). Writes
``benchmarks/results/risks.json``.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import timeit
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from math import log
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

import router
from router.assemble import second_look
from router.errors import MissingExtra
from router.local.deep import deep_directory, load_deep
from router.local.understanding import load_understanding
from router.signals.deep import DeepUnderstanding
from router.signals.learned import Risks, Understanding
from router.signals.second_look import SecondLook
from router.types import Message, Request, Signals

from ..machine import facts

Look = Callable[[Request], Risks]
HERE = Path(__file__).parent
FOLDER = Path(router.__file__).parent / "builtin" / "signals"
RESULTS = HERE.parent / "results" / "risks.json"


def measure_risks(understanding: Understanding, sets: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    looks: dict[str, Look] = {"first_look": lambda request: first_risks(understanding, request)}
    asked: list[bool] = []
    deep = deep_reading(understanding)
    if deep is not None:
        read: dict[str, Risks] = {}

        def always(request: Request) -> Risks:
            text = request.messages[0].text
            if text not in read:
                read[text] = deep_risks(understanding, deep, request)
            return read[text]

        looks["deep_always"] = always
        looks["deep_unsure"] = lambda request: unsure_risks(understanding, deep, always, request, asked)
    second: SecondLook | None = None
    try:
        second = second_look()
    except MissingExtra:
        pass
    else:
        looks["second_look"] = lambda request: both_risks(understanding, second, request)
    own = {name: _lines(HERE / f"{name}.jsonl") for name in ("languages", "answers")}
    found: dict[str, Any] = {}
    for name, look in looks.items():
        found[name] = {}
        for set_name, rows in sets.items():
            asked.clear()
            found[name][set_name] = measured(look, rows)
            if asked:
                found[name][set_name]["read_deeply"] = round(float(np.mean(asked)), 4)
        found[name]["languages"] = {
            language: measured(look, [row for row in own["languages"] if row["lang"] == language])
            for language in ("en", "de", "es", "fr", "zh")
        }
        answers = [
            {"prompt": row["text"], "flag": "benign" if row["flag"] == "safe" else "harmful"} for row in own["answers"]
        ]
        found[name]["answers"] = measured(look, answers)
    if second is not None:
        found["time_ms"] = timed(understanding, second)
    return found


def request_of(text: str) -> Request:
    return Request(messages=(Message(role="user", text=text),))


def first_risks(understanding: Understanding, request: Request) -> Risks:
    signals = Signals(request, dict.fromkeys(understanding.provides, understanding))
    risks: Risks = signals["risks"].value
    return risks


def both_risks(understanding: Understanding, second: SecondLook, request: Request) -> Risks:
    risks = first_risks(understanding, request)
    return second.risks(risks, request)


def deep_risks(understanding: Understanding, deep: DeepUnderstanding, request: Request) -> Risks:
    signals = Signals(request, dict.fromkeys(understanding.provides, understanding))
    signals.fetch(understanding.provides)
    risks: Risks = deep.deepened(request, signals.known())["risks"].value
    return risks


def unsure_risks(
    understanding: Understanding, deep: DeepUnderstanding, always: Look, request: Request, asked: list[bool]
) -> Risks:
    signals = Signals(request, dict.fromkeys(understanding.provides, understanding))
    signals.fetch(understanding.provides)
    asked.append(deep.is_unsure(signals.known()))
    first: Risks = signals["risks"].value
    return always(request) if asked[-1] else first


def deep_reading(understanding: Understanding) -> DeepUnderstanding | None:
    if deep_directory() is None:
        return None
    card, score = load_deep(None)
    return DeepUnderstanding(card.facts, understanding, score)


def measured(look: Look, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Figures over rows with ``prompt``, ``flag`` (``benign`` or what is wrong), and maybe ``pair`` and ``hard``."""
    rows = [row for row in rows if row["flag"] != "pii"]
    unsafe = np.array([row["flag"] != "benign" for row in rows])
    hard = np.array([bool(row.get("hard")) for row in rows])
    margin, flagged = [], []
    for row in rows:
        risks = look(request_of(row["prompt"])).risks
        flagged.append(any(risk.probability >= risk.threshold for risk in risks))
        margin.append(max(_logit(risk.probability) - _logit(risk.threshold) for risk in risks))
    score, flag = np.array(margin), np.array(flagged)
    cut = np.quantile(score[~unsafe], 0.97)
    found: dict[str, Any] = {
        "rows": len(rows),
        "auroc": round(float(roc_auc_score(unsafe, score)), 4),
        "auroc_interval": interval(unsafe, lambda drawn: float(roc_auc_score(unsafe[drawn], score[drawn]))),
        "recall": round(float(flag[unsafe].mean()), 4),
        "recall_interval": interval(unsafe, lambda drawn: float(flag[drawn][unsafe[drawn]].mean())),
        "benign_flagged": round(float(flag[~unsafe].mean()), 4),
        "recall_at_3_percent_benign": round(float((score[unsafe] > cut).mean()), 4),
    }
    by_set: dict[str, list[bool]] = defaultdict(list)
    for row, raised in zip(rows, flag.tolist(), strict=True):
        if "dataset" in row:
            by_set[f"{row['flag']}:{row['dataset']}"].append(raised)
    if by_set:
        found["flagged_by_set"] = {name: round(float(np.mean(hits)), 3) for name, hits in sorted(by_set.items())}
    if hard.any():
        found["hard_benign_flagged"] = round(float(flag[hard & ~unsafe].mean()), 4)
    if rows and "pair" in rows[0]:
        pairs: dict[str, dict[bool, float]] = defaultdict(dict)
        for row, value, is_unsafe in zip(rows, score.tolist(), unsafe.tolist(), strict=True):
            pairs[row["pair"]][is_unsafe] = value
        complete = [pair for pair in pairs.values() if len(pair) == 2]
        found["pairs"] = len(complete)
        found["pairwise"] = round(float(np.mean([pair[True] > pair[False] for pair in complete])), 4)
    return found


def interval(unsafe: np.ndarray, figure: Callable[[np.ndarray], float], times: int = 300) -> list[float]:
    """The middle 95 % of a figure over rows drawn with replacement, safe and unsafe ones apart."""
    rng = np.random.default_rng(0)
    kinds = [np.flatnonzero(unsafe), np.flatnonzero(~unsafe)]
    found = [figure(np.concatenate([rng.choice(kind, len(kind)) for kind in kinds])) for _ in range(times)]
    return [round(float(np.quantile(found, share)), 4) for share in (0.025, 0.975)]


def timed(understanding: Understanding, second: SecondLook) -> dict[str, float]:
    """Median milliseconds of a second look at so many words."""
    prose = (
        "The quarterly report, which the committee published on Monday, shows that most people like the new system. "
        "Some would change a part of it, and a few would rather have the old one back. "
    )
    found = {}
    for count in (20, 200, 2000):
        request = request_of(" ".join((prose * 80).split()[:count]))
        first = first_risks(understanding, request)
        runs = timeit.repeat(lambda f=first, r=request: second.risks(f, r), number=1, repeat=15)  # type: ignore[misc]
        found[f"{count}_words"] = round(float(np.median(runs)) * 1e3, 2)
    return found


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _logit(p: float) -> float:
    p = min(max(p, 1e-9), 1 - 1e-9)
    return log(p / (1 - p))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.risks", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder with safety/dev.jsonl.gz and contrast_dev")
    parser.add_argument("--every", type=int, default=1, help="short form: only every so manieth row of the data sets")
    options = parser.parse_args(argv)
    understanding = load_understanding(FOLDER / "understanding.safetensors")
    sets = {}
    for name in ("dev", "contrast_dev"):
        data = gzip.decompress((options.data / "safety" / f"{name}.jsonl.gz").read_bytes()).decode()
        sets[name] = [json.loads(line) for line in data.split("\n") if line][:: options.every if name == "dev" else 1]
    found = measure_risks(understanding, sets) | {"model": understanding.name, "measured_on": facts()}
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    RESULTS.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
