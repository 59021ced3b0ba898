"""HTTP/1.1 to upstreams, as little of it as a call needs: a request, an answer whole or in pieces, kept connections.

llhttp reads the answers. No redirect is followed, no cookie kept, no proxy setting read and no compression asked for;
how long anything may take, whoever calls decides. Source: RFC 9112.

A server may close a kept connection just when a request goes out on it. Where it closes one at once and without a byte
of an answer, it has not read the request, and this is sent once more on a new connection: what is sent here (an answer
is generated, a list is read) changes nothing at the server, so that even one that had read it is asked no more than
twice (RFC 9112, 9.3.1; RFC 9110, 9.2.2).
"""

from __future__ import annotations

import asyncio
import select
import ssl
from collections import deque
from collections.abc import Mapping
from typing import Literal
from urllib.parse import quote, urlsplit

import httptools
import msgspec

__all__ = ["HttpAnswer", "HttpError", "HttpPool", "HttpStream", "HttpTooLarge", "Target", "head_of", "target_of"]

_MAX_HEAD_BYTES = 64 * 1024
_MOST_UNREAD = 256 * 1024
# A server that closes a kept connection later than this after a request went out has read the request.
_STALE_S = 1.0


class HttpError(OSError):
    """An exchange failed. ``is_sent``: the server may have got the request. ``is_stale``: it went out on a connection
    that had been closed; a new one may do."""

    def __init__(self, message: str, *, is_sent: bool, is_stale: bool = False) -> None:
        super().__init__(message)
        self.is_sent, self.is_stale = is_sent, is_stale


class HttpTooLarge(HttpError):
    """The answer has more bytes than allowed."""


class Target(msgspec.Struct, frozen=True):
    """Where a request goes: one address and one path."""

    host: str
    port: int
    is_tls: bool
    authority: str
    path: str


class HttpAnswer(msgspec.Struct, frozen=True):
    """A whole answer; ``headers`` by their names in lower case."""

    status: int
    headers: Mapping[bytes, bytes]
    body: bytes


