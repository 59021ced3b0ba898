"""The books of one request: what is set aside before it runs, what is settled and recorded after it.

Nothing here decides or calls anybody; how money and records are kept stands behind :mod:`.store`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from ..catalogue import Deployment
from ..contract import Memory
from ..errors import BudgetExceeded, RateLimited
from ..price import RATES, Price, unit_lines
from ..selection.needs import capped, hosted_models, worst_tokens, worst_usd
from ..selection.redecide import facts_of
from ..signals.contract import read_asked
from ..signals.template import template_of
from ..telemetry import DETECTOR_FAILED, log
from ..types import Decision, Message, Outcome, Record, Request, Split, Timing, Usage
from .budget import Budgets, Hold, Needs
from .limits import Who
from .store import Ledger, to_nano

__all__ = ["Accounting", "Entry", "OnRecord", "who_asks"]

OnRecord = Callable[[Record], None]

_TRIES = 3
# As much of a run's own id as tells it from the other runs of its decision.
_RUN = 8
_NOTHING = Usage()
_NO_HOLD = Hold("")


class Entry(msgspec.Struct, frozen=True):
    """One request that may run: the decision as it was made, and ``running`` as its limits let it run. ``worst`` is
    what a call counts as, in nano-dollars, when nobody knows what it cost."""

    id: str
    decision: Decision
    running: Decision
    who: Who
    hold: Hold
    worst: Mapping[str, int] = {}


class Accounting:
    """``deployments`` by name; ``clock`` gives Unix seconds, ``new_id`` fresh ids. ``keeps_contents``: prompts and
    answers go into the records too."""

    def __init__(
        self,
        *,
        budgets: Budgets,
        ledger: Ledger,
        deployments: Mapping[str, Deployment],
        clock: Callable[[], float],
        new_id: Callable[[], str],
        keeps_contents: bool = False,
    ) -> None:
        self.budgets, self.ledger = budgets, ledger
        self._deployments, self._clock, self._new_id = deployments, clock, new_id
        self._keeps_contents = keeps_contents
        self._memory = Memory()
        # Of those that charge the same for every call.
        self._rates = {
            name: rates_of(each.price, _NOTHING)
            for name, each in deployments.items()
            if not each.price.tiers and each.price.by_unit is None
        }

    async def open(
        self,
        request: Request,
        decision: Decision,
        decide: Callable[[], Awaitable[Decision]] | None,
        *,
        is_request: bool = True,
    ) -> Entry:
        """Set aside what ``decision`` may use. Where others were faster, ``decide`` is asked again with what is left.
        ``is_request``: it counts as a request, where their number is limited.

        Raises:
            BudgetExceeded, RateLimited: a hard limit leaves too little.
            StateUnavailable: budgets or ledger cannot be reached, and nothing may run without them.
        """
        if not self.budgets.limits:
            return self.open_unlimited(request, decision)
        self.ledger.check()
        who = who_asks(request, decision.policy.name)
        id = self._new_id()
        for attempt in range(_TRIES):
            try:
                return await self._reserve(id, request, decision, who, requests=int(is_request))
            except BudgetExceeded as refusal:
                if decide is None or attempt == _TRIES - 1:
                    raise
                try:
                    decision = await decide()
                except BudgetExceeded:
                    raise refusal from None
        raise AssertionError("the last try returns or raises")

    def open_unlimited(self, request: Request, decision: Decision) -> Entry:
        """As :meth:`open`, where there are no limits.

        Raises:
            StateUnavailable: the ledger cannot be reached, and nothing may run without it.
        """
        self.ledger.check()
        return Entry(self._new_id(), decision, decision, who_asks(request, decision.policy.name), _NO_HOLD)

    async def _reserve(self, id: str, request: Request, decision: Decision, who: Who, *, requests: int) -> Entry:
        tokens = worst_tokens(request, decision)
        worst = worst_usd(request, decision, self._deployments, tokens)
        is_local = decision.target.kind != "llm"
        nano = {name: _up(usd) for name, usd in worst.items()}
        needs = Needs(nano, tokens.input + tokens.output_max if worst else 0, requests)
        try:
            hold = await self.budgets.reserve(id, who, needs, self._clock())
        except (BudgetExceeded, RateLimited) as refusal:
            if not is_local or not worst or (isinstance(refusal, RateLimited) and refusal.unit == "requests"):
                raise
            # A local answer costs nothing: there is only no money to escalate.
            decision = msgspec.structs.replace(decision, fallbacks=())
            hold = await self.budgets.reserve(id, who, Needs({}, 0, requests), self._clock())
        running = decision
        if hosted_models(decision) and any(limit.is_hard and limit.unit != "requests" for limit, _, _ in hold.counts):
            running = capped(decision, tokens, None if hold.nano is None else hold.nano / 1e9)
        return Entry(id, decision, running, who, hold, nano)

    async def open_named(self, request: Request, decision: Decision, worst_usd: float, tokens: int) -> Entry:
        """As :meth:`open`, for a decision that is not made by choice and may use so much at most."""
        self.ledger.check()
        who = who_asks(request, decision.policy.name)
        id, nano = self._new_id(), {decision.target.model or "": _up(worst_usd)}
        hold = await self.budgets.reserve(id, who, Needs(nano, tokens), self._clock())
        return Entry(id, decision, decision, who, hold, nano)

    def close(
        self, request: Request, entry: Entry, outcome: Outcome, timing: Timing, on_record: OnRecord | None = None
    ) -> None:
        """Settle and record what happened, and tell ``on_record``. Never blocks; may be called from any thread."""
        now_s, decision, who = self._clock(), entry.decision, entry.who
        spent: dict[str, int] = {}
        rates: dict[str, Mapping[str, float]] = {}
        tokens, is_priced = 0, True
        for attempt in outcome.attempts:
            if attempt.kind != "llm":
                continue
            model, usage, usd = attempt.model, attempt.usage, attempt.usd
            tokens += usage.input + usage.output
            deployment = self._deployments.get(model)
            if deployment is not None and model not in rates and usage != _NOTHING:
                rates[model] = self._rates.get(model) or rates_of(deployment.price, usage)
            if usd is None:
                is_priced = False
            cost = entry.worst.get(model, 0) if usd is None else to_nano(usd)
            spent[model] = spent.get(model, 0) + cost
        if entry.hold.counts:
            self.budgets.settle(entry.hold, spent, tokens)
        messages: tuple[Message, ...] = ()
        if self._keeps_contents:
            messages = request.messages
        else:
            outcome = msgspec.structs.replace(outcome, body=None)
            decision = _without_answer(decision)
        record = Record(
            id=f"{decision.id}.{entry.id[:_RUN]}",
            at_s=now_s,
            decision=decision,
            outcome=outcome,
            tenant=who.tenant,
            asked=facts_of(request),
            key=who.key,
            nano_usd=sum(spent.values()),
            is_priced=is_priced,
            rates=rates,
            template=template_of(request, self._split(request, decision)),
            timing=timing,
            messages=messages,
        )
        self.ledger.append(record)
        if on_record is not None:
            on_record(record)

    def record(self, request: Request, decision: Decision, outcome: Outcome, on_record: OnRecord | None = None) -> None:
        """Record what held nothing and is not limited: an answer that was given before, or that nothing ran."""
        entry = Entry(self._new_id(), decision, decision, who_asks(request, decision.policy.name), _NO_HOLD)
        self.close(request, entry, outcome, Timing(total=outcome.latency_ms), on_record)

    def _split(self, request: Request, decision: Decision) -> Split | None:
        """The text that is judged, as the decision knows it. Where contents are kept, models may be trained on them,
        and the template must not hang on which models were there to ask for it."""
        found = decision.signals.get("split")
        if found is None and self._keeps_contents:
            try:
                found = read_asked(request, self._memory)[1]
            except Exception as error:  # noqa: BLE001 a text that cannot be read must not cost the record
                log.error("%s: split, %s", DETECTOR_FAILED, type(error).__name__)
        return None if found is None else found.value


def who_asks(request: Request, policy: str) -> Who:
    """Whose request it is, as limits see it."""
    return Who(request.hints.tenant, request.hints.key, policy)


def rates_of(price: Price, usage: Usage) -> dict[str, float]:
    """The known prices of a call that used so much: USD a token, a call (``per_call``) and a unit (``per_UNIT``)."""
    at = price.at(usage.input)
    found = {name: rate for name in RATES if (rate := getattr(at, name)) is not None}
    if at.image_input is None and at.picture_token == 0.0:
        found["image_input"] = 0.0
    if at.per_call:
        found["per_call"] = at.per_call
    return found | {f"per_{kind}": rate for kind, _, rate in unit_lines(at.by_unit, usage.units)}


def _without_answer(decision: Decision) -> Decision:
    """The decision less what a local model wrote of the text: entities and spans are the prompt's own words."""
    evidence = decision.evidence
    if evidence is None or evidence.text is None:
        return decision
    bare = msgspec.structs.replace(evidence, text=None, answer=())
    local = decision.signals.get("local")
    signals = decision.signals
    if local is not None:
        signals = {**signals, "local": msgspec.structs.replace(local, value=bare)}
    return msgspec.structs.replace(decision, evidence=bare, signals=signals)


def _up(usd: float) -> int:
    """Whole nano-dollars, never less than ``usd``."""
    nano = to_nano(usd)
    return nano if nano / 1e9 >= usd else nano + 1
