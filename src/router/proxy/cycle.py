"""One request and its answer as they are on the wire: uvicorn's cycle, with the answer's head written at one go.

An answer of known length leaves in one piece. To a client of HTTP/1.0 nothing is sent in chunks, which it cannot read:
the end of the connection is the end of its stream (RFC 9112, 6.1 and 9.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import chain
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

__all__ = ["Cycle"]

_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_BODILESS = frozenset({204, 304})


class Cycle(RequestResponseCycle):
    """See :class:`uvicorn.protocols.http.httptools_impl.RequestResponseCycle`."""

    _head = b""

    async def send(self, message: Any) -> None:
        """ASGI's ``send``."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if not self.response_started:
            self.response_started = True
            self.waiting_for_100_continue = False
            self._begin(message["status"], message["headers"])
            return
        data, is_last = message.get("body", b""), not message.get("more_body", False)
        if self.scope["method"] == "HEAD":
            data = b""
        if self.chunked_encoding:
            end = b"0\r\n\r\n" if is_last else b""
            data = b"%x\r\n%b\r\n%b" % (len(data), data, end) if data else end
        if self._head or data:
            self.transport.write(self._head + data)
            self._head = b""
        if is_last:
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive:
                self.transport.close()
            self.on_response()

    def _begin(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        headers = [*self.default_headers, *headers]
        fields = tuple(chain.from_iterable(headers))
        if _CONTROL.search(b"\t".join(fields)):
            raise RuntimeError("a header has a control character")
        is_bounded = self.scope["method"] == "HEAD" or status in _BODILESS
        is_known = b"content-length" in fields[::2]
        is_closing = (b"connection", b"close") in headers
        if is_closing:
            self.keep_alive = False
        more = b""
        self.chunked_encoding = False
        if not is_known and not is_bounded:
            if self.scope["http_version"] == "1.1":
                self.chunked_encoding = True
                more = b"transfer-encoding: chunked\r\n"
            else:
                self.keep_alive = False
        if not self.keep_alive and not is_closing:
            more += b"connection: close\r\n"
        head = b"".join((STATUS_LINE[status], b"%b: %b\r\n" * len(headers) % fields, more, b"\r\n"))
        if is_known:
            # Its body follows at once.
            self._head = head
        else:
            self.transport.write(head)
