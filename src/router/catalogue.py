"""What exists before any request: hosted deployments, model families, prices and local model cards.

Types and their readers only; the data is YAML and JSON beside the package. The room knows nothing of requests.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal, TypeVar

import msgspec

from .errors import ConfigError
from .price import RATES, Price, PriceTier, cost_usd, expected_usd, worst_case_usd
from .types import Tier

__all__ = [
    "PAIR_MARK",
    "Capability",
    "Deployment",
    "Family",
    "HeadKind",
    "LocalCard",
    "ModelFacts",
    "Price",
    "PriceTier",
    "cost_usd",
    "expected_usd",
    "is_configured",
    "provider_key_env",
    "provider_of",
    "read_deployments",
    "read_families",
    "with_facts",
    "worst_case_usd",
]

Capability = Literal[
    "tools", "json_schema", "vision", "audio", "files", "video", "audio_output", "streaming", "logprobs", "reasoning"
]


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a price table knows of a model; None is unknown."""

    price: Price = Price()
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    capabilities: frozenset[str] | None = None


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
    ``configured`` says whether this machine can call it. ``in_house``: data sent there stays in house. Deployments of
    one ``group`` share their load by ``weight``; those of one model are a group without being named so. ``fallback``
    names who comes after it where no rule says so, None all that are able.
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
    group: str | None = None
    fallback: tuple[str, ...] | None = None


HeadKind = Literal["labels", "pair", "entities", "span", "number"]
PAIR_MARK = "\x1e"
"""Stands between the two texts of a pair, in the one text that a local model is given."""


class LocalCard(msgspec.Struct, frozen=True, kw_only=True):
    """The card of a local model: what it was trained on, what it promises, and the hashes of its files.

    ``aliases`` maps a label to other spellings that mean exactly it; ``also_tasks`` are other tasks that a request for
    this model may be read as. ``threshold`` is the least calibrated probability at which it may answer, set on
    calibration rows for ``promise`` (``{"max_error": 0.02, "confidence": 0.95, ...}``); ``language_thresholds`` replace
    it for a language. ``ood_threshold`` is the least in-distribution score. ``metrics`` maps a data set's name to its
    figures. ``template``: it learnt the hosted answers to one prompt template (see ``Record.template``) and may answer
    requests of that template only, whatever their task is read as; empty: requests of its task. ``also_templates``
    are other fingerprints of the same template, whose wording differs only in what is filled in.
    ``shortcuts``: words that turn its answer when they alone are put into other texts. ``head``: what it
    answers: a label for a text or for a pair of texts, the entities of a text (of ``entity_types``), a span of the
    second text, or a number.
    """

    name: str
    task: str
    labels: tuple[str, ...]
    maker: Literal["linear", "embedding", "neighbours", "encoder", "huggingface"]
    languages: tuple[str, ...]
    rows: int
    threshold: float
    ood_threshold: float
    licence: str
    data_hash: str
    files: Mapping[str, str]
    aliases: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    also_tasks: tuple[str, ...] = ()
    language_thresholds: Mapping[str, float] = msgspec.field(default_factory=dict)
    family: str | None = None
    description: str = ""
    sources: tuple[str, ...] = ()
    promise: Mapping[str, Any] = msgspec.field(default_factory=dict)
    calibration: Mapping[str, Any] = msgspec.field(default_factory=dict)
    metrics: Mapping[str, Any] = msgspec.field(default_factory=dict)
    limits: tuple[str, ...] = ()
    latency_us: float = 100.0
    made_with: Mapping[str, str] = msgspec.field(default_factory=dict)
    template: str = ""
    also_templates: tuple[str, ...] = ()
    shortcuts: tuple[str, ...] = ()
    version: int = 1
    head: HeadKind = "labels"
    entity_types: tuple[str, ...] = ()


# ----- hosted deployments -----------------------------------------------------------------------------------------

