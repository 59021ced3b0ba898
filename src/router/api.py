"""``Router``: decide, complete, stream. A sync facade over one async core; nothing is decided here."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from .answers import Answer, AnswerStream, AsyncAnswerStream
from .assemble import assemble
from .config import Settings, load_settings, read_environment
from .engine import Engine
from .errors import RequestError
from .loop_thread import LoopThread
from .selection.explain import Explanation, explain
from .types import Decision, Request
from .wire.hints import KEYS, read_hints
from .wire.openai import read_chat

__all__ = ["Router", "as_request"]


class Router:
    """Routes OpenAI-style chat requests by the guide's policies; ``Router()`` needs no configuration.

    Every method takes either a prompt (``str``), a whole chat body (a mapping with ``messages``), a
    :class:`~router.types.Request`, or ``messages=[...]`` with the fields of a chat body as keywords. Hints are
    keywords too: ``task``, ``input``, ``labels``, ``max_usd`` (``"$0.002"`` or dollars), ``max_latency_ms``
    (``"900ms"`` or milliseconds), ``tenant``, ``policy``, ``session``.

    Raises:
        ConfigError: a config, policy or model file is wrong (``file:line:column``).
    """

    def __init__(self, settings: Settings | None = None, *, policy: str | None = None) -> None:
        environment = read_environment()
        if settings is None and environment.config is not None:
            settings = load_settings(Path(environment.config))
        settings = settings or Settings()
        chosen = policy or environment.policy
        if chosen is not None:
            settings = msgspec.structs.replace(settings, policy=chosen)
        self.engine: Engine = assemble(settings, environment)
        self._loop = LoopThread()

    @classmethod
    def from_config(cls, path: str | Path, *, policy: str | None = None) -> Self:
        """A router from one YAML file; ``policy`` overrules the file's.

        Raises:
            ConfigError: the file is missing or wrong.
        """
        return cls(load_settings(Path(path)), policy=policy)

    def decide(
        self, request: str | Mapping[str, Any] | Request | None = None, *, all_signals: bool = False, **fields: Any
    ) -> Decision:
        """Who would answer, and why; nothing is called and nothing is spent.

        Raises:
            RequestError, NoCandidate, BudgetExceeded, DeadlineInfeasible: see :mod:`router.errors`.
        """
        self._loop.check()
        return self.engine.decide(as_request(request, fields), all_signals=all_signals)

    def explain(self, request: str | Mapping[str, Any] | Request | None = None, **fields: Any) -> Explanation:
        """The decision as a receipt for people: rules, the guide's flow with this request's way, who lost and why."""
        self._loop.check()
        read = as_request(request, fields)
        decision = self.engine.decide(read, all_signals=True)
        observed, costs = self.engine.measured(read)
        return explain(decision, self.engine.policy_for(read), observed, self.engine.fleet, costs)

    async def acomplete(
        self,
        request: str | Mapping[str, Any] | Request | None = None,
        *,
        decision: Decision | None = None,
        **fields: Any,
    ) -> Answer | AsyncAnswerStream:
        """Decide and answer. With ``stream=True`` in the request, an async iterator of chunks.

        Raises:
            RouterError: refused requests are answers (``finish_reason`` ``content_filter``), everything else that
                cannot be carried out is a typed error.
        """
        self._loop.check()
        read = as_request(request, fields)
        if read.stream:
            return AsyncAnswerStream(await self.engine.stream(read, decision))
        decided, outcome = await self.engine.complete(read, decision)
        return Answer(outcome.body or {}, decided, outcome)

    def complete(
        self,
        request: str | Mapping[str, Any] | Request | None = None,
        *,
        decision: Decision | None = None,
        **fields: Any,
    ) -> Answer | AnswerStream:
        """As :meth:`acomplete`, for synchronous callers; with ``stream=True`` an iterator of chunks."""
        self._loop.check()
        read = as_request(request, fields)
        if read.stream:
            return AnswerStream(self._loop.run(self.engine.stream(read, decision)), self._loop)
        decided, outcome = self._loop.run(self.engine.complete(read, decision))
        return Answer(outcome.body or {}, decided, outcome)

    def warm(self) -> None:
        """Load now what the first requests would have to load (some seconds for litellm), so that none waits for it.
        From async code use :meth:`awarm`."""
        self._loop.run(self.engine.warm())

    async def awarm(self) -> None:
        """As :meth:`warm`, from async code; the loading is done in a worker thread."""
        await self.engine.warm()

    def close(self) -> None:
        """Close connections and write out the ledger; a second time does nothing. A closed router takes no more
        requests. From async code use :meth:`aclose`."""
        if self._loop.refuse():
            self._loop.stop(self.engine.aclose())

    async def aclose(self) -> None:
        """As :meth:`close`, from async code."""
        if await asyncio.to_thread(self._loop.refuse):
            await self.engine.aclose()
            self._loop.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def as_request(given: str | Mapping[str, Any] | Request | None, fields: Mapping[str, Any]) -> Request:
    """Read what the caller gave as a Request.

    Raises:
        RequestError: nothing to answer, or given twice, or a hint is wrong.
    """
    if isinstance(given, Request):
        if fields:
            raise RequestError("a Request takes no further fields.", hint="Put them into the Request.")
        return given
    rest = dict(fields)
    hints = read_hints({key: rest.pop(key) for key in KEYS if key in rest}, at="hints")
    if given is None:
        body = rest
    elif isinstance(given, str):
        body = {"messages": [{"role": "user", "content": given}], **rest}
    elif isinstance(given, Mapping):
        body = {**given, **rest}
    else:
        raise RequestError(
            f"a request is text, a chat body or messages=..., not {type(given).__name__}.",
            hint='For example: router.complete(messages=[{"role": "user", "content": "Hello"}])',
        )
    return read_chat(body, hints=hints)
