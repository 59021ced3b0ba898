"""One YAML file -> Settings. The only reader of the environment; nothing here picks an implementation.

Every setting has a default: ``Router()`` works without a file. Secrets never stand in the file: a deployment names the
environment variable (``key_env``) that holds its credential.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from .errors import ConfigError
from .units import parse_ms, parse_share, parse_usd
from .yamlfile import Document, load_yaml, place_error

__all__ = [
    "AdminSettings",
    "BudgetSettings",
    "CacheSettings",
    "DeploymentSettings",
    "DispatchSettings",
    "EmbeddingSettings",
    "Environment",
    "FlywheelSettings",
    "HealthCheckSettings",
    "LedgerSettings",
    "SemanticSettings",
    "ServerSettings",
    "Settings",
    "StateSettings",
    "TlsSettings",
    "UpstreamSettings",
    "credential",
    "load_settings",
    "read_environment",
]

Usd = Annotated[float, BeforeValidator(parse_usd)]
Milliseconds = Annotated[float, BeforeValidator(parse_ms), Field(ge=0)]
Share = Annotated[float, BeforeValidator(parse_share), Field(ge=0, le=1)]
_MOST_USD = 9_000_000.0


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class PriceSettings(_Strict):
    """USD a million tokens, as providers print it; a field left out stays as the price table has it."""

    input: Usd | None = None
    output: Usd | None = None
    cached_input: Usd | None = None
    cache_write: Usd | None = None
    reasoning: Usd | None = None
    audio_input: Usd | None = None
    audio_output: Usd | None = None
    image_input: Usd | None = None


class DeploymentSettings(_Strict):
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


class HedgeSettings(_Strict):
    """A second call beside one that takes longer than its 95th percentile; ``after`` stands in until that is known."""

    on: bool = True
    after: Milliseconds | None = None
    least: Milliseconds = 50.0


class MirrorSettings(_Strict):
    """Copies of a share of the requests for the deployment ``to``, whose answers nobody sees."""

    to: str = Field(min_length=1, max_length=120)
    share: Share
    at_once: int = Field(default=8, ge=1, le=1000)


class HealthCheckSettings(_Strict):
    """OpenAI-compatible servers are asked (GET ``path`` below ``api_base``) each ``every``; after ``failures`` in a row
    their deployments are passed over until they answer again. Only the sidecar checks."""

    every: Milliseconds = Field(default=30_000.0, ge=1_000)
    timeout: Milliseconds = Field(default=5_000.0, ge=10)
    path: str = Field(default="/models", pattern=r"^/[A-Za-z0-9._~/-]*$")
    failures: int = Field(default=2, ge=1, le=100)


class DispatchSettings(_Strict):
    """How patient a run is and how far it goes; see :class:`router.selection.plan.Pacing`.

    ``tries`` is how often one deployment is called for a request; ``extra_calls`` the share of extra calls (retries,
    hedges) that each deployment gets beside its first calls. ``checks`` are functions ``module:function`` that a
    policy's ``escalate`` may name, beside installed entry points of the group ``router.answer_checks``.
    ``continue_streams``: a stream of plain text that is cut after its first token goes on at a fallback, marked.
    """

    timeout: Milliseconds = 600_000.0
    first_token_timeout: Milliseconds = 120_000.0
    idle_timeout: Milliseconds = 60_000.0
    tries: int = Field(default=2, ge=1, le=10)
    max_calls: int = Field(default=6, ge=1, le=50)
    max_wait: Milliseconds = 30_000.0
    extra_calls: Share = 0.2
    balance: Literal["weighted", "fastest"] = "weighted"
    hedge: HedgeSettings = HedgeSettings(on=False)
    mirror: MirrorSettings | None = None
    checks: dict[str, str] = Field(default_factory=dict)
    sticky: bool = True
    continue_streams: bool = False
    health_check: HealthCheckSettings | None = None


class BudgetSettings(_Strict):
    """A limit of money, requests or tokens over a window; see :class:`router.state.limits.Limit`.

    A scope (``tenant``, ``key``, ``policy``, ``model``) is a name, or ``"*"``: each has its own.
    """

    usd: Usd | None = Field(default=None, le=_MOST_USD)
    requests: int | None = Field(default=None, ge=0, le=10**12)
    tokens: int | None = Field(default=None, ge=0, le=10**15)
    window: Literal["second", "minute", "hour", "day", "month", "total"] = "total"
    timezone: str = "UTC"
    tenant: str | None = None
    key: str | None = None
    policy: str | None = None
    model: str | None = None
    mode: Literal["hard", "soft"] = "hard"

    @field_validator("timezone")
    @classmethod
    def _is_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (LookupError, ValueError, OSError):
            raise ValueError(f'there is no time zone "{name}"; write one such as "Europe/Berlin"') from None
        return name

    @model_validator(mode="after")
    def _has_one_amount(self) -> Self:
        if sum(amount is not None for amount in (self.usd, self.requests, self.tokens)) != 1:
            raise ValueError("a budget has one of usd, requests and tokens")
        return self


class _Located(_Strict):
    """Something in a file (``path``), or behind an address (``url``, or ``url_env`` where it holds a password)."""

    path: str | None = None
    url: str | None = None
    url_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")

    @field_validator("url")
    @classmethod
    def _has_no_secret(cls, url: str | None) -> str | None:
        if url is not None and urlsplit(url).password:
            raise ValueError("a password must not stand in the file; put the address into a variable (url_env)")
        return url

    @model_validator(mode="after")
    def _is_one_place(self) -> Self:
        if sum(place is not None for place in (self.path, self.url, self.url_env)) > 1:
            raise ValueError("only one of path, url and url_env may be given")
        return self

    @property
    def is_memory(self) -> bool:
        """Whether no place is given."""
        return self.path is None and self.url is None and self.url_env is None


class StateSettings(_Located):
    """Where budgets are kept: in memory, a SQLite file, Redis or PostgreSQL.

    ``lease`` is after how long what a dead process had set aside is free again (``lost: charge``: counts as spent);
    ``timeout`` how long a request waits for the store. ``on_error``: what happens to requests while it is away.
    """

    lease: Milliseconds = Field(default=60_000.0, ge=1_000)
    timeout: Milliseconds = Field(default=2_000.0, ge=10)
    lost: Literal["release", "charge"] = "release"
    on_error: Literal["refuse", "continue"] = "refuse"
    prefix: str = Field(default="router", pattern=r"^[A-Za-z0-9_.:-]{1,64}$")


class LedgerSettings(_Located):
    """Where records go: memory, JSON lines or SQLite (``path`` ending in .jsonl or .db), or PostgreSQL.

    ``keep`` newest stay in memory, ``keep_days`` is when written ones are deleted. ``contents``: prompts and answers
    are recorded too. ``spool`` is where records wait while the ledger cannot be written; ``on_error``: may requests
    start meanwhile.
    """

    keep: int = Field(default=1_000, ge=0, le=1_000_000)
    keep_days: float | None = Field(default=None, gt=0)
    max_file_bytes: int = Field(default=256 * 1024 * 1024, ge=1024)
    contents: bool = False
    spool: str = "ledger.spool"
    on_error: Literal["refuse", "continue-and-spool"] = "continue-and-spool"

    @field_validator("path")
    @classmethod
    def _is_known(cls, path: str | None) -> str | None:
        if path is not None and Path(path).suffix not in (".jsonl", ".db", ".sqlite"):
            raise ValueError("a ledger's path ends in .jsonl (JSON lines) or .db (SQLite)")
        return path


class SemanticSettings(_Strict):
    """Another wording of a question is answered from the cache where its vector's cosine is ``threshold`` at least."""

    threshold: float = Field(default=0.85, ge=0.5, le=1)


