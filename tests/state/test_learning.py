"""Learning from verdicts: bounded, only on enough evidence, undone by taking the verdicts away."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_records import a_record

from router.state.learning import PRIORS, VerdictLearner, completed, evidence_of
from router.types import Candidate, Estimate, Exploration, Feedback, Signal, Snapshot

verdicts = st.lists(
    st.builds(
        Feedback,
        decision_id=st.integers(0, 60).map(str),
        verdict=st.sampled_from(["good", "bad"]),
        at_s=st.just(0.0),
        model=st.sampled_from(["a", "b", None]),
        predicted=st.one_of(st.none(), st.floats(0, 1)),
        predictor=st.sampled_from([PRIORS, PRIORS, "quality-old"]),
        propensity=st.one_of(st.none(), st.floats(0.001, 1)),
    ),
    max_size=120,
)


def told(at: int, verdict: str, *, predicted: float = 0.5, propensity: float | None = None) -> Feedback:
    return Feedback(
        decision_id=f"d{at}",
        verdict=verdict,  # type: ignore[arg-type]
        at_s=0.0,
        model="a",
        predicted=predicted,
        predictor=PRIORS,
        propensity=propensity,
    )


@settings(max_examples=150, deadline=None)
@given(verdicts, st.floats(0.01, 0.3), st.integers(5, 40))
def test_no_verdicts_move_more_than_the_bound(given_: list[Feedback], most: float, least: int) -> None:
    learner = VerdictLearner(max_shift=most, least=least)
    for each in given_:
        learner.take(each)
        assert all(0 < abs(shift) <= most + 1e-6 for shift in learner.shifts.values())
    for model in ("a", "b"):
        found = learner.evidence(model)
        assert found.effective <= found.verdicts + 1e-9
        if found.verdicts < least:
            assert model not in learner.shifts
        assert found.shift * found.mean >= 0  # never away from what the verdicts say


@settings(max_examples=60, deadline=None)
@given(verdicts, st.randoms(use_true_random=False))
def test_order_of_other_decisions_does_not_matter(given_: list[Feedback], chance: random.Random) -> None:
    newest = list({each.decision_id: each for each in given_}.values())
    one, other = VerdictLearner(least=5), VerdictLearner(least=5)
    for each in newest:
        one.take(each)
    chance.shuffle(newest)
    for each in newest:
        other.take(each)
    assert one.shifts == pytest.approx(other.shifts)


def test_one_decision_counts_once() -> None:
    learner = VerdictLearner(least=5)
    for _ in range(500):
        learner.take(told(1, "bad"))
    assert (learner.evidence("a").verdicts, learner.shifts) == (1, {})


def test_old_verdicts_are_forgotten() -> None:
    learner = VerdictLearner(least=20, window=100)
    for at in range(100):
        learner.take(told(at, "bad"))
    assert learner.shifts == {"a": -0.1}
    for at in range(100, 200):
        learner.take(told(at, "good"))
    assert learner.shifts == {"a": 0.1}


def test_rare_answers_count_for_those_that_were_not_asked() -> None:
    # Nine in ten verdicts are on requests that suit the model; a drawn one stands for the others as well.
    rows = [told(at, "good", propensity=0.9) for at in range(90)]
    rows += [told(100 + at, "bad", propensity=0.1) for at in range(10)]
    assert evidence_of(rows, max_shift=0.3, least=5).mean == pytest.approx(0.0, abs=0.01)
    plain = [msgspec.structs.replace(each, propensity=None) for each in rows]
    assert evidence_of(plain, max_shift=0.3, least=5).mean == pytest.approx(0.4)
    # ... but a single one cannot outvote all: its weight has a cap, and it is little evidence.
    odd = evidence_of([*rows[:50], told(99, "bad", propensity=1e-6)], max_shift=0.3, least=40)
    assert odd.effective < 40
    assert odd.shift == 0.0


def test_a_verdict_takes_from_the_record_what_was_predicted() -> None:
    record = a_record(1, tenant="acme")
    decision = msgspec.structs.replace(
        record.decision,
        candidates=(Candidate(model="m", kind="llm", estimate=Estimate(quality=0.7)),),
        signals={"quality": Signal(value={"m": 0.75}, confidence=1.0, detector="quality-1")},
        snapshot=Snapshot(id="d1", now_s=0.0, quality_shift={"m": -0.05}),
        exploration=Exploration(share=0.1, among=("m", "n"), greedy="n", propensity=0.05),
    )
    record = msgspec.structs.replace(record, decision=decision)
    given_ = Feedback(decision_id="d1", verdict="good", at_s=1.0, label="x")
    found = completed(given_, record)
    assert (found.model, found.predicted, found.predictor) == ("m", pytest.approx(0.75), "quality-1")
    assert (found.propensity, found.tenant, found.label, found.task) == (0.05, "acme", "x", "other")
    fallback = msgspec.structs.replace(record.outcome, model="n")
    other = completed(given_, msgspec.structs.replace(record, outcome=fallback))
    assert (other.predicted, other.propensity) == (None, None)


@pytest.mark.parametrize("seed", range(3))
def test_a_model_that_got_worse_loses_its_place(seed: int) -> None:
    """a was the better one and is no longer; a tenth of the requests are explored."""
    chance, learner = random.Random(seed), VerdictLearner(least=20, max_shift=0.3, window=400)
    prior, truth = {"a": 0.9, "b": 0.8}, {"a": 0.65, "b": 0.8}
    rewards = []
    for at in range(1_500):
        best = max(prior, key=lambda name: prior[name] + learner.shifts.get(name, 0.0))
        chosen = chance.choice("ab") if chance.random() < 0.1 else best
        good = chance.random() < truth[chosen]
        rewards.append(good)
        learner.take(
            Feedback(
                decision_id=str(at),
                verdict="good" if good else "bad",
                at_s=0.0,
                model=chosen,
                predicted=prior[chosen],
                predictor=PRIORS,
                propensity=0.95 if chosen == best else 0.05,
            )
        )
    assert sum(rewards[:100]) < 78
    assert sum(rewards[-500:]) / 500 > 0.745
    assert prior["a"] + learner.shifts["a"] < prior["b"] + learner.shifts.get("b", 0.0)
