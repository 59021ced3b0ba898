"""Where routing is a classification: a local model beside a route matcher and tracer-llm, on the same few utterances.

    python benchmarks/routing/routes.py --data DIR [--utterances 40]

DIR/experts/banking77 gives 77 routes. All three learn from the same utterances of each alone, and are read once on
1,000 held-out questions and 500 of other domains, which nobody should take. The matcher is semantic-router's route
layer (github.com/aurelio-labs/semantic-router): the mean similarity of the five nearest utterances, with a threshold:
the one that gives 95 % right among the matched, over the utterances left out one by one. ``tracer-llm`` (0.3.3,
``pip install --no-deps``) is asked for 95 % agreement, its gradient boosting left out, as it advises for many labels.
Both read MiniLM's sentence vectors, semantic-router's default for local use, and so does the local model of the maker
``neighbours``. It takes six minutes of one processor, most of them for tracer-llm's own choice among models.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from sklearn.metrics import roc_auc_score

from machine import write
from router.offline.build_shipped import read_rows
from router.offline.classifier import LocalClassifier
from router.offline.promise import wilson_interval

AGREEMENT = 0.95
Answers = list[tuple[str | None, float, bool]]
"""The route (None where it is not said), how sure it is, and whether it is taken."""


class MiniLM:
    """all-MiniLM-L6-v2's sentence vectors (mean of the tokens), float64, shape ``(n, 384)``, length 1."""

    def __init__(self) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer

        from router.offline.bases import find_base

        torch.set_num_threads(1)
        base = str(find_base().directory)
        self.torch, self.tokenizer = torch, AutoTokenizer.from_pretrained(base)
        self.model = AutoModel.from_pretrained(base).eval()

    def __call__(self, texts: list[str]) -> np.ndarray:
        found = []
        for start in range(0, len(texts), 32):
            part = texts[start : start + 32]
            batch = self.tokenizer(part, padding=True, truncation=True, max_length=64, return_tensors="pt")
            with self.torch.no_grad():
                hidden = self.model(**batch).last_hidden_state
            mask = batch["attention_mask"].unsqueeze(-1)
            found.append(self.torch.nn.functional.normalize((hidden * mask).sum(1), dim=-1).double().numpy())
        return np.concatenate(found)


class Local:
    """The package's own: ``LocalClassifier`` with its default makers and a promise of at most 5 % error."""

    maker = "auto"

    def __init__(self, texts: list[str], labels: list[str], embed: MiniLM) -> None:
        model = LocalClassifier(
            task="intent_classification", languages=["en"], maker=self.maker, minutes=2.0, max_error=1 - AGREEMENT
        )
        self.model = model.fit(texts, labels).model_

    def __call__(self, texts: list[str]) -> Answers:
        card, found = self.model.card, []
        for said in self.model.predict(texts):
            best = int(np.argmax(said.probabilities))
            sure = float(said.probabilities[best])
            inside = said.in_distribution >= card.ood_threshold
            found.append((self.model.labels[best], sure if inside else sure - 1.0, inside and sure >= card.threshold))
        return found


class LocalNeighbours(Local):
    """The same with the maker ``neighbours``, which reads what the others read: MiniLM's vectors."""

    maker = "neighbours"


