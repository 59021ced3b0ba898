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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import confusion_matrix, f1_score

import router
from router.local.deep import deep_directory, load_deep
from router.local.understanding import load_understanding
from router.signals.deep import DeepUnderstanding
from router.signals.excerpt import excerpt
from router.signals.language import identify
from router.signals.learned import Understanding
from router.signals.targets import TARGET_OF_TASK
from router.types import Message, Request, Signals

from ..machine import facts

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


def measure_tasks(
    labels: Sequence[str], table: np.ndarray, rows: Sequence[Mapping[str, Any]], read: np.ndarray | None = None
) -> dict[str, Any]:
    """Figures over rows; ``table``: their probabilities, shape ``(rows, labels)``; ``read``: the column of the label
    that each is given, the likeliest one where nothing else is said."""
    read = table.argmax(axis=1) if read is None else read
    guessed = [labels[at] for at in read]
    gold = [row["task"] for row in rows]
    hit = np.array([a == b for a, b in zip(guessed, gold, strict=True)])
    lenient = np.array([g == row["task"] or g in row.get("also", ()) for g, row in zip(guessed, rows, strict=True)])
    target = np.array([TARGET_OF_TASK[a] == TARGET_OF_TASK[b] for a, b in zip(guessed, gold, strict=True)])
    sure = np.take_along_axis(table, read[:, None], axis=1)[:, 0]
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
    at = {label: index for index, label in enumerate(sorted({*gold, *guessed}))}
    pairs = np.array([[at[g] for g in gold], [at[g] for g in guessed]])
    return {
        "rows": n,
        "strict": round(float(hit.mean()), 4),
        "strict_interval": interval(n, lambda drawn: hit[drawn].mean()),
        "lenient": round(float(lenient.mean()), 4),
        "macro_f1": round(float(f1_score(gold, guessed, average="macro", zero_division=0)), 4),
        "macro_f1_interval": interval(n, lambda drawn: macro_f1(pairs[0, drawn], pairs[1, drawn], len(at))),
        "target": round(float(target.mean()), 4),
        "target_interval": interval(n, lambda drawn: target[drawn].mean()),
        "surest_60_percent": round(float(hit[order[: int(0.6 * n)]].mean()), 4),
        "ece": round(float(ece), 4),
        "f1": {label: round(float(value), 3) for label, value in zip(known, per_label, strict=True)},
        "most_confused": [f"{count} {was} read as {read}" for count, was, read in worst[:12]],
    }


def interval(n: int, figure: Callable[[np.ndarray], float], times: int = 500) -> list[float]:
    """The middle 95 % of a figure over rows drawn with replacement."""
    rng = np.random.default_rng(0)
    found = [float(figure(rng.integers(0, n, n))) for _ in range(times)]
    return [round(float(np.quantile(found, share)), 4) for share in (0.025, 0.975)]


def macro_f1(gold: np.ndarray, guessed: np.ndarray, count: int) -> float:
    right = np.bincount(gold[gold == guessed], minlength=count)
    both = np.bincount(gold, minlength=count) + np.bincount(guessed, minlength=count)
    return float((2 * right[both > 0] / both[both > 0]).mean())


class Readings(NamedTuple):
    """Probabilities of rows by reading, shape ``(rows, labels)`` each; which rows were read deeply where unsure, and
    the column of the label that each row was given then."""

    fast: np.ndarray
    deep: np.ndarray | None
    mixed: np.ndarray | None
    asked: np.ndarray | None
    read: np.ndarray | None


def readings(
    understanding: Understanding, deep: DeepUnderstanding | None, rows: Sequence[Mapping[str, Any]]
) -> Readings:
    labels = understanding.facts.tasks
    fast, alone, mixed, asked, read = [], [], [], [], []
    for row in rows:
        request = request_of(row)
        signals = Signals(request, dict.fromkeys(understanding.provides, understanding))
        signals.fetch(understanding.provides)
        before = signals["scores"].value
        fast.append([before[label] for label in labels])
        if deep is None:
            continue
        known = signals.known()
        again = deep.deepened(request, known)
        both = again["scores"].value
        asked.append(deep.is_unsure(known))
        read.append(labels.index((again if asked[-1] else known)["task"].value or "other"))
        mixed.append([(both if asked[-1] else before)[label] for label in labels])
        # The mix with the first reading's part taken out again.
        facts = deep.facts
        scores = np.array(
            [np.log(max(both[t], 1e-300)) - facts.task_first * np.log(max(before[t], 1e-9)) for t in labels]
        )
        powers = np.exp(scores - scores.max())
        alone.append(powers / powers.sum())
    if deep is None:
        return Readings(np.array(fast), None, None, None, None)
    return Readings(np.array(fast), np.array(alone), np.array(mixed), np.array(asked), np.array(read))


