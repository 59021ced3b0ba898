"""Hedges, breakers and the retry budget, against real servers on this machine."""

import asyncio
import contextlib

import pytest
from backend_cases import collect, content, decision, deployment, dropped, request
from tenacity.wait import wait_none

from router.errors import UpstreamError
from router.selection.plan import Hedging, Pacing
from router.state.breaker import BreakerRules
from router.state.health import MemoryHealth, RetryBudget
from router.testing.upstream import Answer, Fault, Upstream
from router.types import Budget, Verdict

HEDGING = Pacing(wait=wait_none(), hedging=Hedging(is_on=True, after_ms=60.0, least_ms=10.0))


async def test_a_slow_answer_is_overtaken(make_dispatcher):
    async with Upstream(default=Answer(delay_s=20)) as slow, Upstream([Answer(text="quick")]) as quick:
        dispatcher = make_dispatcher(deployment(url=slow.url), deployment("large", quick.url), pacing=HEDGING)
        outcome = await dispatcher.run(request(), decision(fallbacks=["large"]))
        assert await dropped(slow) == 1
    assert outcome.body["choices"][0]["message"]["content"] == "quick"
    assert outcome.model == "large"
    assert [(a.model, a.error, a.role) for a in outcome.attempts] == [
        ("small", "superseded", "first"),
        ("large", None, "hedge"),
    ]


async def test_the_losers_spend_is_counted(make_dispatcher):
    async with Upstream(default=Answer(delay_s=20)) as slow, Upstream() as quick:
        dispatcher = make_dispatcher(deployment(url=slow.url), deployment("large", quick.url), pacing=HEDGING)
        outcome = await dispatcher.run(request(), decision(fallbacks=["large"]))
    lost, won = outcome.attempts
    assert lost.usage.estimated
    assert lost.usd > 0
    assert outcome.usd == pytest.approx(lost.usd + won.usd)
    assert outcome.usage == won.usage


async def test_the_first_may_still_win(make_dispatcher):
    async with Upstream([Answer(text="first", delay_s=0.15)]) as one, Upstream(default=Answer(delay_s=20)) as other:
        dispatcher = make_dispatcher(deployment(url=one.url), deployment("large", other.url), pacing=HEDGING)
        outcome = await dispatcher.run(request(), decision(fallbacks=["large"]))
        assert await dropped(other) == 1
    assert (outcome.model, outcome.attempts[-1].error) == ("small", None)


async def test_a_quick_answer_is_not_hedged(make_dispatcher):
    async with Upstream() as one, Upstream() as other:
        dispatcher = make_dispatcher(deployment(url=one.url), deployment("large", other.url), pacing=HEDGING)
        await dispatcher.run(request(), decision(fallbacks=["large"]))
        assert not other.received


async def test_a_failed_hedge_leaves_the_first(make_dispatcher):
    async with Upstream([Answer(text="first", delay_s=0.2)]) as one, Upstream(default=Fault(status=500)) as other:
        dispatcher = make_dispatcher(deployment(url=one.url), deployment("large", other.url), pacing=HEDGING)
        outcome = await dispatcher.run(request(), decision(fallbacks=["large"]))
        assert len(other.received) == 1
    assert outcome.model == "small"


async def test_no_money_no_hedge(make_dispatcher):
    async with Upstream([Answer(delay_s=0.2)]) as one, Upstream() as other:
        dispatcher = make_dispatcher(deployment(url=one.url), deployment("large", other.url), pacing=HEDGING)
        await dispatcher.run(request(), decision(fallbacks=["large"], budget=Budget(max_usd=0.00015)))
        assert not other.received


async def test_a_forbidden_deployment_is_no_hedge(make_dispatcher):
    async with Upstream([Answer(delay_s=0.2)]) as one, Upstream() as other:
        dispatcher = make_dispatcher(
            deployment(url=one.url), deployment("large", other.url, tags=frozenset({"abroad"})), pacing=HEDGING
        )
        await dispatcher.run(request(), decision(fallbacks=["large"], verdict=Verdict(forbid=frozenset({"abroad"}))))
        assert not other.received


