"""Fallbacks and copies against what is registered and against the rules that protect: who would get a request that
another rule keeps from him. Every finding has a request that shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..catalogue import Deployment
from ..document import did_you_mean
from ..policy.compile import CompiledRule
from ..policy.finding import Finding, Kind, Severity, finding
from ..policy.search import Found, Goal, Witness, every, fails, find, holds, witness
from ..policy.space import narrowed
from ..types import Verdict
from .beside import GENERAL, fits
from .best_case import BestCases, Case
from .losses import policy_loss

__all__ = ["Leaks"]


class Leaks:
    """What may be wrong with the fallbacks and mirrors of one policy's rules."""

    def __init__(self, cases: BestCases) -> None:
        self.cases, self.policy, self.file = cases, cases.policy, cases.file
        self.space, self.fleet = cases.space, cases.fleet
        self.keeping_local = [rule for rule in self.policy.rules if self._only_keeps_local(rule)]
        self.answered = [fails(self.space.rules[rule.id]) for rule in self.policy.rules if rule.refuses]

    def of(self, rule: CompiledRule, case: Case) -> Iterator[Finding]:
        """All findings of ``rule``, whose best case is ``case``."""
        yield from self._recommends_only(rule, case)
        yield from self._fallbacks(rule, case)
        yield from self._mirrors(rule, case)

    def _recommends_only(self, rule: CompiledRule, case: Case) -> Iterator[Finding]:
        """Safety rules that only recommend a local model: what comes after it is bound by nothing."""
        hosted = [each.model for each in case.able("llm") if not self.fleet.deployments[each.model].in_house]
        if rule not in self.keeping_local or not hosted or case.verdict.redact:
            return
        fires = holds(self.space.rules[rule.id])
        for name in hosted:
            shown = find(self.space, every([fires, *self._unprotected(self.fleet.deployments[name])]))
            if shown.is_impossible:
                continue
            message = (
                f"{rule.id} only recommends a local model for flagged requests: when none may answer, {name} gets "
                f"them as they are; add `forbid: llm` or `redact`."
            )
            path = ("rules", rule.id, "then")
            yield finding(self.file, "warning", "unsafe-fallback", message, *path, witness=self._written(shown))
            return

    def _only_keeps_local(self, rule: CompiledRule) -> bool:
        """Whether ``rule`` fires for flagged requests alone and does no more than prefer a local model."""
        at = self.space.index("safety")
        if at is None or rule.prefer != "local" or at not in self.space.rules[rule.id].variables:
            return False
        regions = self.space.variables[at].regions
        clean = next((1 << bit for bit, one in enumerate(regions) if one.facts["safety"] == ()), 0)
        return not narrowed(self.space.rules[rule.id], self.space.whole)[at] & clean

    # ----- fallbacks ---------------------------------------------------------------------------------------------

    def _fallbacks(self, rule: CompiledRule, case: Case) -> Iterator[Finding]:
        words = rule.fallback or ()
        fitting = {word: [each for each in self.fleet.deployments.values() if fits(each, word)] for word in words}
        named = [each for found in fitting.values() for each in found]
        for index, word in enumerate(words):
            path = ("rules", rule.id, "then", "fallback", index)
            if not fitting[word] and word in GENERAL:
                message = f"{rule.id} falls back to {word}, and no registered deployment is that."
                yield finding(self.file, "warning", "infeasible", message, *path, witness=self.cases.shown(rule))
                continue
            if not fitting[word]:
                yield self._unknown(rule, word, path)
                continue
            reasons = {each.model: each.reason for each in case.found if each.failed not in (None, "policy")}
            if all(each.name in reasons for each in fitting[word]):
                reason = reasons[fitting[word][0].name]
                message = f"{rule.id} falls back to {word}, which can never answer what it speaks of ({reason})."
                yield finding(self.file, "warning", "infeasible", message, *path, witness=self.cases.shown(rule))
                continue
            yield from self._kept_from(rule, fitting[word], "unsafe-fallback", f"falls back to {word}", path, named)
        if named and dict(rule.asks).get("escalate") is not None and all(each.tier == "small" for each in named):
            message = f"{rule.id} escalates to a larger model, and its fallbacks name none."
            where = ("rules", rule.id, "then", "fallback")
            yield finding(self.file, "warning", "infeasible", message, *where, witness=self.cases.shown(rule))

    # ----- mirrors -----------------------------------------------------------------------------------------------

    def _mirrors(self, rule: CompiledRule, case: Case) -> Iterator[Finding]:
        path = ("rules", rule.id, "then", "mirror", "to")
        for each in dict(rule.asks).get("mirror", ()):
            to = self.fleet.deployments.get(each.to)
            if to is None:
                yield self._unknown(rule, each.to, path)
                continue
            yield from self._kept_from(rule, [to], "unsafe-mirror", f"copies to {each.to}", path)
            yield from self._copied_as_they_are(rule, to, path)

    def _copied_as_they_are(self, rule: CompiledRule, to: Deployment, path: tuple[str, ...]) -> Iterator[Finding]:
        """Flagged requests that another rule keeps with a local model, and of which a copy leaves the house."""
        if to.in_house:
            return
        unprotected = self._unprotected(to)
        for other in self.keeping_local:
            both = [holds(self.space.rules[each.id]) for each in (rule, other)]
            shown = find(self.space, every([*both, *unprotected]))
            if shown.domains is None:
                continue
            message = (
                f"{rule.id} copies flagged requests to {to.name} as they are, and {other.id} would have a local model "
                f"answer them; add `forbid: llm` or `redact` there."
            )
            yield finding(self.file, "warning", "unsafe-mirror", message, *path, witness=self._written(shown))

    # ----- both --------------------------------------------------------------------------------------------------

    def _kept_from(
        self,
        rule: CompiledRule,
        named: Sequence[Deployment],
        kind: Kind,
        does: str,
        path: tuple[str | int, ...],
        among: Sequence[Deployment] = (),
    ) -> Iterator[Finding]:
        """A rule that forbids all that is ``named`` here: always, or else where both fire. ``among``: who else is."""
        fires = holds(self.space.rules[rule.id])
        keeping = [other for other in (rule, *self.policy.rules) if self._keeps_from(other, named)]
        for other in keeping:
            if find(self.space, every([fires, fails(self.space.rules[other.id])])).is_impossible:
                shown = find(self.space, every([fires, *self.answered]))
                if shown.is_impossible:  # nobody is asked at all
                    return
                who = "and forbids it itself" if other is rule else f"which {other.id} forbids whenever {rule.id} fires"
                message = f"{rule.id} {does}, {who}."
                yield finding(self.file, "error", kind, message, *path, witness=self._written(shown))
                return
        for other in keeping:
            both = find(self.space, every([fires, holds(self.space.rules[other.id]), *self.answered]))
            if both.domains is None:
                continue
            is_left = any(not self._keeps_from(other, [each]) for each in among)
            message = (
                f"{rule.id} {does}, which {other.id} forbids where both fire: there it is passed over"
                f"{'' if is_left or not among else ', and nobody is left'}."
            )
            severity: Severity = "note" if is_left else "warning"
            yield finding(self.file, severity, kind, message, *path, witness=self._written(both))
            return

    def _unprotected(self, to: Deployment) -> list[Goal]:
        """That no rule refuses a request, masks it, or keeps ``to`` from it."""
        return [
            fails(self.space.rules[other.id])
            for other in self.policy.rules
            if other.refuses or "redact" in dict(other.asks) or self._keeps_from(other, [to])
        ]

    def _written(self, shown: Found) -> Witness | None:
        return None if shown.domains is None else witness(self.space, shown.domains)

    def _keeps_from(self, other: CompiledRule, named: Sequence[Deployment]) -> bool:
        bound = _bound(other)
        return bound is not None and all(policy_loss(each, bound) is not None for each in named)

    def _unknown(self, rule: CompiledRule, word: str, path: tuple[str | int, ...]) -> Finding:
        deployments = self.fleet.deployments.values()
        known = [*self.fleet.deployments]
        if path[-1] != "to":
            known += [*GENERAL, *sorted({tag for each in deployments for tag in each.tags})]
        guess = did_you_mean(word, known)
        is_local = word == "local" or word in self.fleet.local
        tail = (
            "a local model answers first or not at all"
            if is_local
            else f'did you mean "{guess}"?'
            if guess
            else f"registered: {', '.join(list(self.fleet.deployments)[:12])}."
        )
        message = f'no registered deployment is called "{word}"; {tail}'
        return finding(self.file, "error", "unknown-name", message, *path, witness=self.cases.shown(rule))


def _bound(rule: CompiledRule) -> Verdict | None:
    """What ``rule`` alone forbids and requires, None where that is nothing."""
    asked = dict(rule.asks)
    if "forbid" not in asked and "require" not in asked:
        return None
    return Verdict(forbid=asked.get("forbid", frozenset()), require=asked.get("require", frozenset()))
