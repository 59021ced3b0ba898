"""Signals -> Verdict, or the slow signals that a verdict still needs. Pure: whoever asks fetches them and asks again.

Everything that binds (refuse, redact, require, forbid, check, budget) is collected from all rules that fire. Of the
recommendations one decides: a rule that another fired rule names in ``over`` is out, then the first in the order of
precedence wins; without any, the decision flow says where to go, and after it ``otherwise``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from ..types import Budget, Fired, Need, Request, SignalName, Signals, Strength, Tier, Verdict
from .compile import CompiledPolicy, CompiledRule
from .conditions import FACTS, Values
from .flow import FlowEnd
from .when import TRUE, pending_answers

__all__ = ["judge"]


def judge(policy: CompiledPolicy, signals: Signals, request: Request) -> Verdict | Need:
    """What ``policy`` says of ``request``; :class:`Need` names slow signals that could still change it."""
    values = Values(signals, request)
    by_task = policy.by_task
    fired = [rule for rule, check in by_task.get(values["task"] or "", by_task[""]) if check is None or check(values)]
    end = policy.flow.end(values) if policy.flow is not None else None
    # Only a value that was read and is unknown can be a slow signal that nobody fetched yet.
    if None in values.values():
        pending = signals.missing(_unknown_signals(values))
        if pending:
            return _with_pending(policy, values, frozenset(pending))
    return _verdict(policy, values, fired, end)


def _unknown_signals(values: Values) -> set[SignalName]:
    return {_signal(key) for key, value in values.items() if value is None}


def _signal(key: str) -> SignalName:
    fact = FACTS.get(key)
    return key if fact is None or fact.signal is None else fact.signal


def _verdict(policy: CompiledPolicy, values: Values, fired: list[CompiledRule], end: FlowEnd | None) -> Verdict:
    chosen, tiered = _winner(fired, "prefer"), _winner(fired, "tier")
    rules: list[Fired] = []
    flow_decides = False
    strength: Strength = "weak"
    if chosen is not None:
        prefer, strength = chosen.prefer or policy.prefer, chosen.strength
    elif end is not None and end.prefer is not None:
        prefer, strength, flow_decides = end.prefer, "strong", True
    else:
        prefer = policy.prefer
    tier: Tier | None = tiered.tier if tiered is not None else None
    if tier is None and end is not None and end.tier is not None and prefer != "local":
        tier, flow_decides = end.tier, True
    if tier is None and chosen is None and not flow_decides:
        tier = policy.tier
    refusing = _refusing(fired)
    if refusing is not None:
        rules.append(refusing.decisive)
    elif chosen is not None:
        rules.append(chosen.decisive)
    for rule in fired:
        if refusing is not None:
            if rule is not refusing:
                rules.append(rule.fired)
        elif rule is not chosen:
            rules.append(rule.decisive if rule is tiered else rule.fired)
    if end is not None:
        step = end.decisive if flow_decides and refusing is None else end.fired
        if flow_decides and chosen is None and refusing is None:
            rules.insert(0, step)
        else:
            rules.append(step)
    max_error = policy.max_error.get(values["task"] or "") if policy.max_error else None
    binding = [rule for rule in fired if rule.binds]
    if not binding:
        return Verdict(
            prefer=prefer,
            tier=tier,
            strength=strength,
            budget=policy.budget,
            objective=policy.objective,
            max_error=max_error,
            rules=tuple(rules),
        )
    thens = [rule.then for rule in binding]
    budgets = [then.budget for then in thens if then.budget is not None]
    return Verdict(
        refuse=refusing.then.refuse if refusing is not None else None,
        refused_by=refusing.id if refusing is not None else None,
        forbid=frozenset(word for then in thens for word in then.forbid or ()),
        require=frozenset(word for then in thens for word in then.require or ()),
        prefer=prefer,
        tier=tier,
        strength=strength,
        redact=frozenset(word for then in thens for word in then.redact or ()),
        check=frozenset(word for then in thens for word in then.check or ()),
        warnings=tuple(then.warn for then in thens if then.warn is not None),
        budget=Budget(
            max_usd=_least([policy.budget.max_usd, *(limit.max_usd for limit in budgets)]),
            max_latency_ms=_least([policy.budget.max_latency_ms, *(limit.max_latency_ms for limit in budgets)]),
        ),
        objective=policy.objective,
        rank=tuple(dict.fromkeys(word for then in thens for word in then.rank or ())),
        max_error=max_error,
        rules=tuple(rules),
    )


def _winner(fired: list[CompiledRule], what: Literal["prefer", "tier"]) -> CompiledRule | None:
    """The first rule that recommends and that no other fired rule with a say in ``what`` overrules."""
    first: CompiledRule | None = None
    beaten: frozenset[int] = frozenset()
    candidates = []
    for rule in fired:
        if (rule.prefer if what == "prefer" else rule.tier) is not None:
            candidates.append(rule)
            if first is None:
                first = rule
            if rule.beats:
                beaten |= rule.beats
    if first is None or first.index not in beaten:
        return first
    return next((rule for rule in candidates if rule.index not in beaten), first)


def _refusing(fired: list[CompiledRule]) -> CompiledRule | None:
    for rule in fired:
        if rule.binds and rule.then.refuse is not None:
            return rule
    return None


def _least(limits: Iterable[float | None]) -> float | None:
    return min((limit for limit in limits if limit is not None), default=None)


# ----- while slow signals are pending ---------------------------------------------------------------------------


def _with_pending(policy: CompiledPolicy, values: Values, pending: frozenset[SignalName]) -> Verdict | Need:
    """The verdict if the pending signals cannot change it, else those that can."""
    fired: list[CompiledRule] = []
    open_rules: list[CompiledRule] = []
    for rule in policy.rules:
        possible = pending_answers(rule.condition, values, pending)
        if possible == TRUE:
            fired.append(rule)
        elif possible & TRUE:
            open_rules.append(rule)
    needed: set[SignalName] = set()
    end = policy.flow.end(values) if policy.flow is not None else None
    if _refusing(fired) is None:
        chosen, tiered = _winner(fired, "prefer"), _winner(fired, "tier")
        for rule in open_rules:
            if (
                rule.binds
                or (rule.prefer is not None and _could_win(rule, chosen, fired))
                or (rule.tier is not None and _could_win(rule, tiered, fired))
            ):
                needed |= rule.condition.reads & pending
        if chosen is None or (tiered is None and chosen.prefer != "local"):
            needed |= _needed_by_flow(policy, values, pending)
    return Need(signals=tuple(sorted(needed))) if needed else _verdict(policy, values, fired, end)


def _could_win(rule: CompiledRule, winner: CompiledRule | None, fired: list[CompiledRule]) -> bool:
    return winner is None or rule.index < winner.index or any(other.index in rule.beats for other in fired)


def _needed_by_flow(policy: CompiledPolicy, values: Values, pending: frozenset[SignalName]) -> frozenset[SignalName]:
    at: int | FlowEnd | None = 0 if policy.flow is not None else None
    while policy.flow is not None and isinstance(at, int):
        step = policy.flow.steps[at]
        reads = step.condition.reads & pending
        if reads and pending_answers(step.condition, values, pending).bit_count() > 1:
            return reads
        answer = step.condition.check(values)
        at = step.unknown if answer is None else step.yes if answer else step.no
    return frozenset()
