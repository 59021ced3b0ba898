"""The process: where it may listen, how it starts and ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from router.proxy.listening import is_loopback


def serve(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "router", "serve", *options], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])
def test_public_address_needs_a_word(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "[::1]"])
def test_loopback_is_recognised(host: str) -> None:
    assert is_loopback(host)


def test_public_bind_is_refused() -> None:
    ended = serve("--host", "0.0.0.0", "--port", "0")
    assert ended.returncode == 1
    assert "--allow-public" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_taken_port_is_told(sidecar: str) -> None:
    ended = serve("--port", str(urlsplit(sidecar).port))
    assert ended.returncode == 1
    assert "cannot listen" in ended.stderr


def test_wrong_config_ends_before_listening(config: Path) -> None:
    config.write_text("polcy: guide\n")
    ended = serve("--port", "0", "--config", str(config))
    assert ended.returncode == 1
    assert "router.yaml:1:1" in ended.stderr
    assert 'did you mean "policy"' in ended.stderr


def test_budgets_in_memory_refuse_several_workers(config: Path) -> None:
    config.write_text("budgets: [{usd: $1}]\n")
    ended = serve("--port", "0", "--workers", "2", "--config", str(config))
    assert ended.returncode == 1
    assert "one worker" in ended.stderr


def test_workers_answer_and_end(start: Callable[..., AbstractContextManager[str]]) -> None:
    with start("--workers", "2") as address:
        for _ in range(4):
            connection = HTTPConnection(urlsplit(address).netloc, timeout=10)
            connection.request("GET", "/healthz")
            assert connection.getresponse().status == 200
            connection.close()
