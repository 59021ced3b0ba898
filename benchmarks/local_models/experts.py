"""How good do the makers get on sets that nothing here was tuned to, and what do training and an answer cost?

    python benchmarks/local_models/experts.py --data DIR [--makers default linear embedding] [--sets clinc150 ...]

DIR holds ``experts/<set>/{train,val,test,ood}.jsonl.gz``. Official splits: all of ``train`` and ``val`` goes to
``LocalClassifier``, as a user would do it, ``test`` is read once. Results of what is run are merged into the file.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from machine import facts, write
from router.local.base import CardedModel
from router.offline.build_shipped import read_rows
from router.offline.classifier import LocalClassifier
from router.offline.measure import figures, latency_us
from router.offline.rows import Rows
from router.offline.typos import mistyped

SETS = ("clinc150", "banking77", "sst2", "ag_news", "hate_offensive", "tweet_offensive")
TASKS = {"clinc150": "intent_classification", "banking77": "intent_classification", "sst2": "sentiment",
         "ag_news": "topic_classification"}  # fmt: skip
RESULTS = Path(__file__).resolve().parents[1] / "results" / "experts.json"


def measure(
    maker: str,
    data: Path,
    name: str,
    minutes: float | None,
    *,
    base: str | None = None,
    teacher: str | None = None,
    also: Callable[[LocalClassifier], dict[str, Any]] = lambda model: {},
) -> dict[str, Any]:
    """Train ``maker`` on one set and read its test rows once; ``also`` measures more of what was trained."""
    parts = {part: read_rows(data / "experts" / name / f"{part}.jsonl.gz") for part in ("train", "val", "test", "ood")}
    rows = parts["train"] + parts["val"]
    test = Rows(
        texts=tuple(row["text"] for row in parts["test"]), labels=tuple(str(row["label"]) for row in parts["test"])
    )
    started, worked = time.perf_counter(), worked_s()
    model = LocalClassifier(
        task=TASKS.get(name, "toxicity"),
        maker="auto" if maker == "default" else maker,
        minutes=minutes,
        languages=["en"],
        base=base,
        teacher=teacher,
    ).fit(
        [row["text"] for row in rows],
        [str(row["label"]) for row in rows],
        test=test,
        ood=[row["text"] for row in parts["ood"]],
    )
    taken, worked = time.perf_counter() - started, worked_s() - worked
    draw = random.Random(0)
    predictions = model.model_.predict([mistyped(text, draw) for text in test.texts])
    typed = figures(model.card_, predictions, test.labels)
    found = model.test_figures_ | {
        "rows": len(rows),
        "labels": len(model.classes_),
        "seconds": round(taken, 1),
        "processor_seconds": round(worked, 1),
        "three_typos": typed["accuracy"],
        "latency_us_p50": round(latency_us(model.model_), 1),
        "processor_us_p50": round(processor_us(model.model_, test.texts[:300]), 1),
        "chosen": model.card_.maker,
        "promise": model.card_.promise,
    }
    found |= also(model)
    shown = ("accuracy", "macro_f1", "ood_auroc", "three_typos", "latency_us_p50", "seconds")
    print(name, maker, {key: found[key] for key in shown}, flush=True)
    return found


def worked_s() -> float:
    """Processor seconds of this process and of those that it has ended."""
    return sum(os.times()[:4])


def processor_us(model: CardedModel, texts: Sequence[str]) -> float:
    """Median microseconds of processor time of a prediction, over the set's own texts."""
    taken = []
    for text in texts:
        started = time.thread_time_ns()
        model.predict((text,))
        taken.append(time.thread_time_ns() - started)
    return float(np.median(taken)) / 1000.0


def merged(name: str, maker: str, found: dict[str, Any]) -> None:
    """Write one result among those that are there, each with its processor and commit; one that has them keeps them."""
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {"sets": {}}
    sets = known["sets"]
    for makers in sets.values():
        for row in makers.values():
            row.setdefault("cpu", known["measured_on"]["cpu"])
    sets.setdefault(name, {})[maker] = {key: facts()[key] for key in ("cpu", "commit")} | found
    write("experts", {"sets": sets})


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--makers", nargs="+", default=["default"])
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument("--minutes", type=float, help="for choosing; the maker's own default if not given")
    chosen = parser.parse_args()
    for name in chosen.sets:
        for maker in chosen.makers:
            merged(name, maker, measure(maker, chosen.data, name, chosen.minutes))


if __name__ == "__main__":
    main()
