"""Who calls: API keys of tenants, what each may do, and what is refused.

Keys are random (256 bits), so their SHA-256 is what the file holds; a slow hash would protect nothing more. A key names
its entry, the digest is compared in constant time, and no error or log quotes a key. The file is read again on reload:
two entries of one tenant are how a key is rotated.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from ..config import BudgetSettings
from ..document import Document, place_error
from ..errors import ConfigError, RequestError
from ..spec import validated
from ..types import Budget, Hints, Request
from ..units import parse_ms, parse_usd

__all__ = ["ANYBODY", "SCOPES", "Caller", "Forbidden", "KeyRing", "Scope", "Unauthorized", "new_key", "read_keys"]

Scope = Literal["chat", "embeddings", "route", "feedback", "models", "receipts", "admin"]
SCOPES: tuple[str, ...] = get_args(Scope)
_USUAL = frozenset(SCOPES) - {"admin"}
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_KEY = re.compile(r"gr_([a-z0-9][a-z0-9-]{0,39})_[A-Za-z0-9_-]{43}")
_FIELDS = ("id", "tenant", "sha256", "scopes", "policy", "max_usd", "max_latency_ms", "expires", "limits")
_LIMIT_FIELDS = ("usd", "requests", "tokens", "window", "timezone", "mode")


class Unauthorized(RequestError):
    """No key, or one that is not valid here."""

    status = 401
    code = "invalid_api_key"
    type = "authentication_error"


class Forbidden(RequestError):
    """The key is valid and may not do this."""

    status = 403
    code = "permission_denied"
    type = "permission_error"


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls, by one entry of the keys file. ``tenant`` None: nobody was asked.

    ``policy`` is the only one its requests may use, ``budget`` the most that one request may cost and take, ``limits``
    the most that all of them may use within a window, ``expires`` Unix seconds.
    """

    id: str = ""
    tenant: str | None = None
    digest: bytes = b""
    scopes: frozenset[str] = frozenset(SCOPES)
    policy: str | None = None
    budget: Budget = Budget()
    expires: float | None = None
    limits: tuple[BudgetSettings, ...] = ()

    def require(self, scope: Scope) -> None:
        """Raise Forbidden unless the key has the scope."""
        if scope not in self.scopes:
            raise Forbidden(f"the key {self.id!r} has no scope {scope!r}.", hint="Ask for a key that has it.")

    def bind(self, request: Request) -> Request:
        """``request`` as this caller may make it: its tenant, its policy, at most its budget.

        Raises:
            Forbidden: the request names another tenant or policy.
        """
        if self.tenant is None:
            return request
        hints = request.hints
        for word, asked, own in (("tenant", hints.tenant, self.tenant), ("policy", hints.policy, self.policy)):
            if asked is not None and own is not None and asked != own:
                raise Forbidden(f"the key {self.id!r} is not of the {word} {asked!r}.", hint="Leave the hint out.")
        budget = Budget(
            max_usd=_least(hints.budget.max_usd, self.budget.max_usd),
            max_latency_ms=_least(hints.budget.max_latency_ms, self.budget.max_latency_ms),
        )
        bound: Hints = msgspec.structs.replace(
            hints, tenant=self.tenant, policy=self.policy or hints.policy, budget=budget
        )
        return msgspec.structs.replace(request, hints=bound)


ANYBODY = Caller()


def with_caller(
    request: Request, caller: Caller, fields: Mapping[bytes, bytes], headers: Iterable[tuple[bytes, bytes]]
) -> Request:
    """The request with what limits and the ledger call its key: the caller's id, else a fingerprint of the credential
    that nobody asked for; and with the caller's trace (https://www.w3.org/TR/trace-context/). ``fields`` are the first
    of the ``headers`` of each name."""
    credential, parent = fields.get(b"authorization"), fields.get(b"traceparent")
    key = caller.id or (hashlib.sha256(credential).hexdigest()[:12] if credential else None)
    if key is None and parent is None:
        return request
    states = [value for name, value in headers if name == b"tracestate"]  # a list may come in several headers
    return msgspec.structs.replace(
        request,
        hints=request.hints if key is None else msgspec.structs.replace(request.hints, key=key),
        traceparent=None if parent is None else parent.decode("latin-1"),
        tracestate=b",".join(states).decode("latin-1") if states and parent is not None else None,
    )