async def test_streams_race_to_the_first_token(make_dispatcher):
    async with Upstream(default=Fault(kind="stall", after=1)) as slow, Upstream([Answer(text="quick one")]) as quick:
        dispatcher = make_dispatcher(deployment(url=slow.url), deployment("large", quick.url), pacing=HEDGING)
        run = dispatcher.stream(request(stream=True), decision(fallbacks=["large"]))
        assert content(await collect(run)) == "quick one"
        assert await dropped(slow) == 1
    assert [a.error for a in run.outcome.attempts] == ["superseded", None]


async def test_leaving_a_race_stops_both(make_dispatcher):
    async with Upstream(default=Answer(delay_s=20)) as one, Upstream(default=Answer(delay_s=20)) as other:
        dispatcher = make_dispatcher(deployment(url=one.url), deployment("large", other.url), pacing=HEDGING)
        run = dispatcher.start(request(), decision(fallbacks=["large"]))
        task = asyncio.create_task(run.finish())
        while not (one.received and other.received):
            await asyncio.sleep(0.01)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert await dropped(one) == await dropped(other) == 1
    assert run.outcome.status == "cancelled"
    assert [attempt.error for attempt in run.outcome.attempts] == ["cancelled", "cancelled"]


# ----- health -----------------------------------------------------------------------------------------------------


async def test_an_open_breaker_sends_nobody(make_dispatcher):
    async with Upstream(default=Fault(status=500)) as bad, Upstream() as good:
        health = MemoryHealth(failures=2, cooldown_s=60)
        dispatcher = make_dispatcher(deployment(url=bad.url), deployment("large", good.url), health=health)
        for _ in range(5):
            outcome = await dispatcher.run(request(), decision(fallbacks=["large"]))
            assert outcome.model == "large"
        assert len(bad.received) == 2


async def test_everything_cooling_down_says_when(make_dispatcher):
    async with Upstream(default=Fault(status=500)) as bad:
        health = MemoryHealth(failures=1, cooldown_s=60)
        dispatcher = make_dispatcher(deployment(url=bad.url), health=health)
        with pytest.raises(UpstreamError):
            await dispatcher.run(request(), decision())
        with pytest.raises(UpstreamError, match="cooling down") as caught:
            await dispatcher.run(request(), decision())
        assert len(bad.received) == 1
    assert 50 < caught.value.retry_after_s <= 60
    assert caught.value.status == 503


async def test_one_probe_at_a_time(make_dispatcher):
    now = [0.0]
    async with Upstream([Fault(status=500)], default=Answer(delay_s=0.1)) as flaky, Upstream() as good:
        health = MemoryHealth(failures=1, cooldown_s=5)
        dispatcher = make_dispatcher(
            deployment(url=flaky.url), deployment("large", good.url), health=health, clock=lambda: now[0]
        )
        await dispatcher.run(request(), decision(fallbacks=["large"]))
        now[0] = 6.0
        runs = [dispatcher.run(request(), decision(fallbacks=["large"])) for _ in range(5)]
        outcomes = await asyncio.gather(*runs)
        assert len(flaky.received) == 2
    assert sorted(outcome.model for outcome in outcomes) == ["large"] * 4 + ["small"]
    assert health.state("small", 6.0) == "closed"


async def test_retries_end_with_their_budget(make_dispatcher):
    async with Upstream(default=Fault(status=500)) as bad:
        health = MemoryHealth(rules=BreakerRules(failures=1000, error_share=2.0))
        retries = RetryBudget(share=0.1, burst=3.0)
        dispatcher = make_dispatcher(deployment(url=bad.url), health=health, retries=retries)
        for _ in range(20):
            with pytest.raises(UpstreamError):
                await dispatcher.run(request(), decision())
        # Three of the burst, and a tenth of the twenty first calls.
        assert 23 <= len(bad.received) <= 25
