"""Labels that a request describes: read as if it did not, and answered locally only by who means the same by them."""

from __future__ import annotations

from typing import Any

import pytest
from contract_cases import cases, reading

from router.catalogue import LocalCard
from router.local.base import model_directories, read_card, shipped_directory
from router.signals.contract import read_asked
from router.signals.label_map import LabelReader
from router.signals.meanings import agrees
from router.types import Contract, Message, Request

SHIPPED = [read_card(folder) for folder in model_directories(shipped_directory())]


def contract_of(system: str, user: str = "My parcel came late again.") -> Contract:
    request = Request(messages=(Message(role="system", text=system), Message(role="user", text=user)))
    contract = read_asked(request)[0].value
    assert contract is not None
    return contract


def card_of(task: str, labels: tuple[str, ...], template: str = "") -> LocalCard:
    return LocalCard(
        name="model", task=task, labels=labels, maker="linear", languages=("en",), rows=900, threshold=0.8,
        ood_threshold=0.2, licence="CC0-1.0", data_hash="", files={}, template=template,
    )  # fmt: skip


SENTIMENT = card_of("sentiment", ("negative", "neutral", "positive"))


def test_meanings_stand_in_the_order_of_the_labels() -> None:
    contract = contract_of(
        "Classify the message:\n- praise: a kind word\n- complaint: something is wrong,\n  late or broken\n- other\n"
        "Answer with the label only."
    )
    assert contract.labels == ("praise", "complaint", "other")
    assert contract.meanings == ("a kind word", "something is wrong late or broken", "")
    assert contract.blocker is None


def test_bare_lists_have_no_meanings() -> None:
    assert contract_of("Classify the message as praise or complaint. Answer with the label only.").meanings == ()


@pytest.mark.parametrize(
    "gloss",
    [
        "only if the order is older than 30 days",
        "choose this if nothing else fits",
        "takes priority over the others",
        "the amount is over 50 euros",
        "a kind word, unless it is ironic",
        "a kind word, ignore the price",
        "anything else, and explain what it is",
    ],
)
def test_rules_in_glosses_block_the_contract(gloss: str) -> None:
    contract = contract_of(f"Classify the message:\n- complaint: something is wrong\n- praise: {gloss}\nLabel only.")
    assert contract.labels == ("complaint", "praise")
    assert contract.blocker is not None
    assert contract.is_learnable


@pytest.mark.parametrize(
    "below", ["  Return JSON with the keys label and reason.", "  Also write a short reply.", "Explain your choice."]
)
def test_orders_below_a_list_are_no_glosses(below: str) -> None:
    contract = contract_of(f"Classify the message:\n- praise: a kind word\n- complaint: something is wrong\n{below}")
    assert contract.blocker is not None


@pytest.mark.parametrize(
    ("task", "label", "meaning"),
    [
        ("sentiment", "positive", "the customer is happy"),
        ("sentiment", "negative", "expresses dissatisfaction or disappointment"),
        ("sentiment", "neutral", "neither positive nor negative"),
        ("other_classification", "spam", "unsolicited advertising"),
        ("toxicity", "toxic", "abusive, rude or threatening"),
    ],
)
def test_glosses_that_say_what_the_label_says_agree(task: str, label: str, meaning: str) -> None:
    assert agrees(task, label, meaning)


@pytest.mark.parametrize(
    ("task", "label", "meaning"),
    [
        ("sentiment", "positive", "mentions a price"),
        ("sentiment", "positive", "the customer is not happy"),
        ("sentiment", "positive", "recommends the product"),
        ("sentiment", "positive", "the customer is happy with the delivery"),
        ("sentiment", "negative", "complaints"),
        ("sentiment", "neutral", "neither happy nor negative"),
        ("other_classification", "spam", "incoherent text"),
        ("other_classification", "spam", "phishing"),
        ("other_classification", "spam", "unwanted, except newsletters"),
        ("toxicity", "toxic", "mentions a chemical"),
        ("intent_classification", "balance", "the user asks for the balance"),
        ("sentiment", "spam", "unsolicited advertising"),
        ("sentiment", "positive", ""),
        ("sentiment", "positive", "happy " * 40),
    ],
)
def test_other_glosses_do_not(task: str, label: str, meaning: str) -> None:
    assert not agrees(task, label, meaning)


def test_redefined_labels_are_not_the_models() -> None:
    contract = contract_of(
        "Classify the message:\n- positive: mentions a colour\n- negative: mentions no colour\nLabel only."
    )
    found = LabelReader(SENTIMENT)(contract)
    assert found is not None
    assert found.reason == "the request says what 'positive' means"


def test_labels_in_their_usual_sense_are_the_models() -> None:
    contract = contract_of(
        "Classify the message:\n- positive: the customer is happy\n- negative: the customer is unhappy\nLabel only."
    )
    found = LabelReader(SENTIMENT)(contract)
    assert found is not None
    assert found.reason is None
    assert found.places == (2, 0)


def test_a_model_of_that_template_knows_what_its_labels_mean() -> None:
    contract = contract_of("Classify the message:\n- sunny: a kind word\n- stormy: an angry word\nLabel only.")
    taught = LabelReader(card_of("topic_classification", ("sunny", "stormy"), template="0123456789abcdef"))(contract)
    other = LabelReader(card_of("topic_classification", ("sunny", "stormy")))(contract)
    assert taught is not None
    assert taught.reason is None
    assert other is not None
    assert other.reason is not None


@pytest.mark.parametrize(
    "case", [case for case in cases() if case.get("abstain") == "described"], ids=lambda case: case["name"]
)
def test_described_labels_are_no_shipped_models(case: dict[str, Any]) -> None:
    contract = reading(case)[1].value
    assert contract is not None
    if contract.labels is None or contract.blocker is not None:
        return
    for card in SHIPPED:
        found = LabelReader(card)(contract)
        assert found is not None
        assert found.reason is not None
