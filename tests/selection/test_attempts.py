"""What comes next in a run, over every interleaving of failures, without clock or network."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tenacity.stop import stop_after_attempt
from tenacity.wait import wait_exponential

from router.catalogue import Deployment, Price
from router.selection.attempts import Call, Choice, Pacing, Plan, Stop, Wait, make_plan, next_step
from router.types import (
    Attempt,
    Budget,
    Decision,
    Estimate,
    PolicyRef,
    Signal,
    Target,
    TaskReading,
    TokenCount,
    Verdict,
)

KINDS = [
    "auth", "quota", "rate_limit", "context_length", "content_filter", "bad_request", "unsupported", "not_found",
    "overload", "timeout", "network", "malformed", "unknown",
]  # fmt: skip
TOKENS = Signal(value=TokenCount(input=10, output=10, output_max=1000), confidence=1.0, detector="t")
A, B, C = (Choice(model=name, kind="llm", worst_usd=0.01, expected_ms=500.0) for name in "abc")


def failed(model="a", error="overload", *, at=0.0, took=10.0, **fields):
    fields.setdefault("retryable", error in ("overload", "rate_limit", "network"))
    return Attempt(model=model, kind="llm", started_ms=at, latency_ms=took, error=error, usd=0.0, **fields)


def plan(*choices, **fields):
    return Plan(choices=choices or (A, B), **fields)


def deployment(name, tier="small", **fields):
    return Deployment(name=name, model=name, tier=tier, configured=True, price=Price(input=1e-6, output=1e-6), **fields)


def decision(target="a", kind="llm", fallbacks=(), **fields):
    fields.setdefault("verdict", Verdict())
    fields.setdefault("budget", Budget())
    return Decision(
        id="d",
        policy=PolicyRef(name="p", hash="h"),
        task=TaskReading(label="other", probability=1.0),
        target=Target(kind=kind, model=target),
        fallbacks=fallbacks,
        rules=(),
        reason="",
        estimate=Estimate(),
        candidates=(),
        signals={
            "tokens": Signal(value=TokenCount(input=10, output=10, output_max=1000), confidence=1.0, detector="t")
        },
        **fields,
    )


def test_the_first_step_calls_the_target():
    step = next_step(plan(), [], 0.0)
    assert isinstance(step, Call)
    assert step.model == "a"


def test_an_answer_ends_the_run():
    assert next_step(plan(), [failed(error=None)], 20.0) == Stop(reason="answered")


def test_a_retryable_failure_waits_then_retries():
    attempts = [failed()]
    waiting = next_step(plan(jitter=1.0), attempts, 10.0)
    assert waiting == Wait(until_ms=260.0)
    assert next_step(plan(jitter=1.0), attempts, 260.0).model == "a"


def test_jitter_spreads_the_wait():
    waits = [next_step(plan(jitter=jitter), [failed()], 10.0).until_ms for jitter in (0.0, 0.5, 1.0)]
    assert waits == [135.0, 197.5, 260.0]


def test_tries_end_with_the_fallback():
    assert next_step(plan(), [failed(), failed(at=300.0)], 400.0).model == "b"


def test_a_lasting_failure_falls_back_at_once():
    assert next_step(plan(), [failed(error="auth")], 10.0).model == "b"


@pytest.mark.parametrize("error", ["bad_request", "content_filter"])
def test_some_failures_are_final(error):
    assert next_step(plan(), [failed(error=error)], 10.0) == Stop(reason="final")


def test_nothing_follows_the_first_token():
    assert next_step(plan(), [failed(ttft_ms=5.0)], 10.0) == Stop(reason="cut")


def test_a_long_retry_after_goes_to_the_fallback():
    assert next_step(plan(), [failed(error="rate_limit", retry_after_s=20.0)], 10.0).model == "b"


def test_a_lone_model_waits_for_retry_after():
    step = next_step(plan(A), [failed(error="rate_limit", retry_after_s=20.0)], 10.0)
    assert step == Wait(until_ms=20_010.0)


def test_an_endless_retry_after_is_not_waited_for():
    step = next_step(plan(A), [failed(error="rate_limit", retry_after_s=3600.0)], 10.0)
    assert step == Stop(reason="exhausted")


def test_a_wait_beyond_the_deadline_is_no_wait():
    step = next_step(plan(A, max_latency_ms=1000), [failed(error="rate_limit", retry_after_s=5.0)], 10.0)
    assert step == Stop(reason="deadline")


def test_the_deadline_bounds_the_timeout():
    step = next_step(plan(A, max_latency_ms=1000), [], 400.0)
    assert step.timeout_ms == 600.0
    assert step.ttft_ms == 600.0


def test_time_is_kept_back_for_the_fallback():
    step = next_step(plan(A, B, max_latency_ms=3000), [], 0.0)
    assert step.timeout_ms == 2500.0


def test_keeping_time_back_never_starves_the_target():
    slow = msgspec.structs.replace(A, expected_ms=2000.0)
    assert next_step(plan(slow, B, max_latency_ms=2200), [], 0.0).timeout_ms == 2200.0


def test_no_time_left_calls_nobody():
    assert next_step(plan(max_latency_ms=1000), [], 999.5) == Stop(reason="deadline")


def test_money_spent_binds_what_follows():
    spent = [msgspec.structs.replace(failed(error="auth"), usd=0.015)]
    assert next_step(plan(max_usd=0.02), spent, 10.0) == Stop(reason="money")
    assert next_step(plan(max_usd=0.03), spent, 10.0).model == "b"


def test_an_unknown_price_is_not_affordable():
    unknown = msgspec.structs.replace(B, worst_usd=None)
    assert next_step(plan(A, unknown, max_usd=1.0), [failed(error="auth")], 10.0) == Stop(reason="money")


def test_a_local_model_escalates_to_a_hosted_one():
    local = Choice(model="l", kind="local")
    tried = [Attempt(model="l", kind="local", started_ms=0.0, latency_ms=0.1, error="unsupported")]
    step = next_step(plan(local, A), tried, 1.0)
    assert (step.model, step.escalates) == ("a", True)


def test_a_refusal_calls_nobody():
    made = make_plan(decision(kind="refuse", target=None, verdict=Verdict(refuse="no")), {})
    assert next_step(made, [], 0.0) == Stop(reason="refused")


@pytest.mark.parametrize(
    ("forbid", "require", "left"),
    [
        (set(), set(), ["a", "b", "home"]),
        ({"large"}, set(), ["a", "home"]),
        ({"llm"}, set(), ["home"]),
        ({"eu"}, set(), ["a", "home"]),
        ({"a"}, set(), ["b", "home"]),
        (set(), {"large"}, ["b"]),
        (set(), {"in_house"}, ["home"]),
        (set(), {"local"}, []),
        (set(), {"llm"}, ["a", "b", "home"]),
        ({"llm", "in_house"}, set(), []),
    ],
)
def test_the_verdict_binds_every_fallback(forbid, require, left):
    deployments = {
        "a": deployment("a"),
        "b": deployment("b", "large", tags=frozenset({"eu"})),
        "home": deployment("home", in_house=True),
    }
    verdict = Verdict(forbid=frozenset(forbid), require=frozenset(require))
    made = make_plan(decision(fallbacks=("b", "home", "unknown"), verdict=verdict), deployments)
    assert [choice.model for choice in made.choices] == left


def test_an_unconfigured_deployment_is_never_called():
    deployments = {"a": msgspec.structs.replace(deployment("a"), configured=False), "b": deployment("b")}
    assert [choice.model for choice in make_plan(decision(fallbacks=("b",)), deployments).choices] == ["b"]


def test_the_output_cap_makes_the_worst_case_smaller():
    made = make_plan(decision(budget=Budget(max_usd=1.0), max_output_tokens=90), {"a": deployment("a")})
    assert made.choices[0].worst_usd == pytest.approx(100e-6)


PLANS = st.builds(
    Plan,
    choices=st.lists(
        st.builds(
            Choice,
            model=st.sampled_from("abcdef"),
            kind=st.just("llm"),
            worst_usd=st.none() | st.floats(0, 1),
            expected_ms=st.floats(0, 5000),
        ),
        max_size=6,
        unique_by=lambda choice: choice.model,
    ).map(tuple),
    max_usd=st.none() | st.floats(0, 2),
    max_latency_ms=st.none() | st.floats(0, 20_000),
    jitter=st.floats(0, 1),
    pacing=st.builds(
        Pacing,
        max_calls=st.integers(1, 8),
        wait=st.builds(wait_exponential, multiplier=st.floats(0, 2), max=st.floats(0, 10)),
        stop=st.builds(stop_after_attempt, st.integers(1, 4)),
    ),
)
RESULTS = st.lists(
    st.tuples(
        st.sampled_from([*KINDS, None]),
        st.booleans(),
        st.none() | st.floats(0, 100),
        st.floats(0, 1.0),
        st.none() | st.floats(0, 1),
        st.booleans(),
    ),
    min_size=12,
    max_size=12,
)


@settings(max_examples=400, deadline=None)
@given(plan=PLANS, results=RESULTS)
def test_every_run_ends_within_its_limits(plan, results):
    attempts, now, steps = [], 0.0, 0
    allowed = {choice.model for choice in plan.choices}
    while not isinstance(step := next_step(plan, attempts, now), Stop):
        steps += 1
        assert steps <= 4 * plan.pacing.max_calls
        if plan.max_latency_ms is not None:
            assert now < plan.max_latency_ms
        if isinstance(step, Wait):
            assert step.until_ms > now
            if plan.max_latency_ms is not None:
                assert step.until_ms < plan.max_latency_ms
            now = step.until_ms
            continue
        assert step.model in allowed
        assert 0 < step.ttft_ms <= step.timeout_ms
        if plan.max_latency_ms is not None:
            assert now + step.timeout_ms <= plan.max_latency_ms + 1e-6
        if plan.max_usd is not None and attempts:
            worst = next(choice.worst_usd for choice in plan.choices if choice.model == step.model)
            assert worst is not None
            assert sum(a.usd if a.usd is not None else 0.0 for a in attempts) + worst <= plan.max_usd * (1 + 1e-6)
        if attempts:
            assert attempts[-1].error not in (None, "bad_request", "content_filter")
            assert attempts[-1].ttft_ms is None
            if step.model == attempts[-1].model:
                assert attempts[-1].retryable
                waited = now - attempts[-1].started_ms - attempts[-1].latency_ms
                assert waited + 1.0 >= 1000.0 * (attempts[-1].retry_after_s or 0.0)
            else:
                names = [choice.model for choice in plan.choices]
                assert names.index(step.model) > names.index(attempts[-1].model)
        error, retryable, retry_after, share, usd, began = results[len(attempts)]
        took = share * min(step.timeout_ms, 60_000.0)
        attempts.append(
            Attempt(
                model=step.model,
                kind="llm",
                started_ms=now,
                latency_ms=took,
                error=error,
                retryable=retryable and error is not None,
                retry_after_s=retry_after,
                usd=usd,
                ttft_ms=took if began and error == "network" else None,
            )
        )
        now += took
    assert len(attempts) <= plan.pacing.max_calls
