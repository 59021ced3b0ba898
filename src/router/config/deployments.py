"""Settings of the hosted models: who they are, where, and at which price."""

from __future__ import annotations

from typing import Annotated, Literal

from ..deployments import DeploymentSettings, PriceSettings, UnitPriceSettings
from ..spec import Spec
from .words import Strict

__all__ = [
    "DeploymentSettings",
    "EmbeddingSettings",
    "PriceSettings",
    "UnitPriceSettings",
]


class EmbeddingSettings(Strict, frozen=True, kw_only=True):
    """One model for ``/v1/embeddings`` at one place; ``model`` as litellm spells it where ``backend`` is litellm."""

    name: Annotated[str, Spec(min_length=1, max_length=120)]
    model: Annotated[str, Spec(min_length=1, max_length=200)]
    backend: Literal["litellm", "openai"] = "litellm"
    api_base: str | None = None
    key_env: Annotated[str | None, Spec(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] = None
    price_per_million: PriceSettings | None = None
    in_house: bool = False
