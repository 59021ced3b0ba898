"""Copies of a share of the requests for a shadow deployment, whose answers nobody sees."""

from __future__ import annotations

from ..state.accounting import Accounting
from ..types import Decision, Outcome, Request
from .copies import Copies, is_drawn
from .run import Dispatcher

__all__ = ["Mirror"]

_PURPOSE = "mirror"


class Mirror:
    """Sends copies of the requests whose decision says so, and of ``share`` (0..1) of all that a hosted model answered
    to the deployment ``to`` (None: of none). At most ``at_once`` are out."""

    def __init__(
        self, dispatcher: Dispatcher, accounting: Accounting, *, to: str | None, share: float, at_once: int
    ) -> None:
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
        if outcome.status != "answered" or outcome.model is None:
            return
        for name in decision.mirrors:
            if name != outcome.model:
                self._copies.send(request, decision, name, f"{_PURPOSE}-{name}")
        to = self._to
        # Where a rule speaks of the same deployment, its share counts.
        if to is None or to == outcome.model or to in [each.to for each in decision.verdict.mirror]:
            return
        if decision.target.kind == "llm" and self.is_drawn(decision):
            self._copies.send(request, decision, to, _PURPOSE)

    async def aclose(self) -> None:
        """Stop the copies that are out."""
        await self._copies.aclose()
