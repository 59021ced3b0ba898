"""Runs a blocking store in one thread, so that no event loop waits for a disk or a server.

Operations that come while the store works are done as one batch. A settlement is only posted, never awaited: it cannot
be lost to a cancelled request, and while the store is away it is kept and sent again when the store is back. Since
nobody waits for it, it is left for a moment, to be done in one transaction with a reservation that comes meanwhile.

A store in which a reservation takes less time than waking a thread (:class:`~.store.QuickStore`) is asked at once,
while nobody else is at work on it; and not for a while after it took longer.
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
from typing import Any, Literal

import msgspec

from ..errors import RouterError, StateUnavailable
from ..telemetry import STATE_BACK, STATE_DOWN, log
from .store import Balance, Granted, Op, QuickStore, Refused, Reply, Reserve, Settle, Store

__all__ = ["Direct", "Runner", "StoreWorker"]

_MOST_PENDING = 100_000
_BATCH = 64
_LINGER_S = 0.001  # how long what nobody waits for is left
# An event loop that has to wait so long, so many times of about the last sixteen, tries no more for a hundred times as
# long. Once is nothing: on a busy machine any thread stands still now and then.
_SLOW_S, _SLOW_TIMES, _FORGOTTEN, _SHUN_FACTOR = 0.002, 4.0, 1 / 16, 100.0


class Runner:
    """How operations reach a store: at once in this thread (:class:`Direct`), or by a thread of its own."""

    is_exact = False

    async def reserve(self, op: Reserve) -> Granted | Refused:
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

    async def reserve(self, op: Reserve) -> Granted | Refused:
        """See :class:`Runner`."""
        return self._store.apply((op,))[0]  # type: ignore[return-value]

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
        # Released to wake the thread; a condition does the same and takes three times as long.
        self._bell = threading.Lock()
        self._bell.acquire()
        self._waits: Literal["for anything", "for somebody", "not"] = "not"
        self._at_work = threading.Lock()
        self._store: Store | None = None
        self._quick: QuickStore | None = None
        self._is_closing = False
        self._down_until_s = self._pause_s = self._slow_times = self._shunned_until_s = 0.0
        self._beaten_s = float("-inf")
        self._thread = threading.Thread(target=self._work, name="router-state", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    async def reserve(self, op: Reserve) -> Granted | Refused:
        """See :class:`Runner`."""
        reply = self._at_once(op) if self._quick is not None else None
        return reply if reply is not None else await self._ask(op, Settle(op.id))

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
        self._is_closing = True
        self._ring()
        self._thread.join(timeout=10)

    def _at_once(self, op: Reserve) -> Granted | Refused | None:
        """Do it here, and what was posted before; None where that must be left to the thread.

        Raises:
            StateUnavailable: as :meth:`reserve`.
        """
        began_s = time.monotonic()
        if self._pause_s or self._owed or self._is_closing or began_s < self._shunned_until_s:
            return None
        if len(self._asked) >= _BATCH or not self._at_work.acquire(blocking=False):
            return None
        posted = self._taken(_BATCH)
        try:
            replies: list[Reply] | None = None
            if self._quick is not None and all(asked.future is None for asked in posted):
                replies = self._quick.attempt([*(asked.op for asked in posted), op])  # type: ignore[list-item]
            if replies is None:
                self._asked.extendleft(reversed(posted))
        except Exception as error:
            told = _told(error)
            self._fail_all([*posted, _Asked(op)], told)
            self._ring()
            raise told from error
        finally:
            self._at_work.release()
        took_s = time.monotonic() - began_s
        self._slow_times += (took_s > _SLOW_S) - self._slow_times * _FORGOTTEN
        if self._slow_times > _SLOW_TIMES - 1:
            self._slow_times, self._shunned_until_s = 0.0, began_s + _SHUN_FACTOR * took_s
        return replies[-1] if replies is not None else None  # type: ignore[return-value]

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
        waits = self._waits
        if waits == "for anything" or (waits == "for somebody" and asked.future is not None):
            self._ring()

    def _ring(self) -> None:
        with suppress(RuntimeError):  # it was rung already
            self._bell.release()

    def _late(self) -> StateUnavailable:
        return _Late(
            f"the state did not answer within {self._timeout_s:g} s.",
            retry_after_s=max(1.0, self._pause_s),
            hint="Check the store that `state.url` names.",
        )

    def _work(self) -> None:
        while True:
            # In this order: whoever adds to the queue after a look at it sees that he must ring.
            self._waits = "for anything"
            if not self._asked and not self._is_closing:
                self._bell.acquire(timeout=min(self._beat_s, self._pause_s or self._beat_s))
            self._waits = "for somebody"
            if 0 < len(self._asked) < _BATCH and not self._is_closing and not self._is_awaited():
                self._bell.acquire(timeout=_LINGER_S)
            self._waits = "not"
            with self._at_work:
                told = self._do(self._taken(_BATCH))
            # Only now: whoever is answered may ask for more at once.
            _deliver(told)
            if self._is_closing and not self._asked:
                if self._owed:
                    log.error("%s: %d settlements were not written", STATE_DOWN, len(self._owed))
                if self._store is not None:
                    self._store.close()
                return

    def _is_awaited(self) -> bool:
        return any(asked.future is not None for asked in self._asked.copy())

    def _taken(self, most: int) -> list[_Asked]:
        asked, found = self._asked, list[_Asked]()
        with suppress(IndexError):
            while len(found) < most:
                found.append(asked.popleft())
        return found

    def _do(self, batch: list[_Asked]) -> list[tuple[_Asked, Any]]:
        """One batch: what is owed first, so that settlements stay in order. Returns who is to be told what."""
        if time.monotonic() < self._down_until_s and not self._is_closing:
            return self._fail_all(batch, None)
        try:
            if self._store is None:
                self._store = self._open()
                self._quick = self._store if isinstance(self._store, QuickStore) else None
            store = self._store
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
        except Exception as error:  # noqa: BLE001 whatever a client library raises, this thread must live
            return self._fail_all(batch, _told(error))
        if self._pause_s:
            log.warning(STATE_BACK)
            self._pause_s = 0.0
        return [(asked, reply) for asked, reply in zip(batch, found, strict=True) if asked.future is not None]

    def _fail_all(self, batch: Sequence[_Asked], error: RouterError | None) -> list[tuple[_Asked, Any]]:
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
        return [(asked, told) for asked in batch if asked.future is not None]

    def _owe(self, op: Settle) -> None:
        if len(self._owed) >= _MOST_PENDING:
            lost = self._owed.popleft()
            log.error("%s: the settlement of %s was given up; the ledger has it", STATE_DOWN, lost.id)
        self._owed.append(op)


class _Late(StateUnavailable):
    """No answer in time; the operation may still be done, so it must be undone."""


def _told(error: Exception) -> RouterError:
    if isinstance(error, RouterError):
        return error
    log.exception("the state failed unexpectedly")
    return StateUnavailable(f"the state failed ({type(error).__name__}).")


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
