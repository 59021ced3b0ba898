"""Records as a file of JSON lines that anything can read. Several processes may append to one file.

A file that has grown to ``max_bytes`` is set aside as ``NAME.TIME.jsonl``; what is set aside is deleted when its newest
record is too old.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from ..errors import ConfigError, StateUnavailable
from .store import Row

__all__ = ["JsonlSink"]

_LOOK_BACK = 64 * 1024 * 1024
_BLOCK = 1024 * 1024


class JsonlSink:
    """See :class:`~.store.RecordSink`. A row is written a second time where it is given a second time; who reads by
    :func:`~.ledger.read_records` sees it once."""

    def __init__(self, path: Path, *, max_bytes: int = 256 * 1024 * 1024) -> None:
        self._path, self._max_bytes = path, max_bytes
        self._end = 0  # of what was written here last, which is a whole line
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._open()
        except OSError as error:
            raise ConfigError(
                f"the ledger cannot be opened for writing ({error.strerror}).",
                file=str(path),
                hint="Check the folder's permissions, or set another `ledger.url`.",
            ) from error

    def write(self, rows: Sequence[Row]) -> None:
        """See :class:`~.store.RecordSink`."""
        size = written = 0
        try:
            size = self._follow()
            data = b"\n".join([*[row.body for row in rows], b""])
            if size and size != self._end and os.pread(self._file, 1, size - 1) != b"\n":
                data = b"\n" + data  # whoever wrote last died in the middle of a line
            while written < len(data):
                written += os.write(self._file, data[written:])
            self._end = size + written
        except OSError as error:
            self._take_back(size, written)
            raise StateUnavailable(
                f"the ledger {self._path} cannot be written ({error.strerror}).", hint="Check the disk."
            ) from error

    def scan(self, since_s: float | None = None, until_s: float | None = None) -> Iterator[bytes]:
        """See :class:`~.store.RecordSink`."""
        for path in [*self._aside(), self._path]:
            try:
                if since_s is not None and path.stat().st_mtime < since_s:
                    continue
                with path.open("rb") as lines:
                    for line in lines:
                        yield line.rstrip(b"\n")
            except FileNotFoundError:
                continue
            except OSError as error:
                raise StateUnavailable(f"the ledger {path} cannot be read ({error.strerror}).") from error

    def find(self, decision: str) -> bytes | None:
        """See :class:`~.store.RecordSink`. Only the newest 64 MiB are looked through."""
        wanted, left = b'"id":"%b.' % decision.encode("utf-8", "replace"), _LOOK_BACK
        for path in [self._path, *reversed(self._aside())]:
            try:
                with path.open("rb") as lines:
                    for block in _backwards(lines, left):
                        left -= len(block)
                        at = block.rfind(wanted)
                        if at >= 0:
                            return block[block.rfind(b"\n", 0, at) + 1 :].partition(b"\n")[0]
            except FileNotFoundError:
                continue
            except OSError as error:
                raise StateUnavailable(f"the ledger {path} cannot be read ({error.strerror}).") from error
        return None

    def prune(self, before_s: float) -> None:
        """See :class:`~.store.RecordSink`. Only whole files that were set aside are deleted."""
        for path in self._aside():
            if path.stat().st_mtime < before_s:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """See :class:`~.store.RecordSink`."""
        os.close(self._file)

    def _take_back(self, size: int, written: int) -> None:
        """Cut what was written of rows that did not fit: they will be given again."""
        with suppress(OSError):
            if written and os.fstat(self._file).st_size == size + written:
                os.ftruncate(self._file, size)

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)

    def _aside(self) -> list[Path]:
        return sorted(self._path.parent.glob(f"{self._path.stem}.[0-9]*T*-*{self._path.suffix}"))

    def _follow(self) -> int:
        """Set the file aside when it is full, and open anew when somebody did; how large it is now."""
        here = os.fstat(self._file)
        try:
            there = self._path.stat()
        except FileNotFoundError:
            there = None
        if there is not None and there.st_ino == here.st_ino and here.st_size >= self._max_bytes:
            stamp = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{time.time_ns() % 10**9:09d}"
            self._path.rename(self._path.with_name(f"{self._path.stem}.{stamp}{self._path.suffix}"))
            there = None
        if there is None or there.st_ino != here.st_ino:
            fresh = self._open()
            os.close(self._file)
            self._file, self._end = fresh, 0
            return os.fstat(fresh).st_size
        return here.st_size


def _backwards(lines: BinaryIO, most: int) -> Iterator[bytes]:
    """Whole lines of a file in blocks, the last ones first, at most about ``most`` bytes of them."""
    end = lines.seek(0, os.SEEK_END)
    least, rest = max(0, end - most), b""
    while end > least:
        start = max(0, end - _BLOCK)
        lines.seek(start)
        data = lines.read(end - start) + rest
        # What stands before the first line break belongs to a line that begins further up.
        cut = (data.find(b"\n") + 1 or len(data)) if start else 0
        rest, end = data[:cut], start
        yield data[cut:]
