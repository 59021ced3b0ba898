"""A running sidecar: the real command in a process of its own, with an environment that holds no credentials."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from background import Background

from processes import serving

if TYPE_CHECKING:
    import openai


@contextmanager
def running(*options: str, env: Mapping[str, str] | None = None) -> Iterator[str]:
    """The address of a sidecar that is started so."""
    with serving(*options, env=env) as found:
        yield found.addresses[0]


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


@pytest.fixture
def client(address: str) -> Iterator[openai.OpenAI]:
    """OpenAI's client of :func:`address`."""
    import openai

    with openai.OpenAI(base_url=f"{address}/v1", api_key="unused", max_retries=0, timeout=60) as found:
        yield found
