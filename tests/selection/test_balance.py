"""Load is shared by the weights, whatever the deployments are called, or by who was faster lately."""

from __future__ import annotations

from collections import Counter

import pytest

from router.catalogue import Deployment, Price
from router.selection.balance import balanced
from router.selection.candidates import make_fleet
from router.types import Candidate, Estimate


@pytest.mark.parametrize(
    "weights", [{"a": 9, "b": 1}, {"azure-1": 7, "azure-2": 3}, {"a": 1, "b": 1, "c": 1}, {"prod": 95, "canary": 5}]
)
def test_draws_follow_the_weights(weights: dict[str, float]) -> None:
    fleet = make_fleet(
        [
            Deployment(name=name, model="x", tier="small", price=Price(), group="g", weight=weight)
            for name, weight in weights.items()
        ],
        [],
    )
    order = [Candidate(model=name, kind="llm", estimate=Estimate(usd=0.1)) for name in weights]
    counts = Counter(balanced(order, fleet, frozenset(), f"draw-{at:06}", {})[0].model for at in range(4_000))
    for name, weight in weights.items():
        assert counts[name] / 4_000 == pytest.approx(weight / sum(weights.values()), abs=0.03)


def test_the_faster_of_two_drawn_goes_first_once_both_were_seen() -> None:
    names = ("a", "b", "c")
    fleet = make_fleet(
        [Deployment(name=name, model="x", tier="small", price=Price(), group="g") for name in names],
        [],
        balance="fastest",
    )
    order = [Candidate(model=name, kind="llm", estimate=Estimate(usd=0.1)) for name in names]

    def firsts(seen_ms: dict[str, float]) -> Counter[str]:
        return Counter(balanced(order, fleet, frozenset(), f"draw-{at:06}", seen_ms)[0].model for at in range(3_000))

    seen = firsts({"a": 10.0, "b": 20.0, "c": 30.0})
    assert seen["a"] / 3_000 == pytest.approx(2 / 3, abs=0.03)
    assert seen["b"] / 3_000 == pytest.approx(1 / 3, abs=0.03)
    assert seen["c"] == 0
    assert min(firsts({"a": 10.0}).values()) / 3_000 == pytest.approx(1 / 3, abs=0.03)
