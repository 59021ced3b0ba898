"""What routing saved: sums that must come out, intervals that must cover, and what is not known."""

from __future__ import annotations

import json
import random
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.cli.main import _run
from router.offline.savings import savings
from router.types import (
    Attempt,
    Budget,
    Candidate,
    Decision,
    Estimate,
    Exploration,
    Feedback,
    Outcome,
    PolicyRef,
    Record,
    RequestFacts,
    Target,
    TaskReading,
    Verdict,
)

QUALITY = {"small": 0.8, "large": 0.9, "here": 0.95}


def record(
    number: int = 0,
    *,
    model: str = "small",
    usd: dict[str, float] | None = None,
    paid: float | None = None,
    session: str | None = None,
    here: bool = False,
    attempts: tuple[Attempt, ...] = (),
    status: str = "answered",
    cached: bool = False,
) -> Record:
    """One request that ``model`` answered; ``usd`` are the hosted candidates' estimates."""
    usd = usd or {"small": 0.001, "large": 0.010}
    found = [
        Candidate(model=name, kind="llm", tier=name, estimate=Estimate(usd=cost, quality=QUALITY[name]))
        for name, cost in usd.items()
    ]
    local = Candidate(
        model="here", kind="local", estimate=Estimate(usd=0.0, quality=0.95), failed=None if here else "evidence"
    )
    paid = (0.0 if model == "here" else usd[model]) if paid is None else paid
    kind = "local" if model == "here" else "llm"
    last = Attempt(model=model, kind=kind, started_ms=0.0, latency_ms=1.0, usd=paid)
    spent = paid + sum(each.usd or 0.0 for each in attempts)
    decision = Decision(
        id=f"d{number}",
        policy=PolicyRef(name="guide", hash="h"),
        task=TaskReading(label="other", probability=0.5),
        target=Target(kind=kind, model=model),
        fallbacks=(),
        rules=(),
        reason="",
        estimate=Estimate(),
        candidates=(*found, local),
        signals={},
        verdict=Verdict(),
        budget=Budget(),
    )
    outcome = Outcome(status=status, model=model, usd=spent, attempts=(*attempts, last), cached=cached)  # type: ignore[arg-type]
    return Record(
        id=f"r{number}",
        at_s=1.8e9 + number,
        decision=decision,
        outcome=outcome,
        asked=RequestFacts(session=session),
        nano_usd=round(spent * 1e9),
    )


def single(found, name: str):
    return next(each for each in found.singles if each.model == name)


def test_routing_is_compared_with_each_model_alone() -> None:
    found = savings([record(0), record(1, model="large"), record(2, model="here", here=True)])
    assert found.usd == pytest.approx(0.011)
    assert single(found, "large").usd == pytest.approx(0.030)
    assert single(found, "large").saved.value == pytest.approx(1 - 0.011 / 0.030)
    # Cheaper alone than routed, and it says so.
    assert single(found, "small").saved.value == pytest.approx(1 - 0.011 / 0.003)
    assert found.best_single == "large"
    assert found.random_share == pytest.approx((0.011 - 0.003) / (0.030 - 0.003))
    assert found.random_quality == pytest.approx(0.8 + found.random_share * 0.1)
    assert found.floor_usd == pytest.approx(0.002)
    assert found.quality == pytest.approx((0.8 + 0.9 + 0.95) / 3)


def test_real_token_counts_scale_what_others_would_cost() -> None:
    # The call cost three times its estimate, so the other model would have, too; so would the local one's request.
    found = savings([record(0, paid=0.003), record(1, model="here", here=True)])
    assert single(found, "large").usd == pytest.approx(0.030 + 0.030)


def test_a_model_that_may_not_take_a_request_leaves_it_as_it_was() -> None:
    barred = record(0, usd={"small": 0.001})
    found = savings([barred, record(1)])
    assert (single(found, "large").able, single(found, "large").usd) == (1, pytest.approx(0.001 + 0.010))


def test_what_was_not_routed_is_left_apart() -> None:
    rows = [record(0), record(1, cached=True), record(2, status="failed"), record(3, status="refused")]
    found = savings(rows)
    assert (found.requests, found.apart) == (1, {"cached": 1, "failed": 1, "refused": 1})
    assert savings([]).requests == 0


