"""Labelled rows of a file: JSON Lines, JSON, CSV, TSV or Parquet, gzipped or not, in whatever encoding.

Nothing is left out in silence: every row that cannot be used is counted in a note, and every guess (encoding, columns)
is one too.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ..errors import ConfigError, MissingExtra
from .columns import (
    HOSTED,
    LABELS,
    LANGUAGES,
    TEXTS,
    Record,
    check_asked,
    columns_in,
    fewest_column,
    longest_column,
    usual_column,
)
from .rows import Rows, is_missing, writable

__all__ = ["LabelledFile", "read_labelled", "read_texts"]

MAX_BYTES = 1024 * 1024 * 1024
MAX_TEXT = 1_000_000


class LabelledFile(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of a file after cleaning; ``notes`` are sentences about what was guessed and what was left out."""

    rows: Rows
    notes: tuple[str, ...] = ()


def read_labelled(
    path: Path,
    *,
    text: str | None = None,
    label: str | None = None,
    hosted: str | None = None,
    language: str | None = None,
    encoding: str | None = None,
    clean: bool = True,
) -> LabelledFile:
    """The labelled rows of ``path``; the suffix says the format (``.jsonl``, ``.json``, ``.csv``, ``.tsv``,
    ``.parquet``, each but the last also with ``.gz``).

    ``text``, ``label``, ``hosted`` (a hosted model's answers) and ``language`` name the columns; without a name the
    usual ones are looked for, else the shape of the columns tells. With ``clean``, a text that stands there twice is
    read once, and a text with contradicting labels keeps the more frequent one.

    Raises:
        ConfigError: unreadable, no rows, columns missing, a row with several labels (with file and line).
        MissingExtra: Parquet without ``pyarrow``.
    """
    records, notes = _records(path, encoding)
    columns = columns_in(records, path)
    asked = {"text": text, "label": label, "hosted": hosted, "language": language}
    check_asked(asked, columns, path)
    # A column that is named for one thing is not guessed for another.
    free = [name for name in columns if name not in asked.values()]
    text_column = text or usual_column(TEXTS, free) or longest_column(records, free)
    free = [name for name in free if name != text_column]
    label_column = label or usual_column(LABELS, free)
    if label_column is None:
        label_column = fewest_column(records, free)
        if label_column is not None:
            notes.append(f"the labels are read from {label_column!r} (the column with the fewest values).")
    if text_column is None or label_column is None:
        raise ConfigError(
            f"no column of labelled text was found; the columns are: {', '.join(map(repr, columns))}.",
            file=str(path),
            hint="Name them with --text and --label.",
        )
    free = [name for name in free if name != label_column]
    hosted_column = hosted or usual_column(HOSTED, free)
    language_column = language or usual_column(LANGUAGES, free)
    rows, found = _rows(records, (text_column, label_column, hosted_column, language_column), path)
    notes += found
    notes += _alike(rows.labels)
    if clean:
        rows, found = _cleaned(rows)
        notes += found
    if not len(rows):
        raise ConfigError(f"no row has both {text_column!r} and {label_column!r}.", file=str(path))
    return LabelledFile(rows=rows, notes=tuple(notes))


def read_texts(path: Path, *, text: str | None = None, encoding: str | None = None) -> tuple[str, ...]:
    """The texts of a file of any of these formats, or of a plain text file with one text a line.

    Raises:
        ConfigError: as :func:`read_labelled`, or there is no text.
        MissingExtra: as there.
    """
    if _kind(path) == "txt":
        data, _ = _decoded(_bytes(path), encoding)
        found = tuple(line.strip() for line in data.splitlines() if line.strip())
    else:
        records, _ = _records(path, encoding)
        columns = columns_in(records, path)
        # The labelled rows may call it otherwise than these do.
        column = (text if text in columns else None) or usual_column(TEXTS, columns) or longest_column(records, columns)
        found = tuple(str(record[column]) for _, record in records if column and str(record.get(column) or "").strip())
    if not found:
        raise ConfigError("the file has no text.", file=str(path), hint="One text a line, or a column of texts.")
    return found


# ----- formats -----


def _kind(path: Path) -> str:
    suffixes = [suffix.lower().lstrip(".") for suffix in path.suffixes]
    if suffixes and suffixes[-1] == "gz":
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(
                f"the file has more than {MAX_BYTES:,} bytes.", file=str(path), hint="Train on a sample of it."
            )
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"the file cannot be read ({why}).", file=str(path), hint="Check the path.") from error
    if len(data) > MAX_BYTES:
        raise ConfigError(f"what is in the file has more than {MAX_BYTES:,} bytes.", file=str(path))
    return data


