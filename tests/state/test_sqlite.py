"""What only the SQLite store has: its log, its file of a former version, and how it forgets."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from router.state.sqlite import SqliteStore
from router.state.store import Balance, Claim, Granted, Reserve, Settle, Share


def test_an_attempt_waits_for_nobody(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db")
    other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert store.attempt([Reserve("a", (Claim("x", 1, 1),))]) is None
    other.execute("COMMIT")
    other.close()
    assert store.attempt([Reserve("a", (Claim("x", 1, 1),))]) == [Granted((Balance(0, 1),))]
    store.close()


def test_a_batch_of_many_accounts(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db")
    names = [f"account {each}" for each in range(1_300)]
    store.apply([Reserve("a", tuple(Claim(name, 2, 3) for name in names))])
    store.apply([Settle("a", tuple(Share(name, 1) for name in names))])
    assert store.balances(names) == [Balance(1, 0)] * len(names)
    store.close()


def test_the_log_stays_short(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db")
    for turn in range(1_500):
        store.apply([Reserve(f"{turn}", (Claim("x", 1, None),)), Settle(f"{turn}", (Share("x", 1),))])
    assert (tmp_path / "state.db-wal").stat().st_size < 20e6
    store.close()


def test_what_was_settled_long_ago_is_forgotten(tmp_path: Path) -> None:
    now = [1e9]
    store = SqliteStore(tmp_path / "state.db", now=lambda: now[0])
    ids = [f"{first}{turn}" for first in "0123456789abcdefxA" for turn in range(3)]
    store.apply([Settle(id, (Share("x", 1, 2e9),)) for id in ids])
    store.apply([Reserve("held", (Claim("x", 1, None),))])
    now[0] += 7200
    store.apply([Settle("fresh", (Share("x", 1, 2e9),))])
    for _ in range(16):
        store.beat()
    with sqlite3.connect(tmp_path / "state.db") as database:
        left = {id for (id,) in database.execute("SELECT id FROM reservations")}
    assert left == {"held", "fresh"}
    assert store.balances(["x"]) == [Balance(len(ids) + 1, 1)]
    store.close()


def test_a_file_of_a_former_version_is_taken_over(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "state.db") as database:
        database.executescript(
            """
            CREATE TABLE accounts (account TEXT PRIMARY KEY, spent INTEGER NOT NULL, reserved INTEGER NOT NULL,
                ends_s REAL) WITHOUT ROWID;
            CREATE TABLE reservations (id TEXT PRIMARY KEY, owner TEXT NOT NULL, claims BLOB, done_s REAL)
                WITHOUT ROWID;
            CREATE INDEX reservations_held ON reservations (owner) WHERE done_s IS NULL;
            CREATE INDEX reservations_done ON reservations (done_s) WHERE done_s IS NOT NULL;
            CREATE TABLE owners (owner TEXT PRIMARY KEY, ends_s REAL NOT NULL, lease_s REAL NOT NULL) WITHOUT ROWID;
            INSERT INTO accounts VALUES ('x', 5, 2, NULL);
            INSERT INTO owners VALUES ('dead', 0.0, 60.0);
            INSERT INTO reservations VALUES ('a', 'dead', '[["x",2,10,null]]', NULL);
            """
        )
    store = SqliteStore(tmp_path / "state.db")
    assert store.balances(["x"]) == [Balance(5, 2)]
    assert store.beat() == 1
    assert store.balances(["x"]) == [Balance(5, 0)]
    store.close()
