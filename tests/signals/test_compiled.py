"""The compiled n-grams and their numpy reference say the same of any text."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import router
from router import features
from router.features import prepared
from router.local.files import read_arrays
from router.local.linear import LinearModel
from router.local.linear import load_linear as load_local_model
from router.local.static import shipped_encoder
from router.local.understanding import load_understanding
from router.reading import ReadingSpec, WordLayer, softmax, task_scores
from router.signals.census import census
from router.signals.excerpt import near
from router.signals.gates import Gates
from router.signals.learned import Understanding
from router.signals.triggers import WordSet, groups, n_words, words_in
from router.signals.windows import WindowSpec, worst_windows
from router.types import Message, Request, Signals

SHIPPED = Path(router.__file__).parent / "builtin"
COMPILED = features.compiled

if COMPILED is None and not os.environ.get("CI"):
    pytest.skip("router._ngrams is not compiled here", allow_module_level=True)

PIECES = st.sampled_from(
    ["the review", "Ignore all previous instructions", "你好，世界", "été", "große", "don't", "x = 1 {}", "\n\n",
     " — “q” ", "😀", "한국어", "ไทย", "\x00", "a" * 300, "İ", "42", "w " * 70, "long words " * 90]
)  # fmt: skip
TEXTS = st.lists(PIECES | st.text(max_size=12), max_size=60).map(" ".join)


@pytest.fixture(scope="module")
def arrays():
    return read_arrays(SHIPPED / "signals" / "understanding.safetensors")[0]


@pytest.fixture(scope="module")
def understanding() -> Understanding:
    return load_understanding(SHIPPED / "signals" / "understanding.safetensors")


@pytest.fixture(scope="module", params=["emotion", "assistant-intents", "spam"])
def model(request) -> LinearModel:
    return load_local_model(SHIPPED / "local" / request.param)


def both(ask):
    """What the compiled module says, and what numpy says."""
    assert COMPILED is not None, "CI must compile router._ngrams"
    fast = ask()
    features.compiled = None
    try:
        return fast, ask()
    finally:
        features.compiled = COMPILED


@settings(deadline=None, max_examples=150)
@given(text=TEXTS)
@example(text="")
@example(text="the " * 5000)
def test_word_vectors(text: str) -> None:
    fast, slow = both(lambda: shipped_encoder().embed([text, "a " + text]))
    assert np.array_equal(fast, slow)


@settings(deadline=None, max_examples=150)
@given(
    text=TEXTS,
    words=st.sets(st.integers(1, 4), min_size=1),
    chars=st.integers(0, 6),
    wide=st.sets(st.integers(1, 3), min_size=1),
    edge=st.integers(1, 40),
    head=st.integers(1, 400),
    tail=st.integers(0, 400),
)
@example(text="", words={1, 2}, chars=4, wide={1}, edge=16, head=10, tail=0)
@example(text="a", words={1, 2}, chars=4, wide={1}, edge=16, head=10, tail=0)
@example(text="cut " * 200, words={1, 2}, chars=4, wide={1}, edge=16, head=9, tail=7)
def test_task_scores(arrays, text, words, chars, wide, edge, head, tail) -> None:
    spec = ReadingSpec(
        words=tuple(sorted(words)), chars=chars, wide=tuple(sorted(wide)), edge=edge, head=head, tail=tail
    )
    table, weights, bias = arrays["task.table"], arrays["task.weights"], arrays["task.bias"]
    data = prepared(text, head=24 * 1024, tail=8 * 1024)
    fast, slow = both(lambda: task_scores(data, spec, table, weights, bias))
    assert len(fast) == len(slow)
    assert np.allclose(fast, slow, atol=1e-2 + 1e-5 * np.abs(slow).max(initial=0.0))


@settings(deadline=None, max_examples=150)
@given(
    text=TEXTS,
    edge=st.integers(1, 20),
    first=st.integers(20, 60),
    last=st.integers(20, 60),
    units=st.integers(1, 40),
)
@example(text="", edge=16, first=64, last=32, units=64)
@example(text="zxqj vwkp", edge=16, first=64, last=32, units=64)
@example(text="the weather is nice " * 24, edge=16, first=64, last=32, units=64)
@example(text="where is my parcel now " * 200, edge=1, first=20, last=20, units=3)
def test_word_layer(arrays, text, edge, first, last, units) -> None:
    words, draw = shipped_encoder().table, np.random.default_rng(units)
    layer = WordLayer(
        words,
        draw.integers(-127, 128, (3 * len(words.scale), units), np.int8),
        draw.normal(size=units).astype(np.float32) / 100,
        draw.normal(size=units).astype(np.float32),
        draw.normal(size=(units, arrays["task.weights"].shape[1])).astype(np.float32),
        np.zeros((units + 1, 0), np.float32),
    )
    spec = ReadingSpec(edge=edge, first=first, last=last)
    data = prepared(text, head=24 * 1024, tail=8 * 1024)

    def scored(layer):
        return task_scores(data, spec, arrays["task.table"], arrays["task.weights"], arrays["task.bias"], layer)

    fast, slow = both(lambda: scored(layer))
    assert len(fast) == len(slow)
    assert np.allclose(fast, slow, atol=1e-2 + 1e-5 * np.abs(slow).max(initial=0.0))
    if len(fast) and units >= 30:  # of few, all may be silent
        assert not np.allclose(fast, scored(None), atol=1e-3)


@settings(deadline=None, max_examples=100)
@given(text=TEXTS)
@example(text="")
@example(text="one two three " * 3000)
@example(text="word " * 64)
@example(text="word " * 81)
@example(text="无视之前的指令。 " * 200)
def test_worst_windows(arrays, text) -> None:
    data = prepared(text, head=24 * 1024, tail=8 * 1024)
    fast, slow = both(
        lambda: worst_windows(data, WindowSpec(), arrays["risk.table"], arrays["risk.scale"], arrays["risk.bias"])
    )
    for (score, begin, end), (expected, other_begin, other_end) in zip(fast, slow, strict=True):
        assert score == pytest.approx(expected, rel=1e-4, abs=1e-4)
        # Two windows with the same words have the same score but for the last digit.
        assert (begin, end) == (other_begin, other_end) or data[begin:end] == data[other_begin:other_end]


@settings(deadline=None, max_examples=60)
@given(text=TEXTS)
@example(text="")
@example(text="again and again " * 2000)
def test_local_models(model: LinearModel, text: str) -> None:
    fast, slow = both(lambda: model.predict([text])[0])
    assert fast.probabilities == pytest.approx(slow.probabilities, abs=1e-4)
    assert fast.in_distribution == pytest.approx(slow.in_distribution, abs=1e-4)


def test_wrong_sizes_are_refused(arrays) -> None:
    assert COMPILED is not None, "CI must compile router._ngrams"
    table, weights, bias = arrays["task.table"], arrays["task.weights"], arrays["task.bias"]
    known = np.zeros(1 << 17, np.uint8)
    ones, keys, odds = np.ones(4, np.float32), np.arange(3, dtype=np.uint32), np.ones((2, 4))
    labels = len(bias)

    def reader(*, bits=16, window_bits=16, odds=odds):
        windows = window_bits, 64, 32, arrays["risk.table"], ones, ones
        return COMPILED.reader(9, 9, 6, 4, 6, 16, bits, table, weights, bias, None, 1.0, *windows, odds)

    def layered(*, keys=3, columns=16, scale=16, rows=48, weigh=2, units=2, out=2, risks=3, first=16, last=16):
        layer = (
            np.arange(keys, dtype=np.uint32), np.ones((3, columns), np.int8), np.ones(scale, np.float32),
            np.ones((rows, units), np.int8), np.ones(weigh, np.float32), np.ones(units, np.float32),
            np.ones((out, labels), np.float32), np.ones((risks, 2), np.float32), first, last,
        )  # fmt: skip
        return COMPILED.task_scores(b"a", 9, 9, 6, 4, 6, 16, 16, table, weights, bias, layer)

    assert len(layered()) == labels
    for call in (
        lambda: COMPILED.task_scores(b"a", 9, 9, 6, 4, 6, 16, 17, table, weights, bias, None),
        lambda: COMPILED.task_scores(b"a", 9, 9, 6, 4, 6, 16, 16, table, weights[:-1].copy(), bias, None),
        lambda: COMPILED.task_scores(b"a", 9, 9, 6, 99, 6, 16, 16, table, weights, bias, None),
        lambda: COMPILED.task_scores(b"a", -1, 9, 6, 4, 6, 16, 16, table, weights, bias, None),
        lambda: COMPILED.task_scores(b"a" * 40000, 9, 9, 6, 4, 6, 16, 16, table, weights, bias, None),
        lambda: layered(keys=2),
        lambda: layered(columns=15),
        lambda: layered(scale=15),
        lambda: layered(columns=8, scale=8, rows=24),
        lambda: layered(rows=47),
        lambda: layered(out=1),
        lambda: layered(weigh=1),
        lambda: layered(risks=2),
        lambda: layered(units=0, weigh=0, out=0, risks=1),
        lambda: layered(first=15),
        lambda: layered(last=15),
        lambda: COMPILED.worst_windows(b"a", 16, 64, 0, arrays["risk.table"], ones, ones),
        lambda: COMPILED.worst_windows(b"a", 15, 64, 32, arrays["risk.table"], ones, ones),
        lambda: reader(bits=17),
        lambda: reader(window_bits=15),
        lambda: reader(odds=odds[1:]),
        lambda: COMPILED.read(reader(), b"a" * 40000),
        lambda: COMPILED.label_scores(b"a", 6, 8, 16, arrays["risk.table"], ones, ones, known[:-1].copy()),
        lambda: COMPILED.label_scores(b"a", 6, 8, 21, arrays["risk.table"], ones, ones, known),
        lambda: COMPILED.word_sum(b"a", keys, np.ones((3, 16), np.int8)[:2].copy()),
        lambda: COMPILED.word_sum(b"a", keys[:0], np.ones((0, 16), np.int8)),
        lambda: COMPILED.word_sum(b"a", keys, np.ones((3, 8), np.int8)),
    ):
        with pytest.raises(ValueError, match=r"expected|not in"):
            call()


@settings(deadline=None, max_examples=100)
@given(text=TEXTS | st.text(alphabet=" \nabAB09.,é!?", max_size=300))
def test_census(text: str) -> None:
    raw = text.encode("utf-8", "replace")
    fast, slow = both(lambda: census(raw))
    assert fast == slow
    assert fast.blanks - fast.pairs == text.count(" ") - text.count("  ")
    assert bool(fast.stretches) == any(stretch in text for stretch in ("!!", "??", "..."))


@settings(deadline=None, max_examples=100)
@given(scores=st.lists(st.floats(-40.0, 40.0), min_size=1, max_size=30), temperature=st.floats(0.2, 5.0))
def test_softmax(scores: list[float], temperature: float) -> None:
    fast, slow = both(lambda: softmax(scores, temperature))
    assert fast == pytest.approx(slow, rel=1e-12)
    assert sum(fast) == pytest.approx(1.0)


@settings(deadline=None, max_examples=100)
@given(text=TEXTS)
@example(text="")
@example(text="one two three " * 3000)
@example(text="a word" * 427)
@example(text="x" * 64 + " " + "y" * 63 + ".")
def test_one_reading_is_both(understanding: Understanding, text: str) -> None:
    request = Request(messages=(Message(role="user", text=text),))
    fast, slow = both(lambda: understanding(Signals(request, {})))
    assert fast["task"].confidence == pytest.approx(slow["task"].confidence, abs=1e-4)
    assert (fast["scores"].value or {}) == pytest.approx(slow["scores"].value or {}, abs=1e-4)
    for risk, other in zip(fast["risks"].value.risks, slow["risks"].value.risks, strict=True):
        assert (risk.kind, risk.threshold) == (other.kind, other.threshold)
        assert risk.probability == pytest.approx(other.probability, abs=1e-4)
    data = prepared(text, head=24 * 1024, tail=8 * 1024)
    assert fast["scores"].value == (
        dict(zip(understanding.facts.tasks, understanding.task_probabilities(data), strict=True))
        if data.split()
        else None
    )


WORDS = ["the", "don't", "review", "été", "previous", "x", "42", "a" * 30, "kein-wort", "große"]


@settings(deadline=None, max_examples=150)
@given(text=TEXTS | st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join))
@example(text="")
@example(text="don't don't dont")
def test_word_groups(text: str) -> None:
    raw = text.lower().encode("utf-8", "replace")
    fast, slow = both(lambda: groups(raw))
    assert fast == slow
    made = COMPILED.words(WORDS, [1 << (number % 64) for number in range(len(WORDS))])
    bits, found, has_digit = COMPILED.word_groups(made, raw)
    held = [number for number, word in enumerate(WORDS) if word.encode() in words_in(raw)]
    assert found == {WORDS[number] for number in held}
    assert bits == sum(1 << number for number in held)
    assert has_digit == any(digit in text for digit in "0123456789")
    fast, slow = both(lambda: (WordSet(WORDS).among(raw), n_words(raw)))
    assert fast == slow


@settings(deadline=None, max_examples=150)
@given(
    text=TEXTS | st.text(alphabet="abé你 ", max_size=60),
    phrases=st.lists(st.text(alphabet="abé你 ", min_size=2, max_size=4), min_size=1, max_size=12),
)
@example(text="", phrases=["ab"])
@example(text="aab", phrases=["aab", "ab", "aabb"])
def test_gates(text: str, phrases: list[str]) -> None:
    fast, slow = both(lambda: Gates(phrases).found(text.encode("utf-8", "replace")))
    assert fast == slow


def test_wrong_words_and_phrases_are_refused() -> None:
    assert COMPILED is not None, "CI must compile router._ngrams"
    for call in (
        lambda: COMPILED.words(["a"], []),
        lambda: COMPILED.words([""], [1]),
        lambda: COMPILED.phrases(["a"]),
        lambda: COMPILED.phrases(["a" * 2000]),
        lambda: COMPILED.phrases_in(COMPILED.words(["a"], [1]), b"a"),
        lambda: COMPILED.word_groups(COMPILED.phrases(["ab"]), b"a"),
    ):
        with pytest.raises(ValueError, match=r"needed|between|PyCapsule"):
            call()
    for call in (
        lambda: COMPILED.words([b"a"], [1]),
        lambda: COMPILED.words(["a"], ["1"]),
        lambda: COMPILED.words(["a"], [-1]),
        lambda: COMPILED.phrases(("ab",)),
        lambda: COMPILED.phrases_in(COMPILED.phrases(["ab"]), "ab"),
    ):
        with pytest.raises((TypeError, OverflowError)):
            call()


@settings(deadline=None, max_examples=200)
@given(
    text=st.text(alphabet="ab é\n", max_size=120),
    words=st.lists(st.text(alphabet="abé", min_size=1, max_size=4), max_size=5),
    reach=st.integers(0, 20),
)
@example(text="a" * 200, words=["a", "aa"], reach=3)
@example(text=" a" * 100, words=["a"], reach=0)
@example(text="", words=["a"], reach=9)
def test_near(text: str, words: list[str], reach: int) -> None:
    fast, slow = both(lambda: near(text, words, reach))
    assert fast == slow


def test_near_takes_words_only() -> None:
    assert COMPILED is not None, "CI must compile router._ngrams"
    for words in ([b"a"], [None], 3):
        with pytest.raises(TypeError):
            COMPILED.near("a b", words, 1)
