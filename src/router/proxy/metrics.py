"""Metrics of the sidecar. Names stand in ``telemetry.py``; no label has more than a bounded set of values, and none
comes from a request unless it is known from the config.

Several workers tell one another what they have counted through files, so that any of them can tell the sum.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from .. import telemetry as names
from ..state.agreement import Compared
from ..state.lifecycle import STATES, Transition
from ..types import Attempt, Decision, Outcome
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
        self._noted: deque[tuple[Any, ...]] = deque()
        self._values: dict[str, set[str]] = {}
        self._current: str | None = None

    def http(self, endpoint: str, status: int, seconds: float) -> None:
        """One request has ended; ``endpoint`` is a path of the routes."""
        noted = self._noted
        noted.append((self._http, endpoint, status, seconds))
        if len(noted) >= _MOST_NOTED:
            self._count()

    def decided(self, decision: Decision, seconds: float) -> None:
        """One decision was made within ``seconds``."""
        rules = [fired.id for fired in decision.verdict.rules if fired.decisive]
        labels = (decision.policy.name, decision.target.kind, decision.task.label)
        self._noted.append((self._decided, labels, rules, seconds))

    def finished(self, decision: Decision, outcome: Outcome, *, tenant: str | None, is_known: bool) -> None:
        """A decision was carried out. ``is_known``: ``tenant`` comes from a key."""
        usd = outcome.usd if is_known else None
        self._noted.append((self._finished, (decision.target.kind, outcome.status), outcome.attempts, usd, tenant))

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
        """Count what was noted: many in a row take half as long as each amid other work."""
        noted = self._noted
        with self._series.lock:
            while noted:
                count, *what = noted.popleft()
                count(*what)

    def _http(self, endpoint: str, status: int, seconds: float) -> None:
        self._series.add(_REQUESTS, (endpoint, str(status)))
        self._series.observe(_SECONDS, (endpoint,), seconds)

    def _decided(self, labels: tuple[str, ...], rules: Sequence[str], seconds: float) -> None:
        self._series.add(_DECISIONS, labels)
        for rule in rules:
            self._series.add(_RULES, (rule,))
        self._series.observe(_DECIDING, (), seconds)

    def _finished(
        self, labels: tuple[str, ...], attempts: Sequence[Attempt], usd: float | None, tenant: str | None
    ) -> None:
        self._series.add(_OUTCOMES, labels)
        for attempt in attempts:
            self._attempt(attempt)
        if usd:
            self._series.add(_TENANT_USD, (self._bounded("tenant", tenant or ""),), usd)

    def _attempt(self, attempt: Attempt) -> None:
        series, model = self._series, self._bounded("model", attempt.model)
        series.add(_ATTEMPTS, (model, attempt.error or "none"))
        if attempt.kind != "llm":
            return
        series.observe(_UPSTREAM, (model,), attempt.latency_ms / 1000.0)
        if attempt.ttft_ms is not None:
            series.observe(_TTFT, (model,), attempt.ttft_ms / 1000.0)
        usage = attempt.usage
        if usage.input or usage.output:
            series.add(_TOKENS, (model, "input"), usage.input)
            series.add(_TOKENS, (model, "output"), usage.output)
        if attempt.usd:
            series.add(_USD, (model,), attempt.usd)

    def _bounded(self, label: str, value: str) -> str:
        seen = self._values.setdefault(label, set())
        if value in seen:
            return value
        if len(seen) >= MAX_VALUES:
            return OTHER
        seen.add(value)
        return value


_TOLD = ".told"


def _told(folder: Path) -> list[bytes]:
    found = []
    for path in sorted(folder.glob(f"*{_TOLD}")):
        with suppress(FileNotFoundError):
            found.append(path.read_bytes())
    return found
