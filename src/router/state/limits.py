"""Limits of money, requests and tokens: whom they bind, and the window that they count in. Pure: time is a value.

A limit counts in accounts: one for each tenant, key, model or policy that it is kept by, and for each window. Windows
are aligned to the clock of the limit's time zone; an account's name says all of it, so that all processes agree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

from ..units import format_usd
from .store import from_nano

__all__ = ["Account", "Limit", "Unit", "Who", "Window", "Windows", "window_at"]

Window = Literal["second", "minute", "hour", "day", "month", "total"]
Unit = Literal["usd", "requests", "tokens"]
_SCOPES = ("tenant", "key", "policy", "model")
_LONGEST = 300


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """At most ``amount`` of ``unit`` (nano-dollars for ``usd``) a ``window``.

    Each scope is None (kept for all alike), a name (binds only that one), or ``"*"`` (each one has its own). A soft
    limit (``is_hard`` False) refuses nothing: once it is used up, the cheapest able candidate is chosen.
    ``zone`` is the IANA time zone whose hours, days and months are meant.
    """

    unit: Unit
    amount: int
    window: Window = "total"
    zone: str = "UTC"
    tenant: str | None = None
    key: str | None = None
    policy: str | None = None
    model: str | None = None
    is_hard: bool = True

    def describe(self, account: Account | None = None) -> str:
        """``the day budget of $5.00 for tenant 'acme'``."""
        noun = {"usd": "budget", "requests": "request limit", "tokens": "token limit"}[self.unit]
        amount = format_usd(from_nano(self.amount)) if self.unit == "usd" else f"{self.amount:,}"
        names = dict(account.names) if account is not None else {}
        bound = [(scope, names.get(scope, getattr(self, scope))) for scope in _SCOPES if getattr(self, scope)]
        who = ", ".join(f"{scope} {name!r}" if name else f"requests without {scope}" for scope, name in bound)
        return f"the {self.window} {noun} of {amount} for {who or 'all requests together'}"


class Who(msgspec.Struct, frozen=True):
    """Whose request it is."""

    tenant: str | None = None
    key: str | None = None
    policy: str | None = None


class Account(msgspec.Struct, frozen=True):
    """One account of one window: its ``name`` in the store, whom it is ``names`` for, and when its window ends (None:
    never)."""

    name: str
    ends_s: float | None
    names: tuple[tuple[str, str], ...] = ()


class Windows:
    """The accounts of limits at a time. Remembers the current window of each kind, so that asking is cheap."""

    def __init__(self) -> None:
        self._current: dict[tuple[str, str], tuple[float, float, str]] = {}
        self._accounts: dict[tuple[int, Who, str | None, str], Account] = {}

    def account(self, limit: Limit, who: Who, model: str | None, now_s: float) -> Account | None:
        """The account that ``limit`` counts this request in; None when it does not bind it."""
        for scope in _SCOPES:
            bound = getattr(limit, scope)
            if bound is None or bound == "*":
                continue
            if bound != (model if scope == "model" else getattr(who, scope)):
                return None
        start_s, end_s, label = self._window(limit, now_s)
        key = (id(limit), who, model if limit.model is not None else None, label)
        found = self._accounts.get(key)
        if found is None:
            if len(self._accounts) >= 20_000:
                self._accounts.clear()
            found = self._accounts[key] = _account(limit, who, model, label, None if start_s < 0 else end_s)
        return found

    def _window(self, limit: Limit, now_s: float) -> tuple[float, float, str]:
        kind = (limit.window, limit.zone)
        found = self._current.get(kind)
        if found is None or not found[0] <= now_s < found[1]:
            found = self._current[kind] = window_at(limit.window, limit.zone, now_s)
        return found


def window_at(window: Window, zone: str, now_s: float) -> tuple[float, float, str]:
    """Start and end of the window around ``now_s`` (Unix seconds) and its label; ``total`` starts at -1.

    Days and months begin at local midnight, also where clocks change; the repeated hour of autumn is two windows.
    """
    if window == "total":
        return -1.0, float("inf"), ""
    if window in ("second", "minute"):
        size = 1 if window == "second" else 60
        start = now_s // size * size
        return start, start + size, datetime.fromtimestamp(start, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    from zoneinfo import ZoneInfo  # with the table of where zones are kept

    local = datetime.fromtimestamp(now_s, ZoneInfo(zone)).replace(minute=0, second=0, microsecond=0)
    if window == "hour":
        start = local.timestamp()
        return start, start + 3600.0, local.isoformat(timespec="minutes")
    first = local.replace(hour=0, fold=0)
    if window == "day":
        after = first + timedelta(days=1)
        return first.timestamp(), after.timestamp(), first.strftime("%Y-%m-%d")
    first = first.replace(day=1)
    after = (first + timedelta(days=32)).replace(day=1)
    return first.timestamp(), after.timestamp(), first.strftime("%Y-%m")


def _account(limit: Limit, who: Who, model: str | None, label: str, ends_s: float | None) -> Account:
    names = tuple(_names(limit, who, model))
    parts = [limit.unit, limit.window, *(f"{scope}={name}" for scope, name in names)]
    if limit.window not in ("total", "second", "minute") and limit.zone != "UTC":
        parts.append(limit.zone)
    if label:
        parts.append(label)
    name = "|".join(part.replace("%", "%25").replace("|", "%7C") for part in parts)
    if len(name) > _LONGEST:
        name = f"{name[: _LONGEST // 2]}|sha256={hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()}"
    return Account(name, ends_s, names)


def _names(limit: Limit, who: Who, model: str | None) -> Iterable[tuple[str, str]]:
    for scope in _SCOPES:
        if getattr(limit, scope) is not None:
            yield scope, (model if scope == "model" else getattr(who, scope)) or ""
