"""One process or several: who listens where, who is told of reloads and of the end, whose death ends the others."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import Settings
from ..errors import ConfigError
from .listening import address_of, check_public, listen
from .reader import Read, Reading, Source

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess
    from multiprocessing.synchronize import Semaphore

__all__ = ["serve"]


def serve(
    source: Source,
    reading: Reading,
    *,
    announce: Callable[[str], None],
    workers: int = 1,
    allow_public: bool = False,
) -> None:
    """Listen where the settings of ``source``, which are being read, say until SIGTERM or SIGINT; SIGHUP reloads.

    ``announce`` is told the address once the sidecar answers there, and that of the operators' listener. The first
    worker that dies ends the others, so that whoever supervises the sidecar sees it.

    Raises:
        ConfigError: the address is taken or unknown; a public address without keys; several workers with spending
            limits that each process would keep for itself; a config, policy, keys or model file is wrong.
    """
    if workers == 1:
        from . import server  # noqa: F401 beside the reading, which takes about as long

    from ..inputs import unpacked

    read = reading.result()
    settings = unpacked(read.inputs).settings
    has_limits = bool(settings.budgets) or any(caller.limits for caller in read.callers() or ())
    if workers > 1 and settings.state.is_memory and has_limits:
        raise ConfigError(
            "budgets are kept by each process on its own, so several workers would overspend.",
            hint="Set state.path (SQLite) or state.url (Redis, PostgreSQL), or use one worker.",
        )
    if workers == 1:
        _run_one(source, read, settings, announce, allow_public=allow_public)
        return
    import tempfile

    with tempfile.TemporaryDirectory(prefix="router-metrics-") as shared:
        _supervise(source, read, settings, workers, announce, Path(shared), allow_public=allow_public)


def _run_one(
    source: Source, read: Read, settings: Settings, announce: Callable[[str], None], *, allow_public: bool
) -> None:
    from .server import Process

    check_public(settings, allow_public=allow_public)
    server = settings.server
    listener = listen(server.host, server.port)
    admin = listen(server.admin.host, server.admin.port) if server.admin is not None else None
    # Assembled before anything listens, so that a wrong file is an error of the command and not of a request.
    process = Process(source, read)

    def started() -> None:
        announce(address_of(listener, is_tls=server.tls is not None))
        if admin is not None:
            announce(f"{address_of(admin, is_tls=False)} (metrics, health, reload)")

    process.run(listener, admin, started=started)
    _leave()


def _supervise(
    source: Source,
    read: Read,
    settings: Settings,
    workers: int,
    announce: Callable[[str], None],
    shared: Path,
    *,
    allow_public: bool,
) -> None:
    import multiprocessing
    from multiprocessing.connection import wait

    check_public(settings, allow_public=allow_public)
    server = settings.server
    # Bound and never listened on: it keeps the port, while each worker has a socket of its own there.
    held = [listen(server.host, server.port, is_shared=True)]
    if server.admin is not None:
        held.append(listen(server.admin.host, server.admin.port, is_shared=True))
    places = [place.getsockname()[:2] for place in held]
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Semaphore(0)
    processes: list[BaseProcess] = [
        spawn.Process(target=_work, args=(source, read, places, shared, ready), name=f"router-{number}")
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

    def reload(*_: object) -> None:
        for process in processes:
            if process.pid is not None and process.is_alive():
                os.kill(process.pid, signal.SIGHUP)

    for process in processes:
        process.start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    signal.signal(signal.SIGHUP, reload)
    waiting = workers
    while waiting and all(process.is_alive() for process in processes):
        waiting -= ready.acquire(timeout=0.2)
    if not waiting:
        announce(address_of(held[0], is_tls=server.tls is not None))
        for admin in held[1:]:
            announce(f"{address_of(admin, is_tls=False)} (metrics, health, reload)")
        wait([process.sentinel for process in processes])
    was_told = is_stopping
    stop()
    for process in processes:
        process.join()
    for place in held:
        place.close()
    if not was_told or any(process.exitcode for process in processes):
        raise ConfigError("a worker ended unexpectedly.", hint="Its log says why.")


def _work(source: Source, read: Read, places: list[tuple[str, int]], shared: Path, ready: Semaphore) -> None:
    from .server import Process

    # Until the process can reload, it must not die of being told to.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    sockets: list[socket.socket] = [listen(host, port, is_shared=True) for host, port in places]
    process = Process(source, read, shared=shared)

    def started() -> None:
        ready.release()

    process.run(sockets[0], sockets[1] if len(sockets) > 1 else None, started=started)
    _leave()


def _leave() -> None:
    """End now if a thread still loads what nobody will ask for any more: an import cannot be stopped, and Python would
    wait for it. Everything is closed and written by then."""
    main = threading.main_thread()
    if any(thread is not main and not thread.daemon for thread in threading.enumerate()):
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)
