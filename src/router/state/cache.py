"""Answers that were given before to exactly the same request of the same caller, kept for a while.

What a request is, stands in its key: caller, policy, what the policy demands, hints and the whole body. An entry is
served only where the present decision would allow the model that gave it. A store that is away is a miss, no error.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager
from threading import Lock
from typing import Any, Protocol

import msgspec

from ..selection.needs import hosted_models
from ..telemetry import CACHE_DOWN, log
from ..types import Decision, Outcome, Request, Usage
from .semantic import SemanticIndex

__all__ = ["AnswerCache", "CacheStore", "MemoryCache", "Turn", "cache_key", "scope_of"]

_encode = msgspec.json.Encoder(order="deterministic").encode
_NOT_ASKED = frozenset({"stream", "stream_options"})
_FINISHED = frozenset({"stop", "tool_calls", "function_call"})


class CacheStore(Protocol):
    """Bytes under a key for a time; blocking, unless ``is_fast``. May raise anything when it is away."""

    @property
    def is_fast(self) -> bool: ...
    def get(self, key: str) -> bytes | None: ...
    def put(self, key: str, value: bytes, ttl_s: float) -> None: ...
    def close(self) -> None: ...


class MemoryCache:
    """The entries used last, at most ``max_bytes`` of them; see :class:`CacheStore`."""

    is_fast = True

    def __init__(self, *, max_bytes: int = 64 * 1024 * 1024, now: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes, self._now = max_bytes, now
        self._entries: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def get(self, key: str) -> bytes | None:
        """See :class:`CacheStore`."""
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                return None
            if found[0] <= self._now():
                self._drop(key)
                return None
            self._entries.move_to_end(key)
            return found[1]

    def put(self, key: str, value: bytes, ttl_s: float) -> None:
        """See :class:`CacheStore`."""
        with self._lock:
            if key in self._entries:
                self._drop(key)
            self._entries[key] = (self._now() + ttl_s, value)
            self._size += len(value)
            while self._size > self._max_bytes:
                self._drop(next(iter(self._entries)))

    def close(self) -> None:
        """See :class:`CacheStore`."""

    def _drop(self, key: str) -> None:
        self._size -= len(self._entries.pop(key)[1])


class _Entry(msgspec.Struct, frozen=True):
    model: str
    body: Mapping[str, Any]
    usage: Usage


class Turn:
    """One request's turn at the cache: ``found`` is the answer that was given before, or None; then :meth:`keep`."""

    def __init__(self, found: Outcome | None = None) -> None:
        self.found = found
        self.kept: bytes | None = None

    def keep(self, outcome: Outcome) -> None:
        """Remember the answer, if it is whole and nothing was found in it."""
        body = outcome.body
        if outcome.status != "answered" or body is None or outcome.model is None or outcome.flags:
            return
        if outcome.attempts and outcome.attempts[-1].kind != "llm":
            return
        choices = body.get("choices")
        if choices and all(choice.get("finish_reason") in _FINISHED for choice in choices):
            self.kept = _encode(_Entry(outcome.model, body, outcome.usage))


