"""Accounts and records in PostgreSQL: shared by all replicas. A batch of operations is one call of one function, in one
transaction; it locks its accounts in the order of their names, so that two batches cannot wait for each other.

Leases are measured by the server's clock. Tables and functions start with ``router_`` and are made on first use.
Source: https://www.postgresql.org/docs/current/explicit-locking.html
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, LiteralString
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec

from ..errors import MissingExtra, StateUnavailable
from .store import Balance, Granted, Op, Refused, Reply, Reserve, Row, Settled

try:
    import psycopg
except ImportError as missing:
    raise MissingExtra("psycopg", "postgres") from missing

__all__ = ["PostgresSink", "PostgresStore"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS router_accounts (
    account text COLLATE "C" PRIMARY KEY, spent bigint NOT NULL, reserved bigint NOT NULL, ends_s float8
);
CREATE TABLE IF NOT EXISTS router_reservations (
    id text COLLATE "C" PRIMARY KEY, owner text NOT NULL, claims jsonb, done_s float8
);
CREATE INDEX IF NOT EXISTS router_reservations_held ON router_reservations (owner) WHERE done_s IS NULL;
CREATE INDEX IF NOT EXISTS router_reservations_done ON router_reservations (done_s) WHERE done_s IS NOT NULL;
CREATE TABLE IF NOT EXISTS router_owners (owner text PRIMARY KEY, ends_s float8 NOT NULL);

CREATE OR REPLACE FUNCTION router_clock(given float8) RETURNS float8 LANGUAGE sql VOLATILE AS $$
    SELECT CASE WHEN given > 0 THEN given ELSE extract(epoch FROM clock_timestamp())::float8 END
$$;

-- ops: [["r" or "s", id, [[account, amount, cap or null, ends], ...]], ...]; a settlement's entries have no cap.
-- Answers [[-1 or the index of the claim that does not fit, [[spent, reserved], ...]], ...].
CREATE OR REPLACE FUNCTION router_apply(ops jsonb, me text, lease_s float8, given float8)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    now_s float8 := router_clock(given);
    ids text[] := ARRAY(SELECT o->>1 FROM jsonb_array_elements(ops) o);
    names text[] := ARRAY(SELECT DISTINCT e->>0 FROM jsonb_array_elements(ops) o, jsonb_array_elements(o->2) e);
    locked int; op jsonb; entry jsonb; kept record; used bigint; refused int; at int; answers jsonb := '[]'; sums jsonb;
BEGIN
    IF lease_s > 0 THEN
        INSERT INTO router_owners VALUES (me, now_s + lease_s)
        ON CONFLICT (owner) DO UPDATE SET ends_s = excluded.ends_s;
    END IF;
    -- Arrays, and one statement an account below: the planner then always goes by the index, however large a table is.
    names := ARRAY(
        SELECT unnest(names) UNION
        SELECT e->>0 FROM router_reservations r, jsonb_array_elements(r.claims) e
        WHERE r.id = ANY (ids) AND r.done_s IS NULL
    );
    PERFORM 1 FROM router_accounts WHERE account = ANY (names) ORDER BY account FOR UPDATE;
    GET DIAGNOSTICS locked = ROW_COUNT;
    IF locked < cardinality(names) THEN
        INSERT INTO router_accounts
            SELECT DISTINCT ON ((e->>0) COLLATE "C") e->>0, 0, 0, (e->>3)::float8
            FROM jsonb_array_elements(ops) o, jsonb_array_elements(o->2) e
            WHERE NOT EXISTS (SELECT 1 FROM router_accounts WHERE account = e->>0)
            ORDER BY (e->>0) COLLATE "C"
        ON CONFLICT DO NOTHING;
    END IF;
    FOR op IN SELECT value FROM jsonb_array_elements(ops) LOOP
        refused := -1;
        SELECT claims, done_s INTO kept FROM router_reservations WHERE id = op->>1;
        IF op->>0 = 'r' THEN
            IF NOT FOUND THEN
                at := 0;
                FOR entry IN SELECT value FROM jsonb_array_elements(op->2) LOOP
                    IF entry->>2 IS NOT NULL THEN
                        SELECT spent + reserved INTO used FROM router_accounts WHERE account = entry->>0 FOR UPDATE;
                        IF used + (entry->>1)::bigint > (entry->>2)::bigint THEN refused := at; EXIT; END IF;
                    END IF;
                    at := at + 1;
                END LOOP;
                IF refused < 0 THEN
                    FOR entry IN SELECT value FROM jsonb_array_elements(op->2) LOOP
                        UPDATE router_accounts SET reserved = reserved + (entry->>1)::bigint WHERE account = entry->>0;
                    END LOOP;
                    INSERT INTO router_reservations VALUES (op->>1, me, op->2, NULL);
                END IF;
            END IF;
        ELSIF NOT FOUND OR kept.done_s IS NULL THEN
            IF FOUND THEN
                FOR entry IN SELECT value FROM jsonb_array_elements(kept.claims) LOOP
                    UPDATE router_accounts SET reserved = reserved - (entry->>1)::bigint WHERE account = entry->>0;
                END LOOP;
            END IF;
            FOR entry IN SELECT value FROM jsonb_array_elements(op->2) LOOP
                UPDATE router_accounts SET spent = spent + (entry->>1)::bigint WHERE account = entry->>0;
            END LOOP;
            INSERT INTO router_reservations VALUES (op->>1, me, NULL, now_s)
                ON CONFLICT (id) DO UPDATE SET claims = NULL, done_s = excluded.done_s;
        END IF;
        sums := '[]';
        FOR entry IN SELECT value FROM jsonb_array_elements(op->2) LOOP
            SELECT sums || jsonb_build_array(jsonb_build_array(spent, reserved)) INTO sums
                FROM router_accounts WHERE account = entry->>0;
        END LOOP;
        answers := answers || jsonb_build_array(jsonb_build_array(refused, sums));
    END LOOP;
    RETURN answers;
END $$;

CREATE OR REPLACE FUNCTION router_beat(me text, lease_s float8, given float8, charge boolean, remember_s float8)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    now_s float8 := router_clock(given); gone text[]; lost bigint;
BEGIN
    INSERT INTO router_owners VALUES (me, now_s + lease_s)
        ON CONFLICT (owner) DO UPDATE SET ends_s = excluded.ends_s;
    SELECT array_agg(owner) INTO gone FROM (
        SELECT owner FROM router_owners WHERE ends_s < now_s AND owner <> me FOR UPDATE SKIP LOCKED
    ) ended;
    PERFORM 1 FROM router_accounts WHERE account IN (
        SELECT e->>0 FROM router_reservations r, jsonb_array_elements(r.claims) e
        WHERE r.owner = ANY (gone) AND r.done_s IS NULL
    ) ORDER BY account FOR UPDATE;
    WITH ended AS (DELETE FROM router_reservations WHERE owner = ANY (gone) AND done_s IS NULL RETURNING claims),
        freed AS (SELECT e->>0 AS account, sum((e->>1)::bigint) AS amount
            FROM ended, jsonb_array_elements(claims) e GROUP BY 1),
        changed AS (UPDATE router_accounts a SET reserved = reserved - freed.amount,
            spent = spent + CASE WHEN charge THEN freed.amount ELSE 0 END
            FROM freed WHERE a.account = freed.account)
    SELECT count(*) INTO lost FROM ended;
    DELETE FROM router_owners WHERE owner = ANY (gone);
    DELETE FROM router_reservations WHERE done_s < now_s - remember_s;
    DELETE FROM router_accounts WHERE ends_s < now_s - 86400 AND reserved = 0;
    RETURN lost;
END $$;
"""
_REMEMBER_S = 3600.0
_encode = msgspec.json.Encoder().encode


