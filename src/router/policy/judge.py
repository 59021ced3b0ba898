"""Signals -> Verdict, or the slow signals that a verdict still needs. Pure: whoever asks fetches them and asks again.

Everything that binds (refuse, redact, require, forbid, check, budget) is collected from all rules that fire. Of the
recommendations one decides: a rule that another fired rule names in ``over`` is out, then the first in the order of
precedence wins; without any, the decision flow says where to go, and after it ``otherwise``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from ..types import Budget, Escalation, Mirroring, Need, OnFlag, Request, SignalName, Signals, Strength, Verdict
from .compile import CompiledPolicy, CompiledRule
from .conditions import Values
from .flow import FlowEnd
from .logic import TRUE, pending_answers

__all__ = ["judge"]

_MOST_VERDICTS = 1024


def judge(policy: CompiledPolicy, signals: Signals, request: Request) -> Verdict | Need:
    """What ``policy`` says of ``request``; :class:`Need` names slow signals that could still change it."""
    values = Values(signals, request)
    task: str = values.setdefault("task", signals.get("task").value) or ""
    fired = _fired(policy, values, task)
    end = policy.flow.end(values) if policy.flow is not None else None
    # Where every fact that was read is known, no signal that nobody fetched yet had a say. Where one is not, all such
    # signals count as open: what stands behind an unknown gate was not read at all.
    if None in values.values():
        pending = signals.missing(policy.reads)
        if pending:
            return _with_pending(policy, values, frozenset(pending))
    told = (task, "" if end is None else end.name, tuple(fired))
    verdict = policy.verdicts.get(told)
    if verdict is None:
        verdict = _verdict(policy, task, [policy.rules[index] for index in fired], end)
        if len(policy.verdicts) < _MOST_VERDICTS:
            policy.verdicts[told] = verdict
    return verdict


def _fired(policy: CompiledPolicy, values: Values, task: str) -> list[int]:
    """The indexes of the rules that fire, in the order of precedence."""
    fires = policy.firing.get(task)
    if fires is None:
        named = task if task in policy.by_task else ""
        fires = policy.firing[named] = policy.firing.get(named) or policy.by_task[named].fires()
    try:
        return fires(values)
    except TypeError:  # a detector of the user's own gave a value of another kind: for the check that reads it, none
        return [rule.index for rule in policy.rules if rule.condition.check(values)]


def _verdict(policy: CompiledPolicy, task: str, fired: list[CompiledRule], end: FlowEnd | None) -> Verdict:
    chosen, tiered = _winner(fired, "prefer"), _winner(fired, "tier")
    refusing = _refusing(fired)
    flow_decides = False
    strength: Strength = "weak"
    prefer = policy.prefer
    if chosen is not None:
        prefer, strength = chosen.prefer or prefer, chosen.strength
    elif end is not None and end.prefer is not None:
        prefer, strength, flow_decides = end.prefer, "strong", True
    tier = tiered.tier if tiered is not None else None
    if tier is None and end is not None and end.tier is not None and prefer != "local":
        tier, flow_decides = end.tier, True
    if tier is None and chosen is None and not flow_decides:
        tier = policy.tier
    if refusing is not None:
        rules = [refusing.decisive, *(rule.fired for rule in fired if rule is not refusing)]
        flow_decides = False
    else:
        rules = [rule.decisive if rule is tiered else rule.fired for rule in fired if rule is not chosen]
        if chosen is not None:
            rules.insert(0, chosen.decisive)
    if end is not None:
        # What decided where to go stands first.
        rules.insert(0 if flow_decides and chosen is None else len(rules), end.decisive if flow_decides else end.fired)
    bound = _bound(fired)
    budget = bound.pop("budget", None)
    return Verdict(
        refused_by=refusing.id if refusing is not None else None,
        prefer=prefer,
        tier=tier,
        strength=strength,
        budget=policy.budget if budget is None else _tightest(policy.budget, budget),
        objective=policy.objective,
        fallback=_fallback(policy, fired),
        max_error=policy.max_error.get(task) if policy.max_error else None,
        rules=tuple(rules),
        **bound,
    )


def _bound(fired: list[CompiledRule]) -> dict[str, Any]:
    """All that the fired rules ask for beyond a recommendation, by the Verdict's field."""
    found: dict[str, Any] = {}
    for rule in fired:
        for name, value in rule.asks:
            had = found.get(name)
            if had is None:
                found[name] = value
            elif name in _TOGETHER:
                found[name] = _TOGETHER[name](had, value)
            elif isinstance(value, frozenset):
                found[name] = had | value
            elif isinstance(value, tuple):
                found[name] = tuple(dict.fromkeys(had + value))
            elif isinstance(value, Budget):
                found[name] = _tightest(had, value)
    if "check" in found:
        # What every flag is refused for needs no saying, and neither does holding the whole answer.
        found["on_flag"] = {kind: does for kind, does in found["on_flag"].items() if does != "refuse"}
        found["hold"] = found["hold"] or None
    return found


