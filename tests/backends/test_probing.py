"""Active health checks: what a check says, and what the breaker makes of it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from backend_cases import deployment
from hypothesis import given
from hypothesis import strategies as st

from router.backends.probing import HealthCheck, Probed, Prober
from router.state.health import MemoryHealth
from router.types import Attempt


@asynccontextmanager
async def answering(status):
    seen = []

    async def serve(reader, writer):
        try:
            while True:
                seen.append((await reader.readuntil(b"\r\n\r\n")).decode())
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\n{}" % status)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", seen
    server.close()
    # Until both sides of each connection know that it is over.
    await asyncio.sleep(0.01)


def prober(url, health, *, failures=1, key=None):
    made = deployment(url=url, key_env="KEY" if key else None)
    return Prober(
        [made],
        health,
        HealthCheck(every_s=10.0, timeout_s=2.0, failures=failures),
        credential=lambda _: key,
        clock=lambda: 100.0,
    ), made.name


@pytest.mark.parametrize(
    ("status", "state"), [(200, "up"), (404, "up"), (429, "up"), (500, "down"), (503, "down"), (401, "down")]
)
async def test_a_status_says_whether_it_is_there(status, state):
    health = MemoryHealth()
    async with answering(status) as (url, seen):
        checks, name = prober(url, health, key="sk-secret")
        await checks.check()
        checks.close()
    assert checks.states[name].state == state
    assert (name in health.blocked(100.0)) is (state == "down")
    assert seen[0].startswith("GET /v1/models HTTP/1.1\r\n")
    assert "Authorization: Bearer sk-secret" in seen[0]


async def test_a_dead_server_is_out_after_some_failures_and_back_at_once():
    health = MemoryHealth()
    async with answering(200) as (url, _):
        pass
    checks, name = prober(url, health, failures=2)
    await checks.check()
    assert health.blocked(100.0) == {}
    await checks.check()
    assert 0 < health.blocked(100.0)[name].for_s <= 30.0
    # Where nobody checks any more, a request is the probe.
    assert health.blocked(131.0) == {}
    port = int(url.rpartition(":")[2].partition("/")[0])

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    await checks.check()
    assert health.blocked(100.0) == {}
    checks.close()
    server.close()


def test_a_check_closes_no_breaker_that_calls_opened():
    health = MemoryHealth(failures=1, cooldown_s=50.0)
    health.observe(Attempt(model="m", kind="llm", started_ms=0, latency_ms=1, error="overload"), 100.0)
    health.found_up("m")
    assert "m" in health.blocked(100.0)


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 5))
def test_down_means_that_many_failures_in_a_row(answers, most):
    state, failed = Probed(), 0
    for is_up in answers:
        state = state.after("" if is_up else "HTTP 500", most)
        failed = 0 if is_up else failed + 1
        assert state.failures == failed
        assert (state.state == "down") is (failed >= most)
