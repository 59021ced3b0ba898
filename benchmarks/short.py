"""Did anything become grossly slower or worse? Under two minutes, no data, no network; for CI.

    python -m benchmarks.short [--json]

Nothing is held against a clock: each figure is a ratio to a baseline that is measured in the same run, in turns with
it, and the median over the turns counts. A limit is two to four times what was measured when it was set, so that only
gross regressions fail. Exit code 1: one did.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from router import Router
from router.config import Settings
from router.offline.bench import OpenBench
from router.offline.evaluate import held_out, pair_report
from router.offline.fit_quality import QualityFit
from router.offline.outcomes import Outcomes
from router.offline.rivals import make_predictor
from router.offline.traffic import compare_rows
from router.policy.judge import judge
from router.types import Need
from router.wire.openai import read_row

SENTENCES = (
    "The room was clean and the staff could not have been kinder to us.",
    "We waited forty minutes for a table although we had booked a week before.",
    "The battery lasts two days, which is more than the maker promises.",
    "In spring the river rises and the lower meadows stand under water for weeks.",
    "She opened the workshop in 1998 with two looms and a borrowed van.",
    "Prices have gone up again, but the quality of the bread has stayed the same.",
)
EASY = ("say", "name", "list", "tell", "show", "give", "find", "the", "colour", "capital", "animal", "river", "town")
HARD = ("prove", "derive", "integral", "theorem", "asymptotic", "eigenvalue", "lemma", "homotopy", "invariant")
TURNS = 9


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A ratio, what it compares, and the most (or, for ``at_least``, the least) that it may be."""

    name: str
    ratio: float
    limit: float
    at_least: bool = False

    @property
    def holds(self) -> bool:
        return self.ratio >= self.limit if self.at_least else self.ratio <= self.limit


def in_turns(one: Callable[[], Any], other: Callable[[], Any], *, turns: int = TURNS) -> float:
    """How many times as long ``one`` takes as ``other``: the median over turns."""
    one(), other()
    ratios = []
    for _ in range(turns):
        first = _seconds(one)
        second = _seconds(other)
        ratios.append(first / second)
    return statistics.median(ratios)


def _seconds(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def texts(count: int, sentences: int, seed: int = 1) -> list[str]:
    chance = random.Random(seed)
    return [" ".join(chance.choices(SENTENCES, k=sentences)) + f" {chance.random()}" for _ in range(count)]


def tokenised(words: list[str]) -> Callable[[], Any]:
    """The yardstick: counting the words of the same texts with a regular expression, ten times."""
    word = re.compile(r"\w+")
    return lambda: [Counter(word.findall(text.lower())) for _ in range(10) for text in words]


def deciding() -> list[Figure]:
    """A whole decision, and judging alone, beside the yardstick; comparing policies beside deciding twice."""
    router = Router(Settings())
    # More texts than a router remembers, so that each decision reads its request anew.
    engine, words = router.engine, texts(600, 15)
    bodies = [json.dumps({"prompt": f"Continue this text in the same style. {text}"}).encode() for text in words]
    requests = [read_row(body) for body in bodies]
    known = [(engine.observe(request), request) for request in requests]
    policy = engine.policies[engine.default_policy]

    def judged() -> None:
        for signals, request in known:
            found = judge(policy, signals, request)
            while isinstance(found, Need):
                signals.fetch(found.signals)
                found = judge(policy, signals, request)

    def decided() -> list[Any]:
        return [engine.decide(read_row(body)) for body in bodies]

    held = OpenBench(None)
    yardstick = tokenised(words)
    return [
        Figure(name="a decision / counting the words ten times", ratio=in_turns(decided, yardstick), limit=3.0),
        Figure(name="judging / counting the words ten times", ratio=in_turns(judged, yardstick), limit=0.2),
        Figure(
            name="comparing two policies, opening them included / 600 decisions",
            ratio=in_turns(lambda: list(compare_rows(bodies, "guide", "cost-first", held)), decided, turns=3),
            limit=6.0,
        ),
    ]


def starting() -> list[Figure]:
    """`import router` beside `import asyncio`, each in a process of its own."""

    def run(code: str) -> Callable[[], Any]:
        return lambda: subprocess.run([sys.executable, "-c", code], check=True)

    return [
        Figure(
            name="`import router` / `import asyncio`",
            ratio=in_turns(run("import router"), run("import asyncio"), turns=5),
            limit=1.5,
        ),
        Figure(
            name="a first decision / `import asyncio, numpy, pydantic`",
            ratio=in_turns(
                run("from router import Router; Router().decide('hi')"), run("import asyncio, numpy, pydantic"), turns=3
            ),
            limit=8.0,
        ),
    ]


def learning() -> list[Figure]:
    """Learned quality on made-up outcomes, where words tell which prompt is hard: how good, and how fast."""
    made = outcomes(500)
    found = {name: pair_report(made, held_out(made, name, folds=3), 0, 1, draws=20) for name in ("router", "length")}
    ours, length = (found[name]["apgr"]["value"] for name in ("router", "length"))
    served = QualityFit().fit(made).serving()
    rival = make_predictor("knn", 1)
    rival.fit(made)
    prompts = made.prompts[:40]
    speed = in_turns(
        lambda: [served.predict(prompt) for prompt in prompts], lambda: [rival.predict([prompt]) for prompt in prompts]
    )
    return [
        Figure(name="APGR of learned quality / of the number of words", ratio=ours / length, limit=1.2, at_least=True),
        Figure(name="predicting quality / kNN", ratio=speed, limit=0.1),
    ]


def outcomes(count: int) -> Outcomes:
    chance = random.Random(7)
    prompts, scores = [], []
    for number in range(count):
        hard = chance.random() < 0.5
        words = chance.choices(EASY, k=8 if hard else 11) + (chance.choices(HARD, k=3) if hard else [])
        chance.shuffle(words)
        prompts.append(" ".join([*words, str(number)]))
        small = 0.2 if hard else 0.9
        scores.append([float(chance.random() < small), float(chance.random() < 0.93)])
    return Outcomes(
        tuple(prompts), ("made",) * count, ("small", "large"), np.array(scores), np.tile([0.001, 0.02], (count, 1))
    )


def main() -> int:
    """Measure, tell, and fail on gross regressions."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--json", action="store_true", help="one JSON object a figure")
    as_json = arguments.parse_args().json
    started, failed = time.perf_counter(), 0
    for part in (deciding, starting, learning):
        for figure in part():
            failed += not figure.holds
            if as_json:
                print(json.dumps({**msgspec.to_builtins(figure), "holds": figure.holds}))
            else:
                sign = ">=" if figure.at_least else "<="
                mark = "ok  " if figure.holds else "FAIL"
                print(f"{mark} {figure.ratio:7.3f} (has to be {sign} {figure.limit:g})  {figure.name}", flush=True)
    print(f"{time.perf_counter() - started:.0f} s", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
