"""Candidates and their order are the same whether compiled code or Python tells them."""

from __future__ import annotations

import math
import os
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from router import features
from router.catalogue import Deployment
from router.price import Price, PriceTier
from router.selection.candidates import candidates, make_fleet
from router.selection.ranking import ordered
from router.types import (
    Budget,
    Candidate,
    Estimate,
    Hints,
    Message,
    Objective,
    Request,
    Signal,
    Signals,
    Snapshot,
    TokenCount,
    Verdict,
)

COMPILED = features.compiled

if COMPILED is None and not os.environ.get("CI"):
    pytest.skip("router._ngrams is not compiled here", allow_module_level=True)

NAMES = ("a", "b", "ä", "模型", "b\x00", "z" * 40)
NUMBERS = st.floats(0.0, 1e-3)


class Number(float):
    """A float that is not quite one."""


def both(ask):
    """What the compiled module says, and what Python says; an error by its type."""
    assert COMPILED is not None, "CI must compile router._ngrams"
    said: list[Any] = []
    try:
        for features.compiled in (COMPILED, None):
            try:
                said.append(ask())
            except (ArithmeticError, KeyError, ValueError) as error:
                said.append(type(error))
    finally:
        features.compiled = COMPILED
    return said


def seldom(usual: st.SearchStrategy[Any], *odd: Any) -> st.SearchStrategy[Any]:
    """One of the ``odd`` values in one of 50 cases: one of them among many values has Python do all the work."""
    return st.integers(0, 49).flatmap(lambda draw: st.sampled_from(odd) if draw == 17 else usual)


def prices() -> st.SearchStrategy[Price]:
    usd = seldom(NUMBERS, None, math.inf, math.nan, 1e300, 1e-300)
    tiers = st.sampled_from([(), (), (PriceTier(above=900, input=3e-6),)])
    return st.builds(Price, input=usd, output=usd, cache_write=usd, per_call=seldom(NUMBERS, 1), tiers=tiers)


def deployments(name: str) -> st.SearchStrategy[Deployment]:
    return st.builds(
        Deployment,
        name=st.just(name),
        model=st.just(f"openai/{name}"),
        tier=st.sampled_from(["small", "large"]),
        configured=st.booleans(),
        price=prices(),
        quality=st.sampled_from([{}, {"*": 0.5}, {"sentiment": 0.25}]),
        ttft_ms=seldom(st.floats(1.0, 3000.0), 7),
        tokens_per_s=seldom(st.floats(1.0, 300.0), 0.0, 50),
        context_tokens=st.sampled_from([None, 1000, 100_000]),
        max_output_tokens=st.sampled_from([None, 50, 5000]),
        capabilities=st.sampled_from([frozenset(), frozenset({"tools", "vision"})]),
    )


def by_name(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(NAMES), values, max_size=3)


SNAPSHOTS = st.builds(
    Snapshot,
    id=st.just("d1"),
    now_s=st.just(1.8e9),
    unhealthy=st.frozensets(st.sampled_from(NAMES), max_size=2),
    latency_ms=by_name(seldom(st.floats(1.0, 5000.0), math.nan, 800, Number(3.5))),
    tail_ms=by_name(st.floats(1.0, 9000.0)),
    warm=st.just({}) | by_name(st.integers(1, 900)),
    model_left_usd=st.just({}) | by_name(st.sampled_from([1e-6, 1.0])),
)
PLAIN = Snapshot(id="d1", now_s=1.8e9)


@settings(deadline=None, max_examples=300)
@given(
    members=st.tuples(*map(deployments, NAMES)),
    tokens=st.builds(
        TokenCount, input=seldom(st.integers(1, 2000), True), output=st.integers(1, 900), output_max=st.just(4096)
    ),
    wanted=seldom(st.sampled_from([None, 1, 50, 200]), 10**400),
    modalities=st.sampled_from([frozenset(), frozenset({"image"})]),
    schema=st.sampled_from([None, {"type": "object"}]),
    budget=st.builds(
        Budget, max_usd=st.none() | st.floats(0.0, 0.5), max_latency_ms=st.none() | st.floats(0.0, 5000.0)
    ),
    snapshot=st.just(PLAIN) | SNAPSHOTS,
)
def test_candidates(
    members: tuple[Deployment, ...],
    tokens: TokenCount,
    wanted: int | None,
    modalities: frozenset[str],
    schema: dict[str, Any] | None,
    budget: Budget,
    snapshot: Snapshot,
) -> None:
    request = Request(
        messages=(Message(role="user", text="I loved it", modalities=modalities),),
        hints=Hints(budget=budget),
        max_output_tokens=wanted,
        json_schema=schema,
    )
    known = {
        name: Signal(value=value, confidence=0.9, detector="test")
        for name, value in (("task", "sentiment"), ("tokens", tokens))
    }
    fleet = make_fleet(members, ())

    def ask() -> str:
        found = candidates(request, Signals.given(request, known), Verdict(), fleet, snapshot)
        return repr(found)  # tells -0.0 from 0.0, and one NaN is like the other

    fast, slow = both(ask)
    assert fast == slow


CANDIDATES = st.builds(
    Candidate,
    model=st.sampled_from(NAMES),
    kind=st.sampled_from(["llm", "llm", "local"]),
    failed=st.sampled_from([None, None, None, "money"]),
    estimate=st.builds(
        Estimate,
        usd=seldom(st.none() | NUMBERS, 1, Number(0.5), -0.0, math.inf, math.nan),
        latency_ms=seldom(st.none() | st.floats(0.0, 5000.0), 100),
        quality=seldom(st.none() | st.floats(0.0, 1.0) | st.just(0.5), 1),
    ),
)


@settings(deadline=None, max_examples=500)
@given(
    found=st.lists(CANDIDATES, max_size=12).map(tuple),
    objective=st.builds(
        Objective, quality=st.sampled_from([0.0, 1.0, 2]), cost=st.sampled_from([0.0, 1.0, 30.0]),
        latency=st.sampled_from([0.0, 0.01, 1]),
    ),
    prefer=st.sampled_from(["llm", "tie"]),
    tier=st.sampled_from([None, "small", "large"]),
)  # fmt: skip
@example(found=(), objective=Objective(), prefer="llm", tier=None)
@example(found=(Candidate(model="nobody", kind="llm"),), objective=Objective(), prefer="llm", tier=None)
def test_order(found: tuple[Candidate, ...], objective: Objective, prefer: Any, tier: Any) -> None:
    members = [
        Deployment(name=name, model=name, tier="small" if at % 2 else "large", price=Price())
        for at, name in enumerate(NAMES)
    ]
    fleet = make_fleet(members, ())
    # Each is another object, so that equals can be told apart.
    found = tuple(map(msgspec.structs.replace, found))
    fast, slow = both(lambda: ordered(found, Verdict(objective=objective, prefer=prefer), fleet, tier))
    assert fast == slow if isinstance(slow, type) else list(map(id, fast)) == list(map(id, slow))
