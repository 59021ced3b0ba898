"""Accounts, records and answers in SQLite files: they survive a restart, and processes of one machine share them.

WAL with ``synchronous=NORMAL``: a commit survives the death of the process; a power cut may lose the last moments. A
batch of operations is one transaction. Source: https://www.sqlite.org/wal.html, https://www.sqlite.org/pragma.html.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import msgspec

from ..errors import ConfigError, StateUnavailable
from .store import Balance, Claim, Granted, Op, Refused, Reply, Reserve, Row, Settle, Settled

__all__ = ["SqliteCache", "SqliteSink", "SqliteStore"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (
    account TEXT PRIMARY KEY, spent INTEGER NOT NULL, reserved INTEGER NOT NULL, ends_s REAL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reservations (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, claims BLOB, done_s REAL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS reservations_held ON reservations (owner) WHERE done_s IS NULL;
CREATE INDEX IF NOT EXISTS reservations_done ON reservations (done_s) WHERE done_s IS NOT NULL;
CREATE TABLE IF NOT EXISTS owners (
    owner TEXT PRIMARY KEY, ends_s REAL NOT NULL, lease_s REAL NOT NULL
) WITHOUT ROWID;
"""
_ADD = """
INSERT INTO accounts VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (account) DO UPDATE SET spent = spent + ?2, reserved = reserved + ?3
"""
_REMEMBER_S = 3600.0
_BUSY_S = 5.0
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[Claim, ...]).decode


