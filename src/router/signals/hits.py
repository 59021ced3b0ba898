"""Stretches of one text that are personal data or secrets, and how overlapping readings are settled."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

__all__ = ["Hit", "PiiKind", "settled"]

PiiKind = Literal[
    "email", "phone", "card", "iban", "ip", "national_id", "api_key", "person", "address", "birth_date", "account"
]


class Hit(NamedTuple):
    """``text[start:end]`` is a ``kind``, with probability ``score``."""

    kind: PiiKind
    start: int
    end: int
    score: float


def settled(hits: Iterable[Hit]) -> tuple[Hit, ...]:
    """Hits in reading order, none overlapping: of two that overlap the surer stays, then the longer."""
    kept: list[Hit] = []
    for hit in sorted(hits, key=lambda hit: (hit.start, -hit.score, hit.start - hit.end)):
        if kept and hit.start < kept[-1].end:
            last = kept[-1]
            if (hit.score, hit.end - hit.start) > (last.score, last.end - last.start):
                kept[-1] = hit
        else:
            kept.append(hit)
    return tuple(kept)
