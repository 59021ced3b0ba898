"""How many calls does it take to be as right as GPT-4? The OCaTS stream, through the router.

3,080 questions to a bank in a random order; a hosted model (GPT-4's recorded labels, behind a loopback server) and a
student that starts from 231 seed rows and is refitted as hosted answers come in. The router decides each request: the
student's probability against the threshold on its card. The threshold moves so that the calls last for the stream, with
more of them early (a quantile of the last 150 probabilities): a budget is set, the order does the rest.

    python benchmarks/flywheel/ocats.py --data DIR [--orders 5] [--short]

Seed and dev rows chose every constant; the stream is measured only. Beside it, in the same run and over the same
orders: the k-nearest-neighbour student of OCaTS (Stogiannidis et al., 2023, arXiv:2310.13395), a refitted logistic
regression, and tracer-llm where it is installed. Data: stoyian/OCaTS (MIT; banking77, CC BY 4.0).
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import math
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import msgspec
import numpy as np
import numpy.typing as npt

import machine
from flywheel.student import NAME, Student
from router import Router
from router.catalogue import LocalCard
from router.offline.promise import Goal, choose_threshold
from router.selection.candidates import make_fleet
from router.signals.ood import LocalDetector
from router.signals.template import template_of
from router.testing.upstream import Answer, Upstream
from router.types import TASKS
from router.wire.openai import read_chat

SETTING = "ocats_banking77"
BUDGETS = (0.05, 0.10, 0.15, 0.20, 0.23, 0.30, 0.40)
REFIT_EVERY = 20
WINDOW = 150
NO_LABEL = "I cannot tell which intent this is."
_F64 = npt.NDArray[np.float64]


class Data:
    """Rows, labels and the sentence vector of every text."""

    def __init__(self, folder: Path, kept: Path | None = None) -> None:
        self.seed, self.dev, self.stream = (
            [json.loads(line) for line in gzip.decompress((folder / f"{name}.jsonl.gz").read_bytes()).splitlines()]
            for name in ("seed", "dev", "stream")
        )
        self.labels = sorted({row["gold"] for row in self.seed})
        names = [label.replace("_", " ").replace("?", "").lower() for label in self.labels]
        texts = [row["text"] for rows in (self.seed, self.dev, self.stream) for row in rows]
        if kept is not None and kept.exists():
            vectors = np.load(kept)["vectors"].astype(np.float64)
        else:
            vectors = embed([*texts, *names])
            if kept is not None:
                np.savez(kept, vectors=vectors.astype(np.float32))
        self.vectors = dict(zip(texts, vectors, strict=False))
        self.names = vectors[len(texts) :]

    def student(self) -> Student:
        """A student that knows the seed rows."""
        student = Student(self.labels, self.names, self.vectors)
        for row in self.seed:
            student.learn(row["text"], row["gold"])
        student.refit()
        return student


def embed(texts: Sequence[str]) -> _F64:
    """MiniLM's sentence vectors (mean of the tokens), float64, shape ``(n, 384)``, length 1; in bfloat16."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    from router.offline.bases import find_base

    torch.set_num_threads(1)
    base = str(find_base().directory)
    tokenizer, model = AutoTokenizer.from_pretrained(base), AutoModel.from_pretrained(base).eval()
    order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
    found = np.empty((len(texts), model.config.hidden_size))
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        for start in range(0, len(texts), 64):
            places = order[start : start + 64]
            batch = tokenizer(
                [texts[at] for at in places], padding=True, truncation=True, max_length=128, return_tensors="pt"
            )
            hidden = model(**batch).last_hidden_state.float()
            mask = batch["attention_mask"].unsqueeze(-1).float()
            mean = (hidden * mask).sum(1) / mask.sum(1)
            found[places] = torch.nn.functional.normalize(mean, dim=-1).double().numpy()
    return found


# ----- through the router -----------------------------------------------------------------------------------------


def body(text: str, labels: Sequence[str]) -> dict[str, Any]:
    """The request of the bank's application."""
    told = (
        "You sort questions that customers ask a bank. Classify the question as exactly one of: "
        f"{', '.join(labels)}. Answer with the label only."
    )
    return {
        "model": "auto",
        "messages": [{"role": "system", "content": told}, {"role": "user", "content": text}],
        "router": {"labels": list(labels), "input": text, "task": "intent_classification"},
    }