def _stricter_flags(one: Mapping[str, OnFlag], other: Mapping[str, OnFlag]) -> dict[str, OnFlag]:
    """Of two rules that say what a flag leads to, the stricter one is heeded."""
    return {
        kind: max((given[kind] for given in (one, other) if kind in given), key=_STRICTNESS.index)
        for kind in {**one, **other}
    }


def _both_escalations(one: Escalation, other: Escalation) -> Escalation:
    bars = [bar for bar in (one.min_logprob, other.min_logprob) if bar is not None]
    checks = tuple(dict.fromkeys(one.checks + other.checks))
    return Escalation(on=one.on | other.on, min_logprob=max(bars, default=None), checks=checks)


def _both_mirrors(one: tuple[Mirroring, ...], other: tuple[Mirroring, ...]) -> tuple[Mirroring, ...]:
    """Each deployment once, with the largest share that a rule gives it."""
    shares: dict[str, float] = {}
    for each in (*one, *other):
        shares[each.to] = max(each.share, shares.get(each.to, 0.0))
    return tuple(Mirroring(to=to, share=share) for to, share in shares.items())


_STRICTNESS: tuple[OnFlag, ...] = ("annotate", "redact", "escalate", "refuse")
_TOGETHER: Mapping[str, Callable[[Any, Any], Any]] = {
    "on_flag": _stricter_flags,
    "hold": lambda one, other: min(one, other) and max(one, other),
    "escalate": _both_escalations,
    "mirror": _both_mirrors,
}


def _tightest(one: Budget, other: Budget) -> Budget:
    """The smaller of both limits each."""
    return Budget(
        max_usd=_least(one.max_usd, other.max_usd), max_latency_ms=_least(one.max_latency_ms, other.max_latency_ms)
    )


def _fallback(policy: CompiledPolicy, fired: list[CompiledRule]) -> tuple[str, ...] | None:
    naming = _winner(fired, "fallback") if policy.names_fallbacks else None
    return naming.fallback if naming is not None else None


def _winner(fired: list[CompiledRule], what: Literal["prefer", "tier", "fallback"]) -> CompiledRule | None:
    """The first rule that recommends and that no other fired rule with a say in ``what`` overrules."""
    first: CompiledRule | None = None
    beaten: frozenset[int] = frozenset()
    candidates = []
    for rule in fired:
        if (rule.prefer if what == "prefer" else rule.tier if what == "tier" else rule.fallback) is not None:
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
        if rule.refuses:
            return rule
    return None


def _least(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


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
        naming = _winner(fired, "fallback") if policy.names_fallbacks else None
        for rule in open_rules:
            if (
                rule.asks
                or (rule.prefer is not None and _could_win(rule, chosen, fired))
                or (rule.tier is not None and _could_win(rule, tiered, fired))
                or (rule.fallback is not None and _could_win(rule, naming, fired))
            ):
                needed |= rule.condition.reads & pending
        if chosen is None or (tiered is None and chosen.prefer != "local"):
            needed |= _needed_by_flow(policy, values, pending)
    return Need(signals=tuple(sorted(needed))) if needed else _verdict(policy, values["task"] or "", fired, end)


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
