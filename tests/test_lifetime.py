"""How a ``Router`` begins and ends: several event loops and threads, closing in the middle, dropped streams."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from router import AnswerStream, AsyncAnswerStream, Router, RouterError
from router.testing.upstream import Answer as Scripted
from router.testing.upstream import Upstream

STORY: dict[str, Any] = {"messages": [{"role": "user", "content": "Write a story about the sea."}]}
SLOW = Scripted(text="x" * 400, drip_s=0.02)


@pytest.fixture
def serve() -> Iterator[Callable[[Scripted], Upstream]]:
    """Starts a server on a loop of its own, which answers always alike."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    started: list[Upstream] = []

    def start(answer: Scripted) -> Upstream:
        server = Upstream(default=answer)
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
        started.append(server)
        return server

    yield start
    for server in started:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def routed(folder: Path, url: str, more: str = "") -> Router:
    path = folder / "router.yaml"
    path.write_text(
        f"local_models: {{shipped: false}}\n{more}deployments:\n"
        f"  - {{name: small, model: tiny, backend: openai, api_base: '{url}',"
        " price_per_million: {input: $1, output: $4}}\n"
    )
    return Router.from_config(path)


def settled(router: Router) -> tuple[str, int]:
    """Status and cost of the one request that was recorded."""
    deadline = time.monotonic() + 5
    while not (found := router.engine.ledger.tail(2)) and time.monotonic() < deadline:
        time.sleep(0.02)
    (record,) = found
    return record.outcome.status, record.nano_usd


def test_identical_requests_of_several_loops_are_sent_once(tmp_path: Path, serve: Any) -> None:
    server = serve(Scripted(delay_s=0.5))
    found: list[Any] = []
    with routed(tmp_path, server.url, "cache: {ttl: 1m}\n") as router:

        async def ask() -> None:
            found.append((await router.acomplete(STORY)).text)
            await router.engine.retire()  # its connections end with the loop

        threads = [threading.Thread(target=lambda: asyncio.run(ask()), daemon=True) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert not any(thread.is_alive() for thread in threads)
    assert found == ["Hello from upstream."] * 3
    assert len(server.received) == 1


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_closing_after_another_loop_has_ended(tmp_path: Path, serve: Any) -> None:
    router = routed(tmp_path, serve(Scripted()).url, "ledger: {path: ledger.jsonl}\n")

    async def ask() -> str:
        return str((await router.acomplete(STORY)).text)

    assert [asyncio.run(ask()), asyncio.run(ask())] == ["Hello from upstream."] * 2
    router.close()
    assert (tmp_path / "ledger.jsonl").read_bytes().count(b"\n") == 2
    gc.collect()  # what the ended loops left warns here


def test_a_closed_router_says_so(tmp_path: Path, serve: Any) -> None:
    server = serve(Scripted())
    before = set(threading.enumerate())
    router = routed(tmp_path, server.url)
    assert router.complete(STORY).text
    router.close()
    router.close()
    for call in (router.complete, router.decide, router.explain):
        with pytest.raises(RouterError, match="the router is closed"):
            call(STORY)
    with pytest.raises(RouterError, match="the router is closed"):
        asyncio.run(router.acomplete(STORY))
    assert len(server.received) == 1
    assert not [each for each in threading.enumerate() if each.name == "router-loop" and each not in before]


def test_closing_ends_what_runs_and_records_it(tmp_path: Path, serve: Any) -> None:
    server = serve(Scripted(delay_s=20))
    router = routed(tmp_path, server.url, "ledger: {path: ledger.jsonl}\n")
    raised: list[BaseException] = []

    def ask() -> None:
        try:
            router.complete(STORY)
        except RouterError as error:
            raised.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    while not server.received:
        time.sleep(0.01)
    router.close()
    thread.join(5)
    assert not thread.is_alive()
    assert "the router is closed" in str(raised[0])
    assert b'"status":"cancelled"' in (tmp_path / "ledger.jsonl").read_bytes()


def test_a_stream_that_closing_cut_does_not_look_whole(tmp_path: Path, serve: Any) -> None:
    router = routed(tmp_path, serve(SLOW).url)
    stream = router.complete({**STORY, "stream": True})
    assert isinstance(stream, AnswerStream)
    next(stream)
    router.close()
    with pytest.raises(RouterError, match="the router is closed"):
        next(stream)
    stream.close()


def test_a_stream_that_has_ended_stays_ended(tmp_path: Path, serve: Any) -> None:
    router = routed(tmp_path, serve(Scripted()).url)
    stream = router.complete({**STORY, "stream": True})
    assert isinstance(stream, AnswerStream)
    assert list(stream)
    router.close()
    assert list(stream) == []


def test_a_dropped_stream_costs_what_it_used(tmp_path: Path, serve: Any) -> None:
    server = serve(SLOW)
    with routed(tmp_path, server.url, "budgets: [{usd: $1}]\n") as router:
        stream = router.complete({**STORY, "stream": True})
        for _ in zip(range(5), stream, strict=False):
            pass
        del stream
        status, cost = settled(router)
    assert status == "cancelled"
    assert cost > 0


async def test_an_async_stream_that_is_dropped_costs_what_it_used(tmp_path: Path) -> None:
    async with Upstream(default=SLOW) as server:
        router = routed(tmp_path, server.url)
        stream = await router.acomplete({**STORY, "stream": True})
        async for _ in stream:
            break
        del stream
        for _ in range(10):
            gc.collect()
            await asyncio.sleep(0.02)
        status, cost = settled(router)
        assert status == "cancelled"
        assert cost > 0
        await router.aclose()


def test_an_answer_leaves_no_garbage_in_circles(tmp_path: Path, serve: Any) -> None:
    # What counting of references frees need not be looked for: a collection holds up every request of the process.
    server = serve(Scripted())
    count = 30

    async def ask(router: Router) -> None:
        for number in range(count):
            await router.acomplete(f"Write story {number} about the sea.")
            stream = await router.acomplete(f"Write story {number} about the hills.", stream=True)
            assert isinstance(stream, AsyncAnswerStream)
            assert [chunk async for chunk in stream]

    async def both(router: Router) -> int:
        await ask(router)
        gc.collect()
        gc.disable()
        try:
            await ask(router)
            return gc.collect()
        finally:
            gc.enable()
            await router.engine.retire()

    with routed(tmp_path, server.url) as router:
        assert asyncio.run(both(router)) < count
