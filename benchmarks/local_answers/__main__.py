"""How often does a local model answer where it should not, and how often where it may?

    python -m benchmarks.local_answers --data DIR

DIR holds ``tasks/`` (prompts with the task they ask for), ``experts/`` and ``experts_permissive/`` (texts with labels).
Wrongly local: prompts answered locally although their task is none of the model's. Usefully local: test texts of the
shipped models in many request shapes; of those which the model may answer (it is sure enough of the bare text), how
many it answers, in the asked form, and how right.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from machine import write
from router import Router
from router.local.base import CardedModel, model_directories, shipped_directory
from router.local.load import load_local_model
from router.wire.openai import read_chat

from .shapes import SHAPES, Asked, Shape

TEXTS = 12
"""Texts per model that it is sure of; each stands in every shape."""


class Kind(NamedTuple):
    """What a model's answers are called. ``spellings``: how a caller writes the labels, where not as the model does."""

    test: str
    noun: str
    thing: str
    spellings: Mapping[str, str] = {}


KINDS: Mapping[str, Kind] = {
    "assistant-intents": Kind("experts/clinc150", "intent", "message"),
    "banking-intents": Kind("experts/banking77", "intent", "query"),
    "clickbait": Kind("experts_permissive/clickbait", "type", "headline"),
    "emotion": Kind("experts_permissive/goemotions_ekman", "emotion", "comment"),
    "sentiment": Kind("experts_permissive/pros_cons", "sentiment", "review"),
    "spam": Kind("experts_permissive/sms_spam", "category", "message"),
    "subjectivity": Kind("experts_permissive/subjectivity", "category", "sentence"),
    "toxicity": Kind("experts_permissive/surge_toxicity", "class", "comment", {"not_toxic": "not toxic"}),
}


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def wrongly(router: Router, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Which prompts were answered locally, and which of those ask for a task that is none of the model's."""
    cards = {card.name: card for card in router.engine.fleet.local.values()}
    local, wrong = [], []
    for row in rows:
        messages = row.get("messages") or [{"role": "user", "content": row["prompt"]}]
        request = read_chat({"model": "auto", "messages": messages})
        decision = router.engine.decide(request)
        if decision.target.kind != "local":
            continue
        evidence = decision.signals["local"].value
        card = cards[decision.target.model]
        asked = {row["task"], *row.get("also", ())}
        told = {
            "model": card.name, "task": row["task"], "answer": evidence.answer,
            "prompt": "\n".join(message["content"] for message in messages)[:400],
        }  # fmt: skip
        local.append(told)
        if asked.isdisjoint({card.task, *card.also_tasks}):
            wrong.append(told)
    return {"prompts": len(rows), "local": len(local), "of_another_task": len(wrong), "answered": local}


def sure_texts(model: CardedModel, kind: Kind, data: Path, draw: random.Random) -> list[tuple[str, str, str]]:
    """``(text, true label, the model's label)`` of test rows that the model may answer by its thresholds."""
    rows = list(rows_of(data / kind.test / "test.jsonl.gz"))
    draw.shuffle(rows)
    card, found = model.card, []
    known = {label: label for label in model.labels}
    for row in rows:
        true = known.get(row["label"]) or next((a for a, names in card.aliases.items() if row["label"] in names), None)
        if true is None:
            continue
        prediction = model.predict((row["text"],))[0]
        best = max(range(len(prediction.probabilities)), key=prediction.probabilities.__getitem__)
        least = card.language_thresholds.get("en", card.threshold)
        if prediction.in_distribution >= card.ood_threshold and prediction.probabilities[best] >= least:
            found.append((row["text"], true, model.labels[best]))
        if len(found) >= TEXTS:
            break
    return found


def usefully(router: Router, data: Path) -> dict[str, Any]:
    """Every shape around every sure text of every model."""
    draw = random.Random(5)
    loop = asyncio.new_event_loop()
    by_shape: dict[str, list[bool]] = defaultdict(list)
    by_model: dict[str, list[bool]] = defaultdict(list)
    by_group: dict[str, list[bool]] = defaultdict(list)
    reasons: Counter[str] = Counter()
    kept: dict[str, list[bool]] = {"asked_form": [], "same_as_bare": [], "right": [], "bare_right": []}
    missed: list[dict[str, Any]] = []
    for directory in model_directories(shipped_directory()):
        model = load_local_model(directory)
        kind = KINDS.get(model.name)
        if kind is None:
            continue
        spelled = [kind.spellings.get(label, label) for label in model.labels]
        for text, true, said in sure_texts(model, kind, data, draw):
            for shape in SHAPES:
                request = read_chat({"model": "auto", **shape.make(Asked(text, spelled, kind.noun, kind.thing))})
                decision = router.engine.decide(request)
                is_local = decision.target.kind == "local" and decision.target.model == model.name
                by_shape[shape.name].append(is_local)
                by_group[shape.group].append(is_local)
                by_model[model.name].append(is_local)
                if is_local:
                    _, outcome = loop.run_until_complete(router.engine.complete(request, decision))
                    answer = answer_of(shape, outcome)
                    kept["asked_form"].append(answer in spelled)
                    kept["same_as_bare"].append(answer == spelled[model.labels.index(said)])
                    kept["right"].append(answer == spelled[model.labels.index(true)])
                    kept["bare_right"].append(said == true)
                else:
                    why = reason_of(decision, model.name)
                    reasons[f"{model.name}: {why}"] += 1
                    missed.append({"model": model.name, "shape": shape.name, "why": why, "text": text[:80]})
    loop.close()
    every = [hit for hits in by_shape.values() for hit in hits]
    return {
        "requests": len(every),
        "shapes": len(SHAPES),
        "texts_per_model": TEXTS,
        "local": round(sum(every) / len(every), 4),
        **{name: round(sum(hits) / max(1, len(hits)), 4) for name, hits in kept.items()},
        "by_group": shares(by_group),
        "by_model": shares(by_model),
        "by_shape": dict(sorted(shares(by_shape).items(), key=lambda item: item[1])),
        "reasons": dict(reasons.most_common(60)),
        "missed": missed,
    }


def shares(hits: Mapping[str, list[bool]]) -> dict[str, float]:
    return {name: round(sum(found) / len(found), 3) for name, found in hits.items()}


def answer_of(shape: Shape, outcome: Any) -> str | None:
    """The label in an answer that has exactly the asked form; None when it has another."""
    message = json.loads(outcome.body)["choices"][0]["message"] if isinstance(outcome.body, bytes) else None
    message = message or outcome.body["choices"][0]["message"]
    if shape.form == "bare":
        return message["content"] if isinstance(message["content"], str) else None
    how, key = shape.form.split(":")
    if how == "json":
        document = json.loads(message["content"])
    else:
        document = json.loads(message["tool_calls"][0]["function"]["arguments"])
    return document[key] if list(document) == [key] else None


def reason_of(decision: Any, model: str) -> str:
    """Why it was not answered locally: the evidence's reason, the policy's, or that another model was taken."""
    evidence = decision.signals["local"].value if "local" in decision.signals else None
    if evidence is None:
        task = decision.signals["task"]
        return f"no model matched (task {task.value}, {task.confidence:.1f})"
    if evidence.model != model:
        return f"taken for {evidence.model}"
    if evidence.reason is not None:
        return str(evidence.reason)
    candidate = next((c for c in decision.candidates if c.model == model), None)
    return (
        f"policy: {candidate.reason if candidate is not None and candidate.reason else 'a hosted model was preferred'}"
    )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.local_answers", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", choices=("wrongly", "usefully"))
    parser.add_argument("--show", type=Path, help="write every local answer and every miss there, for reading")
    options = parser.parse_args(argv)
    found: dict[str, Any] = {}
    with Router(policy="guide") as router:
        if options.only != "usefully":
            for name in ("dev", "chat_dev"):
                rows = list(rows_of(options.data / "tasks" / f"{name}.jsonl.gz"))
                found[f"wrongly_{name}"] = wrongly(router, rows)
        if options.only != "wrongly":
            found["usefully"] = usefully(router, options.data)
    if options.show is not None:
        options.show.write_text(json.dumps(found, indent=1, ensure_ascii=False), encoding="utf-8")
    for part in found.values():
        part.pop("answered", None)
        part.pop("missed", None)
    print(json.dumps(found, indent=1, ensure_ascii=False))
    if options.only is None:
        write("local_answers", found)


if __name__ == "__main__":
    main()
