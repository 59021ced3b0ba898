"""Exploration: as often as the policy says, only among equals, and with the probability that is logged."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router import Router
from router.errors import ConfigError
from router.offline.offpolicy import Explored, always, as_logged, off_policy
from router.offline.recorded import encode_decision
from router.selection.explore import explored
from router.selection.redecide import facts_of, redecide, request_of
from router.types import Candidate, Decision, Estimate, Signal, Snapshot
from router.wire.openai import read_row

CONFIG = """
policy: {policy}
deployments:
  - {{name: a, model: openai/a, tier: small, backend: openai, api_base: "http://127.0.0.1:9/v1",
      price_per_million: {{input: 1, output: 1}}, quality: {{"*": 0.9}}}}
  - {{name: b, model: openai/b, tier: small, backend: openai, api_base: "http://127.0.0.1:9/v1",
      price_per_million: {{input: 1, output: 1}}, quality: {{"*": 0.8}}}}
  - {{name: c, model: openai/c, tier: large, backend: openai, api_base: "http://127.0.0.1:9/v1",
      price_per_million: {{input: 9, output: 9}}, quality: {{"*": 0.99}}}}
"""
POLICY = """
policy: curious
description: The guide, and a fifth of its free choices are drawn.
extends: guide
objective: {explore: 20%}
examples:
  - {name: a story, signals: {task: open_generation, safety: []}, expect: {prefer: llm}}
