from __future__ import annotations

import random
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.local.spelling import Speller, word_counts

TEXTS = (
    ["where is my parcel", "the parcel has not arrived", "please refund my order", "cancel the order now"] * 3
    + ["my card was declined at the shop", "open an account for my daughter"]
)  # fmt: skip


def speller(texts: list[str] = TEXTS) -> Speller:
    return Speller(*word_counts(texts))


@pytest.mark.parametrize(
    ("text", "spelt"),
    [
        ("where is my parcl", "where is my parcel"),
        ("where is my paarcel", "where is my parcel"),
        ("where is my aprcel", "where is my parcel"),
        ("where is my parcek", "where is my parcel"),
        ("Where is mqy PARCEK, please?", "where is my parcel, please?"),
        ("cancel theorder", "cancel the order"),
        ("xparcel", "parcel"),
        ("parcelx", "parcel"),
        ("arcel", "parcel"),
        ("parce", "parcel"),
    ],
)
def test_one_mistake_is_read_as_the_training_word(text: str, spelt: str) -> None:
    assert speller().spelt(text) == spelt


@pytest.mark.parametrize(
    "text",
    [
        "where is my parcel",
        "Where Is My PARCEL",  # nothing to change: the text itself, capitals too
        "a shot of rum",  # English words, though "shop" is one letter away
        "where is my zebrafish",  # nothing is near
        "pd 42 parc3l",  # no words of letters
        "wo ist mein päckchen",
        "",
        "   ",
    ],
)
def test_text_without_mistakes_is_left_as_it_is(text: str) -> None:
    assert speller().spelt(text) is text


def test_half_a_character_does_no_harm() -> None:
    assert speller().spelt("\ud800 parcek") == "? parcel"


def test_more_frequent_word_wins() -> None:
    found = speller(["the parcels here"] + ["my parcel there"] * 9)
    assert found.spelt("my parcelz") == "my parcel"
    assert speller(["my parcel there"] + ["the parcels here"] * 9).spelt("my parcelz") == "my parcels"


def test_foreign_text_is_not_looked_at() -> None:
    text = "wo isst maein parcek unnd wieso wirdt dasz nichtt gezeigdt oderr sosnt waas"
    assert speller().spelt(text) is text


def test_rows_in_another_language_make_no_speller() -> None:
    words, counts = word_counts(["wo ist mein paket geblieben", "bitte storniert meine bestellung sofort"] * 5)
    assert len(words) == len(counts) == 0
    assert Speller(words, counts).spelt("wo ist mein pakt") == "wo ist mein pakt"


def test_long_text_is_left_as_it_is() -> None:
    text = "the parcek " * 500
    assert speller().spelt(text) is text


def edits(word: str) -> set[str]:
    """All strings at one mistake, written out (Norvig, 2007)."""
    pairs = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    return {
        *(a + b[1:] for a, b in pairs if b),
        *(a + b[1] + b[0] + b[2:] for a, b in pairs if len(b) > 1),
        *(a + c + b[1:] for a, b in pairs if b for c in string.ascii_lowercase),
        *(a + c + b for a, b in pairs for c in string.ascii_lowercase),
    }


@given(st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_hashed_candidates_are_those_of_the_textbook(seed: int) -> None:
    draw = random.Random(seed)
    word = "".join(draw.choices("qxzjkvw", k=draw.randint(4, 9)))
    near = draw.choice(sorted(edits(word) - {word}))
    assert speller([near, *["the parcel is here"] * 5]).spelt(word) == near


def test_words_two_mistakes_away_are_not_changed() -> None:
    assert speller().spelt("paarcell zzz") == "paarcell zzz"
