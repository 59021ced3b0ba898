"""How well requests are understood: ``python -m benchmarks.understanding --data DIR``.

Reads only held-out files (tasks/dev, tasks/chat_dev); writes ``benchmarks/results/understanding.json``. Risks are
measured by ``benchmarks.risks``.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
import timeit
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix, f1_score

import router
from router.local.files import read_arrays
from router.signals.excerpt import excerpt
from router.signals.language import identify
from router.signals.learned import Understanding, understanding_from_arrays
from router.types import Message, Request, Signals

from ..machine import facts
from .targets import TARGET_OF_TASK

FOLDER = Path(router.__file__).parent / "builtin" / "signals"
RESULTS = Path(__file__).parents[1] / "results" / "understanding.json"


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).decode().split("\n") if line]


def request_of(row: Mapping[str, Any]) -> Request:
    sent = row.get("messages") or [{"role": "user", "content": row["prompt"]}]
    return Request(messages=tuple(Message(role=m["role"], text=m["content"]) for m in sent))


def understand(understanding: Understanding, request: Request) -> Signals:
    signals = Signals(request, dict.fromkeys(understanding.provides, understanding))
    signals.fetch(understanding.provides)
    return signals


def typed_badly(text: str, rng: random.Random) -> str:
    """``text`` with three slips of the finger in it."""
    letters = list(text)
    for _ in range(3):
        at = rng.randrange(max(1, len(letters) - 1))
        slip = rng.randrange(3)
        if slip == 0 and at + 1 < len(letters):
            letters[at], letters[at + 1] = letters[at + 1], letters[at]
        elif slip == 1 and len(letters) > 1:
            del letters[at]
        else:
            letters.insert(at, rng.choice("abcdefghijklmnopqrstuvwxyz"))
    return "".join(letters)


def measure_tasks(understanding: Understanding, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    labels = understanding.facts.tasks
    scores = [understand(understanding, request_of(row))["scores"].value for row in rows]
    table = np.array([[score[label] for label in labels] for score in scores])
    guessed = [labels[at] for at in table.argmax(axis=1)]
    gold = [row["task"] for row in rows]
    hit = np.array([a == b for a, b in zip(guessed, gold, strict=True)])
    lenient = np.array([g == row["task"] or g in row.get("also", ()) for g, row in zip(guessed, rows, strict=True)])
    sure = table.max(axis=1)
    order = np.argsort(-sure)
    n = len(rows)
    bins = np.minimum((sure * 15).astype(int), 14)
    ece = sum(abs(hit[bins == b].mean() - sure[bins == b].mean()) * (bins == b).mean() for b in set(bins.tolist()))
    known = sorted(set(gold))
    per_label = f1_score(gold, guessed, labels=known, average=None, zero_division=0)
    confused = confusion_matrix(gold, guessed, labels=list(labels))
    np.fill_diagonal(confused, 0)
    worst = sorted(
        ((int(confused[i, j]), labels[i], labels[j]) for i in range(len(labels)) for j in range(len(labels))),
        reverse=True,
    )
    return {
        "rows": n,
        "strict": round(float(hit.mean()), 4),
        "lenient": round(float(lenient.mean()), 4),
        "macro_f1": round(float(f1_score(gold, guessed, average="macro", zero_division=0)), 4),
        "target": round(
            float(np.mean([TARGET_OF_TASK[a] == TARGET_OF_TASK[b] for a, b in zip(guessed, gold, strict=True)])), 4
        ),
        "surest_60_percent": round(float(hit[order[: int(0.6 * n)]].mean()), 4),
        "ece": round(float(ece), 4),
        "f1": {label: round(float(value), 3) for label, value in zip(known, per_label, strict=True)},
        "most_confused": [f"{count} {was} read as {read}" for count, was, read in worst[:12]],
    }


def measure_typos(understanding: Understanding, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    rng = random.Random(5)
    bare = [row for row in rows if not row.get("messages")]
    clean = np.mean([understand(understanding, request_of(row))["task"].value == row["task"] for row in bare])
    typed = [
        understand(understanding, request_of({"prompt": typed_badly(row["prompt"], rng)}))["task"].value == row["task"]
        for row in bare
    ]
    return {"rows": len(bare), "strict": round(float(clean), 4), "with_three_typos": round(float(np.mean(typed)), 4)}


def measure_language(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    named = [(row["lang"], identify(excerpt(request_of(row)))[0]) for row in rows if row.get("lang")]
    return {
        "rows": len(named),
        "right": round(float(np.mean([a == b for a, b in named])), 4),
        "unknown": round(float(np.mean([b is None for _, b in named])), 4),
    }


def measure_time(understanding: Understanding, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    words = " ".join(row["prompt"] for row in rows[::40] if row["prompt"].isascii()).split()
    found = {}
    for count in (20, 200, 2000):
        request = Request(messages=(Message(role="user", text=" ".join(words[:count])),))
        runs = timeit.repeat(lambda r=request: understand(understanding, r), number=200, repeat=9)  # type: ignore[misc]
        found[f"{count}_words_us"] = round(float(np.median(runs)) / 200 * 1e6, 1)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.understanding", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=FOLDER / "understanding.safetensors")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(argv)
    understanding = understanding_from_arrays(*read_arrays(options.model))
    data = options.data
    dev, chat = rows_of(data / "tasks" / "dev.jsonl.gz"), rows_of(data / "tasks" / "chat_dev.jsonl.gz")
    result = {
        "model": understanding.name,
        "tasks_dev": measure_tasks(understanding, dev),
        "tasks_chat_dev": measure_tasks(understanding, chat),
        "typos_dev": measure_typos(understanding, dev[::5]),
        "language_chat_dev": measure_language(chat),
        "time": measure_time(understanding, dev),
        "measured_on": facts(),
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
