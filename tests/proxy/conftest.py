"""A running sidecar: the real command in a process of its own, with an environment that holds no credentials."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from background import Background

KEEP = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH", "SYSTEMROOT", "VIRTUAL_ENV")


@contextmanager
def running(*options: str, env: Mapping[str, str] | None = None) -> Iterator[str]:
    """Start ``router serve --port 0`` and give its address; it must end well on SIGTERM."""
    clean = {key: value for key, value in os.environ.items() if key in KEEP}
    process = subprocess.Popen(
        [sys.executable, "-m", "router", "serve", "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**clean, **(env or {})},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://\S+", line)
        if found is None:
            process.kill()
            raise AssertionError(f"the sidecar did not start: {line}{process.communicate()[1]}")
        yield found[0]
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=90)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors, errors


Start = Callable[..., AbstractContextManager[str]]


@pytest.fixture(scope="session")
def start() -> Start:
    """Starts a sidecar: ``with start("--option", env={...}) as address``."""
    return running


@pytest.fixture(scope="session")
def sidecar() -> Iterator[str]:
    """Address of a sidecar that has no hosted provider."""
    with running() as address:
        yield address


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Where a test may write a config."""
    return tmp_path / "router.yaml"


@pytest.fixture(scope="session")
def upstream() -> Iterator[Background]:
    """An OpenAI-compatible server; a test scripts what it answers next."""
    background = Background()
    yield background
    background.stop()


@pytest.fixture(scope="session")
def address(upstream: Background, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a sidecar with ``upstream`` behind it."""
    path = tmp_path_factory.mktemp("sidecar") / "router.yaml"
    path.write_text(
        f"embeddings: [{{name: embed, model: tiny-embed, backend: openai, api_base: '{upstream.url}', in_house: true,"
        " price_per_million: {input: $1}}]\n"
    )
    env = {
        "ROUTER_UPSTREAM": upstream.url,
        "ROUTER_UPSTREAM_MODEL": "tiny",
        "ROUTER_UPSTREAM_LARGE_MODEL": "huge",
        "ROUTER_UPSTREAM_KEY": "sk-upstream-secret",
    }
    with running("--config", str(path), env=env) as found:
        yield found
