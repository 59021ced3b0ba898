"""One request and its answer as they are on the wire.

An answer of known length leaves in one piece. To a client of HTTP/1.0 nothing is sent in chunks, which it cannot read:
the end of the connection is the end of its stream (RFC 9112, 6.1 and 9.3).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from http import HTTPStatus
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .protocol import HttpConnection

__all__ = ["Application", "Cycle", "Header", "status_line"]

Header = tuple[bytes, bytes]
Application = Callable[["Cycle"], Awaitable[None]]

_CONTROL = bytes({*range(32), 127} - {9})
_PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}
_HIGH_WATER = 65536


@lru_cache(maxsize=128)
def status_line(status: int) -> bytes:
    """The first line of an answer (RFC 9112, 4)."""
    return b"HTTP/1.1 %d %b\r\n" % (status, _PHRASES.get(status, b""))


class Cycle:
    """One request: its ``method``, ``path`` and ``headers`` (names in lower case, in the order in which they came), and
    whether its answer was begun and is complete. ``body``: all of it, where it has come with the head. ``task`` is what
    answers it."""

    __slots__ = (
        "_body",
        "_invitation",
        "_is_chunked",
        "_is_whole",
        "_opening",
        "_waiting",
        "connection",
        "headers",
        "is_complete",
        "is_started",
        "keep_alive",
        "method",
        "path",
        "task",
        "version",
    )
    task: asyncio.Task[None]

    def __init__(
        self,
        connection: HttpConnection,
        method: str,
        path: str,
        headers: list[Header],
        version: str,
        *,
        keep_alive: bool,
        expects_continue: bool,
        body: bytes | None = None,
    ) -> None:
        self.connection, self.method, self.path, self.headers = connection, method, path, headers
        self.version, self.keep_alive = version, keep_alive
        self.is_started = self.is_complete = self._is_chunked = False
        self._body, self._is_whole = body or b"", body is not None
        self._opening = b""
        self._waiting: asyncio.Future[None] | None = None
        self._invitation = b"HTTP/1.1 100 Continue\r\n\r\n" if expects_continue else b""

    # ----- the request ------------------------------------------------------------------------------------------------

    @property
    def is_plain(self) -> bool:
        """Whether nothing but its body is asked for after its head, and others may follow."""
        return self.keep_alive and self.version == "1.1" and not self._invitation

    def whole_body(self) -> bytes | None:
        """The body, if all of it is here and none was received yet; then there is nothing more to receive."""
        if not self._is_whole or self._invitation or self.connection.is_lost:
            return None
        data, self._body = self._body, b""
        return data

    def feed(self, data: bytes) -> None:
        """More of the body has come."""
        self._body = self._body + data if self._body else data
        if len(self._body) > _HIGH_WATER:
            self.connection.pause_reading()
        self.wake()

    def feed_end(self) -> None:
        """All of the body has come."""
        self._is_whole = True
        self.wake()

    def wake(self) -> None:
        """Whoever waits for the body looks again."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def receive(self) -> tuple[bytes, bool] | None:
        """What has come of the body since, and whether there may be more; None when the client is gone."""
        connection = self.connection
        if self._invitation and not self._is_whole:
            connection.write(self._invitation)
        self._invitation = b""
        if not self._body and not self._is_whole and not connection.is_lost:
            connection.resume_reading()
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        if connection.is_lost:
            return None
        data, self._body = self._body, b""
        return data, not self._is_whole

    # ----- the answer -------------------------------------------------------------------------------------------------

    async def answer(self, status: int, headers: Sequence[Header], data: bytes, *, closes: bool = False) -> None:
        """The whole answer. ``closes``: it is the last one on this connection."""
        connection = self.connection
        if connection.is_write_paused:
            await connection.drain()
        if connection.is_lost:
            return
        if closes:
            self.keep_alive = False
        head = self._head(status, headers, b"content-length: %d\r\n" % len(data))
        connection.write(head if self.method == "HEAD" else head + data)
        self.is_complete = True
        connection.answered(self)

    def open(self, status: int, headers: Sequence[Header]) -> None:
        """Begin an answer of a length that nobody knows yet; its head leaves with the first piece."""
        self._is_chunked = self.version == "1.1" and self.method != "HEAD"
        self.keep_alive = self.keep_alive and (self._is_chunked or self.method == "HEAD")
        self._opening = self._head(status, headers, b"transfer-encoding: chunked\r\n" if self._is_chunked else b"")

    async def send(self, data: bytes, *, more: bool) -> None:
        """A piece of the answer that was begun, maybe an empty one; ``more=False`` ends it."""
        connection = self.connection
        if connection.is_write_paused:
            await connection.drain()
        if connection.is_lost:
            return
        if self._is_chunked:
            end = b"" if more else b"0\r\n\r\n"
            data = b"%x\r\n%b\r\n%b" % (len(data), data, end) if data else end
        if self.method == "HEAD":
            data = b""
        if self._opening:
            data, self._opening = self._opening + data, b""
        if data:
            connection.write(data)
        if not more:
            self.is_complete = True
            connection.answered(self)

    def _head(self, status: int, headers: Sequence[Header], more: bytes) -> bytes:
        fields = tuple(chain.from_iterable(headers))
        told = b"".join(fields)
        if len(told.translate(None, _CONTROL)) != len(told):
            raise RuntimeError("a header has a control character")
        self.is_started = True
        if not self.keep_alive:
            more += b"connection: close\r\n"
        date = self.connection.listener.date
        return b"".join((status_line(status), date, b"%b: %b\r\n" * len(headers) % fields, more, b"\r\n"))
