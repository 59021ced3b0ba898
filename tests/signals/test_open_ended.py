"""Requests that are not read in full since they name no closed list of answers."""

from __future__ import annotations

import pytest
from contract_cases import cases, request_of

from router.contract import Memory, draft, is_open_ended
from router.signals.contract import read_asked
from router.types import Message, Request

OPEN = [
    "Write an essay about the history of the bicycle. Say what the suffragettes thought of it, in a light tone.",
    "Can you please write me a Python function that reads a file and sums the numbers in it?",
    "Translate into French: The meeting has been moved to Thursday, please tell the others.",
    "How do I keep a database pool healthy when gunicorn forks its workers?",
    "My sourdough stays flat in the oven and I have no idea how to fix it.",
]
CLOSED = [
    "Write the category of this ticket: billing or technical.\n\nTicket: the invoice is wrong",
    "Write me a haiku about rain\n\ncreative, code or maths? one word",
    'formal/informal?\n\n"To whom it may concern"',
    "Could you tell me if this tweet is sarcastic or sincere? Just the word.\n\nTweet: great, another Monday",
]


def _asking(*turns: str) -> Request:
    roles = ("system", "user")[-len(turns) :]
    return Request(messages=tuple(Message(role=role, text=text) for role, text in zip(roles, turns, strict=True)))


@pytest.mark.parametrize("text", OPEN)
def test_open_request_is_not_read_in_full(text: str) -> None:
    assert is_open_ended(_asking(text))
    assert is_open_ended(_asking("You are a helpful assistant.", text))


@pytest.mark.parametrize("text", OPEN)
def test_open_request_reads_as_in_full(text: str) -> None:
    contract, split = read_asked(_asking(text))
    whole = draft(_asking(text), Memory())
    assert (contract.value, contract.confidence) == (whole.contract, whole.confidence)
    assert split.value is None


@pytest.mark.parametrize("text", CLOSED)
def test_request_that_names_answers_is_read(text: str) -> None:
    assert not is_open_ended(_asking(text))


@pytest.mark.parametrize("text", OPEN)
def test_open_request_under_labels_is_read(text: str) -> None:
    assert not is_open_ended(_asking("Classify the prompt: code, prose or chat.", text))


def test_no_written_request_with_labels_is_passed_over() -> None:
    passed = [case["name"] for case in cases() if not case.get("abstain") and is_open_ended(request_of(case))]
    assert passed == []
