"""Accounts and records in PostgreSQL: shared by all replicas. A batch of operations is one call of one function, in one
transaction; it locks its accounts in the order of their names, so that two batches cannot wait for each other.

Leases are measured by the server's clock. Tables and functions start with ``router_`` and are made on first use.
Source: https://www.postgresql.org/docs/current/explicit-locking.html
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import LiteralString
from uuid import uuid4

from .postgres_connection import Connection, SerializationFailure
from .store import Balance, Claim, Granted, Op, Refused, Reply, Reserve, Row, Settled, Share

__all__ = ["PostgresSink", "PostgresStore"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS router_accounts (
    account text COLLATE "C" PRIMARY KEY, spent bigint NOT NULL, reserved bigint NOT NULL, ends_s float8
);
CREATE TABLE IF NOT EXISTS router_holds (
    id text COLLATE "C" PRIMARY KEY, owner text NOT NULL, accounts text[] COLLATE "C", amounts bigint[], done_s float8
);
CREATE INDEX IF NOT EXISTS router_holds_held ON router_holds (owner) WHERE done_s IS NULL;
CREATE INDEX IF NOT EXISTS router_holds_done ON router_holds (done_s) WHERE done_s IS NOT NULL;
CREATE TABLE IF NOT EXISTS router_owners (owner text PRIMARY KEY, ends_s float8 NOT NULL);

CREATE OR REPLACE FUNCTION router_clock(given float8) RETURNS float8 LANGUAGE sql VOLATILE AS $$
    SELECT CASE WHEN given > 0 THEN given ELSE extract(epoch FROM clock_timestamp())::float8 END
$$;

-- One letter an operation (r: reserve, s: settle), its id, and how many of the entries are its own; an entry is an
-- account, an amount, a cap (null: none) and the end of its window, in the order of accounts within an operation.
-- Answers whether each operation was refused, and the sums of each entry's account after it.
-- Two calls must not wait for each other, so accounts are locked in order. Where that of the entries is not it (not
-- orderly), all are locked before; where a settlement finds something held in other accounts, the call is undone with
-- 40001, and must be made again as not orderly.
-- A statement costs more than all that is worked out around it: there are few, and each goes by a primary key.
CREATE OR REPLACE FUNCTION router_apply(
    kinds text, ids text[], counts int[], names text[], amounts bigint[], caps bigint[], ends float8[], me text,
    lease_s float8, given float8, orderly boolean, OUT refused boolean[], OUT spents bigint[], OUT reserveds bigint[]
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    now_s float8 := router_clock(given); start int; stop int := 0; at int; found_one boolean; fits boolean;
    made boolean;
    held text[]; backs bigint[]; wanted text[]; one text; more bigint; back bigint; s bigint; r bigint;
BEGIN
    IF lease_s > 0 THEN
        INSERT INTO router_owners VALUES (me, now_s + lease_s)
        ON CONFLICT (owner) DO UPDATE SET ends_s = excluded.ends_s;
    END IF;
    IF NOT orderly THEN
        wanted := ARRAY(
            SELECT n COLLATE "C" FROM (
                SELECT unnest(names) UNION
                SELECT unnest(h.accounts) FROM router_holds h WHERE h.id = ANY (ids) AND h.done_s IS NULL
            ) every(n) ORDER BY 1
        );
        FOREACH one IN ARRAY wanted LOOP
            LOOP
                PERFORM 1 FROM router_accounts WHERE account = one FOR UPDATE;
                EXIT WHEN FOUND;
                INSERT INTO router_accounts VALUES (one, 0, 0, ends[array_position(names, one)]) ON CONFLICT DO NOTHING;
                EXIT WHEN FOUND;
            END LOOP;
        END LOOP;
    END IF;
    FOR i IN 1 .. cardinality(ids) LOOP
        start := stop + 1; stop := stop + counts[i]; fits := true; held := NULL;
        IF substr(kinds, i, 1) = 'r' THEN
            INSERT INTO router_holds VALUES (ids[i], me, names[start:stop], amounts[start:stop], NULL)
                ON CONFLICT DO NOTHING;
            found_one := FOUND; at := start; made := false;
            WHILE at <= stop LOOP
                more := CASE WHEN found_one THEN amounts[at] ELSE 0 END;
                UPDATE router_accounts SET reserved = reserved + more
                    WHERE account = names[at]
                        AND (NOT found_one OR caps[at] IS NULL OR spent + reserved + more <= caps[at])
                    RETURNING spent, reserved INTO s, r;
                IF FOUND THEN
                    spents[at] := s; reserveds[at] := r; at := at + 1; made := false;
                ELSE
                    IF made THEN fits := false; EXIT; END IF;
                    -- Over its cap, or not there yet: made here or by another meanwhile, it is there the next time.
                    INSERT INTO router_accounts VALUES (names[at], 0, 0, ends[at]) ON CONFLICT DO NOTHING;
                    made := true;
                END IF;
            END LOOP;
            IF NOT fits THEN
                FOR j IN start .. at - 1 LOOP
                    UPDATE router_accounts SET reserved = reserved - amounts[j] WHERE account = names[j];
                END LOOP;
                DELETE FROM router_holds WHERE id = ids[i];
            END IF;
        ELSE
            UPDATE router_holds SET done_s = now_s WHERE id = ids[i] AND done_s IS NULL
                RETURNING accounts, router_holds.amounts INTO held, backs;
            found_one := FOUND;
            IF NOT FOUND THEN
                INSERT INTO router_holds VALUES (ids[i], me, NULL, NULL, now_s) ON CONFLICT DO NOTHING;
                found_one := FOUND;
            END IF;
            fits := held IS NULL OR held = names[start:stop];
            wanted := names[start:stop];
            IF NOT fits THEN
                IF orderly AND cardinality(ids) > 1 THEN RAISE serialization_failure; END IF;
                wanted := ARRAY(SELECT n COLLATE "C" FROM unnest(held || wanted) n GROUP BY 1 ORDER BY 1);
            END IF;
            FOREACH one IN ARRAY wanted LOOP
                at := array_position(names[start:stop], one) + start - 1;
                more := CASE WHEN found_one AND at IS NOT NULL THEN amounts[at] ELSE 0 END;
                back := coalesce(backs[array_position(held, one)], 0);
                UPDATE router_accounts SET spent = spent + more, reserved = reserved - back WHERE account = one
                    RETURNING spent, reserved INTO s, r;
                IF NOT FOUND THEN
                    INSERT INTO router_accounts VALUES (one, more, 0, ends[at])
                        ON CONFLICT (account) DO UPDATE SET spent = router_accounts.spent + excluded.spent
                        RETURNING spent, reserved INTO s, r;
                END IF;
                IF at IS NOT NULL THEN spents[at] := s; reserveds[at] := r; END IF;
            END LOOP;
            fits := true;
        END IF;
        IF NOT fits THEN
            FOR j IN start .. stop LOOP
                SELECT spent, reserved INTO s, r FROM router_accounts WHERE account = names[j];
                spents[j] := coalesce(s, 0); reserveds[j] := coalesce(r, 0);
            END LOOP;
        END IF;
        refused[i] := NOT fits;
    END LOOP;
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
        SELECT unnest(accounts) FROM router_holds WHERE owner = ANY (gone) AND done_s IS NULL
    ) ORDER BY account FOR UPDATE;
    -- What is being settled this moment is left to the next beat: nobody who has accounts locked waits for a hold.
    WITH ended AS (DELETE FROM router_holds WHERE id IN (
            SELECT id FROM router_holds WHERE owner = ANY (gone) AND done_s IS NULL FOR UPDATE SKIP LOCKED
        ) RETURNING accounts, amounts),
        freed AS (SELECT e.account, sum(e.amount) AS amount
            FROM ended, unnest(accounts, amounts) AS e(account, amount) GROUP BY 1),
        changed AS (UPDATE router_accounts a SET reserved = reserved - freed.amount,
            spent = spent + CASE WHEN charge THEN freed.amount ELSE 0 END
            FROM freed WHERE a.account = freed.account)
    SELECT count(*) INTO lost FROM ended;
    DELETE FROM router_owners o WHERE o.owner = ANY (gone)
        AND NOT EXISTS (SELECT 1 FROM router_holds h WHERE h.owner = o.owner AND h.done_s IS NULL);
    DELETE FROM router_holds WHERE done_s < now_s - remember_s;
    DELETE FROM router_accounts WHERE ends_s < now_s - 86400 AND reserved = 0;
    RETURN lost;
END $$;
"""
_APPLY = "SELECT refused, spents, reserveds FROM router_apply($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
_REMEMBER_S = 3600.0


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
        self._connection = Connection(url, _SCHEMA, marked="router_owners", timeout_s=timeout_s, settings=settings)

    def apply(self, ops: Sequence[Op]) -> list[Reply]:
        """See :class:`~.store.Store`."""
        due = time.monotonic() - self._renewed_s > self._lease_s / 3
        entries = [sorted(op.claims if isinstance(op, Reserve) else op.shares, key=_account) for op in ops]
        flat = [each for group in entries for each in group]
        names = list(dict.fromkeys(each.account for each in flat))
        values = (
            "".join("r" if isinstance(op, Reserve) else "s" for op in ops),
            _array(_quoted(op.id) for op in ops),
            _array(str(len(group)) for group in entries),
            _array(_quoted(each.account) for each in flat),
            _array(str(each.amount) for each in flat),
            _array(_number(each.cap) if isinstance(each, Claim) else "NULL" for each in flat),
            _array(_number(each.ends_s) for each in flat),
            self._owner,
            repr(self._lease_s if due else 0.0),
            repr(self._clock()),
        )
        try:
            refused, spents, reserveds = self._connection.prepared(
                _APPLY, *values, "t" if names == sorted(names) else "f"
            )
        except SerializationFailure:
            refused, spents, reserveds = self._connection.prepared(_APPLY, *values, "f")
        if due:
            self._renewed_s = time.monotonic()
        sums = ((Balance(int(s), int(r))) for s, r in zip(_split(spents), _split(reserveds), strict=True))
        return [
            _reply(op, {each.account: next(sums) for each in group}, is_refused=no == "t")
            for op, group, no in zip(ops, entries, _split(refused), strict=True)
        ]

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


