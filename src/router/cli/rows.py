"""Files of requests, one JSON object a line, read as a stream; ``-`` is standard input or output."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ..errors import RequestTooLarge, RouterError

__all__ = ["lines", "reading", "writing"]

MAX_LINE = 16 * 1024 * 1024


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """The file opened to read bytes.

    Raises:
        RouterError: it cannot be opened.
    """
    if str(path) == "-":
        yield sys.stdin.buffer
        return
    with _opened(path, "rb") as stream:
        yield stream


@contextmanager
def writing(path: Path, *, source: Path) -> Iterator[BinaryIO]:
    """The file opened to write bytes of what is read from ``source``.

    Raises:
        RouterError: it cannot be opened, or is ``source``, which would be lost.
    """
    if str(path) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if path.is_file() and source.is_file() and path.samefile(source):
        raise RouterError(f"{path} is read and would be overwritten.", hint="Write to another file.")
    with _opened(path, "wb") as stream:
        yield stream


def lines(stream: BinaryIO, *, limit: int = MAX_LINE) -> Iterator[bytes | RequestTooLarge]:
    """The lines that are not blank, one by one; a line longer than ``limit`` bytes is an error in its place."""
    while True:
        line = stream.readline(limit + 1)
        if not line:
            return
        if len(line) > limit and not line.endswith(b"\n"):
            while (rest := stream.readline(limit)) and not rest.endswith(b"\n"):
                pass
            yield RequestTooLarge(f"the line has more than {limit:,} bytes.", hint="Split it.")
        elif not line.isspace():
            yield line


def _opened(path: Path, mode: str) -> BinaryIO:
    try:
        stream: BinaryIO = path.open(mode)  # type: ignore[assignment]
    except OSError as error:
        raise RouterError(f"{path} cannot be opened ({error.strerror}).", hint="Check the path.") from error
    return stream
