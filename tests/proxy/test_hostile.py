"""What a hostile peer may send: malformed, smuggled, slow, endless or huge HTTP. Each ends in an error or a closed
connection, never in two answers, a stuck process, or a foreign header."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from background import Background

from router.testing.upstream import Answer

Start = Callable[..., AbstractContextManager[str]]
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
INNER = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory, start: Start) -> Iterator[str]:
    path = tmp_path_factory.mktemp("strict") / "router.yaml"
    path.write_text(
        "server: {header_timeout_s: 1, body_timeout_s: 1, max_header_bytes: 4096, max_body_bytes: 65536, "
        "max_connections: 40, max_messages: 50, max_depth: 16}\n"
    )
    with start("--config", str(path)) as address:
        yield address


def talk(address: str, *pieces: bytes, wait_s: float = 10.0) -> bytes:
    """Everything that comes back until the other side closes, or nothing comes for ``wait_s``."""
    host, port = urlsplit(address).hostname, urlsplit(address).port
    found = b""
    with socket.create_connection((host, port), timeout=wait_s) as raw:
        for piece in pieces:
            raw.sendall(piece)
        try:
            while chunk := raw.recv(65536):
                found += chunk
        except (TimeoutError, ConnectionResetError):
            pass
    return found


def ends_while_sending(raw: socket.socket, piece: bytes, within_s: float = 14.0) -> bool:
    """Whether the other side ends the connection while ``piece`` is sent to it again and again."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            raw.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            return True
        time.sleep(0.1)
    return False


def is_alive(address: str) -> bool:
    return b"200 OK" in talk(address, b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")


@pytest.mark.parametrize(
    "request_bytes",
    [
        HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + INNER,
        HEAD + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n" + INNER,
        HEAD + b"content-length: 0\r\ncontent-length: 45\r\n\r\n" + INNER,
        HEAD + b"content-length: +5\r\n\r\nhello" + INNER,
        HEAD + b"content-length: -5\r\n\r\n" + INNER,
        HEAD + b"content-length: 5, 5\r\n\r\nhello" + INNER,
        HEAD + b"transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + INNER,
        HEAD + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n" + INNER,
        HEAD + b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n" + INNER,
        HEAD + b"content-length : 5\r\n\r\nhello" + INNER,
        HEAD + b"x: a\r\n content-length: 45\r\n\r\n" + INNER,
        HEAD + b"transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + INNER,
        HEAD + b"transfer-encoding: chunked\r\n\r\n-1\r\n" + INNER,
        HEAD + b"transfer-encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n" + INNER,
        b"GET /healthz HTTP/1.1\r\nhost: localhost\nx: y\r\n\r\n" + INNER.replace(b"\r\n", b"\n"),
        b"GET /healthz HTTP/1.1\r\nho st: localhost\r\n\r\n" + INNER,
        b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: a\x00b\r\n\r\n" + INNER,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
    ],
)
def test_smuggled_request_is_never_answered(strict: str, request_bytes: bytes) -> None:
    found = talk(strict, request_bytes, wait_s=4)
    assert found.count(b"HTTP/1.1") <= 1, found
    assert b'{"status":"ok"}' not in found
    assert is_alive(strict)


def test_pipelined_requests_are_answered_in_order(strict: str) -> None:
    found = talk(strict, INNER + b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
    assert found.count(b"HTTP/1.1 200") == 2
    assert found.index(b'"status"') < found.index(b'"data"')


def test_head_that_never_ends_is_cut(strict: str) -> None:
    began = time.monotonic()
    found = talk(strict, b"GET /healthz HTTP/1.1\r\nhost: local", wait_s=15)
    assert found.startswith(b"HTTP/1.1 408")
    assert time.monotonic() - began < 14
    assert json.loads(found.partition(b"\r\n\r\n")[2])["error"]["code"] == "request_timeout"


def test_dripping_head_gets_no_more_time(strict: str) -> None:
    host, port = urlsplit(strict).hostname, urlsplit(strict).port
    began = time.monotonic()
    with socket.create_connection((host, port), timeout=5) as raw:
        raw.sendall(b"GET /healthz HTTP/1.1\r\n")
        assert ends_while_sending(raw, b"x-a: b\r\n")
    assert time.monotonic() - began < 14
    assert is_alive(strict)


def test_body_that_never_ends_is_cut(strict: str) -> None:
    found = talk(strict, HEAD + b"content-length: 500\r\n\r\n{", wait_s=15)
    assert found.startswith(b"HTTP/1.1 408")


def test_silent_connection_is_closed(strict: str) -> None:
    assert talk(strict, wait_s=15) == b""
    assert talk(strict, b"\r\n\r\n\r\n", wait_s=15) == b""


def test_idle_connection_can_be_used_again(strict: str) -> None:
    # Pools keep theirs for longer than five seconds, and a POST that meets a closing connection is lost.
    with socket.create_connection((urlsplit(strict).hostname, urlsplit(strict).port), timeout=10) as raw:
        for pause_s in (6, 0):
            raw.sendall(INNER)
            assert b"200 OK" in raw.recv(65536)
            time.sleep(pause_s)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: " + b"a" * 10_000,
        b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: " + b"a" * 10_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n" + b"a: b\r\n" * 150 + b"\r\n",
    ],
)
def test_huge_head_is_refused(strict: str, head: bytes) -> None:
    found = talk(strict, head)
    assert found.startswith(b"HTTP/1.1 431"), found[:200]
    assert json.loads(found.partition(b"\r\n\r\n")[2])["error"]["code"] == "headers_too_large"


