"""What the schema cannot tell: each finding has its place, and clean policies have none."""

from __future__ import annotations

import pytest

from router.policy.conditions import SIGNALS
from router.policy.lint import lint


def told(policy):
    """Findings that somebody should act on."""
    return [finding for finding in lint(policy, SIGNALS) if finding.severity != "note"]


@pytest.mark.parametrize("name", ["guide", "cost-first", "latency-first", "quality-first", "private", "regulated"])
def test_builtin_policies_are_clean(builtin, name: str) -> None:
    assert [str(finding) for finding in told(builtin[name])] == []


@pytest.mark.parametrize(
    ("text", "place", "severity", "words"),
    [
        ("rules: [{id: A, then: {prefer: llm}, why: w, over: NLU-1}]", "4:52", "error", 'no rule is called "NLU-1"'),
        (
            "rules: [{id: FIRST, then: {warn: x}, why: w, over: [SECND]}, {id: SECOND, then: {warn: x}, why: w}]",
            "4:53",
            "error",
            'did you mean "SECOND"',
        ),
        (
            "rules: [{id: A, when: {task: ner}, then: {prefer: llm}, why: w, over: B},"
            " {id: B, when: {task: ner, noise: true}, then: {prefer: local}, why: w}]",
            "4:75",
            "error",
            "B never decides: whenever it fires, another rule does; here A does",
        ),
        (
            "rules: [{id: A, when: {task: ner}, then: {prefer: llm}, why: w},"
            " {id: B, when: {task: ner}, then: {prefer: local}, why: w}]",
            "4:66",
            "error",
            "B never decides",
        ),
        (
            "rules: [{id: A, then: {require: eu, forbid: [eu, llm]}, why: w}]",
            "4:23",
            "error",
            "both required and forbidden",
        ),
        (
            "rules: [{id: A, then: {prefer: local, forbid: local}, why: w}]",
            "4:23",
            "error",
            "recommended and forbidden",
        ),
        ("rules: [{id: A, then: {require: [local, llm]}, why: w}]", "4:33", "error", "both local and an LLM"),
        (
            "rules: [{id: A, when: {task: ner, noise: true}, then: {require: eu}, why: w},"
            " {id: B, when: {task: [ner, nli]}, then: {forbid: eu}, why: w}]",
            "4:55",
            "error",
            "whenever A requires eu, B forbids it",
        ),
        (
            'rules: [{id: A, when: {annotated: ">5, <=5"}, then: {warn: x}, why: w}]',
            "4:23",
            "error",
            "never fires: this condition can never hold, for no annotated is like that",
        ),
        (
            "rules: [{id: A, when: {all: [{task: ner}, {task: code}]}, then: {warn: x}, why: w}]",
            "4:23",
            "error",
            "can never hold",
        ),
        (
            "rules: [{id: A, when: {noise: true, all: [{noise: false}]}, then: {warn: x}, why: w}]",
            "4:23",
            "error",
            "no noise is like that",
        ),
        (
            "rules: [{id: A, when: {custom: {mood: angry}}, then: {warn: x}, why: w}]",
            "4:39",
            "error",
            'no signal is called "mood"',
        ),
        ("thresholds: {few: 3}", "4:19", "warning", 'no condition uses the threshold "few"'),
        ('rules: [{id: A, when: {annotated: "<few"}, then: {warn: x}, why: w}]', "4:35", "error", "no threshold"),
        ("flow: [{id: F1, ask: q, when: {noise: true}, yes: lcal, no: llm}]", "4:51", "error", 'did you mean "local"'),
        (
            "flow: [{id: F1, ask: q, when: {noise: true}, yes: F2, no: llm},"
            " {id: F2, ask: q, when: {noise: true}, yes: F1, no: llm}]",
            "4:8",
            "error",
            "in a circle",
        ),
        (
            "flow: [{id: F1, ask: q, when: {noise: true}, yes: llm, no: llm},"
            " {id: F2, ask: q, when: {noise: true}, yes: llm, no: llm}]",
            "4:66",
            "warning",
            "no answer leads to the step F2",
        ),
        (
            "flow: [{id: F1, ask: q, when: {noise: true}, yes: llm, no: llm}]\n"
            "rules: [{id: A, then: {warn: x}, why: w, step: F2}]",
            "5:48",
            "error",
            'the flow has no step "F2"',
        ),
        (
            "rules: [{id: A, then: {prefer: llm}, why: w, over: B}, {id: B, then: {prefer: llm}, why: w, over: A}]",
            "4:52",
            "error",
            "in a circle",
        ),
    ],
)
def test_slip_is_found(read, text: str, place: str, severity: str, words: str) -> None:
    findings = told(read(text))
    assert [(str(finding.place), finding.severity) for finding in findings] == [(f"mine.yaml:{place}", severity)]
    assert words in findings[0].message


@pytest.mark.parametrize(
    "text",
    [
        # The narrower rule wins, so the wider one is no shadow of it.
        "rules: [{id: A, when: {task: ner}, then: {prefer: llm}, why: w},"
        " {id: B, when: {task: ner, noise: true}, then: {prefer: local}, why: w}]",
        # One of the two is the weaker, so their order is meant.
        "rules: [{id: A, when: {task: ner}, then: {prefer: llm}, why: w},"
        " {id: B, when: {noise: true}, then: {prefer: local}, strength: weak, why: w}]",
        # It still binds.
        "rules: [{id: A, when: {task: ner}, then: {prefer: llm}, why: w, over: B},"
        " {id: B, when: {task: ner}, then: {prefer: local, redact: pii}, why: w}]",
        # One speaks of the tier, the other of the target.
        "rules: [{id: A, when: {task: ner}, then: {tier: large}, why: w, over: B},"
        " {id: B, when: {task: ner}, then: {prefer: llm}, why: w}]",
        # A child means it.
        "extends: guide\nrules: [{id: A, then: {prefer: local}, why: w, over: ['NLU-*']}]",
        # Disabled, not misspelt.
        "extends: guide\ndisable: [GEN-00]",
        'rules: [{id: A, when: {annotated: ">4, <=5"}, then: {warn: x}, why: w}]',
    ],
)
def test_what_cannot_be_proved_is_not_reported(read, text: str) -> None:
    assert [str(finding) for finding in told(read(text))] == []


def test_without_known_signals_none_is_missed(read) -> None:
    file = read("rules: [{id: A, when: {custom: {mood: angry}}, then: {warn: x}, why: w}]")
    assert [each for each in lint(file) if each.severity != "note"] == []