class SqliteStore:
    """See :class:`~.store.Store`. ``lease_s`` is how long the reservations of a dead process stay.

    ``lease_clock`` counts the seconds that leases are measured in: all processes of the machine must share it and
    nobody may set it, so it is the monotonic clock. After a restart of the machine it starts anew, and a lease that
    seems to end later than it could have begun is over. ``charge_lost``: what a dead process had set aside counts as
    spent, instead of being given back.
    """

    def __init__(
        self,
        path: Path,
        *,
        lease_s: float = 60.0,
        charge_lost: bool = False,
        lease_clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._path, self._lease_s, self._charge_lost = path, lease_s, charge_lost
        self._lease_clock, self._now = lease_clock, now
        self._owner = uuid4().hex
        self._renewed_s = float("-inf")
        self._database = open_database(path, _SCHEMA)

    def apply(self, ops: Sequence[Op]) -> list[Reply]:
        """See :class:`~.store.Store`."""
        with self._transaction() as run:
            if self._lease_clock() - self._renewed_s > self._lease_s / 3:
                self._renew(run)
            return [self._reserve(run, op) if isinstance(op, Reserve) else self._settle(run, op) for op in ops]

    def balances(self, accounts: Sequence[str]) -> list[Balance]:
        """See :class:`~.store.Store`."""
        with telling(self._path, "state"):
            return [_balance(self._database.execute, account) for account in accounts]

    def beat(self) -> int:
        """See :class:`~.store.Store`."""
        clock_s, now_s, lost = self._lease_clock(), self._now(), 0
        with self._transaction() as run:
            self._renew(run)
            gone = run("SELECT owner FROM owners WHERE ends_s < ?1 OR ends_s > ?1 + lease_s + 1", (clock_s,)).fetchall()
            for (owner,) in gone:
                held = run("SELECT id, claims FROM reservations WHERE owner = ? AND done_s IS NULL", (owner,))
                for reservation, claims in held.fetchall():
                    for claim in _decode(claims):
                        spent = claim.amount if self._charge_lost else 0
                        run(_ADD, (claim.account, spent, -claim.amount, claim.ends_s))
                    run("DELETE FROM reservations WHERE id = ?", (reservation,))
                    lost += 1
                run("DELETE FROM owners WHERE owner = ?", (owner,))
            run("DELETE FROM reservations WHERE done_s < ?", (now_s - _REMEMBER_S,))
            run("DELETE FROM accounts WHERE ends_s < ? AND reserved = 0", (now_s - _REMEMBER_S,))
        return lost

    def close(self) -> None:
        """See :class:`~.store.Store`."""
        with suppress(sqlite3.Error):
            self._database.close()

    def _renew(self, run: _Execute) -> None:
        clock_s = self._lease_clock()
        run("INSERT OR REPLACE INTO owners VALUES (?, ?, ?)", (self._owner, clock_s + self._lease_s, self._lease_s))
        self._renewed_s = clock_s

    def _reserve(self, run: _Execute, op: Reserve) -> Reply:
        if run("SELECT 1 FROM reservations WHERE id = ?", (op.id,)).fetchone() is None:
            for index, claim in enumerate(op.claims):
                if claim.cap is not None and _balance(run, claim.account).used + claim.amount > claim.cap:
                    return Refused(index, tuple(_balance(run, each.account) for each in op.claims))
            for claim in op.claims:
                run(_ADD, (claim.account, 0, claim.amount, claim.ends_s))
            run("INSERT INTO reservations VALUES (?, ?, ?, NULL)", (op.id, self._owner, _encode(op.claims)))
        return Granted(tuple(_balance(run, claim.account) for claim in op.claims))

    def _settle(self, run: _Execute, op: Settle) -> Reply:
        row = run("SELECT claims, done_s FROM reservations WHERE id = ?", (op.id,)).fetchone()
        if row is None or row[1] is None:
            for claim in _decode(row[0]) if row is not None else ():
                run(_ADD, (claim.account, 0, -claim.amount, claim.ends_s))
            for share in op.shares:
                run(_ADD, (share.account, share.amount, 0, share.ends_s))
            run("INSERT OR REPLACE INTO reservations VALUES (?, ?, NULL, ?)", (op.id, self._owner, self._now()))
        return Settled(tuple(_balance(run, share.account) for share in op.shares))

    @contextmanager
    def _transaction(self) -> Iterator[_Execute]:
        with telling(self._path, "state"):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database.execute
            except BaseException:
                with suppress(sqlite3.Error):
                    self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")


_Execute = Callable[..., sqlite3.Cursor]


@contextmanager
def telling(path: Path, what: str) -> Iterator[None]:
    """What SQLite raises in the block is told as StateUnavailable."""
    try:
        yield
    except sqlite3.Error as error:
        raise StateUnavailable(
            f"the {what} in {path} cannot be used ({error}).", hint="Check the disk and the file's permissions."
        ) from error


def open_database(path: Path, schema: str) -> sqlite3.Connection:
    """A connection in autocommit mode, usable from any one thread at a time, with ``schema`` in place.

    Raises:
        ConfigError: the file cannot be opened, or is no database.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        found = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        found.execute("PRAGMA journal_mode = WAL")
        found.execute("PRAGMA synchronous = NORMAL")
        found.executescript(schema)
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(
            f"the database cannot be opened ({error}).",
            file=str(path),
            hint="Check the folder's permissions, or set another path.",
        ) from error
    return found


def _balance(run: _Execute, account: str) -> Balance:
    row = run("SELECT spent, reserved FROM accounts WHERE account = ?", (account,)).fetchone()
    return Balance(*row) if row is not None else Balance()


_LEDGER = """
CREATE TABLE IF NOT EXISTS records (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, at_s REAL NOT NULL, tenant TEXT, body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS records_at ON records (at_s);
"""


class SqliteSink:
    """Records in a SQLite file; see :class:`~.store.RecordSink`. A commit survives the death of the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database = open_database(path, _LEDGER)

    def write(self, rows: Sequence[Row]) -> None:
        """See :class:`~.store.RecordSink`."""
        values = [(row.id, row.at_s, row.tenant, row.body) for row in rows]
        with telling(self._path, "ledger"):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._database.executemany(
                    "INSERT OR IGNORE INTO records (id, at_s, tenant, body) VALUES (?, ?, ?, ?)", values
                )
            except BaseException:
                with suppress(sqlite3.Error):
                    self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    def scan(self, since_s: float | None = None, until_s: float | None = None) -> Iterator[bytes]:
        """See :class:`~.store.RecordSink`."""
        with telling(self._path, "ledger"):
            yield from (
                body
                for (body,) in self._database.execute(
                    "SELECT body FROM records WHERE at_s >= ? AND at_s < ? ORDER BY number",
                    (since_s or 0.0, until_s if until_s is not None else float("inf")),
                )
            )

    def find(self, decision: str) -> bytes | None:
        """See :class:`~.store.RecordSink`."""
        # "/" is what follows "." in the order of bytes, by which ids are kept.
        query = "SELECT body FROM records WHERE id >= ?1 || '.' AND id < ?1 || '/' ORDER BY number DESC LIMIT 1"
        with telling(self._path, "ledger"):
            row = self._database.execute(query, (decision,)).fetchone()
        return None if row is None else bytes(row[0])

    def prune(self, before_s: float) -> None:
        """See :class:`~.store.RecordSink`."""
        with telling(self._path, "ledger"):
            self._database.execute("DELETE FROM records WHERE at_s < ?", (before_s,))

    def close(self) -> None:
        """See :class:`~.store.RecordSink`."""
        with suppress(sqlite3.Error):
            self._database.close()


_CACHE = """
CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, ends_s REAL NOT NULL, value BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answers_ends ON answers (ends_s);
"""
_SWEEP_EVERY = 200


class SqliteCache:
    """Answers in a SQLite file; see :class:`~.cache.CacheStore`. What is over is deleted now and then."""

    is_fast = False

    def __init__(self, path: Path, *, now: Callable[[], float] = time.time) -> None:
        self._database, self._now, self._puts = open_database(path, _CACHE), now, 0
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        """See :class:`~.cache.CacheStore`."""
        query = "SELECT value FROM answers WHERE key = ? AND ends_s > ?"
        with self._lock:
            row = self._database.execute(query, (key, self._now())).fetchone()
        return None if row is None else bytes(row[0])

    def put(self, key: str, value: bytes, ttl_s: float) -> None:
        """See :class:`~.cache.CacheStore`."""
        now_s = self._now()
        with self._lock:
            self._database.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (key, now_s + ttl_s, value))
            self._puts += 1
            if self._puts % _SWEEP_EVERY == 0:
                self._database.execute("DELETE FROM answers WHERE ends_s < ?", (now_s,))

    def close(self) -> None:
        """See :class:`~.cache.CacheStore`."""
        with suppress(sqlite3.Error):
            self._database.close()