def measure_typos(
    understanding: Understanding, deep: DeepUnderstanding | None, rows: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    rng = random.Random(5)
    bare = [row for row in rows if not row.get("messages")]
    typed = [{**row, "prompt": typed_badly(row["prompt"], rng)} for row in bare]
    gold = np.array([understanding.facts.tasks.index(row["task"]) for row in bare])
    found: dict[str, Any] = {"rows": len(bare)}
    clean, badly = readings(understanding, deep, bare), readings(understanding, deep, typed)
    for name, first, second in (
        ("fast", clean.fast.argmax(axis=1), badly.fast.argmax(axis=1)),
        ("mixed", clean.read, badly.read),
    ):
        if first is not None and second is not None:
            right, still = ((read == gold).mean() for read in (first, second))
            found[name] = {"strict": round(float(right), 4), "with_three_typos": round(float(still), 4)}
    return found


def measure_language(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    views = [(row["lang"], excerpt(Signals(request_of(row), {}))) for row in rows if row.get("lang")]
    named = [(lang, identify(view.ask or view.lower)[0]) for lang, view in views]
    return {
        "rows": len(named),
        "right": round(float(np.mean([a == b for a, b in named])), 4),
        "unknown": round(float(np.mean([b is None for _, b in named])), 4),
    }


def measure_time(
    understanding: Understanding, deep: DeepUnderstanding | None, rows: Sequence[Mapping[str, Any]]
) -> dict[str, float]:
    words = " ".join(row["prompt"] for row in rows[::40] if row["prompt"].isascii()).split()
    found = {}
    for count in (20, 200, 2000):
        request = Request(messages=(Message(role="user", text=" ".join(words[:count])),))
        runs = timeit.repeat(lambda r=request: understand(understanding, r), number=200, repeat=9)  # type: ignore[misc]
        found[f"{count}_words_us"] = round(float(np.median(runs)) / 200 * 1e6, 1)
        if deep is not None:
            known = understand(understanding, request).known()
            again = timeit.repeat(lambda r=request, k=known: deep.deepened(r, k), number=1, repeat=25)  # type: ignore[misc]
            found[f"{count}_words_deep_ms"] = round(float(np.median(again)) * 1e3, 2)
    return found


def deep_reading(understanding: Understanding) -> DeepUnderstanding | None:
    if deep_directory() is None:
        return None
    card, score = load_deep(None)
    return DeepUnderstanding(card.facts, understanding, score)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.understanding", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=FOLDER / "understanding.safetensors")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--every", type=int, default=1, help="short form: only every so manieth row of the data sets")
    options = parser.parse_args(argv)
    understanding = load_understanding(options.model)
    data = options.data
    deep = deep_reading(understanding)
    result: dict[str, Any] = {"model": understanding.name if deep is None else deep.name}
    dev = rows_of(data / "tasks" / "dev.jsonl.gz")[:: options.every]
    chat = rows_of(data / "tasks" / "chat_dev.jsonl.gz")
    labels = understanding.facts.tasks
    for name, rows in (("tasks_dev", dev), ("tasks_chat_dev", chat)):
        found = readings(understanding, deep, rows)
        result[name] = measure_tasks(labels, found.fast, rows)
        if found.deep is not None and found.mixed is not None and found.asked is not None:
            result[f"{name}_deep"] = measure_tasks(labels, found.deep, rows)
            result[f"{name}_mixed"] = measure_tasks(labels, found.mixed, rows, found.read)
            result[f"{name}_mixed"]["read_deeply"] = round(float(found.asked.mean()), 4)
    result |= {
        "typos_dev": measure_typos(understanding, deep, dev[::5]),
        "language_chat_dev": measure_language(chat),
        "time": measure_time(understanding, deep, dev),
        "measured_on": facts(),
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