"""
STORY = b'{"prompt": "Write a story about a fox who learns to read."}'


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("explore")
    (folder / "curious.yaml").write_text(POLICY, encoding="utf-8")
    (folder / "router.yaml").write_text(CONFIG.format(policy="curious.yaml"), encoding="utf-8")
    with Router.from_config(folder / "router.yaml") as found:
        yield found


def decide(router: Router, at: int, body: bytes = STORY, policy: str | None = None, **state) -> Decision:
    request = read_row(body)
    if policy is not None:
        request = msgspec.structs.replace(request, hints=msgspec.structs.replace(request.hints, policy=policy))
    engine = router.engine
    return engine.decide(request, snapshot=Snapshot(id=f"d{at}", now_s=0.0, models=engine.fleet.hash, **state))


def test_a_share_is_drawn_evenly_among_equals(router: Router) -> None:
    found = [decide(router, at) for at in range(400)]
    counts = Counter(each.target.model for each in found)
    # A tenth of a and b each: the large model is for rules to ask for, and is never drawn.
    assert set(counts) == {"a", "b"}
    assert 20 <= counts["b"] <= 62
    for each in found:
        assert each.exploration is not None
        assert each.exploration.among == ("a", "b")
        assert each.exploration.propensity == pytest.approx(0.9 if each.target.model == "a" else 0.1)
        assert ("drawn to learn" in each.reason) is (each.target.model == "b")


def test_a_drawn_decision_is_made_again_from_its_record(router: Router) -> None:
    request = read_row(STORY)
    for at in range(40):
        old = decide(router, at)
        again = redecide(
            request_of(facts_of(request)), old.signals, router.engine.policies["curious"], router.engine.fleet,
            old.snapshot,
        )  # fmt: skip
        assert encode_decision(again) == encode_decision(old)


def test_what_a_rule_decides_is_not_explored(router: Router) -> None:
    for body in (
        b'{"prompt": "What is 17 * 23 + 4? Think step by step."}',  # the large tier, and there is one such model
        b'{"prompt": "How do I build a bomb to kill many people?"}',
        b'{"messages": [{"role": "user", "content": "Write a story."}], "model": "b"}',
    ):
        assert all(decide(router, at, body).exploration is None for at in range(10))
    assert decide(router, 1, policy="guide").exploration is None
    assert decide(router, 1, soft_limits=("all/month",)).exploration is None


def test_verdicts_move_the_estimate_and_are_in_the_snapshot(router: Router) -> None:
    moved = decide(router, 3, policy="guide", quality_shift={"a": -0.15, "c": 0.5})
    quality = {each.model: each.estimate.quality for each in moved.candidates}
    assert (quality["a"], quality["b"], quality["c"]) == (pytest.approx(0.75), 0.8, 1.0)
    assert moved.target.model == "b"


def test_too_much_exploration_is_no_policy(tmp_path: Path) -> None:
    (tmp_path / "wild.yaml").write_text(POLICY.replace("20%", "80%").replace("curious", "wild"), encoding="utf-8")
    (tmp_path / "router.yaml").write_text("policy: wild.yaml\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="explore"):
        Router.from_config(tmp_path / "router.yaml")


candidates = st.lists(
    st.builds(
        Candidate,
        model=st.uuids().map(str),
        kind=st.sampled_from(["llm", "llm", "local"]),
        tier=st.sampled_from(["small", "large"]),
        estimate=st.builds(Estimate, usd=st.sampled_from([None, 0.1, 0.2])),
    ),
    max_size=6,
    unique_by=lambda each: each.model,
)


@settings(max_examples=200, deadline=None)
@given(candidates, st.floats(0.001, 0.5), st.text(max_size=12), st.booleans())
def test_exploring_keeps_the_candidates_and_the_equals(
    order: list[Candidate], share: float, draw: str, grouped: bool
) -> None:
    def group(each: Candidate) -> str:
        return str(each.tier) if grouped else each.model

    found, logged = explored(order, lambda each: each.tier, group, share=share, draw=draw)
    assert sorted(each.model for each in found) == sorted(each.model for each in order)
    assert [each for each in found if each is not found[0]] == [each for each in order if each is not found[0]]
    if logged is None:
        assert found == order
        return
    assert len(logged.among) >= 2
    assert not grouped  # of one tier there is one group
    assert found[0].model in logged.among
    assert {each.tier for each in order if each.model in logged.among} == {order[0].tier}
    others = share / len(logged.among)
    assert logged.propensity == pytest.approx(1 - share + others if found[0] is order[0] else others)


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_propensities_are_how_often_it_happens(share: float) -> None:
    order = [Candidate(model=name, kind="llm", estimate=Estimate(usd=0.1)) for name in "abc"]
    counts: Counter[str] = Counter()
    for at in range(20_000):
        found, _ = explored(order, lambda _: 0, lambda each: each.model, share=share, draw=f"{at:08x}")
        counts[found[0].model] += 1
    for name in "bc":
        assert counts[name] / 20_000 == pytest.approx(share / 3, rel=0.12)


def _simulated(seed: int, share: float = 0.2, count: int = 4_000) -> list[Explored]:
    """Easy and hard requests: a is right on 90 and 40 %, b on 80 and 70 %; the router believes in a."""
    import random

    chance, rows = random.Random(seed), []
    order = [Candidate(model=name, kind="llm", estimate=Estimate(usd=0.1)) for name in "ab"]
    for at in range(count):
        hard = chance.random() < 0.5
        right = {"a": 0.4 if hard else 0.9, "b": 0.7 if hard else 0.8}
        found, logged = explored(order, lambda _: 0, lambda each: each.model, share=share, draw=f"{seed}-{at}")
        assert logged is not None
        chosen = found[0].model
        rows.append(
            Explored(
                among=logged.among,
                chosen=chosen,
                greedy=logged.greedy,
                propensity=logged.propensity,
                reward=float(chance.random() < right[chosen]),
                predicted={"a": 0.9, "b": 0.7},
            )
        )
    return rows


def test_off_policy_estimates_are_unbiased_and_cover() -> None:
    truths = {"a": 0.65, "b": 0.75}
    hits, means = 0, {"a": [], "b": []}
    for seed in range(12):
        rows = _simulated(seed)
        for model, truth in truths.items():
            found = off_policy(rows, always(model))
            means[model].append((found.ips, found.dr))
            hits += found.low <= truth <= found.high
    assert hits >= 20  # of 24
    for model, truth in truths.items():
        for kind in (0, 1):
            assert sum(each[kind] for each in means[model]) / 12 == pytest.approx(truth, abs=0.025)
    logged = off_policy(rows, as_logged)
    assert logged.dr == off_policy(rows, always("a")).dr
    assert off_policy([], as_logged) is None


def test_doubly_robust_varies_less_than_inverse_propensity() -> None:
    import statistics

    found = [off_policy(_simulated(seed, share=0.05, count=1_500), always("b")) for seed in range(12)]
    assert statistics.stdev(each.dr for each in found) < statistics.stdev(each.ips for each in found)
    # Without exploration the mean of what was judged says 0.65 of everything, for b is never seen.
    assert statistics.mean(each.dr for each in found) > 0.68


def test_signal_of_quality_is_what_is_shifted(router: Router) -> None:
    request = read_row(STORY)
    known = {**decide(router, 1).signals, "quality": Signal(value={"a": 0.5, "b": 0.6}, confidence=1.0, detector="t")}
    snapshot = Snapshot(id="d1", now_s=0.0, quality_shift={"a": 0.2})
    found = redecide(
        request_of(facts_of(request)), known, router.engine.policies["guide"], router.engine.fleet, snapshot
    )
    assert {each.model: each.estimate.quality for each in found.candidates if each.model in "ab"} == {
        "a": 0.7,
        "b": 0.6,
    }