class AnswerCache:
    """Entries live ``ttl_s``; those above ``max_entry_bytes`` are not kept. ``clock`` gives seconds. With ``semantic``
    the answer to another wording of the same question is given as well."""

    def __init__(
        self,
        store: CacheStore,
        *,
        ttl_s: float,
        max_entry_bytes: int = 1024 * 1024,
        semantic: SemanticIndex | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._semantic = semantic
        self._store, self._ttl_s, self._most, self._clock = store, ttl_s, max_entry_bytes, clock
        # Those who wait may stand on other event loops.
        self._flights: dict[str, Future[None]] = {}
        self._decode = msgspec.json.Decoder(_Entry).decode

    @asynccontextmanager
    async def turn(self, request: Request, decision: Decision, started_s: float) -> AsyncIterator[Turn]:
        """Look it up; of identical requests at once, one goes on and the others wait for its answer.

        Who waited in vain goes on alone. Nobody waits for longer than half of the time that it has.
        """
        key = cache_key(request, decision)
        if key is None:
            yield Turn()
            return
        found = await self._look(key, decision, started_s)
        if found is None and (flight := self._flights.get(key)) is not None:
            limit = decision.budget.max_latency_ms
            await asyncio.wait([asyncio.wrap_future(flight)], timeout=None if limit is None else limit / 2000.0)
            found = await self._look(key, decision, started_s)
        if found is None:
            found = await self._similar(request, decision, started_s)
        if found is not None:
            yield Turn(found)
            return
        mine: Future[None] = Future()
        mine.set_running_or_notify_cancel()  # nobody who waits for it can cancel it
        is_first = self._flights.setdefault(key, mine) is mine
        turn = Turn()
        try:
            yield turn
            if turn.kept is not None and len(turn.kept) <= self._most:
                await self._put(key, turn.kept)
                place = scope_of(request, decision) if self._semantic is not None else None
                if self._semantic is not None and place is not None:
                    self._semantic.add(*place, key)
        finally:
            if is_first:
                del self._flights[key]
            mine.set_result(None)

    async def find(self, request: Request, decision: Decision, started_s: float) -> Outcome | None:
        """The answer that was given before, or None."""
        key = cache_key(request, decision)
        if key is None:
            return None
        return await self._look(key, decision, started_s) or await self._similar(request, decision, started_s)

    async def _similar(self, request: Request, decision: Decision, started_s: float) -> Outcome | None:
        place = scope_of(request, decision) if self._semantic is not None else None
        key = self._semantic.find(*place) if self._semantic is not None and place is not None else None
        found = None if key is None else await self._look(key, decision, started_s)
        return None if found is None else msgspec.structs.replace(found, similar=True)

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    async def _look(self, key: str, decision: Decision, started_s: float) -> Outcome | None:
        try:
            raw = self._store.get(key) if self._store.is_fast else await asyncio.to_thread(self._store.get, key)
            entry = self._decode(raw) if raw is not None else None
        except Exception as error:  # noqa: BLE001 whatever a client library raises: without a cache it goes on
            log.warning("%s: %s", CACHE_DOWN, type(error).__name__)
            return None
        if entry is None or entry.model not in hosted_models(decision):
            return None
        return Outcome(
            status="answered",
            model=entry.model,
            body=entry.body,
            usage=entry.usage,
            usd=0.0,
            latency_ms=(self._clock() - started_s) * 1000.0,
            cached=True,
        )

    async def _put(self, key: str, value: bytes) -> None:
        try:
            if self._store.is_fast:
                self._store.put(key, value, self._ttl_s)
            else:
                await asyncio.to_thread(self._store.put, key, value, self._ttl_s)
        except Exception as error:  # noqa: BLE001 as above
            log.warning("%s: %s", CACHE_DOWN, type(error).__name__)


def cache_key(request: Request, decision: Decision) -> str | None:
    """What names the answer: caller, policy, the verdict's demands, hints and the whole body.

    None when nothing may be kept: a refusal, a local answer (which costs less than a look-up), or a request that must
    be masked, since it holds personal data.
    """
    messages = None if "messages" in request.body else request.messages
    return _hashed(request, decision, request.body, messages)


def scope_of(request: Request, decision: Decision) -> tuple[str, str] | None:
    """Everything of :func:`cache_key` but the last message, which must be a user's plain text, and that text.

    None where no other wording may be answered: also for a request whose text to judge is given beside it.
    """
    messages = request.body.get("messages")
    if not isinstance(messages, list) or not messages:
        return None
    last = messages[-1]
    if not isinstance(last, dict) or last.get("role") != "user" or last.keys() != {"role", "content"}:
        return None
    text = last["content"]
    if not isinstance(text, str) or request.hints.input is not None:
        return None
    scope = _hashed(request, decision, {**request.body, "messages": messages[:-1]}, None)
    return None if scope is None else (scope, text)


def _hashed(request: Request, decision: Decision, whole: Mapping[str, Any], messages: Any) -> str | None:
    verdict, hints = decision.verdict, request.hints
    if decision.target.kind != "llm" or verdict.refuse is not None or verdict.redact:
        return None
    body = {key: value for key, value in whole.items() if key not in _NOT_ASKED}
    named = {
        # Without a tenant each credential is a caller of its own.
        "caller": [hints.tenant, hints.key if hints.tenant is None else None],
        "policy": [decision.policy.name, decision.policy.hash],
        # A deployment's name may stand for another model than before.
        "models": None if decision.snapshot is None else decision.snapshot.models,
        "demands": [sorted(verdict.forbid), sorted(verdict.require), sorted(verdict.check)],
        "hints": [hints.task, hints.input, hints.labels],
        "model": request.model,
        "messages": messages,
        "body": body,
    }
    try:
        return hashlib.sha256(_encode(named)).hexdigest()
    except (TypeError, ValueError, RecursionError):
        return None
