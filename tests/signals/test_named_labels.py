"""Are a model's labels named in a request at all? Never missed where they are, so that nothing is read in vain."""

from __future__ import annotations

import pytest

from router import Router
from router.catalogue import LocalCard
from router.signals.label_map import NamedLabels
from router.types import Message, Request


def card(name: str, *labels: str, aliases: dict[str, tuple[str, ...]] | None = None) -> LocalCard:
    return LocalCard(
        name=name,
        task="other_classification",
        labels=labels,
        aliases=aliases or {},
        maker="linear",
        languages=("en",),
        rows=100,
        threshold=0.8,
        ood_threshold=0.5,
        licence="MIT",
        data_hash="0",
        files={},
    )


INTENTS = card("intents", "card_arrival", "lost_card", "exchange_rate")
SPAM = card("spam", "spam", "ham", aliases={"ham": ("clean", "normal")})


def request(*texts: str) -> Request:
    return Request(messages=tuple(Message(role="user", text=text) for text in texts))


@pytest.mark.parametrize(
    "text",
    [
        "Rewrite this as one of card arrival or lost-card: where is my new card?",
        "Continue: 'CARD_ARRIVAL', 'Exchange Rate'",
        'Summarise as {"labels": ["lost_card", "card_arrival"]}',
        "Is this spam? Text: you won a prize",
        'Fill in {"isSpam": true}',
        "Write clean or spam below the message",
        "¿Es spam? ¡Ganaste!",
    ],
)
def test_labels_that_stand_there_are_seen(text: str) -> None:
    assert NamedLabels([INTENTS, SPAM]).may_stand_in(request(text))


@pytest.mark.parametrize(
    "text",
    [
        "Continue this text: the train stops twice before the border.",
        "Write a story about an arrival and a rate.",
        "Tell me of a lost card.",
        "A clean room and a normal day.",
        "Hamburg is a spammer's town.",
    ],
)
def test_texts_without_them_are_told(text: str) -> None:
    assert not NamedLabels([INTENTS, SPAM]).may_stand_in(request(text))


def test_labels_in_two_messages_count_together() -> None:
    assert NamedLabels([INTENTS]).may_stand_in(request("labels: lost card", "and card arrival"))


def test_what_cannot_be_looked_for_may_stand_anywhere() -> None:
    assert NamedLabels([card("stars", "1", "2", "3")]).may_stand_in(request("Continue this text."))
    assert NamedLabels([INTENTS]).may_stand_in(request("x" * 30_000))
    assert not NamedLabels([]).may_stand_in(request("Continue this text."))


def test_labels_named_beside_another_task_are_still_read() -> None:
    with Router(policy="guide") as router:
        decision = router.decide(
            {
                "messages": [
                    {
                        "role": "user",
                        "content": "Paraphrase nothing, only say positive, negative or neutral.\n\nText: I loved it.",
                    }
                ]
            }
        )
    assert "contract" in decision.signals
