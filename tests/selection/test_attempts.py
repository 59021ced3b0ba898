"""What comes next in a run, over every interleaving of failures, without clock or network."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from tenacity.stop import stop_after_attempt
from tenacity.wait import wait_exponential

from router.catalogue import Deployment, Price
from router.selection.attempts import can_escalate, next_step
from router.selection.plan import Choice, Hedging, Pacing, Plan, make_plan
from router.selection.steps import Block, Call, Running, Stop, Wait
from router.types import (
    Attempt,
    Budget,
    Decision,
    Estimate,
    PolicyRef,
    Signal,
    Snapshot,
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


def test_a_hopeless_call_gives_way():
    known = msgspec.structs.replace(A, expected_ms=50.0, tail_ms=100.0)
    assert next_step(plan(known, B, max_latency_ms=3000), [], 0.0).timeout_ms == 300.0


def test_a_lone_model_keeps_half_of_the_time_for_another_try():
    known = msgspec.structs.replace(A, expected_ms=50.0, tail_ms=100.0)
    assert next_step(plan(known, max_latency_ms=3000), [], 0.0).timeout_ms == 1500.0
    given_up = [failed(error="timeout", took=1500.0)]
    step = next_step(plan(known, max_latency_ms=3000), given_up, 1800.0)
    assert (step.model, step.role, step.timeout_ms) == ("a", "retry", 1200.0)
    # Not where that is hardly more than it needs, where its time is unknown, or where no other try is left.
    slow = msgspec.structs.replace(A, expected_ms=500.0, tail_ms=600.0)
    assert next_step(plan(slow, max_latency_ms=3000), [], 0.0).timeout_ms == 3000.0
    assert next_step(plan(A, max_latency_ms=3000), [], 0.0).timeout_ms == 3000.0
    spent = next_step(plan(known, max_latency_ms=3000), [], 0.0, blocked={}, spent_out=frozenset("a"))
    assert spent.timeout_ms == 3000.0


def test_a_timeout_is_tried_again_only_when_nobody_else_is_left():
    given_up = [failed(error="timeout", took=500.0)]
    assert next_step(plan(max_latency_ms=3000), given_up, 900.0).model == "b"
    assert next_step(plan(A), given_up, 900.0) == Stop(reason="exhausted")


def test_whoever_failed_before_is_tried_again_when_nobody_else_is_left():
    attempts = [failed("b", role="hedge", at=100.0), failed(error="timeout", took=300.0)]
    waiting = next_step(plan(max_latency_ms=3000, jitter=1.0), attempts, 300.0)
    assert waiting == Wait(until_ms=360.0)
    assert next_step(plan(max_latency_ms=3000, jitter=1.0), attempts, 360.0).model == "b"


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
    assert (step.model, step.role) == ("a", "escalation")


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


# ----- health -----------------------------------------------------------------------------------------------------


def cooling(until, *names, **fields):
    return {name: Block(until_ms=until, **fields) for name in names or "a"}


def test_a_blocked_target_gives_way():
    assert next_step(plan(), [], 0.0, blocked=cooling(5000.0)).model == "b"


def test_a_lone_blocked_target_is_waited_for():
    waits = next_step(plan(A), [], 0.0, blocked=cooling(5000.0))
    assert waits == Wait(until_ms=5000.0, for_health=True)
    assert next_step(plan(A), [], 0.0, blocked=cooling(6000.0)) == Stop(reason="unavailable")
    # What the provider said, and what a deadline allows, is waited for longer.
    assert next_step(plan(A), [], 0.0, blocked=cooling(29_000.0, is_told=True)).for_health
    assert next_step(plan(A), [], 0.0, blocked=cooling(31_000.0, is_told=True)) == Stop(reason="unavailable")
    assert next_step(plan(A, max_latency_ms=20_000), [], 0.0, blocked=cooling(9000.0)).for_health
    assert next_step(plan(A, max_latency_ms=600), [], 0.0, blocked=cooling(900.0)) == Stop(reason="unavailable")


def test_the_soonest_of_all_is_waited_for():
    blocked = {"a": Block(until_ms=9000.0), "b": Block(until_ms=700.0), "c": Block(until_ms=800.0)}
    assert next_step(plan(A, B, C), [], 0.0, blocked=blocked).until_ms == 700.0


@pytest.mark.parametrize(("limit", "until"), [(None, 30_000.0), (4000, 3998.0)])
def test_the_end_of_a_probe_is_waited_for(limit, until):
    made, blocked = plan(A, max_latency_ms=limit), cooling(60_000.0, is_probed=True)
    assert next_step(made, [], 0.0, blocked=blocked) == Wait(until_ms=until, for_health=True)
    assert next_step(made, [], until, blocked=blocked) == Stop(reason="unavailable")


def test_who_cannot_wait_probes_the_best():
    blocked = {"a": Block(until_ms=5000.0), "b": Block(until_ms=5000.0, may_probe=True)}
    step = next_step(plan(A, B, C, max_latency_ms=1000), [], 0.0, blocked={**blocked, "c": blocked["b"]})
    assert (step.model, step.role, step.is_early) == ("b", "first", True)


def test_a_long_cooldown_is_probed_before_its_end():
    soon, late = cooling(4000.0, may_probe=True), cooling(20_000.0, may_probe=True)
    assert next_step(plan(A), [], 0.0, blocked=soon).for_health
    assert next_step(plan(A), [], 0.0, blocked=late).is_early
    assert next_step(plan(A, max_latency_ms=60_000), [], 0.0, blocked=late).is_early
    probed = {**late, "b": Block(until_ms=60_000.0, is_probed=True)}
    assert next_step(plan(), [], 0.0, blocked=probed).for_health
    assert next_step(plan(A), [], 0.0, blocked=cooling(20_000.0, is_told=True)).for_health


def test_a_retry_does_not_wait_for_a_long_cooldown():
    failing = [failed()]
    assert next_step(plan(A), failing, 300.0, blocked=cooling(5000.0)).until_ms == 5000.0
    assert next_step(plan(A), failing, 300.0, blocked=cooling(9000.0)) == Stop(reason="unavailable")
    assert next_step(plan(A), failing, 300.0, blocked=cooling(9000.0, may_probe=True)).is_early


def test_a_probe_that_is_out_is_waited_for_rather_than_probing_another():
    blocked = {"a": Block(until_ms=60_000.0, is_probed=True), "b": Block(until_ms=60_000.0, may_probe=True)}
    assert next_step(plan(), [], 0.0, blocked=blocked).for_health


def test_where_too_many_wait_nobody_else_does():
    assert next_step(plan(A), [], 0.0, blocked=cooling(900.0), is_crowded=True) == Stop(reason="unavailable")
    probed = next_step(plan(A), [], 0.0, blocked=cooling(900.0, may_probe=True), is_crowded=True)
    assert probed.is_early


def test_a_retry_waits_for_the_breaker():
    assert next_step(plan(A), [failed()], 300.0, blocked=cooling(2000.0)) == Wait(until_ms=2000.0)
    assert next_step(plan(), [failed()], 300.0, blocked=cooling(2000.0)).model == "b"


def test_a_retry_is_no_early_probe_before_its_time():
    blocked = cooling(5000.0, may_probe=True)
    tight = plan(A, max_latency_ms=2000, jitter=1.0)
    assert next_step(tight, [failed()], 100.0, blocked=blocked) == Stop(reason="unavailable")
    step = next_step(tight, [failed()], 260.0, blocked=blocked)
    assert (step.role, step.is_early) == ("retry", True)


def test_whoever_is_back_before_a_retry_is_due_is_called():
    attempts = [failed(error="rate_limit", retry_after_s=20.0)]
    step = next_step(plan(), attempts, 10.0, blocked=cooling(900.0, "b"))
    assert step == Wait(until_ms=900.0, for_health=True)
    assert next_step(plan(), attempts, 900.0).model == "b"


def test_a_poor_answer_is_not_held_back_for_a_long_cooldown():
    rejected = [failed(error="rejected")]
    assert next_step(plan(SMALL, LARGE), rejected, 10.0, blocked=cooling(900.0, "c")).until_ms == 900.0
    assert next_step(plan(SMALL, LARGE), rejected, 10.0, blocked=cooling(5000.0, "c")) == Stop(reason="kept")


def test_a_spent_retry_budget_retries_nobody():
    assert next_step(plan(), [failed()], 300.0, spent_out=frozenset("a")).model == "b"
    assert next_step(plan(A), [failed()], 300.0, spent_out=frozenset("a")) == Stop(reason="exhausted")


def test_a_tail_that_does_not_fit_is_passed_over():
    slow = msgspec.structs.replace(A, usual_ms=900.0, tail_ms=4000.0)
    assert next_step(plan(slow, B, max_latency_ms=2000), [], 0.0).model == "b"
    assert next_step(plan(slow, max_latency_ms=2000), [], 0.0).model == "a"
    hopeless = msgspec.structs.replace(slow, usual_ms=3000.0)
    assert next_step(plan(hopeless, max_latency_ms=2000), [], 0.0) == Stop(reason="deadline")


def test_too_long_a_request_goes_to_a_larger_window():
    choices = [msgspec.structs.replace(choice, context_tokens=size) for choice, size in ((A, 8), (B, 8), (C, 16))]
    assert next_step(plan(*choices), [failed(error="context_length")], 10.0).model == "c"
    assert next_step(plan(*choices[:2]), [failed(error="context_length")], 10.0) == Stop(reason="exhausted")


# ----- hedges -----------------------------------------------------------------------------------------------------

SLOW = msgspec.structs.replace(A, hedge_ms=800.0)
OUT = (Running(model="a", started_ms=0.0),)


def test_a_running_call_is_waited_for():
    assert next_step(plan(), [], 5000.0, running=OUT) == Wait(until_ms=float("inf"))


def test_a_slow_call_is_hedged_elsewhere():
    hedged = plan(SLOW, B, hedge=True)
    assert next_step(hedged, [], 100.0, running=OUT) == Wait(until_ms=800.0)
    step = next_step(hedged, [], 800.0, running=OUT)
    assert (step.model, step.role) == ("b", "hedge")


def test_a_lone_deployment_is_hedged_at_itself():
    assert next_step(plan(SLOW, hedge=True), [], 900.0, running=OUT).model == "a"


def test_one_hedge_is_enough():
    both = (*OUT, Running(model="b", started_ms=800.0))
    assert next_step(plan(SLOW, B, C, hedge=True), [], 9000.0, running=both) == Wait(until_ms=float("inf"))


@pytest.mark.parametrize(
    "limits",
    [
        {"plan": {"max_usd": 0.015}},
        {"spent_out": frozenset("ab")},
        {"blocked": {"a": Block(until_ms=9e3), "b": Block(until_ms=9e3, may_probe=True)}},
        {"plan": {"max_latency_ms": 801.0}},
    ],
)
def test_a_hedge_needs_money_time_and_health(limits):
    made = plan(SLOW, B, hedge=True, **limits.pop("plan", {}))
    assert next_step(made, [], 800.0, running=OUT, **limits) == Wait(until_ms=float("inf"))


def test_a_lost_hedge_is_no_failure():
    lost = [failed("b", "superseded", role="hedge"), failed(error=None)]
    assert next_step(plan(), lost, 900.0) == Stop(reason="answered")


def test_the_plan_hedges_after_the_tail_that_was_seen():
    seen = Snapshot(id="s", now_s=0.0, tail_ms={"a": 700.0}, ttft_tail_ms={"a": 90.0})
    pacing = Pacing(hedging=Hedging(is_on=True))
    made = decision(fallbacks=("b",), snapshot=seen)
    both = {name: deployment(name) for name in "ab"}
    assert [c.hedge_ms for c in make_plan(made, both, pacing=pacing).choices] == [700.0, None]
    assert make_plan(made, both, pacing=pacing, is_stream=True).choices[0].hedge_ms == 90.0
    assert not make_plan(made, both).hedge


# ----- cascades ---------------------------------------------------------------------------------------------------

SMALL, OTHER, LARGE = (
    msgspec.structs.replace(choice, tier=tier) for choice, tier in ((A, "small"), (B, "small"), (C, "large"))
)


def test_a_rejected_answer_goes_to_a_larger_model():
    step = next_step(plan(SMALL, OTHER, LARGE), [failed(error="rejected")], 10.0)
    assert (step.model, step.role) == ("c", "escalation")


def test_nothing_larger_keeps_the_answer():
    assert next_step(plan(SMALL, OTHER), [failed(error="rejected")], 10.0) == Stop(reason="kept")


def test_a_larger_model_that_fails_keeps_the_answer():
    attempts = [failed(error="rejected"), failed("c", "auth")]
    assert next_step(plan(SMALL, OTHER, LARGE), attempts, 20.0) == Stop(reason="kept")


def test_an_escalation_must_be_affordable():
    tight = plan(SMALL, LARGE, max_usd=0.015)
    spent = [msgspec.structs.replace(failed(error="rejected"), usd=0.01)]
    assert next_step(tight, spent, 10.0) == Stop(reason="kept")


# ----- every interleaving ------------------------------------------------------------------------------------------

PLANS = st.builds(
    Plan,
    choices=st.lists(
        st.builds(
            Choice,
            model=st.sampled_from("abcdef"),
            kind=st.just("llm"),
            tier=st.sampled_from(["small", "large"]),
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
            before = [attempt for attempt in attempts if attempt.model == step.model]
            if before:
                newest = before[-1]
                assert newest.retryable or (newest.error == "timeout" and plan.max_latency_ms is not None)
                assert step.role == "retry"
                waited = now - newest.started_ms - newest.latency_ms
                assert waited + 1.0 >= 1000.0 * (newest.retry_after_s or 0.0)
            else:
                names = [choice.model for choice in plan.choices]
                assert names.index(step.model) > max(names.index(attempt.model) for attempt in attempts)
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


class Runs(RuleBasedStateMachine):
    """One run in every interleaving: calls end in any order and any way, breakers open and close, time goes by."""

    @initialize(made=PLANS, hedge=st.booleans(), after=st.none() | st.floats(0, 3000))
    def start(self, made, hedge, after):
        choices = tuple(msgspec.structs.replace(c, hedge_ms=after, tail_ms=after) for c in made.choices)
        self.plan = msgspec.structs.replace(made, hedge=hedge, choices=choices)
        self.now, self.attempts, self.running, self.blocked, self.calls = 0.0, [], [], {}, 0
        self.spent_out, self.end, self.waited = frozenset(), None, 0
        self.step()

    def step(self):
        """Do what is said until something must happen first."""
        while self.end is None:
            self.blocked = {name: block for name, block in self.blocked.items() if block.until_ms > self.now}
            step = next_step(
                self.plan, self.attempts, self.now,
                running=[running for running, _ in self.running], blocked=self.blocked, spent_out=self.spent_out,
            )  # fmt: skip
            if isinstance(step, Stop):
                assert not self.running
                self.end = step
                self.check_end(step)
            elif isinstance(step, Call):
                self.check_call(step)
                self.running.append((Running(model=step.model, started_ms=self.now), step))
                self.calls += 1
            elif self.running:
                assert step.until_ms > self.now
                return
            else:
                assert self.now < step.until_ms < float("inf")
                assert step.until_ms - max([0.0, *(a.started_ms + a.latency_ms for a in self.attempts)]) <= 30_001
                self.now, self.waited = step.until_ms, self.waited + 1
                assert self.waited <= 40

    def check_call(self, step):
        names = {choice.model: choice for choice in self.plan.choices}
        choice, others = names[step.model], [running.model for running, _ in self.running]
        if step.is_early:
            # Nobody else can be called, and no wait fits.
            assert self.blocked[step.model].may_probe
            assert not others
        else:
            assert step.model not in self.blocked
        assert len(others) < 2
        assert self.calls < self.plan.pacing.max_calls
        assert 0 < step.ttft_ms <= step.timeout_ms
        tried = [*[a.model for a in self.attempts], *others]
        if step.model in tried:
            assert step.model not in self.spent_out
        if others:
            assert step.role == "hedge"
            assert self.plan.hedge
        if self.plan.max_latency_ms is not None:
            assert self.now + step.timeout_ms <= self.plan.max_latency_ms + 1e-6
        if self.plan.max_usd is not None and tried:
            assert choice.worst_usd is not None
            known = sum(a.usd if a.usd is not None else names[a.model].worst_usd for a in self.attempts)
            out = sum(names[name].worst_usd for name in others)
            assert known + out + choice.worst_usd <= self.plan.max_usd * (1 + 1e-6)
        rejected = [names[a.model].tier for a in self.attempts if a.error == "rejected"]
        if rejected:
            assert choice.tier == "large"
            assert set(rejected) == {"small"}

    def check_end(self, step):
        errors = [attempt.error for attempt in self.attempts]
        assert (step.reason == "answered") == (None in errors)
        assert (step.reason == "cancelled") == ("cancelled" in errors)
        if step.reason == "kept":
            assert "rejected" in errors
        if step.reason in ("exhausted", "money", "deadline", "unavailable", "final"):
            assert "rejected" not in errors

    @precondition(lambda self: self.running)
    @rule(
        which=st.integers(0, 1),
        error=st.sampled_from([*KINDS, None, None, "rejected", "cancelled"]),
        retryable=st.booleans(),
        retry_after=st.none() | st.floats(0, 40),
        share=st.floats(0, 1),
        usd=st.none() | st.floats(0, 0.5),
        began=st.booleans(),
    )
    def a_call_ends(self, which, error, retryable, retry_after, share, usd, began):
        running, step = self.running.pop(which % len(self.running))
        self.now = max(self.now, running.started_ms + share * min(step.timeout_ms, 60_000.0))
        if error == "rejected" and not can_escalate(self.plan, self.attempts, running.model):
            error = None
        if error in (None, "cancelled", "rejected") or (began and error == "network"):
            # The race is over: the others are cancelled, and their books are closed before the winner's.
            for other, _ in self.running:
                self.close(other, "superseded" if error != "cancelled" else "cancelled", usd)
            self.running = []
        self.close(
            running, error, usd,
            retryable=retryable and error not in (None, "rejected", "cancelled"),
            retry_after_s=retry_after,
            ttft_ms=1.0 if began and error == "network" else None,
        )  # fmt: skip
        self.step()

    def close(self, running, error, usd, **fields):
        took = self.now - running.started_ms
        self.attempts.append(
            Attempt(
                model=running.model, kind="llm", started_ms=running.started_ms, latency_ms=took, error=error, usd=usd,
                **fields,
            )
        )  # fmt: skip

    @precondition(lambda self: self.running)
    @rule(passed=st.floats(0, 5000))
    def time_passes(self, passed):
        self.now = min(
            self.now + passed, *(running.started_ms + step.timeout_ms for running, step in self.running), 1e9
        )
        self.step()

    @rule(name=st.sampled_from("abcdef"), lasts=st.floats(1, 60_000), kind=st.sampled_from(["told", "probed", "open"]))
    def a_breaker_opens(self, name, lasts, kind):
        self.blocked[name] = Block(
            until_ms=self.now + lasts,
            is_told=kind == "told",
            is_probed=kind == "probed",
            may_probe=kind == "open",
        )
        self.step()

    @rule(name=st.sampled_from("abcdef"))
    def a_breaker_closes(self, name):
        self.blocked.pop(name, None)
        self.step()

    @rule(names=st.frozensets(st.sampled_from("abcdef")))
    def extra_calls_run_out(self, names):
        self.spent_out = names
        self.step()


TestRuns = Runs.TestCase
TestRuns.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
