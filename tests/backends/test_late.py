"""Backends that load late: once, off the event loop, and never at the cost of a request that is not told of it."""

import asyncio
import threading
import time

import pytest
from backend_cases import decision, deployment, request

from router.backends.base import Reply
from router.backends.late import LateBackend, Once
from router.backends.openai import OpenAIBackend
from router.errors import DeadlineExceeded, UpstreamError
from router.testing.upstream import Upstream
from router.types import Budget

BODY = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop"}]}


class Plain:
    def __init__(self):
        self.sent = 0

    async def send(self, call):
        self.sent += 1
        return Reply(body=BODY)

    async def aclose(self):
        pass


def slow(backend, seconds=0.2):
    threads = []

    def make():
        threads.append(threading.current_thread())
        time.sleep(seconds)
        return backend

    return LateBackend(make, name="slow"), threads


async def test_many_waiters_load_once():
    late, threads = slow(Plain())
    assert not late.is_warm
    await asyncio.gather(*(late.warm() for _ in range(20)))
    assert late.is_warm
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


async def test_the_loop_runs_on_while_loading():
    late, _ = slow(Plain())
    warming = asyncio.create_task(late.warm())
    turns = 0
    while not warming.done():
        await asyncio.sleep(0.005)
        turns += 1
    assert turns > 10


async def test_leaving_does_not_stop_the_loading():
    late, threads = slow(Plain())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await late.warm()
    await late.warm()
    assert len(threads) == 1


async def test_a_failed_loading_is_tried_again():
    outcomes = iter([ImportError("no"), 7])

    def work():
        found = next(outcomes)
        if isinstance(found, Exception):
            raise found
        return found

    once = Once(work, name="test")
    with pytest.raises(ImportError):
        await once.get()
    assert once.peek() is None
    assert await once.get() == 7
    assert once.peek() == 7


def test_loading_serves_other_loops_too():
    late, threads = slow(Plain(), 0)
    asyncio.run(late.warm())
    asyncio.run(late.warm())
    assert len(threads) == 1


async def test_warming_reaches_what_is_configured(make_dispatcher):
    used, used_threads = slow(Plain(), 0)
    unused, unused_threads = slow(Plain(), 0)
    dispatcher = make_dispatcher(
        deployment(backend="used"),
        deployment("large", backend="unused", configured=False),
        backends={"used": used, "unused": unused},
    )
    await dispatcher.warm()
    assert (len(used_threads), len(unused_threads)) == (1, 0)


async def test_warming_survives_what_cannot_load(make_dispatcher, caplog):
    def make():
        raise ImportError("no module")

    late = LateBackend(make, name="gone")
    dispatcher = make_dispatcher(deployment(backend="gone"), backends={"gone": late})
    await dispatcher.warm()
    assert "gone" in caplog.text
    with pytest.raises(UpstreamError, match="ImportError"):
        await dispatcher.run(request(), decision())


async def test_a_first_call_waits_for_the_loading(make_dispatcher):
    late, _ = slow(Plain(), 0.05)
    outcome = await make_dispatcher(deployment(backend="slow"), backends={"slow": late}).run(request(), decision())
    assert outcome.status == "answered"
    assert outcome.latency_ms >= 50
    assert outcome.attempts[0].started_ms >= 50


async def test_loading_past_the_deadline_is_told(make_dispatcher):
    backend = Plain()
    late, _ = slow(backend, 0.3)
    dispatcher = make_dispatcher(deployment(backend="slow"), backends={"slow": late})
    run = dispatcher.start(request(), decision(budget=Budget(max_latency_ms=100)))
    outcome = await run.finish()
    assert isinstance(run.failure, DeadlineExceeded)
    assert "loading" in str(run.failure)
    assert "warm()" in str(run.failure)
    assert outcome.attempts == ()
    assert backend.sent == 0
    await late.warm()


async def test_a_cold_target_leaves_time_to_fall_back(make_dispatcher):
    late, _ = slow(Plain(), 1.5)
    async with Upstream() as up:
        dispatcher = make_dispatcher(
            deployment(backend="slow", ttft_ms=50, tokens_per_s=1e6),
            deployment("large", up.url, ttft_ms=200),
            backends={"slow": late, "openai": OpenAIBackend(reach="loopback")},
        )
        outcome = await dispatcher.run(request(), decision(fallbacks=["large"], budget=Budget(max_latency_ms=1200)))
    assert outcome.model == "large"
    assert outcome.latency_ms < 1200
    assert "loading" in outcome.attempts[0].message
    await late.warm()


async def test_time_already_spent_counts(make_dispatcher):
    now = [100.0]
    async with Upstream() as up:
        dispatcher = make_dispatcher(deployment(url=up.url), clock=lambda: now[0])
        made = decision(budget=Budget(max_latency_ms=500))
        late = dispatcher.start(request(), made, started_s=99.4)
        await late.finish()
        assert not up.received
        in_time = await dispatcher.start(request(), made, started_s=99.8).finish()
        stream = dispatcher.stream(request(stream=True), made, started_s=99.4)
        with pytest.raises(DeadlineExceeded):
            await anext(stream)
    assert isinstance(late.failure, DeadlineExceeded)
    assert late.failure.elapsed_ms == pytest.approx(600)
    assert in_time.status == "answered"
    assert in_time.latency_ms == pytest.approx(200)
    assert in_time.attempts[0].started_ms == pytest.approx(200)