class Course:
    """One router, its teacher and a student; the threshold on the student's card is moved from here."""

    def __init__(self, router: Router, student: Student, labels: Sequence[str], template: str) -> None:
        self.router, self.student, self.labels = router, student, labels
        self._card = LocalCard(
            name=NAME,
            task="intent_classification",
            also_tasks=TASKS,
            labels=tuple(labels),
            maker="embedding",
            languages=_ANY_LANGUAGE,
            rows=len(labels),
            threshold=1.01,
            ood_threshold=0.0,
            licence="",
            data_hash="",
            files={},
            template=template,
        )
        engine = router.engine
        self._by_threshold: dict[float, LocalDetector] = {}
        engine.fleet = make_fleet(engine.fleet.deployments.values(), [self._card])
        self._detectors = engine.detectors = dict(engine.detectors)
        self.allow_from(1.01)

    def allow_from(self, threshold: float) -> None:
        """Let the student answer from this probability on (in steps of 0.001)."""
        threshold = math.ceil(threshold * 1000) / 1000
        detector = self._by_threshold.get(threshold)
        if detector is None:
            card = msgspec.structs.replace(self._card, threshold=threshold)
            detector = self._by_threshold[threshold] = LocalDetector([self.student], {NAME: card})
        self._detectors.update(dict.fromkeys(detector.provides, detector))

    async def answer(self, text: str) -> tuple[str, bool]:
        """What the caller gets, and whether the hosted model was called."""
        answer = await self.router.acomplete(body(text, self.labels))
        return answer.text, answer.decision.target.kind == "llm"


async def routed(data: Data, rows: Sequence[Mapping[str, Any]], budget: float, order: Sequence[int]) -> dict[str, Any]:
    """One stream through the router with so many calls a request; what came of it."""
    known = {row["text"]: row["gpt4"] for row in rows}

    def teach(asked: Mapping[str, Any]) -> Answer:
        return Answer(text=known[asked["messages"][-1]["content"]] or NO_LABEL)

    student = data.student()
    with tempfile.TemporaryDirectory() as folder:
        async with Upstream(default=teach) as upstream:
            path = Path(folder) / "router.yaml"
            (Path(folder) / "desk.yaml").write_text(_POLICY)
            path.write_text(
                "policy: desk\nlocal_models: {shipped: false}\ndeployments:\n  - {name: teacher, model: gpt-4, "
                f'tier: large, backend: openai, api_base: "{upstream.url}"}}\n'
            )
            asked = read_chat(body(rows[0]["text"], data.labels))
            async with Router.from_config(path) as router:
                split = router.engine.observe(asked)["split"].value
                course = Course(router, student, data.labels, template_of(asked, split))
                return await _walk(course, rows, budget, order)


async def _walk(
    course: Course, rows: Sequence[Mapping[str, Any]], budget: float, order: Sequence[int]
) -> dict[str, Any]:
    pace, student = Pace(budget, len(order)), course.student
    right = called_right = 0
    labels = set(course.labels)
    for index in order:
        row = rows[index]
        probability = max(student.predict([row["text"]])[0].probabilities)
        course.allow_from(pace.threshold(probability))
        said, is_called = await course.answer(row["text"])
        pace.note(is_called)
        is_right = said == row["gold"]
        right += is_right
        if is_called:
            called_right += is_right
            if said in labels:
                student.learn(row["text"], said)
            if student.unfitted >= REFIT_EVERY:
                student.refit()
        else:
            student.see(row["text"])
    return _outcome(right, called_right, pace.calls, len(order))


class Pace:
    """From which probability on the student may answer, so that a budget of calls lasts for the stream."""

    def __init__(self, budget: float, requests: int) -> None:
        self._most, self._share, self._requests = int(budget * requests), budget, requests
        self._seen: list[float] = []
        self.calls = 0

    def threshold(self, probability: float) -> float:
        """The threshold for a request that the student answers with this probability."""
        self._seen.append(probability)
        done = len(self._seen) - 1
        if self.calls >= self._most:
            return 0.0
        if done < 10:  # nothing to compare with yet
            return 1.01 if done % 2 == 0 else 0.0
        # More calls early: what is learnt early serves longer.
        left = 1.0 - done / self._requests
        ahead = self._most * (1.0 - left**1.5) - self.calls
        share = self._share * 1.5 * left**0.5 * (1 + ahead / max(10.0, 0.05 * self._most))
        cut = float(np.quantile(self._seen[-WINDOW:], min(max(share, 0.0), 1.0)))
        return math.nextafter(cut, 2.0)

    def note(self, is_called: bool) -> None:
        """What the router did."""
        self.calls += is_called


