"""What a policy does over all requests: rules that never fire or never decide, overlaps, gaps, contradictions.

Every claim is proved by a complete search of the requests that the policy can tell apart (``space.py``), and comes
with a request that shows it. What cannot be proved within the search's bounds is not claimed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from ..spec import validated, written
from ..types import Need, Verdict
from .compile import CompiledPolicy, CompiledRule
from .example_schema import Example
from .examples import given_signals
from .finding import Finding, Severity, finding
from .flow import FlowEnd
from .gaps import find_gap
from .judge import judge
from .logic import FALSE, TRUE
from .search import Found, Goal, Witness, every, fails, find, holds, witness
from .space import Domains, Formula, Space, make_space, possible

__all__ = ["prove"]

_Part = Literal["prefer", "tier"]


def prove(policy: CompiledPolicy) -> tuple[Finding, ...]:
    """All that can be proved wrong with ``policy``, in the order of its rules."""
    prover = _Prover(policy)
    return (
        *prover.unreachable(),
        *prover.contradictions(),
        *prover.shadowed(),
        *prover.overlaps(),
        *prover.gaps(),
        *prover.uncovered(),
    )


class _Prover:
    """The rules of one policy over its space; what was found never to fire is left out of every later question."""

    def __init__(self, policy: CompiledPolicy) -> None:
        self.policy, self.file = policy, policy.file
        self.space: Space = make_space(policy.file)
        self.rules = policy.rules
        self.formulas: dict[str, Formula] = dict(self.space.rules)
        self.refusing = [rule for rule in self.rules if rule.refuses]
        self.live: list[CompiledRule] = []
        self.idle: set[str] = set()  # rules that never decide

    # ----- one rule ----------------------------------------------------------------------------------------------

    def unreachable(self) -> Iterator[Finding]:
        for rule in self.rules:
            found = self._find(self._fires(rule))
            if found.is_impossible:
                yield finding(
                    self.file,
                    "error",
                    "unreachable",
                    f"{rule.id} never fires: this condition can never hold{self._reason(self.formulas[rule.id])}.",
                    *("rules", rule.id, "when"),
                )
            else:
                self.live.append(rule)
        for step in self.file.flow:
            formula = self.space.steps[step.id]
            if self._find(holds(formula)).is_impossible:
                message = f"the answer of {step.id} is never yes: this condition can never hold{self._reason(formula)}."
                yield finding(self.file, "error", "unreachable", message, "flow", step.id, "when")

    def _reason(self, formula: Formula) -> str:
        """The variable whose conditions exclude one another, where there is one."""
        left: dict[int, int] = {}
        for part in formula.parts if formula.kind == "all" else (formula,):
            if part.kind == "atom":
                left[part.variable] = left.get(part.variable, -1) & part.true
        return next(
            (f", for no {self.space.variables[at].name} is like that" for at, true in left.items() if not true), ""
        )

    def shadowed(self) -> Iterator[Finding]:
        """Rules that only recommend, and that never decide anything."""
        for rule in self.live:
            if self._is_inherited(rule):
                continue  # what overrules an inherited rule is meant to
            then = rule.rule.then
            if then is None or not set(dict(written(then))) <= {"prefer", "tier"} or rule.rule.strength == "tie":
                continue
            parts: list[_Part] = [part for part in ("prefer", "tier") if getattr(rule, part) is not None]
            if not all(self._never_decides(rule, part) for part in parts):
                continue
            shown = self._find(self._fires(rule)).domains
            if shown is None:
                continue
            decider = self._decider(shown, parts[0])
            self.idle.add(rule.id)
            agrees = decider is not None and all(getattr(rule, part) == getattr(decider, part) for part in parts)
            by = f"; here {decider.id} does" if decider is not None else ""
            message = f"{rule.id} never decides: whenever it fires, another rule does{by}."
            path = ("rules", rule.id)
            severity: Severity = "note" if agrees else "error"
            yield finding(self.file, severity, "shadowed", message, *path, witness=witness(self.space, shown))

    def _never_decides(self, rule: CompiledRule, part: _Part) -> bool:
        return self._find(self._decides(rule, part)).is_impossible

    def _decides(self, rule: CompiledRule, part: _Part) -> Goal:
        """Whether ``rule`` fires, wins ``part`` and nothing refuses the request."""
        candidates = [other for other in self.live if getattr(other, part) is not None and other is not rule]
        enders = [other for other in candidates if rule.index in other.beats] + self.refusing
        before = [
            (other, [one for one in [rule, *candidates] if other.index in one.beats])
            for other in candidates
            if other.index < rule.index and rule.index not in other.beats
        ]

        formula_of = self.formulas

        def goal(domains: Sequence[int]) -> bool | Formula:
            fires = self._possible(rule, domains)
            if not fires & TRUE:
                return False
            undecided = [] if fires == TRUE else [formula_of[rule.id]]
            for other in enders:
                ends = self._possible(other, domains)
                if ends == TRUE:
                    return False
                if ends & TRUE:
                    undecided.append(formula_of[other.id])
            for other, beaters in before:
                rival = self._possible(other, domains)
                if not rival & TRUE:
                    continue
                beaten = [(self._possible(beater, domains), beater) for beater in beaters]
                if any(answer == TRUE for answer, _ in beaten):
                    continue
                may_beat = [formula_of[beater.id] for answer, beater in beaten if answer & TRUE]
                if rival != TRUE:
                    undecided.append(formula_of[other.id])
                elif not may_beat:
                    return False
                else:
                    undecided += may_beat
            return undecided[0] if undecided else True

        return goal

    def _decider(self, domains: Domains, part: _Part) -> CompiledRule | None:
        """Who decides the request that a finding shows, by the real judge."""
        verdict = self._judged(domains)
        if verdict is None:
            return None
        by_id = {rule.id: rule for rule in self.rules}
        if verdict.refused_by is not None:
            return by_id.get(verdict.refused_by)
        deciders = [by_id[fired.id] for fired in verdict.rules if fired.decisive and fired.id in by_id]
        return next((rule for rule in deciders if getattr(rule, part) is not None), None)

    def _judged(self, domains: Domains) -> Verdict | None:
        shown = dict(witness(self.space, domains))
        shown.pop("tools", None)
        shown.pop("stream", None)
        signals = given_signals(validated(Example, {"name": "shown", **shown, "expect": {"warns": True}}))
        verdict = judge(self.policy, signals, signals.request)
        return None if isinstance(verdict, Need) else verdict

    def _is_inherited(self, rule: CompiledRule) -> bool:
        return self.file.place("rules", rule.id).file != self.file.file

    # ----- two rules ---------------------------------------------------------------------------------------------

    def contradictions(self) -> Iterator[Finding]:
        for rule in self.live:
            then = rule.rule.then
            if then is None:
                continue
            require, forbid = set(then.require or ()), set(then.forbid or ())
            path: tuple[str, ...] = ("rules", rule.id, "then")
            both = sorted(require & forbid)
            message = None
            if both:
                message = f"{', '.join(both)} is both required and forbidden."
            elif then.prefer in forbid or then.tier in forbid:
                word = then.prefer if then.prefer in forbid else then.tier
                message = f"{word} is both recommended and forbidden."
            elif {"local", "llm"} <= require:
                message, path = "no target is both local and an LLM.", (*path, "require")
            if message is not None:
                yield finding(self.file, "error", "contradiction", message, *path, witness=self._shown(rule))
                continue
            for other in self.live:
                wanted = other.rule.then
                clash = sorted(require & set((wanted.forbid if wanted else None) or ()))
                if other is rule or not clash:
                    continue
                apart = self._find(every([self._fires(rule), self._is_not(other)]))
                if apart.is_impossible:
                    message = f"whenever {rule.id} requires {', '.join(clash)}, {other.id} forbids it."
                    yield finding(self.file, "error", "contradiction", message, *path, witness=self._shown(rule))

    def overlaps(self) -> Iterator[Finding]:
        """Two rules that recommend different things, where nothing but their place in the file decides."""
        for at, rule in enumerate(self.live):
            for other in self.live[at + 1 :]:
                if not self._are_equals(rule, other):
                    continue
                for part in ("prefer", "tier"):
                    ours, theirs = getattr(rule, part), getattr(other, part)
                    if ours is None or theirs is None or ours == theirs:
                        continue
                    found = self._find(every([self._fires(other), self._decides(rule, part)]))
                    if found.domains is None:
                        continue
                    message = (
                        f"{rule.id} ({ours}) and {other.id} ({theirs}) can both fire, and only their order in the file "
                        f"decides; say which stands `over` the other."
                    )
                    shown = witness(self.space, found.domains)
                    yield finding(self.file, "warning", "overlap", message, "rules", other.id, witness=shown)

    def _are_equals(self, rule: CompiledRule, other: CompiledRule) -> bool:
        generation = self.file.generation
        if self._is_inherited(rule) and self._is_inherited(other):
            return False  # theirs to say
        if self.idle & {rule.id, other.id}:
            return False  # told already
        return (
            rule.condition.size == other.condition.size
            and generation[rule.id] == generation[other.id]
            and rule.strength == other.strength
            and rule.rule.step == other.rule.step
            and rule.index not in other.beats
            and other.index not in rule.beats
        )

    # ----- what nobody speaks of ---------------------------------------------------------------------------------

    def gaps(self) -> Iterator[Finding]:
        """Flagged requests are protected, unchecked ones are not."""
        gap = find_gap(self.file, self.space)
        if gap is not None:
            path = ("rules", gap.rule, "when")
            yield finding(self.file, "warning", "gap", gap.message, *path, witness=gap.witness)

    def uncovered(self) -> Iterator[Finding]:
        """Requests that no rule and no step of the flow speaks of."""
        speaking = [rule for rule in self.live if rule.prefer is not None or rule.refuses]
        goal = every([self._is_not(rule) for rule in speaking] + [self._leads_nowhere()])
        found = self._find(goal)
        if found.domains is None:
            return
        where = self.policy.prefer if self.policy.tier is None else f"{self.policy.prefer}/{self.policy.tier}"
        message = f"some requests are spoken of by no rule and no step; they go by otherwise ({where})."
        shown = witness(self.space, found.domains)
        yield finding(self.file, "note", "gap", message, "otherwise", witness=shown)

    def _leads_nowhere(self) -> Goal:
        flow = self.policy.flow

        def goal(domains: Sequence[int]) -> bool | Formula:
            at: int | FlowEnd | None = 0 if flow is not None else None
            while flow is not None and isinstance(at, int):
                formula = self.space.steps[flow.steps[at].step.id]
                answers = possible(formula, domains)
                if answers.bit_count() > 1:
                    return formula
                step = flow.steps[at]
                at = step.yes if answers == TRUE else step.no if answers == FALSE else step.unknown
            return not isinstance(at, FlowEnd) or at.prefer is None

        return goal

    # ----- questions ---------------------------------------------------------------------------------------------

    def _possible(self, rule: CompiledRule, domains: Sequence[int]) -> int:
        return possible(self.formulas[rule.id], domains)

    def _fires(self, rule: CompiledRule) -> Goal:
        return holds(self.formulas[rule.id])

    def _is_not(self, rule: CompiledRule) -> Goal:
        return fails(self.formulas[rule.id])

    def _find(self, goal: Goal) -> Found:
        return find(self.space, goal)

    def _shown(self, rule: CompiledRule) -> Witness | None:
        found = self._find(self._fires(rule)).domains
        return None if found is None else witness(self.space, found)
