"""The same request is read once, and nothing but the same request."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from router import Router
from router.types import Signal, Signals

REVIEW = {
    "messages": [
        {"role": "system", "content": "You label reviews. Answer with exactly one word: positive or negative."},
        {"role": "user", "content": "Wonderful film, beautifully acted, the best I have seen this year."},
    ]
}
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
CALL = {"id": "c", "type": "function", "function": {"name": "look_up", "arguments": '{"mail": "ann@example.com"}'}}


class Counting:
    """A detector in front of another one; ``fails`` as often as it is told to."""

    slow = False

    def __init__(self, inner: Any, fails: int = 0) -> None:
        self.provides, self._inner, self.runs, self._fails = inner.provides, inner, 0, fails

    def __call__(self, signals: Signals, /) -> Mapping[str, Signal[Any]]:
        self.runs += 1
        if self.runs <= self._fails:
            raise RuntimeError("broken")
        found: Mapping[str, Signal[Any]] = self._inner(signals)
        return found


@pytest.fixture
def router(tmp_path: Path) -> Router:
    config = tmp_path / "router.yaml"
    config.write_text("ledger: {path: ledger.jsonl}\n", encoding="utf-8")
    return Router.from_config(config)


def counting(router: Router, name: str, fails: int = 0) -> Counting:
    found = Counting(router.engine.detectors[name], fails)
    router.engine.detectors = {**router.engine.detectors, name: found}
    return found


def decided(router: Router, request: Mapping[str, Any], **hints: Any) -> dict[str, Any]:
    found = msgspec.to_builtins(router.decide(request, **hints))
    return {name: value for name, value in found.items() if name not in ("id", "snapshot")}


def test_the_same_request_is_read_once(router: Router) -> None:
    contract, tokens = counting(router, "contract"), counting(router, "tokens")
    first = decided(router, REVIEW)
    again = [decided(router, msgspec.json.decode(msgspec.json.encode(REVIEW))) for _ in range(3)]
    assert again == [first] * 3
    assert first["target"]["kind"] == "local"
    assert (contract.runs, tokens.runs) == (1, 1)


@pytest.mark.parametrize(
    ("changed", "hints"),
    [
        ({}, {"tenant": "other"}),
        ({}, {"labels": ["positive", "negative", "neutral"]}),
        ({}, {"task": "toxicity"}),
        ({}, {"input": "Wonderful"}),
        ({"tools": [TOOL]}, {}),
        ({"tools": [TOOL], "tool_choice": "none"}, {}),
        ({"response_format": {"type": "json_object"}}, {}),
        ({"logprobs": True}, {}),
        ({"stop": ["negative"]}, {}),
        ({"guided_regex": "positive"}, {}),
        ({"messages": [*REVIEW["messages"][:1], {"role": "user", "content": "Wonderful film."}]}, {}),
        ({"messages": [{**REVIEW["messages"][0], "role": "user"}, REVIEW["messages"][1]]}, {}),
        ({"messages": [*REVIEW["messages"], {"role": "assistant", "content": None, "tool_calls": [CALL]}]}, {}),
    ],
)
def test_another_request_is_read_anew(router: Router, changed: Mapping[str, Any], hints: Mapping[str, Any]) -> None:
    contract = counting(router, "contract")
    decided(router, REVIEW)
    found = decided(router, {**REVIEW, **changed}, **hints)
    assert contract.runs == 2
    decided_anew = decided(Router(), {**REVIEW, **changed}, **hints)
    assert found["signals"] == decided_anew["signals"]


def test_what_a_broken_detector_left_unknown_is_not_remembered(router: Router) -> None:
    pii = counting(router, "pii", fails=1)
    assert decided(router, REVIEW)["signals"]["pii"]["value"] is None
    assert decided(router, REVIEW)["signals"]["pii"]["value"] is not None
    decided(router, REVIEW)
    assert pii.runs == 2


def test_a_model_that_steps_aside_answers_nothing_that_it_answered_before(router: Router) -> None:
    assert decided(router, REVIEW)["target"]["model"] == "sentiment"
    router.engine.lifecycle.move("sentiment", "quarantined", by="user")
    assert decided(router, REVIEW)["target"]["model"] != "sentiment"
    router.engine.lifecycle.move("sentiment", "serving", by="user")
    assert decided(router, REVIEW)["target"]["model"] == "sentiment"


def test_only_the_latest_are_remembered(router: Router) -> None:
    tokens = counting(router, "tokens")
    for number in range(600):
        router.decide(f"Tell me about the number {number}.")
    router.decide("Tell me about the number 599.")
    assert tokens.runs == 600
    router.decide("Tell me about the number 0.")
    assert tokens.runs == 601


def test_a_large_request_is_read_each_time(router: Router) -> None:
    tokens = counting(router, "tokens")
    for _ in range(2):
        router.decide("word " * 20_000)
    assert tokens.runs == 2
