"""One entry of a litellm config's `model_list` -> one deployment, and what it says that has no place here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ..catalogue import Capability, ModelFacts, provider_key_env

__all__ = ["LARGE_FROM", "deployment", "limit", "number", "section"]

# USD a million output tokens from which a model counts as large, where the config does not say.
LARGE_FROM = 8.0
# Every spelling of one window that litellm knows (https://docs.litellm.ai/docs/proxy/users).
WINDOWS: Final[Mapping[str, str]] = {
    "1s": "second",
    **dict.fromkeys(("60s", "1m"), "minute"),
    **dict.fromkeys(("3600s", "60m", "1h"), "hour"),
    **dict.fromkeys(("86400s", "24h", "1d"), "day"),
    **dict.fromkeys(("30d", "1mo"), "month"),
}
_PARAMS: Final = frozenset(
    {
        "temperature", "top_p", "reasoning_effort", "seed", "frequency_penalty", "presence_penalty", "api_version",
        "aws_region_name", "vertex_project", "vertex_location", "organization", "region_name", "watsonx_region_name",
    }
)  # fmt: skip
_CARRIED: Final = _PARAMS | {
    "model", "api_key", "api_base", "base_url", "input_cost_per_token", "output_cost_per_token", "tags", "weight",
    "max_budget", "budget_duration",
}  # fmt: skip
# Keys that stand for none: servers of one's own ask for some text.
_NO_KEY = re.compile(r"none|null|empty|fake\S*|dummy\S*|any\S*|not-?needed|no-?key\S*|sk-no\S*|x+|test", re.IGNORECASE)
_ABLE: Final[Mapping[str, Capability]] = {
    "supports_vision": "vision",
    "supports_function_calling": "tools",
    "supports_response_schema": "json_schema",
    "supports_audio_input": "audio",
    "supports_pdf_input": "files",
    "supports_reasoning": "reasoning",
}
_INFO: Final = frozenset(
    {
        "id", "mode", "base_model", "input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost",
        "max_input_tokens", "max_tokens", "max_output_tokens", *_ABLE,
    }
)  # fmt: skip
_RATES: Final = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "cached_input": "cache_read_input_token_cost",
}


def deployment(
    entry: Mapping[str, Any], unique: str, tier: str | None, facts: Mapping[str, ModelFacts]
) -> tuple[dict[str, Any], list[str]]:
    """The deployment called ``unique``, and notes; ``tier`` is None where it must be guessed by the price."""
    params, info, notes = section(entry, "litellm_params"), section(entry, "model_info"), []
    model = str(params["model"])
    made: dict[str, Any] = {"name": unique, "model": model}
    prices = {field: price for field, key in _RATES.items() if (price := _rate(params, info, key)) is not None}
    known = facts.get(str(info.get("base_model") or model)) or facts.get(model)
    if tier is None:
        rate = prices.get("output", known.price.output if known is not None else None)
        tier = "large" if rate is not None and rate * 1e6 >= LARGE_FROM else "small"
        why = f"${rate * 1e6:.3g} a million output tokens" if rate is not None else "no price is known"
        notes.append(f"its tier is a guess ({tier}: {why}); set it as you see fit.")
    made["tier"] = tier
    _address(made, params, notes)
    if prices:
        made["price_per_million"] = {field: f"${price * 1e6:.10g}" for field, price in prices.items()}
    _sizes(made, info, known if info.get("base_model") else None)
    able = [word for key, word in _ABLE.items() if info.get(key) is True]
    if any(key in info for key in _ABLE):
        made["capabilities"] = ["streaming", *able]
    fixed = {key: params[key] for key in sorted(_PARAMS & params.keys()) if not _is_variable(params[key])}
    if fixed:
        made["params"] = fixed
    tags = params.get("tags")
    if tags:
        made["tags"] = [str(tag) for tag in (tags if isinstance(tags, list) else [tags])]
    weight = number(params.get("weight"))
    if weight is not None:
        made["weight"] = weight
    lost = sorted(
        str(key) for key, value in params.items() if key not in _CARRIED or (key in _PARAMS and _is_variable(value))
    )
    lost += sorted(f"model_info.{key}" for key in info if key not in _INFO)
    if lost:
        notes.append(f"not carried over: {', '.join(lost)}.")
    return made, notes


def _address(made: dict[str, Any], params: Mapping[str, Any], notes: list[str]) -> None:
    """Where it is, and the variable that holds its credential; a credential itself is never copied."""
    base, key = params.get("api_base") or params.get("base_url"), params.get("api_key")
    if _is_variable(base):
        notes.append(f"api_base comes from {str(base)[11:]}; write the address into the file.")
    elif base:
        made["api_base"] = str(base)
    if _is_variable(key):
        made["key_env"] = str(key).removeprefix("os.environ/")
    elif key and not (base and _NO_KEY.fullmatch(str(key))):
        # A server that only speaks like the provider must not be shown the provider's usual credential.
        usual = next(iter(provider_key_env(made["model"]) or ()), None)
        own = f"{re.sub('[^A-Z0-9]+', '_', made['name'].upper()).strip('_')}_API_KEY"
        is_anybodys = base and made["model"].startswith(("openai/", "openai_like/", "text-completion-openai/"))
        made["key_env"] = own if is_anybodys or usual is None else usual
        if made["key_env"][0].isdigit():
            made["key_env"] = f"KEY_{made['key_env']}"
        notes.append(f"its key stands in the file and was not copied; set {made['key_env']}.")


def _sizes(made: dict[str, Any], info: Mapping[str, Any], base: ModelFacts | None) -> None:
    sizes = {
        "context_tokens": info.get("max_input_tokens") or (base.context_tokens if base is not None else None),
        "max_output_tokens": info.get("max_output_tokens") or info.get("max_tokens"),
    }
    made.update({field: int(size) for field, value in sizes.items() if (size := number(value))})


def _rate(params: Mapping[str, Any], info: Mapping[str, Any], key: str) -> float | None:
    """USD a token; what stands beside the model's address counts before what is told about it."""
    found = number(params.get(key))
    return number(info.get(key)) if found is None else found


def limit(entry: Mapping[str, Any], where: str) -> tuple[dict[str, Any] | None, str | None]:
    """The money limit under ``max_budget`` and ``budget_duration``, and a note where its window is not there."""
    usd = number(entry.get("max_budget"))
    if usd is None:
        return None, None
    duration = str(entry.get("budget_duration") or "")
    window = WINDOWS.get(duration, "total")
    note = None
    if duration and duration not in WINDOWS:
        note = f"{where}: a window of {duration} is not there; the limit of ${usd:.10g} holds in total."
    return {"usd": f"${usd:.10g}", "window": window}, note


def number(value: Any) -> float | None:
    """A number, also as text, that is finite and not negative; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except ValueError:
        return None
    return found if 0 <= found < float("inf") else None


def section(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The mapping under ``name``, empty where there is none."""
    found = data.get(name)
    return found if isinstance(found, dict) else {}


def _is_variable(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("os.environ/")
