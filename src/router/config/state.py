"""Settings of what is kept: budgets, their store, the ledger, the answer cache."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from ..spec import After, Spec
from .words import Located, Milliseconds, Strict, Usd

__all__ = [
    "BudgetSettings",
    "CacheSettings",
    "LedgerSettings",
    "SemanticSettings",
    "StateSettings",
]

_MOST_USD = 9_000_000.0


def _is_zone(name: str) -> str:
    from zoneinfo import ZoneInfo  # with the table of where zones are kept

    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise ValueError(f'there is no time zone "{name}"; write one such as "Europe/Berlin"') from None
    return name


def _is_known(path: str | None) -> str | None:
    if path is not None and Path(path).suffix not in (".jsonl", ".db", ".sqlite"):
        raise ValueError("a ledger's path ends in .jsonl (JSON lines) or .db (SQLite)")
    return path


class BudgetSettings(Strict, frozen=True, kw_only=True):
    """A limit of money, requests or tokens over a window; see :class:`router.state.limits.Limit`.

    A scope (``tenant``, ``key``, ``policy``, ``model``) is a name, or ``"*"``: each has its own.
    """

    usd: Annotated[Usd | None, Spec(le=_MOST_USD)] = None
    requests: Annotated[int | None, Spec(ge=0, le=10**12)] = None
    tokens: Annotated[int | None, Spec(ge=0, le=10**15)] = None
    window: Literal["second", "minute", "hour", "day", "month", "total"] = "total"
    timezone: Annotated[str, After(_is_zone)] = "UTC"
    tenant: str | None = None
    key: str | None = None
    policy: str | None = None
    model: str | None = None
    mode: Literal["hard", "soft"] = "hard"

    def __post_init__(self) -> None:
        if sum(amount is not None for amount in (self.usd, self.requests, self.tokens)) != 1:
            raise ValueError("a budget has one of usd, requests and tokens")


class StateSettings(Located, frozen=True, kw_only=True):
    """Where budgets are kept: in memory, a SQLite file, Redis or PostgreSQL.

    ``lease`` is after how long what a dead process had set aside is free again (``lost: charge``: counts as spent);
    ``timeout`` how long a request waits for the store. ``on_error``: what happens to requests while it is away.
    """

    lease: Annotated[Milliseconds, Spec(ge=1_000)] = 60_000.0
    timeout: Annotated[Milliseconds, Spec(ge=10)] = 2_000.0
    lost: Literal["release", "charge"] = "release"
    on_error: Literal["refuse", "continue"] = "refuse"
    prefix: Annotated[str, Spec(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")] = "router"


class LedgerSettings(Located, frozen=True, kw_only=True):
    """Where records go: memory, JSON lines or SQLite (``path`` ending in .jsonl or .db), or PostgreSQL.

    ``keep`` newest stay in memory (of written ones 256 KiB at most), ``keep_days`` is when written ones are deleted.
    ``contents``: prompts and answers are recorded too. ``spool`` is where records wait while the ledger cannot be
    written; ``on_error``: may requests start meanwhile.
    """

    path: Annotated[str | None, After(_is_known)] = None
    keep: Annotated[int, Spec(ge=0, le=1_000_000)] = 1_000
    keep_days: Annotated[float | None, Spec(gt=0)] = None
    max_file_bytes: Annotated[int, Spec(ge=1024)] = 256 * 1024 * 1024
    contents: bool = False
    spool: str = "ledger.spool"
    on_error: Literal["refuse", "continue-and-spool"] = "continue-and-spool"


class SemanticSettings(Strict, frozen=True, kw_only=True):
    """Another wording of a question is answered from the cache where its vector's cosine is ``threshold`` at least."""

    threshold: Annotated[float, Spec(ge=0.5, le=1)] = 0.85


class CacheSettings(Located, frozen=True, kw_only=True):
    """Answers that are given again to exactly the same request of the same caller, for ``ttl``; off unless it is set.

    Kept in memory (at most ``max_bytes``), a SQLite file (``path``) or Redis (``url``).
    """

    ttl: Annotated[Milliseconds, Spec(ge=1_000)]
    max_bytes: Annotated[int, Spec(ge=1024)] = 64 * 1024 * 1024
    max_entry_bytes: Annotated[int, Spec(ge=1024)] = 1024 * 1024
    semantic: SemanticSettings | None = None
    prefix: Annotated[str, Spec(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")] = "router"