def _outcome(right: int, called_right: int, calls: int, requests: int) -> dict[str, Any]:
    return {
        "accuracy": right / requests,
        "calls": calls / requests,
        "accuracy_called": called_right / max(1, calls),
        "accuracy_local": (right - called_right) / max(1, requests - calls),
    }


# ----- the others -------------------------------------------------------------------------------------------------


class Neighbours:
    """OCaTS's student: five neighbours weighted by 1 / distance squared; trusted when the entropy of their votes and
    the distance to their weighted centre are small (sections 3.2 and 4 of the paper)."""

    def __init__(self, data: Data, settings: tuple[float, float]) -> None:
        self.x = np.stack([data.vectors[row["text"]] for row in data.seed])
        self.y = np.array([data.labels.index(row["gold"]) for row in data.seed])
        self.count, self.settings = len(data.labels), settings

    def reads(self, vector: _F64) -> tuple[int, float, float]:
        """The label, the entropy of the votes, the distance to the neighbours' centre."""
        squared = np.maximum(2.0 - 2.0 * (self.x @ vector), 1e-9)
        near = np.argpartition(squared, 5)[:5]
        weigh = 1.0 / squared[near]
        votes = np.bincount(self.y[near], weigh, self.count)
        shares = votes[votes > 0] / votes.sum()
        centre = (weigh[:, None] * self.x[near]).sum(0) / weigh.sum()
        return int(votes.argmax()), float(-(shares * np.log(shares)).sum()), float(np.linalg.norm(vector - centre))

    def decide(self, vector: _F64) -> tuple[int, bool]:
        label, entropy, distance = self.reads(vector)
        return label, entropy > self.settings[0] or distance > self.settings[1]

    def learn(self, vector: _F64, label: int) -> None:
        self.x, self.y = np.vstack([self.x, vector]), np.append(self.y, label)


class Regression:
    """A logistic regression, refitted every hundred answers; trusted from a fixed probability on."""

    def __init__(self, data: Data, threshold: float, every: int = 100) -> None:
        self.x = [data.vectors[row["text"]] for row in data.seed]
        self.y = [data.labels.index(row["gold"]) for row in data.seed]
        self.threshold, self.every, self.fresh = threshold, every, 0
        self._fit()

    def _fit(self) -> None:
        from sklearn.linear_model import LogisticRegression

        self.model = LogisticRegression(C=30.0, max_iter=200, tol=1e-3).fit(np.stack(self.x), self.y)
        self.weights, self.bias, self.fresh = self.model.coef_, self.model.intercept_, 0

    def decide(self, vector: _F64) -> tuple[int, bool]:
        scores = self.weights @ vector + self.bias
        shares = np.exp(scores - scores.max())
        return int(self.model.classes_[shares.argmax()]), bool(shares.max() / shares.sum() < self.threshold)

    def learn(self, vector: _F64, label: int) -> None:
        self.x.append(vector)
        self.y.append(label)
        self.fresh += 1
        if self.fresh >= self.every:
            self._fit()


def streamed(
    data: Data, rows: Sequence[Mapping[str, Any]], make: Callable[[], Any], order: Sequence[int]
) -> dict[str, Any]:
    """One stream past a student that decides for itself when to ask."""
    student = make()
    place = {label: index for index, label in enumerate(data.labels)}
    right = called_right = calls = 0
    for index in order:
        row = rows[index]
        vector = data.vectors[row["text"]]
        label, asks = student.decide(vector)
        if asks:
            calls += 1
            is_right = row["gpt4"] == row["gold"]
            called_right += is_right
            if row["gpt4"] in place:
                student.learn(vector, place[row["gpt4"]])
        else:
            is_right = data.labels[label] == row["gold"]
        right += is_right
    return _outcome(right, called_right, calls, len(order))


def tried_on_dev(data: Data, *, is_short: bool) -> dict[str, list[tuple[Any, float, float]]]:
    """Settings of both peers, each with its accuracy and calls on dev."""
    order = np.random.default_rng(0).permutation(len(data.dev))
    infinite = float("inf")
    entropies = (0.8, infinite) if is_short else (0.2, 0.5, 0.8, 1.1, 1.4, infinite)
    distances = (0.8, infinite) if is_short else (0.55, 0.65, 0.75, 0.8, 0.85, 0.9, 1.0, infinite)
    found: dict[str, list[tuple[Any, float, float]]] = {"OCaTS kNN": [], "logistic regression": []}
    for setting in ((entropy, distance) for entropy in entropies for distance in distances):
        come = streamed(data, data.dev, lambda s=setting: Neighbours(data, s), order)
        found["OCaTS kNN"].append((setting, come["accuracy"], come["calls"]))
    for threshold in (0.3, 0.5) if is_short else (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6):
        come = streamed(data, data.dev, lambda t=threshold: Regression(data, t), order)
        found["logistic regression"].append((threshold, come["accuracy"], come["calls"]))
    return found


