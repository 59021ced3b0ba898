"""The stream that a caller reads: its chunks, and the settling of its books when it ends, is closed or dropped."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Any

from ..telemetry import BUDGET_SETTLED_LATE, log
from ..types import Decision, Outcome, Request
from .books import usage_body
from .flywheel import MOST_CHUNKS
from .local import completion_chunks
from .run import StreamRun

__all__ = ["CachedRun", "SettledStream"]


class CachedRun:
    """An answer that was given before, as the chunks of a stream."""

    def __init__(self, outcome: Outcome, request: Request) -> None:
        self.outcome: Outcome | None = outcome
        self.model = outcome.model
        body = outcome.body or {"choices": []}
        if not body.get("usage"):
            # Its provider sent none: what was counted then is told, as in a stream of its own.
            body = {**body, "usage": usage_body(outcome.usage)}
        self._chunks = completion_chunks(body, include_usage=request.include_usage)

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        for chunk in self._chunks:
            yield chunk

    @property
    def has_ready(self) -> bool:
        """Its chunks are all there, and few."""
        return False

    async def aclose(self) -> None:
        """Nothing is open."""

    def abandon(self) -> Outcome | None:
        """The answer that was given before."""
        return self.outcome


class SettledStream:
    """An async iterator of OpenAI ``chat.completion.chunk`` objects; closing it early stops the upstream.

    ``outcome`` is None until the stream ended or was closed. ``gathered``: a list that takes the chunks, as far as they
    are few.
    """

    def __init__(
        self,
        decision: Decision,
        run: StreamRun | CachedRun,
        settle: Callable[[Outcome], None],
        gathered: list[Mapping[str, Any]] | None = None,
    ) -> None:
        self.decision = decision
        self._gathered = gathered
        self.outcome: Outcome | None = None
        self._run, self._settle = run, settle
        self._chunks = self._iterate()

    def __aiter__(self) -> AsyncIterator[Mapping[str, Any]]:
        return self._chunks

    @property
    def model(self) -> str | None:
        """Whose chunks are given, once the first one is there."""
        return self._run.model

    @property
    def given_before(self) -> Outcome | None:
        """The outcome of an answer from the cache, which is known before it is read; else None."""
        return self._run.outcome if isinstance(self._run, CachedRun) else None

    @property
    def has_ready(self) -> bool:
        """Whether the next chunk comes without waiting, so that it may be sent together with this one."""
        return self._run.has_ready

    async def aclose(self) -> None:
        """Stop; what was used until now is counted."""
        await self._chunks.aclose()
        await self._finish()

    async def _iterate(self) -> AsyncGenerator[Mapping[str, Any], None]:
        try:
            async for chunk in self._run:
                if self._gathered is not None and len(self._gathered) <= MOST_CHUNKS:
                    self._gathered.append(chunk)
                yield chunk
        finally:
            await self._finish()

    async def _finish(self) -> None:
        if self.outcome is None:
            await self._run.aclose()
            self._end()

    def _end(self) -> None:
        if self.outcome is None:
            self.outcome = self._run.outcome or Outcome(status="cancelled")
            self._settle(self.outcome)

    def __del__(self) -> None:
        # Dropped without being read or closed: what is held must not stay held for the life of the process.
        if self.outcome is None:
            log.warning(BUDGET_SETTLED_LATE)
            self._run.abandon()
            self._end()
