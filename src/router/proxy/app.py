"""The sidecar as a raw ASGI application: paths, bodies within bounds, request ids, and every error in OpenAI's shape.

It knows HTTP and nothing of routing: what a path does stands in ``endpoints.py``.
Source: https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec

from ..errors import DeadlineExceeded, NotConfigured, RequestError, RequestTooLarge, RouterError, UpstreamError
from ..telemetry import HEADER_REQUEST_ID, log
from ..wire.openai import error_body

__all__ = ["App", "Endpoint", "Exchange", "Header", "is_loopback", "unforeseen"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]
Endpoint = Callable[["Exchange"], Awaitable[None]]

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
_JSON: Header = (b"content-type", b"application/json")
_encode = msgspec.json.Encoder().encode
DRAIN = 4


class Exchange:
    """One HTTP request and its answer. ``headers`` are added to whatever is answered, errors included."""

    __slots__ = ("_max_bytes", "_receive", "_send", "headers", "is_started", "request_id", "scope")

    def __init__(self, scope: Scope, receive: Receive, send: Send, max_bytes: int) -> None:
        self.scope = scope
        self._receive, self._send, self._max_bytes = receive, send, max_bytes
        self.request_id = _request_id(scope["headers"])
        self.headers: list[Header] = []
        self.is_started = False

    async def body(self) -> bytes:
        """The whole body.

        A client reads no answer before it has sent everything, so a body that is somewhat too large is read to its
        end and thrown away; one that is far too large is cut.

        Raises:
            RequestTooLarge: by its announced or its real length.
            asyncio.CancelledError: the client went away while sending.
        """
        most = DRAIN * self._max_bytes
        for name, value in self.scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value) > most:
                raise self._too_large()
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise _ClientGone
            chunk = message.get("body", b"")
            size += len(chunk)
            if size <= self._max_bytes:
                chunks.append(chunk)
            else:
                chunks.clear()
            if size > most or (size > self._max_bytes and not message.get("more_body", False)):
                raise self._too_large()
            if not message.get("more_body", False):
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def disconnected(self) -> None:
        """Return when the client has gone. Only after the body was read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def answer(self, body: Any, *, status: int = 200, headers: Sequence[Header] = ()) -> None:
        """Answer with JSON; ``body`` is encoded, or sent as it is when it is bytes."""
        data = body if isinstance(body, bytes) else _encode(body)
        await self._start(status, [_JSON, (b"content-length", b"%d" % len(data)), *headers])
        await self._send({"type": "http.response.body", "body": b"" if self.scope["method"] == "HEAD" else data})

    async def open_events(self) -> None:
        """Begin a stream of server-sent events."""
        await self._start(
            200,
            [
                (b"content-type", b"text/event-stream; charset=utf-8"),
                (b"cache-control", b"no-cache"),
                (b"x-accel-buffering", b"no"),
            ],
        )

    async def event(self, data: bytes, *, more: bool = True) -> None:
        """Send a piece of the stream; ``more=False`` ends it."""
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def fail(self, error: RouterError) -> None:
        """Answer with the error in OpenAI's shape."""
        headers: list[Header] = []
        if isinstance(error, UpstreamError) and error.retry_after_s is not None:
            headers.append((b"retry-after", b"%d" % max(1, round(error.retry_after_s))))
        if isinstance(error, NotConfigured | DeadlineExceeded) or (
            isinstance(error, UpstreamError) and not error.retryable
        ):
            # OpenAI's clients repeat every 5xx unless they are told that it is of no use.
            headers.append((b"x-should-retry", b"false"))
        if isinstance(error, RequestTooLarge):
            # The rest of the body was not read, so the connection cannot be used again.
            headers.append((b"connection", b"close"))
        await self.answer(error_body(error), status=error.status, headers=headers)

    async def _start(self, status: int, headers: list[Header]) -> None:
        self.is_started = True
        own = (HEADER_REQUEST_ID.encode(), self.request_id)
        await self._send({"type": "http.response.start", "status": status, "headers": [*headers, own, *self.headers]})

    def _too_large(self) -> RequestTooLarge:
        return RequestTooLarge(
            f"the body has more than the {self._max_bytes:,} bytes allowed.",
            hint="Send less, or raise server.max_body_bytes.",
        )


