"""The best case of a rule: the shortest request that it can fire for, the largest limits, a local model that may
answer. Where no candidate passes even then, none ever does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from ..policy.compile import CompiledPolicy, CompiledRule
from ..policy.logic import TRUE
from ..policy.search import Witness, find, holds, witness
from ..policy.space import Domains, make_space, narrowed, possible
from ..types import (
    Budget,
    Candidate,
    Hints,
    LocalEvidence,
    Message,
    Request,
    Signal,
    Signals,
    Snapshot,
    TokenCount,
    Tool,
    Verdict,
)
from .candidates import Fleet, candidates

__all__ = ["BestCases", "Case"]

_INFINITE = float("inf")
_NOW = Snapshot(id="best case", now_s=0.0)


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """The best case of a rule: a request, what binds it for certain, and how each candidate does."""

    domains: Domains
    sure: tuple[CompiledRule, ...]
    verdict: Verdict
    found: tuple[Candidate, ...]

    def able(self, kind: Literal["local", "llm"] | None = None, tier: str | None = None) -> list[Candidate]:
        return [
            each
            for each in self.found
            if each.failed is None and kind in (None, each.kind) and tier in (None, each.tier)
        ]


class BestCases:
    """The best cases of a policy's rules among a fleet. Credentials do not matter: a deployment without a key here
    counts as registered."""

    def __init__(self, policy: CompiledPolicy, fleet: Fleet) -> None:
        self.policy, self.file = policy, policy.file
        self.fleet = msgspec.structs.replace(fleet, is_plan=True)
        self.space = make_space(policy.file)

    def of_any(self) -> Case:
        """The best case of any request."""
        return self._case(self.space.whole)

    def of(self, rule: CompiledRule) -> Case:
        """The best case of a request that ``rule`` fires for."""
        return self._case(narrowed(self.space.rules[rule.id], self.space.whole))

    def shown(self, rule: CompiledRule) -> Witness | None:
        """A request that ``rule`` fires for."""
        found = find(self.space, holds(self.space.rules[rule.id])).domains
        return None if found is None else witness(self.space, found)

    def tasks(self, domains: Domains) -> list[str]:
        """The tasks that are left in ``domains``; none where all are."""
        at = self.space.index("task")
        if at is None or domains[at] == self.space.variables[at].all:
            return []
        return list(dict.fromkeys(self._facts(domains, "task", "task")))

    def _case(self, domains: Domains) -> Case:
        sure = tuple(rule for rule in self.policy.rules if possible(self.space.rules[rule.id], domains) == TRUE)
        verdict = self._verdict(domains, sure)
        found: dict[str, Candidate] = {}
        request = self._request(domains)
        for evidence in (None, *self._evidence(domains)):
            best: dict[str, Any] = {"local": evidence, "tokens": self._tokens(domains)}
            known = {name: Signal(value=value, confidence=1.0, detector="best case") for name, value in best.items()}
            signals = Signals.given(request, known)
            for each in candidates(request, signals, verdict, self.fleet, _NOW):
                if each.model not in found or each.failed is None:
                    found[each.model] = each
        return Case(domains=domains, sure=sure, verdict=verdict, found=tuple(found.values()))

    def _verdict(self, domains: Domains, sure: tuple[CompiledRule, ...]) -> Verdict:
        asked: dict[str, Any] = {"forbid": frozenset(), "require": frozenset(), "redact": frozenset()}
        usd, ms = [self.policy.budget.max_usd], [self.policy.budget.max_latency_ms]
        for rule in sure:
            for name, value in rule.asks:
                if name in asked:
                    asked[name] |= value
                elif name == "budget":
                    usd.append(value.max_usd)
                    ms.append(value.max_latency_ms)
        limits = [self.policy.max_error.get(task, 1.0) for task in self.tasks(domains)] or [1.0]
        return Verdict(
            **asked,
            budget=Budget(
                max_usd=min((limit for limit in usd if limit is not None), default=None),
                max_latency_ms=min((limit for limit in ms if limit is not None), default=None),
            ),
            max_error=max(limits) if max(limits) < 1.0 else None,
        )

    def _request(self, domains: Domains) -> Request:
        usd = max(self._facts(domains, "budget.max_usd", "budget.max_usd"), default=_INFINITE)
        ms = max(self._facts(domains, "budget.max_latency_ms", "budget.max_latency_ms"), default=_INFINITE)
        modalities: frozenset[str] = min(self._facts(domains, "modality", "modality"), default=frozenset(), key=len)
        offers_tools = min(self._facts(domains, "tools", "tools"), default=False) is not False
        return Request(
            messages=(Message(role="user", text="", modalities=modalities),),
            tools=(Tool(name="any"),) if offers_tools else (),
            hints=Hints(
                budget=Budget(max_usd=None if usd == _INFINITE else usd, max_latency_ms=None if ms == _INFINITE else ms)
            ),
        )

    def _tokens(self, domains: Domains) -> TokenCount:
        def least(name: str) -> int:
            return int(min(self._facts(domains, "tokens", f"tokens.{name}"), default=1))

        return TokenCount(input=least("input"), output=least("output"), output_max=least("output_max"))

    def _evidence(self, domains: Domains) -> Iterator[LocalEvidence]:
        """What each local model would say at best; nothing where the rule rules local models out."""
        may = self._facts(domains, "local", "local.may_answer")
        rows = self._facts(domains, "annotated", "annotated")
        texts = self._facts(domains, "ood", "ood")
        if (may and True not in may) or (rows and max(rows) <= 0) or (texts and "in" not in texts):
            return
        tasks = self.tasks(domains)
        for card in self.fleet.local.values():
            if not tasks or not {card.task, *card.also_tasks}.isdisjoint(tasks):
                yield LocalEvidence(model=card.name, probability=1.0)

    def _facts(self, domains: Domains, variable: str, fact: str) -> list[Any]:
        at = self.space.index(variable)
        if at is None:
            return []
        regions = self.space.variables[at].regions
        values = [one.facts.get(fact) for bit, one in enumerate(regions) if domains[at] >> bit & 1]
        return [value for value in values if value is not None]
