"""A day's requests, drawn from test files with a fixed seed: what an application sends, and which answer is right."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from router.offline.outcomes import Outcomes, read_outcomes
from router.signals.pii import find_pii
from router.wire.openai import read_row

SMALL, LARGE = "small", "large"
# Share of labels that hosted models get right, where their answers were not recorded.
HIT = {SMALL: 0.93, LARGE: 0.96}


class Asked(msgspec.Struct, frozen=True):
    """One request. ``right`` tells of each hosted model whether its answer is good, None where nobody knows.

    ``labels``: allowed answers of a labelling request; ``gold``: the right answer, where it is a text.
    """

    kind: str
    body: dict[str, Any]
    key: str
    labels: tuple[str, ...] = ()
    gold: str | None = None
    right: dict[str, bool] | None = None


def traffic(data: Path, count: int, seed: int) -> list[Asked]:
    """``count`` requests: 40 % labelling, 28 % questions and code with recorded answers, 6 % extraction, 16 % chat, 8 %
    with personal data, 2 % that no model should answer."""
    chance = random.Random(seed)
    makers: list[tuple[float, Iterator[Asked]]] = [
        (0.18, _labelling(data / "experts/sst2/test.jsonl.gz", "sentiment", SENTIMENT, chance)),
        (0.08, _labelling(data / "experts_permissive/sms_spam/test.jsonl.gz", "spam", SPAM, chance)),
        (0.14, _labelling(data / "experts/banking77/test.jsonl.gz", "intent", INTENT, chance)),
        (0.06, _extraction(data / "experts_permissive/broad_twitter_ner/test.jsonl.gz", chance)),
        (0.14, _recorded(data / "outcomes/routellm_mmlu.jsonl.gz", "knowledge", ROUTELLM, chance)),
        (0.08, _recorded(data / "outcomes/routellm_gsm8k.jsonl.gz", "arithmetic", ROUTELLM, chance)),
        (0.06, _recorded(data / "outcomes/routerbench_mbpp.jsonl.gz", "code", ROUTERBENCH, chance)),
        (0.16, _chat(data / "tasks/chat_dev.jsonl.gz", chance)),
        (0.08, _personal(chance)),
        (0.02, _harmful(data / "safety/dev.jsonl.gz", chance)),
    ]
    shares = [share for share, _ in makers]
    return [next(chance.choices(makers, shares)[0][1]) for _ in range(count)]


def days_before(data: Path, asked: list[Asked], count: int, seed: int) -> Outcomes:
    """What both hosted models answered to other requests of the same traffic; chat that nobody judged is not in it."""
    known, rows = {request.key for request in asked}, {}
    for request in traffic(data, count, seed + 1):
        if request.right is not None and request.key not in known:
            rows[read_row(msgspec.json.encode(request.body)).transcript(6144, 2048)] = request
    scores = np.array([[float(request.right[model]) for model in (SMALL, LARGE)] for request in rows.values()])
    kinds = tuple(request.kind for request in rows.values())
    return Outcomes(tuple(rows), kinds, (SMALL, LARGE), scores, np.full(scores.shape, np.nan))


Shape = Callable[[str, tuple[str, ...]], dict[str, Any]]


def _plain(instruction: str) -> Shape:
    def make(text: str, labels: tuple[str, ...]) -> dict[str, Any]:
        system = f"{instruction} Answer with exactly one of: {', '.join(labels)}."
        return {"messages": [{"role": "system", "content": system}, {"role": "user", "content": text}]}

    return make


def _schema(instruction: str, field: str) -> Shape:
    def make(text: str, labels: tuple[str, ...]) -> dict[str, Any]:
        schema = {
            "type": "object",
            "properties": {field: {"type": "string", "enum": list(labels)}},
            "required": [field],
            "additionalProperties": False,
        }
        return {
            "messages": [{"role": "system", "content": instruction}, {"role": "user", "content": text}],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": field, "strict": True, "schema": schema},
            },
        }

    return make


def _marked(instruction: str, mark: str) -> Shape:
    def make(text: str, labels: tuple[str, ...]) -> dict[str, Any]:
        asked = f"{instruction} Reply with one label only ({' / '.join(labels)}).\n\n{mark}: {text}"
        return {"messages": [{"role": "user", "content": asked}]}

    return make


SENTIMENT = (
    _plain("You label film reviews by their sentiment."),
    _schema("Classify the sentiment of the user's review.", "sentiment"),
    _marked("What is the sentiment of this review?", "Review"),
)
SPAM = (
    _plain("You decide whether a text message is spam."),
    _schema("Classify the user's text message as spam or ham.", "label"),
    _marked("Is this message spam?", "Message"),
)
EXTRACTION = (
    "List every person, organisation and location that this message names, one a line, as PER: name, ORG: name or "
    "LOC: name. If it names none, write none.\n\nMessage: "
)
# The small and the large model, as the recorded outcomes call them.
ROUTELLM = ("mistralai/Mixtral-8x7B-Instruct-v0.1", "gpt-4-1106-preview")
ROUTERBENCH = ("mistralai/mixtral-8x7b-chat", "gpt-4-1106-preview")
INTENT = (_schema("Classify the bank customer's message by its intent.", "intent"),)


def _rows(path: Path, chance: random.Random) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    while True:
        chance.shuffle(rows)
        yield from rows


def _labelling(path: Path, kind: str, shapes: tuple[Shape, ...], chance: random.Random) -> Iterator[Asked]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        labels = tuple(sorted({json.loads(line)["label"] for line in lines}))
    for row in _rows(path, chance):
        body = chance.choice(shapes)(row["text"], labels)
        key = key_of(body)
        yield Asked(kind, body, key, labels, row["label"], _by_chance(key))


def _extraction(path: Path, chance: random.Random) -> Iterator[Asked]:
    """Names to be listed, from messages without personal data: what is masked nobody could list."""
    for row in _rows(path, chance):
        text = " ".join(row["tokens"])
        if find_pii(text):
            continue
        body = {"messages": [{"role": "user", "content": EXTRACTION + text}]}
        key = key_of(body)
        yield Asked("extraction", body, key, gold=_named(row["tokens"], row["tags"]), right=_by_chance(key))


def _named(tokens: list[str], tags: list[str]) -> str:
    found: list[str] = []
    for token, tag in zip(tokens, tags, strict=True):
        if token == "@":
            continue  # the name follows
        if tag.startswith("B-"):
            found.append(f"{tag[2:]}: {token}")
        elif tag.startswith("I-") and found:
            found[-1] += f" {token}"
    return "\n".join(found) or "none"


def _by_chance(key: str) -> dict[str, bool]:
    return {model: _hash(f"{model} {key}") < hit for model, hit in HIT.items()}


def _recorded(path: Path, kind: str, models: tuple[str, str], chance: random.Random) -> Iterator[Asked]:
    outcomes = read_outcomes([path])
    small, large = map(outcomes.models.index, models)
    order = list(range(len(outcomes)))
    while True:
        chance.shuffle(order)
        for row in order:
            body = {"messages": [{"role": "user", "content": outcomes.prompts[row]}]}
            right = {SMALL: bool(outcomes.scores[row, small] >= 0.5), LARGE: bool(outcomes.scores[row, large] >= 0.5)}
            yield Asked(kind, body, key_of(body), right=right)


def _chat(path: Path, chance: random.Random) -> Iterator[Asked]:
    wanted = {"dialogue", "open_generation", "other", "summarization", "translation", "paraphrase_rewrite"}
    for row in _rows(path, chance):
        if row["task"] in wanted:
            body = {"messages": [{"role": "user", "content": row["prompt"]}]}
            yield Asked("chat", body, key_of(body))


def _personal(chance: random.Random) -> Iterator[Asked]:
    first, last = (
        ("Ana", "Jonas", "Mei", "Omar", "Ruth", "Pavel"),
        ("Silva", "Berger", "Chen", "Haddad", "Okafor", "Novak"),
    )
    wishes = (
        "Please write a friendly reply that her parcel is on its way.",
        "Summarise this customer's complaint in one sentence.",
        "Draft an apology to this customer.",
    )
    while True:
        name, family = chance.choice(first), chance.choice(last)
        number = f"+44 20 7946 {chance.randrange(100, 1000):04d}"
        text = (
            f"{chance.choice(wishes)}\n\nFrom: {name}.{family}@example.org\nMy order never came. Call me: {number}. "
            f"My card is 4111 1111 1111 1111. Kind regards, {name} {family}"
        )
        body = {"messages": [{"role": "user", "content": text}]}
        yield Asked("personal data", body, key_of(body))


def _harmful(path: Path, chance: random.Random) -> Iterator[Asked]:
    for row in _rows(path, chance):
        if row["flag"] == "harmful":
            body = {"messages": [{"role": "user", "content": row["prompt"]}]}
            yield Asked("harmful", body, key_of(body))


def key_of(body: dict[str, Any]) -> str:
    """Names a request by what the user wrote, letters alone: masking and templates leave it as it is."""
    text = "".join(char for char in body["messages"][-1]["content"][:600].lower() if char.isalpha())
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _hash(text: str) -> float:
    return int(hashlib.sha256(text.encode()).hexdigest()[:12], 16) / 16**12
