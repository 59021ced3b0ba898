"""Breakers, latencies and the budget of extra calls, without a clock."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.state.breaker import Breaker, BreakerRules
from router.state.health import MemoryHealth, RetryBudget
from router.types import Attempt

NOON = 1_800_000_000.0


def attempt(error=None, latency_ms=100.0, **fields):
    return Attempt(model="m", kind="llm", started_ms=0.0, latency_ms=latency_ms, error=error, **fields)


def fail(health, times, at=NOON, error="overload", **fields):
    for _ in range(times):
        health.observe(attempt(error, **fields), at)


def waits(health, at):
    """Seconds until each deployment that is blocked may be called."""
    return {name: blocked.for_s for name, blocked in health.blocked(at).items()}


def test_failures_in_a_row_open_the_breaker():
    health = MemoryHealth(failures=3, cooldown_s=30)
    fail(health, 2)
    assert health.state("m", NOON) == "closed"
    fail(health, 1)
    assert health.state("m", NOON) == "open"
    assert waits(health, NOON + 10) == {"m": pytest.approx(20.0)}
    assert health.state("m", NOON + 31) == "half_open"


def test_a_half_open_breaker_lets_one_probe_pass():
    health = MemoryHealth(failures=1, cooldown_s=30)
    fail(health, 1)
    assert not health.admit("m", NOON + 29)
    assert [health.admit("m", NOON + 31) for _ in range(3)] == [True, False, False]
    assert "m" in health.unhealthy(NOON + 31)


def test_a_good_probe_closes_it():
    health = MemoryHealth(failures=1, cooldown_s=30)
    fail(health, 1)
    health.admit("m", NOON + 31)
    health.observe(attempt(), NOON + 32)
    assert health.state("m", NOON + 32) == "closed"
    assert health.admit("m", NOON + 32)


def test_a_failed_probe_doubles_the_cooldown():
    health = MemoryHealth(failures=1, cooldown_s=10)
    fail(health, 1)
    health.admit("m", NOON + 11)
    fail(health, 1, NOON + 12)
    assert waits(health, NOON + 12) == {"m": pytest.approx(20.0)}


@pytest.mark.parametrize("error", ["cancelled", "superseded", "bad_request"])
def test_a_probe_that_says_nothing_is_given_back(error):
    health = MemoryHealth(failures=1, cooldown_s=10)
    fail(health, 1)
    health.admit("m", NOON + 11)
    fail(health, 1, NOON + 12, error)
    assert health.admit("m", NOON + 12)


def test_a_lost_probe_is_given_up():
    health = MemoryHealth(failures=1, cooldown_s=10)
    fail(health, 1)
    health.admit("m", NOON + 11)
    assert not health.admit("m", NOON + 60)
    assert health.admit("m", NOON + 72)


def test_who_waits_is_told_that_a_probe_is_out():
    health = MemoryHealth(failures=1, cooldown_s=10)
    fail(health, 1)
    health.admit("m", NOON + 11)
    assert health.blocked(NOON + 12)["m"].is_probed


def test_an_open_breaker_is_probed_early_one_call_at_a_time():
    health = MemoryHealth(failures=1, cooldown_s=10)
    fail(health, 1)
    assert not health.admit("m", NOON + 0.1, is_early=True)
    assert not health.admit("m", NOON + 1)
    assert health.blocked(NOON + 1)["m"].may_probe
    assert [health.admit("m", NOON + 1, is_early=True) for _ in range(3)] == [True, False, False]


def test_an_early_probe_closes_it_or_leaves_the_cooldown_as_it_was():
    health = MemoryHealth(failures=1, cooldown_s=10)
    fail(health, 1)
    health.admit("m", NOON + 1, is_early=True)
    fail(health, 1, NOON + 2)
    assert waits(health, NOON + 2) == {"m": pytest.approx(8.0)}
    health.admit("m", NOON + 3, is_early=True)
    health.observe(attempt(), NOON + 4)
    assert health.blocked(NOON + 4) == {}


@pytest.mark.parametrize(("error", "fields"), [("rate_limit", {"retry_after_s": 20.0}), ("quota", {})])
def test_what_the_provider_said_is_not_probed(error, fields):
    health = MemoryHealth()
    fail(health, 1, error=error, **fields)
    assert not health.admit("m", NOON + 10, is_early=True)


def test_after_retry_after_all_may_call():
    health = MemoryHealth()
    fail(health, 1, error="rate_limit", retry_after_s=20.0)
    assert [health.admit("m", NOON + 21) for _ in range(3)] == [True] * 3
    assert health.blocked(NOON + 21) == {}


def test_calls_that_fail_late_do_not_lengthen_the_cooldown():
    health = MemoryHealth(failures=3, cooldown_s=10)
    fail(health, 3)
    fail(health, 20, NOON + 1)
    assert waits(health, NOON + 1) == {"m": pytest.approx(9.0)}


def test_a_probe_whose_answer_begins_closes_it():
    health = MemoryHealth(failures=1, cooldown_s=10)
    fail(health, 1)
    health.admit("m", NOON + 11)
    health.began("m", NOON + 12)
    assert health.state("m", NOON + 12) == "closed"


def test_an_answer_that_begins_does_not_overrule_the_provider():
    health = MemoryHealth()
    fail(health, 1, error="rate_limit", retry_after_s=20.0)
    health.began("m", NOON + 1)
    assert health.state("m", NOON + 1) == "open"


def test_whoever_watches_is_told_of_news():
    health, news = MemoryHealth(failures=1, cooldown_s=10), []
    health.watch(lambda: news.append(1))
    health.observe(attempt(), NOON)
    assert news == []
    fail(health, 1)
    health.observe(attempt(), NOON)
    assert news == [1, 1]


def test_an_answer_closes_the_breaker():
    health = MemoryHealth(failures=1)
    fail(health, 1, error="network")
    health.observe(attempt(), NOON)
    assert health.unhealthy(NOON) == frozenset()


def test_retry_after_holds_whatever_answers_late():
    health = MemoryHealth()
    fail(health, 1, error="rate_limit", retry_after_s=20.0)
    health.observe(attempt(), NOON + 1)
    assert waits(health, NOON + 1) == {"m": pytest.approx(19.0)}


@pytest.mark.parametrize("error", ["quota", "auth"])
def test_a_lasting_failure_opens_it_at_once(error):
    health = MemoryHealth(failures=5)
    fail(health, 1, error=error)
    assert waits(health, NOON)["m"] >= 60.0


@pytest.mark.parametrize("error", ["bad_request", "context_length", "content_filter", "cancelled", "rejected"])
def test_callers_own_faults_leave_it_alone(error):
    health = MemoryHealth(failures=1)
    fail(health, 3, error=error)
    assert health.unhealthy(NOON) == frozenset()


def test_every_second_failure_opens_it_in_the_end():
    health = MemoryHealth(failures=3)
    for _ in range(20):
        fail(health, 1)
        if health.unhealthy(NOON):
            break
        health.observe(attempt(), NOON)
    assert health.unhealthy(NOON) == {"m"}
    assert health.error_share("m") >= 0.5


def test_latency_is_smoothed():
    health = MemoryHealth(smoothing=0.5)
    health.observe(attempt(None, 100), NOON)
    health.observe(attempt(None, 200), NOON)
    assert health.view(NOON).latency_ms == {"m": 150.0}


def test_the_tail_needs_twenty_answers():
    health = MemoryHealth()
    for number in range(19):
        health.observe(attempt(None, float(number), ttft_ms=1.0), NOON)
    assert health.view(NOON).tail_ms == {}
    health.observe(attempt(None, 19.0, ttft_ms=1.0), NOON)
    assert health.view(NOON).tail_ms == {"m": 18.0}
    assert health.view(NOON).ttft_tail_ms == {"m": 1.0}


def test_old_latencies_are_forgotten():
    health = MemoryHealth(window_s=300)
    for _ in range(20):
        health.observe(attempt(None, 9000.0), NOON)
    assert health.view(NOON).tail_ms == {"m": 9000.0}
    assert health.view(NOON + 301).tail_ms == {}
    assert health.view(NOON + 301).latency_ms == {}


def test_extra_calls_are_a_share_of_first_calls():
    budget = RetryBudget(share=0.5, burst=2.0)
    budget.repeat("m")
    budget.repeat("m")
    assert budget.empty == {"m"}
    budget.first("m")
    assert budget.empty == {"m"}
    budget.first("m")
    assert budget.empty == frozenset()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.booleans(), max_size=300))
def test_extra_calls_never_exceed_their_share(wishes):
    budget, firsts, extras = RetryBudget(share=0.2, burst=5.0), 0, 0
    for wants_extra in wishes:
        firsts += 1
        budget.first("m")
        if wants_extra and "m" not in budget.empty:
            budget.repeat("m")
            extras += 1
    assert extras <= 5.0 + 0.2 * firsts


EVENTS = st.tuples(
    st.floats(0, 40),
    st.sampled_from([None, "overload", "network", "rate_limit", "quota", "timeout", "bad_request", "cancelled"]),
    st.none() | st.floats(0.1, 30),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(EVENTS, max_size=60))
def test_no_more_than_one_call_passes_while_not_closed(events):
    rules, breaker, now = BreakerRules(), Breaker(), NOON
    for wait, error, retry_after in events:
        now += wait
        before = breaker.state(now)
        admitted = breaker.admit(now, rules)
        if before == "open":
            assert admitted is None
            assert breaker.admit(now, rules, is_early=True) is None or breaker.blocked(now, rules).may_probe
            continue
        if before == "half_open":
            assert admitted is not None
            assert admitted.admit(now, rules) is None
        breaker = admitted.after(attempt(error, retry_after_s=retry_after), now, rules)
        if error is None:
            assert breaker.state(now) == "closed"
        if error in ("rate_limit", "overload") and retry_after:
            assert breaker.blocked(now, rules).for_s >= retry_after - 1e-6
        blocked = breaker.blocked(now, rules)
        assert blocked is None or blocked.for_s <= max(rules.max_cooldown_s, rules.lasting_s, 30.0)
