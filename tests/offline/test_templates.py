"""Wordings that differ in what is filled in are one template; different instructions never are."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.offline.templates import SLOT, Wording, merged_templates, slot_tokens

FRAME = (
    "You are the assistant of {shop}. Today is {day}. The customer is {name} (account {account}). "
    "Classify the message as one of: refund, delivery, other. Answer with the label only."
)
LABELS = ("refund", "delivery", "other")
NAMES = st.sampled_from(["Anna", "Bob Miller", "Chloé Dubois", "Zoë", "Jean-Luc Picard"])
DAYS = st.dates().map(lambda day: day.strftime("%d %B %Y")) | st.dates().map(str)
ACCOUNTS = st.integers(1_000, 10**9).map(str) | st.uuids().map(str) | st.emails(domains=st.just("example.org"))


@st.composite
def filled(draw: st.DrawFn) -> str:
    return FRAME.format(shop="Acme", day=draw(DAYS), name=draw(NAMES), account=draw(ACCOUNTS))


def groups(*frames: str, allowed: tuple[str, ...] = LABELS) -> int:
    wordings = {str(at): Wording(frame=frame, allowed=allowed) for at, frame in enumerate(frames)}
    return len(set(merged_templates(wordings).values()))


@given(filled(), filled())
def test_filled_in_values_make_no_template(one: str, other: str) -> None:
    assert groups(one, other) == 1


@given(st.lists(filled(), min_size=1, max_size=6))
def test_the_order_of_arrival_changes_no_group(frames: list[str]) -> None:
    other = FRAME.replace("Classify the message", "Say which words of the message are wrong, then sort it")
    both = [*frames, other.format(shop="Acme", day="2 May 2026", name="Anna", account="12345")]
    assert groups(*both) == groups(*reversed(both)) == 2


@given(st.text(max_size=400), st.lists(st.text(max_size=20), max_size=4))
def test_any_wording_has_tokens(text: str, keep: list[str]) -> None:
    tokens = slot_tokens(text, keep)
    assert not any(one == other == SLOT for one, other in pairwise(tokens))
    assert tokens == slot_tokens(text, keep)


@given(st.lists(st.text(alphabet="abc <*>X1\"'", max_size=40), max_size=8))
def test_each_template_is_in_one_group_of_known_ones(frames: list[str]) -> None:
    wordings = {str(at): Wording(frame=frame) for at, frame in enumerate(frames)}
    stands_for = merged_templates(wordings)
    assert stands_for.keys() == wordings.keys()
    assert all(stands_for[chosen] == chosen for chosen in stands_for.values())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Is the tone of this mail polite? Answer yes or no.", "Is the tone of this mail angry? Answer yes or no."),
        ("Translate the text.", "Summarise the text."),
        ("Sort it as 'red' or 'blue' by colour.", "Sort it as 'red' or 'blue' by mood."),
    ],
)
def test_instructions_that_differ_in_a_word_stay_apart(one: str, other: str) -> None:
    assert groups(one, other, allowed=()) == 2


def test_other_labels_are_another_template() -> None:
    wordings = {
        "a": Wording(frame="Classify the mail of Anna.", allowed=("spam", "ham")),
        "b": Wording(frame="Classify the mail of Bob.", allowed=("urgent", "later")),
    }
    assert merged_templates(wordings) == {"a": "a", "b": "b"}


def test_a_place_with_many_values_is_a_slot() -> None:
    frame = "You help the team that sells {} to schools. Decide whether the letter below is an order: yes or no."
    things = ("chalk", "wooden desks", "paper", "glue")
    assert groups(*(frame.format(thing) for thing in things), allowed=("yes", "no")) == 1
    assert groups(*(frame.format(thing) for thing in things[:2]), allowed=("yes", "no")) == 2


def test_labels_are_no_slots() -> None:
    assert SLOT not in slot_tokens('Say "Refund" or "Delivery".', ("Refund", "Delivery"))
    assert SLOT in slot_tokens('The ticket says "Help me".', ("Refund", "Delivery"))
