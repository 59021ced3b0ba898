"""Runs a blocking store in one thread, so that no event loop waits for a disk or a server.

Operations that come while the store works are done as one batch. A settlement is only posted, never awaited: it cannot
be lost to a cancelled request, and while the store is away it is kept and sent again when the store is back.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import msgspec

from ..errors import RouterError, StateUnavailable
from ..telemetry import STATE_BACK, STATE_DOWN, log
from .store import Balance, Op, Reply, Reserve, Settle, Store

__all__ = ["Direct", "Runner", "StoreWorker"]

_MOST_PENDING = 100_000
_BATCH = 64


class Runner:
    """How operations reach a store: at once in this thread (:class:`Direct`), or by a thread of its own."""

    is_exact = False

    async def reserve(self, op: Reserve) -> Reply:
        """Do it; whoever is cancelled while waiting holds nothing.

        Raises:
            StateUnavailable: the store is away, or did not answer in time. Nothing is held then.
        """
        raise NotImplementedError

    def post(self, op: Settle) -> None:
        """Do it soon, and surely. Never blocks."""
        raise NotImplementedError

    async def read(self, accounts: Sequence[str]) -> list[Balance]:
        """Sums of ``accounts``. Raises as :meth:`reserve`."""
        raise NotImplementedError

    def read_now(self, accounts: Sequence[str]) -> list[Balance]:
        """As :meth:`read`, blocking."""
        raise NotImplementedError

    def close(self) -> None:
        """Do what was posted, then close the store."""
        raise NotImplementedError


class Direct(Runner):
    """For a store that is only arithmetic."""

    is_exact = True

    def __init__(self, store: Store) -> None:
        self._store = store
        self._count = 0

    async def reserve(self, op: Reserve) -> Reply:
        """See :class:`Runner`."""
        return self._store.apply((op,))[0]

    def post(self, op: Settle) -> None:
        """See :class:`Runner`."""
        self._store.apply((op,))
        self._count += 1
        if self._count % 10_000 == 0:
            self._store.beat()

    async def read(self, accounts: Sequence[str]) -> list[Balance]:
        """See :class:`Runner`."""
        return self._store.balances(accounts)

    def read_now(self, accounts: Sequence[str]) -> list[Balance]:
        """See :class:`Runner`."""
        return self._store.balances(accounts)

    def close(self) -> None:
        """See :class:`Runner`."""
        self._store.close()


class _Asked(msgspec.Struct):
    """One thing to do, and who waits for it (nobody for a posted one)."""

    op: Op | tuple[str, ...]
    future: Any = None
    loop: asyncio.AbstractEventLoop | None = None


class StoreWorker(Runner):
    """See :class:`Runner`. ``open_store`` is called in the thread; ``timeout_s`` is how long a reservation may wait;
    ``beat_s`` how often the lease is renewed."""

    def __init__(self, open_store: Callable[[], Store], *, timeout_s: float = 2.0, beat_s: float = 15.0) -> None:
        self._open, self._timeout_s, self._beat_s = open_store, timeout_s, beat_s
        self._asked: deque[_Asked] = deque()
        self._owed: deque[Settle] = deque()
        self._wake = threading.Condition(threading.Lock())
        self._store: Store | None = None
        self._is_idle = self._is_closing = False
        self._down_until_s = self._pause_s = 0.0
        self._beaten_s = float("-inf")
        self._thread = threading.Thread(target=self._work, name="router-state", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    async def reserve(self, op: Reserve) -> Reply:
        """See :class:`Runner`."""
        return await self._ask(op, Settle(op.id))  # type: ignore[no-any-return]

    def post(self, op: Settle) -> None:
        """See :class:`Runner`."""
        self._put(_Asked(op))

    async def read(self, accounts: Sequence[str]) -> list[Balance]:
        """See :class:`Runner`."""
        return await self._ask(tuple(accounts), None)  # type: ignore[no-any-return]

    def read_now(self, accounts: Sequence[str]) -> list[Balance]:
        """See :class:`Runner`."""
        future: Future[list[Balance]] = Future()
        self._put(_Asked(tuple(accounts), future))
        try:
            return future.result(self._timeout_s)
        except TimeoutError:
            raise self._late() from None

    def close(self) -> None:
        """See :class:`Runner`."""
        atexit.unregister(self.close)
        with self._wake:
            self._is_closing = True
            self._wake.notify()
        self._thread.join(timeout=10)

    async def _ask(self, op: Op | tuple[str, ...], undo: Settle | None) -> Any:
        if len(self._asked) >= _MOST_PENDING or self._is_closing:
            raise self._late()
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._put(_Asked(op, future, loop))
        # A timer of its own costs less than asyncio.timeout, which is felt at this rate.
        timer = loop.call_later(self._timeout_s, _fail, future, self._late)
        try:
            return await future
        except (asyncio.CancelledError, _Late):
            if undo is not None:
                self.post(undo)
            raise
        finally:
            timer.cancel()

    def _put(self, asked: _Asked) -> None:
        self._asked.append(asked)
        if self._is_idle:
            with self._wake:
                self._wake.notify()

    def _late(self) -> StateUnavailable:
        return _Late(
            f"the state did not answer within {self._timeout_s:g} s.",
            retry_after_s=max(1.0, self._pause_s),
            hint="Check the store that `state.url` names.",
        )

    def _work(self) -> None:
        while True:
            with self._wake:
                self._is_idle = True
                if not self._asked and not self._is_closing:
                    self._wake.wait(min(self._beat_s, self._pause_s or self._beat_s))
                self._is_idle = False
            batch: list[_Asked] = []
            while self._asked and len(batch) < _BATCH:
                batch.append(self._asked.popleft())
            self._do(batch)
            if self._is_closing and not self._asked:
                if self._owed:
                    log.error("%s: %d settlements were not written", STATE_DOWN, len(self._owed))
                if self._store is not None:
                    self._store.close()
                return

    def _do(self, batch: list[_Asked]) -> None:
        """One batch: what is owed first, so that settlements stay in order."""
        if time.monotonic() < self._down_until_s and not self._is_closing:
            self._fail_all(batch, None)
            return
        try:
            store = self._store = self._store or self._open()
            if time.monotonic() - self._beaten_s > self._beat_s:
                store.beat()
                self._beaten_s = time.monotonic()
            while self._owed:
                store.apply(list(self._owed)[:_BATCH])
                for _ in range(min(_BATCH, len(self._owed))):
                    self._owed.popleft()
            ops = [asked.op for asked in batch if not isinstance(asked.op, tuple)]
            replies = iter(store.apply(ops) if ops else ())
            found = [store.balances(a.op) if isinstance(a.op, tuple) else next(replies) for a in batch]
        except RouterError as error:
            self._fail_all(batch, error)
            return
        except Exception as error:  # noqa: BLE001 whatever a client library raises, this thread must live
            log.exception("the state failed unexpectedly")
            self._fail_all(batch, StateUnavailable(f"the state failed ({type(error).__name__})."))
            return
        if self._pause_s:
            log.warning(STATE_BACK)
            self._pause_s = 0.0
        _deliver([(asked, reply) for asked, reply in zip(batch, found, strict=True) if asked.future is not None])

    def _fail_all(self, batch: Sequence[_Asked], error: RouterError | None) -> None:
        if error is not None:
            if not self._pause_s:
                log.error("%s: %s", STATE_DOWN, error)
            self._pause_s = min(5.0, max(0.1, self._pause_s * 2))
            self._down_until_s = time.monotonic() + self._pause_s
        told = error or StateUnavailable("the state cannot be reached.", retry_after_s=max(1.0, self._pause_s))
        for asked in batch:
            op = asked.op
            if isinstance(op, Settle):
                self._owe(op)
            elif isinstance(op, Reserve) and error is not None:
                # It may have been done before the connection broke; whoever asked is told that it was not.
                self._owe(Settle(op.id))
        _deliver([(asked, told) for asked in batch if asked.future is not None])

    def _owe(self, op: Settle) -> None:
        if len(self._owed) >= _MOST_PENDING:
            lost = self._owed.popleft()
            log.error("%s: the settlement of %s was given up; the ledger has it", STATE_DOWN, lost.id)
        self._owed.append(op)


class _Late(StateUnavailable):
    """No answer in time; the operation may still be done, so it must be undone."""


def _fail(future: asyncio.Future[Any], make: Callable[[], Exception]) -> None:
    if not future.done():
        future.set_exception(make())


def _deliver(found: Sequence[tuple[_Asked, Any]]) -> None:
    """Hand replies over, one wake-up for each event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Any, Any]]] = {}
    for asked, reply in found:
        if asked.loop is None:
            _set([(asked.future, reply)])
        else:
            by_loop.setdefault(asked.loop, []).append((asked.future, reply))
    for loop, replies in by_loop.items():
        with suppress(RuntimeError):  # the loop was closed, and nobody waits any more
            loop.call_soon_threadsafe(_set, replies)


def _set(replies: Sequence[tuple[Any, Any]]) -> None:
    for future, reply in replies:
        if future.done():
            continue
        if isinstance(reply, Exception):
            future.set_exception(reply)
        else:
            future.set_result(reply)
