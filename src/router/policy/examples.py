"""Examples in a policy file: observations written as values -> the verdict that they must get.

``check_examples`` runs them through the same judging as real requests; nothing is fetched and no model is asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from ..types import (
    UNKNOWN,
    Budget,
    Contract,
    Decision,
    Flag,
    Hints,
    LocalEvidence,
    Message,
    Need,
    Request,
    Signal,
    SignalName,
    Signals,
    Span,
    Split,
    TokenCount,
    Verdict,
)
from .compile import CompiledPolicy
from .example_schema import Example, FlagSeen, Observed
from .judge import judge

__all__ = ["ExampleResult", "check_examples", "compare_decision", "given_signals", "run_example"]

# Signals whose value an example writes as it is.
_PLAIN = (
    "language",
    "resource",
    "annotated",
    "few_shot",
    "ood",
    "intents",
    "stakes",
    "context",
    "knowledge",
    "symbols",
    "inverse",
    "adversarial",
    "noise",
    "reasoning",
    "explanation",
    "agent",
    "shortcut",
)


class ExampleResult(msgspec.Struct, frozen=True, kw_only=True):
    """One example's outcome: ``differences`` is empty when the verdict is as expected; ``fired`` the ids that fired."""

    name: str
    differences: tuple[str, ...]
    fired: tuple[str, ...]
    verdict: Verdict


def check_examples(policy: CompiledPolicy, examples: Iterable[Example] | None = None) -> tuple[ExampleResult, ...]:
    """Run the policy's own examples, or those given; without those that give a request (``suite.py`` runs them)."""
    chosen = policy.file.examples if examples is None else examples
    return tuple(run_example(policy, example) for example in chosen if example.request is None)


def run_example(policy: CompiledPolicy, example: Example) -> ExampleResult:
    """Judge one example and compare."""
    signals = given_signals(example)
    verdict = judge(policy, signals, signals.request)
    if isinstance(verdict, Need):  # cannot be: nothing that an example gives is slow
        raise TypeError(f"an example needs {verdict.signals}")
    return ExampleResult(
        name=example.name,
        differences=tuple(_differences(example, verdict)),
        fired=tuple(fired.id for fired in verdict.rules),
        verdict=verdict,
    )


def compare_decision(example: Example, decision: Decision) -> ExampleResult:
    """Compare what a real decision came to with what the example expects."""
    differences: list[str] = []
    for what, wanted, got in (
        ("target", example.expect.target, decision.target.kind),
        ("model", example.expect.model, decision.target.model),
    ):
        if wanted is not None and wanted != got:
            differences.append(f"{what}: expected {wanted}, got {got}")
    return ExampleResult(
        name=example.name,
        differences=(*differences, *_differences(example, decision.verdict)),
        fired=tuple(fired.id for fired in decision.verdict.rules),
        verdict=decision.verdict,
    )


def given_signals(example: Example) -> Signals:
    """The example as signals of a request; signals that it does not name are unknown."""
    messages = _messages(example)
    hints = Hints(
        budget=Budget(
            max_usd=example.budget.max_usd if example.budget else None,
            max_latency_ms=example.budget.max_latency_ms if example.budget else None,
        ),
        tenant=example.tenant,
    )
    if example.modality:
        messages = (*messages[:-1], msgspec.structs.replace(messages[-1], modalities=frozenset(example.modality)))
    request = Request(messages=messages, hints=hints)
    return Signals.given(request, _observed(example.signals, messages))


def _messages(example: Example) -> tuple[Message, ...]:
    written = example.messages or [{"user": "(as observed)"}]
    return tuple(Message(role=role, text=text) for turn in written for role, text in turn.items())


def _observed(seen: Observed, messages: tuple[Message, ...]) -> dict[SignalName, Signal[Any]]:
    values: dict[SignalName, Any] = {name: getattr(seen, name) for name in _PLAIN}
    values.update(seen.custom)
    if seen.safety is not None:
        values["safety"] = tuple(_flag(flag, messages) for flag in seen.safety)
    if seen.tokens is not None:
        values["tokens"] = TokenCount(input=seen.tokens[0], output=seen.tokens[1], output_max=seen.tokens[2])
    if seen.shape is not None or seen.labels is not None:
        labels = tuple(seen.labels) if seen.labels is not None else None
        values["contract"] = Contract(shape=seen.shape or "bare_label", labels=labels)
    if seen.split is not None:
        span = _find(seen.split, messages, kind="")
        values["split"] = Split(message=span.message, start=span.start, end=span.end)
    if seen.may_answer is not None:
        reason = None if seen.may_answer else "as the example says"
        values["local"] = LocalEvidence(model="local", reason=reason, template="example" if seen.template else "")
    found = {
        name: Signal(value=value, confidence=1.0, detector="example") if value is not None else UNKNOWN
        for name, value in values.items()
    }
    if seen.task is not None:
        found["task"] = Signal(value=seen.task, confidence=seen.task_probability, detector="example")
    return found


def _flag(flag: FlagSeen, messages: tuple[Message, ...]) -> Flag:
    spans = (_find(flag.text, messages, kind=flag.pii),) if flag.text is not None else ()
    if flag.pii and not spans:
        spans = (Span(message=0, start=0, end=0, kind=flag.pii),)
    return Flag(kind=flag.kind, score=flag.score, severity=flag.severity, spans=spans)


def _find(text: str, messages: tuple[Message, ...], *, kind: str) -> Span:
    for index, message in enumerate(messages):
        start = message.text.find(text)
        if start >= 0:
            return Span(message=index, start=start, end=start + len(text), kind=kind)
    return Span(message=len(messages), start=0, end=len(text), kind=kind)


def _differences(example: Example, verdict: Verdict) -> list[str]:
    expect = example.expect
    fired = {rule.id for rule in verdict.rules}
    decisive = [rule.id for rule in verdict.rules if rule.decisive]
    found: list[str] = []

    def compare(what: str, wanted: object, got: object) -> None:
        if wanted is not None and wanted != got:
            found.append(f"{what}: expected {_shown(wanted)}, got {_shown(got)}")

    compare("prefer", expect.prefer, verdict.prefer)
    compare("tier", expect.tier, verdict.tier or "none")
    compare("strength", expect.strength, verdict.strength)
    compare("refuse", expect.refuse, verdict.refuse is not None)
    compare("refused_by", expect.refused_by, verdict.refused_by)
    compare("warns", expect.warns, bool(verdict.warnings))
    compare("max_usd", expect.max_usd, verdict.budget.max_usd)
    compare("max_latency_ms", expect.max_latency_ms, verdict.budget.max_latency_ms)
    for what in ("require", "forbid", "redact", "check"):
        wanted = getattr(expect, what)
        compare(what, None if wanted is None else sorted(wanted), sorted(getattr(verdict, what)))
    compare("rank", expect.rank, list(verdict.rank))
    compare("fallback", expect.fallback, list(verdict.fallback or ()))
    compare("mirror", expect.mirror, [each.to for each in verdict.mirror])
    if expect.decided_by is not None and expect.decided_by not in (decisive or ["otherwise"]):
        found.append(f"decided_by: expected {expect.decided_by}, got {_shown(decisive or ['otherwise'])}")
    found.extend(
        f"fired: expected {rule}, got {_shown(sorted(fired))}" for rule in expect.fired or () if rule not in fired
    )
    found.extend(f"not_fired: {rule} fired" for rule in expect.not_fired or () if rule in fired)
    return found


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
