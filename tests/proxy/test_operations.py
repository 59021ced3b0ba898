"""Running it: reloads, the end, workers, the operators' listener, metrics, logs, TLS."""

from __future__ import annotations

import json
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
from background import Background
from calling import CHAT, REVIEW, STORY, call, calling
from prometheus_client.parser import text_string_to_metric_families

from processes import Sidecar, run_router, serving
from router.testing.upstream import Answer

Start = Callable[..., AbstractContextManager[str]]


@contextmanager
def sidecar(*options: str, listeners: int = 1, **env: str) -> Iterator[Sidecar]:
    with serving(*options, listeners=listeners, env=env) as found:
        yield found


def eventually(holds: Callable[[], bool], within_s: float = 60.0) -> bool:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.1)
    return False


def values(address: str, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    """Samples of one metric by their labels."""
    text = call(address, "/metrics")[2].decode()
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


# ----- reload -----------------------------------------------------------------------------------------------------


def test_sighup_serves_the_new_policy(config: Path) -> None:
    config.write_text("policy: guide\nserver: {watch: false}\n")
    with sidecar("--config", str(config)) as running:
        address = running.addresses[0]
        assert call(address, CHAT, REVIEW)[1]["x-router-policy"] == "guide"
        before = values(address, "router_config_version")
        config.write_text("policy: private\nserver: {watch: false}\n")
        running.signal(signal.SIGHUP)
        assert eventually(lambda: call(address, CHAT, REVIEW)[1]["x-router-policy"] == "private")
        after = {labels for labels, value in values(address, "router_config_version").items() if value == 1}
        assert len(after) == 1
        assert after != {labels for labels, value in before.items() if value == 1}
        assert values(address, "router_config_reloads_total") == {(("result", "taken"),): 1}


def test_wrong_config_leaves_the_old_one_serving(config: Path) -> None:
    config.write_text("policy: guide\nserver: {watch: false}\n")
    with sidecar("--config", str(config)) as running:
        address = running.addresses[0]
        config.write_text("polcy: private\n")
        running.signal(signal.SIGHUP)
        assert eventually(lambda: values(address, "router_config_reloads_total") == {(("result", "refused"),): 1})
        assert call(address, CHAT, REVIEW)[1]["x-router-policy"] == "guide"
        config.write_text("policy: guide\nserver: {watch: false, host: 127.0.0.2}\n")
        running.signal(signal.SIGHUP)
        assert eventually(lambda: values(address, "router_config_reloads_total") == {(("result", "refused"),): 2})
    assert "router.yaml:1:1" in running.errors
    assert "server.host cannot change while the sidecar runs" in running.errors


def test_changed_policy_file_is_read_by_itself(tmp_path: Path) -> None:
    (tmp_path / "router.yaml").write_text("policy: mine.yaml\n")
    policy = tmp_path / "mine.yaml"
    policy.write_text("policy: mine\nextends: guide\n")
    with sidecar("--config", str(tmp_path / "router.yaml")) as running:
        address = running.addresses[0]
        first = json.loads(call(address, "/readyz")[2])["version"]
        policy.write_text("policy: mine\nextends: private\n")
        assert eventually(lambda: json.loads(call(address, "/readyz")[2])["version"] != first)
        policy.write_text("policy: mine\nextends: nothing\n")
        assert eventually(lambda: values(address, "router_config_reloads_total").get((("result", "refused"),), 0) == 1)
        assert call(address, CHAT, REVIEW)[0] == 200


def test_running_requests_finish_on_their_version(config: Path, upstream: Background) -> None:
    config.write_text("policy: guide\nserver: {watch: false}\n")
    upstream.script(Answer(text="word " * 40, drip_s=0.05))
    env = {"ROUTER_UPSTREAM": upstream.url, "ROUTER_UPSTREAM_MODEL": "tiny"}
    with sidecar("--config", str(config), **env) as running:
        address = running.addresses[0]
        with calling(address, CHAT, {**STORY, "stream": True}) as response:
            first = response.read(20)
            config.write_text("policy: private\nserver: {watch: false}\n")
            running.signal(signal.SIGHUP)
            assert eventually(lambda: values(address, "router_config_reloads_total") == {(("result", "taken"),): 1})
            rest = response.read()
    assert response.headers["x-router-policy"] == "guide"
    assert (first + rest).endswith(b"data: [DONE]\n\n")


def test_spending_is_remembered_over_a_reload(config: Path, upstream: Background) -> None:
    deployment = f"deployments: [{{name: up, model: m, backend: openai, api_base: '{upstream.url}', price_per_million: "
    deployment += "{input: $1000, output: $1000}, max_output_tokens: 10}]\n"
    limits = "budgets: [{usd: $0.04, window: total}]\nserver: {watch: false}\n"
    config.write_text(f"policy: guide\n{deployment}{limits}")
    upstream.script()
    asked = {**STORY, "max_tokens": 5}
    with sidecar("--config", str(config)) as running:
        address = running.addresses[0]
        assert call(address, CHAT, asked)[0] == 200
        config.write_text(f"policy: quality-first\n{deployment}{limits}")
        running.signal(signal.SIGHUP)
        assert eventually(lambda: values(address, "router_config_reloads_total") == {(("result", "taken"),): 1})
        statuses = [call(address, CHAT, asked)[0] for _ in range(3)]
    assert statuses[-1] == 402


# ----- the operators' listener ------------------------------------------------------------------------------------


def test_operators_have_their_own_listener(config: Path) -> None:
    config.write_text("server: {admin: {port: 0}, watch: false}\n")
    with sidecar("--config", str(config), listeners=2) as running:
        callers, operators = running.addresses
        assert call(callers, "/metrics")[0] == call(callers, "/admin/reload", {})[0] == 404
        assert call(operators, CHAT, STORY)[0] == 404
        assert call(operators, "/metrics")[0] == call(operators, "/healthz")[0] == 200
        status, _, data = call(operators, "/admin/reload", {})
        assert (status, json.loads(data)["number"]) == (200, 2)
        config.write_text("nonsense\n")
        status, _, data = call(operators, "/admin/reload", {})
        assert status == 500
        assert json.loads(data)["error"]["code"] == "config_error"
        assert call(callers, "/readyz")[0] == 200


def test_reload_needs_a_listener_or_a_key(sidecar: str) -> None:
    assert call(sidecar, "/admin/reload", {})[0] == 404


# ----- the end ----------------------------------------------------------------------------------------------------


def test_running_stream_finishes_after_sigterm(config: Path, upstream: Background) -> None:
    config.write_text("policy: guide\n")
    upstream.script(Answer(text="word " * 40, drip_s=0.05))
    env = {"ROUTER_UPSTREAM": upstream.url, "ROUTER_UPSTREAM_MODEL": "tiny"}
    with sidecar("--config", str(config), **env) as running:
        address = running.addresses[0]
        with calling(address, CHAT, {**STORY, "stream": True}) as response:
            found = response.read(20)
            running.signal(signal.SIGTERM)
            time.sleep(0.3)
            with pytest.raises(OSError, match="refused"):
                call(address, "/healthz")
            found += response.read()
        assert running.process.wait(30) == 0
    assert found.endswith(b"data: [DONE]\n\n")


def test_end_waits_no_longer_than_its_grace(config: Path, upstream: Background) -> None:
    config.write_text("server: {drain_s: 1}\n")
    upstream.script(Answer(delay_s=60.0))
    env = {"ROUTER_UPSTREAM": upstream.url, "ROUTER_UPSTREAM_MODEL": "tiny"}
    with sidecar("--config", str(config), **env) as running:
        told: list[tuple[int, Any, bytes]] = []
        asking = threading.Thread(target=lambda: told.append(call(running.addresses[0], CHAT, STORY)))
        asking.start()
        assert eventually(lambda: len(upstream.server.received) == 1)
        running.signal(signal.SIGTERM)
        assert running.process.wait(20) == 0
        asking.join(10)
    assert told[0][0] == 503
    assert json.loads(told[0][2])["error"]["code"] == "shutting_down"


# ----- workers ----------------------------------------------------------------------------------------------------


def test_workers_share_metrics_and_reload_together(config: Path) -> None:
    config.write_text("policy: guide\nserver: {admin: {port: 0}, watch: false}\n")
    with sidecar("--config", str(config), "--workers", "2", listeners=2) as running:
        callers, operators = running.addresses
        for _ in range(20):
            assert call(callers, "/healthz")[0] == 200
        answered = (("endpoint", "/healthz"), ("status", "200"))
        assert eventually(lambda: values(operators, "router_http_requests_total").get(answered) == 20)
        config.write_text("policy: private\nserver: {admin: {port: 0}, watch: false}\n")
        assert call(operators, "/admin/reload", {})[0] == 200

        def all_private() -> bool:
            seen = {call(callers, CHAT, REVIEW)[1]["x-router-policy"] for _ in range(12)}
            return seen == {"private"}

        assert eventually(all_private)


# ----- health checks ----------------------------------------------------------------------------------------------


def test_dead_deployment_is_found_without_a_request(config: Path, upstream: Background) -> None:
    upstream.script()
    config.write_text(
        "dispatch: {health_check: {every: 1s, failures: 1}}\n"
        f"deployments:\n  - {{name: alive, model: tiny, backend: openai, api_base: '{upstream.url}'}}\n"
        "  - {name: dead, model: tiny, backend: openai, api_base: 'http://127.0.0.1:9/v1'}\n"
    )
    with sidecar("--config", str(config)) as running:
        address = running.addresses[0]
        dead = (("model", "dead"),)
        assert eventually(lambda: values(address, "router_deployment_unhealthy").get(dead) == 1.0)
        assert values(address, "router_deployment_unhealthy")[(("model", "alive"),)] == 0.0
        assert {call(address, CHAT, STORY)[1]["x-router-model"] for _ in range(4)} == {"alive"}
        assert values(address, "router_attempts_total").keys() == {(("error", "none"), ("model", "alive"))}


# ----- metrics and logs -------------------------------------------------------------------------------------------


def test_metrics_tell_of_decisions_and_money(address: str, upstream: Background) -> None:
    upstream.script(Answer(text="Once upon a time."))
    assert call(address, CHAT, STORY)[0] == 200
    assert call(address, CHAT, REVIEW)[0] == 200
    assert call(address, "/nowhere/with/an/id/1234")[0] == 404
    decided = values(address, "router_decisions_total")
    assert {dict(labels)["target"] for labels in decided} >= {"local", "llm"}
    assert sum(values(address, "router_tokens_total").values()) > 0
    requests = values(address, "router_http_requests_total")
    assert requests[(("endpoint", "unknown"), ("status", "404"))] >= 1
    assert not any("1234" in value for labels in requests for _, value in labels)
    assert values(address, "router_http_requests_in_flight") == {(): 1}
    assert any(value > 0 for value in values(address, "router_decision_duration_seconds_count").values())


def test_log_lines_are_json_and_hold_no_prompt(config: Path) -> None:
    config.write_text("server: {log: json, access_log: true}\n")
    with sidecar("--config", str(config)) as running:
        call(running.addresses[0], CHAT, REVIEW)
        call(running.addresses[0], CHAT, STORY)
    lines = [json.loads(line) for line in running.errors.splitlines()]
    told = [line for line in lines if "status" in line]
    assert [line["status"] for line in told] == [200, 503]
    assert told[0]["target"] == "local"
    assert told[0]["decision_id"]
    assert told[0]["took_ms"] > 0
    assert "wonderful film" not in running.errors
    assert "story" not in running.errors


# ----- TLS --------------------------------------------------------------------------------------------------------


def test_tls_is_spoken_and_old_tls_is_not(config: Path) -> None:
    openssl = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    names = [
        "-keyout",
        "key.pem",
        "-out",
        "cert.pem",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
    ]
    subprocess.run([*openssl, *names], cwd=config.parent, check=True, capture_output=True)
    config.write_text("server: {tls: {certificate: cert.pem, key: key.pem}}\n")
    trusting = ssl.create_default_context(cafile=str(config.parent / "cert.pem"))
    with sidecar("--config", str(config)) as running:
        address = running.addresses[0]
        assert address.startswith("https://")
        assert call(address, "/healthz", tls=trusting)[0] == 200
        assert call(address, CHAT, REVIEW, tls=trusting)[0] == 200
        with pytest.raises((OSError, HTTPException)):
            call(address.replace("https", "http"), "/healthz")


def test_wrong_certificate_is_told(config: Path) -> None:
    (config.parent / "cert.pem").write_text("nonsense")
    config.write_text("server: {tls: {certificate: cert.pem, key: cert.pem}}\n")
    ended = run_router("serve", "--port", "0", "--config", str(config), text=True)
    assert ended.returncode == 1
    assert "cert.pem" in ended.stderr


def test_public_operators_listener_is_refused(config: Path) -> None:
    config.write_text("server: {admin: {host: 0.0.0.0, port: 0}}\n")
    ended = run_router("serve", "--port", "0", "--config", str(config), text=True)
    assert ended.returncode == 1
    assert "server.keys" in ended.stderr
