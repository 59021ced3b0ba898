"""The receipt of a decision for people: rules, the guide's flow with this request's way, who lost and why, what would
have changed it.

No prompt text is shown. It is off the hot path: the flip line decides again some dozens of times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..policy.compile import CompiledPolicy
from ..policy.flow import Step, walk
from ..policy.near import NearMiss, near_misses
from ..types import Candidate, Decision, Flag, Mirroring, Signal, Signals
from ..units import format_ms, format_usd
from .beside import mirror_loss
from .candidates import Fleet
from .flip import Flip, find_flips

__all__ = ["Explanation", "explain"]


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """A decision with the steps that the request took through the policy's flow, and the target at their end.

    ``flips``: for each signal and limit the smallest change that would have sent the request elsewhere, the smallest
    first. ``nearly``: rules that would have fired but for one of their conditions. ``signals_us``: microseconds of
    processor time that each signal adds, read once more in their order; what another one read already adds nothing.
    """

    decision: Decision
    steps: tuple[Step, ...]
    flow_end: str | None
    flips: tuple[Flip, ...] = ()
    nearly: tuple[NearMiss, ...] = ()
    signals_us: Mapping[str, float] = msgspec.field(default_factory=dict)

    @property
    def text(self) -> str:
        """The whole receipt as plain text."""
        decision = self.decision
        parts = [
            _headline(decision),
            _section("Rules that fired", _rules(decision)),
            _section("What would change it", [f"  {flip.text}" for flip in self.flips]),
            _section("Rules that nearly fired", [f"  {miss.text}" for miss in self.nearly]),
            _section("The guide's flow", _flow(self.steps, self.flow_end)),
            _section("Candidates", _candidates(decision)),
            _section("Signals", _signals(decision.signals, self.signals_us)),
        ]
        if decision.verdict.warnings:
            parts.append(_section("Warnings", [f"  {warning}" for warning in decision.verdict.warnings]))
        return "\n\n".join(part for part in parts if part)


def explain(
    decision: Decision,
    policy: CompiledPolicy,
    signals: Signals,
    fleet: Fleet | None = None,
    signals_us: Mapping[str, float] | None = None,
) -> Explanation:
    """The receipt of ``decision``, made under ``policy`` from ``signals``; with ``fleet``, what would change it too.

    ``signals_us``: what each signal costs, see :class:`Explanation`.
    """
    known, request = {**signals.known(), **decision.signals}, signals.request
    steps, end = walk(policy.flow, Signals.given(request, known)) if policy.flow is not None else ((), None)
    flips = find_flips(request, decision, known, policy, fleet) if fleet is not None else ()
    return Explanation(
        decision=decision,
        steps=steps,
        flow_end=end,
        flips=flips,
        nearly=near_misses(policy, Signals.given(request, known), frozenset(decision.rules)),
        signals_us=signals_us or {},
    )


def _headline(decision: Decision) -> str:
    target, task = decision.target, decision.task
    runners = ", ".join(f"{runner.label} {runner.probability:.2f}" for runner in decision.task.runners_up)
    who = {"local": "local model", "llm": f"hosted model ({target.tier})", "refuse": "refused"}[target.kind]
    estimate = decision.estimate
    quality = f", quality {estimate.quality:.2f}" if estimate.quality is not None else ""
    lines = [
        ("Target", f"{who} {target.model or ''}".rstrip() + ("" if target.configured else "  (not configured here)")),
        ("Because", decision.reason),
        ("Task", f"{task.label} {task.probability:.2f}" + (f"  (then {runners})" if runners else "")),
        ("Estimate", f"{format_usd(estimate.usd)}, {format_ms(estimate.latency_ms)}{quality}"),
        ("Policy", f"{decision.policy.name} {decision.policy.hash}{_hashes(decision)}"),
    ]
    if decision.budget.max_usd is not None or decision.budget.max_latency_ms is not None:
        limits = (
            f"{format_usd(decision.budget.max_usd)}" if decision.budget.max_usd is not None else "no money limit",
            f"{format_ms(decision.budget.max_latency_ms)}"
            if decision.budget.max_latency_ms is not None
            else "no time limit",
        )
        lines.append(("Limits", ", ".join(limits)))
    if decision.verdict.redact:
        lines.append(("Masked", f"{', '.join(sorted(decision.verdict.redact))}, before any hosted call"))
    if decision.verdict.fallback is not None:
        named = ", ".join(decision.verdict.fallback) or "nobody"
        lines.append(("Next", f"{named}, as a rule says: {', '.join(decision.fallbacks) or 'nobody is able'}"))
    lines += [("Copied", _copied(each, decision)) for each in decision.verdict.mirror]
    if decision.verdict.check:
        lines.append(("Checked", f"the answer is to be checked for {', '.join(sorted(decision.verdict.check))}"))
    return "\n".join(f"{name:<9} {text}" for name, text in lines)


def _copied(mirror: Mirroring, decision: Decision) -> str:
    told = f"{mirror.share * 100:.3g} % of such requests to {mirror.to}; this one"
    if mirror.to in decision.mirrors:
        return f"{told} too, once it is answered"
    loss = mirror_loss(mirror.to, decision.candidates, decision.target.model)
    return f"{told} is not drawn" if loss is None else f"{told} is not: {loss}"


def _hashes(decision: Decision) -> str:
    state = decision.snapshot
    named = (("models", state.models), ("config", state.config)) if state is not None else ()
    return "".join(f", {name} {value}" for name, value in named if value)


def _rules(decision: Decision) -> list[str]:
    lines = []
    for fired in decision.verdict.rules:
        strength = f", {fired.strength}" if fired.strength else ""
        mark = ">" if fired.decisive else " "
        source = f" [{fired.source}]" if fired.source else ""
        lines.append(f"{mark} {fired.id:<8} {fired.outcome}{strength}: {fired.why}{source}")
    return lines or ["  none; the policy's default applies"]


def _flow(steps: Sequence[Step], end: str | None) -> list[str]:
    if end is None:
        return []
    width = max((len(step.question) for step in steps), default=0)
    lines = [f"  {step.id:<4} {step.question:<{width}}  {step.answer}" for step in steps]
    return [*lines, f"  {'':<4} -> {end}"]


def _candidates(decision: Decision) -> list[str]:
    order = [decision.target.model, *decision.fallbacks]

    def place(candidate: Candidate) -> tuple[int, int, str]:
        return (order.index(candidate.model) if candidate.model in order else len(order), 0, candidate.model)

    width = max((len(candidate.model) for candidate in decision.candidates), default=0)
    lines = []
    for candidate in sorted(decision.candidates, key=place):
        chosen = candidate.model == decision.target.model
        kind = "local" if candidate.kind == "local" else f"llm {candidate.tier}"
        cost = f"{format_usd(candidate.estimate.usd):>10} {format_ms(candidate.estimate.latency_ms):>7}"
        if chosen:
            verdict = "chosen"
        elif candidate.failed is not None:
            verdict = f"lost: {candidate.reason}"
        elif candidate.model in order:
            verdict = f"next ({order.index(candidate.model)})"
        else:
            verdict = "able, not needed"
        lines.append(f"{'>' if chosen else ' '} {candidate.model:<{width}} {kind:<9} {cost}  {verdict}")
    return lines


def _signals(signals: Mapping[str, Signal[Any]], costs_us: Mapping[str, float]) -> list[str]:
    lines = []
    for name in sorted(signals):
        if name == "scores":
            continue
        signal = signals[name]
        cost = f"  {costs_us[name]:.0f}us" if name in costs_us else ""
        if signal.value is None:
            lines.append(f"  {name:<12} unknown{cost}")
        else:
            lines.append(f"  {name:<12} {_shown(signal.value)}  ({signal.confidence:.2f}, {signal.detector}){cost}")
    return lines


def _shown(value: Any) -> str:
    if isinstance(value, tuple) and all(isinstance(flag, Flag) for flag in value):
        return ", ".join(f"{flag.kind} {flag.score:.2f} {flag.severity}" for flag in value) or "clean"
    if isinstance(value, msgspec.Struct):
        fields = {name: getattr(value, name) for name in value.__struct_fields__}
        return ", ".join(f"{name} {_plain(field)}" for name, field in fields.items() if field not in (None, (), False))
    return _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, tuple):
        return "/".join(str(part) for part in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(part)}" for name, part in value.items())
    return str(value).lower() if isinstance(value, bool) else str(value)


def _section(title: str, lines: Sequence[str]) -> str:
    return "\n".join([title, *lines]) if lines else ""
