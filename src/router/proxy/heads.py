"""Heads that come again. A client sends the same one with each request, but for the length of the body: what llhttp
made of the first holds for the next, byte for byte, and need not be worked out anew.
"""

from __future__ import annotations

import re

from .cycle import Header

__all__ = ["KnownHead", "known_head"]

_LENGTH = b"content-length"
_MOST_DIGITS = 9
_LENGTH_LINE = re.compile(rb"\r\ncontent-length: ?([0-9]{1,%d})\r\n" % _MOST_DIGITS, re.IGNORECASE)


class KnownHead:
    """One head that was read: what stands ``before`` and ``after`` the length in its bytes, and what it says."""

    __slots__ = ("_after", "_before", "_headers", "_place", "_start", "method", "path")

    def __init__(self, before: bytes, after: bytes, method: str, path: str, headers: list[Header]) -> None:
        self._before, self._after, self._start = before, after, len(before)
        self.method, self.path, self._headers = method, path, headers
        self._place = [name for name, _ in headers].index(_LENGTH)

    def read(self, data: bytes) -> tuple[list[Header], bytes] | None:
        """The headers and the body of a request, if ``data`` is one under this head, from first byte to last."""
        if not data.startswith(self._before):
            return None
        start, after = self._start, self._after
        end = data.find(after, start, start + _MOST_DIGITS + len(after))
        if end < 0:
            return None
        length = data[start:end]
        if not length.isdigit():
            return None
        body = data[end + len(after) :]
        if len(body) != int(length):
            return None
        headers = self._headers.copy()
        headers[self._place] = (_LENGTH, length)
        return headers, body


def known_head(data: bytes, method: str, path: str, headers: list[Header], *, most: int) -> KnownHead | None:
    """The head of ``data``, which llhttp read as a whole request; None where its length does not stand plainly in it,
    or where another length could make it larger than ``most`` bytes."""
    end = data.find(b"\r\n\r\n") + 4
    if end > most - _MOST_DIGITS:
        return None
    found = _LENGTH_LINE.search(data, 0, end)
    if found is None or len(data) - end != int(found[1]):
        return None
    return KnownHead(data[: found.start(1)], data[found.end(1) : end], method, path, headers)
