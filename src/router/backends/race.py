"""Calls that run beside one another until one answers: the others are stopped, and what they used is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..selection.steps import Call, Running
from .books import Books, typed_error
from .course import Course

__all__ = ["race"]

T = TypeVar("T")
# A stopped call that does not end is left behind: its books are closed all the same.
_STOP_S = 1.0


async def race(
    course: Course,
    step: Call,
    fetch: Callable[[Call, Books], Awaitable[T]],
    discard: Callable[[T], Awaitable[None]],
) -> tuple[Call, Books, T] | None:
    """Make the call, and a hedge beside it when ``course.beside`` says so; the first that answers, or None.

    The books of a call that failed, lost or was cancelled are closed here, those of the winner are still open.
    ``discard`` gets the answer of one that lost at the very end.
    """
    out: dict[asyncio.Future[T], tuple[Call, Books, Running]] = {}

    def start(call: Call) -> None:
        books = course.begin(call)
        running = Running(model=call.model, started_ms=course.elapsed_ms)
        out[asyncio.ensure_future(fetch(call, books))] = (call, books, running)

    start(step)
    try:
        while out:
            step_beside = course.beside([running for _, _, running in out.values()])
            if isinstance(step_beside, Call):
                start(step_beside)
                continue
            wait_s = None if step_beside == float("inf") else max(0.0, step_beside - course.elapsed_ms) / 1000.0
            done, _ = await asyncio.wait(out, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                call, books, _ = out.pop(task)
                try:
                    found = task.result()
                except Exception as error:  # noqa: BLE001 whatever a backend raises, the books are kept
                    books.failed(typed_error(error, call.model))
                    continue
                await _stop(out, discard, is_lost=True)
                return call, books, found
        return None
    finally:
        # Only a caller who left finds any here.
        await _stop(out, discard, is_lost=False)


async def _stop(
    out: dict[asyncio.Future[T], tuple[Call, Books, Running]], discard: Callable[[T], Awaitable[None]], *, is_lost: bool
) -> None:
    for task, (_, books, _) in out.items():
        task.cancel()
        # The books first: whatever the stopping takes, what was used is counted once and as what it is.
        if is_lost:
            books.superseded()
        else:
            books.cancelled()
    if out:
        await asyncio.wait(out, timeout=_STOP_S)
    for task in out:
        if task.done() and not task.cancelled() and task.exception() is None:
            await discard(task.result())
    out.clear()
