"""Requests made of one request's instruction and another's input."""

from __future__ import annotations

from router.offline.recombined import has_input, recombined

ROWS = [
    ('Is this review good or bad? "The soup was cold and the bread was old."', "sentiment"),
    ("System: Translate what the user sends into Dutch.\n\nUser: We close at nine today.", "translation"),
    ("Sum the following up in one line:\nThe council met twice and put off its decision.", "summarization"),
    ("good morning to you", "dialogue"),
]
CUES = {"sentiment": "good or bad", "translation": "Dutch", "summarization": "one line"}


def test_an_instruction_keeps_its_task() -> None:
    made = list(recombined(ROWS, [], 200, seed=1))
    assert len(made) == 200
    slips = sum(CUES[task] not in text for text, task in made)
    assert slips < 20  # a typo may fall into the cue


def test_inputs_come_from_other_requests_too() -> None:
    made = [text for text, task in recombined(ROWS, ["An otter asleep."], 200, seed=1) if task == "sentiment"]
    assert any("An otter asleep" in text for text in made)
    assert any("We close at nine" in text for text in made)


def test_the_same_seed_makes_the_same_requests() -> None:
    assert list(recombined(ROWS, [], 50, seed=3)) == list(recombined(ROWS, [], 50, seed=3))
    assert list(recombined(ROWS, [], 50, seed=3)) != list(recombined(ROWS, [], 50, seed=4))


def test_without_inputs_nothing_is_made() -> None:
    assert list(recombined([("hello", "dialogue")], [], 10)) == []


def test_requests_without_an_input_are_known() -> None:
    assert [has_input(text) for text, _ in ROWS] == [True, True, True, False]
    assert not has_input("who wrote Middlemarch")
