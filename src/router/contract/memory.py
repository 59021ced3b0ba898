"""What was read of instructions before: applications send the same ones again and again, with other texts in them.

Every entry is a pure function of its key, so that forgetting one changes nothing but time. Keys are instructions with
the text to judge cut out; they stay in this process and are never written anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

__all__ = ["Memory"]

T = TypeVar("T")
_MISSING: Any = object()
_CAPACITY = 512
_MAX_CHARS = 8192


class Memory:
    """At most 512 readings, of instructions of at most 8,192 characters; when full, the older half is forgotten."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[Hashable, Any] = {}

    def recall(self, what: str, text: str, more: Hashable, make: Callable[[], T]) -> T:
        """``make()``, or what it gave before for the same reading ``what`` of ``text`` and ``more``."""
        if len(text) > _MAX_CHARS:
            return make()
        key = (what, text, more)
        found: T = self._known.get(key, _MISSING)
        if found is _MISSING:
            found = make()
            known = self._known
            if len(known) >= _CAPACITY:
                # Replaced, never emptied in place: another thread may be reading.
                self._known = known = dict(list(known.items())[_CAPACITY // 2 :])
            known[key] = found
        return found
