"""Any OpenAI-compatible server: one pool of connections, JSON by msgspec, streams by SSE.

The room knows HTTP and OpenAI's error shapes. Whatever goes wrong is an ``UpstreamError``; a stream that ends early is
one too.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from typing import Any

import msgspec

from ..errors import UpstreamError
from ..types import Request
from ..wire.jsonbody import RawJson
from ..wire.sse import DONE, EventTooLarge, SseParser
from .base import (
    ChunkStream,
    Completeness,
    Credential,
    Reach,
    Reply,
    UpstreamCall,
    check_chunk,
    check_reach,
    check_reply,
    read_usage,
)
from .http import HttpAnswer, HttpPool, HttpStream, Target
from .openai_server import (
    CODED,
    DEFAULT_BASE,
    MAX_ERROR_BYTES,
    answer_of,
    call_head,
    is_coded,
    key_of,
    network_error,
    status_error,
)
from .upstream_errors import cut_short, error_in_body, malformed

__all__ = ["OpenAIBackend"]

_MAX_BODY_BYTES = 64 * 1024 * 1024
_DRAIN_S = 0.05
# https://www.w3.org/TR/trace-context/ : a state goes on with a valid parent alone, and up to 512 characters of it must.
_PARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_STATE = re.compile(r"[\t\x20-\x7e]{1,512}")
_MOST_HEADS = 1_000
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def _no_credential(_: str) -> str | None:
    return None


def _trace(request: Request) -> bytes:
    """The header lines that carry on the caller's trace."""
    parent, state = request.traceparent, request.tracestate
    if parent is None or not _PARENT.fullmatch(parent):
        return b""
    if state is None or not _STATE.fullmatch(state):
        return b"\r\ntraceparent: %b" % parent.encode()
    return b"\r\ntraceparent: %b\r\ntracestate: %b" % (parent.encode(), state.encode())


