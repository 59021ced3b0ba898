"""Copies of a share of the requests for a shadow deployment, whose answers nobody sees."""

from __future__ import annotations

from ..state.accounting import Accounting
from ..types import Decision, Outcome, Request
from .copies import Copies, is_drawn
from .run import Dispatcher

__all__ = ["Mirror"]

_PURPOSE = "mirror"


class Mirror:
    """Sends copies of ``share`` (0..1) of the answered requests to the deployment ``to``, ``at_once`` at most."""

    def __init__(self, dispatcher: Dispatcher, accounting: Accounting, *, to: str, share: float, at_once: int) -> None:
        self._to, self._share = to, share
        self._copies = Copies(dispatcher, accounting, at_once=at_once)

    @property
    def skipped(self) -> int:
        """How many copies were drawn and not sent after all."""
        return self._copies.skipped

    def is_drawn(self, decision: Decision) -> bool:
        """Whether this request is one of the share."""
        return is_drawn(_PURPOSE, decision.id, self._share)

    def offer(self, request: Request, decision: Decision, outcome: Outcome) -> None:
        """Copy an answered request if it is drawn; returns at once."""
        if outcome.status != "answered" or outcome.model in (None, self._to) or decision.target.kind != "llm":
            return
        if self.is_drawn(decision):
            self._copies.send(request, decision, self._to, _PURPOSE)

    async def aclose(self) -> None:
        """Stop the copies that are out."""
        await self._copies.aclose()
