"""One connection to PostgreSQL as the stores use it: made when it is needed and made anew after it broke."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, LiteralString
from urllib.parse import urlsplit

from ..errors import MissingExtra, StateUnavailable

try:
    import psycopg
    from psycopg import sql
    from psycopg.errors import SerializationFailure
except ImportError as missing:
    raise MissingExtra("psycopg", "postgres") from missing

__all__ = ["Connection", "SerializationFailure"]

_SCHEMA_TIMEOUT_S = 10.0  # to put the schema in place, which others may be doing this moment


def _checked(connection: psycopg.Connection[Any], result: psycopg.pq.abc.PGresult) -> None:
    if result.status not in (psycopg.pq.ExecStatus.COMMAND_OK, psycopg.pq.ExecStatus.TUPLES_OK):
        raise psycopg.errors.error_from_result(result, encoding=connection.info.encoding)


class Connection:
    """One blocking connection in autocommit mode, made when it is needed and made anew after it broke.

    ``schema`` is put in place where the comment of its table ``marked`` does not say that it is. Every statement may
    take ``timeout_s``; ``settings`` are those of the session.
    """

    def __init__(
        self, url: str, schema: str, *, marked: LiteralString, timeout_s: float, settings: Sequence[LiteralString] = ()
    ) -> None:
        parts = urlsplit(url)
        self._where = f"postgresql://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"
        self._url, self._schema, self._timeout_s, self._settings = url, schema, timeout_s, tuple(settings)
        self._marked: LiteralString = marked
        self._mark = f"guide-router {hashlib.sha256(schema.encode()).hexdigest()[:16]}"
        self._found: psycopg.Connection[Any] | None = None
        self._prepared: dict[str, bytes] = {}

    def row(self, query: str, values: Sequence[Any] = ()) -> tuple[Any, ...]:
        """The first row of a query.

        Raises:
            StateUnavailable: the server cannot be reached, or refuses.
        """
        with self.telling() as connection:
            found = connection.execute(query, values, prepare=True).fetchone()
            return found or ()

    def prepared(self, query: str, *values: str) -> list[str | None]:
        """The only row of a query that is prepared once a connection; values and columns in PostgreSQL's text form.

        For what is called for each request: psycopg takes longer to convert values than the server to answer.

        Raises:
            StateUnavailable: the server cannot be reached, or refuses.
        """
        with self.telling() as connection:
            name = self._prepared.get(query)
            if name is None:
                name = f"router_{len(self._prepared)}".encode()
                _checked(connection, connection.pgconn.prepare(name, query.encode()))
                self._prepared[query] = name
            found = connection.pgconn.exec_prepared(name, [value.encode() for value in values])
            _checked(connection, found)
            columns = (found.get_value(0, at) for at in range(found.nfields))
            return [None if column is None else bytes(column).decode() for column in columns]

    @contextmanager
    def telling(self) -> Iterator[psycopg.Connection[Any]]:
        """The connection; what breaks in the block is told as StateUnavailable, and a broken connection is dropped."""
        try:
            if self._found is None:
                self._found = self._open()
            yield self._found
        except SerializationFailure:
            raise
        except (psycopg.Error, OSError) as error:
            # A statement that is not known any more: a pooler in between gave this session another server's.
            is_lost = isinstance(error, psycopg.errors.InvalidSqlStatementName)
            if self._found is not None and (is_lost or self._found.broken or self._found.closed):
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
            self._prepared.clear()

    def _open(self) -> psycopg.Connection[Any]:
        found = psycopg.connect(self._url, autocommit=True, connect_timeout=max(2, round(self._timeout_s)))
        try:
            found.execute(f"SET statement_timeout = {round(_SCHEMA_TIMEOUT_S * 1000)}")
            if not self._is_in_place(found):
                with found.transaction():
                    # Two processes that make the same function at once would disturb each other.
                    found.execute("SELECT pg_advisory_xact_lock(7236487)")
                    if not self._is_in_place(found):
                        found.execute(self._schema)
                        found.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(sql.SQL(self._marked), self._mark))
            found.execute(f"SET statement_timeout = {round(self._timeout_s * 1000)}")
            for setting in self._settings:
                found.execute(f"SET {setting}")
        except BaseException:
            found.close()
            raise
        return found

    def _is_in_place(self, connection: psycopg.Connection[Any]) -> bool:
        # Even "IF NOT EXISTS" locks a table against the writers that are at work on it, and they each other behind it.
        # to_regclass would answer from a cache that does not know what was made while this session waited.
        query = "SELECT obj_description(oid, 'pg_class') FROM pg_class WHERE relname = %s AND pg_table_is_visible(oid)"
        return connection.execute(query, (self._marked,)).fetchone() == (self._mark,)
