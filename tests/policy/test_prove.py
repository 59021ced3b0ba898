"""What is proved of a policy, against brute force: sampled requests go through the real judge."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.policy.compile import CompiledPolicy, compile_policy
from router.policy.example_schema import Example
from router.policy.examples import given_signals
from router.policy.judge import judge
from router.policy.lint import lint
from router.policy.read import resolve
from router.spec import validated
from router.types import Verdict

TASKS = ["ner", "nli", "code"]

conditions = st.fixed_dictionaries(
    {},
    optional={
        "task": st.lists(st.sampled_from(TASKS), min_size=1, max_size=2, unique=True),
        "annotated": st.sampled_from([">2", ">=2", "<2", ">0, <5", "<=0", "=3", "!=2", ">5, <=5"]),
        "noise": st.booleans(),
        "ood": st.sampled_from(["in", "out"]),
        "task_probability": st.sampled_from(["<40%", ">=0.4"]),
        "budget.max_usd": st.sampled_from(["<=$0.001", ">$0.001"]),
        "safety": st.sampled_from(["clean", "pii", ["pii", "harmful"], {"any": "harmful", "score": ">=80%"}]),
        "unknown": st.sampled_from(["task", "safety", "noise"]),
    },
)
whens = st.recursive(
    conditions,
    lambda inner: st.one_of(
        st.builds(lambda parts: {"any": parts}, st.lists(inner.filter(bool), min_size=1, max_size=2)),
        st.builds(lambda part: {"not": part}, inner.filter(bool)),
    ),
    max_leaves=3,
)
thens = st.sampled_from(
    [
        {"prefer": "llm"},
        {"prefer": "local"},
        {"tier": "large"},
        {"refuse": "No."},
        {"redact": "pii"},
        {"check": "harmful"},
    ]
)
requests = st.fixed_dictionaries(
    {
        "signals": st.fixed_dictionaries(
            {},
            optional={
                "task": st.sampled_from([*TASKS, "sentiment"]),
                "task_probability": st.sampled_from([0.1, 0.4, 0.9]),
                "annotated": st.integers(0, 7),
                "noise": st.booleans(),
                "ood": st.sampled_from(["in", "out"]),
                "safety": st.lists(
                    st.fixed_dictionaries(
                        {"kind": st.sampled_from(["pii", "harmful", "toxicity"])},
                        optional={"score": st.sampled_from([0.3, 0.8, 0.95])},
                    ),
                    max_size=2,
                ),
            },
        )
    },
    optional={"budget": st.sampled_from([{"max_usd": 0.0005}, {"max_usd": 0.001}, {"max_usd": 0.1}])},
)


@st.composite
def policies(draw: st.DrawFn) -> str:
    rules = []
    for name in "ABCD"[: draw(st.integers(2, 4))]:
        over = [earlier["id"] for earlier in rules if draw(st.booleans()) and draw(st.booleans())]
        rules.append({"id": name, "when": draw(whens), "then": draw(thens), "why": "w", "over": over})
    text = {"policy": "p", "otherwise": {"prefer": "llm"}, "rules": draw(st.permutations(rules))}
    return json.dumps(text) + "\n"


def compiled(text: str) -> CompiledPolicy:
    return compile_policy(resolve(text, lambda name: (name, ""), file="p.yaml"))


def judged(policy: CompiledPolicy, request: Any) -> Verdict:
    signals = given_signals(validated(Example, {"name": "n", **request, "expect": {"warns": True}}))
    verdict = judge(policy, signals, signals.request)
    assert isinstance(verdict, Verdict)
    return verdict


@settings(max_examples=60, deadline=None)
@given(policies(), st.lists(requests, min_size=60, max_size=60))
def test_no_request_contradicts_a_proof(text: str, sample: list[Any]) -> None:
    policy = compiled(text)
    findings = lint(policy)
    never_fires = {finding.rule for finding in findings if finding.kind == "unreachable"}
    never_decides = {finding.rule for finding in findings if finding.kind == "shadowed"}
    all_covered = not any(finding.kind == "gap" and finding.severity == "note" for finding in findings)
    for request in sample:
        verdict = judged(policy, request)
        assert not never_fires & {rule.id for rule in verdict.rules}
        assert not never_decides & {rule.id for rule in verdict.rules if rule.decisive}
        spoken = verdict.refuse is not None or any(rule.outcome.startswith(("llm", "local")) for rule in verdict.rules)
        assert spoken or not all_covered


@settings(max_examples=60, deadline=None)
@given(policies())
def test_each_witness_shows_its_finding(text: str) -> None:
    policy = compiled(text)
    for finding in lint(policy):
        if finding.witness is None:
            continue
        verdict = judged(policy, finding.witness)
        fired = {rule.id for rule in verdict.rules}
        deciders = {rule.id for rule in verdict.rules if rule.decisive}
        if finding.kind == "shadowed":
            assert finding.rule in fired - deciders
        elif finding.kind == "overlap":
            first = finding.message.split()[0]
            assert finding.rule in fired
            assert first in deciders
        elif finding.kind == "gap" and finding.severity == "warning":
            assert verdict.refuse is None
            assert not verdict.redact | verdict.check
        elif finding.kind == "gap":
            assert not [rule for rule in verdict.rules if rule.outcome.startswith(("llm", "local"))]


@settings(max_examples=60, deadline=None)
@given(policies(), st.lists(requests, min_size=60, max_size=60))
def test_nothing_that_decides_is_called_dead(text: str, sample: list[Any]) -> None:
    policy = compiled(text)
    dead = {finding.rule for finding in lint(policy) if finding.kind in ("unreachable", "shadowed")}
    alive = {rule.id for request in sample for rule in judged(policy, request).rules if rule.decisive}
    assert not dead & alive


@pytest.mark.parametrize(
    ("text", "kind", "words", "shown"),
    [
        (
            "rules: [{id: A, when: {any: [{noise: true}, {noise: false}, {unknown: noise}]}, then: {prefer: llm},"
            " why: w, over: B}, {id: B, when: {task: ner}, then: {prefer: local}, why: w}]",
            "shadowed",
            "B never decides",
            {"signals": {"task": "ner"}},
        ),
        (
            "rules: [{id: A, when: {task: ner}, then: {prefer: llm}, why: w},"
            " {id: B, when: {noise: true}, then: {prefer: local}, why: w}]",
            "overlap",
            "A (llm) and B (local) can both fire",
            {"signals": {"task": "ner", "noise": True}},
        ),
        (
            "rules: [{id: A, when: {safety: harmful}, then: {refuse: No.}, why: w}]",
            "gap",
            "where safety is unknown, neither A nor any other rule protects",
            {"signals": {}},
        ),
    ],
)
def test_finding_has_its_witness(read, text: str, kind: str, words: str, shown: dict[str, Any]) -> None:
    finding = next(finding for finding in lint(read(text)) if finding.kind == kind and finding.severity != "note")
    assert words in finding.message
    assert finding.witness == shown


def test_refusal_that_always_comes_first_shadows(read) -> None:
    text = (
        "rules: [{id: STOP, when: {noise: true}, then: {refuse: No.}, why: w},"
        " {id: GO, when: {noise: true, task: ner}, then: {prefer: local}, why: w}]"
    )
    assert [(each.rule, each.kind) for each in lint(read(text)) if each.severity == "error"] == [("GO", "shadowed")]


def test_witness_can_be_pasted_as_an_example(read) -> None:
    from router.policy.finding import flow_style
    from router.yamlfile import load_yaml

    text = 'rules: [{id: A, when: {safety: {any: pii, pii: iban, where: data}}, then: {redact: pii}, why: "w"}]'
    finding = next(each for each in lint(read(text)) if each.kind == "gap")
    assert load_yaml(flow_style(finding.witness), name="x").data == finding.witness