class PostgresStore:
    """See :class:`~.store.Store`. ``url`` is libpq's (``postgresql://user@host/database``).

    Other arguments as in :class:`~.sqlite.SqliteStore`; ``lease_clock`` None is the server's.
    """

    def __init__(
        self,
        url: str,
        *,
        lease_s: float = 60.0,
        charge_lost: bool = False,
        timeout_s: float = 1.0,
        lease_clock: Callable[[], float] | None = None,
    ) -> None:
        self._lease_s, self._charge_lost, self._lease_clock = lease_s, charge_lost, lease_clock
        self._owner = uuid4().hex
        self._renewed_s = float("-inf")
        # A commit then waits for no disk. The death of a router loses nothing; that of the server the last moments.
        # Plans are made once: the functions' statements go by primary keys, and planning takes longer than they do.
        settings: list[LiteralString] = [
            "synchronous_commit = off",
            "plan_cache_mode = force_generic_plan",
            "jit = off",
        ]
        self._connection = _Connection(url, _SCHEMA, timeout_s=timeout_s, settings=settings)

    def apply(self, ops: Sequence[Op]) -> list[Reply]:
        """See :class:`~.store.Store`."""
        due = time.monotonic() - self._renewed_s > self._lease_s / 3
        asked = _encode([_asked(op) for op in ops]).decode()
        (found,) = self._connection.row(
            "SELECT router_apply(%s::jsonb, %s, %s, %s)",
            (asked, self._owner, self._lease_s if due else 0.0, self._clock()),
        )
        if due:
            self._renewed_s = time.monotonic()
        return [_reply(op, answer) for op, answer in zip(ops, found, strict=True)]

    def balances(self, accounts: Sequence[str]) -> list[Balance]:
        """See :class:`~.store.Store`."""
        (found,) = self._connection.row(
            "SELECT coalesce(jsonb_object_agg(account, jsonb_build_array(spent, reserved)), '{}') "
            "FROM router_accounts WHERE account = ANY (%s)",
            (list(accounts),),
        )
        return [Balance(*found.get(account, (0, 0))) for account in accounts]

    def beat(self) -> int:
        """See :class:`~.store.Store`."""
        (lost,) = self._connection.row(
            "SELECT router_beat(%s, %s, %s, %s, %s)",
            (self._owner, self._lease_s, self._clock(), self._charge_lost, _REMEMBER_S),
        )
        self._renewed_s = time.monotonic()
        return int(lost)

    def close(self) -> None:
        """See :class:`~.store.Store`."""
        self._connection.close()

    def _clock(self) -> float:
        return self._lease_clock() if self._lease_clock is not None else 0.0


