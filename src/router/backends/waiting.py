"""Where runs wait that can call nobody: for a deployment's cooldown to end, or for news of it.

There is room for so many. Whoever comes later is told at once: a provider that is away must not fill this process with
requests that could be answered elsewhere (the bulkhead of Nygard, *Release It!*, 2007).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

from ..state.store import Health

__all__ = ["WaitingRoom"]


class WaitingRoom:
    """At most ``size`` runs, of whatever event loops. ``sleep`` takes seconds."""

    def __init__(self, health: Health, *, size: int, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._size, self._sleep = size, sleep
        self._waiting: dict[asyncio.Future[None], asyncio.AbstractEventLoop] = {}
        self._lock = threading.Lock()
        health.watch(self._news)

    @property
    def is_full(self) -> bool:
        """Whether nobody else may wait."""
        return len(self._waiting) >= self._size

    async def wait(self, seconds: float) -> None:
        """Wait so long, or until there is news of a deployment's health."""
        loop = asyncio.get_running_loop()
        news: asyncio.Future[None] = loop.create_future()
        timer = asyncio.ensure_future(self._sleep(seconds))
        with self._lock:
            self._waiting[news] = loop
        try:
            await asyncio.wait((news, timer), return_when=asyncio.FIRST_COMPLETED)
        finally:
            with self._lock:
                self._waiting.pop(news, None)
            timer.cancel()

    def _news(self) -> None:
        if not self._waiting:
            return
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        for news, loop in waiting.items():
            if not loop.is_closed():
                loop.call_soon_threadsafe(_wake, news)


def _wake(news: asyncio.Future[None]) -> None:
    if not news.done():
        news.set_result(None)
