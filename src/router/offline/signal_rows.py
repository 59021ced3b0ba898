"""Rows to train the learned signals on: read from the data folder, filtered by licence, weighted.

Only rows whose source permits a shipped model are taken (class ``permissive`` in ``sources.json``, or written for this
project), and only training splits.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from .acts import asked_acts
from .attacks import direct, injected
from .hosts import Document, documents

__all__ = [
    "KEPT_BACK",
    "RISKS",
    "RiskRow",
    "TaskRow",
    "inputs",
    "is_held_out",
    "is_own",
    "read_rows",
    "risk_rows",
    "task_rows",
    "written_documents",
]

RISKS = ("harmful", "jailbreak", "prompt_injection", "toxicity")
KEPT_BACK = 0.1  # of the groups
WRITTEN = Path(__file__).parent / "written"
# Files of written rows that n-grams learn the wrong thing from: that rules of a house are an injection, for example.
IN_CONTEXT = (
    "risk_direct_injections_2",
    "risk_direct_injections_3",
    "risk_direct_injections_4",
    "risk_harmless_documents",
    "risk_house_rules",
    "risk_injections",
    "risk_injections_in_context",
    "risk_injections_in_context_2",
    "risk_pairs_3",
    "risk_pairs_4",
    "risk_pairs_5",
    "risk_pairs_6",
    "risk_pairs_7",
    "risk_pairs_8",
)

# Sets whose toxic texts were published under terms that permit a shipped model, in their publishers' own words.
TOXICITY_SETS = ("civil_toxic", "edos_sexism", "germeval18_de", "moderation_categories", "surge_toxicity")
TOXIC_LABELS = frozenset({"toxic", "offense", "sexist", "harassment", "hate"})
PLAIN_SETS = (
    "pros_cons",
    "subjectivity",
    "multidogo",
    "snips",
    "home_intents",
    "arxiv_subject",
)


class TaskRow(msgspec.Struct, frozen=True, kw_only=True):
    """A request and the task it asks for; rows of one ``group`` come from the same data set."""

    text: str
    task: str
    group: str
    weight: float = 1.0


class RiskRow(msgspec.Struct, frozen=True, kw_only=True):
    """A text and, for each of :data:`RISKS`, 1, 0 or None (not known).

    ``in_context``: only who reads whole sentences can tell it; n-grams would take its ordinary words for the risk.
    """

    text: str
    flags: tuple[int | None, ...]
    group: str
    weight: float = 1.0
    is_data: bool = False
    in_context: bool = False


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The objects of a gzipped or plain JSON Lines file; none when it does not exist."""
    if not path.exists():
        return []
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    return [json.loads(line) for line in text.split("\n") if line.strip()]


