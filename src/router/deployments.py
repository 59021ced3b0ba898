"""What a file may say of a hosted model at one place: the same words in a config's `deployments` and a policy's
`models`. No file is opened here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

import msgspec

from .catalogue import Capability
from .document import Document, place_error
from .spec import After, Before, Checked, Spec, UnknownWordError, Written
from .types import TASKS
from .units import parse_usd

__all__ = ["DeploymentSettings", "PriceSettings", "Strict", "UnitPriceSettings", "Usd", "check_unique"]

Usd = Annotated[float, Before(parse_usd), Written({"anyOf": [{"type": "number"}, {"type": "string"}]})]
_SECRETS = frozenset({"api_key", "apikey", "authorization", "token", "password", "secret", "aws_secret_access_key"})


class Strict(Checked, frozen=True, kw_only=True):
    """Settings without keys that nobody knows."""

    reading: ClassVar[Mapping[str, Any]] = {"str_strip_whitespace": True}


def _has_no_password(address: str | None) -> str | None:
    if address is not None and urlsplit(address).password:
        raise ValueError("a password must not stand in the file; name a variable (key_env)")
    return address


def _have_no_secret(params: dict[str, Any]) -> dict[str, Any]:
    secret = next((key for key in params if key.lower().replace("-", "_") in _SECRETS), None)
    if secret is not None:
        raise ValueError(f'"{secret}" must not stand in the file; name a variable (key_env)')
    return params


def _are_tasks(quality: dict[str, float]) -> dict[str, float]:
    for word in quality:
        if word != "*" and word not in TASKS:
            raise UnknownWordError("task", word, ["*", *TASKS])
    return quality


class PriceSettings(Strict, frozen=True, kw_only=True):
    """USD a million tokens, as providers print it; a field left out stays as the price table has it."""

    input: Annotated[Usd | None, Spec(description="Tokens of the request: `$3`.")] = None
    output: Annotated[Usd | None, Spec(description="Tokens of the answer: `$15`.")] = None
    cached_input: Annotated[Usd | None, Spec(description="Input that the provider's cache had.")] = None
    cache_write: Annotated[Usd | None, Spec(description="Input that is written to that cache.")] = None
    reasoning: Annotated[Usd | None, Spec(description="Tokens of reasoning; as `output` when unknown.")] = None
    audio_input: Annotated[Usd | None, Spec(description="Sound in the request.")] = None
    audio_output: Annotated[Usd | None, Spec(description="Sound in the answer.")] = None
    image_input: Annotated[Usd | None, Spec(description="Tokens of pictures in the request.")] = None
    image_output: Annotated[Usd | None, Spec(description="Tokens of pictures in the answer.")] = None


class UnitPriceSettings(Strict, frozen=True, kw_only=True):
    """USD for what is charged beside tokens."""

    call: Annotated[Usd | None, Spec(description="Each call.")] = None
    image: Annotated[Usd | None, Spec(description="Each picture in the request.")] = None
    image_output: Annotated[Usd | None, Spec(description="Each picture that is written.")] = None
    second: Annotated[Usd | None, Spec(description="Each second that a call takes.")] = None
    search: Annotated[Usd | None, Spec(description="Each search of the web.")] = None


class DeploymentSettings(Strict, frozen=True, kw_only=True):
    """A hosted model at one place."""

    name: Annotated[str, Spec(min_length=1, max_length=120, description="The router's own name for it, unique.")]
    model: Annotated[
        str,
        Spec(
            min_length=1,
            max_length=200,
            description="The provider's name, as litellm spells it where `backend` is that.",
        ),
    ]
    tier: Annotated[Literal["small", "large"], Spec(description="The tier that rules speak of.")] = "small"
    backend: Annotated[
        Literal["litellm", "openai"],
        Spec(description="Through litellm, or straight to an OpenAI-compatible server at `api_base`."),
    ] = "litellm"
    api_base: Annotated[
        str | None, Spec(description="The server's address: `http://localhost:11434/v1`."), After(_has_no_password)
    ] = None
    key_env: Annotated[
        str | None,
        Spec(
            pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
            description="The environment variable that holds the credential; the credential never stands in a file.",
        ),
    ] = None
    family: Annotated[str | None, Spec(description="The family, for what it is good at.")] = None
    params: Annotated[
        dict[str, Any], Spec(description="Fields of every call: `{reasoning_effort: low}`."), After(_have_no_secret)
    ] = msgspec.field(default_factory=dict)
    price_per_million: Annotated[PriceSettings | None, Spec(description="Prices that beat the price table's.")] = None
    price_per_unit: Annotated[
        UnitPriceSettings | None, Spec(description="Prices of calls, pictures, seconds and searches.")
    ] = None
    context_tokens: Annotated[int | None, Spec(gt=0, description="The most tokens, request and answer together.")] = (
        None
    )
    max_output_tokens: Annotated[int | None, Spec(gt=0, description="The most tokens that it writes.")] = None
    capabilities: Annotated[list[Capability] | None, Spec(description="All that it is able to do beside text.")] = None
    quality: Annotated[
        dict[str, Annotated[float, Spec(ge=0, le=1)]],
        Spec(description="How good it is, 0..1, by task; `*` for the rest."),
        After(_are_tasks),
    ] = msgspec.field(default_factory=dict)
    ttft_ms: Annotated[float, Spec(ge=0, description="Milliseconds to the first token, until they are measured.")] = (
        600.0
    )
    tokens_per_s: Annotated[float, Spec(gt=0, description="Tokens a second after it, until they are measured.")] = 60.0
    in_house: Annotated[bool, Spec(description="Whether what is sent there stays in the house.")] = False
    tags: Annotated[list[str], Spec(description="Words that rules may require, forbid or rank by.")] = msgspec.field(
        default_factory=list
    )
    fallback: Annotated[
        list[Annotated[str, Spec(min_length=1, max_length=200)]] | None,
        Spec(
            description="Who answers when it fails, where no rule's `fallback` says so: in this order, and nobody else."
        ),
    ] = None
    weight: Annotated[float, Spec(ge=0, description="Its share of the load within its group.")] = 1.0
    group: Annotated[
        str | None, Spec(min_length=1, max_length=120, description="Deployments of one group share their load.")
    ] = None


def check_unique(document: Document, part: str, found: Sequence[DeploymentSettings] | None) -> None:
    """Hold the list under the key ``part`` to unique names.

    Raises:
        ConfigError: at the second of two that are named alike.
    """
    names = [each.name for each in found or ()]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise place_error(document, (part, index, "name"), f'the deployment "{name}" is named twice')
