"""Connections to SQLite files as the stores use them: opened with the log written ahead, in transactions, errors typed.

WAL with ``synchronous=NORMAL``: a commit survives the death of the process; a power cut may lose the last moments.
Source: https://www.sqlite.org/wal.html, https://www.sqlite.org/pragma.html.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import ConfigError, StateUnavailable

__all__ = ["Execute", "open_database", "telling", "transaction"]

Execute = Callable[..., sqlite3.Cursor]
_BUSY_S = 5.0


@contextmanager
def telling(path: Path, what: str) -> Iterator[None]:
    """What SQLite raises in the block is told as StateUnavailable."""
    try:
        yield
    except sqlite3.Error as error:
        raise StateUnavailable(
            f"the {what} in {path} cannot be used ({error}).", hint="Check the disk and the file's permissions."
        ) from error


def open_database(path: Path, schema: str, *, checkpoint_pages: int = 1_000) -> sqlite3.Connection:
    """A connection in autocommit mode, usable from any one thread at a time, with ``schema`` in place.

    A commit copies the log into the file when it has ``checkpoint_pages``.

    Raises:
        ConfigError: the file cannot be opened, or is no database.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        found = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        found.execute("PRAGMA journal_mode = WAL")
        found.execute("PRAGMA synchronous = NORMAL")
        found.execute(f"PRAGMA wal_autocheckpoint = {checkpoint_pages}")
        found.executescript(schema)
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(
            f"the database cannot be opened ({error}).",
            file=str(path),
            hint="Check the folder's permissions, or set another path.",
        ) from error
    return found


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[Execute]:
    """What the block executes is done whole or not at all. It waits for other writers."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield database.execute
    except BaseException:
        with suppress(sqlite3.Error):
            database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")
