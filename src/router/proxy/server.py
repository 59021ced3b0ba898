"""The sidecar's process: where it listens, its workers, its end. uvicorn does the HTTP."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from multiprocessing.connection import wait
from multiprocessing.synchronize import Semaphore

import uvicorn

from ..assemble import assemble
from ..config import Settings, read_environment
from ..engine import Engine
from ..errors import ConfigError
from .app import App, is_loopback
from .endpoints import app

__all__ = ["serve"]

GRACE_S = 20


def serve(settings: Settings, *, announce: Callable[[str], None], workers: int = 1, allow_public: bool = False) -> None:
    """Listen on ``settings.server`` until SIGTERM or SIGINT; running requests then get 20 seconds to finish.

    ``announce`` is told the address once the sidecar answers there; port 0 takes a free one. The first worker that
    dies ends the others, so that whoever supervises the sidecar sees it.

    Raises:
        ConfigError: the address is taken or unknown; a public address without ``allow_public``; several workers with
            spending limits, which one process keeps; a config, policy or model file is wrong.
    """
    host, port = settings.server.host, settings.server.port
    if not allow_public and not is_loopback(host):
        raise ConfigError(
            f"{host} can be reached from other machines, and the sidecar would answer anybody.",
            hint="Listen on 127.0.0.1, or say --allow-public behind a firewall or gateway of your own.",
        )
    if workers > 1 and settings.spend_limits:
        raise ConfigError(
            "spend_limits are kept by each process on its own, so several workers would overspend.",
            hint="Use one worker, or remove spend_limits.",
        )
    with _listen(host, port) as listener:
        # Assembled before anything listens, so that a wrong file is an error of the command and not of a request.
        application, engine = _assembled(settings)
        if workers == 1:
            _run(application, engine.warm, listener, announce)
        else:
            _supervise(settings, listener, workers, announce)


def _assembled(settings: Settings) -> tuple[App, Engine]:
    """The application of one process, and the engine in it."""
    engine = assemble(settings, read_environment())
    return app(engine, max_body_bytes=settings.server.max_body_bytes), engine


class _Server(uvicorn.Server):
    """Tells when it answers, and warms up what the first hosted call needs while it answers already."""

    def __init__(
        self, config: uvicorn.Config, *, warm: Callable[[], Awaitable[None]], started: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._warm, self._tell_started = warm, started
        self._warming: asyncio.Future[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._warming = asyncio.ensure_future(self._warm())
            self._tell_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._warming is not None:
            self._warming.cancel()
            with suppress(asyncio.CancelledError):
                await self._warming
        await super().shutdown(sockets)


def _run(
    application: App, warm: Callable[[], Awaitable[None]], listener: socket.socket, announce: Callable[[str], None]
) -> None:
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    config = uvicorn.Config(
        application,
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    # uvicorn ends in order on these signals and then raises them again, which must not turn the end into a crash.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    _Server(config, warm=warm, started=lambda: announce(_address(listener))).run(sockets=[listener])


def _supervise(settings: Settings, listener: socket.socket, workers: int, announce: Callable[[str], None]) -> None:
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Semaphore(0)
    processes = [
        spawn.Process(target=_work, args=(settings, listener, ready), name=f"router-{number}")
        for number in range(workers)
    ]

    is_stopping = False

    def stop(*_: object) -> None:
        # Once only: a worker that is already ending would die of a second signal.
        nonlocal is_stopping
        if not is_stopping:
            is_stopping = True
            for process in processes:
                process.terminate()

    for process in processes:
        process.start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    waiting = workers
    while waiting and all(process.is_alive() for process in processes):
        waiting -= ready.acquire(timeout=0.2)
    if not waiting:
        announce(_address(listener))
        wait([process.sentinel for process in processes])
    was_told = is_stopping
    stop()
    for process in processes:
        process.join()
    if not was_told or any(process.exitcode for process in processes):
        raise ConfigError("a worker ended unexpectedly.", hint="Its log says why.")


def _work(settings: Settings, listener: socket.socket, ready: Semaphore) -> None:
    def tell(_: str) -> None:
        ready.release()

    application, engine = _assembled(settings)
    _run(application, engine.warm, listener, tell)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host.strip("[]"), port))
    except (OSError, OverflowError) as error:
        listener.close()
        said = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(
            f"cannot listen on {host}:{port} ({said}).",
            hint="Choose another --host or --port; port 0 takes a free one.",
        ) from error
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