class App:
    """ASGI 3 application. ``routes`` maps a path to the endpoint of each method; ``started`` and ``stopped`` are run
    once a process (ASGI lifespan)."""

    def __init__(
        self,
        routes: Mapping[str, Mapping[str, Endpoint]],
        *,
        started: Callable[[], Awaitable[None]],
        stopped: Callable[[], Awaitable[None]],
        max_body_bytes: int,
    ) -> None:
        self._routes, self._max_bytes = routes, max_body_bytes
        self._started, self._stopped = started, stopped

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            await self._http(Exchange(scope, receive, send, self._max_bytes))
        elif kind == "lifespan":
            await self._lifespan(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _http(self, exchange: Exchange) -> None:
        try:
            endpoint = self._endpoint(exchange)
            _refuse_other_sites(exchange.scope)
            await endpoint(exchange)
        except _ClientGone:
            return
        except RouterError as error:
            if exchange.is_started:
                raise
            await exchange.fail(error)
        except Exception:
            # The last line of defence: the client gets the error shape, the log the traceback, and nobody the prompt.
            log.exception("request %s failed unexpectedly", exchange.request_id.decode())
            if exchange.is_started:
                raise
            await exchange.fail(unforeseen())

    def _endpoint(self, exchange: Exchange) -> Endpoint:
        path, method = exchange.scope["path"], exchange.scope["method"]
        by_method = self._routes.get(path) or self._routes.get(path.rstrip("/"))
        if by_method is None:
            raise _NotFound(f"there is nothing at {path[:200]!r}.", hint=f"Paths: {', '.join(self._routes)}.")
        endpoint = by_method.get("GET" if method == "HEAD" else method)
        if endpoint is None:
            exchange.headers.append((b"allow", ", ".join(by_method).encode()))
            raise _MethodNotAllowed(f"{path} does not take {method[:20]}.", hint=f"Use {' or '.join(by_method)}.")
        return endpoint

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self._started()
                except RouterError as error:
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    return
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self._stopped()
                await send({"type": "lifespan.shutdown.complete"})
                return


def unforeseen() -> RouterError:
    """What a client is told of an error that nobody foresaw: nothing but where to look."""
    return RouterError("the router failed unexpectedly.", hint="Its log has the details under this request id.")


class _ClientGone(asyncio.CancelledError):
    """The client closed the connection before its request was complete."""


class _NotFound(RequestError):
    status = 404
    code = "not_found"


class _MethodNotAllowed(RequestError):
    status = 405
    code = "method_not_allowed"


class _UnsupportedMediaType(RequestError):
    status = 415
    code = "unsupported_media_type"


class _OtherSite(RequestError):
    status = 403
    code = "cross_site_request"


def is_loopback(host: str) -> bool:
    """Whether only this machine can be meant by ``host``."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _refuse_other_sites(scope: Scope) -> None:
    """A browser tells in ``Origin`` which page sends; no page from elsewhere may spend money here, and a page of this
    machine must send JSON, which a plain form cannot."""
    if scope["method"] != "POST":
        return
    headers = dict(scope["headers"])
    origin = headers.get(b"origin")
    if origin is None:
        return
    if not is_loopback(_host(origin)):
        raise _OtherSite("web pages from other places may not use the sidecar.", hint="Call it from your server.")
    if not headers.get(b"content-type", b"").strip().lower().startswith(b"application/json"):
        raise _UnsupportedMediaType(
            "the body must be sent as JSON.", hint="Set the header content-type: application/json."
        )


def _host(origin: bytes) -> str:
    try:
        return urlsplit(origin.decode("latin-1")).hostname or ""
    except ValueError:
        return ""


def _request_id(headers: Sequence[Header]) -> bytes:
    for name, value in headers:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return value
    return uuid4().hex.encode()