def traced(data: Data, order: Sequence[int], warm: int, target: float) -> dict[str, Any] | None:
    """tracer-llm: the first ``warm`` requests go to the hosted model, its router takes the rest; None where it refuses.

    Its gradient boosting is left out, as its own documentation advises for many labels.
    """
    import tracer
    from tracer.config import FitConfig

    rows = data.stream
    place = set(data.labels)
    pairs = [(row["text"], row["gold"]) for row in data.seed]
    pairs += [(rows[at]["text"], rows[at]["gpt4"]) for at in order[:warm] if rows[at]["gpt4"] in place]
    with tempfile.TemporaryDirectory() as folder:
        traces = Path(folder) / "traces.jsonl"
        traces.write_text(
            "".join(
                json.dumps({"trace_id": str(at), "input": text, "teacher": label}) + "\n"
                for at, (text, label) in enumerate(pairs)
            )
        )
        vectors = np.stack([data.vectors[text] for text, _ in pairs])
        settings = FitConfig(target_teacher_agreement=target, verbose=False, skip_candidates=("gbt",))
        tracer.fit(traces, Path(folder) / "out", embeddings=vectors, config=settings)
        rest = np.stack([data.vectors[rows[at]["text"]] for at in order[warm:]]).astype(np.float32)
        try:
            said = tracer.load_router(Path(folder) / "out").predict_batch(rest)
        except ValueError:
            return None
    right = called_right = sum(rows[at]["gpt4"] == rows[at]["gold"] for at in order[:warm])
    calls = warm
    for at, label in zip(order[warm:], said["labels"], strict=True):
        is_right = (rows[at]["gpt4"] if label is None else label) == rows[at]["gold"]
        right += is_right
        if label is None:
            calls, called_right = calls + 1, called_right + is_right
    return _outcome(right, called_right, calls, len(order))


# ----- a promise --------------------------------------------------------------------------------------------------


def promised(data: Data, order: Sequence[int], goal: Goal, learn: int, calibrate: int) -> dict[str, Any]:
    """Learn from the first answers, set the threshold on the next, freeze both: how often does the rest disagree?"""
    rows = data.stream
    student = data.student()
    for at in order[:learn]:
        if rows[at]["gpt4"] in data.labels:
            student.learn(rows[at]["text"], rows[at]["gpt4"])
    student.refit()

    def read(places: Sequence[int]) -> tuple[_F64, _F64]:
        found = student.probabilities(np.stack([data.vectors[rows[at]["text"]] for at in places]))
        said = [data.labels[index] for index in found.argmax(1)]
        wrong = [label != rows[at]["gpt4"] for label, at in zip(said, places, strict=True)]
        return found.max(1), np.array(wrong, np.float64)

    probability, wrong = read(order[learn : learn + calibrate])
    promise = choose_threshold(probability, wrong, goal)
    probability, wrong = read(order[learn + calibrate :])
    answered = probability >= promise.threshold
    return {
        "is_kept": promise.is_kept,
        "coverage": float(answered.mean()),
        "disagrees": float(wrong[answered].mean()) if answered.any() else 0.0,
        "answered": int(answered.sum()),
    }


# ----- all of it --------------------------------------------------------------------------------------------------


def gathered(runs: Sequence[Mapping[str, float]], **settings: Any) -> dict[str, Any]:
    """Mean, spread and extremes over stream orders."""
    found: dict[str, Any] = dict(settings)
    for name in runs[0]:
        values = np.array([run[name] for run in runs])
        found[name] = round(float(values.mean()), 4)
        if name in ("accuracy", "calls"):
            found[f"{name}_sd"] = round(float(values.std(ddof=1)), 4) if len(values) > 1 else 0.0
            found[f"{name}_range"] = [round(float(values.min()), 4), round(float(values.max()), 4)]
    return found


