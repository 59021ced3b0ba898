"""Routes that cannot be taken: what a policy's rules ask for, against what is registered. Nothing is called.

Each rule is given its best case (the shortest request that it can fire for, the largest limits, a local model that may
answer); where no candidate passes even then, none ever does. What is not certain is not claimed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from ..policy.compile import CompiledPolicy, CompiledRule
from ..policy.finding import Finding, finding
from ..policy.search import Witness, find, holds, witness
from ..policy.space import Domains, make_space, narrowed, possible
from ..policy.when import TRUE
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

__all__ = ["find_infeasible"]

_INFINITE = float("inf")
_NOW = Snapshot(id="best case", now_s=0.0)


def find_infeasible(policy: CompiledPolicy, fleet: Fleet) -> tuple[Finding, ...]:
    """Rules that no registered model can follow, safety rules that a fallback leaves, promises that no card makes.

    Credentials do not matter: a deployment without a key here counts as registered.
    """
    study = _Study(policy, msgspec.structs.replace(fleet, is_plan=True))
    return (*study.rules(), *study.promises())


class _Case(msgspec.Struct, frozen=True, kw_only=True):
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


class _Study:
    def __init__(self, policy: CompiledPolicy, fleet: Fleet) -> None:
        self.policy, self.file, self.fleet = policy, policy.file, fleet
        self.space = make_space(policy.file)

    def rules(self) -> Iterator[Finding]:
        whole = self._case(self.space.whole)
        if not whole.able():
            path = "budgets" if self.policy.budget != Budget() else "policy"
            nothing: Witness = {"signals": {}}
            yield finding(self.file, "error", "infeasible", _nobody("any request", whole), path, witness=nothing)
            return
        inherited: list[str] = []
        for rule in self.policy.rules:
            case = self._case(narrowed(self.space.rules[rule.id], self.space.whole))
            if any(other.refuses for other in case.sure):
                continue
            is_inherited = self.file.place("rules", rule.id).file != self.file.file
            if not case.able() and is_inherited:
                inherited.append(rule.id)
                continue
            if not case.able():
                message = _nobody(f"what {rule.id} speaks of", case)
                shown = self._shown(rule)
                yield finding(self.file, "error", "infeasible", message, "rules", rule.id, "then", witness=shown)
                continue
            yield from self._wishes(rule, case)
            yield from self._leaks(rule, case)
        if inherited:
            message = f"no registered model can ever answer what {len(inherited)} inherited rules speak of: "
            yield finding(self.file, "note", "infeasible", f"{message}{', '.join(inherited)}.", "extends")

    def _wishes(self, rule: CompiledRule, case: _Case) -> Iterator[Finding]:
        """Recommendations that nobody registered can follow."""
        path = ("rules", rule.id, "then")
        if rule.prefer == "local" and not case.able("local"):
            tasks = ", ".join(self._tasks(case.domains)) or "it"
            message = f"{rule.id} prefers a local model, but none that is registered may ever answer ({tasks})."
            yield finding(self.file, "note", "infeasible", message, *path, witness=self._shown(rule))
        if rule.tier is not None and case.able("llm") and not case.able("llm", rule.tier):
            message = f"{rule.id} asks for the {rule.tier} tier, but no registered deployment of it is able."
            yield finding(self.file, "warning", "infeasible", message, *path, "tier", witness=self._shown(rule))
        known = frozenset[str]().union(*self.fleet.traits.values()) if self.fleet.traits else frozenset()
        for name, wanted in rule.asks:
            missing = [tag for tag in wanted if tag not in known] if name == "rank" else []
            if missing:
                message = f"{rule.id} ranks by {', '.join(missing)}, which no registered deployment has."
                yield finding(self.file, "note", "infeasible", message, *path, "rank", witness=self._shown(rule))

    def _leaks(self, rule: CompiledRule, case: _Case) -> Iterator[Finding]:
        """Safety rules that only recommend a local model: what comes after it is bound by nothing."""
        at = self.space.index("safety")
        if at is None or rule.prefer != "local" or at not in self.space.rules[rule.id].variables:
            return
        clean = next(
            (1 << bit for bit, one in enumerate(self.space.variables[at].regions) if one.facts["safety"] == ()), 0
        )
        is_safety_rule = not case.domains[at] & clean
        hosted = [each.model for each in case.able("llm") if not self.fleet.deployments[each.model].in_house]
        if not is_safety_rule or not hosted or case.verdict.redact:
            return
        message = (
            f"{rule.id} only recommends a local model for flagged requests: when none may answer, {hosted[0]} gets "
            f"them as they are; add `forbid: llm` or `redact`."
        )
        shown = self._shown(rule)
        yield finding(self.file, "warning", "unsafe-fallback", message, "rules", rule.id, "then", witness=shown)

    def promises(self) -> Iterator[Finding]:
        for index, promise in enumerate(self.file.promises):
            cards = [card for card in self.fleet.local.values() if promise.task in (card.task, *card.also_tasks)]
            if any(card.promise.get("max_error", 1.0) <= promise.max_error for card in cards):
                continue
            made = [
                f"{card.name} promises {card.promise['max_error']:.3g}" for card in cards if "max_error" in card.promise
            ]
            has = "; ".join(made) or ("their cards promise nothing" if cards else "no local model is registered for it")
            message = (
                f"no local model may answer {promise.task} under an error of {promise.max_error:.3g}: {has}; "
                f"calibrate one, or ask for less."
            )
            shown: Witness = {"signals": {"task": promise.task, "may_answer": True}}
            yield finding(self.file, "warning", "uncalibrated", message, "promises", index, witness=shown)

    # ----- the best case -----------------------------------------------------------------------------------------

    def _case(self, domains: Domains) -> _Case:
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
        return _Case(domains=domains, sure=sure, verdict=verdict, found=tuple(found.values()))

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
        limits = [self.policy.max_error.get(task, 1.0) for task in self._tasks(domains)] or [1.0]
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
        tasks = self._tasks(domains)
        for card in self.fleet.local.values():
            if not tasks or not {card.task, *card.also_tasks}.isdisjoint(tasks):
                yield LocalEvidence(model=card.name, probability=1.0)

    def _tasks(self, domains: Domains) -> list[str]:
        """The tasks that the rule can fire for; none when it does not ask."""
        at = self.space.index("task")
        if at is None or domains[at] == self.space.variables[at].all:
            return []
        return list(dict.fromkeys(self._facts(domains, "task", "task")))

    def _facts(self, domains: Domains, variable: str, fact: str) -> list[Any]:
        at = self.space.index(variable)
        if at is None:
            return []
        regions = self.space.variables[at].regions
        values = [one.facts.get(fact) for bit, one in enumerate(regions) if domains[at] >> bit & 1]
        return [value for value in values if value is not None]

    def _shown(self, rule: CompiledRule) -> Witness | None:
        found = find(self.space, holds(self.space.rules[rule.id])).domains
        return None if found is None else witness(self.space, found)


def _nobody(what: str, case: _Case) -> str:
    by_reason: dict[str, list[str]] = {}
    for each in case.found:
        if each.failed not in (None, "model"):
            by_reason.setdefault(each.reason or "", []).append(each.model)
    told = "; ".join(
        f"{', '.join(models[:3])}{' ...' if len(models) > 3 else ''}: {reason}" for reason, models in by_reason.items()
    )
    return f"no registered model can ever answer {what} ({told or 'none is registered'})."
