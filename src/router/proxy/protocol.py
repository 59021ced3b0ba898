"""uvicorn's HTTP/1.1 protocol with limits: how long a request may take to arrive, how large its head may be, how many
connections there may be, and how long a client may leave what was sent to it unread.

llhttp, below it, refuses what request smuggling needs (both lengths, two lengths, folded or malformed headers).
Refusals have OpenAI's error shape and close the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from ..config import ServerSettings

__all__ = ["CONNECTION", "guarded"]

CONNECTION = "router.connection"
MAX_HEADERS = 100
_CLOSE = b"content-type: application/json\r\ncontent-length: %d\r\nx-should-retry: %b\r\nconnection: close\r\n\r\n%b"


def guarded(limits: ServerSettings) -> type[asyncio.Protocol]:
    """The protocol class with ``limits`` bound into it, as uvicorn's ``http`` setting takes it."""
    return type("Guarded", (_Guarded,), {"limits": limits})


class _TooMuch(Exception):
    """The head is larger than allowed; raised through the parser, which wraps it."""


class _Guarded(HttpToolsProtocol):
    limits: ServerSettings

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.on_lost: Callable[[], None] | None = None
        self._refusal: tuple[int, str] | None = None
        self._arriving: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._head_bytes = self._fed = 0
        self._in_head = True
        self._in_message = False

    # ----- the connection -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.limits.max_connections:
            self._end(503, "there are too many connections.", is_worth_retrying=True)
            return
        self._arriving = self.loop.call_later(self.limits.header_timeout_s, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        if self._unread is not None:
            self._unread.cancel()
        super().connection_lost(exc)
        lost, self.on_lost = self.on_lost, None
        if lost is not None:
            lost()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._in_head:
            self._fed += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head and self._fed > self.limits.max_header_bytes:
            # What the parser still holds back is one header without an end.
            self._end(431, "the headers are larger than allowed.")
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

    # ----- the parser ---------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = self._in_message = True
        self._head_bytes = 0
        self.scope[CONNECTION] = self  # type: ignore[literal-required]

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        if len(self.headers) > MAX_HEADERS:
            self._refusal = (431, f"there are more than {MAX_HEADERS} headers.")
            raise _TooMuch
        self._count(len(name) + len(value) + 4)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._fed = 0
        self._disarm()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head, self._in_message = True, False
        self._disarm()
        super().on_message_complete()

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self.limits.max_header_bytes:
            self._refusal = (431, "the headers are larger than allowed.")
            raise _TooMuch

    # ----- refusals -----------------------------------------------------------------------------------------------

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
