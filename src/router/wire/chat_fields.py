"""The fields of a chat body beside its messages: of which type each must be, and what the router reads of them.

Source: https://platform.openai.com/docs/api-reference/chat/create.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import RequestError, RequestTooLarge
from ..types import Tool
from .hints import did_you_mean
from .jsonbody import Limits, shown, wrong

__all__ = [
    "CHECKS",
    "read_max_output_tokens",
    "read_response_format",
    "read_tool_choice",
    "read_tools",
]

_FORMATS = ("text", "json_object", "json_schema")


def read_tools(body: Mapping[str, Any], limits: Limits) -> tuple[Tool, ...]:
    """The functions that may be called, the provider's own tools by their kind."""
    found: list[Tool] = []
    # ``functions`` is what tools were called before November 2023.
    for field, value in (("tools", body.get("tools")), ("functions", body.get("functions"))):
        if value is None:
            continue
        if len(value) > limits.max_tools:
            raise RequestTooLarge(
                f"{len(value):,} {field} are more than the {limits.max_tools:,} allowed.", param=field
            )
        for index, raw in enumerate(value):
            at = f"{field}[{index}]"
            if not isinstance(raw, dict):
                raise wrong(at, "an object", raw)
            if field == "tools":
                kind = raw.get("type", "function")
                if not isinstance(kind, str):
                    raise wrong(f"{at}.type", "text", kind)
                inner = raw.get(kind)
                if kind != "function" and not isinstance(inner, dict):
                    # A provider's own tool (web search, code interpreter): it has no name or schema to read.
                    found.append(Tool(name=str(raw.get("name") or kind)))
                    continue
                at, raw = f"{at}.{kind}", inner
                if not isinstance(raw, dict):
                    raise wrong(at, "an object", raw)
            name, description, parameters = raw.get("name"), raw.get("description"), raw.get("parameters")
            if not isinstance(name, str) or not name:
                raise wrong(f"{at}.name", "a name", name)
            if description is not None and not isinstance(description, str):
                raise wrong(f"{at}.description", "text", description)
            if parameters is not None and not isinstance(parameters, dict):
                raise wrong(f"{at}.parameters", "an object", parameters)
            found.append(Tool(name=name, description=description or "", parameters=parameters or {}))
    return tuple(found)


def read_tool_choice(body: Mapping[str, Any], tools: tuple[Tool, ...]) -> str | None:
    """``none``, ``auto``, ``required``, or the name of the tool that must be called; None where nothing is said."""
    field = "tool_choice" if body.get("tool_choice") is not None else "function_call"
    value = body.get(field)
    if value is None:
        return None
    if isinstance(value, str):
        if value not in ("none", "auto", "required"):
            raise RequestError(
                f"{field} is {shown(value)}.", param=field, hint="Write none, auto, required or a tool object."
            )
        if value == "required" and not tools:
            raise RequestError("a tool is required and none is given.", param=field, hint="Add tools.")
        return value
    if not isinstance(value, dict):
        raise wrong(field, "text or an object", value)
    kind = value.get("type", "function")
    inner = value.get(kind, value) if isinstance(kind, str) else None
    if not isinstance(inner, dict):
        raise wrong(field, "an object that names a tool", value)
    if kind == "allowed_tools":
        return "required" if inner.get("mode") == "required" else "auto"
    name = inner.get("name")
    if not isinstance(name, str):
        if kind not in ("function", "custom"):
            return str(kind)
        raise wrong(f"{field}.{kind}.name", "a name", name)
    names = [tool.name for tool in tools]
    if name not in names:
        raise RequestError(
            f"{field} asks for the tool {shown(name)}, which is not among the tools.{did_you_mean(name, names)}",
            param=field,
        )
    return name


def read_response_format(value: Any) -> tuple[Mapping[str, Any] | None, bool]:
    """The JSON schema that the answer must follow, and whether it must be JSON at all."""
    if value is None:
        return None, False
    kind = value.get("type")
    if kind not in _FORMATS:
        meant = did_you_mean(kind, _FORMATS) if isinstance(kind, str) else ""
        raise RequestError(
            f"response_format.type is {shown(kind)}.{meant}",
            param="response_format.type",
            hint=f"Formats: {', '.join(_FORMATS)}.",
        )
    if kind != "json_schema":
        return None, kind == "json_object"
    inner = value.get("json_schema")
    if not isinstance(inner, dict):
        raise wrong("response_format.json_schema", "an object", inner)
    schema = inner.get("schema")
    if schema is not None and not isinstance(schema, dict):
        raise wrong("response_format.json_schema.schema", "an object", schema)
    return schema, True


def read_max_output_tokens(body: Mapping[str, Any]) -> int | None:
    """How long the answer may be, by its name of now or of before."""
    new, old = body.get("max_completion_tokens"), body.get("max_tokens")
    for key, value in (("max_completion_tokens", new), ("max_tokens", old)):
        if value is not None and value < 1:
            raise RequestError(f"{key} is {value}.", param=key, hint="Give at least 1, or leave it out.")
    if new is not None and old is not None and new != old:
        raise RequestError(
            f"max_tokens ({old}) and max_completion_tokens ({new}) contradict each other.",
            param="max_tokens",
            hint="Give one of them.",
        )
    found: int | None = new if new is not None else old
    return found


def _check_text(key: str, value: Any) -> None:
    if not isinstance(value, str):
        raise wrong(key, "text", value)


def _check_flag(key: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise wrong(key, "true or false", value)


def _check_whole(key: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong(key, "a whole number", value)


def _check_number(key: str, value: Any) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise wrong(key, "a number", value)


def _check_list(key: str, value: Any) -> None:
    if not isinstance(value, list):
        raise wrong(key, "a list", value)


def _check_object(key: str, value: Any) -> None:
    if not isinstance(value, dict):
        raise wrong(key, "an object", value)


def _check_stop(key: str, value: Any) -> None:
    if not isinstance(value, str) and not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
        raise wrong(key, "text or a list of texts", value)


def _check_texts(key: str, value: Any) -> None:
    if not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
        raise wrong(key, "a list of texts", value)


def _check_router(key: str, value: Any) -> None:
    if not isinstance(value, dict):
        raise wrong(key, "an object of hints", value)


CHECKS: Mapping[str, Callable[[str, Any], None]] = {
    "messages": _check_list,
    "model": _check_text,
    "router": _check_router,
    "stream": _check_flag,
    "stream_options": _check_object,
    "tools": _check_list,
    "functions": _check_list,
    "response_format": _check_object,
    "max_tokens": _check_whole,
    "max_completion_tokens": _check_whole,
    "n": _check_whole,
    "stop": _check_stop,
    "logprobs": _check_flag,
    "top_logprobs": _check_whole,
    "temperature": _check_number,
    "top_p": _check_number,
    "presence_penalty": _check_number,
    "frequency_penalty": _check_number,
    "seed": _check_whole,
    "parallel_tool_calls": _check_flag,
    "logit_bias": _check_object,
    "metadata": _check_object,
    "user": _check_text,
    "modalities": _check_texts,
}
"""By field, what raises a :class:`~router.errors.RequestError` where its value is of another type."""