class CacheSettings(_Located):
    """Answers that are given again to exactly the same request of the same caller, for ``ttl``; off unless it is set.

    Kept in memory (at most ``max_bytes``), a SQLite file (``path``) or Redis (``url``).
    """

    ttl: Milliseconds = Field(ge=1_000)
    max_bytes: int = Field(default=64 * 1024 * 1024, ge=1024)
    max_entry_bytes: int = Field(default=1024 * 1024, ge=1024)
    semantic: SemanticSettings | None = None
    prefix: str = Field(default="router", pattern=r"^[A-Za-z0-9_.:-]{1,64}$")


class FlywheelSettings(_Strict):
    """Local models are compared with hosted ones while they serve.

    ``shadow``: share of the hosted answers that a model in shadow or quarantine reads beside; ``audit``: share of a
    serving model's answers that a hosted model is asked for too. ``agreement`` is what is asked for in service, what
    the card promises by default. ``promote: manual`` leaves promotion to you. ``confidence`` of the tests over a
    model's whole life; after ``quarantines`` returns a model is retired.
    """

    shadow: Share = 0.05
    audit: Share = 0.02
    agreement: Annotated[Share, Field(gt=0, lt=1)] | None = None
    promote: Literal["auto", "manual"] = "auto"
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0)
    quarantines: int = Field(default=3, ge=0, le=100)
    at_once: int = Field(default=8, ge=1, le=1000)


