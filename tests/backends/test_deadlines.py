"""One timer for many deadlines must end each call as a timer of its own would."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from router.backends.deadlines import Deadlines


async def ended(deadlines: Deadlines, seconds: float, needs_s: float) -> str:
    try:
        with deadlines.within(seconds):
            await asyncio.sleep(needs_s)
    except TimeoutError:
        return "late"
    return "in time"


async def test_each_call_ends_by_its_own_deadline() -> None:
    deadlines = Deadlines()
    found = await asyncio.gather(
        ended(deadlines, 30.0, 0.01),
        ended(deadlines, 0.02, 30.0),
        ended(deadlines, 0.2, 0.01),
        ended(deadlines, 0.06, 30.0),
        ended(deadlines, 0.0, 30.0),
    )
    assert found == ["in time", "late", "in time", "late", "late"]


async def test_a_deadline_is_kept_after_earlier_ones_that_were_not_needed() -> None:
    deadlines = Deadlines()
    assert await ended(deadlines, 0.05, 0.0) == "in time"
    began_s = time.monotonic()
    assert await ended(deadlines, 0.15, 30.0) == "late"
    assert 0.14 <= time.monotonic() - began_s < 5.0


async def test_who_is_cancelled_is_not_told_of_a_deadline() -> None:
    deadlines = Deadlines()
    task = asyncio.ensure_future(ended(deadlines, 30.0, 30.0))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_who_is_cancelled_at_the_deadline_stays_cancelled() -> None:
    deadlines = Deadlines()

    async def call() -> None:
        try:
            with deadlines.within(0.01):
                await asyncio.sleep(30.0)
        except TimeoutError:
            pytest.fail("the caller's wish was lost")

    task = asyncio.ensure_future(call())
    await asyncio.sleep(0)
    time.sleep(0.05)  # so that the deadline and the caller come in one turn of the loop
    asyncio.get_running_loop().call_later(0.0, task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_inner_deadline_leaves_the_outer_one() -> None:
    deadlines = Deadlines()

    async def call() -> None:
        with deadlines.within(0.1):
            assert await ended(deadlines, 0.02, 30.0) == "late"
            await asyncio.sleep(30.0)

    with pytest.raises(TimeoutError):
        await call()


async def test_an_error_of_the_call_goes_through() -> None:
    with pytest.raises(ValueError, match="odd"), Deadlines().within(30.0):
        raise ValueError("odd")


def test_several_loops_may_share_them() -> None:
    deadlines, found = Deadlines(), list[str]()

    async def calls() -> None:
        for _ in range(20):
            found.append(await ended(deadlines, 0.01, 30.0))
            found.append(await ended(deadlines, 30.0, 0.001))

    threads = [threading.Thread(target=lambda: asyncio.run(calls())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(found) == ["in time"] * 60 + ["late"] * 60
