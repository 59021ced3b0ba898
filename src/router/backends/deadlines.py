"""How long calls may take: one timer for all that are out, where ``asyncio.timeout`` makes and cancels one for each.

The timer is set for the earliest deadline and left alone when that call ends in time, as nearly all do.
"""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Any

__all__ = ["Deadlines"]

_CLOCK_S = 0.001


class Deadlines:
    """The deadlines of calls on any event loop; one that has its own loop, as nearly always, keeps one timer."""

    __slots__ = ("_here",)

    def __init__(self) -> None:
        self._here: _Timer | None = None

    def within(self, seconds: float) -> Deadline:
        """A context for code of the running task, which raises TimeoutError there once ``seconds`` are over; see
        ``asyncio.timeout``."""
        loop, here = asyncio.get_running_loop(), self._here
        if here is None or here.loop is not loop:
            here = self._here = _Timer(loop)
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("a deadline needs a task")
        return Deadline(here, task, seconds)


class Deadline:
    """One call's deadline. A task that is cancelled by somebody else as well stays cancelled."""

    __slots__ = ("_cancelling", "_task", "_timer", "at_s", "is_over")

    def __init__(self, timer: _Timer, task: asyncio.Task[Any], seconds: float) -> None:
        self._timer, self._task = timer, task
        self.at_s = time.monotonic() + seconds
        self.is_over = False

    def __enter__(self) -> None:
        self._cancelling = self._task.cancelling()
        self._timer.add(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.out.discard(self)
        if self.is_over and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def end(self) -> None:
        """The time is over."""
        self.is_over = True
        self._task.cancel()


class _Timer:
    """The deadlines of one event loop, ``out`` those that are running."""

    __slots__ = ("_at_s", "_handle", "loop", "out")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.out: set[Deadline] = set()
        self._handle: asyncio.TimerHandle | None = None
        self._at_s = float("inf")

    def add(self, deadline: Deadline) -> None:
        self.out.add(deadline)
        if deadline.at_s < self._at_s:
            self._set(deadline.at_s)

    def _set(self, at_s: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._at_s = at_s
        self._handle = self.loop.call_later(max(0.0, at_s - time.monotonic()), self._ring)

    def _ring(self) -> None:
        self._handle, self._at_s = None, float("inf")
        # Timers may be early by as much as they can tell apart.
        now_s = time.monotonic() + _CLOCK_S
        over = [deadline for deadline in self.out if deadline.at_s <= now_s]
        self.out.difference_update(over)
        for deadline in over:
            deadline.end()
        if self.out:
            self._set(min([deadline.at_s for deadline in self.out]))
