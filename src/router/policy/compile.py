"""Resolved policy -> rules with their checks, in the order of precedence, indexed by task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

import msgspec

from ..types import TASKS, Budget, Escalation, Fired, Mirroring, Objective, SignalName, Strength, Tier, Verdict
from .code import Code, Fires, fires
from .flow import CompiledFlow, compile_flow
from .logic import NEVER, Condition, conjunction, first_gate
from .read import PolicyFile, matching_ids
from .schema import Rule
from .then_schema import Escalate, Then
from .when import conjuncts

__all__ = ["CompiledPolicy", "CompiledRule", "TaskRules", "compile_policy"]

Prefer = Literal["local", "llm", "tie"]

_STRENGTH: Final[Mapping[Strength, int]] = {"strong": 0, "weak": 1, "tie": 2}


class CompiledRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule, ready to be judged. ``index`` is its rank; ``beats`` the ranks of the rules that it overrules;
    ``asks`` holds what it asks for beyond a recommendation, as fields of a Verdict."""

    id: str
    index: int
    rule: Rule
    condition: Condition
    prefer: Prefer | None
    tier: Tier | None
    fallback: tuple[str, ...] | None
    strength: Strength
    beats: frozenset[int]
    refuses: bool
    asks: tuple[tuple[str, Any], ...]
    fired: Fired
    decisive: Fired


class TaskRules(msgspec.Struct, frozen=True, kw_only=True):
    """The rules that one task leaves: those that fire in any case, those to check, and those to check only when a fact
    (their gate) is neither false, zero, empty nor unknown. A rule is told by its index."""

    always: tuple[int, ...]
    checked: tuple[tuple[tuple[Code, ...], int], ...]
    gated: Mapping[str, tuple[tuple[tuple[Code, ...], int], ...]]

    def fires(self) -> Fires:
        """The function that tells which of them fire."""
        return fires(self.always, self.checked, self.gated)


class CompiledPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A policy that can judge.

    ``rules`` stand in the order of precedence; ``by_task`` holds the rules that may fire for each task (``""`` for an
    unknown one). ``names_fallbacks``: some rule does. ``reads``: all signals that some rule or step asks for.
    ``firing``: for the tasks that were asked for so far, the function that tells which rules fire. ``verdicts``: what
    was said before, by the task, the rules that fired and the end of the flow.
    """

    name: str
    hash: str
    rules: tuple[CompiledRule, ...]
    by_task: Mapping[str, TaskRules]
    flow: CompiledFlow | None
    prefer: Prefer
    tier: Tier | None
    objective: Objective
    budget: Budget
    max_error: Mapping[str, float]
    names_fallbacks: bool
    reads: frozenset[SignalName]
    file: PolicyFile
    firing: dict[str, Fires] = msgspec.field(default_factory=dict)
    verdicts: dict[tuple[str, str, tuple[int, ...]], Verdict] = msgspec.field(default_factory=dict)


def compile_policy(file: PolicyFile) -> CompiledPolicy:
    """Compile a resolved policy.

    Raises:
        ConfigError: a threshold that is not there, rules that overrule one another in a circle, a flow that leads
            nowhere or in a circle, a gap in a policy that is to fail closed.
    """
    acting = [rule for rule in file.rules if rule.then is not None]
    parts = {rule.id: conjuncts(file, rule.when, ("rules", rule.id, "when")) for rule in acting}
    conditions = {name: conjunction(found) for name, found in parts.items()}
    steps = {step.id: position for position, step in enumerate(file.flow)}
    position = {rule.id: place for place, rule in enumerate(acting)}

    def rank(rule: Rule) -> tuple[int, int, int, int, int]:
        step = steps.get(rule.step, len(steps)) if rule.step is not None else len(steps)
        size = conditions[rule.id].size
        return (-size, file.generation[rule.id], _STRENGTH[rule.strength], step, position[rule.id])

    ordered = sorted(acting, key=rank)
    ranks = {rule.id: index for index, rule in enumerate(ordered)}
    beats = {
        rule.id: frozenset(
            ranks[name] for pattern in rule.over for name in matching_ids(pattern, ranks) if name != rule.id
        )
        for rule in ordered
    }
    _check_no_circle(file, [rule.id for rule in ordered], beats)
    if file.fail_closed:
        from .gaps import check_closed
        from .space import make_space

        check_closed(file, make_space(file))
    rules = tuple(_rule(rule, ranks[rule.id], conditions[rule.id], beats[rule.id]) for rule in ordered)
    flow = compile_flow(file)
    reads = frozenset[str]().union(
        *(rule.condition.reads for rule in rules), *(step.condition.reads for step in (flow.steps if flow else ()))
    )
    return CompiledPolicy(
        name=file.name,
        hash=file.hash,
        rules=rules,
        by_task={task: _task_rules(task, rules, parts) for task in ("", *TASKS)},
        flow=flow,
        prefer=file.otherwise.prefer,
        tier=file.otherwise.tier,
        objective=file.objective,
        budget=file.budget,
        max_error={promise.task: float(promise.max_error) for promise in file.promises},
        names_fallbacks=any(rule.fallback is not None for rule in rules),
        reads=reads,
        file=file,
    )


def _rule(rule: Rule, index: int, condition: Condition, beats: frozenset[int]) -> CompiledRule:
    then = rule.then or Then(prefer="tie")
    strength: Strength | None = rule.strength if then.prefer or then.tier else None
    fired = Fired(id=rule.id, outcome=_outcome(then), strength=strength, why=rule.why, source=rule.source)
    return CompiledRule(
        id=rule.id,
        index=index,
        rule=rule,
        condition=condition,
        prefer=then.prefer,
        tier=then.tier,
        fallback=None if then.fallback is None else tuple(then.fallback),
        strength=rule.strength,
        beats=beats,
        refuses=then.refuse is not None,
        asks=_asks(then),
        fired=fired,
        decisive=msgspec.structs.replace(fired, decisive=True),
    )


def _asks(then: Then) -> tuple[tuple[str, Any], ...]:
    budget = then.budget
    asked: dict[str, Any] = {
        "refuse": then.refuse,
        "forbid": then.forbid and frozenset(then.forbid),
        "require": then.require and frozenset(then.require),
        "redact": then.redact and frozenset(then.redact),
        "check": then.check and frozenset(then.check),
        "on_flag": then.check and dict(then.check),
        # Without a hold-back the whole answer is held, which is stricter than any: 0 stands for it.
        "hold": then.check and (then.hold or 0),
        "escalate": then.escalate and _escalation(then.escalate),
        "mirror": then.mirror and (Mirroring(to=then.mirror.to, share=then.mirror.share),),
        "warnings": then.warn and (then.warn,),
        "rank": then.rank and tuple(then.rank),
        "budget": budget and Budget(max_usd=budget.max_usd, max_latency_ms=budget.max_latency_ms),
    }
    return tuple((field, value) for field, value in asked.items() if value is not None)


def _escalation(asked: Escalate) -> Escalation:
    return Escalation(on=frozenset(asked.on or ()), min_logprob=asked.min_logprob, checks=tuple(asked.check or ()))


def _outcome(then: Then) -> str:
    parts = []
    if then.prefer is not None:
        parts.append(f"{then.prefer} ({then.tier})" if then.tier else then.prefer)
    elif then.tier is not None:
        parts.append(f"{then.tier} tier")
    if then.refuse is not None:
        parts.append("refuse")
    for verb, words in (
        ("require", then.require),
        ("forbid", then.forbid),
        ("redact", then.redact),
        ("check", then.check),
        ("rank", then.rank),
    ):
        if words:
            parts.append(f"{verb} {', '.join(words)}")
    if then.fallback is not None:
        parts.append(f"fallback {', '.join(then.fallback) or 'nobody'}")
    if then.mirror is not None:
        parts.append(f"mirror {then.mirror.share * 100:.3g}% to {then.mirror.to}")
    if then.escalate is not None:
        parts.append("escalate")
    if then.budget is not None:
        parts.append("budget")
    if then.warn is not None:
        parts.append("warn")
    return "; ".join(parts)


def _check_no_circle(file: PolicyFile, ids: list[str], beats: Mapping[str, frozenset[int]]) -> None:
    done: set[str] = set()
    for start in ids:
        way: list[str] = []
        stack: list[tuple[str, bool]] = [(start, False)]
        while stack:
            name, leaving = stack.pop()
            if leaving:
                done.add(name)
                way.pop()
                continue
            if name in way:
                circle = " over ".join([*way[way.index(name) :], name])
                raise file.error(f"rules overrule one another in a circle: {circle}.", "rules", name, "over")
            if name in done:
                continue
            way.append(name)
            stack.append((name, True))
            stack.extend((ids[beaten], False) for beaten in beats[name])


def _task_rules(task: str, rules: Iterable[CompiledRule], parts_of: Mapping[str, list[Condition]]) -> TaskRules:
    always: list[int] = []
    checked: list[tuple[tuple[Code, ...], int]] = []
    gated: dict[str, list[tuple[tuple[Code, ...], int]]] = {}
    for rule in rules:
        left = [rest for part in parts_of[rule.id] if (rest := part.given(task)) is not None]
        if any(part is NEVER for part in left):
            continue
        codes = tuple(part.code for part in left)
        gate = first_gate(left)
        if not codes:
            always.append(rule.index)
        elif gate is None:
            checked.append((codes, rule.index))
        else:
            gated.setdefault(gate, []).append((codes, rule.index))
    return TaskRules(
        always=tuple(always),
        checked=tuple(checked),
        gated={gate: tuple(entries) for gate, entries in gated.items()},
    )
