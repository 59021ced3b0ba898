"""Answers as callers of the library get them: OpenAI-shaped, whole or in chunks, with the decision beside them."""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Self

from .backends.stream import SettledStream
from .loop_thread import LoopThread
from .types import Decision, Outcome

__all__ = ["Answer", "AnswerStream", "AsyncAnswerStream", "Chunk"]


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

    def __init__(self, stream: SettledStream, loop: LoopThread) -> None:
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


def _wrapped(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Chunk(value)
    if isinstance(value, list):
        return [_wrapped(item) for item in value]
    return value


async def _next(chunks: AsyncIterator[Mapping[str, Any]]) -> Mapping[str, Any]:
    return await anext(chunks)
