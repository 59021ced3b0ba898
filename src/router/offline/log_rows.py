"""Rows of log files, one at a time: JSON lines, JSON lists, concatenated or indented JSON, CSV; gzipped or not.

Memory is bounded by one row. A row that cannot be read is told to ``on_bad`` and passed over.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from ..errors import ConfigError

__all__ = ["MAX_ROW_BYTES", "OnBad", "log_rows"]

MAX_ROW_BYTES = 64 * 1024 * 1024
_CHUNK = 1024 * 1024
# Under these keys an API's answer or an export holds the rows themselves.
_LISTS = ("data", "logs", "rows", "results", "items", "spans")

OnBad = Callable[[str, int, str], None]
_decode = json.JSONDecoder().raw_decode


def log_rows(path: Path, on_bad: OnBad) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """``(number, row)`` for every readable row of a file; ``-`` is standard input.

    The number is that of the line in JSON lines and CSV, else that of the row. ``on_bad`` gets file, number and reason.

    Raises:
        ConfigError: the file cannot be read at all.
    """
    name = str(path)
    try:
        with _opened(path) as binary:
            kind = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"][-1:]
            if kind in ([".csv"], [".tsv"]):
                yield from _table(binary, name, "\t" if kind == [".tsv"] else ",", on_bad)
            else:
                yield from _json_rows(binary, name, on_bad)
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"the log cannot be read ({why}).", file=name, hint="Check the path.") from error


def _opened(path: Path) -> IO[bytes]:
    if str(path) == "-":
        return sys.stdin.buffer
    if path.suffix.lower() == ".gz":
        return io.BufferedReader(gzip.open(path))
    return path.open("rb")


def _table(binary: IO[bytes], name: str, delimiter: str, on_bad: OnBad) -> Iterator[tuple[int, Mapping[str, Any]]]:
    csv.field_size_limit(MAX_ROW_BYTES)
    decode = codecs.getincrementaldecoder("utf-8-sig")("replace").decode
    reader = csv.DictReader((decode(line) for line in binary), delimiter=delimiter)
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            on_bad(name, reader.line_num, f"no CSV ({error})")
            continue
        if row is None:
            return
        if None in row or None in row.values():
            on_bad(name, reader.line_num, "more or fewer cells than columns")
            continue
        yield reader.line_num, row


def _json_rows(binary: IO[bytes], name: str, on_bad: OnBad) -> Iterator[tuple[int, Mapping[str, Any]]]:
    first, number = b"", 0
    while not first.strip():
        first = binary.readline(MAX_ROW_BYTES)
        number += 1
        if not first:
            return
    first = first.removeprefix(b"\xef\xbb\xbf")
    try:
        whole = json.loads(first)
    except (ValueError, RecursionError):
        # A list, or objects over several lines; or JSON lines whose first is broken.
        if first.lstrip()[:1] in (b"[", b"{") and not first.rstrip().endswith(b"}"):
            yield from _values(first, binary, name, on_bad)
            return
        on_bad(name, number, "no JSON")
    else:
        yield from _objects(whole, name, number, on_bad)
    yield from _lines(binary, name, number, on_bad)


def _lines(binary: IO[bytes], name: str, number: int, on_bad: OnBad) -> Iterator[tuple[int, Mapping[str, Any]]]:
    while line := binary.readline(MAX_ROW_BYTES):
        number += 1
        if len(line) >= MAX_ROW_BYTES and not line.endswith(b"\n"):
            on_bad(name, number, f"longer than {MAX_ROW_BYTES:,} bytes")
            while line and not line.endswith(b"\n"):
                line = binary.readline(_CHUNK)
            continue
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            on_bad(name, number, "no JSON")
            continue
        yield from _objects(value, name, number, on_bad)


def _objects(value: Any, name: str, number: int, on_bad: OnBad) -> Iterator[tuple[int, Mapping[str, Any]]]:
    if isinstance(value, dict):
        inner = next((value[key] for key in _LISTS if isinstance(value.get(key), list)), None)
        if inner is None or not all(isinstance(each, dict) for each in inner):
            yield number, value
            return
        value = inner
    if not isinstance(value, list):
        on_bad(name, number, "no object")
        return
    for each in value:
        if isinstance(each, dict):
            yield number, each
        else:
            on_bad(name, number, "no object")


def _values(begun: bytes, binary: IO[bytes], name: str, on_bad: OnBad) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Objects that stand one after the other, or in one list, whatever the line breaks."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    buffer = decoder.decode(begun).lstrip()
    if buffer.startswith("["):
        buffer = buffer[1:]
    number, is_over = 0, False
    while True:
        buffer = buffer.lstrip(" \t\r\n,]")
        if buffer:
            try:
                value, end = _decode(buffer)
            except (ValueError, RecursionError) as error:
                if is_over or len(buffer) > MAX_ROW_BYTES:
                    number += 1
                    on_bad(name, number, "no JSON" if is_over else f"longer than {MAX_ROW_BYTES:,} characters")
                    if is_over:
                        return
                    buffer = ""
                elif isinstance(error, json.JSONDecodeError) and error.pos < len(buffer) - _CHUNK:
                    # Far from the end: no more text will mend it. The next object begins on a line of its own.
                    number += 1
                    on_bad(name, number, "no JSON")
                    after = buffer.find("\n{", max(1, error.pos))
                    buffer = buffer[after + 1 :] if after >= 0 else ""
                    continue
            else:
                number += 1
                buffer = buffer[end:]
                yield from _objects(value, name, number, on_bad)
                continue
        if is_over:
            return
        more = binary.read(max(_CHUNK, len(buffer)))
        is_over = not more
        buffer += decoder.decode(more, is_over)
