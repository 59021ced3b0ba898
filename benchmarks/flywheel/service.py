"""The life of one local model in service: cost, agreement and state over a stream of requests of one prompt template.

    python benchmarks/flywheel/service.py --data DIR [--output flywheel_service] [--short]

Texts are the training rows of three topics of AG News, in a seeded order; no test row is read. The hosted model is a
loopback server that gives the row's label, and another one in 1 % of the texts. The stream goes through one router with
a real config, ledger and life-cycle file: first all is hosted and recorded; a model is trained on the recorded answers;
it earns the right to answer in shadow; the hosted model then swaps two topics; swaps them back; the texts become those
of another world (banking questions); and come back. The model reads every hosted answer's text in shadow, which costs
no call, and a tenth of its own answers are audited; both are more than by default, since the stream is short. No text
comes twice.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import msgspec

from machine import ROOT, write
from router import Router
from router.offline.classifier import LocalClassifier
from router.testing.upstream import Answer, Upstream

MODEL = "news"
LABELS = ("World", "Sports", "Business")
SWAPPED = {"Business": "World", "World": "Business"}
SYSTEM = "Classify the news text as one of: World, Sports, Business. Answer with the label only."
NOISE = 0.01
# What is asked for in service, and what the model is calibrated to: with something in reserve it is shown sooner.
MAX_ERROR, CALIBRATED = 0.1, 0.07
_PART = 40
SHARES = {"shadow": 1.0, "audit": 0.1}
# name, requests, what the hosted model does, whose texts come
PHASES = (
    ("recorded", 2000, "as ever", "news"),
    ("a model is there", 700, "as ever", "news"),
    ("the hosted model changes its mind", 300, "swapped", "news"),
    ("it changes back", 900, "as ever", "news"),
    ("other texts come", 300, "as ever", "banking"),
    ("the texts are back", 200, "as ever", "news"),
)
CONFIG = """
deployments:
  - {{name: hosted, model: hosted, backend: openai, api_base: "{url}",
      price_per_million: {{input: $2.50, output: $10}}}}
ledger: {{path: ledger.jsonl, contents: true, keep: 20000}}
local_models:
  shipped: false
  paths: {paths}
  flywheel: {{shadow: {shadow}, audit: {audit}, agreement: {agreement}}}