class KeyRing:
    """The valid keys. ``None`` entries: no keys file, everybody may do everything."""

    def __init__(self, callers: Iterable[Caller] | None = None) -> None:
        self._by_id = None if callers is None else {caller.id: caller for caller in callers}

    @property
    def is_open(self) -> bool:
        """Whether nobody is asked for a key."""
        return self._by_id is None

    def caller(self, headers: Iterable[tuple[bytes, bytes]], now_s: float) -> Caller:
        """Who sends ``headers``: ``Authorization: Bearer KEY``, or ``x-api-key: KEY`` as Anthropic's clients do.

        Raises:
            Unauthorized: no key, several, or one that is unknown or expired; the message does not say which part.
        """
        if self._by_id is None:
            return ANYBODY
        given = {_bearer(value) if name == b"authorization" else value for name, value in headers if name in _CARRIERS}
        if not given:
            raise Unauthorized("an API key is needed.", hint="Send the header authorization: Bearer KEY.")
        if len(given) > 1:
            raise Unauthorized("two different API keys were sent.", hint="Send one.")
        key = given.pop().decode("latin-1")
        found = _KEY.fullmatch(key)
        caller = self._by_id.get(found[1]) if found is not None else None
        # An unknown id takes as long as a wrong secret.
        is_right = hmac.compare_digest(hashlib.sha256(key.encode("latin-1")).digest(), (caller or _NOBODY).digest)
        if caller is None or not is_right or (caller.expires is not None and now_s >= caller.expires):
            raise Unauthorized("the API key is not valid here.", hint="Check it, or ask for a new one.")
        return caller

    @property
    def callers(self) -> tuple[Caller, ...] | None:
        """The entries of the keys file, None without one."""
        return None if self._by_id is None else tuple(self._by_id.values())

    @property
    def limits(self) -> tuple[BudgetSettings, ...]:
        """The limits of all keys, each bound to its key."""
        return tuple(limit for caller in (self._by_id or {}).values() for limit in caller.limits)

    def tenants(self) -> frozenset[str]:
        """The tenants that have a key."""
        return frozenset(caller.tenant or "" for caller in (self._by_id or {}).values())


_CARRIERS = (b"authorization", b"x-api-key")
_NOBODY = Caller(digest=bytes(32))


def _bearer(value: bytes) -> bytes:
    scheme, _, key = value.partition(b" ")
    return key.strip() if scheme.lower() == b"bearer" else b""


def new_key(name: str) -> tuple[str, str]:
    """A fresh key for the entry ``name``, and the SHA-256 that the file holds.

    Raises:
        ConfigError: ``name`` is no name (lower-case letters, digits, hyphens; at most 40).
    """
    if not _ID.fullmatch(name):
        raise ConfigError(f"{name!r} is no name for a key.", hint="Use lower-case letters, digits and hyphens.")
    key = f"gr_{name}_{secrets.token_urlsafe(32)}"
    return key, hashlib.sha256(key.encode()).hexdigest()


def read_keys(path: Path) -> KeyRing:
    """The keys of a file: ``keys: [{id, tenant, sha256, scopes, policy, max_usd, max_latency_ms, expires, limits}]``.

    Raises:
        ConfigError: with file:line:column, what is wrong. No secret is in the file, and none is told.
    """
    from ..yamlfile import load_yaml

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the keys file cannot be read ({error}).", file=str(path), hint="Write one with: router keys new NAME"
        ) from error
    document = load_yaml(text, name=str(path))
    entries = document.data.get("keys") if isinstance(document.data, dict) else None
    if not isinstance(entries, list) or set(document.data) != {"keys"}:
        raise place_error(document, (), "a keys file has one list, named keys")
    callers = [_caller(document, index, entry) for index, entry in enumerate(entries)]
    ids = [caller.id for caller in callers]
    for index, name in enumerate(ids):
        if name in ids[:index]:
            raise place_error(document, ("keys", index, "id"), f"the key {name!r} is named twice")
    return KeyRing(callers)


