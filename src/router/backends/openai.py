"""Any OpenAI-compatible server, spoken to over aiohttp: one pool of connections, JSON by msgspec, streams by SSE.

The room knows HTTP and OpenAI's error shapes. Whatever goes wrong is an ``UpstreamError``; a stream that ends early is
one too.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any

import aiohttp
import msgspec

from ..errors import UpstreamError
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
    cut_short,
    error_from_status,
    error_in_body,
    malformed,
    read_usage,
    scrub,
)

__all__ = ["OpenAIBackend"]

_DEFAULT_BASE = "https://api.openai.com/v1"
_DEFAULT_KEY = "OPENAI_API_KEY"
_MAX_BODY_BYTES = 64 * 1024 * 1024
_MAX_ERROR_BYTES = 64 * 1024
_DRAIN_S = 0.05
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def _no_credential(_: str) -> str | None:
    return None


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
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def send(self, call: UpstreamCall) -> Reply:
        """The whole answer; see :class:`router.backends.base.Backend`."""
        name = call.deployment.name
        response = await self._post(call, accept="application/json")
        try:
            data = await self._read(response, name, self._max_body_bytes)
        except (aiohttp.ClientError, OSError) as error:
            raise _network(name, error, sent=True) from error
        finally:
            response.release()
        try:
            body = check_reply(_decode(data), name)
        except msgspec.DecodeError as error:
            raise malformed(name, "the answer is not JSON") from error
        return Reply(body=body, usage=read_usage(body.get("usage")), raw=data)

    async def open_stream(self, call: UpstreamCall) -> ChunkStream:
        """The stream of chunks; see :class:`router.backends.base.Backend`."""
        name = call.deployment.name
        response = await self._post(call, accept="text/event-stream")
        if response.content_type in ("application/json", "text/html"):
            try:
                data = await self._read(response, name, _MAX_ERROR_BYTES)
                raise _not_a_stream(data, name)
            except (aiohttp.ClientError, OSError) as error:
                raise _network(name, error, sent=True) from error
            finally:
                response.close()
        return _SseStream(response, name, n=call.request.n, max_bytes=self._max_body_bytes)

    async def aclose(self) -> None:
        """Close the connections."""
        session, self._session, self._loop = self._session, None, None
        if session is not None:
            await session.close()

    async def _post(self, call: UpstreamCall, *, accept: str) -> aiohttp.ClientResponse:
        deployment = call.deployment
        check_reach(self._reach, deployment)
        headers = {"Content-Type": "application/json", "Accept": accept}
        key: str | None = None
        key_name = deployment.key_env or (None if deployment.api_base else _DEFAULT_KEY)
        if key_name is not None:
            key = self._credential(key_name)
            if not key:
                raise UpstreamError(
                    f"{deployment.name}: the credential {key_name} is not set.",
                    kind="auth",
                    deployment=deployment.name,
                    hint=f"Set the environment variable {key_name}.",
                )
            headers["Authorization"] = f"Bearer {key}"
        url = (deployment.api_base or _DEFAULT_BASE).rstrip("/") + "/chat/completions"
        try:
            # Redirects are not followed: the credential would go along to wherever they point.
            response = await self._connected().post(
                url, data=_encode(call.body), headers=headers, allow_redirects=False
            )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            refused = isinstance(error, aiohttp.ClientConnectorError | aiohttp.InvalidURL | ValueError)
            raise _network(deployment.name, error, sent=not refused) from error
        if response.status == 200:
            return response
        try:
            data = await self._read(response, deployment.name, _MAX_ERROR_BYTES)
        except (aiohttp.ClientError, OSError, UpstreamError):
            data = b""
        finally:
            response.release()
        raise _status_error(response, data, deployment.name, key)

    def _connected(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._session is None or self._session.closed or self._loop is not loop:
            self._loop = loop
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._max_connections, keepalive_timeout=self._keepalive_s),
                # The whole call is timed by who calls; here only the way to the server is.
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_timeout_s),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def _read(self, response: aiohttp.ClientResponse, name: str, most: int) -> bytes:
        length = response.content_length
        if length is not None and length > most:
            response.close()
            raise malformed(name, f"the answer has {length:,} bytes, more than the {most:,} allowed")
        if length is not None:
            return await response.read()
        pieces: list[bytes] = []
        size = 0
        async for piece in response.content.iter_any():
            size += len(piece)
            if size > most:
                response.close()
                raise malformed(name, f"the answer has more than the {most:,} bytes allowed")
            pieces.append(piece)
        return b"".join(pieces)


class _SseStream:
    """Chunks of one response. Every end but a complete answer raises, after the chunks that came before it."""

    def __init__(self, response: aiohttp.ClientResponse, name: str, *, n: int, max_bytes: int) -> None:
        self._response, self._name = response, name
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

    async def aclose(self) -> None:
        """Stop the upstream, unless it has finished."""
        self._ended = True
        self._ready.clear()
        self._response.close()

    async def _fill(self) -> None:
        try:
            piece = await self._response.content.readany()
            self._take(piece)
        except UpstreamError as error:
            self._fail(error)
        except (aiohttp.ClientError, OSError) as error:
            self._fail(_network(self._name, error, sent=True))
        except EventTooLarge as error:
            self._fail(malformed(self._name, str(error)))
        except asyncio.CancelledError:
            self._ended = True
            self._response.close()
            raise

    def _take(self, piece: bytes) -> None:
        for event in self._parser.feed(piece) if piece else self._parser.close():
            if event.data == DONE:
                self._end()
                return
            try:
                chunk = _decode(event.data)
            except msgspec.DecodeError as error:
                if not piece:
                    # The rest of a cut stream; the end below says so.
                    break
                raise malformed(self._name, "the stream holds an event that is not JSON") from error
            if event.event == "error" and isinstance(chunk, dict):
                raise error_in_body(chunk.get("error") or chunk, self._name)
            chunk = check_chunk(chunk, self._name)
            self._completeness.take(chunk)
            self._ready.append(chunk)
        if not piece:
            self._end()

    def _end(self) -> None:
        self._ended = True
        if not self._completeness.is_complete:
            self._fail(cut_short(self._name))

    def _fail(self, error: UpstreamError) -> None:
        self._ended, self._failure = True, error
        self._response.close()

    async def _drain(self) -> None:
        # The end of the response must be read for the connection to be used again.
        if self._response.closed:
            return
        try:
            async with asyncio.timeout(_DRAIN_S):
                while await self._response.content.readany():
                    pass
        except (TimeoutError, aiohttp.ClientError, OSError):
            self._response.close()
        else:
            self._response.release()


def _network(name: str, error: Exception, *, sent: bool) -> UpstreamError:
    timed_out = isinstance(error, TimeoutError)
    return UpstreamError(
        f"{name}: the connection failed ({scrub(str(error)) or type(error).__name__}).",
        kind="timeout" if timed_out else "network",
        retryable=not isinstance(error, ValueError),
        deployment=name,
        may_be_billed=sent,
        hint="" if sent else "Check the deployment's api_base, and that the server runs.",
    )


def _status_error(response: aiohttp.ClientResponse, data: bytes, name: str, secret: str | None) -> UpstreamError:
    message, code = _error_fields(data)
    return error_from_status(
        response.status,
        message=scrub(message or response.reason or "", secret),
        code=code,
        deployment=name,
        retry_after=response.headers.get("Retry-After"),
    )


def _not_a_stream(data: bytes, name: str) -> UpstreamError:
    try:
        body = _decode(data)
    except msgspec.DecodeError:
        body = None
    if isinstance(body, dict) and body.get("error"):
        return error_in_body(body["error"], name)
    return malformed(name, "a stream was asked for and something else came")


def _error_fields(data: bytes) -> tuple[str, str]:
    """Message and code of an error body, in whatever shape servers send it."""
    try:
        body = _decode(data)
    except msgspec.DecodeError:
        return data[:400].decode("utf-8", "replace"), ""
    error = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(error, Mapping):
        return str(error), ""
    message = error.get("message") or error.get("detail") or ""
    code = " ".join(str(error[key]) for key in ("code", "type") if isinstance(error.get(key), str))
    return str(message), code
