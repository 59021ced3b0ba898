"""Traces over OTLP, received by a collector beside the test; and what is shipped for operators fits the metrics."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from background import Background
from calling import CHAT, STORY, call
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from router.proxy.metrics import Metrics
from router.telemetry import (
    METRIC_CUTS,
    METRIC_IN_FLIGHT,
    METRIC_LOADED,
    METRIC_REQUESTS,
    METRIC_SECONDS,
    METRIC_UNHEALTHY,
    METRIC_VERSION,
)
from router.testing.upstream import Answer, Fault

traces = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2", reason="needs the extra otel")

Start = Callable[..., AbstractContextManager[str]]
DEPLOY = Path(__file__).parents[2] / "deploy"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Collector:
    """Takes OTLP over HTTP; ``spans`` are what it got."""

    def __init__(self) -> None:
        spans = self.spans = []

        class Taking(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["content-length"]))
                if self.path == "/v1/traces":
                    request = traces.ExportTraceServiceRequest.FromString(data)
                    for resource in request.resource_spans:
                        for scope in resource.scope_spans:
                            spans.extend(scope.spans)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()
    yield found
    found.server.shutdown()
    found.server.server_close()


def attributes(span: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


def test_request_is_traced_with_its_attempts(
    collector: Collector, upstream: Background, config: Path, start: Start
) -> None:
    upstream.script(Fault(status=503), Answer(text="Once upon a time."))
    config.write_text("server: {otel: true}\n")
    env = {
        "ROUTER_UPSTREAM": upstream.url,
        "ROUTER_UPSTREAM_MODEL": "tiny",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
    }
    with start("--config", str(config), env=env) as address:
        assert call(address, CHAT, STORY, traceparent=PARENT).status == 200
    by_name = {span.name: span for span in collector.spans}
    server = by_name["POST /v1/chat/completions"]
    assert server.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert server.parent_span_id.hex() == "b7ad6b7169203331"
    assert attributes(server)["http.response.status_code"] == 200
    assert attributes(server)["router.target"] == "llm"
    calls = [span for span in collector.spans if span.name == "chat upstream"]
    assert [attributes(span).get("error.type") for span in sorted(calls, key=lambda s: s.start_time_unix_nano)] == [
        "overload",
        None,
    ]
    assert attributes(calls[-1])["gen_ai.usage.output_tokens"] == 7
    stages = [by_name[name] for name in ("read", "decide", "answer")]
    assert all(span.parent_span_id == server.span_id for span in [*calls, *stages])
    assert [span.end_time_unix_nano for span in stages] == sorted(span.end_time_unix_nano for span in stages)
    # What the upstream traces is a child of the router's span, in the caller's trace.
    own = f"00-0af7651916cd43dd8448eb211c80319c-{server.span_id.hex()}-01"
    sent = [{name.lower(): value for name, value in seen.headers.items()} for seen in upstream.server.received]
    assert [headers.get("traceparent") for headers in sent] == [own, own]
    for span in collector.spans:
        assert server.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
    assert "story" not in str(collector.spans)


def test_dashboard_asks_for_metrics_that_exist() -> None:
    dashboard = json.loads((DEPLOY / "grafana" / "router.json").read_text(encoding="utf-8"))
    asked = {
        re.sub(r"_(bucket|count|sum)$", "", name)
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in re.findall(r"router_[a-z_]+", target["expr"])
    }
    told = Metrics().render(in_flight=0, tasks=0, unhealthy={}, local={}).decode()
    known = set(re.findall(r"^# TYPE (\S+)", told, re.MULTILINE))
    assert asked
    assert asked <= known


@given(st.lists(st.floats(0.0, 100.0) | st.sampled_from((0.001, 0.5, 60.0, 120.0)), min_size=1, max_size=600))
def test_every_time_is_counted_once(seconds: list[float]) -> None:
    metrics = Metrics()
    for each in seconds:
        metrics.http("/v1/models", 200, each)
    told = metrics.render(in_flight=0, tasks=0, unhealthy={}, local={}).decode()
    samples = [sample for family in text_string_to_metric_families(told) for sample in family.samples]
    (requests,) = [sample.value for sample in samples if sample.name == f"{METRIC_REQUESTS}_total"]
    (total,) = [sample.value for sample in samples if sample.name == f"{METRIC_SECONDS}_sum"]
    buckets = {sample.labels["le"]: sample.value for sample in samples if sample.name == f"{METRIC_SECONDS}_bucket"}
    assert requests == len(seconds)
    assert total == pytest.approx(sum(seconds))
    assert buckets == {bound: sum(each <= float(bound) for each in seconds) for bound in buckets}


def samples_of(told: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(told.decode())
    return {
        (each.name, tuple(sorted(each.labels.items()))): each.value for family in families for each in family.samples
    }


def test_any_label_can_be_told() -> None:
    odd = 'a "b"\\c\nd{},=\u00e9'
    metrics = Metrics()
    metrics.http(odd, 200, 0.2)
    found = samples_of(metrics.render(in_flight=3, tasks=0, unhealthy={odd: True}, local={}))
    assert found[f"{METRIC_REQUESTS}_total", (("endpoint", odd), ("status", "200"))] == 1.0
    assert found[METRIC_UNHEALTHY, (("model", odd),)] == 1.0
    assert found[METRIC_IN_FLIGHT, ()] == 3.0
    assert found[f"{METRIC_CUTS}_total", ()] == 0.0


def test_workers_are_told_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workers = [Metrics(tmp_path) for _ in range(3)]
    for number, worker in enumerate(workers):
        for _ in range(number + 1):
            worker.http("/v1/models", 200, 10.0**-number)
        worker.serves(f"v{number % 2}", 100.0 - number)
        monkeypatch.setattr("os.getpid", lambda number=number: number + 1)
        worker.tell(in_flight=number, tasks=1)
    found = samples_of(workers[2].render(in_flight=5, tasks=1, unhealthy={"m": True}, local={}))
    assert found[f"{METRIC_REQUESTS}_total", (("endpoint", "/v1/models"), ("status", "200"))] == 6.0
    assert found[f"{METRIC_SECONDS}_sum", (("endpoint", "/v1/models"),)] == pytest.approx(1.0 + 0.2 + 0.03)
    assert found[f"{METRIC_SECONDS}_count", (("endpoint", "/v1/models"),)] == 6.0
    assert found[METRIC_IN_FLIGHT, ()] == 0 + 1 + 5
    assert found[METRIC_LOADED, ()] == 98.0
    assert (found[METRIC_VERSION, (("version", "v0"),)], found[METRIC_VERSION, (("version", "v1"),)]) == (1.0, 1.0)


def test_manifests_can_be_read() -> None:
    kinds = [each["kind"] for each in yaml.safe_load_all((DEPLOY / "kubernetes" / "sidecar.yaml").read_text())]
    assert kinds == ["ConfigMap", "Deployment"]
    values = yaml.safe_load((DEPLOY / "helm" / "guide-router" / "values.yaml").read_text())
    assert values["config"]["server"]["keys"]
