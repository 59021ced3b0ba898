"""The flip line against brute force: what it names changes the target, and nothing nearer does."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router import Router
from router.catalogue import Deployment, LocalCard, Price
from router.errors import NoCandidate
from router.policy.compile import compile_policy
from router.policy.near import near_misses
from router.policy.read import resolve
from router.selection.candidates import make_fleet
from router.selection.flip import Flip, find_flips
from router.selection.redecide import redecide
from router.types import (
    Budget,
    Decision,
    Flag,
    Hints,
    LocalEvidence,
    Message,
    Request,
    Signal,
    Signals,
    Snapshot,
    TokenCount,
)

CARD = LocalCard(
    name="mood", task="sentiment", labels=("good", "bad"), maker="linear", languages=("en",), rows=5000, threshold=0.9,
    ood_threshold=0.4, licence="MIT", data_hash="0", files={}, promise={"max_error": 0.05},
)  # fmt: skip
FLEET = make_fleet(
    [
        Deployment(name="mini", model="a/mini", tier="small", price=Price(input=1e-6, output=2e-6), ttft_ms=700),
        Deployment(name="maxi", model="a/maxi", tier="large", price=Price(input=1e-5, output=2e-5), ttft_ms=300),
    ],
    [CARD],
)  # fmt: skip
STATE = Snapshot(id="1", now_s=0.0)
POLICY = """\
policy: p
otherwise: {prefer: llm}
rules:
  - {id: ROWS, when: {annotated: ">=%(rows)d", ood: in}, then: {prefer: local}, why: w}
  - {id: UNSURE, when: {task_probability: "<%(unsure)s"}, then: {prefer: llm, tier: large}, over: ROWS, why: w}
  - {id: POOR, when: {budget.max_usd: "<=$%(poor)s"}, then: {prefer: local}, over: [UNSURE], why: w}
  - {id: HARM, when: {safety: {any: harmful, score: ">%(harm)s"}}, then: {refuse: No.}, why: w}
  - {id: LONG, when: {tokens.input: ">%(long)d"}, then: {tier: large}, why: w}
  - {id: THINK, when: {reasoning: true}, then: {prefer: llm, tier: large}, over: [ROWS], why: w}
"""

worlds = st.fixed_dictionaries(
    {
        "rows": st.integers(1, 12),
        "unsure": st.sampled_from([0.2, 0.45, 0.7]),
        "poor": st.sampled_from(["0.0001", "0.0005"]),
        "harm": st.sampled_from([0.3, 0.8]),
        "long": st.integers(5, 40),
        "annotated": st.integers(0, 14),
        "probability": st.sampled_from([0.1, 0.45, 0.69, 0.95]),
        "harmful": st.one_of(st.none(), st.sampled_from([0.1, 0.3, 0.31, 0.9])),
        "inside": st.sampled_from([0.1, 0.39, 0.4, 0.8]),
        "sure": st.sampled_from([0.5, 0.89, 0.9, 0.99]),
        "input": st.integers(1, 50),
        "usd": st.one_of(st.none(), st.sampled_from([0.00001, 0.0001, 0.0004, 0.003, 0.01])),
        "ms": st.one_of(st.none(), st.sampled_from([400.0, 800.0, 5000.0])),
        "reasoning": st.booleans(),
    }
)


class World:
    """A policy, a request and its signals, any of which can be changed."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.facts = facts
        self.policy = compile_policy(resolve(POLICY % facts, lambda name: (name, ""), file="p.yaml"))

    def request(self, **changed: Any) -> Request:
        facts = {**self.facts, **changed}
        budget = Budget(max_usd=facts["usd"], max_latency_ms=facts["ms"])
        return Request(messages=(Message(role="user", text="x"),), hints=Hints(budget=budget))

    def known(self, **changed: Any) -> dict[str, Signal[Any]]:
        facts = {**self.facts, **changed}
        able = facts["inside"] >= CARD.ood_threshold and facts["sure"] >= CARD.threshold
        evidence = LocalEvidence(
            model="mood", probability=facts["sure"], threshold=CARD.threshold, in_distribution=facts["inside"],
            ood_threshold=CARD.ood_threshold, rows=facts["annotated"], reason=None if able else "not sure",
        )  # fmt: skip
        harmful = facts["harmful"]
        values = {
            "annotated": facts["annotated"],
            "reasoning": facts["reasoning"],
            "ood": "in" if facts["inside"] >= CARD.ood_threshold else "out",
            "local": evidence,
            "tokens": TokenCount(input=facts["input"], output=100, output_max=200),
            "safety": () if harmful is None else (Flag(kind="harmful", score=harmful, severity="high"),),
        }
        known = {name: Signal(value=value, confidence=1.0, detector="test") for name, value in values.items()}
        known["task"] = Signal(value="sentiment", confidence=facts["probability"], detector="test")
        return known

    def target(self, **changed: Any) -> tuple[str, str | None] | str:
        try:
            target = redecide(self.request(**changed), self.known(**changed), self.policy, FLEET, STATE).target
        except NoCandidate as error:
            return type(error).__name__
        return target.kind, target.model


