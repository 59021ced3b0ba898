"""Metrics of the sidecar. Names stand in ``telemetry.py``; no label has more than a bounded set of values, and none
comes from a request unless it is known from the config.

Several workers tell one another what they have counted through files, so that any of them can tell the sum.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Mapping
from contextlib import suppress
from itertools import chain
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Literal, TypeVar

from .. import telemetry as names
from ..state.agreement import Compared
from ..state.lifecycle import STATES, Transition
from ..types import Attempt, Decision, Fired, Outcome
from .series import Family, Series, text_of

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
MAX_VALUES = 200
OTHER = "other"
_FAST = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_SLOW = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_MOST_NOTED = 256
_ALL: list[Family] = []


def _counter(name: str, what: str, *labels: str) -> Family:
    _ALL.append(Family(name=name, what=what, kind="counter", labels=labels))
    return _ALL[-1]


def _timer(name: str, what: str, bounds: tuple[float, ...], *labels: str) -> Family:
    _ALL.append(Family(name=name, what=what, kind="histogram", labels=labels, bounds=bounds))
    return _ALL[-1]


def _gauge(name: str, what: str, together: Literal["sum", "max", "min"], *labels: str) -> Family:
    _ALL.append(Family(name=name, what=what, kind="gauge", labels=labels, together=together))
    return _ALL[-1]


_REQUESTS = _counter(names.METRIC_REQUESTS, "Requests answered.", "endpoint", "status")
_SECONDS = _timer(names.METRIC_SECONDS, "Time until the answer's end.", _SLOW, "endpoint")
_DECISIONS = _counter(names.METRIC_DECISIONS, "Decisions.", "policy", "target", "task")
_RULES = _counter(names.METRIC_RULES, "Decisions that a rule decided.", "rule")
_DECIDING = _timer(names.METRIC_DECIDING, "Time from the body to the decision.", _FAST)
_OUTCOMES = _counter(names.METRIC_OUTCOMES, "What became of decisions.", "target", "status")
_ATTEMPTS = _counter(names.METRIC_ATTEMPTS, "Calls of models.", "model", "error")
_UPSTREAM = _timer(names.METRIC_UPSTREAM, "Time of one call of a hosted model.", _SLOW, "model")
_TTFT = _timer(names.METRIC_TTFT, "Time to the first token of a stream.", _SLOW, "model")
_TOKENS = _counter(names.METRIC_TOKENS, "Tokens billed.", "model", "kind")
_USD = _counter(names.METRIC_USD, "US dollars billed.", "model")
_TENANT_USD = _counter(names.METRIC_TENANT_USD, "US dollars billed to a tenant that has a key.", "tenant")
_CUTS = _counter(names.METRIC_CUTS, "Streams that ended in an error after they had begun.")
_COMPARED = _counter(names.METRIC_COMPARED, "Local answers compared with hosted ones.", "model", "source", "result")
_MOVES = _counter(names.METRIC_MOVES, "Changes of a local model's state made here.", "model", "to")
_RELOADS = _counter(names.METRIC_RELOADS, "Reloads of config, policies and keys.", "result")
_LOCAL_STATE = _gauge(names.METRIC_LOCAL_STATE, "1 for the state that a local model is in.", "max", "model", "state")
_IN_FLIGHT = _gauge(names.METRIC_IN_FLIGHT, "Requests in flight.", "sum")
_TASKS = _gauge(names.METRIC_TASKS, "Tasks of asyncio.", "sum")
_VERSION = _gauge(names.METRIC_VERSION, "1 for the version that serves.", "max", "version")
_LOADED = _gauge(names.METRIC_LOADED, "When that version was loaded, Unix time.", "min")
_UNHEALTHY = _gauge(names.METRIC_UNHEALTHY, "1 while a deployment's breaker is open.", "max", "model")


class Metrics:
    """What is counted and timed. ``render`` gives the text that Prometheus reads.

    ``shared``: the folder where this process and others tell one another theirs; None: there are no others.
    """

    def __init__(self, shared: Path | None = None) -> None:
        self._shared = shared
        self._series = Series(_ALL)
        # What was noted and is not counted yet.
        self._requests: deque[tuple[str, int, float]] = deque()
        self._decisions: deque[tuple[tuple[str, str, str], tuple[Fired, ...], float]] = deque()
        self._outcomes: deque[tuple[tuple[str, str], tuple[Attempt, ...], float | None, str | None]] = deque()
        self._values: dict[str, set[str]] = {}
        self._current: str | None = None

    def http(self, endpoint: str, status: int, seconds: float) -> None:
        """One request has ended; ``endpoint`` is a path of the routes."""
        noted = self._requests
        noted.append((endpoint, status, seconds))
        if len(noted) >= _MOST_NOTED:
            self._count()

    def decided(self, decision: Decision, seconds: float) -> None:
        """One decision was made within ``seconds``."""
        labels = (decision.policy.name, decision.target.kind, decision.task.label)
        self._decisions.append((labels, decision.verdict.rules, seconds))

    def finished(self, decision: Decision, outcome: Outcome, *, tenant: str | None, is_known: bool) -> None:
        """A decision was carried out. ``is_known``: ``tenant`` comes from a key."""
        usd = outcome.usd if is_known else None
        self._outcomes.append(((decision.target.kind, outcome.status), outcome.attempts, usd, tenant))

    def cut(self) -> None:
        """A stream ended in an error after it had begun."""
        with self._series.lock:
            self._series.add(_CUTS)

    def flywheel(self, event: Compared | Transition) -> None:
        """A local answer was compared with a hosted one, or a local model changed its state."""
        model, series = self._bounded("model", event.model), self._series
        with series.lock:
            if isinstance(event, Transition):
                series.add(_MOVES, (model, event.becomes))
                return
            results = {True: "agrees", False: "disagrees", None: "unread"}
            result = results[event.agrees] if event.would else "not_sure"
            series.add(_COMPARED, (model, event.source, result))

    def reloaded(self, *, is_taken: bool) -> None:
        """A reload took over, or was refused."""
        with self._series.lock:
            self._series.add(_RELOADS, ("taken" if is_taken else "refused",))

    def serves(self, version: str, loaded_s: float) -> None:
        """``version`` serves from now on; it was loaded at the Unix time ``loaded_s``."""
        series = self._series
        with series.lock:
            if self._current is not None and self._current != version:
                series.set(_VERSION, (self._current,), 0.0)
            self._current = version
            series.set(_VERSION, (version,), 1.0)
            series.set(_LOADED, (), loaded_s)

    def render(self, *, in_flight: int, tasks: int, unhealthy: Mapping[str, bool], local: Mapping[str, str]) -> bytes:
        """All metrics as text, of all workers. ``local``: the states of the local models."""
        series = self._series
        with series.lock:
            for model, now in local.items():
                for state in STATES:
                    series.set(_LOCAL_STATE, (self._bounded("model", model), state), float(state == now))
            for model, is_open in unhealthy.items():
                series.set(_UNHEALTHY, (self._bounded("model", model),), float(is_open))
        mine = self.tell(in_flight=in_flight, tasks=tasks)
        return text_of(_ALL, [mine] if self._shared is None else _told(self._shared))

    def tell(self, *, in_flight: int, tasks: int) -> bytes:
        """Tell the other workers, if there are any, how things are; each should do it now and then. What is told."""
        self._count()
        with self._series.lock:
            self._series.set(_IN_FLIGHT, (), float(in_flight))
            self._series.set(_TASKS, (), float(tasks))
            told = self._series.encoded()
        if self._shared is not None:
            # Nobody may read half of it.
            fresh = self._shared / f"{os.getpid()}.new"
            with suppress(OSError):  # a full disk: what was told before stands until there is room
                fresh.write_bytes(told)
                fresh.replace(fresh.with_suffix(_TOLD))
        return told

    def _count(self) -> None:
        """Count what was noted: many at once take a fraction of the time of each by itself."""
        with self._series.lock:
            self._count_requests(_taken(self._requests))
            self._count_decisions(_taken(self._decisions))
            self._count_outcomes(_taken(self._outcomes))

    def _count_requests(self, noted: list[tuple[str, int, float]]) -> None:
        series = self._series
        for (endpoint, status), times in Counter(map(_first_two, noted)).items():
            series.add(_REQUESTS, (endpoint, str(status)), times)
        for endpoint in set(map(_first, noted)):
            series.observe(_SECONDS, (endpoint,), [seconds for where, _, seconds in noted if where == endpoint])

    def _count_decisions(self, noted: list[tuple[tuple[str, str, str], tuple[Fired, ...], float]]) -> None:
        series = self._series
        for labels, times in Counter(map(_first, noted)).items():
            series.add(_DECISIONS, labels, times)
        fired = chain.from_iterable(map(_second, noted))
        for (rule, is_decisive), times in Counter(map(_rule, fired)).items():
            if is_decisive:
                series.add(_RULES, (rule,), times)
        series.observe(_DECIDING, (), map(_third, noted))

    def _count_outcomes(
        self, noted: list[tuple[tuple[str, str], tuple[Attempt, ...], float | None, str | None]]
    ) -> None:
        series = self._series
        for labels, times in Counter(map(_first, noted)).items():
            series.add(_OUTCOMES, labels, times)
        for _, _, usd, tenant in noted:
            if usd:
                series.add(_TENANT_USD, (self._bounded("tenant", tenant or ""),), usd)
        attempts = list(chain.from_iterable(map(_second, noted)))
        for (name, error), times in Counter(map(_failure, attempts)).items():
            series.add(_ATTEMPTS, (self._bounded("model", name), error or "none"), times)
        hosted = [attempt for attempt in attempts if attempt.kind == "llm"]
        for name in dict.fromkeys(map(_model, hosted)):
            self._count_calls(self._bounded("model", name), [attempt for attempt in hosted if attempt.model == name])

    def _count_calls(self, model: str, attempts: list[Attempt]) -> None:
        """Hosted ones, all of one model."""
        series = self._series
        series.observe(_UPSTREAM, (model,), [attempt.latency_ms / 1000.0 for attempt in attempts])
        series.observe(_TTFT, (model,), [ms / 1000.0 for ms in map(_ttft_ms, attempts) if ms is not None])
        read, written = sum(map(_read, attempts)), sum(map(_written, attempts))
        if read or written:
            series.add(_TOKENS, (model, "input"), read)
            series.add(_TOKENS, (model, "output"), written)
        usd = sum(filter(None, map(_usd, attempts)))
        if usd:
            series.add(_USD, (model,), usd)

    def _bounded(self, label: str, value: str) -> str:
        seen = self._values.setdefault(label, set())
        if value in seen:
            return value
        if len(seen) >= MAX_VALUES:
            return OTHER
        seen.add(value)
        return value


_first, _second, _third, _first_two = itemgetter(0), itemgetter(1), itemgetter(2), itemgetter(0, 1)
_rule, _failure, _model = attrgetter("id", "decisive"), attrgetter("model", "error"), attrgetter("model")
_ttft_ms, _usd, _read, _written = map(attrgetter, ("ttft_ms", "usd", "usage.input", "usage.output"))
_Noted = TypeVar("_Noted")


def _taken(noted: deque[_Noted]) -> list[_Noted]:
    # Other threads may note more meanwhile.
    return [noted.popleft() for _ in range(len(noted))]


_TOLD = ".told"


def _told(folder: Path) -> list[bytes]:
    found = []
    for path in sorted(folder.glob(f"*{_TOLD}")):
        with suppress(FileNotFoundError):
            found.append(path.read_bytes())
    return found