def test_calls_whose_answer_was_not_used_are_told() -> None:
    rejected = Attempt(model="small", kind="llm", started_ms=0, latency_ms=1, usd=0.001, error="rejected")
    found = savings([record(0, model="large", attempts=(rejected,))])
    assert (found.wasted_usd, found.usd) == (pytest.approx(0.001), pytest.approx(0.011))
    assert single(found, "large").saved.value == pytest.approx(-0.1)


def test_verdicts_are_counted_by_who_answered() -> None:
    told = [
        Feedback(decision_id=name, verdict=verdict, at_s=0.0)
        for name, verdict in (("d0", "bad"), ("d0", "good"), ("d1", "bad"), ("gone", "bad"))
    ]
    found = savings([record(0), record(1), record(2, model="large")], told)
    assert [(each.model, each.good, each.bad) for each in found.verdicts] == [("small", 1, 1)]
    assert found.verdicts[0].share.low < 0.5 < found.verdicts[0].share.high
    assert "2 of 3" in " ".join(found.not_known)


def test_exploration_tells_what_others_would_have_scored() -> None:
    chance, rows, told = random.Random(1), [], []
    for at in range(600):
        model = "large" if chance.random() < 0.25 else "small"
        made = record(at, model=model)
        logged = Exploration(
            share=0.5, among=("small", "large"), greedy="small", propensity=0.25 if model == "large" else 0.75
        )
        rows.append(msgspec.structs.replace(made, decision=msgspec.structs.replace(made.decision, exploration=logged)))
        good = chance.random() < (0.9 if model == "large" else 0.6)
        told.append(Feedback(decision_id=f"d{at}", verdict="good" if good else "bad", at_s=0.0))
    found = {each.model: each.good for each in savings(rows, told).alone}
    assert found["large"].low <= 0.9 <= found["large"].high
    assert found["small"].low <= 0.6 <= found["small"].high
    assert found["large"].low > found["small"].high
    assert found[None].value == found["small"].value
    assert savings(rows[:20], told).alone == ()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["small", "large", "here"]), st.floats(1e-6, 0.1), st.floats(1e-6, 0.1)), min_size=1
    )
)
def test_no_routing_is_cheaper_than_the_floor(rows: list[tuple[str, float, float]]) -> None:
    made = [
        record(at, model=model, usd={"small": small, "large": large}, here=model == "here")
        for at, (model, small, large) in enumerate(rows)
    ]
    found = savings(made)
    assert found.floor_usd <= found.usd + 1e-12
    assert found.floor_usd <= min(each.usd for each in found.singles) + 1e-9
    for each in found.singles:
        assert each.saved.value is None or each.saved.low <= each.saved.high


def test_interval_covers_and_knows_conversations() -> None:
    hits = 0
    for seed in range(30):
        chance = random.Random(seed)
        rows = [record(at, model=chance.choice(["small", "large"])) for at in range(120)]
        saved = single(savings(rows, seed=seed), "large").saved
        hits += saved.low <= 1 - 0.0055 / 0.010 <= saved.high
    assert hits >= 25  # of 30; 28.5 are expected at 95 %
    # Sixty requests of one kind in each of two conversations tell as little as two.
    alike = [record(at, model="small" if at < 60 else "large", session=str(at < 60)) for at in range(120)]
    wide, narrow = (single(savings(each), "large").saved for each in (alike, rows))
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_command_tells_what_is_not_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(b"".join(msgspec.json.encode(record(at)) + b"\n" for at in range(5)))
    (tmp_path / "ledger.feedback.jsonl").write_bytes(
        msgspec.json.encode(Feedback(decision_id="d1", verdict="good", at_s=0.0)) + b"\nno json\n"
    )
    assert _run(["savings", "--ledger", str(path)]) == 0
    told = capsys.readouterr().out
    assert "always large (best single)" in told
    assert "90.0%" in told
    assert "judged: small 1 times" in told
    assert "How good the answers of models that were not asked would have been" in told
    assert _run(["savings", "--ledger", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdicts"][0]["good"] == 1
    path.write_bytes(b"")
    assert _run(["savings", "--ledger", str(path)]) == 1