def _decoded(data: bytes, encoding: str | None) -> tuple[str, list[str]]:
    if encoding is not None:
        try:
            return data.decode(encoding), []
        except (UnicodeDecodeError, LookupError) as error:
            raise ConfigError(f"the file is not {encoding} ({error}).", hint="Leave --encoding out.") from error
    for mark, name in (
        (b"\xef\xbb\xbf", "utf-8-sig"),
        (b"\xff\xfe\x00\x00", "utf-32"),
        (b"\x00\x00\xfe\xff", "utf-32"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if data.startswith(mark):
            return data.decode(name, "replace"), []
    try:
        return data.decode(), []
    except UnicodeDecodeError:
        # A sample is enough to tell; it ends at a line's end, so that no letter is cut.
        name = _guessed(data[: data.rfind(b"\n", 0, 200_000) + 1 or 200_000])
        text = data.decode(name, "replace")
        lost = text.count("\ufffd")
        note = f"the file is not UTF-8; it was read as {name}{f' ({lost} letters lost)' if lost else ''}: "
        return text, [note + "name another with --encoding if that is wrong."]


def _guessed(data: bytes) -> str:
    # Letters with marks stand alone among ASCII in the languages of western Europe; in other encodings whole words do.
    high = re.findall(rb"[\x80-\xff]+", data)
    if sum(len(run) for run in high if len(run) >= 3) < 0.1 * sum(map(len, high)):
        return "cp1252"
    from charset_normalizer import from_bytes

    guess = from_bytes(data).best()
    return guess.encoding if guess is not None else "cp1252"


def _records(path: Path, encoding: str | None) -> tuple[list[Record], list[str]]:
    kind = _kind(path)
    if kind in {"parquet", "pq"}:
        return _parquet(path), []
    if not path.exists():
        raise ConfigError("there is no such file.", file=str(path), hint="Check the path.")
    if kind not in {"jsonl", "ndjson", "json", "csv", "tsv", "txt"}:
        raise ConfigError(
            f"files of the kind {kind!r} cannot be read.",
            file=str(path),
            hint="Use .jsonl, .json, .csv, .tsv or .parquet (or .jsonl.gz, .csv.gz ...).",
        )
    try:
        text, notes = _decoded(_bytes(path), encoding)
    except ConfigError as error:
        error.file = error.file or str(path)
        raise
    if kind in {"jsonl", "ndjson"}:
        return _json_lines(text, path), notes
    if kind == "json":
        return _json(text, path), notes
    return _table(text, path, "\t" if kind == "tsv" else None), notes


def _json_lines(text: str, path: Path) -> list[Record]:
    found = []
    # Not splitlines(): JSON strings may hold U+2028 and its like.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            found.append((number, _record(_parsed(line, path, number), path, number)))
    return found


def _json(text: str, path: Path) -> list[Record]:
    value = _parsed(text, path, 1)
    if isinstance(value, dict):
        columns = [part for part in value.values() if isinstance(part, list)]
        if len(columns) > 1 and len(columns) == len(value) and len({len(column) for column in columns}) == 1:
            value = [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)]
        else:  # {"data": [...]} and the like
            value = columns[0] if columns else value
    if not isinstance(value, list):
        raise ConfigError("a list of objects is expected.", file=str(path))
    return [(number, _record(row, path, number)) for number, row in enumerate(value, 1)]


def _parsed(text: str, path: Path, line: int) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ConfigError(f"this is no JSON ({error}).", file=str(path), line=line) from error


def _record(row: Any, path: Path, line: int) -> Mapping[str, Any]:
    if isinstance(row, dict):
        return row
    if isinstance(row, list) and len(row) == 2:
        return {"text": row[0], "label": row[1]}
    raise ConfigError("an object with a text and a label is expected.", file=str(path), line=line)


def _table(text: str, path: Path, delimiter: str | None) -> list[Record]:
    csv.field_size_limit(MAX_TEXT * 4)
    if delimiter is None:
        head = text[:20_000]
        first = head.split("\n", 1)[0]
        delimiter = max(",;\t|", key=first.count) if any(mark in first for mark in ",;\t|") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        known = {*TEXTS, *LABELS}
        if len(header) > 1 and not known & {name.lower() for name in header}:
            # No name that is known: the first line may be a row like any other, whose label comes again below.
            names = [f"column {number}" for number in range(1, len(header) + 1)]
            rows = [(1, dict(zip(names, header, strict=True)))]
            rows += [(reader.line_num, dict(zip(names, row, strict=False))) for row in reader if row and any(row)]
            if any(
                sum(str(record.get(name)).strip() == cell for _, record in rows) > 1
                for name, cell in zip(names, header, strict=True)
                if cell
            ):
                return list(rows)
            return [(line, dict(zip(header, record.values(), strict=False))) for line, record in rows[1:]]
        return [(reader.line_num, dict(zip(header, row, strict=False))) for row in reader if row and any(row)]
    except csv.Error as error:
        raise ConfigError(f"the table cannot be read ({error}).", file=str(path), line=reader.line_num) from error


def _parquet(path: Path) -> list[Record]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtra("pyarrow", "parquet") from error
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"the file has more than {MAX_BYTES:,} bytes.", file=str(path))
        table = parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise ConfigError(f"the file is no Parquet file ({error}).", file=str(path)) from error
    return list(enumerate(table.to_pylist(), 1))


