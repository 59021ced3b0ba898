"""`extends`, `override`, `disable`: what a child keeps, changes and takes away."""

from __future__ import annotations

import pytest

from router.errors import ConfigError
from router.policy.compile import compile_policy
from router.policy.read import resolve

PARENT = """
policy: parent
description: p
thresholds: {few: 10, many: 100}
objective: {cost: 2, latency: 3}
budgets: {max_usd: $1}
otherwise: {prefer: llm}
flow: [{id: F1, ask: q, when: {noise: true}, yes: llm, no: local}]
rules:
  - {id: A, when: {annotated: ">few"}, then: {prefer: local, redact: pii}, why: a}
  - {id: B, when: {task: ner}, then: {prefer: llm, check: harmful}, why: b}
examples: [{name: e, expect: {prefer: llm}}]
"""


def _child(text: str):
    files = {"parent": ("parent.yaml", PARENT)}
    return resolve(f"policy: child\ndescription: c\nextends: parent\n{text}\n", files.__getitem__, file="child.yaml")


def _rule(policy, name: str):
    return next(rule for rule in policy.rules if rule.id == name)


def test_child_inherits_everything_but_examples() -> None:
    child = _child("")
    assert [rule.id for rule in child.rules] == ["A", "B"]
    assert (child.objective.cost, child.objective.latency, child.budget.max_usd) == (2, 3, 1.0)
    assert [step.id for step in child.flow] == ["F1"]
    assert child.examples == ()
    assert child.parents == ("parent",)


def test_one_line_changes_a_target() -> None:
    child = _child("override: {A: {then: {prefer: llm}}}")
    changed = _rule(child, "A").then
    assert (changed.prefer, changed.redact) == ("llm", ["pii"])
    assert str(child.place("rules", "A", "then", "prefer")) == "child.yaml:4:31"
    assert child.place("rules", "A", "when").file == "parent.yaml"


def test_null_takes_an_obligation_away() -> None:
    assert _rule(_child("override: {A: {then: {redact: null}}}"), "A").then.redact is None


def test_override_that_breaks_a_rule_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"child\.yaml:4:\d+: the changed rule does not work"):
        _child("override: {A: {then: {tier: small}}}")


def test_same_id_replaces_the_rule() -> None:
    rule = _rule(_child("rules: [{id: A, then: {warn: x}, why: new}]"), "A")
    assert (rule.why, rule.then.prefer, rule.then.redact) == ("new", None, None)


def test_disabled_rules_are_gone() -> None:
    assert [rule.id for rule in _child('disable: ["A*"]').rules] == ["B"]


def test_single_threshold_and_weight_change() -> None:
    child = _child("thresholds: {few: 50}\nobjective: {cost: 9}")
    assert child.thresholds == {"few": 50, "many": 100}
    assert (child.objective.cost, child.objective.latency) == (9, 3)


def test_unknown_rule_gets_a_suggestion() -> None:
    files = {"parent": ("parent.yaml", PARENT.replace("id: A,", "id: ALPHA,"))}
    text = "policy: c\ndescription: c\nextends: parent\noverride: {ALPA: {then: {prefer: llm}}}\n"
    with pytest.raises(ConfigError, match=r'c\.yaml:4:12: .*"ALPA"; did you mean "ALPHA"\?'):
        resolve(text, files.__getitem__, file="c.yaml")


def test_circle_of_policies_is_refused() -> None:
    files = {
        "a": ("a.yaml", "policy: a\ndescription: a\nextends: b\n"),
        "b": ("b.yaml", "policy: b\ndescription: b\nextends: a\n"),
    }
    with pytest.raises(ConfigError, match=r"b\.yaml:3:10: .*circle"):
        resolve("a", files.__getitem__)


def test_threshold_of_another_unit_is_told() -> None:
    text = 'rules: [{id: C, when: {budget.max_latency_ms: "<few"}, then: {warn: x}, why: c}]\nthresholds: {few: $3}'
    with pytest.raises(ConfigError, match=r"child\.yaml:5:19: .*not a duration.*used at child\.yaml:4:"):
        compile_policy(_child(text))


def test_hash_follows_what_can_decide() -> None:
    plain = _child("")
    assert plain.hash == _child("# a comment\n").hash
    assert plain.hash == _child("examples: [{name: e, expect: {prefer: llm}}]").hash
    changes = ["thresholds: {few: 11}", "override: {B: {strength: weak}}", "disable: [B]", "budgets: {max_usd: $2}"]
    assert len({plain.hash, *(_child(change).hash for change in changes)}) == 5
