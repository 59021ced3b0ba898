"""Accounts, records and answers in SQLite files: they survive a restart, and processes of one machine share them.

A batch of operations is one transaction.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec

from ..errors import StateUnavailable
from .sqlite_connection import Execute, open_database, telling, transaction
from .store import Balance, Claim, Granted, Op, Refused, Reply, Reserve, Row, Settle, Settled

__all__ = ["SqliteCache", "SqliteSink", "SqliteStore"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (
    account TEXT PRIMARY KEY, spent INTEGER NOT NULL, reserved INTEGER NOT NULL, ends_s REAL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reservations (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, claims BLOB, done_s REAL
) WITHOUT ROWID;
-- Each index is one more page that a commit writes; those of former versions served only what is done now and then.
DROP INDEX IF EXISTS reservations_held;
DROP INDEX IF EXISTS reservations_done;
CREATE TABLE IF NOT EXISTS owners (
    owner TEXT PRIMARY KEY, ends_s REAL NOT NULL, lease_s REAL NOT NULL
) WITHOUT ROWID;
"""
_REMEMBER_S = 3600.0
# A commit writes some five pages to the log, without waiting for the disk. Who copies the log into the file waits: that
# is left to :meth:`SqliteStore.apply`, until the log is very long.
_CHECKPOINT_EVERY, _MOST_PAGES = 500, 10_000
_MOST_VALUES = 500  # of one statement: what every SQLite takes
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
        # Who writes through it waits for nobody: neither for another writer, nor (as far as it can be) for the disk.
        self._quick = open_database(path, "", checkpoint_pages=_MOST_PAGES)
        self._quick.execute("PRAGMA busy_timeout = 0")
        self._since_checkpoint = 0
        self._beats = int(self._owner[0], 16)

    def apply(self, ops: Sequence[Op]) -> list[Reply]:
        """See :class:`~.store.Store`."""
        replies = self.attempt(ops)
        if replies is None:
            with telling(self._path, "state"), transaction(self._database) as run:
                replies = self._done(run, ops)
        if self._since_checkpoint >= _CHECKPOINT_EVERY:
            self._checkpoint()
        return replies

    def attempt(self, ops: Sequence[Op]) -> list[Reply] | None:
        """See :class:`~.store.QuickStore`."""
        run = self._quick.execute
        self._since_checkpoint += 1
        with telling(self._path, "state"):
            try:
                run("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                    return None
                raise
            try:
                replies = self._done(run, ops)
                run("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    run("ROLLBACK")
                raise
        return replies

    def balances(self, accounts: Sequence[str]) -> list[Balance]:
        """See :class:`~.store.Store`."""
        with telling(self._path, "state"):
            found = {row[0]: Balance(row[1], row[2]) for row in _accounts(self._database.execute, accounts)}
        return [found.get(account, _EMPTY) for account in accounts]

    def beat(self) -> int:
        """See :class:`~.store.Store`."""
        clock_s, now_s, lost = self._lease_clock(), self._now(), 0
        self._beats += 1
        with telling(self._path, "state"), transaction(self._database) as run:
            self._renew(run)
            gone = run("SELECT owner FROM owners WHERE ends_s < ?1 OR ends_s > ?1 + lease_s + 1", (clock_s,)).fetchall()
            for (owner,) in gone:
                held = run("SELECT id, claims FROM reservations WHERE owner = ? AND done_s IS NULL", (owner,))
                for reservation, claims in held.fetchall():
                    for claim in _decode(claims):
                        spent = claim.amount if self._charge_lost else 0
                        run(_GIVE_BACK, (spent, claim.amount, claim.account))
                    run("DELETE FROM reservations WHERE id = ?", (reservation,))
                    lost += 1
                run("DELETE FROM owners WHERE owner = ?", (owner,))
            first, beyond = _SLICES[self._beats % len(_SLICES)]
            forgotten = "DELETE FROM reservations WHERE id >= ? AND id < ? AND done_s < ?"
            run(forgotten, (first, beyond, now_s - _REMEMBER_S))
            run("DELETE FROM accounts WHERE ends_s < ? AND reserved = 0", (now_s - _REMEMBER_S,))
        return lost

    def close(self) -> None:
        """See :class:`~.store.Store`."""
        with suppress(sqlite3.Error):
            self._quick.close()
            self._database.close()

    def _done(self, run: Execute, ops: Sequence[Op]) -> list[Reply]:
        if self._lease_clock() - self._renewed_s > self._lease_s / 3:
            self._renew(run)
        sheet = _Sheet(run, ops, self._owner, self._now())
        replies = [sheet.reserve(op) if isinstance(op, Reserve) else sheet.settle(op) for op in ops]
        sheet.write(run)
        return replies

    def _checkpoint(self) -> None:
        self._since_checkpoint = 0
        # What was asked for is done; a log that cannot be copied now is copied later.
        with suppress(StateUnavailable), telling(self._path, "state"):
            self._database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            # Whoever writes first after it begins the log anew, and waits for the disk once more.
            with transaction(self._database) as run:
                self._renew(run)

    def _renew(self, run: Execute) -> None:
        clock_s = self._lease_clock()
        run("INSERT OR REPLACE INTO owners VALUES (?, ?, ?)", (self._owner, clock_s + self._lease_s, self._lease_s))
        self._renewed_s = clock_s


_EMPTY = Balance()
_GIVE_BACK = "UPDATE accounts SET spent = spent + ?, reserved = reserved - ? WHERE account = ?"
# What is over is looked for in a part of the ids at a time; they are hexadecimal and random.
_SLICES = [*zip(["", *"123456789abcdef"], [*"123456789abcdef", "\U0010ffff"], strict=True)]


class _Sheet:
    """What a batch touches, read at its begin and written at its end, all within one transaction.

    Each statement lets another thread have the interpreter and must wait to get it back: what is worked out here
    between two of them costs less than one of them, so there are as many for 64 operations as for one.
    """

    __slots__ = ("_accounts", "_changed", "_holds", "_now_s", "_owner")

    def __init__(self, run: Execute, ops: Sequence[Op], owner: str, now_s: float) -> None:
        self._owner, self._now_s = owner, now_s
        # What is held under an id, or when it was settled.
        self._holds: dict[str, tuple[Sequence[Claim], float | None]] = {}
        names: dict[str, None] = {}
        for id, encoded, done_s in _chosen(run, "id, claims, done_s FROM reservations", "id", [op.id for op in ops]):
            claims = _decode(encoded) if encoded is not None else ()
            self._holds[id] = claims, done_s
            for claim in claims:
                names[claim.account] = None
        for op in ops:
            for each in op.claims if isinstance(op, Reserve) else op.shares:
                names[each.account] = None
        # spent, reserved and the end of the window
        self._accounts: dict[str, list[Any]] = {
            account: [spent, reserved, ends_s] for account, spent, reserved, ends_s in _accounts(run, list(names))
        }
        self._changed: tuple[set[str], set[str]] = set(), set()

    def reserve(self, op: Reserve) -> Reply:
        if op.id not in self._holds:
            for index, claim in enumerate(op.claims):
                if claim.cap is not None:
                    found = self._accounts.get(claim.account)
                    if (found[0] + found[1] if found is not None else 0) + claim.amount > claim.cap:
                        return Refused(index, tuple([self._balance(each.account) for each in op.claims]))
            for claim in op.claims:
                self._add(claim.account, 0, claim.amount, claim.ends_s)
            self._hold(op.id, op.claims, None)
        return Granted(tuple([self._balance(claim.account) for claim in op.claims]))

    def settle(self, op: Settle) -> Reply:
        claims, done_s = self._holds.get(op.id, ((), None))
        if done_s is None:
            for claim in claims:
                self._add(claim.account, 0, -claim.amount, claim.ends_s)
            for share in op.shares:
                self._add(share.account, share.amount, 0, share.ends_s)
            self._hold(op.id, (), self._now_s)
        return Settled()

    def write(self, run: Execute) -> None:
        holds, accounts = self._changed
        rows: list[tuple[Any, ...]] = []
        for id in holds:
            claims, done_s = self._holds[id]
            rows.append((id, self._owner, _encode(claims) if done_s is None else None, done_s))
        _put(run, "INSERT OR REPLACE INTO reservations VALUES", rows)
        sums = [(account, *self._accounts[account]) for account in accounts]
        _put(run, "INSERT OR REPLACE INTO accounts VALUES", sums)

    def _hold(self, id: str, claims: Sequence[Claim], done_s: float | None) -> None:
        self._holds[id] = (claims, done_s)
        self._changed[0].add(id)

    def _add(self, account: str, spent: int, reserved: int, ends_s: float | None) -> None:
        found = self._accounts.get(account)
        if found is None:
            found = self._accounts[account] = [0, 0, ends_s]
        found[0] += spent
        found[1] += reserved
        self._changed[1].add(account)

    def _balance(self, account: str) -> Balance:
        found = self._accounts.get(account)
        return Balance(found[0], found[1]) if found is not None else _EMPTY


def _accounts(run: Execute, names: Sequence[str]) -> list[tuple[Any, ...]]:
    return _chosen(run, "account, spent, reserved, ends_s FROM accounts", "account", names)


def _chosen(run: Execute, what: str, key: str, values: Sequence[str]) -> list[tuple[Any, ...]]:
    if len(values) > _MOST_VALUES:
        return [*_chosen(run, what, key, values[:_MOST_VALUES]), *_chosen(run, what, key, values[_MOST_VALUES:])]
    return run(f"SELECT {what} WHERE {key} IN ({','.join('?' * len(values))})", values).fetchall()


def _put(run: Execute, into: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Rows of four columns."""
    for at in range(0, len(rows), _MOST_VALUES // 4):
        part = rows[at : at + _MOST_VALUES // 4]
        values = [value for row in part for value in row]
        run(f"{into} (?,?,?,?){',(?,?,?,?)' * (len(part) - 1)}", values)


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
        query = "INSERT OR IGNORE INTO records (id, at_s, tenant, body) VALUES (?, ?, ?, ?)"
        with telling(self._path, "ledger"), transaction(self._database):
            self._database.executemany(query, values)

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