class Matcher:
    """The route of the nearest utterances."""

    def __init__(self, texts: list[str], labels: list[str], embed: MiniLM, *, top: int = 5) -> None:
        self.embed, self.vectors, self.top = embed, embed(texts), top
        self.routes, self.of = np.unique(labels, return_inverse=True)
        near = self.vectors @ self.vectors.T
        np.fill_diagonal(near, -1.0)
        routes, scores = self._matched(near)
        order = np.argsort(-scores)
        right = np.cumsum(routes[order] == self.of[order]) / np.arange(1, len(order) + 1)
        enough = np.flatnonzero(right >= AGREEMENT)
        self.threshold = float(scores[order][enough[-1]]) if len(enough) else 2.0

    def _matched(self, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        best = np.argpartition(-near, self.top - 1, axis=1)[:, : self.top]
        votes = np.zeros((len(near), len(self.routes)))
        for row, columns in enumerate(best):
            np.add.at(votes[row], self.of[columns], near[row, columns] / self.top)
        return votes.argmax(axis=1), votes.max(axis=1)

    def __call__(self, texts: list[str]) -> Answers:
        routes, scores = self._matched(self.embed(texts) @ self.vectors.T)
        return [
            (str(self.routes[route]), float(score), bool(score >= self.threshold))
            for route, score in zip(routes, scores, strict=True)
        ]


class Tracer:
    """tracer-llm, the labels as what its teacher said."""

    def __init__(self, texts: list[str], labels: list[str], embed: MiniLM) -> None:
        import tracer
        from tracer.config import FitConfig

        self.embed, self.folder = embed, tempfile.TemporaryDirectory()
        traces, out = Path(self.folder.name) / "traces.jsonl", Path(self.folder.name) / "out"
        rows = [
            {"trace_id": str(at), "input": text, "teacher": label}
            for at, (text, label) in enumerate(zip(texts, labels, strict=True))
        ]
        traces.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        settings = FitConfig(target_teacher_agreement=AGREEMENT, verbose=False, skip_candidates=("gbt",))
        tracer.fit(traces, out, embeddings=embed(texts), config=settings)
        try:
            self.router = tracer.load_router(out)
        except ValueError:  # it refuses: nothing meets the agreement
            self.router = None

    def __call__(self, texts: list[str]) -> Answers:
        if self.router is None:
            return [(None, 0.0, False)] * len(texts)
        said = self.router.predict_batch(self.embed(texts).astype(np.float32))
        return [
            (None if label is None else str(label), float(label is not None), label is not None)
            for label in said["labels"]
        ]


def figures(answer: Callable[[list[str]], Answers], inside: list[dict[str, str]], outside: list[str]) -> dict[str, Any]:
    """What is taken and right of ``inside``, and what is taken of ``outside``."""
    found, strange = answer([row["text"] for row in inside]), answer(outside)
    right = np.array([route == row["label"] for (route, _, _), row in zip(found, inside, strict=True)])
    taken = np.array([is_taken for _, _, is_taken in found])
    wrong = int((taken & ~right).sum())
    sure = [score for _, score, _ in found], [score for _, score, _ in strange]
    says_all = all(route is not None for route, _, _ in found)
    return {
        "accuracy": round(float(right.mean()), 4) if says_all else None,  # of the untaken too
        "taken": round(float(taken.mean()), 4),
        "wrong_of_taken": round(wrong / max(1, int(taken.sum())), 4),
        "wrong_of_taken_interval": [round(end, 4) for end in wilson_interval(wrong, int(taken.sum()))],
        "outsiders_taken": round(float(np.mean([is_taken for _, _, is_taken in strange])), 4),
        "outsiders_auroc": round(float(roc_auc_score([1] * len(found) + [0] * len(strange), [*sure[0], *sure[1]])), 4),
    }


def timed(answers: dict[str, Callable[[list[str]], Answers]], texts: list[str]) -> dict[str, float]:
    """Microseconds of one text, the median, each router in turn on each text: the machine is as busy for all."""
    times: dict[str, list[int]] = {name: [] for name in answers}
    for text in texts:
        for name, answer in answers.items():
            started = time.perf_counter_ns()
            answer([text])
            times[name].append(time.perf_counter_ns() - started)
    return {name: round(float(np.median(each)) / 1000, 1) for name, each in times.items()}


def main() -> None:
    """Measure and write the results."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--utterances", type=int, default=40)
    options = arguments.parse_args()
    parts = {
        part: read_rows(options.data / "experts/banking77" / f"{part}.jsonl.gz") for part in ("train", "test", "ood")
    }
    chance = random.Random(20230427)
    for rows in parts.values():
        chance.shuffle(rows)
    by_route: dict[str, list[str]] = {}
    for row in parts["train"]:
        by_route.setdefault(row["label"], []).append(row["text"])
    pairs = [(text, route) for route, texts in sorted(by_route.items()) for text in texts[: options.utterances]]
    texts, labels = [text for text, _ in pairs], [route for _, route in pairs]
    found: dict[str, Any] = {}
    answers: dict[str, Callable[[list[str]], Answers]] = {}
    embed = MiniLM()
    makers = {
        "local model": Local,
        "local model on MiniLM": LocalNeighbours,
        "route matcher": Matcher,
        "tracer-llm": Tracer,
    }
    for name, maker in makers.items():
        started = time.process_time()
        try:
            answers[name] = answer = maker(texts, labels, embed)
        except ImportError as error:
            print(f"{name} is left out: {error}")
            continue
        seconds = time.process_time() - started
        found[name] = figures(answer, parts["test"][:1000], [row["text"] for row in parts["ood"][:500]])
        found[name]["fit_processor_seconds"] = round(seconds, 1)
        print(name, found[name], flush=True)
    for name, us in timed(answers, [row["text"] for row in parts["test"][:60]]).items():
        found[name]["us"] = us
    write(
        "routing_routes",
        {"routes": len(by_route), "utterances": options.utterances, "agreement": AGREEMENT, "routers": found},
    )


if __name__ == "__main__":
    main()