def place(flip: Flip) -> tuple[str, str | None] | str:
    return (flip.target.kind, flip.target.model) if flip.target is not None else str(flip.fails)


def on(flip: Flip, *, whole: bool = False) -> float:
    """The value nearest to the present one that the flip speaks of."""
    if flip.op in (">=", "<="):
        return flip.limit
    if whole:
        return flip.limit + (1 if flip.op == ">" else -1)
    return math.nextafter(flip.limit, math.inf if flip.op == ">" else -math.inf)


FACTS = {
    "annotated": "annotated",
    "task_probability": "probability",
    "safety.harmful": "harmful",
    "in_distribution": "inside",
    "local.probability": "sure",
    "max_usd": "usd",
    "max_latency_ms": "ms",
    "tokens.input": "input",
}
GRIDS = {
    "annotated": [float(n) for n in range(16)],
    "input": [float(n) for n in range(1, 50, 3)],
    "probability": [n / 100 for n in range(0, 101, 4)],
    "harmful": [n / 100 for n in range(0, 101, 4)],
    "inside": [n / 100 for n in range(0, 101, 4)],
    "sure": [n / 100 for n in range(0, 101, 4)],
    "usd": [n * 0.00004 for n in range(1, 80)],
    "ms": [n * 100.0 for n in range(1, 40)],
}
WHOLE = {"annotated", "input"}


@settings(max_examples=20, deadline=None)
@given(worlds)
def test_flips_are_real_and_nothing_nearer_is(facts: dict[str, Any]) -> None:
    world = World(facts)
    try:
        decision = redecide(world.request(), world.known(), world.policy, FLEET, STATE)
    except NoCandidate:
        return
    here = world.target()
    flips = {flip.what: flip for flip in find_flips(world.request(), decision, world.known(), world.policy, FLEET)}
    for what, fact in FACTS.items():
        now = facts[fact]
        if now is None and what.startswith("safety"):
            continue
        present = math.inf if now is None else float(now)
        cast = int if fact in WHOLE else float
        others = {value for value in GRIDS[fact] if world.target(**{fact: cast(value)}) != here}
        flip = flips.get(what)
        if flip is None:
            assert not others, f"{what}: {sorted(others)[:3]} would change the target"
            continue
        changed = on(flip, whole=fact in WHOLE)
        assert world.target(**{fact: cast(changed)}) == place(flip) != here
        low, high = sorted((present, changed))
        between = {value for value in others if low < value < high and abs(value - changed) > 1e-12}
        if now is not None and what not in ("max_usd", "max_latency_ms", "annotated", "tokens.input"):
            # The nearest on either side: nothing within that distance.
            reach = abs(changed - present) - 1e-9
            between |= {value for value in others if abs(value - present) < reach}
        assert not between, f"{what} {flip.op} {flip.limit}: {sorted(between)[:3]} is nearer, {facts}"


