"""Settings of the hosted models: who they are, where, and at which price."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..deployments import DeploymentSettings, PriceSettings, UnitPriceSettings
from .words import Strict

__all__ = [
    "DeploymentSettings",
    "EmbeddingSettings",
    "PriceSettings",
    "UnitPriceSettings",
]


class EmbeddingSettings(Strict):
    """One model for ``/v1/embeddings`` at one place; ``model`` as litellm spells it where ``backend`` is litellm."""

    name: str = Field(min_length=1, max_length=120)
    model: str = Field(min_length=1, max_length=200)
    backend: Literal["litellm", "openai"] = "litellm"
    api_base: str | None = None
    key_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    price_per_million: PriceSettings | None = None
    in_house: bool = False
