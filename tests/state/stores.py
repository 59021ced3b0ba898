"""The four stores over one shared background, so that one test file can hold them all to the same promises.

Redis and PostgreSQL are real servers: by URL in ROUTER_TEST_REDIS and ROUTER_TEST_POSTGRES, else on their usual ports
of this machine. Without one its tests are skipped, except in CI (CI=true), where that is a failure.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

import pytest

from router.state.store import Store

REDIS = os.environ.get("ROUTER_TEST_REDIS", "redis://127.0.0.1:6379/0")
POSTGRES = os.environ.get("ROUTER_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")
KINDS = [
    "memory",
    "sqlite",
    pytest.param("redis", marks=pytest.mark.redis),
    pytest.param("postgres", marks=pytest.mark.postgres),
]
# Names of what the tests of this process made.
MADE: list[str] = []


class Open:
    """``open(lease_clock=..., lease_s=..., charge_lost=...)`` gives one more process's view of the same accounts."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self._folder = kind, folder
        self._prefix = fresh_name()
        self._opened: list[Store] = []
        self._postgres = schema_url(self._prefix) if kind == "postgres" else ""

    def __call__(self, **settings: Any) -> Store:
        if self.kind == "memory" and self._opened:
            return self._opened[0]
        self._opened.append(self._open(settings))
        return self._opened[-1]

    def _open(self, settings: dict[str, Any]) -> Store:
        if self.kind == "memory":
            from router.state.memory import MemoryStore

            return MemoryStore()
        if self.kind == "sqlite":
            from router.state.sqlite import SqliteStore

            return SqliteStore(self._folder / f"{self._prefix}.db", **settings)
        if self.kind == "redis":
            from router.state.redis import RedisStore

            return RedisStore(REDIS, prefix=self._prefix, **settings)
        from router.state.postgres import PostgresStore

        return PostgresStore(self._postgres, **settings)

    def close(self) -> None:
        for store in self._opened:
            store.close()


def fresh_name() -> str:
    """A name that nobody has, cleared away at the end."""
    MADE.append(f"test-{uuid.uuid4().hex[:12]}")
    return MADE[-1]


def schema_url(name: str) -> str:
    """The PostgreSQL address with a new schema of its own."""
    import psycopg

    schema = name.replace("-", "_")
    with psycopg.connect(POSTGRES, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    return f"{POSTGRES}{'&' if '?' in POSTGRES else '?'}options=-csearch_path%3D{schema}"


def drop_schemas() -> None:
    """Remove what tests made in PostgreSQL and Redis."""
    import psycopg
    import redis

    try:
        with psycopg.connect(POSTGRES, autocommit=True) as connection:
            for name in MADE:
                connection.execute(f"DROP SCHEMA IF EXISTS {name.replace('-', '_')} CASCADE")
        with redis.Redis.from_url(REDIS) as client:
            keys = [key for key in client.scan_iter("{test-*") if key.decode().split("}")[0].lstrip("{") in MADE]
            if keys:
                client.delete(*keys)
    except (psycopg.Error, redis.RedisError):
        return


def require(kind: str) -> None:
    """Skip, or fail in CI, when the server of ``kind`` is not there."""
    if kind in ("memory", "sqlite"):
        return
    why = _missing(kind)
    if why is not None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{kind} is not there, and CI must have it: {why}")
        pytest.skip(f"{kind} is not there: {why}")


def _missing(kind: str) -> str | None:
    try:
        if kind == "redis":
            import redis

            with redis.Redis.from_url(REDIS, socket_connect_timeout=1) as client:
                client.ping()
        else:
            import psycopg

            psycopg.connect(POSTGRES, connect_timeout=2).close()
    except Exception as error:  # noqa: BLE001 whatever keeps it away is the reason
        return f"{type(error).__name__}: {error}"
    return None
