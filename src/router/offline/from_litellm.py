"""A litellm proxy's config -> settings of the router, and a list of what did not carry over.

Read as data (https://docs.litellm.ai/docs/proxy/configs); litellm itself is not needed. Secrets are never copied: a key
that stands in the file becomes the name of a variable to set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from ..backends.prices import load_facts
from ..config import Settings
from ..document import Document
from ..errors import ConfigError
from ..spec import validated
from .litellm_entries import deployment, limit, number, section

__all__ = ["Imported", "import_litellm"]

_TIERS: Final[Mapping[str, str]] = {"SIMPLE": "small", "MEDIUM": "small", "COMPLEX": "large", "REASONING": "large"}
_CHAT: Final = ("chat", "completion", "responses")
_SECTIONS: Final = ("router_settings", "litellm_settings", "general_settings", "environment_variables")
_KNOWN: Final = frozenset(
    {
        "fallbacks", "context_window_fallbacks", "content_policy_fallbacks", "default_fallbacks", "max_budget",
        "budget_duration", "routing_strategy", "model_group_alias", "provider_budget_config", "num_retries", "timeout",
        "request_timeout",
    }
)  # fmt: skip


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
    settings = reading.settings()
    if not settings["deployments"]:
        raise ConfigError("its model_list names no model that can be called.", file=document.name)
    try:
        validated(Settings, settings)
    except ValueError as error:
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(f"what it says cannot be taken over: {reason}", file=document.name) from error
    return Imported(settings=settings, notes=tuple(dict.fromkeys(reading.notes)))


class _Reading:
    """``groups``: the deployments behind each of litellm's model names; several share their load."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data
        self.notes: list[str] = []
        self.router, self.litellm = section(data, "router_settings"), section(data, "litellm_settings")
        self.entries = [entry for entry in data["model_list"] if isinstance(entry, dict)]
        named = [str(section(each, "litellm_params").get("model", "")) for each in self.entries]
        named += [str(section(each, "model_info").get("base_model", "")) for each in self.entries]
        self.facts = load_facts(name for name in named if name)
        self.tiers = self._tiers()
        self.groups: dict[str, list[str]] = {}
        self.budgets: list[dict[str, Any]] = []

    def settings(self) -> dict[str, Any]:
        deployments, embeddings = self._models()
        self._fallbacks(deployments)
        found: dict[str, Any] = {"policy": "guide", "deployments": deployments}
        if embeddings:
            found["embeddings"] = embeddings
        overall, note = limit(self.litellm, "max_budget")
        if note is not None:
            self.notes.append(note)
        budgets = [*([overall] if overall is not None else []), *self.budgets]
        if budgets:
            found["budgets"] = budgets
        dispatch = self._dispatch()
        if dispatch:
            found["dispatch"] = dispatch
        self._rest()
        return found

    # ----- models -------------------------------------------------------------------------------------------------

    def _models(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        found: list[dict[str, Any]] = []
        embeddings: list[dict[str, Any]] = []
        names: set[str] = set()
        for entry in self.entries:
            params, name = section(entry, "litellm_params"), str(entry.get("model_name") or "")
            model, mode = str(params.get("model") or ""), str(section(entry, "model_info").get("mode") or "chat")
            if not model or model.startswith("auto_router/"):
                continue
            name = name or model
            if "*" in model or "*" in name:
                self.notes.append(f"{name}: a wildcard is no single model; name the models that you use.")
                continue
            unique = _unique(name, names)
            if mode not in (*_CHAT, "embedding"):
                self.notes.append(f"{unique}: not carried over: models for {mode} are not routed.")
                continue
            tier = self.tiers.get(name) or self.tiers.get(model) or ("small" if mode == "embedding" else None)
            made, notes = deployment(entry, unique, tier, self.facts)
            names.add(unique)
            self.notes += [f"{unique}: {note}" for note in notes]
            if mode == "embedding":
                kept = ("name", "model", "api_base", "key_env", "price_per_million")
                embeddings.append({key: made[key] for key in kept if key in made})
                continue
            found.append(made)
            self.groups.setdefault(name, []).append(unique)
            own, note = limit(params, f"{unique}: max_budget")
            if own is not None:
                self.budgets.append({**own, "model": unique})
            if note is not None:
                self.notes.append(note)
        for name, members in self.groups.items():
            for made in found:
                if made["name"] in members and len(members) > 1:
                    made["group"] = name
        return found, embeddings

    def _tiers(self) -> dict[str, str]:
        """Tiers of models that an auto-router of litellm names by complexity."""
        found: dict[str, str] = {}
        for entry in self.entries:
            params = section(entry, "litellm_params")
            if not str(params.get("model") or "").startswith("auto_router/"):
                continue
            tiers = section(section(params, "complexity_router_config"), "tiers")
            for level, models in tiers.items():
                tier = _TIERS.get(str(level).upper())
                if tier is None:
                    self.notes.append(f"{entry.get('model_name')}: its tier {level} is not known here.")
                    continue
                for model in _many(models):
                    # What the harder requests go to is the larger tier, also where easier ones go there too.
                    found[str(model)] = "large" if tier == "large" else found.get(str(model), tier)
            told = "its tiers were taken over" if tiers else "its rules were not"
            self.notes.append(
                f"{entry.get('model_name')}: litellm's automatic routing; {told}. The policy decides now: ask for "
                f"`model: auto`."
            )
        return found

    def _fallbacks(self, deployments: list[dict[str, Any]]) -> None:
        """Fallbacks by model name, on each deployment of that name; those of the router's settings count first."""
        chains: dict[str, list[str]] = {}
        for listed in (self.router.get("fallbacks"), self.litellm.get("fallbacks")):
            for each in _many(listed or []):
                for name, others in each.items() if isinstance(each, dict) else ():
                    chains.setdefault(str(name), [str(other) for other in _many(others)])
        default = self.router.get("default_fallbacks") or self.litellm.get("default_fallbacks")
        usual = [str(name) for name in _many(default or [])]
        lost = sorted({name for chain in (*chains.values(), usual) for name in chain if name not in self.groups})
        lost += sorted(name for name in chains if name not in self.groups)
        if lost:
            self.notes.append(f"fallbacks: {', '.join(dict.fromkeys(lost))}: no such model was taken over.")
        by_name = {made["name"]: made for made in deployments}
        for name, members in self.groups.items():
            chain = chains.get(name, usual)
            after = [member for other in chain if other != name for member in self.groups.get(other, ())]
            if after:
                for member in members:
                    # The others of the group come first, as in litellm.
                    by_name[member]["fallback"] = [*(each for each in members if each != member), *after]
        if chains or usual:
            self.notes.append(
                "fallbacks: taken over; they hold for `model: auto`, and a rule's own `fallback` counts before them."
            )

    # ----- the rest -----------------------------------------------------------------------------------------------

    def _dispatch(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        retries, timeout = (
            number(self.router.get(own) if self.router.get(own) is not None else self.litellm.get(other))
            for own, other in (("num_retries", "num_retries"), ("timeout", "request_timeout"))
        )
        if retries is not None:
            found["tries"] = min(int(retries) + 1, 10)
        if timeout:
            found["timeout"] = f"{timeout:g}s"
        if self.router.get("routing_strategy") == "latency-based-routing":
            found["balance"] = "fastest"
        return found

    def _rest(self) -> None:
        """Note what else stands in the file."""
        for part in (self.router, self.litellm):
            if part.get("context_window_fallbacks"):
                self.notes.append(
                    f"context_window_fallbacks: {_chains(part['context_window_fallbacks'])}: not needed; no model is "
                    f"asked that the request does not fit, and one that finds it too long is followed by a larger one."
                )
            if part.get("content_policy_fallbacks"):
                self.notes.append(
                    f"content_policy_fallbacks: {_chains(part['content_policy_fallbacks'])}: not carried over; what a "
                    f"provider refuses for its content is not shopped around."
                )
        strategy = self.router.get("routing_strategy")
        if strategy and strategy != "latency-based-routing":
            self.notes.append(
                f"routing_strategy: {strategy}: the policy's objective chooses among equals "
                f"(see cost-first, latency-first)."
            )
        alias = self.router.get("model_group_alias")
        if alias:
            self.notes.append(f"model_group_alias: {', '.join(map(str, alias))}: name the deployments so.")
        if self.router.get("provider_budget_config"):
            self.notes.append("provider_budget_config: not carried over; budgets hold for one model or for all.")
        for name in _SECTIONS:
            lost = sorted(str(key) for key in section(self.data, name) if key not in _KNOWN)
            if lost:
                self.notes.append(f"{name}: not carried over: {', '.join(lost)}.")
        others = sorted(str(key) for key in self.data if key not in ("model_list", *_SECTIONS))
        if others:
            self.notes.append(f"not carried over: {', '.join(others)}.")


def _chains(listed: Any) -> str:
    parts = []
    for each in _many(listed):
        if isinstance(each, dict):
            parts += [f"{model} -> {', '.join(map(str, _many(others)))}" for model, others in each.items()]
        else:
            parts.append(str(each))
    return "; ".join(parts)


def _many(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else [value]


def _unique(name: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    return next(f"{name}-{number}" for number in range(2, 10_000) if f"{name}-{number}" not in taken)
