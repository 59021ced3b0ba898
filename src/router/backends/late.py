"""Backends that are imported and built when something first needs them, off the event loop, once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from .base import Backend, ChunkStream, Reply, UpstreamCall

__all__ = ["LateBackend", "Once"]

T = TypeVar("T")


class Once(Generic[T]):
    """Slow blocking work that is done once, in a thread of its own, however many wait for it on whichever loops.

    Who stops waiting does not stop the work. After a failure the next one who asks has it tried again.
    """

    def __init__(self, work: Callable[[], T], *, name: str) -> None:
        self._work, self._name = work, name
        self._lock = threading.Lock()
        self._future: Future[T] | None = None
        self._result: T | None = None

    @property
    def is_done(self) -> bool:
        """Whether the result is there."""
        return self._result is not None

    def peek(self) -> T | None:
        """The result, None while it is not there."""
        return self._result

    async def get(self) -> T:
        """The result, once it is there.

        Raises:
            Exception: whatever the work raised.
        """
        future = self._begun()
        return future.result() if future.done() else await asyncio.wrap_future(future)

    def _begun(self) -> Future[T]:
        with self._lock:
            future = self._future
            if future is None or (future.done() and future.exception() is not None):
                future = self._future = Future()
                # From here on it cannot be cancelled by one of those who wait.
                future.set_running_or_notify_cancel()
                threading.Thread(target=self._run, args=(future,), name=self._name).start()
            return future

    def _run(self, future: Future[T]) -> None:
        try:
            result = self._work()
        except BaseException as error:  # noqa: BLE001 it belongs to those who wait
            future.set_exception(error)
        else:
            self._result = result
            future.set_result(result)


class LateBackend:
    """A backend that ``make`` imports and builds when it is first needed: a router that answers locally never pays.

    ``is_warm`` says whether a call would go out at once; :meth:`warm` makes it so.
    """

    def __init__(self, make: Callable[[], Backend], *, name: str) -> None:
        self._made = Once(make, name=f"router-load-{name}")

    @property
    def is_warm(self) -> bool:
        """Whether nothing is left to be loaded."""
        backend = self._made.peek()
        return backend is not None and bool(getattr(backend, "is_warm", True))

    async def warm(self) -> None:
        """Load what the first call would have to load."""
        backend = await self._made.get()
        warm = getattr(backend, "warm", None)
        if warm is not None:
            await warm()

    def send(self, call: UpstreamCall) -> Coroutine[Any, Any, Reply]:
        """See :class:`router.backends.base.Backend`."""
        backend = self._made.peek()
        return backend.send(call) if backend is not None else self._send(call)

    def open_stream(self, call: UpstreamCall) -> Coroutine[Any, Any, ChunkStream]:
        """See :class:`router.backends.base.Backend`."""
        backend = self._made.peek()
        return backend.open_stream(call) if backend is not None else self._open_stream(call)

    async def _send(self, call: UpstreamCall) -> Reply:
        return await (await self._made.get()).send(call)

    async def _open_stream(self, call: UpstreamCall) -> ChunkStream:
        return await (await self._made.get()).open_stream(call)

    async def aclose(self) -> None:
        """See :class:`router.backends.base.Backend`."""
        backend = self._made.peek()
        if backend is not None:
            await backend.aclose()
