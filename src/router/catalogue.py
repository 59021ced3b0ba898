"""What exists before any request: hosted deployments, model families, prices and local model cards.

Types and their readers only; the data is YAML and JSON beside the package. The room knows nothing of requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from .types import Tier

__all__ = ["Capability", "Deployment", "Family", "LocalCard", "Price"]

Capability = Literal["tools", "json_schema", "vision", "audio", "streaming", "logprobs"]


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """USD a token. None is unknown, and unknown is never zero; a free local server says 0.0."""

    input: float | None = None
    output: float | None = None
    cached_input: float | None = None
    cache_write: float | None = None
    reasoning: float | None = None


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """A model family of the guide's catalogue (MDL)."""

    name: str
    architecture: Literal["encoder", "encoder-decoder", "decoder"]
    open_weights: bool
    maker: str
    year: int
    typical_use: str = ""
    instruction_tuned: bool = False
    good_at: tuple[str, ...] = ()


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """One hosted model at one place.

    ``name`` is the router's own, unique; ``model`` the provider's (litellm's spelling when ``backend`` is
    ``litellm``). ``params`` are fixed request fields (``reasoning_effort: low``), so that one model can stand in
    several tiers. ``quality`` is the prior by task, ``"*"`` for the rest, 0..1. ``ttft_ms`` and ``tokens_per_s``
    are the latency prior. ``key_env`` names the environment variable of the credential, never the credential;
    ``configured`` says whether this machine can call it. ``in_house``: data sent there stays in house.
    """

    name: str
    model: str
    tier: Tier
    backend: Literal["litellm", "openai"] = "litellm"
    api_base: str | None = None
    key_env: str | None = None
    configured: bool = False
    family: str | None = None
    params: Mapping[str, Any] = msgspec.field(default_factory=dict)
    price: Price = Price()
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    capabilities: frozenset[str] = frozenset({"streaming"})
    quality: Mapping[str, float] = msgspec.field(default_factory=dict)
    ttft_ms: float = 600.0
    tokens_per_s: float = 60.0
    in_house: bool = False
    tags: frozenset[str] = frozenset()
    weight: float = 1.0


class LocalCard(msgspec.Struct, frozen=True, kw_only=True):
    """The card of a local model: what it was trained on, what it promises, and the hashes of its files.

    ``aliases`` maps a label to other spellings that mean exactly it. ``threshold`` is the least calibrated probability
    at which it may answer, set on calibration rows for ``promise`` (``{"max_error": 0.02, "confidence": 0.95, ...}``);
    ``ood_threshold`` the least in-distribution score. ``metrics`` maps a data set's name to its figures.
    """

    name: str
    task: str
    labels: tuple[str, ...]
    maker: Literal["linear", "embedding", "encoder"]
    languages: tuple[str, ...]
    rows: int
    threshold: float
    ood_threshold: float
    licence: str
    data_hash: str
    files: Mapping[str, str]
    aliases: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    family: str | None = None
    description: str = ""
    sources: tuple[str, ...] = ()
    promise: Mapping[str, Any] = msgspec.field(default_factory=dict)
    calibration: Mapping[str, Any] = msgspec.field(default_factory=dict)
    metrics: Mapping[str, Any] = msgspec.field(default_factory=dict)
    limits: tuple[str, ...] = ()
    latency_us: float = 100.0
    made_with: Mapping[str, str] = msgspec.field(default_factory=dict)
    version: int = 1
