"""Routes that cannot be taken: what a policy's rules ask for, against what is registered. Nothing is called.

Each rule is given its best case (the shortest request that it can fire for, the largest limits, a local model that may
answer); where no candidate passes even then, none ever does. What is not certain is not claimed.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..policy.compile import CompiledPolicy, CompiledRule
from ..policy.finding import Finding, finding
from ..policy.search import Witness
from ..types import Budget
from .best_case import BestCases, Case
from .candidates import Fleet
from .leaks import Leaks

__all__ = ["find_infeasible"]


def find_infeasible(policy: CompiledPolicy, fleet: Fleet) -> tuple[Finding, ...]:
    """Rules that no registered model can follow, safety rules that a fallback leaves, promises that no card makes.

    Credentials do not matter: a deployment without a key here counts as registered.
    """
    study = _Study(BestCases(policy, fleet))
    return (*study.rules(), *study.promises())


class _Study:
    def __init__(self, cases: BestCases) -> None:
        self.cases, self.policy, self.file, self.fleet = cases, cases.policy, cases.file, cases.fleet
        self.leaks = Leaks(cases)

    def rules(self) -> Iterator[Finding]:
        whole = self.cases.of_any()
        if not whole.able():
            path = "budgets" if self.policy.budget != Budget() else "policy"
            nothing: Witness = {"signals": {}}
            yield finding(self.file, "error", "infeasible", _nobody("any request", whole), path, witness=nothing)
            return
        inherited: list[str] = []
        for rule in self.policy.rules:
            case = self.cases.of(rule)
            if any(other.refuses for other in case.sure):
                continue
            is_inherited = self.file.place("rules", rule.id).file != self.file.file
            if not case.able() and is_inherited:
                inherited.append(rule.id)
                continue
            if not case.able():
                message = _nobody(f"what {rule.id} speaks of", case)
                shown = self.cases.shown(rule)
                yield finding(self.file, "error", "infeasible", message, "rules", rule.id, "then", witness=shown)
                continue
            yield from self._wishes(rule, case)
            yield from self.leaks.of(rule, case)
        if inherited:
            message = f"no registered model can ever answer what {len(inherited)} inherited rules speak of: "
            yield finding(self.file, "note", "infeasible", f"{message}{', '.join(inherited)}.", "extends")

    def _wishes(self, rule: CompiledRule, case: Case) -> Iterator[Finding]:
        """Recommendations that nobody registered can follow."""
        path = ("rules", rule.id, "then")
        if rule.prefer == "local" and not case.able("local"):
            tasks = ", ".join(self.cases.tasks(case.domains)) or "it"
            message = f"{rule.id} prefers a local model, but none that is registered may ever answer ({tasks})."
            yield finding(self.file, "note", "infeasible", message, *path, witness=self.cases.shown(rule))
        if rule.tier is not None and case.able("llm") and not case.able("llm", rule.tier):
            message = f"{rule.id} asks for the {rule.tier} tier, but no registered deployment of it is able."
            yield finding(self.file, "warning", "infeasible", message, *path, "tier", witness=self.cases.shown(rule))
        known = frozenset[str]().union(*self.fleet.traits.values()) if self.fleet.traits else frozenset()
        for name, wanted in rule.asks:
            missing = [tag for tag in wanted if tag not in known] if name == "rank" else []
            if missing:
                message = f"{rule.id} ranks by {', '.join(missing)}, which no registered deployment has."
                yield finding(self.file, "note", "infeasible", message, *path, "rank", witness=self.cases.shown(rule))

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


def _nobody(what: str, case: Case) -> str:
    by_reason: dict[str, list[str]] = {}
    for each in case.found:
        if each.failed not in (None, "model"):
            by_reason.setdefault(each.reason or "", []).append(each.model)
    told = "; ".join(
        f"{', '.join(models[:3])}{' ...' if len(models) > 3 else ''}: {reason}" for reason, models in by_reason.items()
    )
    return f"no registered model can ever answer {what} ({told or 'none is registered'})."
