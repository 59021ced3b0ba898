"""HTTP/1.1 to upstreams, as little of it as a call needs: a request, an answer whole or in pieces, kept connections.

No redirect is followed, no cookie kept, no proxy setting read and no compression asked for; how long anything may
take, whoever calls decides. Source: RFC 9112.

What is on one connection stands in :mod:`.http_connection`. A server may close a kept one just when a request goes out
on it. Where it closes it at once and without a byte of an answer, it has not read the request, and this is sent once
more on a new connection: what is sent here (an answer is generated, a list is read) changes nothing at the server, so
that even one that had read it is asked no more than twice (RFC 9112, 9.3.1; RFC 9110, 9.2.2).
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from typing import Literal
from urllib.parse import quote, urlsplit

import msgspec

from .http_connection import Connection, HttpError, HttpTooLarge

__all__ = ["HttpAnswer", "HttpError", "HttpPool", "HttpStream", "HttpTooLarge", "Target", "head_of", "target_of"]


class Target(msgspec.Struct, frozen=True):
    """Where a request goes: one address and one path. Connections to one ``place`` are alike."""

    host: str
    port: int
    is_tls: bool
    authority: str
    path: str
    place: tuple[str, int, bool]


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
    port = parts.port or (443 if is_tls else 80)
    return Target(host, port, is_tls, authority, path, (host, port, is_tls))


def head_of(target: Target, headers: Mapping[str, str], *, method: Literal["GET", "POST"] = "POST") -> bytes:
    """The whole head of a GET; that of a POST up to the value of its last header, Content-Length.

    Raises:
        ValueError: a header has a line break.
    """
    # Without a word of codings, any may come (RFC 9110, 12.5.3).
    lines = [f"{method} {target.path} HTTP/1.1", f"Host: {target.authority}", "Accept-Encoding: identity"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if any("\r" in line or "\n" in line or "\0" in line for line in lines):
        raise ValueError("a header has a line break")
    end = ["Content-Length: "] if method == "POST" else ["", ""]
    return "\r\n".join([*lines, *end]).encode("latin-1")


class HttpStream:
    """An answer whose head has come. Read it to its end (``b""``), or close it."""

    __slots__ = ("_connection", "_pool", "_target")

    def __init__(self, pool: HttpPool, target: Target, connection: Connection) -> None:
        self._pool, self._target = pool, target
        self._connection: Connection | None = connection

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
            await connection.news()
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
        self._idle: dict[tuple[str, int, bool], deque[Connection]] = {}
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

    def give_back(self, target: Target, connection: Connection) -> None:
        """An exchange is over: keep its connection, or cut it where its end was not reached."""
        if connection.is_reusable and not self._is_closed and self._idle_count < self._most_idle:
            connection.is_active, connection.is_reused = False, True
            connection.idle_since_s = self._loop.time()
            idle = self._idle.get(target.place)
            if idle is None:
                idle = self._idle[target.place] = deque()
            idle.append(connection)
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

    async def _exchange(self, target: Target, data: bytes, *, most: int, is_stream: bool) -> Connection:
        """A connection with the whole answer, or the head of a stream."""
        connection = self._kept(target) or await self._take(target)
        try:
            while True:
                connection.begin(data, most=most, is_stream=is_stream)
                try:
                    while not (connection.has_head if is_stream else connection.is_complete):
                        await connection.news()
                    return connection
                except HttpError as error:
                    if not error.is_stale:
                        raise
                # Only a connection that was used before is stale, so this happens once.
                connection = await self._connect(target)
        except BaseException:
            self.give_back(target, connection)
            raise

    def _kept(self, target: Target) -> Connection | None:
        """An idle connection, if there is one and its place need not be waited for."""
        idle = self._idle.get(target.place)
        while idle and self._free:
            connection = idle.pop()
            self._idle_count -= 1
            if connection.is_quiet():
                self._free -= 1
                return connection
            connection.transport.abort()
        return None

    async def _take(self, target: Target) -> Connection:
        while not self._free:
            waiter = self._loop.create_future()
            self._waiting.append(waiter)
            try:
                await waiter
            except BaseException:
                if waiter.done() and not waiter.cancelled():
                    self._wake_one()
                raise
        connection = self._kept(target)
        if connection is not None:
            return connection
        self._free -= 1
        try:
            return await self._connect(target)
        except BaseException:
            self._freed()
            raise

    async def _connect(self, target: Target) -> Connection:
        tls = None
        if target.is_tls:
            tls = self._tls = self._tls or ssl.create_default_context()
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self._loop),
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
        if self._waiting:
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