class _Connection:
    """One blocking connection in autocommit mode, made when it is needed and made anew after it broke; ``schema`` is
    put in place once a connection. Every statement may take ``timeout_s``; ``settings`` are those of the session."""

    def __init__(self, url: str, schema: str, *, timeout_s: float, settings: Sequence[LiteralString] = ()) -> None:
        parts = urlsplit(url)
        self._where = f"postgresql://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"
        self._url, self._schema, self._timeout_s, self._settings = url, schema, timeout_s, tuple(settings)
        self._found: psycopg.Connection[Any] | None = None

    def row(self, query: str, values: Sequence[Any] = ()) -> tuple[Any, ...]:
        """The first row of a query.

        Raises:
            StateUnavailable: the server cannot be reached, or refuses.
        """
        with self.telling() as connection:
            found = connection.execute(query, values, prepare=True).fetchone()
            return found or ()

    @contextmanager
    def telling(self) -> Iterator[psycopg.Connection[Any]]:
        """The connection; what breaks in the block is told as StateUnavailable, and a broken connection is dropped."""
        try:
            if self._found is None:
                self._found = self._open()
            yield self._found
        except (psycopg.Error, OSError) as error:
            if self._found is not None and (self._found.broken or self._found.closed):
                self.close()
            raise StateUnavailable(
                f"the state in {self._where} cannot be used ({type(error).__name__}).",
                hint="Check that PostgreSQL runs there, and what this user may do.",
            ) from error

    def close(self) -> None:
        """Close it; the next use opens another."""
        if self._found is not None:
            with suppress(psycopg.Error, OSError):
                self._found.close()
            self._found = None

    def _open(self) -> psycopg.Connection[Any]:
        found = psycopg.connect(self._url, autocommit=True, connect_timeout=max(2, round(self._timeout_s)))
        try:
            with found.transaction():
                # Two processes that make the same function at once would disturb each other.
                found.execute("SELECT pg_advisory_xact_lock(7236487)")
                found.execute(self._schema)
            found.execute(f"SET statement_timeout = {round(self._timeout_s * 1000)}")
            for setting in self._settings:
                found.execute(f"SET {setting}")
        except BaseException:
            found.close()
            raise
        return found


def _asked(op: Op) -> tuple[str, str, list[tuple[str, int, int | None, float | None]]]:
    if isinstance(op, Reserve):
        return "r", op.id, [(claim.account, claim.amount, claim.cap, claim.ends_s) for claim in op.claims]
    return "s", op.id, [(share.account, share.amount, None, share.ends_s) for share in op.shares]


def _reply(op: Op, found: Any) -> Reply:
    balances = tuple(Balance(*sums) for sums in found[1])
    if not isinstance(op, Reserve):
        return Settled(balances)
    return Granted(balances) if found[0] < 0 else Refused(found[0], balances)


_LEDGER = """
CREATE TABLE IF NOT EXISTS router_records (
    number bigserial PRIMARY KEY, id text NOT NULL UNIQUE, at_s float8 NOT NULL, tenant text, body bytea NOT NULL
);
CREATE INDEX IF NOT EXISTS router_records_at ON router_records (at_s);
"""


class PostgresSink:
    """Records in PostgreSQL; see :class:`~.store.RecordSink`. A commit waits for the server's disk."""

    def __init__(self, url: str, *, timeout_s: float = 5.0) -> None:
        self._connection = _Connection(url, _LEDGER, timeout_s=timeout_s)

    def write(self, rows: Sequence[Row]) -> None:
        """See :class:`~.store.RecordSink`."""
        columns = list(zip(*((row.id, row.at_s, row.tenant, row.body) for row in rows), strict=True))
        with self._connection.telling() as connection:
            connection.execute(
                "INSERT INTO router_records (id, at_s, tenant, body) "
                "SELECT * FROM unnest(%s::text[], %s::float8[], %s::text[], %s::bytea[]) ON CONFLICT (id) DO NOTHING",
                [list(column) for column in columns],
            )

    def scan(self, since_s: float | None = None, until_s: float | None = None) -> Iterator[bytes]:
        """See :class:`~.store.RecordSink`."""
        last = 0
        while True:
            with self._connection.telling() as connection:
                found = connection.execute(
                    "SELECT number, body FROM router_records WHERE number > %s AND at_s >= %s AND at_s < %s "
                    "ORDER BY number LIMIT 1000",
                    (last, since_s or 0.0, until_s if until_s is not None else float("inf")),
                ).fetchall()
            if not found:
                return
            last = found[-1][0]
            yield from (bytes(body) for _, body in found)

    def prune(self, before_s: float) -> None:
        """See :class:`~.store.RecordSink`."""
        with self._connection.telling() as connection:
            connection.execute("DELETE FROM router_records WHERE at_s < %s", (before_s,))

    def close(self) -> None:
        """See :class:`~.store.RecordSink`."""
        self._connection.close()
