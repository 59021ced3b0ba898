"""Settings and policy -> the hosted deployments and local models among which requests are decided."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from .backends.base import is_here
from .backends.prices import builtin_deployments, builtin_families, load_facts
from .catalogue import Deployment, Family, LocalCard, is_configured, provider_key_env, with_facts
from .config import DeploymentSettings, Environment, Settings, UpstreamSettings
from .price import Price, UnitPrices
from .spec import written

if TYPE_CHECKING:
    from .selection.candidates import Fleet

__all__ = ["configured", "deployments_of", "embedding_of", "fleet_from", "fleet_of", "hosted_of"]


def fleet_of(
    settings: Settings,
    environment: Environment,
    cards: Sequence[LocalCard],
    models: Sequence[DeploymentSettings] = (),
) -> Fleet:
    """All that is registered: the deployments of ``settings`` and the ``models`` of a policy, and the local models with
    these ``cards``."""
    return fleet_from(settings, environment, cards, hosted_of(settings, environment, models), builtin_families())


def fleet_from(
    settings: Settings,
    environment: Environment,
    cards: Sequence[LocalCard],
    hosted: Sequence[Deployment],
    families: Sequence[Family],
) -> Fleet:
    """The same of the ``hosted`` deployments that :func:`hosted_of` gave, and the families of models."""
    from .selection.candidates import make_fleet  # with numpy, which reading files does without

    found = [configured(_priced(each, settings), environment) for each in hosted]
    return make_fleet(found, cards, families, hash=_fleet_hash(found, cards), balance=settings.dispatch.balance)


def hosted_of(settings: Settings, environment: Environment, models: Sequence[DeploymentSettings]) -> list[Deployment]:
    """The hosted deployments of the settings and of a policy's ``models``, with what the price table knows of them.

    A deployment of the settings stands in for a policy's model of the same name, whole: they are of this machine. Where
    neither has any, the built-in ones are there.
    """
    if settings.deployments is None and not models:
        found = list(builtin_deployments())
    else:
        written = {each.name: each for each in (*models, *(settings.deployments or ()))}
        found = deployments_of(list(written.values()))
    if environment.upstream is not None:
        found = [*deployments_of(_upstream(environment.upstream)), *found]
    return found


def embedding_of(settings: Settings) -> list[Deployment]:
    """The deployments that embed, likewise."""
    return deployments_of([DeploymentSettings(**msgspec.structs.asdict(each)) for each in settings.embeddings])


def deployments_of(written: Sequence[DeploymentSettings]) -> list[Deployment]:
    """The deployments as they are written, and what the price table knows of their models where they say nothing.

    A server on this machine whose model the table does not know costs nothing.
    """
    facts = load_facts(each.model for each in written)
    return [_free_here(with_facts(_written(each), facts.get(each.model))) for each in written]


def _free_here(deployment: Deployment) -> Deployment:
    price = deployment.price
    if price.input is not None or price.output is not None or not is_here(deployment.api_base):
        return deployment
    return msgspec.structs.replace(deployment, price=msgspec.structs.replace(price, input=0.0, output=0.0))


def _written(each: DeploymentSettings) -> Deployment:
    price = each.price_per_million
    rates = {} if price is None else {name: usd / 1e6 for name, usd in written(price)}
    per_call, by_unit = _by_unit(each)
    if price is None and by_unit is not None and by_unit.second is not None:
        # Who is paid by time is not paid by token.
        rates = {"input": 0.0, "output": 0.0}
    optional: dict[str, Any] = {}
    if each.capabilities is not None:
        optional["capabilities"] = frozenset(each.capabilities)
    elif each.api_base is not None:
        optional["capabilities"] = frozenset({"streaming", "tools", "json_schema"})
    return Deployment(
        name=each.name,
        model=each.model,
        tier=each.tier,
        backend=each.backend,
        api_base=each.api_base,
        key_env=each.key_env,
        family=each.family,
        params=each.params,
        price=Price(**rates, per_call=per_call, by_unit=by_unit),
        context_tokens=each.context_tokens,
        max_output_tokens=each.max_output_tokens,
        quality=each.quality,
        ttft_ms=each.ttft_ms,
        tokens_per_s=each.tokens_per_s,
        in_house=each.in_house,
        tags=frozenset(each.tags),
        weight=each.weight,
        group=each.group,
        fallback=None if each.fallback is None else tuple(each.fallback),
        **optional,
    )


def _upstream(upstream: UpstreamSettings) -> list[DeploymentSettings]:
    names = [("upstream", upstream.model, "small"), ("upstream-large", upstream.large_model, "large")]
    return [
        DeploymentSettings(
            name=name,
            model=model,
            tier="large" if tier == "large" else "small",
            backend="openai",
            api_base=upstream.base_url,
            key_env=upstream.key_env,
            in_house=is_here(upstream.base_url),
        )
        for name, model, tier in names
        if model is not None
    ]


def configured(deployment: Deployment, environment: Environment) -> Deployment:
    """With the variable of its credential, and whether it can be called from here."""
    key_env = deployment.key_env
    if key_env is None and deployment.api_base is None:
        key_env = next(iter(provider_key_env(deployment.model)), None)
    ready = is_configured(deployment, environment.keys)
    return msgspec.structs.replace(deployment, configured=ready, key_env=key_env)


def _by_unit(each: DeploymentSettings) -> tuple[float, UnitPrices | None]:
    """What each call costs, and what is charged beside calls and tokens."""
    own = each.price_per_unit
    if own is None:
        return 0.0, None
    named = (own.image, own.image_output, own.second, own.search)
    if all(price is None for price in named):
        return own.call or 0.0, None
    return own.call or 0.0, UnitPrices(
        image=own.image,
        image_output=own.image_output,
        second=own.second,
        search=None if own.search is None else (own.search,) * 3,
        always_searches=own.search is not None and "web_search_options" in each.params,
    )


def _priced(deployment: Deployment, settings: Settings) -> Deployment:
    """An unknown price stays unknown, unless the user says what a call then counts as."""
    price, assumed = deployment.price, settings.unknown_price
    if price.by_unit is not None:
        by_unit = msgspec.structs.replace(price.by_unit, most_seconds=settings.dispatch.timeout / 1000.0)
        price = msgspec.structs.replace(price, by_unit=by_unit)
        deployment = msgspec.structs.replace(deployment, price=price)
    if assumed == "refuse" or (price.input is not None and price.output is not None):
        return deployment
    return msgspec.structs.replace(deployment, price=Price(input=0.0, output=0.0, per_call=assumed))


def _fleet_hash(deployments: Sequence[Deployment], cards: Sequence[LocalCard]) -> str:
    encode = msgspec.json.Encoder(order="deterministic").encode
    return hashlib.sha256(encode([list(deployments), list(cards)])).hexdigest()[:16]
