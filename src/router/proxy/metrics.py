"""Prometheus metrics of the sidecar. Names stand in ``telemetry.py``; no label has more than a bounded set of values,
and none comes from a request unless it is known from the config.

Several workers share their values through files (prometheus_client's multiprocess mode), so that any of them can tell
the sum. Source: https://prometheus.github.io/client_python/multiprocess/
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from .. import telemetry as names
from ..state.agreement import Compared
from ..state.lifecycle import STATES, Transition
from ..types import Attempt, Decision, Outcome

__all__ = ["CONTENT_TYPE", "MULTIPROCESS", "Metrics"]

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
MAX_VALUES = 200
OTHER = "other"
_FAST = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_SLOW = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)

# Counting so many takes less time than one answer.
_MOST_NOTED = 256
_Key = tuple[Any, ...]


class _Times(Histogram):
    """A histogram that takes many values at once: prometheus_client takes a lock for each."""

    def observe_all(self, values: Iterable[float]) -> None:
        """As ``observe`` of each."""
        counts: dict[int, int] = {}
        total = 0.0
        for value in values:
            bucket = bisect_left(self._upper_bounds, value)
            counts[bucket] = counts.get(bucket, 0) + 1
            total += value
        for bucket, count in counts.items():
            self._buckets[bucket].inc(count)
        self._sum.inc(total)


class Metrics:
    """What is counted and timed. ``render`` gives the text that Prometheus reads.

    ``is_shared``: this process is one of several that share a folder, named by the variable ``MULTIPROCESS`` before
    this module was imported.
    """

    def __init__(self, *, is_shared: bool = False) -> None:
        self._is_shared = is_shared
        registry = self._registry = CollectorRegistry()
        self._children: dict[_Key, Any] = {}
        self._noted: deque[tuple[_Key, Any]] = deque()
        self._values: dict[str, set[str]] = {}

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(name, what, labels, registry=registry)

        def timer(name: str, what: str, buckets: tuple[float, ...], *labels: str) -> _Times:
            return _Times(name, what, labels, registry=registry, buckets=buckets)

        self._requests = counter(names.METRIC_REQUESTS, "Requests answered.", "endpoint", "status")
        self._seconds = timer(names.METRIC_SECONDS, "Time until the answer's end.", _SLOW, "endpoint")
        self._decisions = counter(names.METRIC_DECISIONS, "Decisions.", "policy", "target", "task")
        self._rules = counter(names.METRIC_RULES, "Decisions that a rule decided.", "rule")
        self._deciding = timer(names.METRIC_DECIDING, "Time from the body to the decision.", _FAST)
        self._outcomes = counter(names.METRIC_OUTCOMES, "What became of decisions.", "target", "status")
        self._attempts = counter(names.METRIC_ATTEMPTS, "Calls of models.", "model", "error")
        self._upstream = timer(names.METRIC_UPSTREAM, "Time of one call of a hosted model.", _SLOW, "model")
        self._ttft = timer(names.METRIC_TTFT, "Time to the first token of a stream.", _SLOW, "model")
        self._tokens = counter(names.METRIC_TOKENS, "Tokens billed.", "model", "kind")
        self._usd = counter(names.METRIC_USD, "US dollars billed.", "model")
        self._tenant_usd = counter(names.METRIC_TENANT_USD, "US dollars billed to a tenant that has a key.", "tenant")
        self._cuts = counter(names.METRIC_CUTS, "Streams that ended in an error after they had begun.")
        self._compared = counter(
            names.METRIC_COMPARED, "Local answers compared with hosted ones.", "model", "source", "result"
        )
        self._moves = counter(names.METRIC_MOVES, "Changes of a local model's state made here.", "model", "to")
        self._local_state = Gauge(
            names.METRIC_LOCAL_STATE, "1 for the state that a local model is in.", ("model", "state"),
            registry=registry, multiprocess_mode="livemax",
        )  # fmt: skip
        self._reloads = counter(names.METRIC_RELOADS, "Reloads of config, policies and keys.", "result")
        self._in_flight = Gauge(
            names.METRIC_IN_FLIGHT, "Requests in flight.", registry=registry, multiprocess_mode="livesum"
        )
        self._tasks = Gauge(names.METRIC_TASKS, "Tasks of asyncio.", registry=registry, multiprocess_mode="livesum")
        self._version = Gauge(
            names.METRIC_VERSION, "1 for the version that serves.", ("version",), registry=registry,
            multiprocess_mode="livemax",
        )  # fmt: skip
        self._loaded = Gauge(
            names.METRIC_LOADED, "When that version was loaded, Unix time.", registry=registry,
            multiprocess_mode="livemin",
        )  # fmt: skip
        self._unhealthy = Gauge(
            names.METRIC_UNHEALTHY, "1 while a deployment's breaker is open.", ("model",), registry=registry,
            multiprocess_mode="livemax",
        )  # fmt: skip
        self._current: str | None = None

    def http(self, endpoint: str, status: int, seconds: float) -> None:
        """One request has ended; ``endpoint`` is a path of the routes."""
        self._note((self._add_http, endpoint, status), seconds)

    def decided(self, decision: Decision, seconds: float) -> None:
        """One decision was made within ``seconds``."""
        rules = tuple([fired.id for fired in decision.verdict.rules if fired.decisive])
        self._note((self._add_decided, decision.policy.name, decision.target.kind, decision.task.label, rules), seconds)

    def finished(self, decision: Decision, outcome: Outcome, *, tenant: str | None, is_known: bool) -> None:
        """A decision was carried out. ``is_known``: ``tenant`` comes from a key."""
        self._note((self._inc, (self._outcomes, decision.target.kind, outcome.status)), 1.0)
        for attempt in outcome.attempts:
            self._note((self._add_attempts, attempt.model, attempt.error), attempt)
        if is_known and outcome.usd:
            self._note((self._inc, (self._tenant_usd, self._bounded("tenant", tenant or ""))), outcome.usd)

    def cut(self) -> None:
        """A stream ended in an error after it had begun."""
        self._note((self._inc, (self._cuts,)), 1.0)

    def flywheel(self, event: Compared | Transition) -> None:
        """A local answer was compared with a hosted one, or a local model changed its state."""
        model = self._bounded("model", event.model)
        if isinstance(event, Transition):
            self._note((self._inc, (self._moves, model, event.becomes)), 1.0)
            return
        results = {True: "agrees", False: "disagrees", None: "unread"}
        result = results[event.agrees] if event.would else "not_sure"
        self._note((self._inc, (self._compared, model, event.source, result)), 1.0)

    def reloaded(self, *, is_taken: bool) -> None:
        """A reload took over, or was refused."""
        self._note((self._inc, (self._reloads, "taken" if is_taken else "refused")), 1.0)

    def serves(self, version: str, loaded_s: float) -> None:
        """``version`` serves from now on; it was loaded at the Unix time ``loaded_s``."""
        if self._current is not None and self._current != version:
            self._version.labels(self._current).set(0)
        self._current = version
        self._version.labels(version).set(1)
        self._loaded.set(loaded_s)

    def render(self, *, in_flight: int, tasks: int, unhealthy: Mapping[str, bool], local: Mapping[str, str]) -> bytes:
        """All metrics as text, of all workers. ``local``: the states of the local models."""
        self.flush()
        self._in_flight.set(in_flight)
        self._tasks.set(tasks)
        for model, now in local.items():
            for state in STATES:
                self._local_state.labels(self._bounded("model", model), state).set(state == now)
        for model, is_open in unhealthy.items():
            self._unhealthy.labels(self._bounded("model", model)).set(is_open)
        if not self._is_shared:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)

    def flush(self) -> None:
        """Count what was noted. Other workers see it only then, so that each should do it now and then."""
        noted, found = self._noted, dict[_Key, list[Any]]()
        for _ in range(len(noted)):
            try:
                key, value = noted.popleft()
            except IndexError:
                # Another thread flushes as well.
                break
            values = found.get(key)
            if values is None:
                found[key] = [value]
            else:
                values.append(value)
        for (add, *labels), values in found.items():
            add(*labels, values)

    def _note(self, key: tuple[Callable[..., None], *tuple[Any, ...]], value: Any) -> None:
        """``key`` is who counts it and under what; whatever is alike is counted together.

        prometheus_client takes a lock for each value; a deque takes what comes from any thread.
        """
        noted = self._noted
        noted.append((key, value))
        if len(noted) >= _MOST_NOTED:
            self.flush()

    def _inc(self, key: _Key, values: Sequence[float]) -> None:
        self._child(key).inc(sum(values))

    def _add_http(self, endpoint: str, status: int, seconds: Sequence[float]) -> None:
        self._child((self._requests, endpoint, status)).inc(len(seconds))
        self._child((self._seconds, endpoint)).observe_all(seconds)

    def _add_decided(self, policy: str, target: str, task: str, rules: Sequence[str], seconds: Sequence[float]) -> None:
        self._child((self._decisions, policy, target, task)).inc(len(seconds))
        for rule in rules:
            self._child((self._rules, rule)).inc(len(seconds))
        self._child((self._deciding,)).observe_all(seconds)

    def _add_attempts(self, name: str, error: str | None, attempts: Sequence[Attempt]) -> None:
        model = self._bounded("model", name)
        self._child((self._attempts, model, error or "none")).inc(len(attempts))
        hosted = [attempt for attempt in attempts if attempt.kind == "llm"]
        if not hosted:
            return
        self._child((self._upstream, model)).observe_all([attempt.latency_ms / 1000.0 for attempt in hosted])
        begun = [attempt.ttft_ms / 1000.0 for attempt in hosted if attempt.ttft_ms is not None]
        if begun:
            self._child((self._ttft, model)).observe_all(begun)
        read = sum([attempt.usage.input for attempt in hosted])
        written = sum([attempt.usage.output for attempt in hosted])
        if read or written:
            self._child((self._tokens, model, "input")).inc(read)
            self._child((self._tokens, model, "output")).inc(written)
        usd = sum([attempt.usd or 0.0 for attempt in hosted])
        if usd:
            self._child((self._usd, model)).inc(usd)

    def _child(self, key: _Key) -> Any:
        # labels() takes a lock and builds a key each time; what it gives never changes.
        found = self._children.get(key)
        if found is None:
            metric, *labels = key
            found = self._children[key] = metric.labels(*labels) if labels else metric
        return found

    def _bounded(self, label: str, value: str) -> str:
        seen = self._values.setdefault(label, set())
        if value in seen:
            return value
        if len(seen) >= MAX_VALUES:
            return OTHER
        seen.add(value)
        return value
