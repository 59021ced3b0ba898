"""Signals told by rules: each on its own cases of ``tests/cases/rule_signals.yaml``."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from router.signals.rules import rule_detectors
from router.signals.tokens import estimate_tokens
from router.types import Message, Request, Signal, Signals, Tool

CASES = yaml.safe_load((Path(__file__).parents[1] / "cases" / "rule_signals.yaml").read_text(encoding="utf-8"))
YES_NO = [name for name, values in CASES.items() if set(values) == {True, False}]
SEVERAL = [name for name in CASES if name not in YES_NO]


class Known:
    """A detector that knows a signal's value."""

    slow = False

    def __init__(self, name: str, value: object, confidence: float = 0.95) -> None:
        self.provides = (name,)
        self._signal = Signal(value=value, confidence=confidence, detector="known")

    def __call__(self, signals: Signals, /) -> dict[str, Signal]:
        return {self.provides[0]: self._signal}


def signals_of(
    *messages: tuple[str, str] | Message, known: dict[str, object] | None = None, **fields: object
) -> Signals:
    read = tuple(m if isinstance(m, Message) else Message(role=m[0], text=m[1]) for m in messages)
    detectors = rule_detectors()
    detectors.update({name: Known(name, value) for name, value in (known or {}).items()})
    return Signals(Request(messages=read, **fields), detectors)


def value_of(name: str, text: str) -> object:
    return signals_of(("user", text))[name].value


@pytest.mark.parametrize("name", YES_NO)
def test_yes_no_signals_are_precise_and_complete(name: str) -> None:
    yes = {text: value_of(name, text) for text in CASES[name][True]}
    no = {text: value_of(name, text) for text in CASES[name][False]}
    assert len(yes) >= 15
    assert len(no) >= 15
    right = sum(value is True for value in yes.values())
    raised = right + sum(value is True for value in no.values())
    wrong = [(t, v) for t, v in yes.items() if v is not True] + [(t, v) for t, v in no.items() if v is not False]
    assert right / raised >= 0.9, wrong
    assert right / len(yes) >= 0.9, wrong
    assert sum(value is False for value in no.values()) / len(no) >= 0.85, wrong


@pytest.mark.parametrize("name", SEVERAL)
def test_valued_signals_are_precise_and_complete(name: str) -> None:
    read = [(expected, value_of(name, text), text) for expected, texts in CASES[name].items() for text in texts]
    wrong = [row for row in read if row[0] != row[1]]
    for expected in CASES[name]:
        meant = [row for row in read if row[0] == expected]
        said = [row for row in read if row[1] == expected]
        right = [row for row in meant if row[1] == expected]
        assert len(meant) >= 15
        assert len(right) / len(meant) >= 0.9, wrong
        assert len(right) / len(said) >= 0.9, wrong


TOOL = Tool(name="search_web", description="Search", parameters={"type": "object"})
LABEL_TOOL = Tool(name="classify_ticket", parameters={"type": "object"})
AGENT_YES = [
    {"messages": [("user", text)], "tools": tools}
    for text in ("Find flights to Rome.", "What is the weather?", "Book it.")
    for tools in ((TOOL,), (TOOL, LABEL_TOOL), (TOOL, Tool(name="send_mail")), (Tool(name="run_code"),))
] + [
    {"messages": [("user", "Weather?"), ("tool", "sunny")]},
    {"messages": [("user", "Weather?"), Message(role="assistant", text="", has_tool_calls=True), ("tool", "{}")]},
    {"messages": [("system", "You have access to the following tools: search"), ("user", "Go on.")]},
]
AGENT_NO = [{"messages": [("user", text)]} for text in CASES["reasoning"][False][:10]] + [
    {"messages": [("user", "Label this.")], "tools": (LABEL_TOOL,), "tool_choice": "classify_ticket"},
    {"messages": [("user", "Label this.")], "tools": (LABEL_TOOL, TOOL), "tool_choice": "classify_ticket"},
    {"messages": [("user", "Label this.")], "tools": (LABEL_TOOL,), "tool_choice": "required"},
    {"messages": [("user", "Label this.")], "tools": (TOOL,), "tool_choice": "none"},
    {"messages": [("user", "Hi"), ("assistant", "Hello"), ("user", "How are you?")]},
]


@pytest.mark.parametrize("heading", ["Passage", "DOCUMENTS", "source", "Faq", "Results", "transcript"])
def test_headings_alone_and_dressed_are_read_alike(heading: str) -> None:
    story = "The ferry leaves at nine and at four, and takes an hour to the island. In winter it leaves at nine only."
    alone, dressed = (
        signals_of(("user", f"{line}: {story}\n\nWhen does it leave in March?"))["context"]
        for line in (heading, f"## The given {heading}")
    )
    assert alone == dressed
    assert alone.value is True


