"""Recorded or written requests decided under two policies, each request's signals read once. Nothing is called.

Rows go to worker processes in chunks and come back as small values, in order.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from multiprocessing.pool import AsyncResult
from pathlib import Path
from typing import Any

import msgspec

from ..assemble import PolicyShelf
from ..config import Settings
from ..engine import Engine
from ..errors import RouterError
from ..policy.compile import CompiledPolicy
from ..policy.judge import judge
from ..selection.candidates import candidates
from ..selection.choose import choose
from ..selection.redecide import redecide, request_of
from ..types import Candidate, Decision, Need, PolicyRef, Request, Snapshot
from ..wire.openai import read_row
from .recorded import is_record, read_record

__all__ = ["Compared", "OpenEngine", "Side", "compare_rows", "compiled_policy"]

CHUNK = 256


class Side(msgspec.Struct, frozen=True):
    """What one policy makes of a request: ``place`` (``local``, ``llm/small``, ``refuse``, ``fails`` ...), the model,
    who decided, and the estimates (USD, milliseconds, quality 0..1; None is unknown)."""

    place: str
    model: str | None
    rule: str
    usd: float | None
    latency_ms: float | None
    quality: float | None


class Compared(msgspec.Struct, frozen=True):
    """A row under both policies; ``error`` says why it could not be read, ``missing`` which signals a record lacks."""

    row: int
    old: Side | None = None
    new: Side | None = None
    error: str | None = None
    missing: tuple[str, ...] = ()


def compiled_policy(name: str) -> CompiledPolicy:
    """A policy by name or file.

    Raises:
        ConfigError: it is missing or wrong.
    """
    shelf = PolicyShelf(name, Path())
    return shelf[shelf.default]


def compare_rows(
    rows: Iterable[bytes | RouterError], old: str, new: str, open_engine: Callable[[], Engine], *, processes: int = 1
) -> Iterator[Compared]:
    """Each row under ``old`` and ``new``, in order. ``open_engine`` is called once in each process."""
    chunks = _chunks(rows)
    if processes <= 1:
        worker = _Worker(old, new, open_engine)
        for chunk in chunks:
            yield from worker(chunk)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, _start, (old, new, open_engine)) as pool:
        # Rows are read here, not in the pool's thread, and no faster than they are decided.
        waiting: deque[AsyncResult[list[Compared]]] = deque()
        for chunk in chunks:
            waiting.append(pool.apply_async(_work, (chunk,)))
            if len(waiting) > 2 * processes:
                yield from waiting.popleft().get()
        while waiting:
            yield from waiting.popleft().get()


def _chunks(rows: Iterable[bytes | RouterError]) -> Iterator[list[tuple[int, bytes | str]]]:
    numbered = ((at, row if isinstance(row, bytes) else row.message) for at, row in enumerate(rows, 1))
    while chunk := list(islice(numbered, CHUNK)):
        yield chunk


class _Worker:
    """Decides rows in one process."""

    def __init__(self, old: str, new: str, open_engine: Callable[[], Engine]) -> None:
        self.old, self.new = compiled_policy(old), compiled_policy(new)
        self.engine = open_engine()

    def __call__(self, chunk: list[tuple[int, bytes | str]]) -> list[Compared]:
        return [self._row(at, row) for at, row in chunk]

    def _row(self, at: int, row: bytes | str) -> Compared:
        if isinstance(row, str):
            return Compared(at, error=row)
        try:
            return self._recorded(at, row) if is_record(row) else self._written(at, read_row(row))
        except RouterError as error:
            return Compared(at, error=error.message)

    def _written(self, at: int, request: Request) -> Compared:
        signals = self.engine.observe(request)
        snapshot = Snapshot(id=str(at), now_s=0.0, models=self.engine.fleet.hash)
        able: dict[Any, tuple[Candidate, ...]] = {}

        def decide(policy: CompiledPolicy) -> Decision:
            if signals.late("task"):
                signals.fetch(("task",))
            verdict = judge(policy, signals, request)
            while isinstance(verdict, Need):
                signals.fetch(verdict.signals)
                verdict = judge(policy, signals, request)
            signals.fetch(("task", "tokens", "local"))
            # Who is able hangs on what binds, not on what is recommended.
            bound = (verdict.forbid, verdict.require, verdict.budget, verdict.max_error)
            found = able.get(bound)
            if found is None:
                found = able[bound] = candidates(request, signals, verdict, self.engine.fleet, snapshot)
            ref = PolicyRef(name=policy.name, hash=policy.hash)
            return choose(request, signals, verdict, found, self.engine.fleet, ref, snapshot)

        old, new = (self._side(partial(decide, each)) for each in (self.old, self.new))
        return Compared(at, old, new)

    def _recorded(self, at: int, row: bytes) -> Compared:
        record = read_record(row)
        if record.asked is None or record.decision.snapshot is None:
            raise RouterError("the record does not say what was asked.", hint="It is of an older version.")
        request, known, snapshot = request_of(record.asked), record.decision.signals, record.decision.snapshot
        fleet = self.engine.fleet
        old, new = (
            self._side(partial(redecide, request, known, each, fleet, snapshot)) for each in (self.old, self.new)
        )
        # What the new policy asks for and the old one never read.
        missing = tuple(sorted(name for name in self.new.reads if name not in known and name in self.engine.detectors))
        return Compared(at, old, new, missing=missing)

    def _side(self, decide: Callable[[], Decision]) -> Side:
        try:
            decision = decide()
        except RouterError as error:
            return Side("fails", None, type(error).__name__, None, None, None)
        target, estimate = decision.target, decision.estimate
        place = f"llm/{target.tier}" if target.kind == "llm" else target.kind
        rule = next((fired.id for fired in decision.verdict.rules if fired.decisive), "otherwise")
        return Side(place, target.model, rule, estimate.usd, estimate.latency_ms, estimate.quality)


_state: dict[str, Any] = {}  # of a worker process: what its initializer made


def _start(old: str, new: str, open_engine: Callable[[], Engine]) -> None:
    _state["worker"] = _Worker(old, new, open_engine)


def _work(chunk: list[tuple[int, bytes | str]]) -> list[Compared]:
    found: list[Compared] = _state["worker"](chunk)
    return found


class OpenEngine(msgspec.Struct, frozen=True):
    """A way to open an engine that can be sent to another process: the settings' file, None for the built-in ones."""

    config: str | None

    def __call__(self) -> Engine:
        from ..api import Router

        router = Router.from_config(self.config) if self.config is not None else Router(Settings())
        return router.engine
