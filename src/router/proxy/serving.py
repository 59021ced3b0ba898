"""Which state of config, policies and keys serves, and how the next one takes over.

A reload reads and assembles everything anew, beside what serves; only when all of it is right does it take over, in one
assignment. Requests finish on the version that they began with; an old version is closed when its last request ends.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from ..assemble import assemble, assemble_embeddings
from ..config import Settings, read_environment
from ..embedding import Embeddings
from ..engine import Engine
from ..errors import ConfigError, RouterError
from ..inputs import unpacked
from ..state.ids import Ids
from ..telemetry import log
from ..wire.jsonbody import Limits
from .auth import KeyRing
from .listening import is_loopback
from .reader import Read, Reading, Source

__all__ = ["Serving", "Version", "fingerprint"]

# Set up once, when the process starts: who asks for another value must restart it.
_FIXED = ("host", "port", "admin", "tls", "max_connections", "max_header_bytes", "header_timeout_s", "body_timeout_s",
          "send_timeout_s", "drain_s", "log", "otel")  # fmt: skip


_LOOK_AGAIN_S = 5.0


class Version:
    """One state: ``name`` is a hash of all its files, ``number`` counts from 1 in this process.

    ``is_open``: nobody is asked for a key; ``is_private``: since only this machine can reach it.
    """

    __slots__ = (
        "embeddings",
        "engine",
        "in_flight",
        "is_open",
        "is_private",
        "is_retired",
        "keys",
        "limits",
        "loaded_s",
        "name",
        "new_id",
        "number",
        "settings",
    )

    def __init__(
        self, settings: Settings, engine: Engine, embeddings: Embeddings, keys: KeyRing, *, name: str, number: int
    ) -> None:
        self.settings, self.engine, self.embeddings, self.keys = settings, engine, embeddings, keys
        self.name, self.number = name, number
        self.new_id = Ids()
        self.loaded_s = time.time()
        self.is_open = keys.is_open
        self.is_private = self.is_open and is_loopback(settings.server.host)
        server = settings.server
        self.limits = Limits(
            max_bytes=server.max_body_bytes, max_depth=server.max_depth, max_messages=server.max_messages
        )
        self.in_flight = 0
        self.is_retired = False


class Serving:
    """The version that serves, of what was ``first`` read of ``source``. ``in_flight`` counts requests over all
    versions; ``on_change`` hears of each reload whether it took over, and warms what did.

    Raises:
        ConfigError: the first version cannot be assembled.
    """

    def __init__(self, source: Source, first: Read) -> None:
        self._source = source
        self._lock = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()
        self.on_change: Callable[[bool], None] = _nothing
        self.in_flight = 0
        self.is_draining = False
        self.current = self._load(first, None)
        self._seen = fingerprint(self._files())

    def enter(self) -> Version:
        """The version for a request that begins now; give it back with :meth:`leave`."""
        version = self.current
        version.in_flight += 1
        self.in_flight += 1
        return version

    def leave(self, version: Version) -> None:
        """A request of ``version`` has ended."""
        version.in_flight -= 1
        self.in_flight -= 1
        if version.is_retired and not version.in_flight:
            self._retire(version)

    async def check_health(self) -> None:
        """Have the serving version ask its servers for their health, for ever."""
        while True:
            prober = self.current.engine.prober
            if prober is not None:
                try:
                    await prober.check()
                except Exception:  # noqa: BLE001 the next check may find what this one could not
                    log.exception("the health checks failed")
            await asyncio.sleep(_LOOK_AGAIN_S if prober is None else prober.every_s)

    async def reload(self) -> Version:
        """Read everything again, and serve it if it is right; the version that then serves.

        Raises:
            RouterError: it is wrong, and the old version goes on.
        """
        async with self._lock:
            old = self.current
            self._seen = fingerprint(self._files())
            try:
                new = await asyncio.to_thread(lambda: self._load(Reading(self._source).result(), old))
            except RouterError as error:
                log.error("the reload is refused, %s goes on: %s", old.name, error)
                self.on_change(False)
                raise
            except Exception:
                log.exception("the reload failed, %s goes on", old.name)
                self.on_change(False)
                raise
            self.current = new
            old.is_retired = True
            if not old.in_flight:
                self._retire(old)
            log.info("version %s serves, after %s", new.name, old.name)
            self.on_change(True)
            return new

    async def watch(self, *, every_s: float = 1.0) -> None:
        """Reload whenever a file of the config has changed and stayed so for one look; runs until cancelled."""
        settled = self._seen
        while True:
            await asyncio.sleep(every_s)
            if not self.current.settings.server.watch:
                continue
            now = await asyncio.to_thread(lambda: fingerprint(self._files()))
            if now != self._seen and now == settled:
                try:
                    await self.reload()
                except Exception:  # noqa: BLE001 told by reload; what is watched may be right again at the next change
                    self._seen = now
            settled = now

    async def aclose(self) -> None:
        """Close what serves: connections, and the ledger when it is written out."""
        for task in list(self._closing):
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self.current.embeddings.aclose()
        await self.current.engine.aclose()

    def _load(self, read: Read, old: Version | None) -> Version:
        inputs = unpacked(read.inputs)
        settings = inputs.settings
        if old is not None:
            _refuse_restarts(old.settings, settings)
        keys, environment = KeyRing(read.callers()), read_environment()
        keep = None if old is None else old.engine
        engine = assemble(settings, environment, inputs=inputs, keep=keep, limits=keys.limits)
        embeddings = assemble_embeddings(inputs, environment, engine)
        number = 1 if old is None else old.number + 1
        name = _hash(_files(self._source, settings), settings, engine)
        return Version(settings, engine, embeddings, keys, name=name, number=number)

    def _files(self) -> list[Path]:
        return _files(self._source, self.current.settings)

    def _retire(self, version: Version) -> None:
        async def close() -> None:
            # The new version goes on with the books and the ledger of the old one; only the connections are its own.
            await version.embeddings.aclose()
            await version.engine.retire()

        closing = asyncio.ensure_future(close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)


def fingerprint(paths: Iterable[Path]) -> tuple[tuple[str, int, int], ...]:
    """What is told of the files without reading them: name, time of change, size; missing ones are left out."""
    found = []
    for path in paths:
        try:
            stat = path.stat()
        except OSError:
            continue
        found.append((str(path), stat.st_mtime_ns, stat.st_size))
    return tuple(sorted(found))


def _files(source: Source, settings: Settings) -> list[Path]:
    """The config, the keys, the TLS files, and every YAML file beside the config and its policy (what it extends)."""
    directory = Path(settings.directory)
    found = [Path(source.path)] if source.path is not None else []
    server = settings.server
    named = [server.keys, *((server.tls.certificate, server.tls.key) if server.tls is not None else ())]
    found += [directory / name for name in named if name is not None]
    folders = {directory} if source.path is not None else set()
    if settings.policy.endswith((".yaml", ".yml")):
        folders.add((directory / settings.policy).parent)
    for folder in folders:
        found += [path for path in folder.glob("*.y*ml") if path.suffix in (".yaml", ".yml")]
    for written in settings.local_models.paths:
        found += list((directory / written).glob("**/card.json"))
    return sorted(set(found))


def _hash(paths: Iterable[Path], settings: Settings, engine: Engine) -> str:
    digest = hashlib.sha256(msgspec.json.encode(settings))
    policy = engine.policies[engine.default_policy]
    digest.update(f"{policy.hash} {engine.fleet.hash}".encode())
    for path in paths:
        if path.suffix in (".yaml", ".yml") and path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _refuse_restarts(old: Settings, new: Settings) -> None:
    changed = [f"server.{name}" for name in _FIXED if getattr(old.server, name) != getattr(new.server, name)]
    changed += [
        name
        for name in ("budgets", "state", "ledger", "cache", "directory")
        if getattr(old, name) != getattr(new, name)
    ]
    if old.dispatch.shared_health != new.dispatch.shared_health:
        changed.append("dispatch.shared_health")
    if (old.server.keys is None) != (new.server.keys is None):
        changed.append("server.keys")
    if changed:
        raise ConfigError(
            f"{', '.join(changed)} cannot change while the sidecar runs.", hint="Restart it to have them changed."
        )


def _nothing(_: bool) -> None:
    return
