"""The sidecar over plain HTTP: paths, methods, bodies, headers, and errors in OpenAI's shape."""

from __future__ import annotations

import gzip
import json
import socket
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import pytest
from calling import CHAT, REVIEW


def call(
    address: str, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection(urlsplit(address).netloc, timeout=60)
    try:
        connection.request(method, path, body, {"content-type": "application/json", **(headers or {})})
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def error_of(data: bytes) -> dict[str, Any]:
    error: dict[str, Any] = json.loads(data)["error"]
    assert {"message", "type", "param", "code"} <= error.keys()
    assert error["message"]
    return error


def test_health_is_told(sidecar: str) -> None:
    response, data = call(sidecar, "GET", "/healthz")
    assert (response.status, json.loads(data)) == (200, {"status": "ok"})


def test_head_has_no_body(sidecar: str) -> None:
    response, data = call(sidecar, "HEAD", "/healthz")
    assert (response.status, data) == (200, b"")


def test_models_are_listed(sidecar: str) -> None:
    response, data = call(sidecar, "GET", "/v1/models")
    ids = [model["id"] for model in json.loads(data)["data"]]
    assert response.status == 200
    assert {"auto", "router/guide", "router/private"} <= set(ids)
    assert len(ids) == len(set(ids))


def test_local_answer_is_a_completion(sidecar: str) -> None:
    response, data = call(sidecar, "POST", CHAT, json.dumps(REVIEW).encode())
    body = json.loads(data)
    assert response.status == 200, body
    assert body["object"] == "chat.completion"
    assert body["choices"][0]["message"] == {"role": "assistant", "content": "positive"} | body["choices"][0]["message"]
    assert body["choices"][0]["finish_reason"] == "stop"
    assert response.headers["x-router-target"] == "local"
    assert response.headers["x-router-policy"] == "guide"
    assert float(response.headers["x-router-cost-usd"]) == 0
    assert response.headers["x-router-model"]
    assert response.headers["x-router-rule"]
    assert response.headers["x-router-decision-id"]


def test_local_answer_can_be_streamed(sidecar: str) -> None:
    response, data = call(sidecar, "POST", CHAT, json.dumps({**REVIEW, "stream": True}).encode())
    events = [line.removeprefix(b"data: ") for line in data.split(b"\n\n") if line]
    chunks = [json.loads(event) for event in events[:-1]]
    assert response.headers["content-type"].startswith("text/event-stream")
    assert events[-1] == b"[DONE]"
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert "".join(c["delta"].get("content") or "" for chunk in chunks for c in chunk["choices"]) == "positive"
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("is_stream", [True, False])
def test_old_clients_get_no_chunks(sidecar: str, is_stream: bool) -> None:
    # HTTP/1.0 knows no chunked bodies (RFC 9112, 6.1): the end of the connection ends the stream.
    body = json.dumps({**REVIEW, "stream": is_stream}).encode()
    place = urlsplit(sidecar)
    found = b""
    with socket.create_connection((place.hostname, place.port), timeout=20) as raw:
        raw.sendall(b"POST %b HTTP/1.0\r\ncontent-type: application/json\r\n" % CHAT.encode())
        raw.sendall(b"content-length: %d\r\n\r\n%b" % (len(body), body))
        while piece := raw.recv(65536):
            found += piece
    head, _, content = found.partition(b"\r\n\r\n")
    assert b" 200 " in head.splitlines()[0]
    assert b"transfer-encoding" not in head.lower()
    assert b"connection: close" in head.lower()
    if is_stream:
        assert content.startswith(b"data: {")
        assert content.endswith(b"data: [DONE]\n\n")
    else:
        assert json.loads(content)["choices"][0]["message"]["content"] == "positive"


def test_header_hints_reach_the_decision(sidecar: str) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": REVIEW["messages"][1]["content"]}]}).encode()
    hints = {"x-router-task": "sentiment", "x-router-labels": "POSITIVE, NEGATIVE"}
    response, data = call(sidecar, "POST", CHAT, body, hints)
    assert response.status == 200, data
    assert json.loads(data)["choices"][0]["message"]["content"] == "POSITIVE"


def test_model_names_the_policy(sidecar: str) -> None:
    response, _ = call(sidecar, "POST", CHAT, json.dumps({**REVIEW, "model": "router/cost-first"}).encode())
    assert response.headers["x-router-policy"] == "cost-first"


def test_unconfigured_provider_says_how(sidecar: str) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": "Write a poem about the sea."}]}).encode()
    response, data = call(sidecar, "POST", CHAT, body)
    assert response.status == 503
    assert error_of(data)["code"] == "provider_not_configured"
    assert response.headers["x-router-target"] == "llm"
    assert response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("GET", "/nowhere", None, {}, 404),
        ("GET", CHAT, None, {}, 405),
        ("DELETE", "/v1/models", None, {}, 405),
        ("POST", CHAT, b"", {}, 400),
        ("POST", CHAT, b"not json", {}, 400),
        ("POST", CHAT, b'{"messages": [{"role": "user", "content": "\xff"}]}', {}, 400),
        ("POST", CHAT, b'{"messages": []}', {}, 400),
        ("POST", CHAT, b'{"messages": "hi"}', {}, 400),
        ("POST", CHAT, b"[" * 100_000, {}, 413),
        ("POST", CHAT, json.dumps({**REVIEW, "model": "gtp-9"}).encode(), {}, 404),
        ("POST", CHAT, json.dumps({**REVIEW, "model": "router/cheapest"}).encode(), {}, 404),
        ("POST", CHAT, json.dumps({**REVIEW, "router": {"max_usd": -1}}).encode(), {}, 400),
        ("POST", CHAT, json.dumps(REVIEW).encode(), {"x-router-task": "sentimant"}, 400),
        ("POST", CHAT, json.dumps(REVIEW).encode(), {"x-router-budget-usd": "-1"}, 400),
        (
            "POST",
            CHAT,
            json.dumps(REVIEW).encode(),
            {"origin": "http://localhost:3000", "content-type": "text/plain"},
            415,
        ),
        ("POST", CHAT, gzip.compress(json.dumps(REVIEW).encode()), {"content-encoding": "gzip"}, 415),
        ("POST", CHAT, json.dumps(REVIEW).encode(), {"origin": "https://x.org"}, 403),
        ("POST", CHAT, json.dumps(REVIEW).encode(), {"origin": "null"}, 403),
    ],
)
def test_wrong_requests_get_openai_errors(
    sidecar: str, method: str, path: str, body: bytes | None, headers: dict[str, str], status: int
) -> None:
    response, data = call(sidecar, method, path, body, headers)
    assert response.status == status, data
    assert error_of(data)["type"] == "invalid_request_error"
    assert response.headers["x-request-id"]


