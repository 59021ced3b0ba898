"""The decision flow: walked, and drawn from the policy file alone."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from router.policy.compile import compile_policy
from router.policy.draw import flow_mermaid, flow_svg, flow_text
from router.policy.example_schema import Example
from router.policy.examples import given_signals
from router.policy.flow import walk
from router.spec import validated

NAMES = [f"F{number}" for number in range(1, 11)]


def _walk(policy, **signals):
    example = validated(Example, {"name": "x", "signals": signals, "expect": {"refuse": False}})
    return walk(policy.flow, given_signals(example))


@pytest.mark.parametrize(
    ("signals", "ids", "target"),
    [
        ({"task": "dialogue"}, "F1", "llm"),
        ({"task": "arithmetic_reasoning"}, "F1 F2", "llm/large"),
        ({"task": "sentiment", "intents": 2}, "F1 F2 F3", "llm"),
        ({"task": "regression_scoring"}, "F1 F2 F3 F4", "local"),
        ({"task": "sentiment", "annotated": 100}, "F1 F2 F3 F4 F5", "llm"),
        ({"task": "sentiment", "annotated": 101, "ood": "out"}, "F1 F2 F3 F4 F5 F6", "llm"),
        ({"task": "code", "annotated": 101, "ood": "in"}, "F1 F2 F3 F4 F5 F6 F7", "llm"),
        ({"task": "sentiment", "annotated": 101, "ood": "in"}, "F1 F2 F3 F4 F5 F6 F7 F8", "local"),
        ({}, "F1 F2 F3 F4 F5", "llm"),
    ],
)
def test_first_step_that_ends_decides(guide, signals, ids: str, target: str) -> None:
    steps, end = _walk(guide, **signals)
    assert (" ".join(step.id for step in steps), end) == (ids, target)


def test_unknown_answers_are_shown_as_unknown(guide) -> None:
    steps, _ = _walk(guide, task="sentiment")
    assert [step.answer for step in steps] == ["no", "unknown", "unknown", "no", "unknown"]


def test_text_marks_the_way_and_its_end(guide) -> None:
    steps, _ = _walk(guide, task="arithmetic_reasoning")
    lines = flow_text(guide.flow, steps).splitlines()
    assert [line.split()[1] for line in lines if line.startswith(">")] == ["F1", "F2"]
    assert [line.split()[1] for line in lines if line.endswith("<==")] == ["F2"]
    assert "[yes -> llm/large]" in lines[1]


def test_text_without_a_request_marks_nothing(guide) -> None:
    text = flow_text(guide.flow)
    assert not re.search(r"^>|\[|<==", text, flags=re.MULTILINE)
    assert [line.split()[0] for line in text.splitlines()] == NAMES


def test_mermaid_lights_exactly_the_way(guide) -> None:
    steps, _ = _walk(guide, task="arithmetic_reasoning")
    text = flow_mermaid(guide.flow, steps)
    assert re.search(r"^    class n_F1,n_F2,n_F2_n_llm_large lit$", text, flags=re.MULTILINE)
    links = re.findall(r"^    (\w+) -->\|(.*)\| (\w+)$", text, flags=re.MULTILINE)
    lit = re.search(r"linkStyle ([\d,]+) ", text)
    assert lit is not None
    assert [links[int(number)] for number in lit[1].split(",")] == [
        ("n_F1", "no", "n_F2"),
        ("n_F2", "yes", "n_F2_n_llm_large"),
    ]


def test_svg_is_well_formed_and_lit(guide) -> None:
    steps, _ = _walk(guide, task="arithmetic_reasoning")
    root = ET.fromstring(flow_svg(guide.flow, steps))
    classes = [element.get("class") or "" for element in root.iter()]
    assert (classes.count("box") + classes.count("lit box"), classes.count("lit box")) == (10, 2)
    assert (classes.count("lit end"), classes.count("lit edge")) == (1, 2)
    told = root.find("{http://www.w3.org/2000/svg}desc")
    assert told is not None
    assert "F2: Is it difficult, does it need reasoning? yes." in (told.text or "")


def test_svg_stays_inside_its_frame(guide) -> None:
    root = ET.fromstring(flow_svg(guide.flow))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for box in root.iter("{http://www.w3.org/2000/svg}rect"):
        assert 0 <= float(box.attrib["x"]) <= width - float(box.attrib["width"])
        assert 0 <= float(box.attrib["y"]) <= height - float(box.attrib["height"])


def test_any_question_is_drawn_safely(read) -> None:
    policy = compile_policy(
        read(
            "flow:\n- {id: A, ask: '<b>\"Is & it\"</b>?', when: {noise: true}, yes: C, no: B}\n"
            "- {id: B, ask: q, when: {noise: true}, yes: llm, no: C}\n"
            "- {id: C, ask: q, when: {context: true}, yes: local, no: llm/small, unknown: undecided}"
        )
    )
    ET.fromstring(flow_svg(policy.flow))
    assert "<b>" not in flow_mermaid(policy.flow)
    assert "unknown -> undecided" in flow_text(policy.flow)


def test_policy_without_flow_has_none(read) -> None:
    assert compile_policy(read("rules: []")).flow is None


def test_changed_flow_changes_verdict_and_drawing(load) -> None:
    from router.policy.judge import judge
    from router.policy.read import resolve

    text = (
        "policy: mine\ndescription: d\notherwise: {prefer: llm}\n"
        "flow: [{id: S1, ask: Is it noisy?, when: {noise: true}, yes: llm/large, no: local}]\n"
    )
    policy = compile_policy(resolve(text, load))
    example = validated(Example, {"name": "x", "signals": {"noise": True}, "expect": {"refuse": False}})
    signals = given_signals(example)
    verdict = judge(policy, signals, signals.request)
    assert (verdict.prefer, verdict.tier, verdict.rules[0].id, verdict.rules[0].decisive) == (
        "llm",
        "large",
        "S1",
        True,
    )
    assert "Is it noisy?" in flow_text(policy.flow)
