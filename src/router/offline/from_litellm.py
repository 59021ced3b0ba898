"""A litellm proxy's config -> settings of the router, and a list of what did not carry over.

Read as data (https://docs.litellm.ai/docs/proxy/configs); litellm itself is not needed. Secrets are never copied: a key
that stands in the file becomes the name of a variable to set.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from ..backends.prices import load_facts
from ..catalogue import provider_key_env
from ..config import Settings
from ..errors import ConfigError
from ..yamlfile import Document

__all__ = ["Imported", "import_litellm"]

_TIERS: Final[Mapping[str, str]] = {"SIMPLE": "small", "MEDIUM": "small", "COMPLEX": "large", "REASONING": "large"}
_WINDOWS: Final[Mapping[str, str]] = {
    "1h": "hour",
    "60m": "hour",
    "24h": "day",
    "1d": "day",
    "30d": "month",
    "1mo": "month",
}
# USD a million output tokens from which a model counts as large, where the config does not say.
LARGE_FROM = 8.0
_CARRIED: Final = frozenset(
    {"model", "api_key", "api_base", "base_url", "input_cost_per_token", "output_cost_per_token", "tags"}
)
_PARAMS: Final = frozenset(
    {"temperature", "top_p", "reasoning_effort", "seed", "frequency_penalty", "presence_penalty"}
)


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """``settings`` as plain data that :class:`~router.config.Settings` accepts; ``notes`` are for the person."""

    settings: dict[str, Any]
    notes: tuple[str, ...]


def import_litellm(document: Document) -> Imported:
    """What a litellm config says that the router has too.

    Raises:
        ConfigError: the file is no litellm config, or names no model.
    """
    data = document.data
    if not isinstance(data, dict) or not isinstance(data.get("model_list"), list):
        raise ConfigError(
            "there is no model_list, so this is no litellm config.", file=document.name, hint="Give the proxy's YAML."
        )
    reading = _Reading(data)
    deployments = reading.deployments()
    if not deployments:
        raise ConfigError("its model_list names no model that can be called.", file=document.name)
    settings: dict[str, Any] = {"policy": "guide", "deployments": deployments}
    limits = reading.limits()
    if limits:
        settings["budgets"] = limits
    reading.rest()
    Settings.model_validate(settings)
    return Imported(settings=settings, notes=tuple(dict.fromkeys(reading.notes)))


class _Reading:
    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data
        self.notes: list[str] = []
        self.models = [entry for entry in data["model_list"] if isinstance(entry, dict)]
        named = [str(_params(entry).get("model", "")) for entry in self.models]
        self.facts = load_facts(named)
        self.tiers = self._tiers()

    def deployments(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for entry in self.models:
            params = _params(entry)
            name, model = str(entry.get("model_name", "")), str(params.get("model", ""))
            if not model or model.startswith("auto_router/"):
                continue
            if "*" in model or "*" in name:
                self.notes.append(f"{name}: a wildcard is no single model; name the models that you use.")
                continue
            found.append(self._deployment(_unique(name or model, found), name, model, params))
        return found

    def _deployment(self, unique: str, name: str, model: str, params: Mapping[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {"name": unique, "model": model, "tier": self._tier(unique, name, model, params)}
        base = params.get("api_base") or params.get("base_url")
        if base and str(base).startswith("os.environ/"):
            self.notes.append(f"{unique}: api_base comes from {str(base)[11:]}; write the address into the file.")
        elif base:
            made["api_base"] = str(base)
        key = params.get("api_key")
        if isinstance(key, str) and key.startswith("os.environ/"):
            made["key_env"] = key.removeprefix("os.environ/")
        elif key:
            made["key_env"] = next(
                iter(provider_key_env(model) or ()), f"{re.sub('[^A-Z0-9]+', '_', unique.upper())}_API_KEY"
            )
            self.notes.append(f"{unique}: its key stands in the file and was not copied; set {made['key_env']}.")
        price = {
            field: f"${float(params[field + '_cost_per_token']) * 1e6:.10g}"
            for field in ("input", "output")
            if params.get(field + "_cost_per_token") is not None
        }
        if price:
            made["price_per_million"] = price
        fixed = {key: params[key] for key in sorted(_PARAMS & params.keys())}
        if fixed:
            made["params"] = fixed
        if params.get("tags"):
            made["tags"] = [str(tag) for tag in params["tags"]]
        lost = sorted(key for key in params if key not in _CARRIED | _PARAMS)
        if lost:
            self.notes.append(f"{unique}: not carried over: {', '.join(lost)}.")
        return made

    def _tiers(self) -> dict[str, str]:
        """Tiers of models that an auto-router of litellm names by complexity."""
        found: dict[str, str] = {}
        for entry in self.models:
            params = _params(entry)
            if not str(params.get("model", "")).startswith("auto_router/"):
                continue
            config = params.get("complexity_router_config") or {}
            tiers = config.get("tiers") if isinstance(config, dict) else None
            for level, models in (tiers or {}).items():
                for model in models if isinstance(models, list) else [models]:
                    if level in _TIERS:
                        found[str(model)] = _TIERS[level]
            told = "its tiers were taken over" if tiers else "its rules were not"
            self.notes.append(
                f"{entry.get('model_name')}: litellm's automatic routing; {told}. The policy decides now: ask for "
                f"`model: auto`."
            )
        return found

    def _tier(self, unique: str, name: str, model: str, params: Mapping[str, Any]) -> str:
        if name in self.tiers or model in self.tiers:
            return self.tiers.get(name) or self.tiers[model]
        facts = self.facts.get(model)
        own = params.get("output_cost_per_token")
        rate = float(own) if own is not None else facts.price.output if facts is not None else None
        tier = "large" if rate is not None and rate * 1e6 >= LARGE_FROM else "small"
        why = f"${rate * 1e6:.3g} a million output tokens" if rate is not None else "no price is known"
        self.notes.append(f"{unique}: its tier is a guess ({tier}: {why}); set it as you see fit.")
        return tier

    def limits(self) -> list[dict[str, Any]]:
        settings = _section(self.data, "litellm_settings")
        budget = settings.get("max_budget")
        if budget is None:
            return []
        duration = str(settings.get("budget_duration", ""))
        window = _WINDOWS.get(duration, "total")
        if duration and duration not in _WINDOWS:
            self.notes.append(f"max_budget: a window of {duration} is not there; the limit holds in total.")
        return [{"usd": f"${float(budget):.10g}", "window": window}]

    def rest(self) -> None:
        """Note what else stands in the file."""
        router, settings = _section(self.data, "router_settings"), _section(self.data, "litellm_settings")
        for section in (router, settings):
            for key in ("fallbacks", "context_window_fallbacks", "content_policy_fallbacks", "default_fallbacks"):
                if section.get(key):
                    self.notes.append(
                        f"{key}: {_chains(section[key])}: not needed as a list; every able model is a fallback, in the "
                        f"order of the policy, and none that the policy forbids."
                    )
        if router.get("routing_strategy"):
            self.notes.append(
                f"routing_strategy: {router['routing_strategy']}: the policy's objective chooses among equals "
                f"(see cost-first, latency-first)."
            )
        if router.get("model_group_alias"):
            self.notes.append(f"model_group_alias: {', '.join(router['model_group_alias'])}: name the deployments so.")
        if router.get("provider_budget_config"):
            self.notes.append("provider_budget_config: budgets of a provider are not there; budgets hold for all.")
        known = {
            "fallbacks", "context_window_fallbacks", "content_policy_fallbacks", "default_fallbacks", "max_budget",
            "budget_duration", "routing_strategy", "model_group_alias", "provider_budget_config",
        }  # fmt: skip
        for name in ("router_settings", "litellm_settings", "general_settings", "environment_variables"):
            lost = sorted(str(key) for key in _section(self.data, name) if key not in known)
            if lost:
                self.notes.append(f"{name}: not carried over: {', '.join(lost)}.")
        others = sorted(
            str(key)
            for key in self.data
            if key
            not in ("model_list", "router_settings", "litellm_settings", "general_settings", "environment_variables")
        )
        if others:
            self.notes.append(f"not carried over: {', '.join(others)}.")


def _params(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    found = entry.get("litellm_params")
    return found if isinstance(found, dict) else {}


def _section(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = data.get(name)
    return found if isinstance(found, dict) else {}


def _chains(listed: Any) -> str:
    parts = []
    for each in listed if isinstance(listed, list) else [listed]:
        if isinstance(each, dict):
            parts += [f"{model} -> {', '.join(map(str, _many(others)))}" for model, others in each.items()]
        else:
            parts.append(str(each))
    return "; ".join(parts)


def _many(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else [value]


def _unique(name: str, found: list[dict[str, Any]]) -> str:
    taken = {each["name"] for each in found}
    if name not in taken:
        return name
    return next(f"{name}-{number}" for number in range(2, 10_000) if f"{name}-{number}" not in taken)
