"""Limits of money, requests and tokens as callers of a running sidecar meet them; the trace that goes through it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import openai
import pytest
from background import Background
from calling import CHAT, STORY, call

from router.errors import ConfigError
from router.proxy.auth import new_key, read_keys
from router.proxy.endpoints import rate_headers
from router.state.budget import Rate

Start = Callable[..., AbstractContextManager[str]]
DEPLOYMENTS = (
    "deployments:\n"
    "  - {{name: large, model: huge, tier: large, backend: openai, api_base: '{url}', price_per_million:"
    " {{input: $10, output: $40}}}}\n"
    "  - {{name: small, model: tiny, tier: small, backend: openai, api_base: '{url}', price_per_million:"
    " {{input: $1, output: $4}}}}\n"
)
QUESTION = {"messages": [{"role": "user", "content": "If 3 pens cost 4 euros, what do 12 cost? Think step by step."}]}


@pytest.fixture
def one_window() -> None:
    """Start where an hour is not about to end."""
    left = 3600 - time.time() % 3600
    if left < 60:
        time.sleep(left + 0.1)


def test_limits_of_a_key_bind_that_key_alone(
    config: Path, upstream: Background, start: Start, one_window: None
) -> None:
    upstream.script()
    folder = config.parent
    busy, busy_hash = new_key("busy")
    calm, calm_hash = new_key("calm")

    def keys(requests: int) -> str:
        return (
            f"keys:\n  - {{id: busy, tenant: acme, sha256: {busy_hash}, limits:"
            f" [{{requests: {requests}, window: hour}}, {{tokens: 900000, window: hour}}]}}\n"
            f"  - {{id: calm, tenant: acme, sha256: {calm_hash}}}\n"
        )

    (folder / "keys.yaml").write_text(keys(3))
    config.write_text(
        "server: {keys: keys.yaml, admin: {port: 0}}\n"
        f"embeddings: [{{name: e, model: e, backend: openai, api_base: '{upstream.url}', in_house: true,"
        " price_per_million: {input: $1}}]\n" + DEPLOYMENTS.format(url=upstream.url)
    )
    with start("--config", str(config)) as address:
        left = []
        for _ in range(3):
            answer = call(address, CHAT, STORY, key=busy)
            assert answer.status == 200
            assert answer.headers["x-ratelimit-limit-requests"] == "3"
            assert answer.headers["x-ratelimit-limit-tokens"] == "900000"
            assert answer.headers["x-ratelimit-reset-requests"].endswith("s")
            left.append(answer.headers["x-ratelimit-remaining-requests"])
        assert left == ["2", "1", "0"]
        refused = call(address, CHAT, STORY, key=busy)
        assert refused.status == 429
        error = refused.json["error"]
        assert (error["code"], error["type"], error["left"]) == ("rate_limit_exceeded", "rate_limit_error", 0)
        assert 0 < int(refused.headers["retry-after"]) <= 3600
        assert refused.headers["x-ratelimit-remaining-requests"] == "0"
        refused = call(address, "/v1/embeddings", {"model": "e", "input": "hello"}, key=busy)
        assert (refused.status, refused.headers["x-ratelimit-remaining-requests"]) == (429, "0")
        free = call(address, CHAT, STORY, key=calm)
        assert free.status == 200
        assert not [name for name in free.headers if name.startswith("x-ratelimit")]
        client = openai.OpenAI(base_url=f"{address}/v1", api_key=busy, max_retries=0)
        with client, pytest.raises(openai.RateLimitError):
            client.chat.completions.create(**STORY)  # type: ignore[call-overload]
        # The file is read again by itself; what was counted stays.
        (folder / "keys.yaml").write_text(keys(5))
        until = time.monotonic() + 30
        while (answer := call(address, CHAT, STORY, key=busy)).status == 429 and time.monotonic() < until:
            time.sleep(0.2)
        assert answer.status == 200
        assert answer.headers["x-ratelimit-remaining-requests"] == "1"


def test_a_stream_tells_what_is_left(config: Path, upstream: Background, start: Start, one_window: None) -> None:
    upstream.script()
    config.write_text("budgets: [{requests: 9, window: hour}]\n" + DEPLOYMENTS.format(url=upstream.url))
    with start("--config", str(config)) as address:
        answer = call(address, CHAT, {**STORY, "stream": True})
        assert answer.status == 200
        assert answer.headers["x-ratelimit-remaining-requests"] == "8"


def test_hard_limit_of_money_refuses(config: Path, upstream: Background, start: Start, one_window: None) -> None:
    upstream.script()
    # One call at its worst fits; what it really uses leaves too little for the next.
    config.write_text("budgets: [{usd: $0.0004, window: hour}]\n" + DEPLOYMENTS.format(url=upstream.url))
    small = {**STORY, "max_tokens": 90, "model": "small"}
    with start("--config", str(config)) as address:
        first = call(address, CHAT, small)
        assert first.status == 200, first.data
        statuses = [call(address, CHAT, small) for _ in range(12)]
        refused = next(reply for reply in statuses if reply.status != 200)
        assert refused.status == 402
        error = refused.json["error"]
        assert error["code"] == "budget_exceeded"
        assert error["needed_usd"] > error["left_usd"] >= 0
        assert error["resets_at"]
        assert refused.headers["x-should-retry"] == "false"
    calls = len(upstream.server.received)
    assert calls == 1 + sum(reply.status == 200 for reply in statuses)


def test_a_quote_knows_what_the_key_has_left(config: Path, upstream: Background, start: Start) -> None:
    upstream.script()
    poor, digest = new_key("poor")
    (config.parent / "keys.yaml").write_text(
        f"keys: [{{id: poor, tenant: acme, sha256: {digest}, limits: [{{usd: $0.00001, window: day}}]}}]\n"
    )
    config.write_text("server: {keys: keys.yaml}\n" + DEPLOYMENTS.format(url=upstream.url))
    with start("--config", str(config)) as address:
        answers = [call(address, path, STORY, key=poor) for path in (CHAT, "/v1/route")]
    assert [(answer.status, answer.json["error"]["code"]) for answer in answers] == [(402, "budget_exceeded")] * 2


def test_soft_limit_changes_the_choice(config: Path, upstream: Background, start: Start, one_window: None) -> None:
    upstream.script()
    config.write_text("budgets: [{usd: $0.0001, window: hour, mode: soft}]\n" + DEPLOYMENTS.format(url=upstream.url))
    with start("--config", str(config)) as address:
        before = call(address, CHAT, QUESTION)
        after = call(address, CHAT, QUESTION)
    assert (before.status, before.headers["x-router-model"]) == (200, "large")
    assert (after.status, after.headers["x-router-model"]) == (200, "small")


def test_workers_need_a_shared_store_for_limits_of_keys(config: Path, start: Start) -> None:
    _, digest = new_key("a")
    (config.parent / "keys.yaml").write_text(
        f"keys: [{{id: a, tenant: a, sha256: {digest}, limits: [{{requests: 1}}]}}]\n"
    )
    config.write_text("server: {keys: keys.yaml}\n")
    with pytest.raises(AssertionError, match="overspend"), start("--config", str(config), "--workers", "2"):
        pass


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ("60", "list"),
        ("[60]", "mapping"),
        ("[{request: 60}]", r'request".*did you mean "requests"'),
        ("[{requests: 60, key: other}]", "unknown key"),
        ("[{requests: 60, usd: 1}]", "one of usd, requests and tokens"),
        ("[{requests: -1}]", "greater than or equal to 0"),
        ("[{usd: $1, window: week}]", "day"),
    ],
)
def test_wrong_limits_of_a_key_say_where(tmp_path: Path, limits: str, told: str) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(f"keys:\n  - {{id: a, tenant: a, sha256: {new_key('a')[1]}, limits: {limits}}}\n")
    with pytest.raises(ConfigError, match=rf"keys\.yaml:2:\d+.*(?s:.*){told}"):
        read_keys(path)


def test_times_are_written_as_clients_read_them() -> None:
    told = dict(rate_headers([Rate("requests", 9, 0, 0.2), Rate("tokens", 9, 1, 3661.0)]))
    assert told[b"x-ratelimit-reset-requests"] == b"1s"
    assert told[b"x-ratelimit-reset-tokens"] == b"1h1m1s"
    assert dict(rate_headers([Rate("requests", 9, 0, 360.0)]))[b"x-ratelimit-reset-requests"] == b"6m0s"
    assert b"x-ratelimit-reset-tokens" not in dict(rate_headers([Rate("tokens", 9, 1, None)]))


@pytest.mark.parametrize("stream", [False, True])
def test_trace_goes_on_to_the_upstream(address: str, upstream: Background, stream: bool) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    for given, expected in ((trace, trace), ("00-xyz\u00e9", None), (f"{trace}-evil", None)):
        upstream.script()
        answer = call(address, CHAT, {**STORY, "stream": stream}, traceparent=given)
        assert answer.status == 200
        sent = {name.lower(): value for name, value in upstream.server.received[0].headers.items()}
        assert sent.get("traceparent") == expected


def test_state_of_a_trace_goes_on_with_its_parent_alone(address: str, upstream: Background) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    for parent, state, expected in (
        (trace, "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
        ("00-xyz", "rojo=1", None),
        (trace, f"rojo={'a' * 600}", None),
        (trace, "rojo=\u00e9", None),
    ):
        upstream.script()
        assert call(address, CHAT, STORY, traceparent=parent, tracestate=state).status == 200
        sent = {name.lower(): value for name, value in upstream.server.received[0].headers.items()}
        assert sent.get("tracestate") == expected
