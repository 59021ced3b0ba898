"""One HTTP request and its answer: the body within bounds, JSON and events out, errors in the shape of the endpoint.

It knows HTTP and nothing of routing.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from ..errors import (
    BudgetExceeded,
    DeadlineExceeded,
    NotConfigured,
    RateLimited,
    RequestError,
    RequestTooLarge,
    RouterError,
    UpstreamError,
)
from ..telemetry import HEADER_REQUEST_ID
from ..types import Decision, Hints, Record
from ..wire.hints import read_headers
from ..wire.jsonbody import RawJson
from ..wire.openai import error_body
from .auth import ANYBODY, Caller, Scope, Unauthorized
from .cycle import Cycle, Header
from .serving import Version

__all__ = [
    "Busy",
    "ClientGone",
    "Ending",
    "Endpoint",
    "Exchange",
    "Header",
    "Route",
    "UnsupportedMediaType",
    "unforeseen",
]

Endpoint = Callable[["Exchange"], Awaitable[None]]

_NO_HINTS = Hints()
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
_JSON: Header = (b"content-type", b"application/json")
_EVENTS: tuple[Header, ...] = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)
_PATIENCE_S = 60.0
_REQUEST_ID_HEADER = HEADER_REQUEST_ID.encode()
_encode = msgspec.json.Encoder().encode
DRAIN = 4


def openai_error(error: RouterError, request_id: str) -> Mapping[str, Any]:
    """OpenAI's error shape; the id travels in its header."""
    return error_body(error)


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One path. ``methods`` maps a method to its endpoint, ``scope`` is what a key needs (None: no key is asked for).

    A path that ends in ``/*`` takes one more segment, given as ``Exchange.rest``. ``is_light``: answered even when the
    sidecar is full.
    """

    path: str
    methods: Mapping[str, Endpoint]
    scope: Scope | None
    error: Callable[[RouterError, str], Mapping[str, Any]] = openai_error
    is_light: bool = False


class Exchange:
    """One HTTP request and its answer. ``all_fields`` are its headers (names in lower case), ``fields`` the first of
    each name; ``headers`` are added to whatever is answered, errors included.

    ``version`` is the state of the sidecar that serves it, ``caller`` who asks, ``decision`` who was to answer,
    ``record`` what the ledger was told, ``error`` the code of what it failed with. ``stages`` name, begin and end (in
    seconds of a monotonic clock) of what was done before the run; ``span`` is what is traced of it (None: nothing).
    """

    # What few requests change before they are answered.
    is_started = is_gone = False
    status = 0
    rest = ""
    caller: Caller = ANYBODY
    route: Route | None = None
    decision: Decision | None = None
    record: Record | None = None
    error: str | None = None
    stages: tuple[tuple[str, float, float], ...] = ()
    span: Any = None

    def __init__(self, cycle: Cycle, version: Version) -> None:
        self._cycle, self.version = cycle, version
        self.method, self.path = cycle.method, cycle.path
        self._max_bytes = version.settings.server.max_body_bytes
        self.replace_fields(cycle.headers)
        given = self.fields.get(b"x-request-id")
        self.request_id = given if given and _REQUEST_ID.fullmatch(given) else version.new_id().encode()
        self.headers: list[Header] = []
        self.started_s = time.monotonic()

    def replace_fields(self, fields: list[Header]) -> None:
        """Go on as if the request had these headers."""
        self.all_fields = fields
        self.fields: Mapping[bytes, bytes] = dict(reversed(fields))

    def hints(self) -> Hints:
        """Those of its headers.

        Raises:
            RequestError: see :func:`~..wire.hints.read_headers`.
        """
        # Most requests have none: one look at all names tells.
        return read_headers(self.all_fields) if b"x-router-" in b" ".join(self.fields) else _NO_HINTS

    def facts(self) -> dict[str, Any]:
        """What logs and traces may tell of it; never a prompt."""
        found: dict[str, Any] = {}
        decision, record = self.decision, self.record
        if decision is not None:
            target = decision.target
            found |= {"decision_id": decision.id, "target": target.kind, "model": target.model}
            found["policy"] = decision.policy.name
        tenant = self.caller.tenant if record is None else record.tenant
        if tenant is not None:
            found["tenant"] = tenant
        if record is not None:
            found |= {"outcome": record.outcome.status, "usd": record.outcome.usd}
            found["model"] = record.outcome.model or found.get("model")
        if self.error is not None:
            found["error"] = self.error
        return found

    def lost(self) -> None:
        """The client has gone: nobody waits for the answer."""
        self.is_gone = True
        self._cycle.task.cancel()

    def whole_body(self) -> bytes | None:
        """The whole body where it has come already, as most have; None where :meth:`body` must wait for it. Raises as
        that does."""
        whole = self._cycle.whole_body()
        if whole is None:
            return None
        if len(whole) > self._max_bytes:
            raise self._too_large()
        self._check_coding()
        return whole

    def _check_coding(self) -> None:
        coding = self.fields.get(b"content-encoding")
        if coding is not None and coding.strip().lower() not in (b"", b"identity"):
            raise UnsupportedMediaType("the body is compressed.", hint="Send it as it is.")

    async def body(self) -> bytes:
        """The whole body.

        A client reads no answer before it has sent everything, so a body that is somewhat too large is read to its
        end and thrown away; one that is far too large is cut.

        Raises:
            RequestTooLarge: by its announced or its real length. UnsupportedMediaType: it is compressed.
            asyncio.CancelledError: the client went away while sending.
        """
        most, length = DRAIN * self._max_bytes, self.fields.get(b"content-length", b"")
        if length.isdigit() and int(length) > most:
            raise self._too_large()
        self._check_coding()
        chunks: list[bytes] = []
        size = 0
        while True:
            received = await self._cycle.receive()
            if received is None:
                raise ClientGone
            chunk, more = received
            size += len(chunk)
            if size > most or (size > self._max_bytes and not more):
                raise self._too_large()
            if not more:
                return b"".join([*chunks, chunk]) if chunks else chunk
            if size <= self._max_bytes:
                chunks.append(chunk)
            else:
                chunks.clear()

    @property
    def endpoint(self) -> str:
        """The path of its route, for logs and metrics: what was really asked for may hold anything."""
        return self.route.path if self.route is not None else "unknown"

    def answer(self, body: Any, *, status: int = 200) -> Awaitable[None]:
        """Answer with JSON: ``body`` encoded, or the bytes that it was read from where it is nothing else."""
        data = body.raw if type(body) is RawJson else _encode(body)
        self.is_started, self.status = True, status
        return self._cycle.answer(status, [_JSON, *self._own()], data)

    def answer_text(
        self, data: bytes, kind: Header, *, status: int = 200, headers: Sequence[Header] = (), closes: bool = False
    ) -> Awaitable[None]:
        """Answer with bytes of the content type ``kind``. ``closes``: no further request comes on this connection."""
        self.is_started, self.status = True, status
        return self._cycle.answer(status, [kind, *headers, *self._own()], data, closes=closes)

    def open_events(self) -> None:
        """Begin a stream of server-sent events; its head leaves with the first."""
        self.is_started, self.status = True, 200
        self._cycle.open(200, [*_EVENTS, *self._own()])

    def event(self, data: bytes, *, more: bool = True) -> Awaitable[None]:
        """Send a piece of the stream, maybe an empty one; ``more=False`` ends it."""
        return self._cycle.send(data, more=more)

    async def fail(self, error: RouterError) -> None:
        """Answer with the error in the endpoint's shape."""
        headers: list[Header] = []
        retry_s = getattr(error, "retry_after_s", None)
        if retry_s is not None:
            headers.append((b"retry-after", b"%d" % max(1, math.ceil(retry_s))))
        elif isinstance(error, Busy):
            headers.append((b"retry-after", b"1"))
        if (
            isinstance(error, NotConfigured | DeadlineExceeded | BudgetExceeded)
            or (isinstance(error, UpstreamError) and not error.retryable)
            or (isinstance(error, RateLimited) and (retry_s is None or retry_s > _PATIENCE_S))
        ):
            # OpenAI's clients repeat every 429 and 5xx unless they are told that it is of no use.
            headers.append((b"x-should-retry", b"false"))
        if isinstance(error, Unauthorized):
            headers.append((b"www-authenticate", b"Bearer"))
        self.error = error.code
        shape = self.route.error if self.route is not None else openai_error
        data = _encode(shape(error, self.request_id.decode()))
        # Where the rest of the body was not read, the connection cannot be used again.
        closes = isinstance(error, RequestTooLarge)
        await self.answer_text(data, _JSON, status=error.status, headers=headers, closes=closes)

    def _own(self) -> Sequence[Header]:
        named = self.request_id
        return (_REQUEST_ID_HEADER, named), (b"request-id", named), *self.headers

    def _too_large(self) -> RequestTooLarge:
        return RequestTooLarge(
            f"the body has more than the {self._max_bytes:,} bytes allowed.",
            hint="Send less, or raise server.max_body_bytes.",
        )


def unforeseen() -> RouterError:
    """What a client is told of an error that nobody foresaw: nothing but where to look."""
    return RouterError("the router failed unexpectedly.", hint="Its log has the details under this request id.")


class UnsupportedMediaType(RequestError):
    """The body is not written as bodies are read here."""

    status = 415
    code = "unsupported_media_type"


class Busy(RouterError):
    """More requests than the sidecar takes at once."""

    status = 503
    code = "overloaded"


class Ending(RouterError):
    """The sidecar ends, and the request could not be finished within its grace."""

    status = 503
    code = "shutting_down"

    def __init__(self) -> None:
        super().__init__("the sidecar is ending.", hint="Try again; another one may answer.")


class ClientGone(asyncio.CancelledError):
    """The client closed the connection before its request was complete."""
