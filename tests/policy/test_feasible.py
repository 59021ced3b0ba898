"""Routes that nobody can take, safety rules that a fallback leaves, promises that no card makes."""

from __future__ import annotations

import pytest

from router.catalogue import Deployment, LocalCard, Price
from router.errors import NoCandidate
from router.policy.compile import compile_policy
from router.policy.example_schema import Example
from router.policy.examples import given_signals
from router.policy.judge import judge
from router.selection.candidates import candidates, make_fleet
from router.selection.choose import choose
from router.selection.feasible import find_infeasible
from router.spec import validated
from router.types import PolicyRef, Snapshot

CARD = LocalCard(
    name="mood", task="sentiment", labels=("good", "bad"), maker="linear", languages=("en",), rows=5000, threshold=0.9,
    ood_threshold=0.1, licence="MIT", data_hash="0", files={}, promise={"max_error": 0.05},
)  # fmt: skip
FLEET = make_fleet(
    [
        Deployment(
            name="mini", model="a/mini", tier="small", price=Price(input=1e-6, output=2e-6), context_tokens=8000,
            capabilities=frozenset({"streaming"}), ttft_ms=300, tags=frozenset({"eu"}),
        ),
        Deployment(
            name="maxi", model="a/maxi", tier="large", price=Price(input=1e-5, output=2e-5), context_tokens=100_000,
            capabilities=frozenset({"streaming", "tools"}), ttft_ms=800,
        ),
    ],
    [CARD],
)  # fmt: skip


def told(policy):
    return [(each.kind, each.severity, each.rule) for each in find_infeasible(policy, FLEET)]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("when: {tokens.input: '>200000'}, then: {prefer: llm}", ("infeasible", "error")),
        ("when: {tokens.input: '>20000'}, then: {prefer: llm}", None),
        ("when: {tokens.input: '>20000'}, then: {tier: small}", ("infeasible", "warning")),
        ("when: {modality: image}, then: {prefer: llm}", ("infeasible", "error")),
        ("when: {tools: true, tokens.input: '>20000'}, then: {require: [eu, llm]}", ("infeasible", "error")),
        ("when: {annotated: '<=0'}, then: {forbid: llm}", ("infeasible", "error")),
        ("when: {noise: true}, then: {forbid: llm}", None),
        ("when: {task: code}, then: {prefer: local}", ("infeasible", "note")),
        ("when: {task: sentiment}, then: {prefer: local}", None),
        ("when: {tokens.output: '>1000'}, then: {budget: {max_usd: $0.0001}}", ("infeasible", "error")),
        ("when: {noise: true, annotated: '<=0'}, then: {budget: {max_latency_ms: 100ms}}", ("infeasible", "error")),
        ("when: {budget.max_latency_ms: '<=100ms', ood: out}, then: {warn: x}", ("infeasible", "error")),
        ("when: {safety: pii}, then: {prefer: local}", ("unsafe-fallback", "warning")),
        ("when: {safety: pii}, then: {prefer: local, redact: pii}", None),
        ("when: {safety: pii}, then: {prefer: local, forbid: llm}", None),
        ("when: {safety: clean}, then: {prefer: local}", None),
        ("then: {rank: [fast]}", ("infeasible", "note")),
    ],
)
def test_best_case_of_a_rule_is_weighed(read, rule: str, expected) -> None:
    policy = compile_policy(read(f"rules: [{{id: A, {rule}, why: w}}]"))
    # A local model may read long texts too, so the routes above are for hosted models alone.
    text_only = msgspec_without_local(FLEET) if "tokens" in rule else FLEET
    found = [(each.kind, each.severity) for each in find_infeasible(policy, text_only)]
    assert found == ([] if expected is None else [expected])


def msgspec_without_local(fleet):
    return make_fleet(fleet.deployments.values(), [])


@pytest.mark.parametrize("then", ["{fallback: [mini]}", "{mirror: {to: mini, share: 1}}", "{prefer: local}"])
def test_what_is_always_refused_leaks_nothing(read, then: str) -> None:
    rules = (
        f"id: A, when: {{safety: pii, not: {{task: ner}}}}, then: {then}, why: w",
        "id: B, when: {not: {task: ner}}, then: {refuse: No.}, why: w",
        "id: C, then: {forbid: small}, why: w",
    )
    policy = compile_policy(read(f"rules: [{', '.join(f'{{{rule}}}' for rule in rules)}]"))
    assert [each for each in told(policy) if each[0].startswith("unsafe")] == []


def test_whole_policy_that_nobody_can_follow(read) -> None:
    policy = compile_policy(read("budgets: {max_latency_ms: 1ms}\nrules: [{id: A, then: {forbid: local}, why: w}]"))
    assert told(policy) == [("infeasible", "error", None)]


def test_inherited_rules_are_told_in_one_line(read) -> None:
    policy = compile_policy(read("extends: private", whole=False))
    summary = [each for each in find_infeasible(policy, FLEET) if "inherited rules" in each.message]
    assert len(summary) == 1
    assert "GEN-00" in summary[0].message


def test_promise_needs_a_card_that_makes_it(read) -> None:
    policy = compile_policy(read("promises: [{task: sentiment, max_error: 1%}, {task: ner, max_error: 5%}]"))
    first, second = find_infeasible(policy, FLEET)
    assert (first.kind, second.kind) == ("uncalibrated", "uncalibrated")
    assert "mood promises 0.05" in first.message
    assert "no local model is registered" in second.message
    assert find_infeasible(compile_policy(read("promises: [{task: sentiment, max_error: 5%}]")), FLEET) == ()


@pytest.mark.parametrize(
    "rule",
    [
        "when: {modality: image}, then: {prefer: llm}",
        "when: {annotated: '<=0'}, then: {forbid: llm}",
        "when: {noise: true, annotated: '<=0'}, then: {budget: {max_latency_ms: 100ms}}",
        "when: {tokens.output: '>1000'}, then: {budget: {max_usd: $0.0001}, forbid: local}",
    ],
)
def test_witness_of_an_infeasible_route_fails(read, rule: str) -> None:
    policy = compile_policy(read(f"rules: [{{id: A, {rule}, why: w}}]"))
    (finding,) = find_infeasible(policy, FLEET)
    signals = given_signals(validated(Example, {"name": "n", **finding.witness, "expect": {"warns": False}}))
    verdict = judge(policy, signals, signals.request)
    fleet = make_fleet(FLEET.deployments.values(), [CARD])
    snapshot = Snapshot(id="x", now_s=0.0)
    found = candidates(signals.request, signals, verdict, fleet, snapshot)
    with pytest.raises(NoCandidate):
        choose(signals.request, signals, verdict, found, fleet, PolicyRef(name="p", hash="h"), snapshot)