def test_trailers_are_no_headers(strict: str) -> None:
    body = b'{"messages": [{"role": "user", "content": "hi"}]}'
    head = HEAD.replace(b"chat/completions", b"route") + b"connection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    trailers = b"x-request-id: behind-the-body\r\n" * 150
    found = talk(strict, head + b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(body), body, trailers))
    assert found.startswith(b"HTTP/1.1 200"), found[:300]
    assert b"behind-the-body" not in found


def test_huge_deep_and_many_bodies_are_refused(strict: str) -> None:
    turns = [{"role": "user", "content": "hi"}] * 60
    for body in (
        json.dumps({"messages": [{"role": "user", "content": "x" * 70_000}]}),
        json.dumps({"messages": turns}),
        '{"messages": [{"role": "user", "content": "hi"}], "x": ' + "[" * 40 + "]" * 40 + "}",
    ):
        found = talk(strict, HEAD + b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body) + body.encode())
        assert found.startswith(b"HTTP/1.1 413"), found[:300]


def test_too_many_connections_are_refused(strict: str) -> None:
    host, port = urlsplit(strict).hostname, urlsplit(strict).port
    held = [socket.create_connection((host, port), timeout=5) for _ in range(60)]
    try:
        refused = 0
        for raw in held[40:]:
            raw.settimeout(5)
            refused += raw.recv(100).startswith(b"HTTP/1.1 503")
        assert refused >= 15
    finally:
        for raw in held:
            raw.close()
    until = time.monotonic() + 10
    while not is_alive(strict) and time.monotonic() < until:
        time.sleep(0.1)
    assert is_alive(strict)


