"""Decide only, receipts, feedback: over plain HTTP, without keys."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec
import pytest
from background import Background
from calling import CHAT, REVIEW, call

from router.testing.upstream import Answer, Fault
from router.types import Feedback

Start = Callable[..., AbstractContextManager[str]]
SHIP = {"messages": [{"role": "user", "content": "Write a long story about a ship."}]}


def test_route_decides_and_calls_nobody(address: str, upstream: Background) -> None:
    upstream.script()
    reply = call(address, "/v1/route", {"prompt": "Write a long story about a ship."})
    told, headers = reply.json, reply.headers
    assert reply.status == 200
    assert told["decision"]["target"]["kind"] == headers["x-router-target"] == "llm"
    assert told["decision"]["id"] == headers["x-router-decision-id"]
    assert told["quote"]["model"] == told["decision"]["target"]["model"]
    assert told["quote"]["tokens"]["input"] > 3
    assert told["quote"]["latency_ms"] > 0
    assert any(each["lost_by"] for each in told["quote"]["alternatives"])
    assert "Rules that fired" in told["receipt"]
    assert "long story" not in json.dumps(told)
    assert upstream.server.received == []


def test_route_keeps_the_limits(address: str) -> None:
    reply = call(address, "/v1/route", {**REVIEW, "router": {"max_usd": 0}})
    status, told = reply.status, reply.json
    assert (status, told["decision"]["target"]["kind"], told["quote"]["usd"]) == (200, "local", 0)
    reply = call(address, "/v1/route", {"prompt": "hi", "router": {"max_latency_ms": "0.02ms"}})
    status, told = reply.status, reply.json
    assert (status, told["error"]["code"]) == (422, "deadline_infeasible")


@pytest.mark.parametrize("stream", [False, True])
def test_receipt_tells_what_became_of_it(address: str, upstream: Background, stream: bool) -> None:
    upstream.script()
    response = call(address, CHAT, {**SHIP, "stream": stream})
    reply = call(address, f"/v1/receipts/{response.headers['x-router-decision-id']}")
    status, told = reply.status, reply.json
    assert status == 200
    assert told["outcome"]["status"] == "answered"
    assert told["outcome"]["usage"]["output"] == 7
    assert told["outcome"]["attempts"][0]["error"] is None
    assert "long story" not in json.dumps(told)


@pytest.mark.parametrize("stream", [False, True])
def test_headers_name_who_answered(config: Path, upstream: Background, start: Start, stream: bool) -> None:
    config.write_text(
        "dispatch: {tries: 1}\ndeployments:\n"
        + "".join(f"  - {{name: {name}, model: m, backend: openai, api_base: '{upstream.url}'}}\n" for name in "ab")
    )
    upstream.script(Fault(status=500), Answer())
    with start("--config", str(config)) as address:
        response = call(address, CHAT, {**SHIP, "stream": stream})
        told = call(address, f"/v1/receipts/{response.headers['x-router-decision-id']}").json
    assert response.headers["x-router-model"] == told["outcome"]["model"]
    assert told["outcome"]["model"] != told["decision"]["target"]["model"]


def test_every_worker_knows_a_decision(config: Path, start: Start) -> None:
    config.write_text("ledger: {path: ledger.db}\n")
    with start("--config", str(config), "--workers", "2") as address:
        headers = call(address, CHAT, REVIEW).headers
        name = headers["x-router-decision-id"]
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            found = {call(address, f"/v1/receipts/{name}")[0] for _ in range(12)}
            if found == {200}:
                break
        assert found == {200}
        taken = {call(address, "/v1/feedback", {"decision_id": name, "verdict": "good"})[0] for _ in range(6)}
    assert taken == {201}


def test_feedback_is_kept_beside_the_ledger(config: Path, start: Start) -> None:
    config.write_text("ledger: {path: book.jsonl}\n")
    with start("--config", str(config)) as address:
        headers = call(address, CHAT, REVIEW).headers
        name = headers["x-router-decision-id"]
        assert call(address, "/v1/feedback", {"decision_id": name, "verdict": "bad", "label": "negative"})[0] == 201
        assert call(address, "/v1/feedback", {"decision_id": "nobody", "verdict": "bad"})[0] == 404
        assert call(address, "/v1/feedback", {"decision_id": name, "verdict": "bad", "comment": "x"})[0] == 400
    lines = (config.parent / "book.feedback.jsonl").read_bytes().splitlines()
    kept = [msgspec.json.decode(line, type=Feedback) for line in lines]
    assert [(each.decision_id, each.verdict, each.label) for each in kept] == [(name, "bad", "negative")]


def test_verdicts_move_what_is_expected_and_stay_over_a_restart(
    config: Path, start: Start, upstream: Background
) -> None:
    config.write_text("ledger: {path: book.jsonl}\nlearning: {least: 5, max_shift: 20%}\n")
    story = {"messages": [{"role": "user", "content": "Write a long story about a ship."}]}
    env = {"ROUTER_UPSTREAM": upstream.url, "ROUTER_UPSTREAM_MODEL": "tiny"}
    upstream.script()

    def expected(address: str) -> tuple[float, dict[str, float]]:
        decision = call(address, "/v1/route", {"prompt": "Write a long story about a ship."}).json["decision"]
        return decision["estimate"]["quality"], decision["snapshot"]["quality_shift"]

    with start("--config", str(config), env=env) as address:
        before, shifts = expected(address)
        assert shifts == {}
        for _ in range(6):
            headers = call(address, CHAT, story).headers
            name = headers["x-router-decision-id"]
            assert call(address, "/v1/feedback", {"decision_id": name, "verdict": "bad"})[0] == 201
        after, shifts = expected(address)
        assert after < before
        assert list(shifts.values()) == [pytest.approx(after - before, abs=1e-6)]
        assert after - before >= -0.2
    with start("--config", str(config), env=env) as address:
        assert expected(address) == (after, shifts)
    config.write_text("ledger: {path: book.jsonl}\n")
    with start("--config", str(config), env=env) as address:
        assert expected(address) == (before, {})
