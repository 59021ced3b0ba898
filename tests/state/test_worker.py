"""How operations reach a store: at once where that is quick, else by a thread; in order, and never lost."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from router.errors import StateUnavailable
from router.state.memory import MemoryStore
from router.state.sqlite import SqliteStore
from router.state.store import Balance, Claim, Granted, Op, Refused, Reply, Reserve, Settle, Share
from router.state.worker import StoreWorker


class Quick(MemoryStore):
    """A store that may be asked at once, and notes who asked how."""

    def __init__(self) -> None:
        super().__init__()
        self.at_once: list[int] = []
        self.by_thread: list[int] = []
        self.takes_s = 0.0
        self.is_busy = self.is_down = False

    def attempt(self, ops: Sequence[Op]) -> list[Reply] | None:
        time.sleep(self.takes_s)
        if self.is_down:
            raise StateUnavailable("away.")
        if self.is_busy:
            return None
        self.at_once.append(len(ops))
        return super().apply(ops)

    def apply(self, ops: Sequence[Op]) -> list[Reply]:
        if self.is_down:
            raise StateUnavailable("away.")
        self.by_thread.append(len(ops))
        return super().apply(ops)


def held(id: str, amount: int = 1, cap: int = 10) -> Reserve:
    return Reserve(id, (Claim("x", amount, cap),))


async def opened(worker: StoreWorker) -> StoreWorker:
    await worker.read(["x"])  # the thread has opened its store
    return worker


async def until(is_so: object, what: object) -> None:
    for _ in range(400):
        if is_so():  # type: ignore[operator]
            return
        await asyncio.sleep(0.01)
    raise AssertionError(what)


async def test_a_quick_store_is_asked_at_once() -> None:
    store = Quick()
    worker = await opened(StoreWorker(lambda: store))
    assert isinstance(await worker.reserve(held("a")), Granted)
    assert (store.at_once, store.by_thread) == ([1], [])
    await asyncio.to_thread(worker.close)


async def test_what_was_posted_before_is_done_before() -> None:
    store = Quick()
    worker = await opened(StoreWorker(lambda: store))
    for turn in range(50):
        reply = await worker.reserve(held(f"{turn}", 10))
        assert isinstance(reply, Granted), turn
        worker.post(Settle(f"{turn}"))
    await asyncio.to_thread(worker.close)
    assert store.balances(["x"]) == [Balance()]


async def test_a_settlement_nobody_waits_for_is_done_soon() -> None:
    store = Quick()
    worker = await opened(StoreWorker(lambda: store))
    await worker.reserve(held("a"))
    worker.post(Settle("a", (Share("x", 1),)))
    await until(lambda: store.balances(["x"]) == [Balance(1, 0)], store.balances(["x"]))
    await asyncio.to_thread(worker.close)


async def test_a_busy_store_is_left_to_the_thread() -> None:
    store = Quick()
    worker = await opened(StoreWorker(lambda: store))
    worker.post(Settle("before", (Share("x", 7),)))
    store.is_busy = True
    assert isinstance(await worker.reserve(held("a", 4)), Refused)  # in order: 7 are spent
    assert isinstance(await worker.reserve(held("b", 3)), Granted)
    assert store.at_once == []
    await asyncio.to_thread(worker.close)


async def test_a_slow_store_is_left_to_the_thread() -> None:
    store = Quick()
    worker = await opened(StoreWorker(lambda: store))
    store.takes_s = 0.02
    for turn in range(12):
        await worker.reserve(held(f"{turn}", cap=100))
    assert 0 < len(store.at_once) < 6
    assert store.by_thread
    await asyncio.to_thread(worker.close)


async def test_a_slow_moment_changes_nothing() -> None:
    store = Quick()
    worker = await opened(StoreWorker(lambda: store))
    for turn in range(40):
        store.takes_s = 0.05 if turn == 5 else 0.0
        await worker.reserve(held(f"{turn}", cap=100))
    # A thread may stand still for a moment on a busy machine; a store that is shunned is not asked for seconds.
    assert len(store.at_once) > len(store.by_thread)
    await asyncio.to_thread(worker.close)


async def test_a_quick_store_that_goes_away_loses_nothing() -> None:
    store = Quick()
    worker = await opened(StoreWorker(lambda: store))
    await worker.reserve(held("a", 5))
    store.is_down = True
    worker.post(Settle("a", (Share("x", 2),)))
    with pytest.raises(StateUnavailable):
        await worker.reserve(held("b"))
    store.is_down = False
    # Sent again without that anybody asks for anything.
    await until(lambda: store.balances(["x"]) == [Balance(2, 0)], store.balances(["x"]))
    assert isinstance(await worker.reserve(held("c")), Granted)
    await asyncio.to_thread(worker.close)


async def test_the_loop_runs_while_another_process_writes(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    worker = await opened(StoreWorker(lambda: SqliteStore(path)))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = asyncio.ensure_future(worker.reserve(held("a")))
    longest = 0.0
    for _ in range(20):
        before = time.monotonic()
        await asyncio.sleep(0.01)
        longest = max(longest, time.monotonic() - before)
    assert not waiting.done()
    assert longest < 2.0  # SQLite would have waited for five seconds
    other.execute("COMMIT")
    other.close()
    assert isinstance(await waiting, Granted)
    await asyncio.to_thread(worker.close)


async def test_many_threads_share_one_worker(tmp_path: Path) -> None:
    worker = await opened(StoreWorker(lambda: SqliteStore(tmp_path / "state.db"), timeout_s=20.0))

    async def spend(name: str) -> int:
        granted = 0
        for turn in range(60):
            reply = await worker.reserve(Reserve(f"{name}-{turn}", (Claim("x", 1, 100),)))
            granted += isinstance(reply, Granted)
            if isinstance(reply, Granted):
                worker.post(Settle(f"{name}-{turn}", (Share("x", 1),)))
        return granted

    def run(name: str) -> int:
        return asyncio.run(spend(name))

    assert sum(await asyncio.gather(*(asyncio.to_thread(run, f"{each}") for each in range(4)))) == 100
    await asyncio.to_thread(worker.close)
    store = SqliteStore(tmp_path / "state.db")
    assert store.balances(["x"]) == [Balance(100, 0)]
    store.close()
