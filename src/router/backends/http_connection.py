"""One connection of HTTP/1.1, and the exchange that is on it: bytes out, and what llhttp reads of the answer.

It knows no other connections: whether one is kept or opened, and a request sent again, its pool decides.
"""

from __future__ import annotations

import asyncio
import select

import httptools

__all__ = ["Connection", "HttpError", "HttpTooLarge"]

_MAX_HEAD_BYTES = 64 * 1024
_MOST_UNREAD = 256 * 1024
# A server that closes a kept connection later than this after a request went out has read the request.
_STALE_S = 1.0
_BOUNDED = frozenset({b"content-length", b"transfer-encoding"})


class HttpError(OSError):
    """An exchange failed. ``is_sent``: the server may have got the request. ``is_stale``: it went out on a connection
    that had been closed; a new one may do."""

    def __init__(self, message: str, *, is_sent: bool, is_stale: bool = False) -> None:
        super().__init__(message)
        self.is_sent, self.is_stale = is_sent, is_stale


class HttpTooLarge(HttpError):
    """The answer has more bytes than allowed."""


class Connection(asyncio.Protocol):
    """One connection, and the exchange that is on it."""

    __slots__ = (
        "_error",
        "_fed",
        "_is_paused",
        "_is_stream",
        "_keeps_alive",
        "_loop",
        "_most",
        "_parser",
        "_reads_head",
        "_sent_s",
        "_size",
        "_waiter",
        "_watch",
        "has_bytes",
        "has_head",
        "headers",
        "idle_since_s",
        "is_active",
        "is_complete",
        "is_excessive",
        "is_lost",
        "is_reused",
        "pieces",
        "status",
        "transport",
    )
    transport: asyncio.Transport

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._watch: select.poll | None = None
        self._is_paused = self.is_active = self.is_lost = self.is_reused = self._keeps_alive = False
        self.idle_since_s = 0.0

    def begin(self, data: bytes, *, most: int, is_stream: bool) -> None:
        """Send a request. ``most`` bytes may come as the answer's body; of a stream, any number."""
        self._most, self._is_stream = most, is_stream
        self._size = self._fed = self.status = 0
        self._error: HttpError | None = None
        self.pieces: list[bytes] = []
        self.headers: dict[bytes, bytes] = {}
        self.has_bytes = self.has_head = self.is_complete = self.is_excessive = self._keeps_alive = False
        self.is_active = self._reads_head = True
        self._sent_s = self._loop.time()
        if self.is_lost or self.transport.is_closing():
            self._error = HttpError("the connection was closed", is_sent=False, is_stale=self.is_reused)
            return
        self.transport.write(data)

    def news(self) -> asyncio.Future[None]:
        """Done once something has happened; what that was, the next call tells where it is bad.

        Raises:
            HttpError: the exchange failed.
        """
        if self._error is not None:
            raise self._error
        self._waiter = waiter = self._loop.create_future()
        return waiter

    def taken(self) -> bytes:
        """The pieces of a stream that came since; reading goes on."""
        found = self.pieces[0] if len(self.pieces) == 1 else b"".join(self.pieces)
        self.pieces.clear()
        self._size = 0
        if self._is_paused:
            self._is_paused = False
            self.transport.resume_reading()
        return found

    @property
    def is_reusable(self) -> bool:
        """Whether another exchange may follow on it."""
        transport = self.transport
        return (
            self.is_complete
            and self._keeps_alive
            and not (self.is_excessive or self.is_lost or transport.is_closing() or transport.get_write_buffer_size())
        )

    def is_quiet(self) -> bool:
        """Whether nothing has come, bytes or an end, that the event loop has not seen yet."""
        if self.is_lost or self.transport.is_closing():
            return False
        if self._watch is None:
            if not hasattr(select, "poll"):  # Windows
                return True
            self._watch = select.poll()
            self._watch.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not self._watch.poll(0)

    # ----- asyncio ----------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if not self.is_active:
            # Nobody asked: whatever it is, it must not be taken for the next answer.
            self.transport.abort()
            return
        self.has_bytes = True
        try:
            if not self.has_head:
                self._fed += len(data)
                if self._fed > _MAX_HEAD_BYTES:
                    # The head must end before the limit; what follows it may be its body.
                    within = len(data) + _MAX_HEAD_BYTES - self._fed
                    self._parser.feed_data(data[:within])
                    if not self.has_head:
                        self._fail("the answer's head is too large")
                        return
                    data = data[within:]
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self.is_complete:
                self._fail(f"the answer is no HTTP ({error})" if self._error is None else "")
            self.is_excessive = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        if not self.is_active or self.is_complete:
            return
        ends_with_it = self.has_head and exc is None and not self.headers.keys() & _BOUNDED
        if ends_with_it:
            self.is_complete = True
            self._wake()
            return
        is_closed = exc is None or isinstance(exc, ConnectionError)
        is_early = not self.has_bytes and self._loop.time() - self._sent_s < _STALE_S
        said = str(exc) if exc is not None else "the server closed the connection before its answer was whole"
        self._fail(said, is_stale=self.is_reused and is_closed and is_early)

    # ----- llhttp -----------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.is_complete:
            self.is_excessive, self._reads_head = True, False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._reads_head:
            self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        if self.is_excessive:
            return
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            self.headers.clear()
            return
        self.status, self.has_head, self._reads_head = status, True, False
        if self._is_stream:
            self._wake()

    def on_body(self, body: bytes) -> None:
        if self.is_excessive:
            return
        self.pieces.append(body)
        self._size += len(body)
        if self._is_stream:
            self._wake()
            if self._size > _MOST_UNREAD and not self._is_paused:
                self._is_paused = True
                self.transport.pause_reading()
        elif self._size > self._most:
            self._error = HttpTooLarge(f"the answer has more than the {self._most:,} bytes allowed", is_sent=True)
            self._fail("")
            raise httptools.HttpParserError("too large")

    def on_message_complete(self) -> None:
        if self.has_head and not self.is_excessive:
            self.is_complete = True
            # llhttp forgets it when the message is over.
            self._keeps_alive = self._parser.should_keep_alive()
            self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _fail(self, message: str, *, is_stale: bool = False) -> None:
        if self._error is None:
            self._error = HttpError(message, is_sent=not is_stale, is_stale=is_stale)
        self._wake()
        self.transport.abort()
