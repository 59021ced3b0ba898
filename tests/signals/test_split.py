"""The text to judge, as exact offsets."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from router.signals.contract import read_asked
from router.types import Hints, Message, Request

PIECES = st.sampled_from(
    [
        "Classify as positive, negative or neutral", "Labels: a, b, c", "Review:", "Text:", "\n", "\n\n", "```",
        '"""', "'", '"', "“", "”", "<text>", "</text>", "<a>", "</a>", "|", "/", "- x\n- y\n", "1. x\n2. y\n",
        "yes or no", "(yes/no)", "Sentiment: good\n", "good food", "，", "以下之一：好、坏", "？", ":", "###\n", "…",
        "If it rains, say b.", '{"label": "a" | "b"}', "🙂", "\x00", "\u2028", " ",
    ]
)  # fmt: skip
TEXTS = st.lists(PIECES | st.text(max_size=8), max_size=14).map("".join)
ROLES = st.sampled_from(["system", "developer", "user", "assistant", "tool"])


def ask(*turns: tuple[str, str], **fields: Any) -> Request:
    return Request(messages=tuple(Message(role=role, text=text) for role, text in turns), **fields)  # type: ignore[arg-type]


def text_of(request: Request) -> str | None:
    split = read_asked(request)[1].value
    return None if split is None else request.messages[split.message].text[split.start : split.end]


@given(
    turns=st.lists(st.tuples(ROLES, TEXTS), max_size=5), labels=st.none() | st.just(("a", "b")), hint=st.none() | TEXTS
)
@example(turns=[("user", "Classify as a or b."), ("user", "")], labels=None, hint=None)
@example(turns=[("system", "Answer a or b."), ("user", "")], labels=("a", "b"), hint=None)
@settings(max_examples=600, deadline=None)
def test_offsets_always_lie_within_the_message(
    turns: list[tuple[str, str]], labels: tuple[str, ...] | None, hint: str | None
) -> None:
    request = ask(*turns, hints=Hints(labels=labels, input=hint))
    contract, split = read_asked(request)
    assert 0.0 <= contract.confidence <= 1.0
    if split.value is None:
        return
    assert split.value.message >= -1
    whole = hint if split.value.message == -1 else request.messages[split.value.message].text
    assert whole is not None
    assert 0 <= split.value.start < split.value.end <= len(whole)
    if split.value.message >= 0:
        assert request.messages[split.value.message].role not in ("assistant", "tool")
    if hint is None:
        piece = whole[split.value.start : split.value.end]
        assert piece == piece.strip()


@given(turns=st.lists(st.tuples(ROLES, TEXTS), min_size=1, max_size=4))
@settings(max_examples=200, deadline=None)
def test_reading_twice_gives_the_same(turns: list[tuple[str, str]]) -> None:
    request = ask(*turns)
    assert read_asked(request) == read_asked(request)


@given(text=st.text(alphabet=st.characters(categories=["L", "N"]), min_size=3, max_size=60))
def test_words_under_a_system_list_are_the_text(text: str) -> None:
    request = ask(("system", "Answer with one of: grumpy, cheerful."), ("user", f" {text}\n"))
    assert text_of(request) in (text, None)


def test_hint_is_found_in_the_last_message() -> None:
    request = ask(("user", "meh"), ("assistant", "bad"), ("user", "Label: meh"), hints=Hints(input="meh"))
    split = read_asked(request)[1]
    assert split.value is not None
    assert (split.value.message, split.value.start, split.confidence) == (2, 7, 1.0)


def test_hint_outside_the_messages_stands_alone() -> None:
    request = ask(("user", "Label the attached text."), hints=Hints(input="not here", labels=("a", "b")))
    split = read_asked(request)[1]
    assert split.value is not None
    assert (split.value.message, split.value.start, split.value.end) == (-1, 0, 8)


def test_tool_output_is_never_the_text() -> None:
    request = ask(("system", "Answer spam or ham."), ("user", "check"), ("tool", "win a prize"))
    assert text_of(request) is None


def test_reminder_of_a_harness_is_never_the_text() -> None:
    request = ask(("system", "Answer spam or ham."), ("user", "hi <system-reminder>be brief</system-reminder>"))
    assert text_of(request) is None


def test_bare_text_without_instruction_is_unknown() -> None:
    assert text_of(ask(("user", "The food was cold and the waiter rude."))) is None


def test_two_marked_inputs_are_unknown() -> None:
    assert text_of(ask(("user", "Answer yes or no.\n\nReview: fine\nReview: bad"))) is None


def test_huge_text_is_left_alone() -> None:
    request = ask(("system", "Answer spam or ham."), ("user", "win " * 400_000))
    assert text_of(request) is None


@pytest.mark.parametrize("mark", ['"', "'", "“”", "«»", "「」", "```", '"""'])
def test_marks_around_the_text_are_left_out(mark: str) -> None:
    left, right = (mark[0], mark[-1]) if len(mark) == 2 else (mark, mark)
    request = ask(
        ("user", f"Is this review positive or negative? Answer with one word.\n\n{left}it rained all week{right}")
    )
    assert text_of(request) == "it rained all week"