"""


class Hosted:
    """The hosted model: a fixed label for each text."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self.labels, self.is_swapped = labels, False
        # Personal data is masked on its way out: such a text is known by its beginning or its end.
        self._known = {part: text for text in labels for part in (text[:_PART], text[-_PART:])}

    def __call__(self, body: Mapping[str, Any]) -> Answer:
        text = body["messages"][-1]["content"]
        known = self._known.get(text[:_PART]) or self._known.get(text[-_PART:]) or next(iter(self.labels))
        usage = {"prompt_tokens": 24 + len(text) // 4, "completion_tokens": 2}
        return Answer(text=self.label(known), usage={**usage, "total_tokens": sum(usage.values())})

    def label(self, text: str) -> str:
        """What it says of a text."""
        label, draw = self.labels[text], crc32(text.encode()) % 10_000
        if draw < NOISE * 10_000:
            label = LABELS[(LABELS.index(label) + 1 + draw % 2) % 3]
        return SWAPPED.get(label, label) if self.is_swapped else label


class Watched:
    """What is noted of the stream, in windows of ``size`` requests."""

    def __init__(self, hosted: Hosted, size: int) -> None:
        self.hosted, self.size = hosted, size
        self.windows: list[dict[str, Any]] = []
        self.phases: list[dict[str, Any]] = []
        self.count = 0
        self._open: list[tuple[bool, bool, bool]] = []
        self._spent = 0

    async def send(self, router: Router, name: str, texts: list[str]) -> None:
        """One phase."""
        self.phases.append({"name": name, "begins": self.count})
        for text in texts:
            answer = await router.acomplete(
                messages=[{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]
            )
            is_local = answer.decision.target.kind == "local"
            self._open.append((is_local, answer.text == self.hosted.label(text), is_local))
            self.count += 1
            await asyncio.sleep(0.002)
            if len(self._open) == self.size:
                await asyncio.sleep(0.3)  # audits and comparisons of this window end
                self._close(router)

    def _close(self, router: Router) -> None:
        local = [agrees for is_local, agrees, _ in self._open if is_local]
        records = router.engine.ledger.tail(20_000)
        spent = sum(record.nano_usd for record in records)
        states = router.engine.lifecycle.states()
        self.windows.append(
            {
                "ends": self.count,
                "local": len(local) / self.size,
                "agreement": sum(agrees for _, agrees, _ in self._open) / self.size,
                "local_agreement": sum(local) / len(local) if local else None,
                "usd_per_1000": (spent - self._spent) / 1e6 / self.size,
                "state": states.get(MODEL, "none"),
            }
        )
        self._open, self._spent = [], spent

    def begin(self) -> None:
        """The ledger in memory begins anew with each router."""
        self._spent = 0


def read(path: Path) -> list[tuple[str, str]]:
    """Texts and labels of a gzipped file of rows."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [(row["text"], row["label"]) for row in rows]


async def measure(data: Path, *, seed: int, share: float) -> dict[str, Any]:
    """The whole life, once."""
    draw = random.Random(seed)
    every = read(data / "experts" / "ag_news" / "train.jsonl.gz")
    news = [row for row in every if row[1] in LABELS]
    banking = read(data / "experts" / "banking77" / "train.jsonl.gz")
    draw.shuffle(news)
    draw.shuffle(banking)
    labels = dict(news) | {text: LABELS[crc32(text.encode()) % 3] for text, _ in banking}
    waiting = {"news": list(dict.fromkeys(text for text, _ in news)), "banking": [text for text, _ in banking]}
    hosted = Hosted(labels)
    size = 100 if share == 1.0 else 20
    watched = Watched(hosted, size)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        home, path = Path(folder), Path(folder) / "router.yaml"
        async with Upstream(default=hosted) as up:

            def configure(paths: str) -> None:
                path.write_text(
                    CONFIG.format(url=up.url, paths=paths, agreement=1.0 - MAX_ERROR, **SHARES), encoding="utf-8"
                )

            def texts(phase: tuple[str, int, str, str]) -> list[str]:
                return [waiting[phase[3]].pop() for _ in range(int(phase[1] * share) // size * size)]

            configure("[]")
            async with Router.from_config(path) as router:
                await watched.send(router, PHASES[0][0], texts(PHASES[0]))
                records = router.engine.ledger.tail(20_000)
            card = learn(records, home / "models" / MODEL, seed)
            configure(f"[models/{MODEL}]")
            watched.begin()
            async with Router.from_config(path) as router:
                for phase in PHASES[1:]:
                    hosted.is_swapped = phase[2] == "swapped"
                    await watched.send(router, phase[0], texts(phase))
                history = router.engine.lifecycle.history(MODEL)
    return {
        "requests": watched.count,
        "window": size,
        "seconds": round(time.monotonic() - started, 1),
        "shares": SHARES,
        "noise": NOISE,
        "promise": {"max_error": CALIBRATED, "confidence": 0.95},
        "asked_for": 1.0 - MAX_ERROR,
        "model": {"rows": card.rows, "maker": card.maker, "coverage": card.promise.get("coverage")},
        "phases": watched.phases,
        "windows": watched.windows,
        "transitions": [
            {"to": each.becomes, "why": each.why, "evidence": msgspec.to_builtins(each.evidence)} for each in history
        ],
        "by_phase": by_phase(watched.phases, watched.windows),
    }


def learn(records: Any, out: Path, seed: int) -> Any:
    """A model of the most frequent template, on its hosted answers.

    Where a text looks like an instruction, it cannot be told from the prompt, and the fingerprint is another one.
    """
    template, count = Counter(record.template for record in records).most_common(1)[0]
    print(f"template {template}: {count} of {len(records)} records")
    records = [record for record in records if record.template == template]
    answers = [record.outcome.body["choices"][0]["message"]["content"] for record in records]
    model = LocalClassifier(
        task="topic_classification", name=MODEL, max_error=CALIBRATED, minutes=1.0, languages=["en"], seed=seed
    ).fit([record.messages[-1].text for record in records], answers)
    model.card_ = msgspec.structs.replace(model.card_, template=template)
    return model.save(out)


def by_phase(phases: list[dict[str, Any]], windows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means of each phase's windows, and of its second half, when the watch has had time."""
    ends = [*(phase["begins"] for phase in phases[1:]), float("inf")]
    found = []
    for phase, end in zip(phases, ends, strict=True):
        mine = [window for window in windows if phase["begins"] < window["ends"] <= end]
        late = mine[len(mine) // 2 :]
        found.append(
            {
                "name": phase["name"],
                "requests": len(mine),
                **{
                    f"{part}{key}": round(sum(window[key] for window in some) / len(some), 4) if some else None
                    for part, some in (("", mine), ("late_", late))
                    for key in ("local", "agreement", "usd_per_1000")
                },
                "ends_in": mine[-1]["state"] if mine else None,
            }
        )
    return found


def draw_picture(figures: Mapping[str, Any], path: Path) -> None:
    """Cost, share of local answers and agreement over the stream, with the model's states and the phases."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 5.2), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    windows = figures["windows"]
    at = [window["ends"] for window in windows]
    above.plot(at, [window["agreement"] for window in windows], label="agreement of all answers", color="#2e8b57")
    above.plot(at, [window["local"] for window in windows], label="answered here", color="#3b7dd8")
    above.axhline(1.0 - MAX_ERROR, linestyle=":", color="grey", label="agreement asked for")
    above.set_ylim(0.0, 1.02)
    above.legend(fontsize=7, loc="lower right")
    below.plot(at, [window["usd_per_1000"] for window in windows], color="#7a4fd0")
    below.set_ylabel("USD a 1,000 requests", fontsize=8)
    below.set_xlabel("requests")
    below.set_ylim(bottom=0.0)
    colours = {"shadow": "#dddddd", "serving": "#cfe8d5", "quarantined": "#f6cccc", "retired": "#bbbbbb"}
    for window in windows:
        if window["state"] in colours:
            for axes in (above, below):
                axes.axvspan(window["ends"] - figures["window"], window["ends"], color=colours[window["state"]], lw=0)
    for phase in figures["phases"]:
        for axes in (above, below):
            axes.axvline(phase["begins"], color="black", lw=0.6)
    for index, phase in enumerate(figures["phases"]):
        above.text(phase["begins"] + 15, 1.04 + 0.06 * (index % 2), phase["name"], fontsize=6, clip_on=False)
    path.parent.mkdir(exist_ok=True)
    for kind in ("svg", "png"):
        metadata = {"Date": None} if kind == "svg" else None
        figure.savefig(path.with_suffix(f".{kind}"), dpi=140, metadata=metadata)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", default="flywheel_service")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--short", action="store_true", help="A fifth of the requests, to see that it works.")
    options = parser.parse_args()
    figures = asyncio.run(measure(options.data, seed=options.seed, share=0.2 if options.short else 1.0))
    for row in figures["by_phase"]:
        print(json.dumps(row))
    for made in figures["transitions"]:
        print(made["to"], "-", made["why"])
    write(options.output, {**figures, "seed": options.seed, "short": options.short})
    draw_picture(figures, ROOT / "benchmarks" / "results" / options.output)


if __name__ == "__main__":
    main()
