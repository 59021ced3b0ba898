"""Settings -> where money, records and answers are kept: memory, files, Redis or PostgreSQL.

Optional packages are named as import strings and imported where the settings ask for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from .catalogue import Deployment
from .config import BudgetSettings, LedgerSettings, SemanticSettings, Settings, StateSettings, credential
from .config.words import Located
from .document import did_you_mean
from .errors import ConfigError
from .state.budget import Budgets
from .state.cache import AnswerCache, CacheStore, MemoryCache
from .state.health import MemoryHealth
from .state.jsonl import JsonlSink
from .state.ledger import LedgerWriter
from .state.limits import Limit
from .state.memory import MemoryLedger, MemoryStore
from .state.semantic import SemanticIndex
from .state.shared_health import SharedHealth
from .state.store import Health, Ledger, RecordSink, Store, to_nano
from .state.worker import Direct, Runner, StoreWorker

__all__ = [
    "budgets_of",
    "cache_of",
    "feedback_path",
    "ledger_of",
    "open_sink",
    "open_store",
    "shared_health_of",
]

_REDIS = ("redis://", "rediss://", "unix://")
_POSTGRES = ("postgresql://", "postgres://")


def budgets_of(
    settings: Settings,
    deployments: Sequence[Deployment],
    *,
    policies: Sequence[str],
    more: Sequence[BudgetSettings] = (),
    keep: Budgets | None,
) -> Budgets:
    """The budgets that ``settings`` set, and ``more``; in the store of ``keep`` where that is given.

    Raises:
        ConfigError: one names no deployment or none of the ``policies``, their store has a wrong file or address, or
            ``keep`` has none.
        MissingExtra: the client of their store is not installed.
    """
    names = [deployment.name for deployment in deployments]
    for index, each in enumerate(settings.budgets):
        for what, name, known in (("deployment", each.model, names), ("policy", each.policy, policies)):
            if name is not None and name not in ("*", *known):
                close = did_you_mean(name, known)
                guess = f'Did you mean "{close}"? ' if close else ""
                raise ConfigError(
                    f"budgets[{index}] names the unknown {what} {name!r}.",
                    hint=f"{guess}Known: {', '.join(sorted(known))}.",
                )
    limits = [_limit(each) for each in (*settings.budgets, *more)]
    if keep is not None:
        if limits and not keep.limits and not settings.state.is_memory:
            raise ConfigError("the first limits of keys need a store that is not open.", hint="Restart the sidecar.")
        return keep.renewed(limits, models=names)
    return Budgets(
        limits,
        _runner(settings, has_limits=bool(limits)),
        models=names,
        refuses_when_down=settings.state.on_error == "refuse",
    )


def _limit(each: BudgetSettings) -> Limit:
    if each.usd is not None:
        unit, amount = "usd", to_nano(each.usd)
    else:
        unit, amount = ("requests", each.requests) if each.requests is not None else ("tokens", each.tokens or 0)
    return Limit(
        unit=unit,  # type: ignore[arg-type]
        amount=amount,
        window=each.window,
        zone=each.timezone,
        tenant=each.tenant,
        key=each.key,
        policy=each.policy,
        model=each.model,
        is_hard=each.mode == "hard",
    )


def _runner(settings: Settings, *, has_limits: bool) -> Runner:
    state = settings.state
    if not has_limits or state.is_memory:
        return Direct(MemoryStore())
    # Opened once here, so that a wrong file or address is an error of the start and not of a request.
    opened = [open_store(state, Path(settings.directory))]

    def reopen() -> Store:
        return opened.pop() if opened else open_store(state, Path(settings.directory))

    return StoreWorker(reopen, timeout_s=state.timeout / 1000.0, beat_s=state.lease / 4000.0)


def open_store(state: StateSettings, directory: Path) -> Store:
    """The store of budgets that ``state`` names.

    Raises:
        ConfigError: a wrong file or address. MissingExtra: its client is not installed.
    """
    lease_s, timeout_s, charge = state.lease / 1000.0, state.timeout / 1000.0, state.lost == "charge"
    if state.path is not None:
        found: Store = _load("sqlite:SqliteStore")(directory / state.path, lease_s=lease_s, charge_lost=charge)
        return found
    url = _address(state, "state")
    if url.startswith(_REDIS):
        made: Store = _load("redis:RedisStore")(
            url, prefix=state.prefix, lease_s=lease_s, charge_lost=charge, timeout_s=timeout_s
        )
        return made
    if url.startswith(_POSTGRES):
        kept: Store = _load("postgres:PostgresStore")(url, lease_s=lease_s, charge_lost=charge, timeout_s=timeout_s)
        return kept
    raise ConfigError(
        "state.url is no address of a store.", hint="Write redis://HOST:6379/0 or postgresql://HOST/NAME."
    )


def ledger_of(settings: Settings) -> Ledger:
    """The ledger that ``settings`` describe. Raises as :func:`open_sink`."""
    ledger, directory = settings.ledger, Path(settings.directory)
    if ledger.is_memory:
        return MemoryLedger(ledger.keep)
    return LedgerWriter(
        open_sink(ledger, directory),
        spool=directory / ledger.spool,
        keep=ledger.keep,
        keep_s=None if ledger.keep_days is None else ledger.keep_days * 86_400.0,
        refuses_when_down=ledger.on_error == "refuse",
    )


def open_sink(ledger: LedgerSettings, directory: Path) -> RecordSink:
    """Where the records are that ``ledger`` describes.

    Raises:
        ConfigError: a wrong file or address, or none. MissingExtra: its client is not installed.
    """
    if ledger.path is not None:
        path = directory / ledger.path
        if path.suffix == ".jsonl":
            return JsonlSink(path, max_bytes=ledger.max_file_bytes)
        found: RecordSink = _load("sqlite:SqliteSink")(path)
        return found
    if ledger.is_memory:
        raise ConfigError("the ledger is kept in memory only.", hint="Set ledger.path, e.g. to ledger.jsonl.")
    url = _address(ledger, "ledger")
    if not url.startswith(_POSTGRES):
        raise ConfigError("ledger.url is no address of PostgreSQL.", hint="Write postgresql://HOST/NAME.")
    made: RecordSink = _load("postgres:PostgresSink")(url)
    return made


def feedback_path(ledger: LedgerSettings, directory: Path) -> Path | None:
    """The file of users' verdicts: beside the ledger's file, or beside its spool where the ledger is a server; None for
    one in memory."""
    if ledger.is_memory:
        return None
    return (directory / (ledger.path or ledger.spool)).with_suffix(".feedback.jsonl")


def cache_of(settings: Settings) -> AnswerCache | None:
    """The cache of answers that ``settings`` ask for, None without one.

    Raises:
        ConfigError: a wrong file or address. MissingExtra: its client is not installed.
    """
    cache, directory = settings.cache, Path(settings.directory)
    if cache is None:
        return None
    if cache.path is not None:
        store: CacheStore = _load("sqlite:SqliteCache")(directory / cache.path)
    elif cache.is_memory:
        store = MemoryCache(max_bytes=cache.max_bytes)
    else:
        url = _address(cache, "cache")
        if not url.startswith(_REDIS):
            raise ConfigError("cache.url is no address of Redis.", hint="Write redis://HOST:6379/0.")
        store = _load("redis:RedisCache")(url, prefix=cache.prefix)
    return AnswerCache(
        store, ttl_s=cache.ttl / 1000.0, max_entry_bytes=cache.max_entry_bytes, semantic=_semantic(cache.semantic)
    )


def shared_health_of(settings: Settings, health: Health, clock: Callable[[], float]) -> SharedHealth | None:
    """What keeps ``health`` in step with that of other replicas, None where that is not asked for.

    Raises:
        ConfigError: a wrong address. MissingExtra: the client of Redis is not installed.
    """
    shared = settings.dispatch.shared_health
    if shared is None or not isinstance(health, MemoryHealth):
        return None
    url = _address(shared, "dispatch.shared_health")
    if not url.startswith(_REDIS):
        raise ConfigError("dispatch.shared_health.url is no address of Redis.", hint="Write redis://HOST:6379/0.")
    board = _load("redis_health:RedisBoard")(url, prefix=shared.prefix)
    return SharedHealth(health, board, every_s=shared.every / 1000.0, clock=clock)


def _semantic(settings: SemanticSettings | None) -> SemanticIndex | None:
    if settings is None:
        return None
    encoder = import_module(".local.static", __package__).shipped_encoder()
    return SemanticIndex(lambda text: encoder.embed([text])[0], threshold=settings.threshold)


def _address(place: Located, what: str) -> str:
    if place.url is not None:
        return place.url
    found = credential(place.url_env or "")
    if found is None:
        raise ConfigError(
            f"{what}.url_env names the variable {place.url_env}, which is not set.", hint="Set it to an address."
        )
    return found


def _load(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(f".state.{module}", __package__), name)
