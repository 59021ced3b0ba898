"""Every rule and step of the guide, every preset's claim: observed signals -> verdict."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.policy.checked import check_examples_text
from router.policy.example_schema import Example
from router.policy.examples import check_examples, run_example
from router.spec import validated
from router.yamlfile import load_yaml

CASES = Path(__file__).resolve().parents[1] / "cases" / "policy"


def _cases():
    for path in sorted(CASES.glob("*.yaml")):
        text = check_examples_text(load_yaml(path.read_text(encoding="utf-8"), name=path.name))
        for example in text.examples:
            yield pytest.param(text.policy, example, id=f"{path.stem}: {example.name}")


@pytest.mark.parametrize(("policy", "example"), [*_cases()])
def test_verdict_is_as_expected(policy: str, example: Example, builtin) -> None:
    assert run_example(builtin[policy], example).differences == ()


@pytest.mark.parametrize("name", ["cost-first", "latency-first", "private", "quality-first", "regulated"])
def test_preset_keeps_its_own_claims(name: str, builtin) -> None:
    results = check_examples(builtin[name])
    assert results
    assert [(result.name, result.differences) for result in results if result.differences] == []


def test_every_rule_and_step_is_exercised(guide) -> None:
    expected: set[str] = set()
    for param in _cases():
        policy, example = param.values
        if policy == "guide":
            expect = example.expect
            named = {expect.decided_by, expect.refused_by, *(expect.fired or [])} - {None}
            assert named <= set(run_example(guide, example).fired) | {"otherwise"}
            expected |= named
    acting = {rule.id for rule in guide.rules} | {step.id for step in guide.file.flow}
    assert acting - expected == set()


def test_obligations_say_what_fulfils_them(guide) -> None:
    obligations = {rule.id: rule for rule in guide.file.rules if rule.obligation}
    assert set(obligations) == {"RWD-04", "OPS-07"}
    assert all(rule.fulfilled_by for rule in obligations.values())


def test_wrong_example_tells_the_difference(guide) -> None:
    example = validated(
        Example,
        {"name": "x", "signals": {"task": "ner"}, "expect": {"prefer": "llm", "fired": ["DAT-04"], "tier": "large"}},
    )
    differences = run_example(guide, example).differences
    assert differences[0] == "prefer: expected llm, got local"
    assert differences[1] == "tier: expected large, got none"
    assert differences[2].startswith("fired: expected DAT-04, got ")
