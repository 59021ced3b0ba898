"""Signals of a policy's own: keywords, patterns, examples; what is not known is not "no"."""

from __future__ import annotations

import numpy as np
import pytest

from router.local.static import shipped_encoder
from router.signals.own import OwnSignal, own_detector, repeats_a_repeat
from router.types import Message, Request, Signals


def embed(text: str):
    return shipped_encoder().embed([text])[0]


def told(signal: OwnSignal, *turns: tuple[str, str] | str):
    messages = [
        Message(role="user", text=turn) if isinstance(turn, str) else Message(role=turn[0], text=turn[1])
        for turn in turns
    ]  # type: ignore[arg-type]
    detector = own_detector(signal, embed)
    return Signals(Request(messages=tuple(messages)), {signal.name: detector})[signal.name].value


def own(kind: str, *texts: str, **named: object) -> OwnSignal:
    options = {key: named.pop(key) for key in ("read", "threshold", "is_number") if key in named}
    return OwnSignal(name="mine", kind=kind, sought=named or {"": texts}, **options)  # type: ignore[arg-type]


REFUND = own("keywords", "refund", "money back", "cancel*", "straße", "返金", "c++")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I want a REFUND.", True),
        ("I want my money\n  back!", True),
        ("Cancellation, please", True),
        ("STRASSE", True),
        ("ＲＥＦＵＮＤ", True),
        ("re\u00adf\u200bund", True),
        ("商品の返金をお願いします", True),
        ("I code in C++.", True),
        ("It is refundable.", False),
        ("moneyback", False),
        ("an uncancelled order", False),
        ("c", False),
        ("   ", None),
        ("refund " + "x " * 200_000, True),
        ("x " * 200_000, None),
        ("x " * 80_000 + "refund" + " x" * 80_000, None),
    ],
)  # fmt: skip
def test_keywords_are_whole_words_in_any_spelling(text: str, expected: bool | None) -> None:
    assert told(REFUND, text) is expected


def test_words_by_name_say_what_was_found_most() -> None:
    mood = own("keywords", angry=("furious", "fed up"), calm=("thanks",))
    assert told(mood, "I am furious and fed up, thanks") == "angry"
    assert told(mood, "Thanks!") == "calm"
    assert told(mood, "thanks, thanks, thanks, furious") == "angry"  # different words count, and then the order
    assert told(mood, "Where is it?") == "none"


def test_a_longer_keyword_is_not_read_as_the_shorter_one_in_it() -> None:
    topic = own("keywords", card=("card",), credit=("credit card",))
    assert told(topic, "my credit card") == "credit"
    assert told(topic, "my bus card") == "card"


def test_numbers_count_different_findings() -> None:
    rude = own("keywords", "damn", "hell", is_number=True)
    assert [told(rude, text) for text in ("damn damn", "damn this hell", "fine")] == [1, 2, 0]


def test_patterns_and_which_part_is_read() -> None:
    turns = (("system", "ORD-1"), ("user", "ORD-22 is late"), ("assistant", "Oh"), ("user", "Still"))
    for read, pattern, expected in (
        ("last", r"ORD-\d+", False), ("user", r"ORD-\d\d", True), ("user", r"ORD-1\b", False),
        ("all", r"ORD-1\b", True),
    ):  # fmt: skip
        assert told(own("regex", pattern, read=read), *turns) is expected
    assert told(own("regex", "secret"), "x" * 9_000) is None
    assert told(own("regex", "secret", read="last"), ("assistant", "secret")) is None


def test_examples_know_what_is_like_them() -> None:
    refund = own("examples", "I want my money back", "please refund my order", threshold=0.55)
    assert told(refund, "could you refund the order, I want the money") is True
    assert told(refund, "write a poem about the sea") is False
    assert told(refund, "qqqqzz xxyyzz") is None
    near = own("examples", "I want my money back", is_number=True)
    assert told(near, "I want my money back") == pytest.approx(1.0, abs=1e-3)
    topic = own("examples", billing=("the invoice is wrong",), delivery=("where is my parcel",), threshold=0.5)
    assert told(topic, "where did my parcel go") == "delivery"
    assert told(topic, "the sea is blue today") == "none"


def test_a_detector_that_breaks_leaves_the_signal_unknown() -> None:
    def broken(text: str):
        raise OSError(text)

    detector = own_detector(own("examples", "a"), broken)
    assert Signals(Request(messages=(Message(role="user", text="a"),)), {"mine": detector})["mine"].value is None


def test_vectors_are_compared_by_their_cosine() -> None:
    at = {"a": [1.0, 0.0], "b": [0.0, 1.0], "near a": [0.8, 0.6], "far": [-1.0, 0.0]}
    detector = own_detector(own("examples", "a", threshold=0.7), lambda text: np.array(at[text], np.float32))
    values = [Signals(Request(messages=(Message(role="user", text=text),)), {"mine": detector})["mine"] for text in at]
    assert [signal.value for signal in values] == [True, False, True, False]
    assert all(0.5 <= signal.confidence <= 1.0 for signal in values)


@pytest.mark.parametrize(
    ("pattern", "endless"),
    [
        (r"(a+)+", True), (r"(\w+\s?)*$", True), (r"(?:(?:a|b)*c)+", True), (r"(a{2,})*", True), (r"(x(?=b*))*", True),
        (r"ORD-\d{6}", False), (r"a+b+", False), (r"(a{1,9}){2}", False), (r"[a+]*", False), (r"(a+){3}", False),
    ],
)  # fmt: skip
def test_a_pattern_that_may_take_for_ever_is_seen(pattern: str, endless: bool) -> None:
    assert repeats_a_repeat(pattern) is endless
