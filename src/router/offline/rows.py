"""Labelled rows, and the fixed ways to split them: what is fitted, calibrated and tested on never overlaps."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

__all__ = [
    "Rows",
    "Split",
    "count_labels",
    "is_kept_for",
    "is_missing",
    "joined",
    "rows_hash",
    "split_rows",
    "writable",
]


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """Texts and their labels, equally long.

    ``weights`` (1.0 each by default) count rows more or less in training; ``languages`` (ISO 639-1, one a text) ask for
    thresholds by language when they are given; ``hosted`` are the answers of a hosted model to the same texts.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    weights: tuple[float, ...] = ()
    languages: tuple[str, ...] = ()
    hosted: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.texts)

    def pick(self, keep: Sequence[int] | npt.NDArray[np.intp]) -> Rows:
        """The rows at these indices."""
        return Rows(
            texts=tuple(self.texts[index] for index in keep),
            labels=tuple(self.labels[index] for index in keep),
            weights=tuple(self.weights[index] for index in keep) if self.weights else (),
            languages=tuple(self.languages[index] for index in keep) if self.languages else (),
            hosted=tuple(self.hosted[index] for index in keep) if self.hosted else (),
        )


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """Three parts without a common text: ``fit``, ``calibration`` (thresholds) and ``test`` (read once, at the end)."""

    fit: Rows
    calibration: Rows
    test: Rows


def is_missing(value: Any) -> bool:
    """Whether a label is None or the NaN that tables have where a cell is empty."""
    return value is None or (isinstance(value, float) and value != value)


def writable(label: str) -> str:
    """The label with ? for a lone half of a surrogate pair, which could be written nowhere."""
    return label.encode("utf-8", "replace").decode()


def joined(parts: Sequence[Rows]) -> Rows:
    """The rows of all parts, one after the other; a field that some part lacks is left out."""

    def all_of(name: str) -> tuple[str, ...]:
        if not all(getattr(part, name) or not len(part) for part in parts):
            return ()
        return tuple(value for part in parts for value in getattr(part, name))

    weighted = any(part.weights for part in parts)
    return Rows(
        texts=tuple(text for part in parts for text in part.texts),
        labels=tuple(label for part in parts for label in part.labels),
        weights=tuple(w for part in parts for w in part.weights or (1.0,) * len(part)) if weighted else (),
        languages=all_of("languages"),
        hosted=all_of("hosted"),
    )


def rows_hash(*parts: Rows) -> str:
    """SHA-256 over texts and labels in order: names the data that a model was made from."""
    digest = hashlib.sha256()
    for rows in parts:
        for text, label in zip(rows.texts, rows.labels, strict=True):
            digest.update(f"{len(text)}:{text}{len(label)}:{label}".encode("utf-8", "replace"))
    return digest.hexdigest()


def is_kept_for(text: str, share: float, salt: str = "") -> bool:
    """Whether a text falls into a fixed random ``share`` of all texts: the same on every machine and in every order."""
    digest = hashlib.sha256(f"{salt}\x00{text}".encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8], "big") < share * 2.0**64


def split_rows(
    rows: Rows,
    *,
    calibration: float = 0.2,
    test: float = 0.2,
    most: int = 4000,
    seed: int = 0,
) -> Split:
    """Split at random within each label.

    ``calibration`` and ``test`` are shares, 0..1 (0: that part is empty), of which at most ``most`` rows are taken, and
    a label always keeps at least half of its rows in ``fit``.
    """
    by_label: dict[str, list[int]] = defaultdict(list)
    for index, label in enumerate(rows.labels):
        by_label[label].append(index)
    n = max(1, len(rows))
    shares = [min(share, most / n) for share in (calibration, test)]
    draw = np.random.default_rng(seed)
    parts: list[list[int]] = [[], [], []]
    debt = [0.0, 0.0]  # what rounding left over, so that many small labels fill a part as one large would
    for label in sorted(by_label):
        mine = draw.permutation(by_label[label]).tolist()
        room = len(mine) // 2
        for which, share in enumerate(shares):
            wanted = share * len(mine) + debt[which]
            count = min(round(wanted), room)
            debt[which] = wanted - count
            room -= count
            parts[which + 1] += mine[:count]
            mine = mine[count:]
        parts[0] += mine
    fit, held, tested = (rows.pick(sorted(part)) for part in parts)
    return Split(fit=fit, calibration=held, test=tested)


def count_labels(rows: Rows) -> dict[str, int]:
    """Rows of each label, the most frequent first."""
    return dict(Counter(rows.labels).most_common())