def test_header_values_cannot_be_injected(strict: str) -> None:
    body = json.dumps({"model": "router/guide\r\nx-evil: 1", "messages": [{"role": "user", "content": "hi"}]}).encode()
    found = talk(strict, HEAD + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    head = found.partition(b"\r\n\r\n")[0]
    assert head.startswith(b"HTTP/1.1 404")
    assert b"x-evil" not in head
    found = talk(strict, b"GET /%0d%0ax-evil:%201 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
    assert b"x-evil" not in found.partition(b"\r\n\r\n")[0]


def test_foreign_host_is_refused(strict: str) -> None:
    for host in (b"evil.example", b"evil.example:8787", b"127.0.0.1.evil.example", b"[::2]"):
        found = talk(strict, b"GET /v1/models HTTP/1.1\r\nhost: %b\r\nconnection: close\r\n\r\n" % host)
        assert found.startswith(b"HTTP/1.1 403"), host


@pytest.mark.parametrize("hosts", [b"", b"host: localhost\r\nhost: localhost\r\n", b"Host: a\r\nhost: localhost\r\n"])
def test_request_of_no_or_two_hosts_is_refused(strict: str, hosts: bytes) -> None:
    found = talk(strict, b"GET /healthz HTTP/1.1\r\n%b\r\n" % hosts, wait_s=4)
    assert found.startswith(b"HTTP/1.1 400")
    assert b'{"status":"ok"}' not in found


def test_upgrade_is_not_taken(strict: str) -> None:
    # As Java's client offers HTTP/2: with a body, which must be read.
    offer = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
    body = json.dumps(
        {"messages": [{"role": "user", "content": "I loved it."}], "router": {"task": "sentiment"}}
    ).encode()
    post = (
        HEAD.replace(b"/v1/chat/completions", b"/v1/route") + offer + b"content-length: %d\r\n\r\n" % len(body) + body
    )
    for pieces in ([post], [post[:-20], post[-20:]], [post[:60], post[60:200], post[200:]]):
        found = talk(strict, *pieces, INNER, wait_s=3)
        assert found.count(b"HTTP/1.1 200") == 2, found
        assert found.index(b'"decision"') < found.index(b'"status":"ok"')


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"CONNECT localhost:80 HTTP/1.1\r\nhost: localhost\r\n\r\n" + INNER,
        HEAD + b"connection: upgrade\r\nupgrade: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n" + INNER,
        HEAD + b"connection: upgrade\r\nupgrade: x\r\ncontent-length: 45\r\n\r\n" + INNER,
    ],
)
def test_upgrade_smuggles_nothing(strict: str, request_bytes: bytes) -> None:
    found = talk(strict, request_bytes, wait_s=3)
    assert b'{"status":"ok"}' not in found
    assert is_alive(strict)


def test_client_that_reads_nothing_is_let_go(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "router.yaml"
    path.write_text("server: {send_timeout_s: 1}\n")
    with start("--config", str(path)) as address:
        host, port = urlsplit(address).hostname, urlsplit(address).port
        with socket.socket() as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            raw.settimeout(15)
            raw.connect((host, port))
            raw.sendall(b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n" * 1_000)
            assert ends_while_sending(raw, b"x")
        assert is_alive(address)


def test_full_sidecar_says_so_and_stays_healthy(upstream: Background, config: Path, start: Start) -> None:
    config.write_text("server: {max_in_flight: 2}\n")
    upstream.script(*[Answer(delay_s=3.0)] * 3)
    env = {"ROUTER_UPSTREAM": upstream.url, "ROUTER_UPSTREAM_MODEL": "tiny"}
    body = json.dumps({"messages": [{"role": "user", "content": "Write a short story about the sea."}]}).encode()
    asked = HEAD + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    with start("--config", str(config), env=env) as address:
        host, port = urlsplit(address).hostname, urlsplit(address).port
        held = [socket.create_connection((host, port), timeout=20) for _ in range(2)]
        for raw in held:
            raw.sendall(asked)
        until = time.monotonic() + 10
        while len(upstream.server.received) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        refused = talk(address, asked)
        assert refused.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 1" in refused.lower()
        assert is_alive(address)
        for raw in held:
            assert raw.recv(100).startswith(b"HTTP/1.1 200")
            raw.close()


def test_request_cannot_name_an_address(address: str, upstream: Background) -> None:
    upstream.script()
    fields = {"api_base": "http://192.0.2.1/v1", "base_url": "http://192.0.2.1/v1", "custom_llm_provider": "x"}
    asked = {"messages": [{"role": "user", "content": "Write a short story about the sea."}], **fields}
    body = json.dumps(asked).encode()
    found = talk(address, HEAD + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    assert found.startswith(b"HTTP/1.1 200"), found[:300]
    # They travelled on as unknown fields of the body, and moved nothing.
    assert len(upstream.server.received) == 1
    for model in ("http://192.0.2.1/v1", "openai/http://192.0.2.1"):
        body = json.dumps({**asked, "model": model}).encode()
        found = talk(address, HEAD + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        assert found.startswith(b"HTTP/1.1 404"), found[:300]