def test_impossible_budget_is_told(sidecar: str) -> None:
    body = {"messages": [{"role": "user", "content": "Write a long story about a ship."}], "router": {"max_usd": 0}}
    response, data = call(sidecar, "POST", CHAT, json.dumps(body).encode())
    assert response.status == 402
    error = error_of(data)
    assert error["code"] == "budget_exceeded"
    assert error["needed_usd"] > 0


def test_given_request_id_comes_back(sidecar: str) -> None:
    response, _ = call(sidecar, "GET", "/healthz", headers={"x-request-id": "abc-123"})
    assert response.headers["x-request-id"] == "abc-123"
    response, _ = call(sidecar, "GET", "/healthz", headers={"x-request-id": "a b"})
    assert response.headers["x-request-id"] != "a b"


def test_announced_large_body_is_refused_unread(sidecar: str) -> None:
    host, port = urlsplit(sidecar).hostname, urlsplit(sidecar).port
    with socket.create_connection((host, port), timeout=10) as raw:
        raw.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999999\r\n\r\n")
        assert raw.recv(200).startswith(b"HTTP/1.1 413")


def test_large_body_is_refused(sidecar: str) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": "x" * (16 * 1024 * 1024)}]}).encode()
    response, data = call(sidecar, "POST", CHAT, body)
    assert response.status == 413
    assert error_of(data)["code"] == "request_too_large"


def test_ten_megabytes_are_answered_or_refused(sidecar: str) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": "many words " * 950_000}]}).encode()
    response, data = call(sidecar, "POST", CHAT, body)
    assert response.status in (400, 402, 413, 422, 503)
    assert error_of(data)


def test_client_that_leaves_harms_nobody(sidecar: str) -> None:
    host, port = urlsplit(sidecar).hostname, urlsplit(sidecar).port
    for part in (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 500\r\n\r\n{",
        b"GARBAGE\r\n\r\n",
    ):
        with socket.create_connection((host, port), timeout=10) as raw:
            raw.sendall(part)
    assert call(sidecar, "GET", "/healthz")[0].status == 200
