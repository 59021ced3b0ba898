"""The guide's documents say what its policy does, and none of the survey's rules is missing."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from router.policy.compile import compile_policy
from router.policy.examples import check_examples
from router.policy.lint import lint
from router.policy.read import resolve

ROOT = Path(__file__).resolve().parents[2]
SURVEY = frozenset(
    [f"F{number}" for number in range(1, 11)]
    + [f"{part}-{number:02}" for part, last in (("NLU", 9), ("GEN", 5), ("KNW", 5)) for number in range(last + 1)]
    + [
        f"{part}-{number:02}"
        for part, last in (("SCL", 4), ("MSC", 5), ("RWD", 4), ("DAT", 6), ("OPS", 7))
        for number in range(1, last + 1)
    ]
)


def _listed_ids() -> set[str]:
    page = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
    return set(re.findall(r"^\| ([A-Z]+-?\d[\w-]*) \|", page, flags=re.MULTILINE))


def test_guide_page_matches_the_policy() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "make_guide.py"))["guide_page"]()
    page = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
    assert page == made, "run: python docs/make_guide.py"


def test_reference_is_made_from_the_models() -> None:
    text = (ROOT / "docs" / "policies.md").read_text(encoding="utf-8")
    made = runpy.run_path(str(ROOT / "docs" / "make_policies.py"))["page"](text)
    assert text == made, "run: python docs/make_policies.py"


def test_no_rule_of_the_survey_is_missing(guide) -> None:
    in_policy = {rule.id for rule in guide.file.rules} | {step.id for step in guide.file.flow}
    assert SURVEY - in_policy == set()
    assert SURVEY - _listed_ids() == set()


def test_each_listed_id_has_a_case() -> None:
    cases = (ROOT / "tests" / "cases" / "policy" / "guide.yaml").read_text(encoding="utf-8")
    obligations = {"RWD-04", "OPS-07"}
    untested = [name for name in _listed_ids() - obligations if not re.search(rf"\b{re.escape(name)}\b", cases)]
    assert untested == []


def test_each_rule_has_reason_and_source(guide) -> None:
    assert [rule.id for rule in guide.file.rules if not (rule.why and rule.source)] == []


@pytest.mark.parametrize("name", ["NLU-03", "NLU-04", "NLU-08"])
def test_moved_practice_is_noted(guide, name: str) -> None:
    rule = next(rule for rule in guide.file.rules if rule.id == name)
    assert "2023" in rule.note
    assert f"override: {{{name}" in rule.note.replace("Override: ", "override: ")


def test_recipes_in_the_reference_hold(load) -> None:
    page = (ROOT / "docs" / "policies.md").read_text(encoding="utf-8")
    recipes = [text for text in re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL) if text.startswith("policy:")]
    assert len(recipes) >= 10
    for recipe in recipes:
        policy = compile_policy(resolve(recipe, load, file="docs/policies.md"))
        failed = {result.name: result.differences for result in check_examples(policy) if result.differences}
        assert failed == {}
        assert [str(each) for each in lint(policy) if each.severity == "error"] == []
        assert policy.file.examples
