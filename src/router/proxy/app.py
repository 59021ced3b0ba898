"""The sidecar's application: which path is asked, by whom, from where; and what ends a request.

It knows HTTP and nothing of routing: what a path does stands in the modules beside it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Protocol
from urllib.parse import urlsplit

from ..errors import RequestError, RouterError
from ..telemetry import log
from .cycle import Cycle
from .exchange import (
    Busy,
    ClientGone,
    Ending,
    Endpoint,
    Exchange,
    Route,
    UnsupportedMediaType,
    unforeseen,
)
from .listening import is_loopback
from .metrics import Metrics
from .serving import Serving

__all__ = ["App", "Tracer"]


class Tracer(Protocol):
    """Who tells traces of requests: hears of each exchange when it begins and when it has ended."""

    def begin(self, exchange: Exchange, /) -> None: ...
    def end(self, exchange: Exchange, /) -> None: ...


_MAX_HOSTS = 64


class App:
    """Answers by ``routes``. ``asks_keys`` False: on a listener that only operators can reach."""

    def __init__(
        self,
        routes: Sequence[Route],
        serving: Serving,
        metrics: Metrics,
        *,
        asks_keys: bool = True,
        trace: Tracer | None = None,
    ) -> None:
        self._exact = {route.path: route for route in routes if not route.path.endswith("/*")}
        self._prefixes = {route.path[:-1]: route for route in routes if route.path.endswith("/*")}
        self._serving, self._metrics, self._trace = serving, metrics, trace
        self._asks_keys = asks_keys
        self._own_hosts: set[bytes] = set()

    async def __call__(self, cycle: Cycle) -> None:
        serving, trace, connection = self._serving, self._trace, cycle.connection
        version = serving.enter()
        exchange = Exchange(cycle, version)
        connection.on_lost = exchange.lost
        try:
            if trace is not None:
                trace.begin(exchange)
            try:
                await self._endpoint(exchange)(exchange)
            except ClientGone:
                exchange.status = 499
            except Exception as error:  # noqa: BLE001 told to the client, or raised again
                await _fail(exchange, error)
        except asyncio.CancelledError:
            if not exchange.is_gone and not serving.is_draining:
                raise
            # The client has gone, or the grace of the end is over: the upstream was stopped on the way out.
            cycle.task.uncancel()
            if exchange.is_gone:
                exchange.status = 499
            elif not exchange.is_started:
                await exchange.fail(Ending())
        finally:
            connection.on_lost = None
            serving.leave(version)
            took_s = time.monotonic() - exchange.started_s
            self._metrics.http(exchange.endpoint, exchange.status, took_s)
            if version.settings.server.access_log:
                _log_access(exchange, took_s)
            if trace is not None:
                trace.end(exchange)

    def _endpoint(self, exchange: Exchange) -> Endpoint:
        version, path, method = exchange.version, exchange.path, exchange.method
        route = self._exact.get(path) or self._other(exchange, path)
        if route is None:
            known = ", ".join([*self._exact, *(f"{prefix}ID" for prefix in self._prefixes)])
            raise _NotFound(f"there is nothing at {path[:200]!r}.", hint=f"Paths: {known}.")
        exchange.route = route
        endpoint = route.methods.get("GET" if method == "HEAD" else method)
        if endpoint is None:
            exchange.headers.append((b"allow", ", ".join(route.methods).encode()))
            raise _MethodNotAllowed(f"{path} does not take {method[:20]}.", hint=f"Use {' or '.join(route.methods)}.")
        self._refuse_other_sites(exchange)
        if route.scope is not None and self._asks_keys and not version.is_open:
            exchange.caller = version.keys.caller(exchange.all_fields, time.time())
            exchange.caller.require(route.scope)
        if self._serving.in_flight > version.settings.server.max_in_flight and not route.is_light:
            raise Busy("too many requests are being answered at once.", hint="Try again in a moment.")
        return endpoint

    def _other(self, exchange: Exchange, path: str) -> Route | None:
        if path != "/" and path.endswith("/"):
            return self._exact.get(path.rstrip("/"))
        head, _, rest = path.rpartition("/")
        # Names of models may hold slashes of their own.
        while head:
            route = self._prefixes.get(f"{head}/")
            if route is not None:
                exchange.rest = rest
                return route
            head, _, more = head.rpartition("/")
            rest = f"{more}/{rest}"
        return None

    def _refuse_other_sites(self, exchange: Exchange) -> None:
        """No web page from elsewhere may use the sidecar.

        A browser tells in ``Origin`` which page sends; one of this machine must send JSON, which a plain form cannot.
        Where nobody is asked for a key, a page could point a name of its own at this machine (DNS rebinding): there
        the ``Host`` must be this machine's too.
        """
        fields = exchange.fields
        host, origin = fields.get(b"host"), fields.get(b"origin")
        is_private = exchange.version.is_private or not self._asks_keys
        if is_private and host is not None and host not in self._own_hosts:
            if not is_loopback(_host(b"//" + host)):
                raise _OtherSite(
                    f"the host {host[:100].decode('latin-1')!r} is not this machine.",
                    hint="Call it as localhost, or set up keys (server.keys).",
                )
            if len(self._own_hosts) < _MAX_HOSTS:
                self._own_hosts.add(host)
        if origin is None or exchange.method not in ("POST", "PUT", "DELETE"):
            return
        if not is_loopback(_host(origin)):
            raise _OtherSite("web pages from other places may not use the sidecar.", hint="Call it from your server.")
        if not fields.get(b"content-type", b"").strip().lower().startswith(b"application/json"):
            raise UnsupportedMediaType(
                "the body must be sent as JSON.", hint="Set the header content-type: application/json."
            )


class _NotFound(RequestError):
    status = 404
    code = "not_found"


class _MethodNotAllowed(RequestError):
    status = 405
    code = "method_not_allowed"


class _OtherSite(RequestError):
    status = 403
    code = "cross_site_request"


async def _fail(exchange: Exchange, error: Exception) -> None:
    if not isinstance(error, RouterError):
        # The last line of defence: the client gets the error shape, the log the traceback, and nobody the prompt.
        log.error("request %s failed unexpectedly", exchange.request_id.decode(), exc_info=error)
    if exchange.is_started:
        raise error
    await exchange.fail(error if isinstance(error, RouterError) else unforeseen())


def _host(origin: bytes) -> str:
    try:
        return urlsplit(origin.decode("latin-1")).hostname or ""
    except ValueError:
        return ""


def _log_access(exchange: Exchange, took_s: float) -> None:
    fields = {
        "request_id": exchange.request_id.decode(),
        "status": exchange.status,
        "took_ms": round(took_s * 1000.0, 2),
        **exchange.facts(),
    }
    log.info("%s %s", exchange.method, exchange.endpoint, extra={"fields": fields})
