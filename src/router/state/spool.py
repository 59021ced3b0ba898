"""Records that could not be written to the ledger, in a file of JSON lines until they can.

Each writer has its own file, locked while it lives; what a dead one left is taken over by the next that starts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from .store import Row

try:
    import fcntl
except ImportError:  # Windows: files are still spooled and replayed, only nobody else's are taken over
    fcntl = None  # type: ignore[assignment]

__all__ = ["Spool"]

_BATCH = 256


class _Head(msgspec.Struct):
    id: str
    at_s: float
    tenant: str | None = None


class Spool:
    """The spool of one ``writer``: ``path`` with the writer's name behind it."""

    def __init__(self, path: Path, writer: str) -> None:
        self._folder, self._stem = path.parent, path.name
        self._path = path.with_name(f"{path.name}.{writer}")
        self._file: int | None = None

    @property
    def is_used(self) -> bool:
        """Whether something waits in it."""
        return self._file is not None

    def write(self, rows: Sequence[Row]) -> None:
        """Append ``rows``.

        Raises:
            OSError: the disk is full, or the folder cannot be written.
        """
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = self._claimed()
        data = b"".join(row.body + b"\n" for row in rows)
        if os.fstat(self._file).st_size and os.pread(self._file, 1, os.fstat(self._file).st_size - 1) != b"\n":
            data = b"\n" + data
        while data:
            data = data[os.write(self._file, data) :]

    def _claimed(self) -> int:
        while True:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            _lock(file, waits=True)
            if _is_at(file, self._path):
                return file
            os.close(file)  # somebody took it for a dead one's before it was locked

    def replay(self, write: Callable[[Sequence[Row]], None]) -> None:
        """Give everything to ``write`` and forget it; what ``write`` raises leaves it as it is."""
        if self._file is not None:
            _replay(self._path, write)
            self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = None

    def adopt(self, write: Callable[[Sequence[Row]], None]) -> None:
        """As :meth:`replay`, with the files that dead writers left."""
        if fcntl is None or not self._folder.is_dir():
            return
        for path in sorted(self._folder.glob(f"{self._stem}.*")):
            try:
                file = os.open(path, os.O_RDWR)
            except OSError:
                continue
            try:
                if _lock(file) and _is_at(file, path):
                    _replay(path, write)
                    path.unlink(missing_ok=True)
            finally:
                os.close(file)

    def close(self) -> None:
        """Leave what is in it to the next who starts."""
        if self._file is not None:
            with suppress(OSError):
                os.close(self._file)
            self._file = None


def _lock(file: int, *, waits: bool = False) -> bool:
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def _is_at(file: int, path: Path) -> bool:
    """Whether ``path`` is still the file that was opened: another process may have replayed and deleted it."""
    try:
        return path.stat().st_ino == os.fstat(file).st_ino
    except FileNotFoundError:
        return False


def _replay(path: Path, write: Callable[[Sequence[Row]], None]) -> None:
    batch: list[Row] = []
    for row in _rows(path):
        batch.append(row)
        if len(batch) == _BATCH:
            write(batch)
            batch = []
    if batch:
        write(batch)


def _rows(path: Path) -> Iterator[Row]:
    with path.open("rb") as lines:
        for line in lines:
            body = line.rstrip(b"\n")
            # A line that a dying process cut short can be told no more.
            with suppress(msgspec.DecodeError, UnicodeDecodeError):
                head = msgspec.json.decode(body, type=_Head)
                yield Row(head.id, head.at_s, head.tenant, body)
