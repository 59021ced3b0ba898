"""Settings of the hosted models: who they are, where, and at which price."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from .words import Strict, Usd

__all__ = [
    "DeploymentSettings",
    "EmbeddingSettings",
    "PriceSettings",
    "UnitPriceSettings",
]


class PriceSettings(Strict):
    """USD a million tokens, as providers print it; a field left out stays as the price table has it."""

    input: Usd | None = None
    output: Usd | None = None
    cached_input: Usd | None = None
    cache_write: Usd | None = None
    reasoning: Usd | None = None
    audio_input: Usd | None = None
    audio_output: Usd | None = None
    image_input: Usd | None = None
    image_output: Usd | None = None


class UnitPriceSettings(Strict):
    """USD for what is charged beside tokens: each ``call``, picture in the request (``image``), picture that is written
    (``image_output``), ``second`` that a call takes, ``search`` of the web; see :class:`router.price.UnitPrices`."""

    call: Usd | None = None
    image: Usd | None = None
    image_output: Usd | None = None
    second: Usd | None = None
    search: Usd | None = None


class DeploymentSettings(Strict):
    """One hosted model at one place; see :class:`router.catalogue.Deployment`."""

    name: str = Field(min_length=1, max_length=120)
    model: str = Field(min_length=1, max_length=200)
    tier: Literal["small", "large"] = "small"
    backend: Literal["litellm", "openai"] = "litellm"
    api_base: str | None = None
    key_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    family: str | None = None
    params: dict[str, Any] = Field(default_factory=dict)
    price_per_million: PriceSettings | None = None
    price_per_unit: UnitPriceSettings | None = None
    context_tokens: int | None = Field(default=None, gt=0)
    max_output_tokens: int | None = Field(default=None, gt=0)
    capabilities: list[str] | None = None
    quality: dict[str, float] = Field(default_factory=dict)
    ttft_ms: float = Field(default=600.0, ge=0)
    tokens_per_s: float = Field(default=60.0, gt=0)
    in_house: bool = False
    tags: list[str] = Field(default_factory=list)
    weight: float = Field(default=1.0, ge=0)
    group: str | None = Field(default=None, min_length=1, max_length=120)


class EmbeddingSettings(Strict):
    """One model for ``/v1/embeddings`` at one place; ``model`` as litellm spells it where ``backend`` is litellm."""

    name: str = Field(min_length=1, max_length=120)
    model: str = Field(min_length=1, max_length=200)
    backend: Literal["litellm", "openai"] = "litellm"
    api_base: str | None = None
    key_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    price_per_million: PriceSettings | None = None
    in_house: bool = False
