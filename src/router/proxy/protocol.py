"""HTTP/1.1 as a server speaks it, with limits: how long a request may take to arrive, how large its head may be, how
many connections there may be, and how long a client may leave what was sent to it unread. Source: RFC 9112.

llhttp, below it, refuses what request smuggling needs (both lengths, two lengths, folded or malformed headers).
Refusals have OpenAI's error shape and close the connection.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import unquote

import httptools
import msgspec

from .cycle import Cycle, Header, status_line
from .heads import KnownHead, known_head

if TYPE_CHECKING:
    from .listener import Listener

__all__ = ["HttpConnection"]

MAX_HEADERS = 100
# So many heads in a row that did not come again: the client's are not alike.
_MOST_UNLIKE = 8
_MOST_KNOWN_BYTES = 4096
_LARGE = "the headers are larger than allowed."
_PLAIN = re.compile(rb"/[^?#%]*")
_OFFERS = frozenset({b"upgrade", b"http2-settings"})
_CLOSE = b"content-type: application/json\r\ncontent-length: %d\r\nx-should-retry: %b\r\nconnection: close\r\n\r\n%b"


class _Refused(Exception):
    """The head is larger than allowed, or no good HTTP; raised through the parser, which wraps it."""


class HttpConnection(asyncio.Protocol):
    """One connection of ``listener``. ``on_lost`` is told once when it is lost."""

    __slots__ = (
        "__weakref__",
        "_arriving",
        "_cycle",
        "_fed",
        "_headers",
        "_idle",
        "_idle_since_s",
        "_in_head",
        "_in_message",
        "_is_offer",
        "_is_read_paused",
        "_known",
        "_limits",
        "_parser",
        "_pipeline",
        "_refusal",
        "_transport",
        "_unlike",
        "_unread",
        "_url",
        "_writable",
        "is_lost",
        "is_write_paused",
        "listener",
        "loop",
        "on_lost",
    )
    _parser: httptools.HttpRequestParser
    _transport: asyncio.Transport

    def __init__(self, listener: Listener, loop: asyncio.AbstractEventLoop) -> None:
        self.listener, self.loop, self._limits = listener, loop, listener.limits
        self._parser = self._new_parser()
        self.on_lost: Callable[[], None] | None = None
        self.is_lost = self.is_write_paused = self._is_read_paused = False
        self._cycle: Cycle | None = None
        self._pipeline: deque[Cycle] = deque()
        self._url, self._headers = b"", list[Header]()
        self._refusal: tuple[int, str] | None = None
        self._arriving: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._writable: asyncio.Future[None] | None = None
        self._known: KnownHead | None = None
        self._fed = self._unlike = 0
        self._in_head = True
        self._in_message = self._is_offer = False
        self._idle_since_s = 0.0

    # ----- the connection -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See :class:`asyncio.Protocol`, as all of these."""
        self._transport = transport
        connections = self.listener.connections
        connections.add(self)
        if len(connections) > self._limits.max_connections:
            self._end(503, "there are too many connections.", is_worth_retrying=True)
            return
        self._arriving = self.loop.call_later(self._limits.header_timeout_s, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        self.listener.connections.discard(self)
        self._disarm()
        for timer in (self._idle, self._unread):
            if timer is not None:
                timer.cancel()
        self._wake_writer()
        cycle, self._cycle = self._cycle, None
        if cycle is not None:
            cycle.wake()
        self._pipeline.clear()
        # Else the two hold each other until the collector of garbage comes by, which is rarely.
        del self._parser
        lost, self.on_lost = self.on_lost, None
        if lost is not None:
            lost()

    def data_received(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        cycle = self._cycle
        is_fresh = not (self._fed or self._in_message) and (cycle is None or cycle.is_complete)
        if is_fresh and self._known is not None and self._arriving is None and self._is_again(self._known, data):
            return
        if self._in_head:
            self._fed += len(data)
        left = data
        try:
            while left:
                left = self._read(left)
        except httptools.HttpParserError:
            # Whatever the parser does not take.
            self._end(*(self._refusal or (400, "the request is no valid HTTP.")))
        if self._transport.is_closing():
            return
        if is_fresh and not self._in_message and self._unlike < _MOST_UNLIKE:
            self._remember(data)
        if self._in_head and self._fed > self._limits.max_header_bytes:
            # What the parser still holds back is one header without an end.
            self._end(431, _LARGE)
        elif self._arriving is None and (self._in_message or self._cycle is None or self._cycle.is_complete):
            limit = self._limits.header_timeout_s if self._in_head else self._limits.body_timeout_s
            self._arriving = self.loop.call_later(limit, self._too_slow)

    def pause_writing(self) -> None:
        self.is_write_paused = True
        if self._unread is None:
            self._unread = self.loop.call_later(self._limits.send_timeout_s, self._transport.abort)

    def resume_writing(self) -> None:
        self.is_write_paused = False
        self._wake_writer()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def finish(self) -> None:
        """No more requests: what is being answered is the last."""
        if self._cycle is None or self._cycle.is_complete:
            self._transport.close()
        else:
            self._cycle.keep_alive = False

    def _is_again(self, known: KnownHead, data: bytes) -> bool:
        """Whether ``data`` is one request under a head that came before; it is answered then, without the parser."""
        found = known.read(data)
        if found is None:
            return False
        self._unlike = 0
        headers, body = found
        cycle = self._cycle = Cycle(
            self, known.method, known.path, headers, "1.1", keep_alive=True, expects_continue=False, body=body
        )
        self.listener.start(cycle)
        return True

    def _remember(self, data: bytes) -> None:
        """``data`` was a request from its first byte to its last, or several: the next may have the same head."""
        cycle = self._cycle
        if cycle is not None and cycle.is_plain and not self._pipeline:
            self._unlike += 1
            most = min(_MOST_KNOWN_BYTES, self._limits.max_header_bytes)
            self._known = known_head(data, cycle.method, cycle.path, cycle.headers, most=most)

    def _read(self, data: bytes) -> bytes:
        """Let the parser read; what is to be read after that."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            # Another protocol is offered (HTTP/2 by Java's client) and not taken: the request is read as if it were not
            # (RFC 9110, 7.8). llhttp has read no body for it.
            kept = b"".join([b"%b: %b\r\n" % header for header in self._headers if header[0] not in _OFFERS])
            version = self._parser.get_http_version().encode()
            head = b"%b %b HTTP/%b\r\n%b\r\n" % (self._parser.get_method(), self._url, version, kept)
            self._parser, self._is_offer = self._new_parser(), False
            return head + data[offer.args[0] :]
        return b""

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        with suppress(AttributeError):  # httptools < 0.6.3
            # What follows a last request is not read; the request itself is still answered.
            parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return parser

    # ----- the parser ---------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """See https://github.com/MagicStack/httptools, as all of these."""
        self._url, self._headers = b"", []
        self._in_head = self._in_message = True

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        # What comes behind the body is no header (RFC 9110, 6.5.1): nobody here asks for trailers.
        if self._in_head:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        parser = self._parser
        method, version = parser.get_method(), parser.get_http_version()
        if parser.should_upgrade() and method != b"CONNECT":
            self._is_offer = True
            return
        names = self._checked_names(version)
        self._in_head = False
        self._fed = 0
        self._disarm()
        url = self._url
        path = (url if _PLAIN.fullmatch(url) else httptools.parse_url(url).path).decode("ascii")
        before = self._cycle
        cycle = self._cycle = Cycle(
            self,
            method.decode("ascii"),
            unquote(path) if "%" in path else path,
            self._headers,
            version,
            keep_alive=version == "1.1" and parser.should_keep_alive(),
            expects_continue=b"expect" in names and self._expects_continue(),
        )
        if before is None or before.is_complete:
            self.listener.start(cycle)
        else:
            # Answered in order (RFC 9112, 9.3.2).
            self.pause_reading()
            self._pipeline.append(cycle)

    def on_body(self, body: bytes) -> None:
        cycle = self._cycle
        if cycle is not None and not cycle.is_complete:
            cycle.feed(body)

    def on_message_complete(self) -> None:
        if self._is_offer:
            return
        self._in_head, self._in_message = True, False
        self._disarm()
        if self._cycle is not None:
            self._cycle.feed_end()

    def _checked_names(self, version: str) -> tuple[bytes, ...]:
        """The headers' names, in lower case, once the head is found to be as it must."""
        headers = self._headers
        if len(headers) > MAX_HEADERS:
            raise self._refused(431, f"there are more than {MAX_HEADERS} headers.")
        names, values = zip(*headers, strict=True) if headers else ((), ())
        if len(self._url) + sum(map(len, names + values)) + 4 * len(headers) > self._limits.max_header_bytes:
            raise self._refused(431, _LARGE)
        if version == "1.1" and names.count(b"host") != 1:
            raise self._refused(400, "a request must name one host.")
        return names

    def _expects_continue(self) -> bool:
        return (b"expect", b"100-continue") in [(name, value.lower()) for name, value in self._headers]

    # ----- what a cycle does ------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send."""
        self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the client has read of what was sent."""
        while self.is_write_paused and not self.is_lost:
            self._writable = self.loop.create_future()
            await self._writable

    def pause_reading(self) -> None:
        """Leave what comes to the system."""
        if not self._is_read_paused:
            self._is_read_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if self._is_read_paused:
            self._is_read_paused = False
            self._transport.resume_reading()

    def answered(self, cycle: Cycle) -> None:
        """``cycle`` is over: go on with the next one."""
        if not cycle.keep_alive:
            self._transport.close()
        if self._transport.is_closing():
            return
        self.resume_reading()
        if self._pipeline:
            self.listener.start(self._pipeline.popleft())
            return
        self._idle_since_s = self.loop.time()
        # One timer goes on over many requests: to make and cancel one for each is felt at their rate.
        if self._idle is None:
            self._keep_for(self.listener.keep_alive_s)

    def fail(self, cycle: Cycle) -> None:
        """``cycle`` cannot be answered to its end."""
        if self.is_lost:
            return
        if cycle.is_started:
            self._transport.close()
        else:
            self._end(500, "the router failed unexpectedly.")

    def _wake_writer(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    # ----- between two requests ---------------------------------------------------------------------------------------

    def _idle_too_long(self) -> None:
        self._idle = None
        if self._in_message or self._cycle is None or not self._cycle.is_complete:
            return
        left_s = self._idle_since_s + self.listener.keep_alive_s - self.loop.time()
        if left_s > 0.0:
            self._keep_for(left_s)
        elif not self._transport.is_closing():
            self._transport.close()

    def _keep_for(self, seconds: float) -> None:
        self._idle = self.loop.call_later(seconds, self._idle_too_long)

    # ----- refusals -----------------------------------------------------------------------------------------------

    def _refused(self, status: int, message: str) -> _Refused:
        self._refusal = (status, message)
        return _Refused()

    def _too_slow(self) -> None:
        self._arriving = None
        if not self._in_message:
            self._transport.close()
            return
        self._end(408, "the request took too long to arrive.", is_worth_retrying=True)

    def _end(self, status: int, message: str, *, is_worth_retrying: bool = False) -> None:
        self._disarm()
        if self._transport.is_closing():
            return
        if self._cycle is None or self._cycle.is_complete or not self._cycle.is_started:
            kind = "api_error" if status == 500 else "invalid_request_error"
            error = {"message": message, "type": kind, "param": None, "code": _CODES[status]}
            body = msgspec.json.encode({"error": error})
            retry = b"true" if is_worth_retrying else b"false"
            self._transport.write(status_line(status) + _CLOSE % (len(body), retry, body))
        self._transport.close()

    def _disarm(self) -> None:
        if self._arriving is not None:
            self._arriving.cancel()
            self._arriving = None


_CODES = {
    400: "invalid_http",
    408: "request_timeout",
    431: "headers_too_large",
    500: "internal_error",
    503: "too_many_connections",
}
