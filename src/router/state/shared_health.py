"""What replicas tell each other of their deployments: who is out, who is back.

A thread of its own does it, beside the requests: none waits for it, and while the board that they share is away each
replica goes on by what it finds out itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

import msgspec

from ..errors import RouterError
from ..telemetry import HEALTH_ALONE, HEALTH_SHARED, log
from .breaker import Opened
from .health import MemoryHealth

__all__ = ["Board", "Posted", "SharedHealth"]

_MOST_PAUSE_S = 10.0
_LEAST_S = 0.02
_SAME_S = 0.05


class Posted(msgspec.Struct, frozen=True, kw_only=True):
    """Another replica found a deployment out ``age_s`` ago."""

    model: str
    opened: Opened
    age_s: float


class Board(Protocol):
    """Where the replicas of one fleet post what they found. Blocking, but never for long.

    Raises:
        StateUnavailable: it cannot be reached.
    """

    def exchange(self, opened: Mapping[str, Opened], closed: Collection[str]) -> list[Posted]:
        """Post what was found out and what is back; what the others have posted."""

    def close(self) -> None:
        """Close connections."""


class SharedHealth:
    """Keeps ``health`` and the board in step: at once when something changes here, each ``every_s`` for what changes
    elsewhere. ``clock`` is the one that ``health`` is told the time by."""

    def __init__(
        self,
        health: MemoryHealth,
        board: Board,
        *,
        every_s: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._health, self._board, self._every_s, self._clock = health, board, every_s, clock
        self._posted: dict[str, float] = {}
        self._taken: set[str] = set()
        self._pause_s = self._away_until_s = 0.0
        self._news, self._is_closing = threading.Event(), False
        health.watch(self._news.set)
        self._thread = threading.Thread(target=self._work, name="router-health", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; what was posted ends by itself."""
        self._is_closing = True
        self._news.set()
        self._thread.join(timeout=5)

    def _work(self) -> None:
        while not self._is_closing:
            try:
                self._step()
            except Exception as error:  # noqa: BLE001 whatever a client library raises, this thread must live
                self._alone(error)
            self._news.wait(self._pause_s or self._every_s)
            self._news.clear()
            # Many failures at once are one piece of news.
            time.sleep(_LEAST_S)
        self._board.close()

    def _step(self) -> None:
        if self._clock() < self._away_until_s:
            return
        now_s, health = self._clock(), self._health
        own = health.own(now_s)
        until = {name: now_s + max(opened.open_s, opened.told_s) for name, opened in own.items()}
        opened = {name: own[name] for name in own if abs(until[name] - self._posted.get(name, 0.0)) > _SAME_S}
        closed = [name for name in {*self._posted, *self._taken} if name not in own and health.is_closed(name)]
        posted = self._board.exchange(opened, closed)
        if self._pause_s:
            log.warning(HEALTH_SHARED)
        self._pause_s = 0.0
        for name in closed:
            self._posted.pop(name, None)
            self._taken.discard(name)
        self._posted |= until
        now_s, grace_s = self._clock(), 2.0 * self._every_s
        for each in posted:
            if health.hear(each.model, each.opened, now_s, age_s=each.age_s, grace_s=grace_s):
                self._taken.add(each.model)
        for name in self._taken - {each.model for each in posted}:
            self._taken.discard(name)
            health.unhear(name)

    def _alone(self, error: Exception) -> None:
        if not self._pause_s:
            log.warning("%s: %s", HEALTH_ALONE, error if isinstance(error, RouterError) else type(error).__name__)
        self._pause_s = min(_MOST_PAUSE_S, max(self._every_s, 2.0 * self._pause_s))
        self._away_until_s = self._clock() + self._pause_s
        # Whatever is posted there may be gone when it is back.
        self._posted = {}