def test_agent_steps_are_told_from_answers() -> None:
    assert len(AGENT_YES) >= 15
    assert len(AGENT_NO) >= 15
    for case in AGENT_YES:
        assert (
            signals_of(*case["messages"], **{k: v for k, v in case.items() if k != "messages"})["agent"].value is True
        )
    for case in AGENT_NO:
        assert (
            signals_of(*case["messages"], **{k: v for k, v in case.items() if k != "messages"})["agent"].value is False
        )


def test_lone_label_tool_leaves_agent_unknown() -> None:
    assert signals_of(("user", "Label this."), tools=(LABEL_TOOL,))["agent"].value is None


def test_chat_turns_count_as_examples() -> None:
    turns = [
        ("system", "Label."),
        ("user", "great"),
        ("assistant", "positive"),
        ("user", "bad"),
        ("assistant", "negative"),
    ]
    assert signals_of(*turns, ("user", "fine"))["few_shot"].value == 2


def test_conversation_is_no_few_shot() -> None:
    long = "That depends on what you would like to do with it, as there are several ways."
    turns = [("user", "Hi"), ("assistant", long), ("user", "Which?"), ("assistant", long), ("user", "Thanks")]
    assert signals_of(*turns)["few_shot"].value == 0


def test_labelling_task_silences_text_about_sums() -> None:
    text = "Classify the review: it took three hours to prove that I paid 12 dollars twice. How many times must I ask?"
    assert signals_of(("user", text), known={"task": "sentiment"})["reasoning"].value is not True


def test_arithmetic_task_needs_reasoning() -> None:
    assert signals_of(("user", "The bill is split among us."), known={"task": "arithmetic_reasoning"})[
        "reasoning"
    ].value


def test_translation_takes_the_language_signal() -> None:
    found = signals_of(("user", "Bore da"), known={"task": "translation", "language": "cy"})["resource"]
    assert found.value == "low"


def test_empty_request_never_raises() -> None:
    read = signals_of(("user", ""))
    for name in rule_detectors():
        read[name]
    assert read["intents"].value is None
    assert read["noise"].value is None


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=400), st.text(max_size=100))
def test_any_text_is_read_without_error(user: str, system: str) -> None:
    errors: list[Exception] = []
    request = Request(messages=(Message(role="system", text=system), Message(role="user", text=user)))
    read = Signals(request, rule_detectors(), on_error=lambda _, error: errors.append(error))
    for name in rule_detectors():
        assert 0.0 <= read[name].confidence <= 1.0
    assert not errors


# ----- tokens ----------------------------------------------------------------------------------------------------

# Texts with the mean of what cl100k_base and o200k_base make of them.
COUNTED = [
    ("The quick brown fox jumps over the lazy dog and runs away into the dark forest before anyone can see it.", 22),
    ("Please classify the following customer message into one of these categories: billing, shipping, returns.", 18),
    ("def add(a: int, b: int) -> int:\n    return a + b\n", 19),
]


@pytest.mark.parametrize(("text", "tokens"), COUNTED)
def test_token_estimate_is_near_the_count(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == pytest.approx(tokens, rel=0.2)


def test_long_text_is_sampled_in_proportion() -> None:
    text = "The committee met on Tuesday and voted to close the bridge. " * 40
    assert estimate_tokens(text * 20) == pytest.approx(20 * estimate_tokens(text), rel=0.02)


def test_tools_and_schema_are_counted() -> None:
    plain = signals_of(("user", "Hi"))["tokens"].value
    schema = {"type": "object", "properties": {"label": {"type": "string", "enum": ["a", "b"]}}}
    with_tools = signals_of(("user", "Hi"), tools=(TOOL,), json_schema=schema)["tokens"].value
    assert with_tools.input > plain.input + 20


def test_output_never_exceeds_the_limit() -> None:
    read = signals_of(("user", "Write a novel."), max_output_tokens=50, known={"task": "open_generation"})[
        "tokens"
    ].value
    assert read.output == 50
    assert read.output_max == 50


def test_choices_multiply_the_output() -> None:
    one = signals_of(("user", "Write a poem."))["tokens"].value
    three = signals_of(("user", "Write a poem."), n=3)["tokens"].value
    assert three.output == 3 * one.output
    assert three.output_max == 3 * one.output_max


def test_label_is_expected_to_be_short() -> None:
    assert signals_of(("user", "Label it."), known={"task": "sentiment"})["tokens"].value.output <= 5