class LearningSettings(_Strict):
    """How far verdicts of ``/v1/feedback`` may move the estimated quality of a hosted model; off unless it is set.

    ``max_shift`` bounds the move, ``least`` is how many verdicts (effectively) it takes, ``window`` how many of the
    newest count for each model.
    """

    max_shift: Annotated[Share, Field(gt=0, le=0.3)] = 0.1
    least: int = Field(default=20, ge=5, le=100_000)
    window: int = Field(default=1_000, ge=20, le=100_000)


class LocalSettings(_Strict):
    """Which local models take part: the shipped ones (all, none, or by name) and directories of one's own.

    ``lifecycle`` is the file of their states, shared by all processes; compared answers stand beside it.
    """

    shipped: bool | list[str] = True
    paths: list[str] = Field(default_factory=list)
    lifecycle: str = Field(default="models/lifecycle.jsonl", min_length=1)
    flywheel: FlywheelSettings | None = None


class TlsSettings(_Strict):
    """Certificate chain and private key (PEM files); ``client_ca`` asks callers for a certificate signed by it."""

    certificate: str
    key: str
    client_ca: str | None = None


class AdminSettings(_Strict):
    """A listener of its own for metrics, health and reload."""

    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65535)


class SafetySettings(_Strict):
    """``second_look``: a sentence encoder looks again at risks, in a worker thread (extra ``deep``)."""

    second_look: bool = False


class UnderstandingSettings(_Strict):
    """``deep``: whether an encoder reads requests as well, where the first reading is unsure or of all of them.

    ``model`` is a directory with the encoder, that of the package ``guide-router-deep`` by default. ``task_below`` and
    ``risk_above`` say when the first reading is unsure, in place of what the model's card says. At most ``at_once``
    requests are read at a time, and one that has waited ``wait`` for its turn does without.
    """

    deep: Literal["off", "unsure", "always"] = "off"
    model: str | None = None
    task_below: float | None = Field(default=None, ge=0.0, le=1.0)
    risk_above: float | None = Field(default=None, ge=0.0, le=1.0)
    at_once: int = Field(default=2, ge=1, le=64)
    wait: Milliseconds = Field(default=100, ge=0)