# The variables that litellm reads for each provider (https://docs.litellm.ai/docs/providers); one of them is enough.
_KEY_ENV: Mapping[str, tuple[str, ...]] = {
    "ai21": ("AI21_API_KEY",),
    "anthropic": ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
    "azure": ("AZURE_API_KEY",),
    "azure_ai": ("AZURE_AI_API_KEY",),
    "baseten": ("BASETEN_API_KEY",),
    "bedrock": ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK", "AWS_WEB_IDENTITY_TOKEN_FILE"),
    "cerebras": ("CEREBRAS_API_KEY",),
    "codestral": ("CODESTRAL_API_KEY",),
    "cohere": ("COHERE_API_KEY",),
    "cohere_chat": ("COHERE_API_KEY",),
    "dashscope": ("DASHSCOPE_API_KEY",),
    "databricks": ("DATABRICKS_API_KEY",),
    "deepinfra": ("DEEPINFRA_API_KEY",),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "featherless_ai": ("FEATHERLESS_AI_API_KEY",),
    "fireworks_ai": ("FIREWORKS_AI_API_KEY", "FIREWORKS_API_KEY"),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "groq": ("GROQ_API_KEY",),
    "huggingface": ("HF_TOKEN", "HUGGINGFACE_API_KEY"),
    "mistral": ("MISTRAL_API_KEY",),
    "moonshot": ("MOONSHOT_API_KEY",),
    "nebius": ("NEBIUS_API_KEY",),
    "novita": ("NOVITA_API_KEY",),
    "nvidia_nim": ("NVIDIA_NIM_API_KEY",),
    "ollama": ("OLLAMA_API_BASE",),
    "ollama_chat": ("OLLAMA_API_BASE",),
    "openai": ("OPENAI_API_KEY",),
    "openrouter": ("OPENROUTER_API_KEY",),
    "perplexity": ("PERPLEXITYAI_API_KEY", "PERPLEXITY_API_KEY"),
    "replicate": ("REPLICATE_API_KEY",),
    "sambanova": ("SAMBANOVA_API_KEY",),
    "together_ai": ("TOGETHERAI_API_KEY", "TOGETHER_AI_TOKEN"),
    "vertex_ai": ("VERTEXAI_PROJECT", "GOOGLE_APPLICATION_CREDENTIALS"),
    "volcengine": ("VOLCENGINE_API_KEY",),
    "watsonx": ("WATSONX_API_KEY", "WATSONX_APIKEY"),
    "xai": ("XAI_API_KEY",),
    "zai": ("ZAI_API_KEY",),
}
# Models that litellm takes without their provider's name in front.
_BARE: tuple[tuple[str, str], ...] = (
    ("gpt-", "openai"),
    ("chatgpt-", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("ft:gpt-", "openai"),
    ("claude-", "anthropic"),
    ("command-", "cohere_chat"),
    ("deepseek-", "deepseek"),
)


def provider_of(model: str) -> str | None:
    """litellm's name of the provider that serves ``model`` (``openai/gpt-4o`` and ``gpt-4o``: ``openai``), or None."""
    head, slash, _ = model.partition("/")
    if slash and head in _KEY_ENV:
        return head
    return next((provider for start, provider in _BARE if model.startswith(start)), None)


def provider_key_env(model: str) -> tuple[str, ...]:
    """The environment variables of which one must be set to call ``model`` through litellm; empty when unknown."""
    provider = provider_of(model)
    return () if provider is None else _KEY_ENV[provider]


def is_configured(deployment: Deployment, keys: Collection[str]) -> bool:
    """Whether this machine can call it, given the names of the environment variables that are set.

    A server with an address of its own needs no credential unless the deployment names one.
    """
    if deployment.key_env is not None:
        return deployment.key_env in keys
    if deployment.api_base is not None:
        return True
    if deployment.backend == "openai":
        return "OPENAI_API_KEY" in keys
    return any(name in keys for name in provider_key_env(deployment.model))


def with_facts(deployment: Deployment, facts: ModelFacts | None) -> Deployment:
    """The deployment with ``facts`` where it says nothing itself: what the user wrote is never overwritten."""
    if facts is None:
        return deployment
    price = deployment.price
    named = {name: getattr(price, name) for name in RATES if getattr(price, name) is not None}
    # The table's tiers belong to the table's prices.
    tiers = price.tiers or (() if named else facts.price.tiers)
    by_unit = facts.price.by_unit if price.by_unit is None else price.by_unit.over(facts.price.by_unit)
    price = msgspec.structs.replace(
        facts.price, **named, per_call=price.per_call or facts.price.per_call, tiers=tiers, by_unit=by_unit
    )
    return msgspec.structs.replace(
        deployment,
        price=price,
        context_tokens=deployment.context_tokens or facts.context_tokens,
        max_output_tokens=deployment.max_output_tokens or facts.max_output_tokens,
        capabilities=deployment.capabilities | (facts.capabilities or frozenset()),
    )


# ----- readers ----------------------------------------------------------------------------------------------------


_S = TypeVar("_S", Family, Deployment)


def read_families(text: str, *, file: str) -> tuple[Family, ...]:
    """Model families of a YAML list.

    Raises:
        ConfigError: not YAML, or not what :class:`Family` asks for.
    """
    return _read(text, Family, file)


def read_deployments(text: str, *, file: str) -> tuple[Deployment, ...]:
    """Hosted deployments of a YAML mapping with the list ``deployments``; its other keys hold anchors.

    Raises:
        ConfigError: not YAML, or not what :class:`Deployment` asks for.
    """
    return _read(text, Deployment, file, key="deployments")


def _read(text: str, kind: type[_S], file: str, key: str | None = None) -> tuple[_S, ...]:
    fields = kind.__struct_fields__
    try:
        rows: Any = msgspec.yaml.decode(text)
        if key is not None:
            rows = msgspec.convert(rows, dict[str, Any]).get(key)
        found: list[_S] = [msgspec.convert(row, kind) for row in msgspec.convert(rows, list[dict[str, Any]])]
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{error}.", file=file, hint=f"An entry has: {', '.join(fields)}.") from error
    names: set[str] = set()
    for row, entry in zip(rows, found, strict=True):
        unknown = set(row).difference(fields)
        if unknown:
            raise ConfigError(f"{entry.name!r} has the unknown key {min(unknown)!r}.", file=file)
        if entry.name in names:
            raise ConfigError(f"{entry.name!r} stands there twice.", file=file, hint="Names must be unique.")
        names.add(entry.name)
    return tuple(found)