@settings(max_examples=20, deadline=None)
@given(worlds)
def test_word_flips_are_real(facts: dict[str, Any]) -> None:
    world = World(facts)
    try:
        decision = redecide(world.request(), world.known(), world.policy, FLEET, STATE)
    except NoCandidate:
        return
    flips = find_flips(world.request(), decision, world.known(), world.policy, FLEET)
    named = {flip.what: flip for flip in flips}
    swapped = world.target(reasoning=not facts["reasoning"])
    assert ("reasoning" in named) == (swapped != world.target())
    # Those that leave somebody to answer come first, and among them the smallest change.
    keys = [(flip.target is None, flip.change) for flip in flips]
    assert keys == sorted(keys)


@settings(max_examples=25, deadline=None)
@given(
    worlds,
    st.one_of(st.none(), st.sampled_from([0.00001, 0.0003, 0.003])),
    st.dictionaries(st.sampled_from(["mini", "maxi"]), st.sampled_from([0.00001, 0.0003, 0.003])),
    st.booleans(),
)
def test_windows_flip_where_they_say(
    facts: dict[str, Any], left: float | None, by_model: dict[str, float], is_soft: bool
) -> None:
    world = World(facts)
    state = Snapshot(
        id="1", now_s=0.0, left_usd=left, model_left_usd=by_model, soft_limits=("all/month",) if is_soft else ()
    )

    def target(**changed: Any) -> Any:
        try:
            changed_state = msgspec.structs.replace(state, **changed)
            return redecide(world.request(), world.known(), world.policy, FLEET, changed_state).target
        except NoCandidate as error:
            return type(error).__name__

    try:
        decision = redecide(world.request(), world.known(), world.policy, FLEET, state)
    except NoCandidate:
        return
    flips = {flip.what: flip for flip in find_flips(world.request(), decision, world.known(), world.policy, FLEET)}
    here = decision.target
    grid = [at * 0.00004 for at in range(1, 80)]
    changes = {"soft_limits": lambda value: {"soft_limits": ()}} if is_soft else {}
    if left is not None:
        changes["left_usd"] = lambda value: {"left_usd": value}
    for model in by_model:
        changes[f"left_usd.{model}"] = lambda value, of=model: {"model_left_usd": {**by_model, of: value}}
    assert {what for what in flips if what.startswith("left_usd") or what == "soft_limits"} <= set(changes)
    for what, change in changes.items():
        flip = flips.get(what)
        if what == "soft_limits":
            assert (flip is None) is (target(**change(None)) == here)
            continue
        others = [value for value in grid if target(**change(value)) != here]
        if flip is None:
            assert not others
            continue
        found = target(**change(on(flip)))
        assert found == (flip.target if flip.target is not None else flip.fails) != here
        now = left if what == "left_usd" else by_model[what.removeprefix("left_usd.")]
        low, high = sorted((now, on(flip)))
        assert not [value for value in others if low < value < high and abs(value - on(flip)) > 1e-12]


def test_a_window_reads_as_a_sentence() -> None:
    world = World(
        {"rows": 5, "unsure": 0.2, "poor": "0.0001", "harm": 0.8, "long": 5, "annotated": 1, "probability": 0.95,
         "harmful": None, "inside": 0.1, "sure": 0.5, "input": 10, "usd": None, "ms": None, "reasoning": False}
    )  # fmt: skip
    state = Snapshot(id="1", now_s=0.0, left_usd=0.0009, soft_limits=("all/month",))
    decision = redecide(world.request(), world.known(), world.policy, FLEET, state)
    texts = [flip.text for flip in find_flips(world.request(), decision, world.known(), world.policy, FLEET)]
    assert any("if what the spending windows leave" in text and "now $0.0009" in text for text in texts)
    free = msgspec.structs.replace(state, left_usd=1.0)
    decision = redecide(world.request(), world.known(), world.policy, FLEET, free)
    texts = [flip.text for flip in find_flips(world.request(), decision, world.known(), world.policy, FLEET)]
    assert "goes to the large tier (maxi) if the soft limit is not used up, now all/month (LONG)" in texts


def test_flip_reads_as_a_sentence() -> None:
    world = World(
        {"rows": 5, "unsure": 0.2, "poor": "0.0001", "harm": 0.8, "long": 40, "annotated": 9, "probability": 0.95,
         "harmful": None, "inside": 0.39, "sure": 0.99, "input": 10, "usd": 0.0005, "ms": None, "reasoning": False}
    )  # fmt: skip
    decision = redecide(world.request(), world.known(), world.policy, FLEET, STATE)
    texts = [flip.text for flip in find_flips(world.request(), decision, world.known(), world.policy, FLEET)]
    assert texts[0] == "goes local (mood) if the in-distribution score >= 0.4, now 0.39 (ROWS)"