def is_held_out(group: str, share: float = KEPT_BACK) -> bool:
    """Whether a group is kept back for calibration; the same answer in every run."""
    return int(hashlib.sha256(group.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF < share


def _permissive(data: Path, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    sources = json.loads((data / "sources.json").read_text(encoding="utf-8"))
    for row in rows:
        source = row.get("source")
        if source is None or sources.get(source, {}).get("licence_class") == "permissive":
            yield row


def is_own(row: TaskRow) -> bool:
    """Whether a row was written for this project, in the way people and applications write."""
    return row.group.startswith(("chat:", "written:"))


def inputs(data: Path, a_set: int = 150) -> list[tuple[str, str]]:
    """``(text, set)`` of every kind that a request may be about: up to ``a_set`` from each set that permits it."""
    texts: list[tuple[str, str]] = []
    for path in sorted((data / "experts_permissive").glob("*/train.jsonl.gz")):
        found = [row["text"] for row in read_rows(path) if 15 < len(row.get("text", "")) < 500]
        texts.extend((text, path.parent.name) for text in found[:: max(1, len(found) // a_set)][:a_set])
    return texts


def task_rows(data: Path, *, chat_share: float = 0.33, written_share: float = 0.37) -> list[TaskRow]:
    """All task rows. Data sets weigh with the root of their size, so that many small ones beat few large ones.

    ``chat_share``/``written_share``: weight of the chat rows and of this project's own rows, as shares of the whole.
    """
    public = list(_permissive(data, read_rows(data / "tasks" / "train.jsonl.gz")))
    per_set = Counter((row["dataset"], row["task"]) for row in public)
    per_task = Counter(row["task"] for row in public)
    chat = read_rows(data / "tasks" / "chat_train.jsonl.gz")
    written = [
        {**row, "file": path.stem} for path in sorted(WRITTEN.glob("requests*.jsonl")) for row in read_rows(path)
    ]
    raw = [per_set[row["dataset"], row["task"]] ** -0.5 * per_task[row["task"]] ** -0.3 for row in public]
    total = sum(raw)
    rest = 1.0 - chat_share - (written_share if written else 0.0)
    rows = [
        TaskRow(text=row["prompt"], task=row["task"], group=row["dataset"], weight=rest * weight / total)
        for row, weight in zip(public, raw, strict=True)
    ]
    for name, more, share in (("chat", chat, chat_share), ("written", written, written_share)):
        rows.extend(
            TaskRow(
                text=row["prompt"],
                task=row["task"],
                group=f"{name}:{row.get('file') or hashlib.sha256(row['prompt'].encode()).hexdigest()}",
                weight=share / len(more),
            )
            for row in more
        )
    scale = len(rows)
    return [msgspec.structs.replace(row, weight=row.weight * scale) for row in rows]


def risk_rows(data: Path) -> list[RiskRow]:
    """All rows for the risk heads: safety data, contrast pairs, own pairs, toxic texts, and plain requests."""
    rows: list[RiskRow] = []
    for row in _permissive(data, read_rows(data / "safety" / "train.jsonl.gz")):
        flags = _flags("benign" if row["flag"] == "pii" else row["flag"])
        weight = 2.0 if row.get("hard") else 1.0
        if row["dataset"].startswith("bipia"):  # the same few documents with many attacks and seldom without
            weight = 6.0 if row["flag"] == "benign" else 0.5
        group = row["dataset"].removesuffix("_clean")
        rows.append(RiskRow(text=row["prompt"], flags=flags, group=group, weight=weight))
    pairs = read_rows(data / "safety" / "contrast_train.jsonl.gz")
    pairs += [
        {**row, "in_context": path.stem in IN_CONTEXT}
        for path in sorted(WRITTEN.glob("risk*.jsonl"))
        for row in read_rows(path)
    ]
    rows.extend(
        RiskRow(
            text=row["prompt"],
            flags=_flags(row["flag"]),
            group=f"pair:{row.get('pair', row['prompt'])}",
            weight=4.0,
            is_data=row.get("where") == "data",
            in_context=row.get("in_context", False),
        )
        for row in pairs
    )
    for plain in task_rows(data):
        toxic = None if plain.task in ("toxicity", "other_classification", "sentiment") else 0
        if is_own(plain) or is_held_out(plain.text, 0.3):
            weight = 2.0 if is_own(plain) else 0.5
            rows.append(RiskRow(text=plain.text, flags=(0, 0, 0, toxic), group=plain.group, weight=weight))
    for name in TOXICITY_SETS:
        for row in read_rows(data / "experts_permissive" / name / "train.jsonl.gz"):
            toxic = int(row["label"] in TOXIC_LABELS)
            if name == "moderation_categories" and row["label"] not in ("none", "harassment", "hate"):
                continue
            rows.append(RiskRow(text=row["text"], flags=(None, 0, 0, toxic), group=name, weight=0.5))
    for name in PLAIN_SETS:
        rows.extend(
            RiskRow(text=row["text"], flags=(0, 0, 0, 0), group=name, weight=0.5)
            for row in read_rows(data / "experts_permissive" / name / "train.jsonl.gz")[::6]
        )
    for index, document in enumerate(written_documents(data, 3000)):
        if document.kind != "request":  # another request is told by its surroundings, which n-grams do not see
            flags = _flags("prompt_injection" if document.is_attack else "benign")
            rows.append(RiskRow(text=document.text, flags=flags, group=f"document:{index // 20}", is_data=True))
    rows.extend(_composed([row.text for row in rows if len(row.text) > 200 and not any(row.flags)][::9]))
    return rows


def _composed(documents: list[str]) -> Iterator[RiskRow]:
    """Own-written attacks and their look-alikes; ``documents`` carry the injected sentences."""
    for index, (text, is_attack) in enumerate(injected(documents)):
        flags = _flags("prompt_injection" if is_attack else "benign")
        yield RiskRow(text=text, flags=flags, group=f"injected:{index // 20}", weight=1.0, is_data=True)
    for text, is_attack, said in direct(1600):
        flags = _flags("prompt_injection" if is_attack else "benign")
        yield RiskRow(text=text, flags=flags, group=f"direct:{said}", weight=1.5)
    for text, is_harmful, act in asked_acts():
        yield RiskRow(text=text, flags=_flags("harmful" if is_harmful else "benign"), group=f"act:{act}", weight=1.0)


def written_documents(data: Path, count: int = 5000, seed: int = 0) -> list[Document]:
    """Made-up documents with and without a sentence that does not belong, see :mod:`router.offline.hosts`."""
    rows = task_rows(data)
    own = [row.text.strip() for row in rows if row.group.startswith("chat:")]
    requests = [text for text in own if 12 < len(text) < 160 and "\n" not in text]
    tasks = ("summarization", "reading_comprehension", "nli", "topic_classification")
    passages = [
        row.text
        for row in rows
        if row.task in tasks and 300 < len(row.text) < 2500 and not row.group.startswith(("chat:", "written:"))
    ]
    return documents(count, passages, requests, seed)


def _flags(flag: str) -> tuple[int | None, ...]:
    """A harmful request may or may not be worded toxically, and a jailbreak may ask for harm: those stay unknown."""
    if flag == "benign":
        return (0, 0, 0, 0)
    return tuple(1 if kind == flag else _BESIDE.get((flag, kind), 0) for kind in RISKS)


_BESIDE: dict[tuple[str, str], int | None] = {
    ("harmful", "toxicity"): None,
    ("jailbreak", "toxicity"): None,
    ("jailbreak", "harmful"): None,
    ("jailbreak", "prompt_injection"): None,
    ("prompt_injection", "jailbreak"): None,
    ("prompt_injection", "harmful"): None,
    ("prompt_injection", "toxicity"): None,
}
