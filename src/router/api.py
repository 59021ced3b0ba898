"""``Router``: decide, complete, stream. A sync facade over one async core; nothing is decided here."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from .assemble import assemble
from .backends.stream import SettledStream
from .config import Settings, load_settings, read_environment
from .engine import Engine
from .errors import RequestError, RouterError
from .selection.explain import Explanation, explain
from .types import Decision, Outcome, Request
from .wire.hints import KEYS, read_hints
from .wire.openai import read_chat

__all__ = ["Answer", "AnswerStream", "AsyncAnswerStream", "Chunk", "Router"]

T = TypeVar("T")
_STOP_S = 2.0
Messages = Sequence[Mapping[str, Any]]


class Chunk(Mapping[str, Any]):
    """An OpenAI-shaped JSON object, read like a mapping or by attribute: ``chunk.choices[0].delta.content``."""

    __slots__ = ("_data",)

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data

    def __getitem__(self, key: str) -> Any:
        return self._data[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return _wrapped(self._data[name])
        except KeyError:
            raise AttributeError(f"the answer has no field {name!r}; it has {', '.join(self._data)}") from None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict(self._data)!r})"

    def to_dict(self) -> dict[str, Any]:
        """The object as plain data."""
        return dict(self._data)


class Answer(Chunk):
    """An OpenAI ``chat.completion``; ``decision`` says who answered and why, ``outcome`` what it cost and took."""

    __slots__ = ("decision", "outcome")

    def __init__(self, data: Mapping[str, Any], decision: Decision, outcome: Outcome) -> None:
        super().__init__(data)
        self.decision = decision
        self.outcome = outcome

    @property
    def text(self) -> str:
        """Content of the first choice; the refusal when it was refused; empty when it only calls tools."""
        message = self._data["choices"][0]["message"]
        return message.get("content") or message.get("refusal") or ""


class AsyncAnswerStream:
    """Async iterator of chunks. ``decision`` is there at once, ``outcome`` when it ended; close it to stop early."""

    def __init__(self, stream: SettledStream) -> None:
        self._stream = stream
        self.decision = stream.decision

    @property
    def outcome(self) -> Outcome | None:
        """What happened; None while it runs."""
        return self._stream.outcome

    async def __aiter__(self) -> AsyncIterator[Chunk]:
        async for chunk in self._stream:
            yield Chunk(chunk)

    async def aclose(self) -> None:
        """Stop the upstream; what was used until now is counted."""
        await self._stream.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class AnswerStream:
    """Iterator of chunks for synchronous callers; otherwise as :class:`AsyncAnswerStream`. One that is dropped is
    closed."""

    def __init__(self, stream: SettledStream, loop: _Loop) -> None:
        self._stream, self._loop = stream, loop
        # Closed by its own loop: a collection of garbage in another thread would end it while that loop reads it.
        weakref.finalize(self, loop.leave, stream).atexit = False
        self._chunks = aiter(stream)
        self._is_over = False
        self.decision = stream.decision

    @property
    def outcome(self) -> Outcome | None:
        """What happened; None while it runs."""
        return self._stream.outcome

    def __iter__(self) -> Iterator[Chunk]:
        return self

    def __next__(self) -> Chunk:
        if self._is_over:
            raise StopIteration
        try:
            return Chunk(self._loop.run(_next(self._chunks)))
        except StopAsyncIteration:
            self._is_over = True
            raise StopIteration from None

    def close(self) -> None:
        """Stop the upstream; what was used until now is counted."""
        self._is_over = True
        if not self._loop.is_closed:
            self._loop.run(self._stream.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


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
        self._loop = _Loop()

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


def _wrapped(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Chunk(value)
    if isinstance(value, list):
        return [_wrapped(item) for item in value]
    return value


async def _next(chunks: AsyncIterator[Mapping[str, Any]]) -> Mapping[str, Any]:
    return await anext(chunks)


class _Loop:
    """One event loop in a thread of its own, started on first use: connections outlive a single call."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._left: set[asyncio.Task[None]] = set()
        self.is_closed = False

    def check(self) -> None:
        """Whether there may be more work.

        Raises:
            RouterError: the router was closed.
        """
        if self.is_closed:
            raise RouterError("the router is closed.", hint="Make another one.")

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for the work. Raises as :meth:`check`, also where the router is closed meanwhile."""
        with self._lock:
            if self.is_closed:
                work.close()
                self.check()
            future = self._begin(work)
        try:
            return future.result()
        except CancelledError:
            self.check()
            raise
        except BaseException:
            future.cancel()
            raise

    def leave(self, stream: SettledStream) -> None:
        """Close a stream that nobody reads any more, without waiting and from any thread."""
        loop = self._loop  # no lock: this may be called while this very thread holds it
        if stream.outcome is None and loop is not None and not self.is_closed:
            with suppress(RuntimeError):  # it was closed meanwhile, and what ran on it with it
                loop.call_soon_threadsafe(self._close, stream)

    def _close(self, stream: SettledStream) -> None:
        task = asyncio.get_running_loop().create_task(stream.aclose())
        self._left.add(task)
        task.add_done_callback(self._left.discard)

    def refuse(self) -> bool:
        """No more work from now on; what runs is cancelled. False where that was so already."""
        with self._lock:
            if self.is_closed:
                return False
            self.is_closed = True
            future = None if self._loop is None else self._begin(_cancel_others())
        if future is not None:
            future.result()
        return True

    def stop(self, last: Coroutine[Any, Any, None] | None = None) -> None:
        """Do the ``last`` work, and end the thread."""
        with self._lock:
            if last is not None:
                self._begin(last).result()
            if self._loop is not None and self._thread is not None:
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._thread.join(timeout=5)
                self._loop = self._thread = None

    def _begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=_run_and_close, args=(self._loop,), name="router-loop", daemon=True)
            self._thread.start()
        return asyncio.run_coroutine_threadsafe(work, self._loop)


async def _cancel_others() -> None:
    """Stop what runs on this loop, and let it keep its books."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=_STOP_S)


def _run_and_close(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