def test_near_miss_names_the_condition_and_the_value() -> None:
    policy = compile_policy(
        resolve(
            "policy: p\notherwise: {prefer: llm}\nrules: [{id: A, when: {task: ner, annotated: '>=10'},"
            " then: {prefer: local}, why: w}]\n",
            lambda name: (name, ""),
            file="p.yaml",
        )
    )
    known = {
        "task": Signal(value="ner", confidence=1.0, detector="test"),
        "annotated": Signal(value=4, confidence=1.0, detector="test"),
    }
    signals = Signals.given(Request(messages=(Message(role="user", text="x"),)), known)
    assert [miss.text for miss in near_misses(policy, signals, frozenset())] == [
        "A (local) but for annotated: >=10 (now 4)"
    ]


@pytest.mark.parametrize("budget", [{}, {"max_usd": "$0.01"}])
def test_receipt_has_hashes_and_no_prompt(budget: dict[str, str]) -> None:
    secret = "zebra-quartz-seventeen"
    with Router() as router:
        receipt = router.explain(f"Write a story about {secret}.", **budget)
    assert isinstance(receipt.decision, Decision)
    assert receipt.flips
    state = receipt.decision.snapshot
    assert state is not None
    assert state.models
    assert state.config
    assert f"models {state.models}, config {state.config}" in receipt.text
    assert secret not in receipt.text
    assert secret.encode() not in msgspec.json.encode(receipt)


OWN = """\
policy: p
otherwise: {prefer: llm, tier: small}
signals:
  rude: {keywords: [damn], number: true}
  near: {examples: [refund], number: true}
  mood: {keywords: {angry: [furious], calm: [thanks]}}
rules:
  - {id: RUDE, when: {custom: {rude: ">%(rude)d"}}, then: {tier: large}, why: w}
  - {id: NEAR, when: {custom: {near: ">=%(near)s"}}, then: {tier: large}, why: w}
  - {id: MOOD, when: {custom: {mood: angry}}, then: {refuse: No.}, why: w}
"""


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 6),
    st.floats(0.05, 0.95).map(lambda share: round(share, 3)),
    st.integers(0, 9),
    st.floats(0, 1).map(lambda share: round(share, 4)),
)
def test_own_numbers_flip_at_their_threshold_and_no_nearer(rude: int, near: float, count: int, cosine: float) -> None:
    policy = compile_policy(resolve(OWN % {"rude": rude, "near": near}, {}.__getitem__))
    request = Request(messages=(Message(role="user", text="x"),))
    values = {"rude": count, "near": cosine, "mood": "none"}
    known = {name: Signal(value=value, confidence=1.0, detector="t") for name, value in values.items()}

    def goes(**changed: Any) -> tuple[str, str | None]:
        told = {
            name: Signal(value=value, confidence=1.0, detector="t") for name, value in {**values, **changed}.items()
        }
        target = redecide(request, told, policy, FLEET, STATE).target
        return target.kind, target.model

    decision = redecide(request, known, policy, FLEET, STATE)
    found = {flip.what: flip for flip in find_flips(request, decision, known, policy, FLEET)}
    assert (found["mood"].op, found["mood"].limit) == ("=", "angry")
    # Each by itself: there is a flip exactly where another value changes the target, and it is the nearest one.
    counts = [other for other in range(20) if goes(rude=other) != goes()]
    if counts:
        nearest = min(counts, key=lambda other: abs(other - count))
        limit, op = found["rude"].limit, found["rude"].op
        assert {">=": limit, ">": limit + 1, "<=": limit, "<": limit - 1}[op] == nearest
    else:
        assert "rude" not in found
    shares = [step / 1000 for step in range(1001)]
    if any(goes(near=share) != goes() for share in shares):
        flip = found["near"]
        assert flip.limit == near
        assert flip.op == ("<" if cosine >= near else ">=")
    else:
        assert "near" not in found
