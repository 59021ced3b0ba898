"""Recorded or written requests decided under two policies, each request's signals read once. Nothing is called.

Rows go to worker processes in chunks and come back as small values, in order.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from multiprocessing.pool import AsyncResult
from typing import Any

import msgspec

from ..errors import RouterError
from ..selection.beside import mirror_loss
from ..selection.redecide import request_of
from ..types import Decision, Request, Signal, Signals, Snapshot
from ..wire.openai import read_row
from .bench import Able, Bench, Party, compiled_policy
from .recorded import is_record, read_record

__all__ = ["Compared", "Side", "compare_rows"]

CHUNK = 256


class Side(msgspec.Struct, frozen=True):
    """What one policy makes of a request: ``place`` (``local``, ``llm/small``, ``refuse``, ``fails`` ...), the model,
    who decided, and the estimates (USD, milliseconds, quality 0..1; None is unknown). ``fallbacks`` in their order;
    ``copies`` are to be expected of it (the sum of the shares), for ``copies_usd``."""

    place: str
    model: str | None
    rule: str
    usd: float | None
    latency_ms: float | None
    quality: float | None
    fallbacks: tuple[str, ...] = ()
    copies: float = 0.0
    copies_usd: float | None = 0.0


class Compared(msgspec.Struct, frozen=True):
    """A row under both policies; ``error`` says why it could not be read, ``missing`` which signals a record lacks
    that the new policy asks for. ``is_copy``: it is the record of a copy, which is no request."""

    row: int
    old: Side | None = None
    new: Side | None = None
    error: str | None = None
    missing: tuple[str, ...] = ()
    is_copy: bool = False


def compare_rows(
    rows: Iterable[bytes | RouterError], old: str, new: str, open_bench: Callable[[], Bench], *, processes: int = 1
) -> Iterator[Compared]:
    """Each row under ``old`` and ``new``, in order. ``open_bench`` is called once in each process."""
    chunks = _chunks(rows)
    if processes <= 1:
        worker = _Worker(old, new, open_bench)
        for chunk in chunks:
            yield from worker(chunk)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, _start, (old, new, open_bench)) as pool:
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


class _Absent:
    """Stands for the detector of a signal that was not recorded, and notes that it is asked for."""

    slow = False

    def __init__(self, name: str, asked: set[str]) -> None:
        self.provides, self._asked = (name,), asked

    def __call__(self, signals: Signals, /) -> Mapping[str, Signal[Any]]:
        self._asked.update(self.provides)
        return {}


class _Worker:
    """Decides rows in one process."""

    def __init__(self, old: str, new: str, open_bench: Callable[[], Bench]) -> None:
        bench = open_bench()
        self.old, self.new = (bench.party(compiled_policy(name)) for name in (old, new))
        self.apart = self.new.differs(self.old)
        self.asked: set[str] = set()
        self.absent = {name: _Absent(name, self.asked) for name in self.new.detectors}

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
        signals = self.old.observe(request)
        able: Able = {}
        state = Snapshot(id=str(at), now_s=0.0)
        old = self._side(partial(self.old.decide, signals, state, able=able))
        if self.apart:
            shared = {name: signal for name, signal in signals.known().items() if name not in self.apart}
            signals = Signals.given(request, shared, self.new.detectors)
        return Compared(at, old, self._side(partial(self.new.decide, signals, state, able=able)))

    def _recorded(self, at: int, row: bytes) -> Compared:
        record = read_record(row)
        if record.decision.snapshot is not None and record.decision.id != record.decision.snapshot.id:
            return Compared(at, is_copy=True)
        if record.asked is None or record.decision.snapshot is None:
            raise RouterError("the record does not say what was asked.", hint="It is of an older version.")
        request, known, snapshot = request_of(record.asked), record.decision.signals, record.decision.snapshot
        made_under = record.decision.policy.hash
        of_old, of_new = (
            _recorded_for(known, party, other, made_under)
            for party, other in ((self.old, self.new), (self.new, self.old))
        )
        able: Able = {}
        old = self._side(partial(self.old.decide, Signals.given(request, of_old), snapshot, able=able))
        self.asked.clear()
        signals = Signals.given(request, of_new, self.absent)
        new = self._side(partial(self.new.decide, signals, snapshot, able=able))
        return Compared(at, old, new, missing=tuple(sorted(self.asked & self.new.policy.reads)))

    def _side(self, decide: Callable[[], Decision]) -> Side:
        try:
            decision = decide()
        except RouterError as error:
            return Side("fails", None, type(error).__name__, None, None, None)
        target, estimate = decision.target, decision.estimate
        place = f"llm/{target.tier}" if target.kind == "llm" else target.kind
        rule = next((fired.id for fired in decision.verdict.rules if fired.decisive), "otherwise")
        return Side(
            place,
            target.model,
            rule,
            estimate.usd,
            estimate.latency_ms,
            estimate.quality,
            decision.fallbacks,
            *_copies(decision),
        )


def _recorded_for(
    known: Mapping[str, Signal[Any]], party: Party, other: Party, made_under: str
) -> Mapping[str, Signal[Any]]:
    """The signals of a record that hold for ``party``: its own ones only where they were defined as they are now."""
    own = party.policy.file.signals.keys()
    if not own or party.policy.hash == made_under:
        return known
    lost = own & party.differs(other) if other.policy.hash == made_under else own
    return {name: signal for name, signal in known.items() if name not in lost}


def _copies(decision: Decision) -> tuple[float, float | None]:
    """How many copies are to be expected of a request so decided, and for how many USD (None: a price is unknown)."""
    sent = [
        each
        for each in decision.verdict.mirror
        if decision.target.kind != "refuse" and mirror_loss(each.to, decision.candidates, decision.target.model) is None
    ]
    if not sent:
        return 0.0, 0.0
    price = {each.model: each.estimate.usd for each in decision.candidates}
    costs = [price.get(each.to) for each in sent]
    known = [each.share * usd for each, usd in zip(sent, costs, strict=True) if usd is not None]
    return sum(each.share for each in sent), sum(known) if len(known) == len(sent) else None


_state: dict[str, Any] = {}  # of a worker process: what its initializer made


def _start(old: str, new: str, open_bench: Callable[[], Bench]) -> None:
    _state["worker"] = _Worker(old, new, open_bench)


def _work(chunk: list[tuple[int, bytes | str]]) -> list[Compared]:
    found: list[Compared] = _state["worker"](chunk)
    return found
