"""Which columns of a file hold the text and the label: by their usual names, else by their shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import ConfigError

__all__ = [
    "HOSTED",
    "LABELS",
    "LANGUAGES",
    "TEXTS",
    "Record",
    "check_asked",
    "columns_in",
    "fewest_column",
    "longest_column",
    "usual_column",
]

Record = tuple[int, Mapping[str, Any]]
TEXTS = (
    "text", "sentence", "utterance", "query", "input", "content", "message", "comment", "review", "tweet", "question",
    "prompt", "document", "body", "description", "headline", "title", "request", "x",
)  # fmt: skip
LABELS = (
    "label_text", "label_name", "label", "intent", "category", "class", "target", "gold", "sentiment", "topic",
    "answer", "output", "y", "labels", "tag",
)  # fmt: skip
HOSTED = ("hosted", "llm", "teacher", "hosted_answer")
LANGUAGES = ("language", "lang", "locale")


def columns_in(records: Sequence[Record], path: Path) -> list[str]:
    """The names in the first thousand rows.

    Raises:
        ConfigError: there are no rows.
    """
    if not records:
        raise ConfigError("the file has no rows.", file=str(path))
    return list(dict.fromkeys(name for _, record in records[:1000] for name in record))


def check_asked(asked: Mapping[str, str | None], columns: Sequence[str], path: Path) -> None:
    """Whether the columns that were named (``what`` -> name or None) are there, each for one thing.

    Raises:
        ConfigError: one is not, or is named twice.
    """
    taken: dict[str, str] = {}
    for what, name in asked.items():
        if name is None:
            continue
        if name not in columns:
            raise ConfigError(
                f"there is no column {name!r}; there are: {', '.join(map(repr, columns))}.",
                file=str(path),
                hint=f"Check --{what}.",
            )
        if name in taken:
            raise ConfigError(
                f"the column {name!r} is named as {taken[name]} and as {what}.", file=str(path), hint=f"Check --{what}."
            )
        taken[name] = what


def usual_column(usual: Sequence[str], columns: Sequence[str]) -> str | None:
    """The first of the ``usual`` names that there is, in whatever case."""
    by_name = {name.lower().strip(): name for name in columns}
    return next((by_name[name] for name in usual if name in by_name), None)


def _sampled(records: Sequence[Record], column: str) -> list[Any]:
    return [record.get(column) for _, record in records[:: max(1, len(records) // 2000)]]


def longest_column(records: Sequence[Record], columns: Sequence[str]) -> str | None:
    """The column whose texts are the longest on average."""

    def length(column: str) -> float:
        values = [value for value in _sampled(records, column) if isinstance(value, str)]
        return sum(map(len, values)) / max(1, len(values))

    return max(columns, key=length, default=None)


def fewest_column(records: Sequence[Record], columns: Sequence[str]) -> str | None:
    """The column with the fewest different values, two at least, that could be labels."""

    def count(column: str) -> int:
        return len({str(value) for value in _sampled(records, column)})

    able = [column for column in columns if 2 <= count(column) <= max(2, len(records) // 3)]
    return min(able, key=count, default=None)