class ServerSettings(_Strict):
    """Where the sidecar listens, who may call it, and how much one caller may ask of it.

    ``keys`` is the file of API keys; without one, nobody is asked for a key, and only the loopback address is listened
    on. Times are seconds. ``watch``: files that change are read again by themselves. ``otel``: traces and metrics go
    where the standard ``OTEL_EXPORTER_OTLP_*`` variables say.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8787, ge=0, le=65535)
    keys: str | None = None
    admin: AdminSettings | None = None
    tls: TlsSettings | None = None
    max_body_bytes: int = Field(default=16 * 1024 * 1024, ge=1024)
    max_header_bytes: int = Field(default=32 * 1024, ge=1024)
    max_messages: int = Field(default=10_000, ge=1)
    max_depth: int = Field(default=64, ge=4, le=512)
    max_in_flight: int = Field(default=1_000, ge=1)
    max_connections: int = Field(default=4_000, ge=1)
    header_timeout_s: float = Field(default=10.0, gt=0)
    body_timeout_s: float = Field(default=60.0, gt=0)
    send_timeout_s: float = Field(default=60.0, gt=0)
    drain_s: float = Field(default=20.0, ge=0)
    watch: bool = True
    log: Literal["text", "json"] = "text"
    access_log: bool = False
    otel: bool = False


class EmbeddingSettings(_Strict):
    """One model for ``/v1/embeddings`` at one place; ``model`` as litellm spells it where ``backend`` is litellm."""

    name: str = Field(min_length=1, max_length=120)
    model: str = Field(min_length=1, max_length=200)
    backend: Literal["litellm", "openai"] = "litellm"
    api_base: str | None = None
    key_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    price_per_million: PriceSettings | None = None
    in_house: bool = False


class Settings(_Strict):
    """Everything that can be set, resolved. ``directory`` is where relative paths start.

    ``quality`` is a file that ``router train-quality`` wrote; ``learning`` lets verdicts move what is expected.
    ``network: loopback`` refuses every hosted call to another machine: for tests and dry runs. ``unknown_price`` says
    what holds for a deployment without a known price: under a hard money limit it is refused, or each of its calls
    counts as that much.
    """

    policy: str = "guide"
    deployments: list[DeploymentSettings] | None = None
    embeddings: list[EmbeddingSettings] = Field(default_factory=list)
    local_models: LocalSettings = LocalSettings()
    budgets: list[BudgetSettings] = Field(default_factory=list, max_length=1_000)
    unknown_price: Literal["refuse"] | Usd = "refuse"
    state: StateSettings = StateSettings()
    ledger: LedgerSettings = LedgerSettings()
    dispatch: DispatchSettings = DispatchSettings()
    cache: CacheSettings | None = None
    server: ServerSettings = ServerSettings()
    quality: str | None = None
    learning: LearningSettings | None = None
    safety: SafetySettings = SafetySettings()
    understanding: UnderstandingSettings = UnderstandingSettings()
    network: Literal["any", "loopback"] = "any"
    directory: str = "."


class UpstreamSettings(_Strict):
    """An OpenAI-compatible server named by the environment, e.g. Ollama or vLLM."""

    base_url: str
    model: str
    large_model: str | None = None
    key_env: str | None = None


class Environment(_Strict):
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


def load_settings(path: Path) -> Settings:
    """Settings of a config file.

    Raises:
        ConfigError: with file:line:column, what is wrong, and what was probably meant.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"the config cannot be read ({error.strerror}).", file=str(path), hint="Write one with: router init"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError("the config is not UTF-8 text.", file=str(path), hint="Save it as UTF-8.") from error
    document: Document = load_yaml(text, name=str(path))
    data = document.data if document.data is not None else {}
    if not isinstance(data, dict):
        raise ConfigError("a config is a mapping of settings.", file=str(path), line=1, hint="Start from: router init")
    if "directory" in data:
        raise place_error(document, ("directory",), 'unknown key "directory"', options=list(Settings.model_fields))
    try:
        settings = Settings.model_validate({**data, "directory": str(path.resolve().parent)})
    except ValidationError as error:
        raise _first(document, error) from error
    names = [deployment.name for deployment in settings.deployments or []]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise place_error(document, ("deployments", index, "name"), f"the deployment {name!r} is named twice")
    return settings


def _first(document: Document, error: ValidationError) -> ConfigError:
    first = error.errors(include_url=False)[0]
    where = tuple(first["loc"])
    if first["type"] == "extra_forbidden":
        return place_error(document, where, f'unknown key "{where[-1]}"', options=_fields(where))
    return place_error(document, where, first["msg"].removeprefix("Value error, "))


def _fields(where: tuple[Any, ...]) -> list[str]:
    model: type[BaseModel] = Settings
    nested: dict[str, type[BaseModel]] = {
        "deployments": DeploymentSettings,
        "embeddings": EmbeddingSettings,
        "price_per_million": PriceSettings,
        "local_models": LocalSettings,
        "flywheel": FlywheelSettings,
        "budgets": BudgetSettings,
        "state": StateSettings,
        "ledger": LedgerSettings,
        "dispatch": DispatchSettings,
        "hedge": HedgeSettings,
        "mirror": MirrorSettings,
        "cache": CacheSettings,
        "server": ServerSettings,
        "admin": AdminSettings,
        "tls": TlsSettings,
        "safety": SafetySettings,
    }
    for part in where[:-1]:
        model = nested.get(str(part), model)
    return list(model.model_fields)
