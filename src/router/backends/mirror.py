"""Copies of a share of the requests for a shadow deployment, whose answers nobody sees.

A copy is bound by the verdict like any fallback: masked, and not sent where the policy forbids. It never delays or
changes the answer; what it costs is on the books under an id of its own.
"""

from __future__ import annotations

import asyncio
from zlib import crc32

import msgspec

from ..errors import BudgetExceeded, RateLimited, StateUnavailable
from ..state.accounting import Accounting
from ..telemetry import log
from ..types import Budget, Decision, Outcome, Request, Target, Timing
from .run import Dispatcher

__all__ = ["Mirror"]


class Mirror:
    """Sends copies of ``share`` (0..1) of the answered requests to the deployment ``to``, at most ``at_once`` at once.

    Where the books refuse the money no copy is sent; a copy is no request of its caller's. Whether a request is copied
    hangs on its decision's id alone, so that it can be told afterwards.
    """

    def __init__(self, dispatcher: Dispatcher, accounting: Accounting, *, to: str, share: float, at_once: int) -> None:
        self._dispatcher, self._to, self._share, self._at_once = dispatcher, to, share, at_once
        self._books = accounting
        self._out: set[asyncio.Task[None]] = set()
        self.skipped = 0

    def is_drawn(self, decision: Decision) -> bool:
        """Whether this request is one of the share."""
        return crc32(f"mirror:{decision.id}".encode()) < self._share * 4294967296

    def offer(self, request: Request, decision: Decision, outcome: Outcome) -> None:
        """Copy an answered request if it is drawn; returns at once."""
        if outcome.status != "answered" or outcome.model in (None, self._to) or decision.target.kind != "llm":
            return
        if not self.is_drawn(decision):
            return
        if len(self._out) >= self._at_once or self._to in self._dispatcher.health.blocked(self._dispatcher.clock_s()):
            self.skipped += 1
            return
        task = asyncio.get_running_loop().create_task(self._send(request, self._copy(decision)))
        self._out.add(task)
        task.add_done_callback(self._out.discard)

    async def aclose(self) -> None:
        """Stop the copies that are out."""
        out = list(self._out)
        for task in out:
            task.cancel()
        if out:
            await asyncio.wait(out, timeout=1.0)

    async def _send(self, request: Request, copy: Decision) -> None:
        try:
            entry = await self._books.open(request, copy, None, is_request=False)
        except (BudgetExceeded, RateLimited, StateUnavailable):
            self.skipped += 1
            return
        run = self._dispatcher.start(request, entry.running)
        try:
            await run.finish()
            if run.failure is not None:
                log.info("a mirrored copy for %s failed: %s", self._to, getattr(run.failure, "kind", "unknown"))
        finally:
            outcome = run.outcome or Outcome(status="cancelled")
            self._books.close(request, entry, outcome, Timing(ttft=outcome.ttft_ms, total=outcome.latency_ms))

    def _copy(self, decision: Decision) -> Decision:
        # Nobody reads the answer, so nothing of it is checked; what binds the request stays.
        verdict = msgspec.structs.replace(decision.verdict, check=frozenset(), on_flag={}, hold=None, escalate=None)
        return msgspec.structs.replace(
            decision,
            id=f"{decision.id}-mirror",
            target=Target(kind="llm", model=self._to),
            fallbacks=(),
            verdict=verdict,
            budget=Budget(),
        )
