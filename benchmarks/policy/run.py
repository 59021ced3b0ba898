"""What a policy costs: judging by 100 rules, each step of a decision after its signals, proving, comparing policies.

``python benchmarks/policy/run.py [ROWS]`` (default 100,000 rows for the comparison). One process and thread but for the
comparison, which uses two. The baseline of 100 rules is a policy of none, with the same signals read before.
"""

from __future__ import annotations

import gc
import json
import random
import re
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from machine import write
from router import Router
from router.config import Settings
from router.offline.bench import OpenBench
from router.offline.diff import diff
from router.offline.traffic import compare_rows
from router.policy.compile import compile_policy
from router.policy.judge import judge
from router.policy.lint import lint
from router.policy.read import resolve
from router.selection.candidates import candidates
from router.selection.choose import choose
from router.selection.flip import find_flips
from router.types import TASKS, PolicyRef, Signals
from router.wire.openai import read_row

# No numbers: texts full of them cost more, for each may be somebody's identity.
WORDS = re.findall(
    "[a-z]+",
    "room staff table battery spring river harbour train price bread music evening contract letter phone garden window "
    "chapter quarry manual lecture example meadow workshop visitor version export page year market",
)
ROUNDS = 2000


def rows(count: int) -> list[bytes]:
    """Requests of four kinds, no two alike."""
    chance = random.Random(20230427)
    found = []
    for at in range(count):
        text = " ".join(chance.choice(WORDS) for _ in range(30))
        kinds: list[dict[str, Any]] = [
            {
                "messages": [
                    {"role": "system", "content": "You label reviews. Answer with one word: positive or negative."},
                    {"role": "user", "content": text},
                ]
            },
            {"prompt": f"Continue this text in the same style.\n\n{text}"},
            {"prompt": f"What is {at} + 17 * 4? The answer goes to the {text}."},
            {"prompt": f"Summarise this in one sentence: {text}"},
        ]
        found.append(json.dumps(kinds[at % 4]).encode())
    return found


def hundred_rules() -> str:
    """A policy of 100 rules over the signals that the guide reads."""
    chance = random.Random(7)
    lines = ["policy: hundred", "otherwise: {prefer: llm}", "rules:"]
    for at in range(100):
        when = [f"task: [{', '.join(chance.sample(TASKS, 2))}]"] if at % 4 else []
        when += chance.sample(
            ["noise: true", "reasoning: true", "intents: '>1'", "ood: out", "annotated: '>=1000'", "explanation: true",
             "tokens.input: '>8000'", "stakes: medical", "safety: harmful", "few_shot: '>0'", "tenant: acme"], 2,
        )  # fmt: skip
        then = "prefer: local" if at % 2 else "prefer: llm, tier: large"
        lines.append(f"  - {{id: R{at:03}, when: {{{', '.join(when)}}}, then: {{{then}}}, why: w}}")
    return "\n".join(lines) + "\n"


def micros(work: Callable[[int], object], rounds: int = ROUNDS) -> dict[str, float]:
    """Median and quartiles of the CPU time of one call, in microseconds."""
    for at in range(min(100, rounds)):
        work(at)
    gc.collect()
    gc.disable()
    times = []
    for at in range(rounds):
        started = time.thread_time_ns()
        work(at)
        times.append((time.thread_time_ns() - started) / 1000)
    gc.enable()
    low, middle, high = statistics.quantiles(times, n=4)
    return {"p25_us": round(low, 2), "p50_us": round(middle, 2), "p75_us": round(high, 2)}


def main() -> None:
    """Measure and write the results."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    router = Router(Settings())
    engine = router.engine
    guide = engine.policies["guide"]
    hundred, none = (
        compile_policy(resolve(text, lambda name: (name, ""), file=name))
        for name, text in (("hundred", hundred_rules()), ("none", "policy: none\notherwise: {prefer: llm}\n"))
    )
    requests = [read_row(row) for row in rows(400)]
    known = []
    for request in requests:
        signals = engine.observe(request)
        signals.fetch(signals.names)
        known.append(Signals.given(request, signals.known()))
    pairs = list(zip(requests, known, strict=True))
    snapshots = [engine.snapshot(request) for request in requests]
    verdicts = [judge(guide, signals, request) for request, signals in pairs]
    found = [
        candidates(request, signals, verdict, engine.fleet, state)
        for (request, signals), verdict, state in zip(pairs, verdicts, snapshots, strict=True)
    ]
    ref = PolicyRef(name="guide", hash=guide.hash)
    size = len(pairs)
    steps = {
        "judge_no_rule": micros(lambda at: judge(none, known[at % size], requests[at % size])),
        "judge_100_rules": micros(lambda at: judge(hundred, known[at % size], requests[at % size])),
        "judge_guide": micros(lambda at: judge(guide, known[at % size], requests[at % size])),
        "candidates": micros(
            lambda at: candidates(
                requests[at % size], known[at % size], verdicts[at % size], engine.fleet, snapshots[at % size]
            )
        ),
        "choose": micros(
            lambda at: choose(
                requests[at % size], known[at % size], verdicts[at % size], found[at % size], engine.fleet, ref,
                snapshots[at % size],
            )
        ),
    }  # fmt: skip
    for name, figures in steps.items():
        print(f"{name:<16} {figures}")
    decisions = [(request, engine.decide(request, all_signals=True)) for request in requests[:40]]
    offline = {
        "flip_line": micros(
            lambda at: find_flips(
                decisions[at % 40][0], decisions[at % 40][1], decisions[at % 40][1].signals, guide, engine.fleet
            ),
            80,
        ),
        "prove_guide": micros(lambda at: lint(guide), 3),
    }
    print(offline)
    comparison = compare(count)
    print(comparison)
    write(
        "policy", {"steps": steps, "off_the_hot_path": offline, "comparison": comparison, "candidates": len(found[0])}
    )


def compare(count: int) -> dict[str, Any]:
    """Two policies over ``count`` requests in two processes, reading the file and starting the workers included."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "traffic.jsonl"
        path.write_bytes(b"\n".join(rows(count)) + b"\n")
        started = time.perf_counter()
        with path.open("rb") as stream:
            summed = diff(compare_rows(stream, "guide", "quality-first", OpenBench(None), processes=2))
        took = time.perf_counter() - started
    # Of the workers, which have ended: what the work would take alone on two cores is half of it.
    workers = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "rows": summed.rows,
        "processes": 2,
        "seconds": round(took, 1),
        "rows_a_second": round(summed.rows / took),
        "workers_cpu_seconds": round(workers.ru_utime + workers.ru_stime, 1),
    }


if __name__ == "__main__":
    main()
