"""uvicorn's HTTP/1.1 protocol with limits: how long a request may take to arrive, how large its head may be, how many
connections there may be, and how long a client may leave what was sent to it unread.

llhttp, below it, refuses what request smuggling needs (both lengths, two lengths, folded or malformed headers).
Refusals have OpenAI's error shape and close the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from ..config import ServerSettings
from .cycle import Cycle

__all__ = ["CONNECTION", "guarded"]

CONNECTION = "router.connection"
MAX_HEADERS = 100
_LARGE = "the headers are larger than allowed."
_OFFERS = frozenset({b"upgrade", b"http2-settings"})
_CLOSE = b"content-type: application/json\r\ncontent-length: %d\r\nx-should-retry: %b\r\nconnection: close\r\n\r\n%b"


def guarded(limits: ServerSettings) -> type[asyncio.Protocol]:
    """The protocol class with ``limits`` bound into it, as uvicorn's ``http`` setting takes it."""
    return type("Guarded", (_Guarded,), {"limits": limits})


class _Refused(Exception):
    """The head is larger than allowed, or no good HTTP; raised through the parser, which wraps it."""


class _Guarded(HttpToolsProtocol):
    limits: ServerSettings

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.on_lost: Callable[[], None] | None = None
        self._refusal: tuple[int, str] | None = None
        self._arriving: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._fed = 0
        self._in_head = True
        self._in_message = self._is_offer = False
        self._idle_since_s = 0.0

    # ----- the connection -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.limits.max_connections:
            self._end(503, "there are too many connections.", is_worth_retrying=True)
            return
        self._arriving = self.loop.call_later(self.limits.header_timeout_s, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self._unset_keepalive_if_required()
        if self._unread is not None:
            self._unread.cancel()
        super().connection_lost(exc)
        scope: Any = self.scope
        if scope is not None:
            # Else the two hold each other until the collector of garbage comes by, which is rarely.
            scope.pop(CONNECTION, None)
        lost, self.on_lost = self.on_lost, None
        if lost is not None:
            lost()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._in_head:
            self._fed += len(data)
        try:
            while data:
                data = self._read(data)
        except httptools.HttpParserError:
            self.send_400_response("")
        if self.transport.is_closing():
            return
        if self._in_head and self._fed > self.limits.max_header_bytes:
            # What the parser still holds back is one header without an end.
            self._end(431, _LARGE)
        elif self._arriving is None and (self._in_message or self.cycle is None or self.cycle.response_complete):
            limit = self.limits.header_timeout_s if self._in_head else self.limits.body_timeout_s
            self._arriving = self.loop.call_later(limit, self._too_slow)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(self.limits.send_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _read(self, data: bytes) -> bytes:
        """Let the parser read; what is to be read after that."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            # Another protocol is offered (HTTP/2 by Java's client) and not taken: the request is read as if it were not
            # (RFC 9110, 7.8). llhttp has read no body for it.
            kept = b"".join([b"%b: %b\r\n" % header for header in self.headers if header[0] not in _OFFERS])
            version = self.parser.get_http_version().encode()
            head = b"%b %b HTTP/%b\r\n%b\r\n" % (self.parser.get_method(), self.url, version, kept)
            self.parser, self._is_offer = httptools.HttpRequestParser(self), False
            with suppress(AttributeError):  # httptools < 0.6.3; as uvicorn sets up its own
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            return head + data[offer.args[0] :]
        return b""

    # ----- the parser ---------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = self._in_message = True
        self.scope[CONNECTION] = self  # type: ignore[literal-required]

    def on_header(self, name: bytes, value: bytes) -> None:
        # What comes behind the body is no header (RFC 9110, 6.5.1): nobody here asks for trailers.
        if self._in_head:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        method, version = self.parser.get_method(), self.parser.get_http_version()
        if self.parser.should_upgrade() and method != b"CONNECT":
            self._is_offer = True
            return
        names = self._checked_names(version)
        if b"expect" in names:
            self.expect_100_continue = (b"expect", b"100-continue") in [(name, v.lower()) for name, v in self.headers]
        self._in_head = False
        self._fed = 0
        self._disarm()
        scope = self.scope
        scope["method"], scope["http_version"] = method.decode("ascii"), version
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"], scope["query_string"] = url.path, url.query or b""
        before, self.cycle = (
            self.cycle,
            Cycle(
                scope=scope,
                transport=self.transport,
                flow=self.flow,
                logger=self.logger,
                access_logger=self.access_logger,
                access_log=False,
                default_headers=self.server_state.default_headers,
                message_event=asyncio.Event(),
                expect_100_continue=self.expect_100_continue,
                keep_alive=version == "1.1" and self.parser.should_keep_alive(),
                on_response=self.on_response_complete,
            ),
        )
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            # Answered in order (RFC 9112, 9.3.2).
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def _checked_names(self, version: str) -> tuple[bytes, ...]:
        """The headers' names, in lower case, once the head is found to be as it must."""
        headers = self.headers
        if len(headers) > MAX_HEADERS:
            raise self._refused(431, f"there are more than {MAX_HEADERS} headers.")
        names, values = zip(*headers, strict=True) if headers else ((), ())
        if len(self.url) + sum(map(len, names + values)) + 4 * len(headers) > self.limits.max_header_bytes:
            raise self._refused(431, _LARGE)
        if version == "1.1" and names.count(b"host") != 1:
            raise self._refused(400, "a request must name one host.")
        return names

    def on_message_complete(self) -> None:
        if self._is_offer:
            return
        self._in_head, self._in_message = True, False
        self._disarm()
        super().on_message_complete()

    # ----- between two requests ---------------------------------------------------------------------------------------

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since_s = self.loop.time()
        # One timer goes on over many requests: to make and cancel one for each is felt at their rate.
        if self.timeout_keep_alive_task is None:
            self._keep_alive_for(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        self.timeout_keep_alive_task = None
        if self._in_message or self.cycle is None or not self.cycle.response_complete:
            return
        left_s = self._idle_since_s + self.timeout_keep_alive - self.loop.time()
        if left_s > 0.0:
            self._keep_alive_for(left_s)
        elif not self.transport.is_closing():
            self.transport.close()

    def _keep_alive_for(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    # ----- refusals -----------------------------------------------------------------------------------------------

    def _refused(self, status: int, message: str) -> _Refused:
        self._refusal = (status, message)
        return _Refused()

    def send_400_response(self, msg: str) -> None:
        """Whatever the parser does not take."""
        status, message = self._refusal or (400, "the request is no valid HTTP.")
        self._end(status, message)

    def _too_slow(self) -> None:
        self._arriving = None
        if not self._in_message:
            self.transport.close()
            return
        self._end(408, "the request took too long to arrive.", is_worth_retrying=True)

    def _end(self, status: int, message: str, *, is_worth_retrying: bool = False) -> None:
        self._disarm()
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            error = {"message": message, "type": "invalid_request_error", "param": None, "code": _CODES[status]}
            body = msgspec.json.encode({"error": error})
            retry = b"true" if is_worth_retrying else b"false"
            self.transport.write(STATUS_LINE[status] + _CLOSE % (len(body), retry, body))
        self.transport.close()

    def _disarm(self) -> None:
        if self._arriving is not None:
            self._arriving.cancel()
            self._arriving = None


_CODES = {
    400: "invalid_http",
    408: "request_timeout",
    431: "headers_too_large",
    503: "too_many_connections",
}
