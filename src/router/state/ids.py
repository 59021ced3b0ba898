"""Fresh ids: 128 bits of the system's randomness, drawn in blocks, since each draw is a system call."""

from __future__ import annotations

import os

__all__ = ["Ids"]

_BYTES = 16
_BLOCK = 256


class Ids:
    """``ids()`` gives 32 hexadecimal digits that nobody can guess. Not for processes that fork after the first."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left: list[str] = []

    def __call__(self) -> str:
        left = self._left
        while True:
            try:
                # A list's pop is atomic: two threads never get the same id.
                return left.pop()
            except IndexError:
                drawn = os.urandom(_BYTES * _BLOCK).hex()
                left.extend(drawn[at : at + 2 * _BYTES] for at in range(0, len(drawn), 2 * _BYTES))
