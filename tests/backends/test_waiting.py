"""Many runs at once while their only deployment is cooling down: they wait for it, and one of them finds out."""

import asyncio
import time

import pytest
from backend_cases import decision, deployment, request

from router.errors import UpstreamError
from router.selection.plan import Pacing
from router.state.breaker import BreakerRules
from router.state.health import MemoryHealth
from router.testing.upstream import Answer, Fault, Upstream
from router.types import Attempt, Budget


def opened(health, times=5):
    """``health`` once its breaker has opened."""
    for _ in range(times):
        health.observe(
            Attempt(model="small", kind="llm", started_ms=0.0, latency_ms=1.0, error="overload"), time.monotonic()
        )
    return health


async def outcomes(dispatcher, count, **fields):
    runs = (dispatcher.run(request(), decision(**fields)) for _ in range(count))
    return await asyncio.gather(*runs, return_exceptions=True)


async def test_all_wait_for_one_probe(make_dispatcher):
    health = opened(MemoryHealth(cooldown_s=0.3))
    async with Upstream([Answer(delay_s=0.4)]) as up:
        dispatcher = make_dispatcher(deployment(url=up.url), health=health)
        began = time.monotonic()
        found = await outcomes(dispatcher, 20)
        took = time.monotonic() - began
    assert [getattr(outcome, "status", outcome) for outcome in found] == ["answered"] * 20
    first, *others = sorted(received.at_s for received in up.received)
    # The probe goes out when the cooldown is over, the others once it has answered; they do not sleep longer.
    assert first - began >= 0.25
    assert all(at - first >= 0.35 for at in others)
    assert took < 5.0


async def test_a_failed_probe_keeps_the_others_waiting(make_dispatcher):
    health = opened(MemoryHealth(cooldown_s=0.2))
    async with Upstream([Fault(status=500)]) as up:
        dispatcher = make_dispatcher(deployment(url=up.url), health=health)
        found = await outcomes(dispatcher, 10)
    assert [getattr(outcome, "status", outcome) for outcome in found] == ["answered"] * 10
    assert len(up.received) == 11


async def test_retry_after_is_waited_for_by_all(make_dispatcher):
    async with Upstream([Fault(status=429, retry_after="1")]) as up:
        dispatcher = make_dispatcher(deployment(url=up.url))
        began = time.monotonic()
        first = asyncio.create_task(dispatcher.run(request(), decision()))
        while not dispatcher.health.blocked(dispatcher.clock_s()):
            await asyncio.sleep(0.01)
        found = [*await outcomes(dispatcher, 5), await first]
    assert [getattr(outcome, "status", outcome) for outcome in found] == ["answered"] * 6
    assert all(received.at_s - began >= 1.0 for received in up.received[1:])


async def test_a_deadline_too_near_to_wait_makes_a_probe(make_dispatcher):
    rules = BreakerRules(cooldown_s=60.0, early_probe_s=0.0)
    health = opened(MemoryHealth(rules=rules))
    async with Upstream([Answer(delay_s=0.2)]) as up:
        dispatcher = make_dispatcher(deployment(url=up.url), health=health)
        found = await outcomes(dispatcher, 5, budget=Budget(max_latency_ms=3000))
    assert [getattr(outcome, "status", outcome) for outcome in found] == ["answered"] * 5
    first, *others = sorted(received.at_s for received in up.received)
    assert all(at - first >= 0.15 for at in others)


async def test_a_stream_that_begins_lets_the_others_go(make_dispatcher):
    health = opened(MemoryHealth(cooldown_s=0.1))
    async with Upstream([Answer(text="x" * 140, drip_s=0.1)]) as up:
        dispatcher = make_dispatcher(deployment(url=up.url), health=health)
        stream = dispatcher.stream(request(stream=True), decision())
        await anext(stream)
        began = time.monotonic()
        outcome = await dispatcher.run(request(), decision())
        took = time.monotonic() - began
        await stream.aclose()
    assert outcome.status == "answered"
    assert took < 1.0


async def test_no_more_wait_than_there_is_room_for(make_dispatcher):
    health = opened(MemoryHealth(cooldown_s=0.5))
    async with Upstream() as up:
        dispatcher = make_dispatcher(deployment(url=up.url), health=health, pacing=Pacing(most_waiting=3))
        found = await outcomes(dispatcher, 5)
    refused = [outcome for outcome in found if isinstance(outcome, UpstreamError)]
    assert len(refused) == 2
    assert {error.status for error in refused} == {503}
    assert all(0 < error.retry_after_s <= 0.5 for error in refused)


async def test_whoever_waits_may_leave(make_dispatcher):
    health = opened(MemoryHealth(cooldown_s=4.0))
    dispatcher = make_dispatcher(deployment(), health=health, pacing=Pacing(most_waiting=1))
    for _ in range(3):
        run = dispatcher.start(request(), decision())
        waiting = asyncio.create_task(run.finish())
        await asyncio.sleep(0.02)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert run.outcome.status == "cancelled"
        assert run.outcome.attempts == ()
