"""Two sidecars, each a process of its own, that tell each other over Redis which deployments are out."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from background import Background
from calling import call

from router import ConfigError, Router
from router.testing.upstream import Answer, Fault

Start = Callable[..., AbstractContextManager[str]]
REDIS = os.environ.get("ROUTER_TEST_REDIS", "redis://127.0.0.1:6379/0")
STORY = {"messages": [{"role": "user", "content": "Write a story about a lighthouse keeper who counts the ships."}]}
DOWN = Fault(status=500)


@pytest.fixture
def other() -> Iterator[Background]:
    background = Background()
    yield background
    background.stop()


@pytest.fixture
def redis_url() -> str:
    place = urlsplit(REDIS)
    try:
        socket.create_connection((place.hostname or "localhost", place.port or 6379), timeout=2).close()
    except OSError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"Redis is not there: {error}")
    return REDIS


def configured(path: Path, first: str, second: str, redis: str) -> str:
    shared = f"shared_health: {{url: '{redis}', every: 100ms, prefix: 'test-{uuid.uuid4().hex[:8]}'}}"
    path.write_text(
        "local_models: {shipped: false}\nserver: {watch: false}\n"
        f"dispatch: {{max_wait: 200ms, sticky: false, {shared}}}\ndeployments:\n"
        f"  - {{name: first, model: first, tier: small, backend: openai, api_base: '{first}', price_per_million: "
        "{input: $1, output: $1}}\n"
        f"  - {{name: second, model: second, tier: small, backend: openai, api_base: '{second}', price_per_million: "
        "{input: $9, output: $9}}\n"
    )
    return str(path)


def ask(address: str) -> str:
    """The deployment that answered."""
    reply = call(address, "/v1/chat/completions", STORY)
    assert reply.status == 200, reply.data
    return str(reply.headers["x-router-model"])


def is_out(address: str) -> bool:
    """Whether ``first`` is passed over there."""
    text = call(address, "/metrics").data.decode()
    return any(line.startswith("router_deployment_unhealthy") and 'first"} 1' in line for line in text.splitlines())


def soon(what: Callable[[], bool], within_s: float = 15.0) -> bool:
    until = time.monotonic() + within_s
    while not what():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.redis
def test_what_one_replica_found_out_the_other_need_not(
    config: Path, upstream: Background, other: Background, start: Start, redis_url: str
) -> None:
    path = configured(config, upstream.url, other.url, redis_url)
    with start("--config", path) as one, start("--config", path) as two:
        upstream.script()
        assert ask(one) == ask(two) == "first"
        upstream.script(*[DOWN] * 50)
        assert soon(lambda: ask(one) == "second" and is_out(one))
        assert soon(lambda: is_out(two), 5.0)
        before = len(upstream.server.received)
        assert {ask(two) for _ in range(5)} == {"second"}
        assert len(upstream.server.received) == before
        # Once it answers one of them, both use it again.
        upstream.script()
        assert soon(lambda: ask(one) == "first")
        assert soon(lambda: not is_out(two), 5.0)
        assert ask(two) == "first"


@contextmanager
def own_redis(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--save", "", "--appendonly", "no", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert soon(lambda: _listens(port))
        yield f"redis://127.0.0.1:{port}/0", process
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait(10)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.mark.redis
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_without_redis_each_goes_on_by_itself(
    config: Path, upstream: Background, other: Background, start: Start, how: signal.Signals
) -> None:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    with own_redis(config.parent) as (url, process):
        path = configured(config, upstream.url, other.url, url)
        with start("--config", path) as one, start("--config", path) as two:
            upstream.script()
            assert ask(one) == ask(two) == "first"
            process.send_signal(how)
            upstream.script(*[DOWN] * 200)
            assert soon(lambda: ask(one) == "second" and is_out(one))
            time.sleep(1.0)
            assert not is_out(two)
            # No request waits for what is away, and the other one finds out for itself.
            began = time.monotonic()
            for _ in range(5):
                ask(two)
            assert time.monotonic() - began < 10.0
            assert soon(lambda: ask(two) == "second" and is_out(two))
            upstream.script(Answer())


@pytest.mark.parametrize(
    ("shared", "said"),
    [
        ("{}", "redis://"),
        ("{path: a.db}", "redis://"),
        ("{url: 'http://localhost'}", "no address of Redis"),
        ("{url: 'redis://a', every: 1ms}", "100"),
        ("{url: 'redis://u:secret@a'}", "password"),
        ("{url_env: NOT_SET_ANYWHERE}", "NOT_SET_ANYWHERE"),
    ],
)
def test_a_wrong_setting_is_told(config: Path, shared: str, said: str) -> None:
    config.write_text(f"dispatch: {{shared_health: {shared}}}\n")
    with pytest.raises(ConfigError, match=said) as caught:
        Router.from_config(config)
    assert "secret" not in str(caught.value)
