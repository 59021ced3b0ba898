"""What a file may say of a hosted model at one place: the same words in a config's `deployments` and a policy's
`models`. No file is opened here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from .catalogue import Capability
from .types import TASKS
from .units import parse_usd
from .yamlfile import Document, place_error

__all__ = ["DeploymentSettings", "PriceSettings", "Strict", "UnitPriceSettings", "Usd", "check_unique"]

Usd = Annotated[float, BeforeValidator(parse_usd, json_schema_input_type=float | str)]
_SECRETS = frozenset({"api_key", "apikey", "authorization", "token", "password", "secret", "aws_secret_access_key"})


class Strict(BaseModel):
    """Settings without keys that nobody knows."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class PriceSettings(Strict):
    """USD a million tokens, as providers print it; a field left out stays as the price table has it."""

    input: Usd | None = Field(default=None, description="Tokens of the request: `$3`.")
    output: Usd | None = Field(default=None, description="Tokens of the answer: `$15`.")
    cached_input: Usd | None = Field(default=None, description="Input that the provider's cache had.")
    cache_write: Usd | None = Field(default=None, description="Input that is written to that cache.")
    reasoning: Usd | None = Field(default=None, description="Tokens of reasoning; as `output` when unknown.")
    audio_input: Usd | None = Field(default=None, description="Sound in the request.")
    audio_output: Usd | None = Field(default=None, description="Sound in the answer.")
    image_input: Usd | None = Field(default=None, description="Tokens of pictures in the request.")
    image_output: Usd | None = Field(default=None, description="Tokens of pictures in the answer.")


class UnitPriceSettings(Strict):
    """USD for what is charged beside tokens."""

    call: Usd | None = Field(default=None, description="Each call.")
    image: Usd | None = Field(default=None, description="Each picture in the request.")
    image_output: Usd | None = Field(default=None, description="Each picture that is written.")
    second: Usd | None = Field(default=None, description="Each second that a call takes.")
    search: Usd | None = Field(default=None, description="Each search of the web.")


class DeploymentSettings(Strict):
    """A hosted model at one place."""

    name: str = Field(min_length=1, max_length=120, description="The router's own name for it, unique.")
    model: str = Field(
        min_length=1, max_length=200, description="The provider's name, as litellm spells it where `backend` is that."
    )
    tier: Literal["small", "large"] = Field(default="small", description="The tier that rules speak of.")
    backend: Literal["litellm", "openai"] = Field(
        default="litellm", description="Through litellm, or straight to an OpenAI-compatible server at `api_base`."
    )
    api_base: str | None = Field(default=None, description="The server's address: `http://localhost:11434/v1`.")
    key_env: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="The environment variable that holds the credential; the credential never stands in a file.",
    )
    family: str | None = Field(default=None, description="The family, for what it is good at.")
    params: dict[str, Any] = Field(default_factory=dict, description="Fields of every call: `{reasoning_effort: low}`.")
    price_per_million: PriceSettings | None = Field(default=None, description="Prices that beat the price table's.")
    price_per_unit: UnitPriceSettings | None = Field(
        default=None, description="Prices of calls, pictures, seconds and searches."
    )
    context_tokens: int | None = Field(default=None, gt=0, description="The most tokens, request and answer together.")
    max_output_tokens: int | None = Field(default=None, gt=0, description="The most tokens that it writes.")
    capabilities: list[Capability] | None = Field(default=None, description="All that it is able to do beside text.")
    quality: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(
        default_factory=dict, description="How good it is, 0..1, by task; `*` for the rest."
    )
    ttft_ms: float = Field(default=600.0, ge=0, description="Milliseconds to the first token, until they are measured.")
    tokens_per_s: float = Field(default=60.0, gt=0, description="Tokens a second after it, until they are measured.")
    in_house: bool = Field(default=False, description="Whether what is sent there stays in the house.")
    tags: list[str] = Field(default_factory=list, description="Words that rules may require, forbid or rank by.")
    fallback: list[Annotated[str, Field(min_length=1, max_length=200)]] | None = Field(
        default=None,
        description="Who answers when it fails, where no rule's `fallback` says so: in this order, and nobody else.",
    )
    weight: float = Field(default=1.0, ge=0, description="Its share of the load within its group.")
    group: str | None = Field(
        default=None, min_length=1, max_length=120, description="Deployments of one group share their load."
    )

    @field_validator("api_base")
    @classmethod
    def _has_no_password(cls, address: str | None) -> str | None:
        if address is not None and urlsplit(address).password:
            raise ValueError("a password must not stand in the file; name a variable (key_env)")
        return address

    @field_validator("params")
    @classmethod
    def _have_no_secret(cls, params: dict[str, Any]) -> dict[str, Any]:
        secret = next((key for key in params if key.lower().replace("-", "_") in _SECRETS), None)
        if secret is not None:
            raise ValueError(f'"{secret}" must not stand in the file; name a variable (key_env)')
        return params

    @field_validator("quality")
    @classmethod
    def _are_tasks(cls, quality: dict[str, float]) -> dict[str, float]:
        for word in quality:
            if word != "*" and word not in TASKS:
                options = ["*", *TASKS]
                context = {"quoted": f'"{word}"', "word": word, "options": options}
                raise PydanticCustomError("unknown_word", "unknown task {quoted}", context)
        return quality


def check_unique(document: Document, part: str, found: Sequence[DeploymentSettings] | None) -> None:
    """Hold the list under the key ``part`` to unique names.

    Raises:
        ConfigError: at the second of two that are named alike.
    """
    names = [each.name for each in found or ()]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise place_error(document, (part, index, "name"), f'the deployment "{name}" is named twice')
