"""A file of JSON lines that several processes append to, and that each of them follows.

A line is written in one piece and read only when it is whole; a process that died in the middle of one costs that line.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..errors import StateUnavailable

__all__ = ["SharedLines"]


class SharedLines:
    """``path`` need not be there before something is appended. Not for several threads at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._inode = self._read = self._seen_size = 0

    @property
    def read_bytes(self) -> int:
        """How much of the file has been read."""
        return self._read

    def has_grown(self) -> bool:
        """Whether :meth:`read` would find something; costs one look at the file."""
        try:
            stat = self.path.stat()
        except OSError:
            return False
        return stat.st_ino != self._inode or stat.st_size != self._seen_size

    def read(self) -> list[bytes]:
        """The whole lines that were not read before; all of them when the file was replaced.

        Raises:
            StateUnavailable: the file is there and cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                stat = os.fstat(file.fileno())
                if stat.st_ino != self._inode or stat.st_size < self._read:
                    self._inode, self._read = stat.st_ino, 0
                file.seek(self._read)
                data = file.read()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StateUnavailable(
                f"{self.path} cannot be read ({error.strerror}).", hint="Check its permissions."
            ) from error
        whole = data.rfind(b"\n") + 1
        self._seen_size = self._read + len(data)
        self._read += whole
        return [line for line in data[:whole].split(b"\n") if line.strip()]

    def append(self, lines: Sequence[bytes], *, sync: bool = False) -> None:
        """Write ``lines``, each without its line feed. ``sync``: they are on the disk when this returns.

        Raises:
            StateUnavailable: the file cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                size = os.fstat(file).st_size
                data = b"".join(line + b"\n" for line in lines)
                if size and os.pread(file, 1, size - 1) != b"\n":
                    data = b"\n" + data  # whoever wrote last died in the middle of a line
                while data:
                    data = data[os.write(file, data) :]
                if sync:
                    os.fsync(file)
            finally:
                os.close(file)
        except OSError as error:
            raise StateUnavailable(
                f"{self.path} cannot be written ({error.strerror}).", hint="Check the disk and its permissions."
            ) from error

    def replace(self, lines: Sequence[bytes]) -> None:
        """Begin the file anew with ``lines``; hold the lock.

        Raises:
            StateUnavailable: the file cannot be written.
        """
        fresh = SharedLines(self.path.with_name(f"{self.path.name}.new"))
        try:
            fresh.path.unlink(missing_ok=True)
            fresh.append(lines, sync=True)
            fresh.path.replace(self.path)
        except OSError as error:
            raise StateUnavailable(f"{self.path} cannot be replaced ({error.strerror}).") from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """No other process is in such a block for the same file meanwhile.

        Raises:
            StateUnavailable: the lock file beside it cannot be made.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.path.with_name(f"{self.path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StateUnavailable(f"{self.path} cannot be locked ({error.strerror}).") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)