def _caller(document: Document, index: int, entry: Any) -> Caller:
    at = ("keys", index)
    if not isinstance(entry, dict):
        raise place_error(document, at, "a key is a mapping with id, tenant and sha256")
    for name in entry:
        if name not in _FIELDS:
            raise place_error(document, (*at, name), f'unknown key "{name}"', options=list(_FIELDS))
    name = _text(document, at, entry, "id")
    if not _ID.fullmatch(name):
        raise place_error(document, (*at, "id"), "an id has lower-case letters, digits and hyphens")
    digest = _text(document, at, entry, "sha256")
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise place_error(document, (*at, "sha256"), "sha256 is 64 hexadecimal digits, never the key itself")
    scopes = entry.get("scopes")
    if scopes is not None and (not isinstance(scopes, list) or not scopes):
        raise place_error(document, (*at, "scopes"), f"scopes is a list of: {', '.join(SCOPES)}")
    for number, scope in enumerate(scopes or ()):
        if scope not in SCOPES:
            raise place_error(document, (*at, "scopes", number), f'unknown scope "{scope}"', options=list(SCOPES))
    return Caller(
        id=name,
        tenant=_text(document, at, entry, "tenant"),
        digest=bytes.fromhex(digest),
        scopes=_USUAL if scopes is None else frozenset(scopes),
        policy=_text(document, at, entry, "policy") if "policy" in entry else None,
        budget=Budget(
            max_usd=_amount(document, at, entry, "max_usd", parse_usd),
            max_latency_ms=_amount(document, at, entry, "max_latency_ms", parse_ms),
        ),
        expires=_moment(document, (*at, "expires"), entry.get("expires")),
        limits=_limits(document, (*at, "limits"), entry.get("limits"), name),
    )


def _limits(document: Document, at: tuple[str | int, ...], value: Any, key: str) -> tuple[BudgetSettings, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise place_error(document, at, "limits is a list such as [{requests: 60, window: minute}]")
    found = []
    for index, entry in enumerate(value):
        here = (*at, index)
        if not isinstance(entry, dict):
            raise place_error(document, here, "a limit is a mapping such as {requests: 60, window: minute}")
        for name in entry:
            if name not in _LIMIT_FIELDS:
                raise place_error(document, (*here, name), f'unknown key "{name}"', options=list(_LIMIT_FIELDS))
        try:
            found.append(validated(BudgetSettings, {**entry, "key": key}))
        except ValueError as error:
            # pydantic's errors are ValueErrors that know their places.
            told = error.errors()[0]  # type: ignore[attr-defined]
            raise place_error(document, (*here, *told["loc"]), str(told["msg"])) from None
    return tuple(found)


def _text(document: Document, at: tuple[str | int, ...], entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > 120:
        raise place_error(document, (*at, name), f"{name} is missing or no text")
    return value


def _amount(document: Document, at: Sequence[str | int], entry: Mapping[str, Any], name: str, parse: Any) -> Any:
    if entry.get(name) is None:
        return None
    try:
        return float(parse(entry[name]))
    except (ValueError, TypeError) as error:
        raise place_error(document, (*at, name), str(error)) from error


def _moment(document: Document, at: tuple[str | int, ...], value: Any) -> float | None:
    if value is None:
        return None
    try:
        when = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise place_error(document, at, "expires is a date or time such as 2027-01-31") from error
    return (when if when.tzinfo is not None else when.replace(tzinfo=UTC)).timestamp()


def _least(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else min(one, other)
