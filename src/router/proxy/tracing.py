"""OpenTelemetry traces and metrics of the sidecar, by the GenAI semantic conventions; needs the extra ``otel``.

The server's span begins with the request, continues an incoming ``traceparent`` and is the parent of what upstreams
trace. The others are written when the request has ended, from what its record holds: one a stage (``read``, ``decide``,
``reserve``, ``answer``), one an attempt. No prompt and no answer is ever an attribute.
Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from ..errors import MissingExtra
from ..types import Attempt, Record
from .app import Tracer
from .exchange import Exchange

__all__ = ["make_tracer"]

_OPERATIONS = {
    "/v1/chat/completions": "chat",
    "/v1/responses": "chat",
    "/v1/messages": "chat",
    "/v1/completions": "text_completion",
    "/v1/embeddings": "embeddings",
}


_TRACE_HEADERS = frozenset((b"traceparent", b"tracestate"))


def make_tracer(version: str) -> tuple[Tracer, Callable[[], None]]:
    """Who tells traces, and what to call at the end of the process.

    Exporters are set up as the standard ``OTEL_*`` variables say; without an endpoint the SDK's default is used.

    Raises:
        MissingExtra: OpenTelemetry is not installed.
    """
    try:
        traces = import_module("opentelemetry.sdk.trace")
        exporting = import_module("opentelemetry.sdk.trace.export")
        metrics = import_module("opentelemetry.sdk.metrics")
        metric_exporting = import_module("opentelemetry.sdk.metrics.export")
        resources = import_module("opentelemetry.sdk.resources")
        spans_out = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
        metrics_out = import_module("opentelemetry.exporter.otlp.proto.http.metric_exporter")
    except ImportError as error:
        raise MissingExtra("opentelemetry-sdk", "otel") from error
    resource = resources.Resource.create({"service.name": "guide-router", "service.version": version})
    provider = traces.TracerProvider(resource=resource)
    provider.add_span_processor(exporting.BatchSpanProcessor(spans_out.OTLPSpanExporter()))
    meters = metrics.MeterProvider(
        resource=resource,
        metric_readers=[metric_exporting.PeriodicExportingMetricReader(metrics_out.OTLPMetricExporter())],
    )
    told = _Telling(provider.get_tracer("router"), meters.get_meter("router"))

    def stop() -> None:
        provider.shutdown()
        meters.shutdown()

    return told, stop


class _Telling:
    def __init__(self, tracer: Any, meter: Any) -> None:
        propagation = import_module("opentelemetry.trace.propagation.tracecontext")
        self._api = import_module("opentelemetry.trace")
        self._propagator = propagation.TraceContextTextMapPropagator()
        self._tracer = tracer
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration", unit="s", description="GenAI operation duration."
        )
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage", unit="{token}", description="Input and output tokens used."
        )

    def begin(self, exchange: Exchange) -> None:
        """Start the server's span, and make it what the request's trace headers name."""
        path = _path(exchange)
        if path not in _OPERATIONS:
            return
        fields = exchange.all_fields
        theirs = {name.decode(): value.decode("latin-1") for name, value in fields if name in _TRACE_HEADERS}
        exchange.span = self._tracer.start_span(
            f"{exchange.method} {path}",
            context=self._propagator.extract(theirs),
            kind=self._api.SpanKind.SERVER,
            start_time=int(exchange.started_s * 1e9) + _shift_ns(),
        )
        ours: dict[str, str] = {}
        self._propagator.inject(ours, context=self._api.set_span_in_context(exchange.span))
        exchange.replace_fields(
            [
                *((name, value) for name, value in fields if name not in _TRACE_HEADERS),
                *((name.encode("latin-1"), value.encode("latin-1")) for name, value in ours.items()),
            ]
        )

    def end(self, exchange: Exchange) -> None:
        """Tell what became of it, and of its stages and attempts."""
        span, record = exchange.span, exchange.record
        if span is None:
            return
        operation = _OPERATIONS[_path(exchange)]
        span.set_attributes(
            _plain(
                {
                    "http.request.method": exchange.method,
                    "http.route": exchange.endpoint,
                    "http.response.status_code": exchange.status,
                    "router.request_id": exchange.request_id.decode(),
                    **{f"router.{name}": value for name, value in exchange.facts().items()},
                }
            )
        )
        inside, shift_ns = self._api.set_span_in_context(span), _shift_ns()
        for name, start_s, end_s in _stages(exchange):
            stage = self._tracer.start_span(name, context=inside, start_time=int(start_s * 1e9) + shift_ns)
            stage.end(int(end_s * 1e9) + shift_ns)
        if record is not None:
            run_s = exchange.stages[0][1] if exchange.stages else exchange.started_s
            for attempt in record.outcome.attempts:
                self._attempt(attempt, operation, inside, int(run_s * 1e9) + shift_ns)
            self._measure(record, operation)
        if exchange.status >= 500:
            span.set_status(self._api.Status(self._api.StatusCode.ERROR))
        span.end()

    def _attempt(self, attempt: Attempt, operation: str, inside: Any, run_ns: int) -> None:
        start = run_ns + int(attempt.started_ms * 1e6)
        span = self._tracer.start_span(
            f"{operation} {attempt.model}",
            context=inside,
            kind=self._api.SpanKind.CLIENT if attempt.kind == "llm" else self._api.SpanKind.INTERNAL,
            start_time=start,
            attributes=_plain(
                {
                    "gen_ai.operation.name": operation,
                    "gen_ai.provider.name": "router.local" if attempt.kind == "local" else "router.hosted",
                    "gen_ai.request.model": attempt.model,
                    "gen_ai.usage.input_tokens": attempt.usage.input,
                    "gen_ai.usage.output_tokens": attempt.usage.output,
                    "router.usd": attempt.usd,
                    "router.ttft_ms": attempt.ttft_ms,
                    "error.type": attempt.error,
                }
            ),
        )
        if attempt.error is not None:
            span.set_status(self._api.Status(self._api.StatusCode.ERROR, attempt.error))
        span.end(start + int(attempt.latency_ms * 1e6))

    def _measure(self, record: Record, operation: str) -> None:
        for attempt in record.outcome.attempts:
            labels = {"gen_ai.operation.name": operation, "gen_ai.request.model": attempt.model}
            failed = {"error.type": attempt.error} if attempt.error is not None else {}
            self._duration.record(attempt.latency_ms / 1000.0, {**labels, **failed})
            for kind, count in (("input", attempt.usage.input), ("output", attempt.usage.output)):
                if count:
                    self._tokens.record(count, {**labels, "gen_ai.token.type": kind})


def _path(exchange: Exchange) -> str:
    return exchange.path.rstrip("/")


def _shift_ns() -> int:
    """What puts monotonic times where they were on the wall clock."""
    return time.time_ns() - time.monotonic_ns()


def _stages(exchange: Exchange) -> list[tuple[str, float, float]]:
    """Name, begin and end of each stage, those of the run by the record."""
    found = [*exchange.stages]
    if exchange.record is None or not found:
        return found
    timing = exchange.record.timing
    reserved_s = found[-1][2] + timing.reserve / 1000.0
    if timing.reserve:
        found.append(("reserve", found[-1][2], reserved_s))
    return [*found, ("answer", reserved_s, max(reserved_s, found[0][1] + timing.total / 1000.0))]


def _plain(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}
