"""Rows to train the deep reading on: requests with their task, and stretches of texts with their risks.

Long texts are cut as they are when they are served (:func:`router.signals.deep.stretches`), so that the encoder learns
on what it will read.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from pathlib import Path

import msgspec

from ..features import prepared
from ..signals.deep import SHORT, stretches
from ..signals.learned import SCAN_HEAD, SCAN_TAIL, Understanding
from .recombined import has_input, recombined
from .signal_rows import RISKS, RiskRow, TaskRow, inputs, is_own, task_rows, written_documents
from .typos import mistyped

__all__ = ["DeepRow", "deep_rows", "drawn", "kept_tasks"]

INJECTION = RISKS.index("prompt_injection")
CHAT_SHARE, WRITTEN_SHARE, MIXED_SHARE = 0.24, 0.42, 0.4
RISK_SHARE = 0.42  # of what is drawn, rows that know risks only
TYPOS = 0.16
OFTEN = 3.0
UNKNOWN: tuple[int | None, ...] = (None,) * len(RISKS)


class DeepRow(msgspec.Struct, frozen=True):
    """What is read at once, and how often it is drawn; ``task`` is None and a flag is None where it is not known."""

    text: str
    task: str | None
    flags: tuple[int | None, ...]
    weight: float


def deep_rows(
    data: Path,
    tasks: Sequence[TaskRow],
    risks: Sequence[RiskRow],
    first: Understanding,
    seed: int,
    often: Collection[str] = (),
) -> list[DeepRow]:
    """Rows whose weights sum to 1; ``first`` tells where in a long text a risk may stand; ``often``: texts that weigh
    :data:`OFTEN` times as much."""
    rows = [DeepRow(row.text, row.task, UNKNOWN, row.weight) for row in tasks]
    own = [(row.text, row.task) for row in tasks if is_own(row) and has_input(row.text)]
    share = sum(row.weight for row in tasks) * MIXED_SHARE
    mixed = list(recombined(own, [text for text, _ in inputs(data)], 12_000, seed))
    rows += [DeepRow(text, task, UNKNOWN, share / len(mixed)) for text, task in mixed]
    total = sum(row.weight for row in rows)
    found = [msgspec.structs.replace(row, weight=(1.0 - RISK_SHARE) * row.weight / total) for row in rows]
    parts = [part for row in risks for part in _parts(row, first)]
    parts += list(_documents(data, first, seed))
    total = sum(row.weight for row in parts)
    task_of = {row.text: row.task for row in tasks}
    found += [DeepRow(row.text, task_of.get(row.text), row.flags, RISK_SHARE * row.weight / total) for row in parts]
    if not often:
        return found
    weights = [row.weight * (OFTEN if row.text in often else 1.0) for row in found]
    total = sum(weights)
    return [msgspec.structs.replace(row, weight=weight / total) for row, weight in zip(found, weights, strict=True)]


def _parts(row: RiskRow, first: Understanding) -> list[DeepRow]:
    """A text with its risks, or of a long one the whole and the places that look most like a risk."""
    if row.group.startswith("document:"):
        return []
    whole = DeepRow(row.text, None, row.flags, row.weight)
    if len(row.text) <= SHORT:
        return [whole]
    is_injected = row.flags[INJECTION] == 1
    data = prepared(row.text, head=SCAN_HEAD, tail=SCAN_TAIL)
    worst = first.worst(data)
    if is_injected:  # the order stands somewhere, most likely where the first reading sees it
        _, begin, end = worst[INJECTION]
        places = stretches(row.text, data, [(0.0, begin, end)])
        return [DeepRow(row.text[a:b], None, row.flags, row.weight) for a, b in places]
    places = stretches(row.text, data, worst)
    flags = row.flags if not any(row.flags) else UNKNOWN
    cut = [DeepRow(row.text[a:b], None, flags, row.weight / (1 + len(places))) for a, b in places]
    return [msgspec.structs.replace(whole, weight=row.weight / (1 + len(cut))), *(cut if not any(row.flags) else ())]


def _documents(data: Path, first: Understanding, seed: int) -> list[DeepRow]:
    """Made-up documents: the place where a sentence was put in, and places where none was."""
    draw = random.Random(seed)  # noqa: S311 no secret is drawn
    found = []
    for document in written_documents(data, 4000, seed=seed):
        text, size = document.text, 380
        flags = (0, 0, int(document.is_attack), 0)
        if document.end > document.start:
            room = max(0, size - (document.end - document.start))
            at = max(0, document.start - draw.randint(0, room))
            found.append(DeepRow(text[at : max(document.end, at + size)], None, flags, 1.5))
        if len(text) <= SHORT:
            found.append(DeepRow(text, None, flags, 1.0))
        else:
            at = draw.randrange(len(text) - size)
            if at + size <= document.start or at >= document.end:
                found.append(DeepRow(text[at : at + size], None, (0, 0, 0, 0), 0.7))
    return found


def drawn(rows: Sequence[DeepRow], count: int, seed: int) -> list[DeepRow]:
    """About ``count`` rows, each as often as its weight asks, some with typing mistakes."""
    draw = random.Random(seed)  # noqa: S311 no secret is drawn
    found: list[DeepRow] = []
    for row in rows:
        share = row.weight * count
        times = int(share) + (draw.random() < share - int(share))
        for _ in range(times):
            is_typed = draw.random() < TYPOS and len(row.text) < 2000
            found.append(msgspec.structs.replace(row, text=mistyped(row.text, draw)) if is_typed else row)
    draw.shuffle(found)
    return found


def kept_tasks(data: Path) -> list[TaskRow]:
    """Task rows with the shares that the deep reading is trained with."""
    return task_rows(data, chat_share=CHAT_SHARE, written_share=WRITTEN_SHARE)
