"""Settings of what is kept: budgets, their store, the ledger, the answer cache."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from .words import Located, Milliseconds, Strict, Usd

__all__ = [
    "BudgetSettings",
    "CacheSettings",
    "LedgerSettings",
    "SemanticSettings",
    "StateSettings",
]

_MOST_USD = 9_000_000.0


class BudgetSettings(Strict):
    """A limit of money, requests or tokens over a window; see :class:`router.state.limits.Limit`.

    A scope (``tenant``, ``key``, ``policy``, ``model``) is a name, or ``"*"``: each has its own.
    """

    usd: Usd | None = Field(default=None, le=_MOST_USD)
    requests: int | None = Field(default=None, ge=0, le=10**12)
    tokens: int | None = Field(default=None, ge=0, le=10**15)
    window: Literal["second", "minute", "hour", "day", "month", "total"] = "total"
    timezone: str = "UTC"
    tenant: str | None = None
    key: str | None = None
    policy: str | None = None
    model: str | None = None
    mode: Literal["hard", "soft"] = "hard"

    @field_validator("timezone")
    @classmethod
    def _is_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (LookupError, ValueError, OSError):
            raise ValueError(f'there is no time zone "{name}"; write one such as "Europe/Berlin"') from None
        return name

    @model_validator(mode="after")
    def _has_one_amount(self) -> Self:
        if sum(amount is not None for amount in (self.usd, self.requests, self.tokens)) != 1:
            raise ValueError("a budget has one of usd, requests and tokens")
        return self


class StateSettings(Located):
    """Where budgets are kept: in memory, a SQLite file, Redis or PostgreSQL.

    ``lease`` is after how long what a dead process had set aside is free again (``lost: charge``: counts as spent);
    ``timeout`` how long a request waits for the store. ``on_error``: what happens to requests while it is away.
    """

    lease: Milliseconds = Field(default=60_000.0, ge=1_000)
    timeout: Milliseconds = Field(default=2_000.0, ge=10)
    lost: Literal["release", "charge"] = "release"
    on_error: Literal["refuse", "continue"] = "refuse"
    prefix: str = Field(default="router", pattern=r"^[A-Za-z0-9_.:-]{1,64}$")


class LedgerSettings(Located):
    """Where records go: memory, JSON lines or SQLite (``path`` ending in .jsonl or .db), or PostgreSQL.

    ``keep`` newest stay in memory (of written ones 2 MiB at most), ``keep_days`` is when written ones are deleted.
    ``contents``: prompts and answers are recorded too. ``spool`` is where records wait while the ledger cannot be
    written; ``on_error``: may requests start meanwhile.
    """

    keep: int = Field(default=1_000, ge=0, le=1_000_000)
    keep_days: float | None = Field(default=None, gt=0)
    max_file_bytes: int = Field(default=256 * 1024 * 1024, ge=1024)
    contents: bool = False
    spool: str = "ledger.spool"
    on_error: Literal["refuse", "continue-and-spool"] = "continue-and-spool"

    @field_validator("path")
    @classmethod
    def _is_known(cls, path: str | None) -> str | None:
        if path is not None and Path(path).suffix not in (".jsonl", ".db", ".sqlite"):
            raise ValueError("a ledger's path ends in .jsonl (JSON lines) or .db (SQLite)")
        return path


class SemanticSettings(Strict):
    """Another wording of a question is answered from the cache where its vector's cosine is ``threshold`` at least."""

    threshold: float = Field(default=0.85, ge=0.5, le=1)


class CacheSettings(Located):
    """Answers that are given again to exactly the same request of the same caller, for ``ttl``; off unless it is set.

    Kept in memory (at most ``max_bytes``), a SQLite file (``path``) or Redis (``url``).
    """

    ttl: Milliseconds = Field(ge=1_000)
    max_bytes: int = Field(default=64 * 1024 * 1024, ge=1024)
    max_entry_bytes: int = Field(default=1024 * 1024, ge=1024)
    semantic: SemanticSettings | None = None
    prefix: str = Field(default="router", pattern=r"^[A-Za-z0-9_.:-]{1,64}$")