PARTS = ("router", "peers", "tracer", "promise")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--orders", type=int, default=5)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="What to measure; the rest is kept.")
    parser.add_argument("--vectors", type=Path, help="Keep the sentence vectors in this .npz, for parts run by and by.")
    parser.add_argument("--budgets", nargs="+", type=float, default=BUDGETS, help="Shares of requests that may call.")
    parser.add_argument("--short", action="store_true", help="Two orders of one budget, and nothing is written.")
    arguments = parser.parse_args()
    data = Data(arguments.data / "flywheel" / SETTING, arguments.vectors)
    orders = [
        np.random.default_rng(seed).permutation(len(data.stream))
        for seed in range(2 if arguments.short else arguments.orders)
    ]
    measures = {"router": _router, "peers": _peers, "tracer": _tracer, "promise": _promise}
    figures: dict[str, Any] = {
        "question": "How many calls does it take to be as right as the hosted model?",
        "setting": SETTING,
        "orders": len(orders),
        "requests": len(data.stream),
        "teacher_accuracy": round(float(np.mean([row["gpt4"] == row["gold"] for row in data.stream])), 4),
    }
    for part in arguments.parts:
        budgets = {"budgets": (0.15,) if arguments.short else arguments.budgets} if part == "router" else {}
        figures[part] = measures[part](data, orders, is_short=arguments.short, **budgets)
    if arguments.short:
        return
    path = machine.RESULTS / "flywheel_ocats.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if "router" in figures:
        anew = {row["budget"] for row in figures["router"]}
        figures["router"] += [row for row in before.get("router", ()) if row["budget"] not in anew]
        figures["router"].sort(key=lambda row: row["budget"])
    figures = {**{part: before[part] for part in PARTS if part in before}, **figures}
    machine.write("flywheel_ocats", figures)
    draw(figures, machine.RESULTS / "flywheel_ocats.svg")


_Orders = Sequence[npt.NDArray[np.intp]]


def _router(data: Data, orders: _Orders, *, is_short: bool, budgets: Sequence[float]) -> list[dict[str, Any]]:
    found = []
    for budget in budgets:
        runs = [asyncio.run(routed(data, data.stream, budget, order)) for order in orders]
        found.append(gathered(runs, budget=budget))
        print(f"router, budget {budget:.0%}: {_said(found[-1])}", flush=True)
    return found


def _peers(data: Data, orders: _Orders, *, is_short: bool) -> list[dict[str, Any]]:
    """For each lambda the settings that maximise accuracy less lambda times calls on dev (the paper's phi)."""
    found = []
    makers: dict[str, Callable[[Any], Any]] = {
        "OCaTS kNN": lambda picked: Neighbours(data, picked),
        "logistic regression": lambda picked: Regression(data, picked),
    }
    for name, trials in tried_on_dev(data, is_short=is_short).items():
        seen = set()
        for weight in (0.1,) if is_short else (0.05, 0.1, 0.15, 0.2, 0.3, 0.5):
            picked = max(trials, key=lambda trial: trial[1] - weight * trial[2])[0]
            if picked in seen:
                continue
            seen.add(picked)
            runs = [streamed(data, data.stream, partial(makers[name], picked), order) for order in orders]
            shown = [None if value == float("inf") else value for value in np.atleast_1d(picked).tolist()]
            found.append(gathered(runs, name=name, weight=weight, picked=shown))
            print(f"{name}, lambda {weight}: {_said(found[-1])}", flush=True)
    return found


def _tracer(data: Data, orders: _Orders, *, is_short: bool) -> list[dict[str, Any]]:
    """The first two orders only: a fit takes minutes."""
    try:
        import tracer  # noqa: F401
    except ImportError:
        print("tracer-llm is not installed and was left out: pip install --no-deps tracer-llm==0.3.3")
        return [{"name": "tracer-llm", "left_out": "not installed"}]
    found = []
    for share, target in ((0.1, 0.8),) if is_short else ((0.2, 0.8), (0.4, 0.8)):
        runs = [traced(data, order, int(share * len(order)), target) for order in orders[:2]]
        taken = [run for run in runs if run is not None]
        settings = {"name": "tracer-llm", "warm": share, "target": target, "refused": len(runs) - len(taken)}
        found.append(gathered(taken, **settings) if taken else settings)
        print(f"tracer-llm, first {share:.0%} asked, target {target}: {_said(found[-1])}", flush=True)
    return found


