"""How long does a decision take? All signals that the guide policy asks for, rules, candidates and choice.

Every measured request is new: its text is drawn from sentences below with a fixed seed, in three kinds (a review to
label, a question on a passage, an open task). Beside it stands what deciding on the same request once more takes. One
process, one thread, no network; the input is read whole (the task classifier reads at most the first 3 and last 1 KiB
of a text, as its model file says).
"""

from __future__ import annotations

import gc
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import msgspec

from machine import write
from router import Router
from router.types import Request
from router.wire.openai import read_chat

LENGTHS = (20, 200, 2000)
ROUNDS = 400
SENTENCES = """
The room was clean and the staff could not have been kinder to us.
We waited forty minutes for a table although we had booked a week before.
Nobody answered the phone, so I wrote two letters and finally gave up.
The battery lasts two days, which is more than the maker promises.
In spring the river rises and the lower meadows stand under water for weeks.
She opened the workshop in 1998 with two looms and a borrowed van.
Prices have gone up again, but the quality of the bread has stayed the same.
The second chapter explains how the harbour was built and who paid for it.
I would buy it again, even if the manual is hard to read.
The train stops twice before the border and once in the old town.
His lecture was long, dry, and without a single example.
Most visitors come in the morning, when the light falls through the east windows.
The new version crashes whenever I try to export more than ten pages.
They planted four hundred trees along the road that leads to the quarry.
What a wonderful evening, the music was better than on the record.
The contract ends in May and can be renewed for another three years.
""".strip().splitlines()
KINDS: dict[str, Callable[[str], list[dict[str, str]]]] = {
    "review": lambda text: [
        {
            "role": "system",
            "content": "You label reviews. Answer with exactly one word: positive or negative.",
        },
        {"role": "user", "content": text},
    ],
    "passage": lambda text: [
        {"role": "user", "content": f"Answer from the passage only.\n\nPassage: {text}\n\nQuestion: When did it open?"}
    ],
    "open": lambda text: [{"role": "user", "content": f"Continue this text in the same style.\n\n{text}"}],
}


def text_of(words: int, chance: random.Random) -> str:
    """About ``words`` words, the last sentence cut."""
    found: list[str] = []
    while len(found) < words:
        found += chance.choice(SENTENCES).split()
    return " ".join(found[:words])


def bodies_of(words: int, chance: random.Random) -> list[bytes]:
    """Chat bodies of all kinds, no two alike."""
    return [
        msgspec.json.encode({"model": "auto", "messages": messages(text_of(words, chance))})
        for _ in range(ROUNDS)
        for messages in KINDS.values()
    ]


def main() -> None:
    """Measure and write the results."""
    chance = random.Random(20230427)
    figures: dict[str, dict[str, float]] = {}
    signals: dict[str, dict[str, float]] = {}
    with Router(policy="guide") as router:
        for messages in KINDS.values():
            router.decide({"messages": messages(text_of(50, chance))})
        for words in LENGTHS:
            requests = [read_chat(body) for body in bodies_of(words, chance)]
            bodies = bodies_of(words, chance)
            gc.collect()
            gc.disable()
            decide, again, whole, busy = [], [], [], []
            for request in requests:
                started, started_cpu = time.perf_counter_ns(), time.thread_time_ns()
                router.engine.decide(request)
                busy.append(time.thread_time_ns() - started_cpu)
                decide.append(time.perf_counter_ns() - started)
                started = time.perf_counter_ns()
                router.engine.decide(request)
                again.append(time.perf_counter_ns() - started)
            for body in bodies:
                started = time.perf_counter_ns()
                router.engine.decide(read_chat(body))
                whole.append(time.perf_counter_ns() - started)
            gc.enable()
            signals[str(words)] = cost_by_signal(router, requests)
            row = {
                "p50_us": at(decide, 0.5),
                "p99_us": at(decide, 0.99),
                "cpu_p50_us": at(busy, 0.5),
                "from_bytes_p50_us": at(whole, 0.5),
                "again_p50_us": at(again, 0.5),
            }
            for index, kind in enumerate(KINDS):
                row[f"{kind}_p50_us"] = at(decide[index :: len(KINDS)], 0.5)
            figures[str(words)] = row
            print(f"{words:>5} words: " + "  ".join(f"{name} {value:.0f}" for name, value in row.items()))
    count = ROUNDS * len(KINDS)
    write("decision", {"policy": "guide", "requests_per_length": count, "words": figures, "signals_us": signals})


def cost_by_signal(router: Router, requests: list[Request]) -> dict[str, float]:
    """Mean microseconds of CPU each signal adds, the dearest first; a signal that another one read already is free."""
    cost = dict.fromkeys(router.engine.detectors, 0.0)
    for request in requests[:150]:
        for name, added in router.engine.measured(request)[1].items():
            cost[name] += added
    mean = {name: round(total / min(150, len(requests)), 1) for name, total in cost.items()}
    return dict(sorted(mean.items(), key=lambda item: -item[1]))


def at(times_ns: list[int], share: float) -> float:
    """The quantile in microseconds."""
    return round(sorted(times_ns)[min(len(times_ns) - 1, int(len(times_ns) * share))] / 1000, 1)


if __name__ == "__main__":
    main()
