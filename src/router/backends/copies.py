"""Copies of requests that were answered already, for a deployment whose answer the caller never sees.

A copy is bound by the verdict like any fallback: masked, and not sent where the policy forbids. It never delays or
changes the answer; what it costs is on the books under an id of its own, and where the books refuse the money none is
sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..draws import draw_share
from ..errors import BudgetExceeded, RateLimited, StateUnavailable
from ..selection.beside import copy_of
from ..state.accounting import Accounting
from ..telemetry import log
from ..types import Decision, Outcome, Request, Timing
from .run import Dispatcher

__all__ = ["Copies", "is_drawn"]


def is_drawn(purpose: str, decision: str, share: float) -> bool:
    """Whether the decision of this id is one of ``share`` (0..1): it hangs on the id alone, so that it can be told
    afterwards; draws for different purposes are independent."""
    return draw_share(f"{purpose}:{decision}") < share


class Copies:
    """Sends copies, at most ``at_once`` at once; a copy is no request of its caller's. ``skipped`` counts those that
    were not sent after all."""

    def __init__(self, dispatcher: Dispatcher, accounting: Accounting, *, at_once: int) -> None:
        self._dispatcher, self._books, self._at_once = dispatcher, accounting, at_once
        self._out: set[asyncio.Task[None]] = set()
        self.skipped = 0

    def send(
        self,
        request: Request,
        decision: Decision,
        to: str,
        purpose: str,
        *,
        max_usd: float | None = None,
        then: Callable[[Outcome], None] | None = None,
    ) -> None:
        """Copy a request to the deployment ``to``; returns at once. ``then`` is told the outcome if it was answered.

        The copy's decision has the id of the first with ``-purpose`` behind it.
        """
        if len(self._out) >= self._at_once or to in self._dispatcher.health.blocked(self._dispatcher.clock_s()):
            self.skipped += 1
            return
        copy = copy_of(decision, to, purpose, max_usd)
        task = asyncio.get_running_loop().create_task(self._send(request, copy, then))
        self._out.add(task)
        task.add_done_callback(self._out.discard)

    async def aclose(self) -> None:
        """Stop the copies that are out."""
        out = list(self._out)
        for task in out:
            task.cancel()
        if out:
            await asyncio.wait(out, timeout=1.0)

    async def _send(self, request: Request, copy: Decision, then: Callable[[Outcome], None] | None) -> None:
        try:
            entry = await self._books.open(request, copy, None, is_request=False)
        except (BudgetExceeded, RateLimited, StateUnavailable):
            self.skipped += 1
            return
        run = self._dispatcher.start(request, entry.running)
        try:
            await run.finish()
            if run.failure is not None:
                log.info("a copy for %s failed: %s", copy.target.model, getattr(run.failure, "kind", "unknown"))
        finally:
            outcome = run.outcome or Outcome(status="cancelled")
            self._books.close(request, entry, outcome, Timing(ttft=outcome.ttft_ms, total=outcome.latency_ms))
        if then is not None and outcome.status == "answered":
            then(outcome)