# ----- rows -----


def _rows(
    records: Iterable[Record], columns: tuple[str, str, str | None, str | None], path: Path
) -> tuple[Rows, list[str]]:
    kept: list[tuple[str, str, str, str]] = []
    blank = cut = 0
    for line, record in records:
        text = _text(record.get(columns[0]), path, line)
        label = _label(record.get(columns[1]), path, line)
        if not text.strip() or not label:
            blank += 1
            continue
        if len(text) > MAX_TEXT:
            text, cut = text[:MAX_TEXT], cut + 1
        more = [_label(record.get(name), path, line) if name else "" for name in columns[2:]]
        kept.append((text, label, *more))  # type: ignore[arg-type]
    notes = [f"{blank:,} rows without a text or a label were left out."] if blank else []
    if cut:
        notes.append(f"{cut:,} texts were cut to {MAX_TEXT:,} letters.")
    plain = _without_fractions([row[1] for row in kept])
    return (
        Rows(
            texts=tuple(row[0] for row in kept),
            labels=tuple(plain),
            hosted=tuple(row[2] for row in kept) if columns[2] else (),
            languages=tuple((row[3] or "en").split("-")[0].split("_")[0].lower() for row in kept) if columns[3] else (),
        ),
        notes,
    )


def _text(value: Any, path: Path, line: int) -> str:
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    if isinstance(value, list | tuple | Mapping):
        raise ConfigError(
            f"the text is {'an object' if isinstance(value, Mapping) else 'a list'}, no text.",
            file=str(path),
            line=line,
            hint="Name a column of texts with --text.",
        )
    return value if isinstance(value, str) else "" if value is None else str(value)


def _label(value: Any, path: Path, line: int) -> str:
    if isinstance(value, list | tuple):
        if len(value) > 1:
            raise ConfigError(
                f"the row has {len(value)} labels; one is expected.",
                file=str(path),
                line=line,
                hint="A model gives one label a text: train one model a question.",
            )
        value = value[0] if value else None
    if isinstance(value, list | tuple | Mapping):
        raise ConfigError(
            "the label is a list or an object, no label.",
            file=str(path),
            line=line,
            hint="Name a column of labels with --label.",
        )
    if is_missing(value):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return writable(" ".join(str(value).split()))


def _without_fractions(labels: Sequence[str]) -> Sequence[str]:
    """``1.0`` is how tables write the label 1 once a cell was empty."""
    if labels and all(label.replace(".", "", 1).lstrip("-").isdecimal() for label in labels):
        numbers = [float(label) for label in labels]
        if all(number.is_integer() for number in numbers):
            return [str(int(number)) for number in numbers]
    return labels


def _alike(labels: Sequence[str]) -> list[str]:
    """A note on labels that may be one label written in several ways."""
    ways: dict[str, set[str]] = defaultdict(set)
    for label in set(labels):
        ways[label.casefold()].add(label)
    found = [sorted(spelt) for spelt in ways.values() if len(spelt) > 1]
    if not found:
        return []
    shown = "; ".join(", ".join(map(repr, spelt)) for spelt in sorted(found)[:4])
    return [f"labels that differ in capitals alone are taken as different ones: {shown}."]


def _cleaned(rows: Rows) -> tuple[Rows, list[str]]:
    by_text: dict[str, list[int]] = defaultdict(list)
    for index, text in enumerate(rows.texts):
        by_text[" ".join(text.split()).casefold()].append(index)
    keep, twice, torn = [], 0, 0
    for indices in by_text.values():
        votes = Counter(rows.labels[index] for index in indices).most_common(2)
        if len(votes) > 1 and votes[0][1] == votes[1][1]:
            torn += len(indices)
            continue
        torn += sum(rows.labels[index] != votes[0][0] for index in indices)
        mine = [index for index in indices if rows.labels[index] == votes[0][0]]
        keep.append(mine[0])
        twice += len(mine) - 1
    notes = [f"{twice:,} repeated rows were read once."] if twice else []
    if torn:
        notes.append(f"{torn:,} rows contradict others with the same text and were left out.")
    return rows.pick(sorted(keep)), notes
