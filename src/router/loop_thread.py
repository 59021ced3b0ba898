"""An event loop in a thread of its own, for callers that have none: they wait for what runs on it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import Any, TypeVar

from .backends.stream import SettledStream
from .errors import RouterError

__all__ = ["LoopThread"]

T = TypeVar("T")
_STOP_S = 2.0


class LoopThread:
    """One event loop in a thread of its own, started on first use: connections outlive a single call."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._left: set[asyncio.Task[None]] = set()
        self.is_closed = False

    def check(self) -> None:
        """Whether there may be more work.

        Raises:
            RouterError: the router was closed.
        """
        if self.is_closed:
            raise RouterError("the router is closed.", hint="Make another one.")

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for the work. Raises as :meth:`check`, also where the router is closed meanwhile."""
        with self._lock:
            if self.is_closed:
                work.close()
                self.check()
            future = self._begin(work)
        try:
            return future.result()
        except CancelledError:
            self.check()
            raise
        except BaseException:
            future.cancel()
            raise

    def leave(self, stream: SettledStream) -> None:
        """Close a stream that nobody reads any more, without waiting and from any thread."""
        loop = self._loop  # no lock: this may be called while this very thread holds it
        if stream.outcome is None and loop is not None and not self.is_closed:
            with suppress(RuntimeError):  # it was closed meanwhile, and what ran on it with it
                loop.call_soon_threadsafe(self._close, stream)

    def _close(self, stream: SettledStream) -> None:
        task = asyncio.get_running_loop().create_task(stream.aclose())
        self._left.add(task)
        task.add_done_callback(self._left.discard)

    def refuse(self) -> bool:
        """No more work from now on; what runs is cancelled. False where that was so already."""
        with self._lock:
            if self.is_closed:
                return False
            self.is_closed = True
            future = None if self._loop is None else self._begin(_cancel_others())
        if future is not None:
            future.result()
        return True

    def stop(self, last: Coroutine[Any, Any, None] | None = None) -> None:
        """Do the ``last`` work, and end the thread."""
        with self._lock:
            if last is not None:
                self._begin(last).result()
            if self._loop is not None and self._thread is not None:
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._thread.join(timeout=5)
                self._loop = self._thread = None

    def _begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=_run_and_close, args=(self._loop,), name="router-loop", daemon=True)
            self._thread.start()
        return asyncio.run_coroutine_threadsafe(work, self._loop)


async def _cancel_others() -> None:
    """Stop what runs on this loop, and let it keep its books."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=_STOP_S)


def _run_and_close(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
