"""The sidecar's process: where it listens, what it answers, its reloads, its end."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

from ..config import ServerSettings
from ..errors import ConfigError, RouterError
from ..state.feedback import FeedbackLog
from ..stores import feedback_path
from ..telemetry import log
from .admin import admin_routes, health_routes
from .app import App, Tracer
from .decisions import decision_routes
from .document import document_route
from .embeddings import embedding_routes
from .endpoints import answering_routes
from .exchange import Route
from .listener import Listener
from .listening import is_loopback
from .logs import setup_logging
from .memory import give_back, share_arena, trim
from .metrics import Metrics
from .reader import Read, Source
from .serving import Serving

__all__ = ["Process"]

# New objects until the collector looks at them, in place of 700. What a request makes goes without it.
_YOUNG = 50_000
_TRIM_EVERY_S = 10


class Process:
    """One process that serves ``source``, as it was ``first`` read. ``shared``: the folder where it and the other
    workers of a parent tell one another their metrics; None: it is the only one.

    Raises:
        ConfigError: a config, policy, key or model file is wrong; MissingExtra: OpenTelemetry is asked for and missing.
    """

    def __init__(self, source: Source, first: Read, *, shared: Path | None = None) -> None:
        share_arena()
        self.serving = Serving(source, first)
        settings = self.settings = self.serving.current.settings
        setup_logging(settings.server.log, access=settings.server.access_log)
        self._metrics = Metrics(shared)
        self._is_worker = shared is not None
        self._trace: Tracer | None = None
        self._stop_tracing: Callable[[], None] = _nothing
        if settings.server.otel:
            from .tracing import make_tracer

            self._trace, self._stop_tracing = make_tracer(_version())
        self._watching: asyncio.Task[None] | None = None
        self._warming: asyncio.Task[None] | None = None
        self._checking: asyncio.Task[None] | None = None

    def run(self, listener: socket.socket, admin: socket.socket | None, *, started: Callable[[], None]) -> None:
        """Serve until SIGTERM or SIGINT; running requests then get ``server.drain_s`` seconds to finish."""
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(self._serve(listener, admin, started))

    async def _serve(self, listener: socket.socket, admin: socket.socket | None, started: Callable[[], None]) -> None:
        server = self.settings.server
        tls = _tls_context(server, Path(self.settings.directory)) if server.tls is not None else None
        listeners = [Listener(self._app(is_main=True), server)]
        if admin is not None:
            listeners.append(Listener(self._app(is_main=False), server))
        self._note_versions(tls)
        loop = asyncio.get_running_loop()
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload_soon)
        await listeners[0].begin(listener, tls)
        if admin is not None:
            await listeners[1].begin(admin)
        self._warming = asyncio.create_task(self._warm())
        self._watching = asyncio.create_task(self.serving.watch())
        self._checking = asyncio.create_task(self.serving.check_health())
        started()
        ticking = asyncio.create_task(self._tick(listeners))
        await stopping.wait()
        self.serving.is_draining = True
        for task in (self._watching, self._warming, self._checking, ticking):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        for each in listeners:
            await each.end(server.drain_s)
        await self.serving.aclose()
        await asyncio.to_thread(self._stop_tracing)

    async def _warm(self) -> None:
        """Load what the first requests need, and let the collector of garbage pass by what stays: to walk through it
        holds up every request for tens of milliseconds."""
        await self.serving.current.engine.warm()
        give_back()
        gc.freeze()
        gc.set_threshold(_YOUNG)

    def _app(self, *, is_main: bool) -> App:
        """The callers' application, or the operators' where they have a listener of their own."""
        serving, metrics = self.serving, self._metrics
        has_admin = self.settings.server.admin is not None
        # Without keys anybody on this machine could reload: that needs the operators' own listener.
        may_reload = not is_main or not serving.current.keys.is_open
        routes: list[Route] = health_routes(serving)
        if not is_main or not has_admin:
            routes += admin_routes(serving, metrics, is_worker=self._is_worker, may_reload=may_reload)
        if is_main:
            feedback = FeedbackLog(feedback_path(self.settings.ledger, Path(self.settings.directory)))
            routes += [
                *answering_routes(metrics),
                *embedding_routes(metrics),
                *decision_routes(metrics, feedback),
                document_route(),
            ]
        admin = self.settings.server.admin
        asks_keys = is_main or admin is None or not is_loopback(admin.host)
        return App(routes, serving, metrics, asks_keys=asks_keys, trace=self._trace)

    def _note_versions(self, tls: ssl.SSLContext | None) -> None:
        def changed(is_taken: bool) -> None:
            self._metrics.reloaded(is_taken=is_taken)
            current = self.serving.current
            self._metrics.serves(current.name, current.loaded_s)
            self._listen_to_flywheel()
            if is_taken:
                gc.unfreeze()  # the version before must be able to go
                if self._warming is not None:
                    self._warming.cancel()
                self._warming = asyncio.create_task(self._warm())
            if is_taken and tls is not None:
                _load_certificate(tls, current.settings.server, Path(current.settings.directory))

        current = self.serving.current
        self._metrics.serves(current.name, current.loaded_s)
        self._listen_to_flywheel()
        self.serving.on_change = changed

    async def _tick(self, listeners: Sequence[Listener]) -> None:
        """What is done each second."""
        for second in count(1):
            for each in listeners:
                each.tick()
            self._tell()
            if second % _TRIM_EVERY_S == 0:
                trim()
            await asyncio.sleep(1.0)

    def _tell(self) -> None:
        if self._is_worker:
            self._metrics.tell(in_flight=self.serving.in_flight, tasks=len(asyncio.all_tasks()))

    def _listen_to_flywheel(self) -> None:
        flywheel = self.serving.current.engine.flywheel
        if flywheel is not None:
            flywheel.on_event = self._metrics.flywheel

    def _reload_soon(self) -> None:
        async def reload() -> None:
            with suppress(RouterError):
                await self.serving.reload()

        task = asyncio.ensure_future(reload())
        task.add_done_callback(_note_crash)


def _tls_context(server: ServerSettings, directory: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    _load_certificate(context, server, directory)
    if server.tls is not None and server.tls.client_ca is not None:
        path = directory / server.tls.client_ca
        try:
            context.load_verify_locations(path)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"the client CA cannot be read ({error}).", file=str(path)) from error
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _load_certificate(context: ssl.SSLContext, server: ServerSettings, directory: Path) -> None:
    if server.tls is None:
        return
    certificate, key = directory / server.tls.certificate, directory / server.tls.key
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"the certificate and its key cannot be loaded ({error}).",
            file=str(certificate),
            hint="Both are PEM files.",
        ) from error


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("guide-router")
    except PackageNotFoundError:
        return "unknown"


def _note_crash(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("a reload failed", exc_info=task.exception())


def _nothing() -> None:
    return
