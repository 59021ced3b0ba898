"""The environment: which credentials are set, and the few variables of the router's own. Its only reader."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ..errors import ConfigError
from .words import Strict

__all__ = [
    "Environment",
    "UpstreamSettings",
    "credential",
    "read_environment",
]


class UpstreamSettings(Strict, frozen=True, kw_only=True):
    """An OpenAI-compatible server named by the environment, e.g. Ollama or vLLM."""

    base_url: str
    model: str
    large_model: str | None = None
    key_env: str | None = None


class Environment(Strict, frozen=True, kw_only=True):
    """What was read from the environment, once: names of the credentials that are set, never their values."""

    keys: frozenset[str] = frozenset()
    upstream: UpstreamSettings | None = None
    config: str | None = None
    policy: str | None = None


def read_environment(variables: Mapping[str, str] | None = None) -> Environment:
    """Read ``ROUTER_CONFIG``, ``ROUTER_POLICY``, ``ROUTER_UPSTREAM``, ``ROUTER_UPSTREAM_MODEL``,
    ``ROUTER_UPSTREAM_LARGE_MODEL``, ``ROUTER_UPSTREAM_KEY``, and which credentials are set.

    Raises:
        ConfigError: ``ROUTER_UPSTREAM`` is no http(s) address, or is set without ``ROUTER_UPSTREAM_MODEL``.
    """
    found = os.environ if variables is None else variables
    upstream = None
    base_url = found.get("ROUTER_UPSTREAM", "").strip().rstrip("/")
    if base_url:
        model = found.get("ROUTER_UPSTREAM_MODEL", "").strip()
        if not base_url.startswith(("http://", "https://")):
            raise ConfigError(
                f"ROUTER_UPSTREAM={base_url!r} is no http(s) address.",
                hint="Set it to a base URL such as http://localhost:11434/v1.",
            )
        if not model:
            raise ConfigError(
                "ROUTER_UPSTREAM is set, but ROUTER_UPSTREAM_MODEL is not.",
                hint="Set it to a model that this server has, e.g. llama3.2.",
            )
        upstream = UpstreamSettings(
            base_url=base_url,
            model=model,
            large_model=found.get("ROUTER_UPSTREAM_LARGE_MODEL", "").strip() or None,
            key_env="ROUTER_UPSTREAM_KEY" if found.get("ROUTER_UPSTREAM_KEY") else None,
        )
    return Environment(
        keys=frozenset(name for name, value in found.items() if value.strip()),
        upstream=upstream,
        config=found.get("ROUTER_CONFIG") or None,
        policy=found.get("ROUTER_POLICY") or None,
    )


def credential(name: str) -> str | None:
    """The credential in the environment variable ``name``, None when it is not set. It is never kept or logged."""
    return os.environ.get(name) or None