def target_of(url: str) -> Target:
    """The target of an http(s) address.

    Raises:
        ValueError: it is none.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url[:200]!r} is no http(s) address")
    if parts.username or parts.password:
        raise ValueError("an address must not hold a credential; name its variable in key_env")
    is_tls = parts.scheme == "https"
    host = parts.hostname.encode("idna").decode() if not parts.hostname.isascii() else parts.hostname
    named = f"[{host}]" if ":" in host else host
    authority = named if parts.port is None else f"{named}:{parts.port}"
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    return Target(host, parts.port or (443 if is_tls else 80), is_tls, authority, path)


def head_of(target: Target, headers: Mapping[str, str], *, method: Literal["GET", "POST"] = "POST") -> bytes:
    """The whole head of a GET; that of a POST up to the value of its last header, Content-Length.

    Raises:
        ValueError: a header has a line break.
    """
    lines = [f"{method} {target.path} HTTP/1.1", f"Host: {target.authority}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if any("\r" in line or "\n" in line or "\0" in line for line in lines):
        raise ValueError("a header has a line break")
    end = ["Content-Length: "] if method == "POST" else ["", ""]
    return "\r\n".join([*lines, *end]).encode("latin-1")


class _Connection(asyncio.Protocol):
    """One connection, and the exchange that is on it."""

    __slots__ = (
        "_error",
        "_fed",
        "_head_bytes",
        "_is_paused",
        "_is_stream",
        "_keeps_alive",
        "_loop",
        "_most",
        "_parser",
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
        self._size = self._fed = self._head_bytes = self.status = 0
        self._error: HttpError | None = None
        self.pieces: list[bytes] = []
        self.headers: dict[bytes, bytes] = {}
        self.has_bytes = self.has_head = self.is_complete = self.is_excessive = self._keeps_alive = False
        self.is_active = True
        self._sent_s = self._loop.time()
        if self.is_lost or self.transport.is_closing():
            self._error = HttpError("the connection was closed", is_sent=False, is_stale=self.is_reused)
            return
        self.transport.write(data)

    async def wait(self) -> None:
        """Until something happened.

        Raises:
            HttpError: the exchange failed.
        """
        if self._error is None:
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if self._error is not None:
            raise self._error

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
        return (
            self.is_complete
            and not self.is_excessive
            and not self.is_lost
            and not self.transport.is_closing()
            and self._keeps_alive
            and not self.transport.get_write_buffer_size()
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
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self.is_complete:
                self._fail(f"the answer is no HTTP ({error})" if self._error is None else "")
            self.is_excessive = True
            return
        if not self.has_head:
            self._fed += len(data)
            if self._fed > _MAX_HEAD_BYTES:
                self._fail("the answer's head is too large")

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
            self.is_excessive = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.is_excessive or self.has_head:
            return
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > _MAX_HEAD_BYTES:
            self._fail("the answer's head is too large")
            raise httptools.HttpParserError("too large")
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        if self.is_excessive:
            return
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            self.headers.clear()
            return
        self.status, self.has_head = status, True
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
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _fail(self, message: str, *, is_stale: bool = False) -> None:
        if self._error is None:
            self._error = HttpError(message, is_sent=not is_stale, is_stale=is_stale)
        self._wake()
        self.transport.abort()


_BOUNDED = frozenset({b"content-length", b"transfer-encoding"})


class HttpStream:
    """An answer whose head has come. Read it to its end (``b""``), or close it."""

    __slots__ = ("_connection", "_pool", "_target")

    def __init__(self, pool: HttpPool, target: Target, connection: _Connection) -> None:
        self._pool, self._target = pool, target
        self._connection: _Connection | None = connection

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._connection.status if self._connection is not None else 0

    @property
    def headers(self) -> Mapping[bytes, bytes]:
        """By their names in lower case."""
        return self._connection.headers if self._connection is not None else {}

    async def read(self) -> bytes:
        """What has come since, at least one byte; ``b""`` at the end.

        Raises:
            HttpError: the connection broke, or what came is no HTTP.
        """
        connection = self._connection
        if connection is None:
            return b""
        while not connection.pieces:
            if connection.is_complete:
                self._done()
                return b""
            await connection.wait()
        return connection.taken()

    def close(self) -> None:
        """Done with it. Unless it was read to its end, the connection is cut, which stops the server."""
        self._done()

    def _done(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.give_back(self._target, connection)


class HttpPool:
    """Connections of one event loop, at most ``max_connections`` in use at a time. What was idle for ``keepalive_s`` is
    closed."""

    def __init__(
        self, *, max_connections: int = 256, keepalive_s: float = 30.0, connect_timeout_s: float = 10.0
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._free, self._most_idle = max_connections, max_connections
        self._keepalive_s, self._connect_timeout_s = keepalive_s, connect_timeout_s
        self._idle: dict[tuple[str, int, bool], deque[_Connection]] = {}
        self._idle_count = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._sweeping: asyncio.TimerHandle | None = None
        self._tls: ssl.SSLContext | None = None
        self._is_closed = False

    def belongs_to(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether it was made on this loop."""
        return self._loop is loop

    async def send(self, target: Target, data: bytes, *, most: int) -> HttpAnswer:
        """Send ``data`` (head and body) and read the whole answer, at most ``most`` bytes of body.

        Raises:
            HttpError: no connection, a broken one, or an answer that is too large or no HTTP.
            TimeoutError: no connection within ``connect_timeout_s``.
        """
        connection = await self._exchange(target, data, most=most, is_stream=False)
        pieces, status, headers = connection.pieces, connection.status, connection.headers
        self.give_back(target, connection)
        return HttpAnswer(status, headers, pieces[0] if len(pieces) == 1 else b"".join(pieces))

    async def open(self, target: Target, data: bytes) -> HttpStream:
        """Send ``data`` and wait for the head of the answer. Raises as :meth:`send`."""
        return HttpStream(self, target, await self._exchange(target, data, most=0, is_stream=True))

    @property
    def idle(self) -> int:
        """Connections that wait to be used again."""
        return self._idle_count

    def give_back(self, target: Target, connection: _Connection) -> None:
        """An exchange is over: keep its connection, or cut it where its end was not reached."""
        if connection.is_reusable and not self._is_closed and self._idle_count < self._most_idle:
            connection.is_active, connection.is_reused = False, True
            connection.idle_since_s = self._loop.time()
            self._idle.setdefault((target.host, target.port, target.is_tls), deque()).append(connection)
            self._idle_count += 1
            if self._sweeping is None:
                self._sweeping = self._loop.call_later(self._keepalive_s, self._sweep)
        else:
            connection.is_active = False
            connection.transport.abort()
        self._freed()

    def close(self) -> None:
        """Close what is idle; what is in use is closed when it is given back. May be called from another loop, and
        after its own was closed."""
        if self._loop.is_closed():
            # Its connections went with it.
            self._idle.clear()
            self._idle_count = 0
            return
        if asyncio.get_running_loop() is not self._loop:
            self._loop.call_soon_threadsafe(self._close)
            return
        self._close()

    def _close(self) -> None:
        self._is_closed = True
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        for connections in self._idle.values():
            for connection in connections:
                connection.transport.abort()
        self._idle.clear()
        self._idle_count = 0

    async def _exchange(self, target: Target, data: bytes, *, most: int, is_stream: bool) -> _Connection:
        """A connection with the whole answer, or the head of a stream."""
        connection = await self._take(target)
        try:
            while True:
                connection.begin(data, most=most, is_stream=is_stream)
                try:
                    while not (connection.has_head if is_stream else connection.is_complete):
                        await connection.wait()
                    return connection
                except HttpError as error:
                    if not error.is_stale:
                        raise
                # Only a connection that was used before is stale, so this happens once.
                connection = await self._connect(target)
        except BaseException:
            self.give_back(target, connection)
            raise

    async def _take(self, target: Target) -> _Connection:
        while not self._free:
            waiter = self._loop.create_future()
            self._waiting.append(waiter)
            try:
                await waiter
            except BaseException:
                if waiter.done() and not waiter.cancelled():
                    self._wake_one()
                raise
        self._free -= 1
        try:
            idle = self._idle.get((target.host, target.port, target.is_tls))
            while idle:
                connection = idle.pop()
                self._idle_count -= 1
                if connection.is_quiet():
                    return connection
                connection.transport.abort()
            return await self._connect(target)
        except BaseException:
            self._freed()
            raise

    async def _connect(self, target: Target) -> _Connection:
        tls = None
        if target.is_tls:
            tls = self._tls = self._tls or ssl.create_default_context()
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                _, connection = await self._loop.create_connection(
                    lambda: _Connection(self._loop),
                    target.host,
                    target.port,
                    ssl=tls,
                    server_hostname=target.host if tls is not None else None,
                )
        except TimeoutError:
            raise
        except OSError as error:
            raise HttpError(str(error) or type(error).__name__, is_sent=False) from error
        return connection

    def _freed(self) -> None:
        self._free += 1
        self._wake_one()

    def _wake_one(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _sweep(self) -> None:
        self._sweeping = None
        oldest_s = self._loop.time() - self._keepalive_s
        for key, connections in list(self._idle.items()):
            while connections and (connections[0].is_lost or connections[0].idle_since_s <= oldest_s):
                connections.popleft().transport.abort()
                self._idle_count -= 1
            if not connections:
                del self._idle[key]
        if self._idle:
            self._sweeping = self._loop.call_later(self._keepalive_s, self._sweep)
