"""Prices and limits of hosted models, read from the table that litellm ships, without importing litellm.

Only the entries asked for are decoded. What the table does not say is None, which is unknown, never zero. The room
also reads the catalogue's own files: the families and the default deployments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from ..catalogue import (
    Deployment,
    Family,
    ModelFacts,
    provider_of,
    read_deployments,
    read_families,
    with_facts,
)
from ..price import Price, PriceTier, UnitPrices

__all__ = ["builtin_deployments", "builtin_families", "load_facts", "price_table", "read_facts"]

_TABLE = "model_prices_and_context_window_backup.json"
# The table's spelling of each rate; a tier's key is ``<rate>_above_128k_tokens``.
_RATES: Mapping[str, tuple[str, ...]] = {
    "input": ("input_cost_per_token",),
    "output": ("output_cost_per_token",),
    "cached_input": ("cache_read_input_token_cost", "input_cost_per_token_cache_hit"),
    "cache_write": ("cache_creation_input_token_cost",),
    "reasoning": ("output_cost_per_reasoning_token",),
    "audio_input": ("input_cost_per_audio_token",),
    "audio_output": ("output_cost_per_audio_token",),
    "image_input": ("input_cost_per_image_token",),
    "image_output": ("output_cost_per_image_token",),
}
_ABILITIES: Mapping[str, str] = {
    "supports_function_calling": "tools",
    "supports_response_schema": "json_schema",
    "supports_vision": "vision",
    "supports_audio_input": "audio",
    "supports_pdf_input": "files",
    "supports_video_input": "video",
    "supports_audio_output": "audio_output",
    "supports_reasoning": "reasoning",
}


def price_table() -> Path | None:
    """The price table of the installed litellm, or None when there is none."""
    spec = find_spec("litellm")
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(folder) / _TABLE
        if path.is_file():
            return path
    return None


def load_facts(models: Iterable[str], *, table: Path | None = None) -> dict[str, ModelFacts]:
    """Facts of ``models`` (litellm's spelling, with or without the provider in front); unknown models are left out.

    ``table`` is a file in litellm's format, by default the installed one. A table that cannot be read knows nothing.
    """
    path = table or price_table()
    wanted = tuple(models)
    if path is None or not wanted:
        return {}
    try:
        raw = msgspec.json.decode(path.read_bytes(), type=dict[str, msgspec.Raw])
    except (OSError, msgspec.DecodeError):
        return {}
    found: dict[str, ModelFacts] = {}
    for model in wanted:
        entry = _entry(raw, model)
        if entry is not None:
            found[model] = read_facts(entry, model)
    return found


def read_facts(entry: Mapping[str, Any], model: str = "") -> ModelFacts:
    """One entry of litellm's table: rates, tiers by input length, limits and abilities; ``model`` is its key."""
    tiers = _tiers(entry)
    rates = {name: _rate(entry, keys) for name, keys in _RATES.items()}
    if rates["input"] is None and tiers and tiers[0].above == 0:
        # A model that is priced by ranges alone: its first range is the base.
        first, tiers = tiers[0], tiers[1:]
        rates = {name: getattr(first, name) for name in _RATES}
    by_unit = _by_unit(entry, model)
    if by_unit is not None and by_unit.second is not None and rates["input"] is None and rates["output"] is None:
        # What is charged by time is not charged by token.
        rates |= {"input": 0.0, "output": 0.0}
    if _is_charged_otherwise(entry, by_unit):
        rates["output"] = None
    able = frozenset(ability for key, ability in _ABILITIES.items() if entry.get(key) is True)
    return ModelFacts(
        price=Price(
            **rates, per_call=_number(entry.get("input_cost_per_request")) or 0.0, by_unit=by_unit, tiers=tiers
        ),
        context_tokens=_count(entry.get("max_input_tokens")) or _count(entry.get("max_tokens")),
        max_output_tokens=_count(entry.get("max_output_tokens")),
        capabilities=able | {"streaming"},
    )


def _by_unit(entry: Mapping[str, Any], model: str) -> UnitPrices | None:
    """What a chat model's provider charges beside tokens, None for nothing."""
    image = _number(entry.get("input_cost_per_image"))
    image_output = _number(entry.get("output_cost_per_image")) if _draws(entry) else None
    if _number(entry.get("output_cost_per_image_token")):
        image_output = None  # the same pictures, told in tokens
    second = _rate(entry, ("cost_per_second", "input_cost_per_second", "output_cost_per_second"))
    sizes = entry.get("search_context_cost_per_query")
    search = None
    if isinstance(sizes, Mapping):
        known = [_number(sizes.get(f"search_context_size_{size}")) for size in ("low", "medium", "high")]
        dearest = max((rate for rate in known if rate is not None), default=0.0)
        low, medium, high = (dearest if rate is None else rate for rate in known)
        search = (low, medium, high) if dearest else None
    if not (image or image_output or second or search):
        return None
    searches = search is not None and (entry.get("litellm_provider") == "perplexity" or "-search-" in model)
    return UnitPrices(
        image=image or None,
        image_output=image_output or None,
        second=second or None,
        search=search,
        always_searches=searches,
    )


def _draws(entry: Mapping[str, Any]) -> bool:
    modalities = entry.get("supported_output_modalities")
    return isinstance(modalities, list) and "image" in modalities


def _is_charged_otherwise(entry: Mapping[str, Any], by_unit: UnitPrices | None) -> bool:
    """Whether its answers cost something that cannot be counted here, so that their price is unknown: citations, or
    pieces of what is no picture."""
    if _number(entry.get("citation_cost_per_token")):
        return True
    is_free = not _number(entry.get("output_cost_per_token"))
    return is_free and bool(_number(entry.get("output_cost_per_image"))) and not (by_unit and by_unit.image_output)


def builtin_families() -> tuple[Family, ...]:
    """The model families of the guide, and today's."""
    return read_families(_builtin("families.yaml"), file="families.yaml")


def builtin_deployments(*, table: Path | None = None) -> tuple[Deployment, ...]:
    """The default hosted deployments, with prices and limits of litellm's table."""
    deployments = read_deployments(_builtin("deployments.yaml"), file="deployments.yaml")
    facts = load_facts((deployment.model for deployment in deployments), table=table)
    return tuple(with_facts(deployment, facts.get(deployment.model)) for deployment in deployments)


def _builtin(name: str) -> str:
    return (Path(__file__).resolve().parents[1] / "builtin" / name).read_text(encoding="utf-8")


def _entry(raw: Mapping[str, msgspec.Raw], model: str) -> Mapping[str, Any] | None:
    found = raw.get(model)
    provider = provider_of(model)
    if found is None and provider is not None and model.startswith(f"{provider}/"):
        # The table writes some providers' models bare; the entry must then be that provider's.
        found = raw.get(model[len(provider) + 1 :])
    if found is None:
        return None
    try:
        entry = msgspec.json.decode(found, type=dict[str, Any])
    except msgspec.DecodeError:
        return None
    alias = entry.get("alias_of")
    if isinstance(alias, str) and alias != model and alias in raw:
        return {**msgspec.json.decode(raw[alias], type=dict[str, Any]), **entry}
    if model not in raw and entry.get("litellm_provider") not in (provider, f"{provider}_chat", None):
        return None
    return entry


def _tiers(entry: Mapping[str, Any]) -> tuple[PriceTier, ...]:
    by_size: dict[int, dict[str, float]] = {}
    for name, keys in _RATES.items():
        for key in keys:
            start = f"{key}_above_"
            for written, value in entry.items():
                size = written.removeprefix(start).removesuffix("k_tokens")
                rate = _number(value)
                if written.startswith(start) and size.isdigit() and rate is not None:
                    by_size.setdefault(int(size) * 1000, {}).setdefault(name, rate)
    ranges = entry.get("tiered_pricing")
    for row in ranges if isinstance(ranges, list) else ():
        if isinstance(row, dict) and isinstance(row.get("range"), list) and row["range"]:
            above = int(_number(row["range"][0]) or 0)
            rates = {name: rate for name, keys in _RATES.items() if (rate := _rate(row, keys)) is not None}
            by_size.setdefault(above, {}).update(rates)
    return tuple(PriceTier(above=above, **by_size[above]) for above in sorted(by_size))


def _rate(entry: Mapping[str, Any], keys: tuple[str, ...]) -> float | None:
    return next((rate for key in keys if (rate := _number(entry.get(key))) is not None), None)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        return None
    return float(value)


def _count(value: object) -> int | None:
    number = _number(value)
    return int(number) if number else None
