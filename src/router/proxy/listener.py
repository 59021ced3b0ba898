"""One address that is listened on: its connections, what is being answered, how both end."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time

from ..config import ServerSettings
from ..telemetry import log
from .cycle import Application, Cycle
from .protocol import HttpConnection

__all__ = ["Listener"]

# Longer than what pools and load balancers keep an idle connection (60 s at most of them): who closes first is the
# client, which cannot then be about to send a request.
_KEEP_ALIVE_S = 75.0
_BACKLOG = 2048
_LOOK_AGAIN_S = 0.05
_DAYS = (b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun")
_MONTHS = (
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
)  # fmt: skip


class Listener:
    """Has ``application`` answer what comes. ``keep_alive_s``: how long a connection may be idle between two requests.

    ``date`` is the header line that all answers have; it is right as long as :meth:`tick` is called each second.
    """

    def __init__(
        self, application: Application, limits: ServerSettings, *, keep_alive_s: float = _KEEP_ALIVE_S
    ) -> None:
        self.limits, self.keep_alive_s = limits, keep_alive_s
        self.connections: set[HttpConnection] = set()
        self.date = b""
        self._application = application
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.tick()

    def tick(self) -> None:
        """Look at the clock (RFC 9110, 5.6.7)."""
        now = time.gmtime()
        self.date = b"date: %b, %02d %b %d %02d:%02d:%02d GMT\r\n" % (
            _DAYS[now.tm_wday], now.tm_mday, _MONTHS[now.tm_mon - 1], now.tm_year, now.tm_hour, now.tm_min, now.tm_sec,
        )  # fmt: skip

    async def begin(self, place: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Listen on the bound socket ``place``."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: HttpConnection(self, loop), sock=place, ssl=tls, backlog=_BACKLOG
        )

    def start(self, cycle: Cycle) -> None:
        """Have one request answered."""
        cycle.task = task = cycle.connection.loop.create_task(self._answer(cycle))
        self._tasks.add(task)

    async def _answer(self, cycle: Cycle) -> None:
        try:
            await self._application(cycle)
        except Exception:  # noqa: BLE001 the application says what it could not do: this is what it could not even say
            log.exception("an answer failed unexpectedly")
        finally:
            if not cycle.is_complete:
                cycle.connection.fail(cycle)
            # A callback of the task's would be one more turn of the loop.
            self._tasks.discard(cycle.task)

    async def end(self, grace_s: float) -> None:
        """Stop listening, let what is being answered finish within ``grace_s``, and end the rest."""
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.finish()
        until_s = time.monotonic() + grace_s
        while (self.connections or self._tasks) and time.monotonic() < until_s:  # noqa: ASYNC110 two sets, seldom
            await asyncio.sleep(_LOOK_AGAIN_S)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1.0)