def _promise(data: Data, orders: _Orders, *, is_short: bool) -> dict[str, Any]:
    """Fresh orders, many: whether a bound holds at 95 % is not seen in five."""
    goal = Goal(max_error=0.05, confidence=0.95)
    draws = 10 if is_short else 200
    kept = [
        promised(data, np.random.default_rng(1000 + seed).permutation(len(data.stream)), goal, 700, 900)
        for seed in range(draws)
    ]
    found = {
        "keep": 0.95,
        "confidence": goal.confidence,
        "draws": draws,
        "learnt": 700,
        "calibrated": 900,
        "promised": sum(run["is_kept"] for run in kept),
        "broken": sum(run["is_kept"] and run["disagrees"] > goal.max_error for run in kept),
        "coverage": round(float(np.mean([run["coverage"] for run in kept])), 4),
        "disagrees": round(float(np.mean([run["disagrees"] for run in kept])), 4),
    }
    print(f"a promise of 0.95: {found}", flush=True)
    return found


def _said(figures: Mapping[str, Any]) -> str:
    if "accuracy" not in figures:
        return "refused every order"
    return (
        f"right {figures['accuracy']:.2%} (sd {figures['accuracy_sd']:.2%}) with {figures['calls']:.1%} of the calls "
        f"(called {figures['accuracy_called']:.1%}, local {figures['accuracy_local']:.1%})"
    )


def draw(figures: Mapping[str, Any], path: Path) -> None:
    """Calls against accuracy, as SVG without any package."""
    width, height, left, bottom = 640, 400, 60, 40
    peers = [each for part in ("peers", "tracer") for each in figures.get(part, ()) if "accuracy" in each]
    points = [*figures.get("router", ()), *peers]
    low = math.floor(min(point["accuracy"] for point in points) * 50) / 50
    high = math.ceil(max([figures["teacher_accuracy"], *(point["accuracy"] for point in points)]) * 50) / 50

    def at(calls: float, accuracy: float) -> tuple[float, float]:
        x = left + calls / 0.5 * (width - left - 20)
        return x, height - bottom - (accuracy - low) / (high - low) * (height - bottom - 20)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        'font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for tick in range(6):
        x, y = at(tick / 10, low)
        parts.append(f'<line x1="{x:.0f}" y1="20" x2="{x:.0f}" y2="{y:.0f}" stroke="#ddd"/>')
        parts.append(f'<text x="{x:.0f}" y="{y + 16:.0f}" text-anchor="middle">{tick * 10} %</text>')
    steps = round((high - low) / 0.02)
    for step in range(steps + 1):
        x, y = at(0.0, low + step * 0.02)
        parts.append(f'<line x1="{x:.0f}" y1="{y:.0f}" x2="{width - 20}" y2="{y:.0f}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{x - 6:.0f}" y="{y + 4:.0f}" text-anchor="end">{(low + step * 0.02) * 100:.0f} %</text>'
        )
    _, y = at(0.0, figures["teacher_accuracy"])
    parts.append(
        f'<line x1="{left}" y1="{y:.1f}" x2="{width - 20}" y2="{y:.1f}" stroke="#c00" stroke-dasharray="5 4"/>'
    )
    parts.append(f'<text x="{width - 24}" y="{y - 6:.1f}" text-anchor="end" fill="#c00">GPT-4 for every request</text>')
    series: dict[str, list[Any]] = {"router": list(figures.get("router", ()))}
    for peer in peers:
        series.setdefault(peer["name"], []).append(peer)
    for (name, line), colour in zip(series.items(), ("#06c", "#690", "#960", "#909"), strict=False):
        line = sorted(line, key=lambda point: point["calls"])
        places = [at(point["calls"], point["accuracy"]) for point in line]
        shown = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{shown}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        row = height - bottom - 14 - 16 * list(series).index(name)
        parts.append(f'<text x="{width - 170}" y="{row}" fill="{colour}">{name}</text>')
    parts.append(
        f'<text x="{width / 2:.0f}" y="{height - 6}" text-anchor="middle">requests that call GPT-4</text></svg>'
    )
    path.write_text("\n".join(parts) + "\n", encoding="utf-8")
    print(f"wrote {path.relative_to(machine.ROOT)}")


_POLICY = """policy: desk
description: The student answers what it is sure of, the hosted model the rest.
otherwise: {prefer: local}
rules: []
"""
# Short questions are now and then taken for another language; the template says what they are written in.
_ANY_LANGUAGE = (
    *("en", "de", "fr", "es", "it", "pt", "nl", "sv", "da", "no", "nb", "fi", "pl", "cs", "sk", "sl", "hr", "ro"),
    *("hu", "et", "lv", "lt", "tr", "id", "ms", "tl", "vi", "ca", "eu", "gl", "cy", "ga", "sw", "af", "sq", "is"),
)

if __name__ == "__main__":
    main()
