"""A queue that knows how many bytes it holds: a count alone bounds nothing where one item may be a thousand times as
large as another."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

__all__ = ["SizedQueue"]

T = TypeVar("T")


class SizedQueue(Generic[T]):
    """Items with their sizes, oldest first. Safe for threads."""

    __slots__ = ("_items", "_lock", "n_bytes")

    def __init__(self) -> None:
        self._items: deque[tuple[T, int]] = deque()
        self._lock = threading.Lock()
        self.n_bytes = 0

    def __len__(self) -> int:
        return len(self._items)

    def put(self, items: Sequence[tuple[T, int]]) -> None:
        """Add the newest, each with its size."""
        size = sum([size for _, size in items])
        with self._lock:
            self._items.extend(items)
            self.n_bytes += size

    def take(self, count: int) -> list[T]:
        """Remove the oldest, ``count`` at most."""
        with self._lock:
            found = [self._items.popleft() for _ in range(min(count, len(self._items)))]
            self.n_bytes -= sum([size for _, size in found])
        return [item for item, _ in found]

    def trim(self, count: int, n_bytes: int) -> None:
        """Drop the oldest until there are at most so many, of at most so many bytes; a lone one may be larger."""
        items = self._items
        with self._lock:
            while len(items) > count or (self.n_bytes > n_bytes and len(items) > 1):
                self.n_bytes -= items.popleft()[1]

    def items(self) -> list[T]:
        """What it holds now."""
        with self._lock:
            return [item for item, _ in self._items]
