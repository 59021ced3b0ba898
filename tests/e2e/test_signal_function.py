"""A signal that is a function of the user's: named in a policy file, asked for by a rule, never trusted blindly."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

from router import ConfigError, Router
from router.config import LocalSettings, Settings
from router.types import Message, Request

POLICY = """policy: plans
otherwise: {{prefer: llm, tier: small}}
signals:
  {signal}
rules:
  - {{id: PLAN, when: {{custom: {{plan: {wanted}}}}}, then: {{tier: large}}, why: They pay for it.}}
"""
MODULE = """
import threading

CALLS = []
THREADS = []
ANSWER = None


def plan(request):
    CALLS.append(request.messages[-1].text)
    THREADS.append(threading.current_thread())
    if isinstance(ANSWER, Exception):
        raise ANSWER
    return ANSWER


NOT_A_FUNCTION = 3
"""
TEXT = "Write a poem about the sea."


@pytest.fixture
def functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest):
    name = f"functions_{abs(hash(request.node.name))}"
    (tmp_path / f"{name}.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return __import__(name)


def router_of(tmp_path: Path, signal: str, wanted: str) -> Router:
    path = tmp_path / "plans.yaml"
    path.write_text(POLICY.format(signal=signal, wanted=wanted), encoding="utf-8")
    return Router(Settings(policy=str(path), local_models=LocalSettings(shipped=False), directory=str(tmp_path)))


@pytest.mark.parametrize(
    ("options", "wanted", "answer", "fires"),
    [
        ("", "true", True, True),
        ("", "true", False, False),
        ("", "true", None, False),
        (", values: [gold, silver]", "[gold]", "gold", True),
        (", values: [gold, silver]", "[gold]", "silver", False),
        (", values: [gold, silver]", "[none]", "none", True),
        (", number: true", "'>=0.5'", 0.75, True),
        (", number: true", "'>=0.5'", 0, False),
    ],
)
def test_a_rule_asks_for_what_a_function_says(
    tmp_path: Path, functions, options: str, wanted: str, answer: object, fires: bool
) -> None:
    functions.ANSWER = answer
    router = router_of(tmp_path, f"plan: {{python: '{functions.__name__}:plan'{options}}}", wanted)
    decision = router.decide(TEXT)
    assert ("PLAN" in decision.rules) is fires
    assert decision.signals["plan"].value == answer
    assert functions.CALLS == [TEXT]
    # It may look at what changes, so it is asked each time.
    router.decide(TEXT)
    assert functions.CALLS == [TEXT, TEXT]


@pytest.mark.parametrize(
    ("options", "wanted", "answer"),
    [
        ("", "true", "yes"),
        ("", "true", 1),
        ("", "true", ValueError("the text of the prompt")),
        (", values: [gold]", "[gold]", "bronze"),
        (", values: [gold]", "[gold]", True),
        (", number: true", "'>=1'", True),
        (", number: true", "'>=1'", float("nan")),
    ],
)
def test_a_wrong_answer_is_unknown_and_logged(
    tmp_path: Path, functions, caplog: pytest.LogCaptureFixture, options: str, wanted: str, answer: object
) -> None:
    functions.ANSWER = answer
    router = router_of(tmp_path, f"plan: {{python: '{functions.__name__}:plan'{options}}}", wanted)
    with caplog.at_level(logging.ERROR):
        decision = router.decide(TEXT)
    assert decision.signals["plan"].value is None
    assert "PLAN" not in decision.rules
    assert "plan" in caplog.text
    assert "text of the prompt" not in caplog.text


async def test_it_runs_beside_the_event_loop(tmp_path: Path, functions) -> None:
    functions.ANSWER = True
    router = router_of(tmp_path, f"plan: {{python: '{functions.__name__}:plan'}}", "true")
    decision = await router.engine.adecide(Request(messages=(Message(role="user", text=TEXT),)))
    assert "PLAN" in decision.rules
    assert [threading.main_thread()] != functions.THREADS


@pytest.mark.parametrize(
    ("signal", "wanted", "message"),
    [
        ("plan: {python: 'no_such_module:plan'}", "true", "plans.yaml:4:18: the signal plan: 'no_such_module:plan'"),
        ("plan: {python: '{name}:NOT_A_FUNCTION'}", "true", "is no function"),
        ("plan: {python: '{name}:nobody'}", "true", "cannot be imported"),
        ("plan: {python: 'plan'}", "true", "plans.yaml:4:"),
        ("plan: {python: '{name}:plan', values: [gold]}", "[silver]", 'is never "silver"'),
        ("plan: {python: '{name}:plan', values: [none]}", "[none]", "is always one of them"),
        ("plan: {python: '{name}:plan', values: [a], number: true}", "'>1'", "values do not go with number"),
        ("plan: {python: '{name}:plan', read: all}", "true", "reads the whole request itself"),
        ("plan: {keywords: [x], values: [a]}", "true", "they go with python alone"),
        ("plan: {keywords: [x], python: '{name}:plan'}", "true", "one of keywords, regex, examples and python"),
    ],
)
def test_what_cannot_be_is_told_with_its_place(
    tmp_path: Path, functions, signal: str, wanted: str, message: str
) -> None:
    with pytest.raises(ConfigError) as error:
        router_of(tmp_path, signal.replace("{name}", functions.__name__), wanted)
    assert message in str(error.value)