def _array(elements: Iterable[str]) -> str:
    """PostgreSQL's text of an array (https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO)."""
    return "{" + ",".join(elements) + "}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _number(value: float | None) -> str:
    return "NULL" if value is None else repr(value)


def _split(array: str | None) -> list[str]:
    """The elements of an array of numbers or truth values."""
    return array[1:-1].split(",") if array is not None and array != "{}" else []


def _account(entry: Claim | Share) -> str:
    return entry.account


def _reply(op: Op, sums: Mapping[str, Balance], *, is_refused: bool) -> Reply:
    """The answer in the order of the operation's own entries."""
    if not isinstance(op, Reserve):
        return Settled()
    balances = tuple(sums[claim.account] for claim in op.claims)
    if not is_refused:
        return Granted(balances)
    over = (
        index
        for index, (claim, balance) in enumerate(zip(op.claims, balances, strict=True))
        if claim.cap is not None and balance.used + claim.amount > claim.cap
    )
    return Refused(next(over), balances)


_LEDGER = """
CREATE TABLE IF NOT EXISTS router_records (
    number bigserial PRIMARY KEY, id text NOT NULL UNIQUE, at_s float8 NOT NULL, tenant text, body bytea NOT NULL
);
CREATE INDEX IF NOT EXISTS router_records_at ON router_records (at_s);
CREATE INDEX IF NOT EXISTS router_records_decision ON router_records (split_part(id, '.', 1));
"""


class PostgresSink:
    """Records in PostgreSQL; see :class:`~.store.RecordSink`. A commit waits for the server's disk."""

    def __init__(self, url: str, *, timeout_s: float = 5.0) -> None:
        self._connection = Connection(url, _LEDGER, marked="router_records", timeout_s=timeout_s)

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

    def find(self, decision: str) -> bytes | None:
        """See :class:`~.store.RecordSink`."""
        row = self._connection.row(
            "SELECT body FROM router_records WHERE split_part(id, '.', 1) = %s ORDER BY number DESC LIMIT 1",
            (decision,),
        )
        return bytes(row[0]) if row else None

    def prune(self, before_s: float) -> None:
        """See :class:`~.store.RecordSink`."""
        with self._connection.telling() as connection:
            connection.execute("DELETE FROM router_records WHERE at_s < %s", (before_s,))

    def close(self) -> None:
        """See :class:`~.store.RecordSink`."""
        self._connection.close()