class OpenAIBackend:
    """Calls ``<api_base>/chat/completions``.

    ``credential`` gives a key by the name of its variable; ``max_connections`` bounds the pool, ``max_body_bytes`` an
    answer and one event of a stream. The session belongs to the event loop that uses it first.
    """

    def __init__(
        self,
        *,
        credential: Credential = _no_credential,
        reach: Reach = "any",
        max_connections: int = 256,
        keepalive_s: float = 30.0,
        connect_timeout_s: float = 10.0,
        max_body_bytes: int = _MAX_BODY_BYTES,
    ) -> None:
        self._credential, self._reach = credential, reach
        self._max_connections, self._keepalive_s = max_connections, keepalive_s
        self._connect_timeout_s, self._max_body_bytes = connect_timeout_s, max_body_bytes
        self._pool: HttpPool | None = None
        self._heads: dict[tuple[str, str, str | None], tuple[Target, bytes]] = {}

    async def send(self, call: UpstreamCall) -> Reply:
        """The whole answer; see :class:`router.backends.base.Backend`."""
        name = call.deployment.name
        target, data, key = self._outgoing(call, accept="application/json")
        answer = await answer_of(self._connected(), target, data, most=self._max_body_bytes, name=name, key=key)
        try:
            body = RawJson(check_reply(_decode(answer), name), answer)
        except msgspec.DecodeError as error:
            raise malformed(name, "the answer is not JSON") from error
        return Reply(body=body, usage=read_usage(body.get("usage")))

    async def open_stream(self, call: UpstreamCall) -> ChunkStream:
        """The stream of chunks; see :class:`router.backends.base.Backend`."""
        name = call.deployment.name
        target, data, key = self._outgoing(call, accept="text/event-stream")
        try:
            stream = await self._connected().open(target, data)
        except OSError as error:
            raise network_error(name, error) from error
        kind = stream.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if stream.status == 200 and is_coded(stream.headers):
            stream.close()
            raise malformed(name, CODED)
        if stream.status == 200 and kind not in (b"application/json", b"text/html"):
            return _SseStream(stream, name, n=call.request.n, max_bytes=self._max_body_bytes)
        status, headers = stream.status, stream.headers
        try:
            body = await _read(stream, MAX_ERROR_BYTES)
        except OSError as error:
            if status == 200:
                raise network_error(name, error) from error
            body = b""
        finally:
            stream.close()
        if status != 200:
            raise status_error(HttpAnswer(status, headers, body), name, key)
        raise _not_a_stream(body, name)

    async def aclose(self) -> None:
        """Close the connections."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    def _outgoing(self, call: UpstreamCall, *, accept: str) -> tuple[Target, bytes, str | None]:
        """Where the call goes, its bytes, and the credential in them."""
        deployment = call.deployment
        if self._reach != "any":
            check_reach(self._reach, deployment)
        key, base = key_of(deployment, self._credential), deployment.api_base or DEFAULT_BASE
        found = self._heads.get((base, accept, key))
        if found is None:
            found = self._head(base, accept, key, deployment.name)
        target, head = found
        body = _encode(call.body)
        trace = b"" if call.request.traceparent is None else _trace(call.request)
        return target, b"%b%d%b\r\n\r\n%b" % (head, len(body), trace, body), key

    def _head(self, base: str, accept: str, key: str | None, name: str) -> tuple[Target, bytes]:
        found = call_head(name, base, "/chat/completions", accept=accept, key=key)
        if len(self._heads) >= _MOST_HEADS:
            self._heads.clear()
        self._heads[base, accept, key] = found
        return found

    def _connected(self) -> HttpPool:
        pool = self._pool
        if pool is None or not pool.belongs_to(asyncio.get_running_loop()):
            pool = self._pool = HttpPool(
                max_connections=self._max_connections,
                keepalive_s=self._keepalive_s,
                connect_timeout_s=self._connect_timeout_s,
            )
        return pool


async def _read(stream: HttpStream, most: int) -> bytes:
    """The start of an answer that is read for its message only."""
    found = b""
    while len(found) < most and (piece := await stream.read()):
        found += piece
    return found[:most]


class _SseStream:
    """Chunks of one response. Every end but a complete answer raises, after the chunks that came before it."""

    def __init__(self, stream: HttpStream, name: str, *, n: int, max_bytes: int) -> None:
        self._stream, self._name = stream, name
        self._parser = SseParser(max_bytes=max_bytes)
        self._completeness = Completeness(n)
        self._ready: deque[dict[str, Any]] = deque()
        self._ended = False
        self._failure: UpstreamError | None = None

    def __aiter__(self) -> _SseStream:
        return self

    async def __anext__(self) -> dict[str, Any]:
        while not self._ready and not self._ended:
            await self._fill()
        if self._ready:
            return self._ready.popleft()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        await self._drain()
        raise StopAsyncIteration

    def ready(self) -> dict[str, Any] | None:
        """The next chunk if it has come already, None when it must be waited for."""
        return self._ready.popleft() if self._ready else None

    @property
    def has_ready(self) -> bool:
        """Whether the next chunk has come already and belongs to a choice."""
        return bool(self._ready) and bool(self._ready[0].get("choices"))

    async def aclose(self) -> None:
        """Stop the upstream, unless it has finished."""
        self._ended = True
        self._ready.clear()
        self._stream.close()

    async def _fill(self) -> None:
        try:
            piece = await self._stream.read()
            self._take(piece)
        except UpstreamError as error:
            self._fail(error)
        except OSError as error:
            self._fail(network_error(self._name, error))
        except EventTooLarge as error:
            self._fail(malformed(self._name, str(error)))
        except asyncio.CancelledError:
            self._ended = True
            self._stream.close()
            raise

    def _take(self, piece: bytes) -> None:
        for event in self._parser.feed(piece) if piece else self._parser.close():
            data = event.data.strip()
            if data == DONE:
                self._end()
                return
            if not data:
                # Kept alive by an event that says nothing.
                continue
            try:
                chunk = _decode(data)
            except msgspec.DecodeError as error:
                if not piece:
                    # The rest of a cut stream; the end below says so.
                    break
                raise malformed(self._name, "the stream holds an event that is not JSON") from error
            if event.event == "error" and isinstance(chunk, dict):
                raise error_in_body(chunk.get("error") or chunk, self._name)
            found = check_chunk(chunk, self._name)
            if found is None:
                continue
            self._completeness.take(found)
            # Data of several lines cannot be sent on as one.
            self._ready.append(found if found is not chunk or b"\n" in data else RawJson(found, data))
        if not piece:
            self._end()

    def _end(self) -> None:
        self._ended = True
        if not self._completeness.is_complete:
            self._fail(cut_short(self._name))

    def _fail(self, error: UpstreamError) -> None:
        self._ended, self._failure = True, error
        self._stream.close()

    async def _drain(self) -> None:
        # The end of the answer must be read for the connection to be used again.
        try:
            async with asyncio.timeout(_DRAIN_S):
                while await self._stream.read():
                    pass
        except (TimeoutError, OSError):
            pass
        self._stream.close()


def _not_a_stream(data: bytes, name: str) -> UpstreamError:
    try:
        body = _decode(data)
    except msgspec.DecodeError:
        body = None
    if isinstance(body, dict) and body.get("error"):
        return error_in_body(body["error"], name)
    return malformed(name, "a stream was asked for and something else came")
