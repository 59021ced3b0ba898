"""Signals computed once: the compiled class and its Python reference do the same."""

from __future__ import annotations

import gc
import os
import weakref
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from router.compiled import compiled
from router.signals.rule import Rule
from router.types import UNKNOWN, Message, Request, Signal, Signals
from router.types.observing import LazySignals

REQUEST = Request(messages=(Message(role="user", text="hello"),))


class ByPython(LazySignals):
    """The reference, completed as :class:`Signals` completes the compiled class."""

    __slots__ = ("_on_error", "_slow", "has_failed")
    for _name in ("__init__", "_failed", "fetch", "late", "missing", "take", "known", "n_known", "names"):
        locals()[_name] = vars(Signals)[_name]


@pytest.fixture(params=[Signals, ByPython], ids=["as installed", "by Python"])
def make(request: pytest.FixtureRequest) -> Any:
    if request.param is Signals and compiled is None:
        if os.environ.get("CI"):
            pytest.fail("CI must compile router._ngrams")
        pytest.skip("router._ngrams is not compiled here")
    return request.param


class Telling:
    """A detector that tells what it was given, and counts how often it was asked."""

    def __init__(self, told: Any, *, provides: tuple[str, ...] = ("a",), slow: bool = False) -> None:
        self.told, self.provides, self.slow, self.asked = told, provides, slow, 0

    def __call__(self, signals: Signals, /) -> Any:
        self.asked += 1
        if isinstance(self.told, BaseException):
            raise self.told
        return self.told(signals) if callable(self.told) else self.told


def one(value: Any) -> Signal[Any]:
    return Signal(value=value, confidence=1.0, detector="test")


def test_a_signal_is_computed_once_and_only_when_asked(make: Any) -> None:
    detector = Telling(one(1))
    signals = make(REQUEST, {"a": detector})
    assert detector.asked == 0
    assert signals.get("a") is signals["a"] is detector.told
    assert detector.asked == 1
    assert signals.known() == {"a": detector.told}
    assert signals.request is REQUEST


def test_what_nobody_tells_is_unknown_and_not_kept(make: Any) -> None:
    signals = make(REQUEST, {})
    assert signals.get("b") is UNKNOWN
    assert signals.known() == {}


@pytest.mark.parametrize("shape", [dict, MappingProxyType])
def test_several_signals_are_kept_and_what_is_known_stays(make: Any, shape: Any) -> None:
    detector = Telling(shape({"b": one(2), "a": one(1)}), provides=("a", "b", "c"))
    signals = make(REQUEST, shape(dict.fromkeys("abc", detector)))
    signals.take({"b": one("before")})
    assert signals.get("a").value == 1
    assert signals.get("b").value == "before"
    assert list(signals.known()) == ["b", "a"]
    # It provides "c" and told nothing of it: from now on it is unknown.
    assert signals.get("c") is UNKNOWN
    assert "c" in signals.known()
    assert detector.asked == 2


def test_a_slow_detector_runs_only_on_demand(make: Any) -> None:
    detector = Telling(one(1), slow=True)
    signals = make(REQUEST, {"a": detector})
    assert signals.get("a") is UNKNOWN
    assert signals.missing(["a"]) == ("a",)
    signals.fetch(["a"])
    assert signals.get("a") is detector.told
    assert signals.run("a") is detector.told
    assert detector.asked == 1


@pytest.mark.parametrize("told", [ValueError("no"), 7, None, KeyError("a")], ids=repr)
def test_a_broken_detector_makes_its_signals_unknown_and_is_heard_of(make: Any, told: Any) -> None:
    heard: list[tuple[Any, Exception]] = []
    detector = Telling(told, provides=("a", "b"))
    signals = make(REQUEST, {"a": detector, "b": detector}, on_error=lambda *told: heard.append(told))
    signals.take({"b": one("before")})
    assert signals.get("a") is UNKNOWN
    assert signals.has_failed
    assert signals.known() == {"b": one("before"), "a": UNKNOWN}
    ((who, error),) = heard
    assert who is detector
    if isinstance(told, Exception):
        assert error is told
        assert error.__traceback__ is not None


@pytest.mark.parametrize(
    ("said", "told"),
    [((3, 0.5), (3, 0.5)), ((False, 0.9), (False, 0.9)), ((None, 0.9), (None, 0.0)), (([], 1), ([], 1))],
)
def test_a_rule_says_a_value_and_how_sure_it_is(make: Any, said: Any, told: Any) -> None:
    signals = make(REQUEST, {"a": Rule(name="a", read=lambda _: said), "b": Rule(name="b", read=lambda _: said)})
    for name in "ab":
        signal = signals.get(name)
        assert (signal.value, signal.confidence, signal.detector) == (*told, "rules")
    assert signals.get("a") is not signals.get("b")


@pytest.mark.parametrize("said", [None, 7, (1,), (1, 2, 3)], ids=repr)
def test_a_rule_that_says_something_else_is_broken(make: Any, said: Any) -> None:
    signals = make(REQUEST, {"a": Rule(name="a", read=lambda _: said)})
    assert signals.get("a") is UNKNOWN
    assert signals.has_failed


def test_a_slow_rule_is_not_run_at_once(make: Any) -> None:
    signals = make(REQUEST, {"a": Rule(name="a", read=lambda _: (1, 1.0), slow=True)})
    assert signals.get("a") is UNKNOWN
    assert signals.run("a").value == 1


def test_what_is_no_error_of_the_detector_passes(make: Any) -> None:
    signals = make(REQUEST, {"a": Telling(KeyboardInterrupt())})
    with pytest.raises(KeyboardInterrupt):
        signals.get("a")
    assert not signals.has_failed


def test_a_mapping_that_fails_is_no_missing_detector(make: Any) -> None:
    class Broken(dict[str, Any]):
        def get(self, *_: Any) -> Any:
            raise OSError("disk")

        __getitem__ = get

    with pytest.raises(OSError, match="disk"):
        make(REQUEST, Broken()).get("a")


def test_detectors_ask_for_one_another_and_share_views(make: Any) -> None:
    made: list[int] = []

    def text(signals: Signals) -> str:
        made.append(1)
        return signals.request.messages[0].text

    first = Telling(lambda signals: one(signals.view(text)))
    second = Telling(lambda signals: one(signals.get("a").value + signals.view(text)))
    signals = make(REQUEST, {"a": first, "b": second})
    assert signals.get("b").value == "hellohello"
    assert signals.view(text) == "hello"
    assert made == [1]


def test_a_view_that_fails_is_tried_again(make: Any) -> None:
    def fails(_: Signals) -> Mapping[str, Any]:
        raise ValueError("not yet")

    signals = make(REQUEST, {})
    for _ in range(2):
        with pytest.raises(ValueError, match="not yet"):
            signals.view(fails)


def test_a_circle_is_collected(make: Any) -> None:
    class Held:
        pass

    held = Held()
    gone = weakref.ref(held)
    signals = make(REQUEST, {})
    signals.view(lambda signals, held=held: (held, signals))
    del signals, held
    gc.collect()
    assert gone() is None


def test_an_object_that_was_not_made_is_refused(make: Any) -> None:
    with pytest.raises((RuntimeError, AttributeError)):
        make.__new__(make).get("a")
