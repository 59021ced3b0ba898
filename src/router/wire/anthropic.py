"""Anthropic's Messages JSON, read as a chat body and written back as a message.

Source: https://docs.anthropic.com/en/api/messages. What a chat completion cannot say (Anthropic's own server tools) is
refused by name; earlier thinking blocks are left out, since only the model that wrote them can use them. Unknown
fields travel on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ..errors import RequestError, RequestTooLarge, RouterError, UpstreamError
from ..types import Hints, Request
from .anthropic_events import MessageEvents, block_id, stop_reason, thinking_block, usage_of
from .forms import Form, StreamForm, chat_content, message_of
from .jsonbody import Limits, decoded, shown, wrong
from .openai import read_chat, said
from .thoughts import read_thoughts

__all__ = ["anthropic_error", "messages_form", "model_page"]

_OWN = frozenset(
    {"system", "messages", "tools", "tool_choice", "stop_sequences", "metadata", "thinking", "output_config",
     "output_format", "max_tokens"}
)  # fmt: skip
_CHOICES: Mapping[str, str] = {"auto": "auto", "any": "required", "none": "none"}
# The steps that Anthropic's documentation names for its own thinking budgets.
_EFFORTS: tuple[tuple[int, str], ...] = ((2_048, "low"), (16_384, "medium"))
_json = msgspec.json.Encoder().encode


def messages_form(data: bytes, *, hints: Hints, limits: Limits, is_count: bool = False) -> Form:
    """Read a body of ``POST /v1/messages``; ``is_count``: of ``/v1/messages/count_tokens``, which needs no limit.

    Raises:
        RequestError: a wrong type, an unknown block, a tool that runs at Anthropic; RequestTooLarge.
    """
    body, _ = decoded(data, limits)
    chat: dict[str, Any] = {key: value for key, value in body.items() if key not in _OWN}
    limit = body.get("max_tokens")
    if limit is not None:
        chat["max_tokens"] = limit
    elif not is_count:
        raise RequestError("max_tokens is missing.", param="max_tokens", hint="Say how many tokens may be written.")
    if body.get("n") not in (None, 1):
        raise RequestError("a message holds one answer.", param="n", hint="Leave it out.")
    messages: list[dict[str, Any]] = []
    system = body.get("system")
    if system:
        messages.append({"role": "system", "content": chat_content(system, "system", _part)})
    written = body.get("messages")
    if not isinstance(written, list):
        raise wrong("messages", "a list", written)
    if len(written) > limits.max_messages:
        raise RequestTooLarge(f"{len(written):,} messages are more than the {limits.max_messages:,} allowed.")
    for index, message in enumerate(written):
        messages += _message(message, f"messages[{index}]")
    chat["messages"] = messages
    tools = body.get("tools")
    if tools:
        chat["tools"] = _tools(tools)
    choice = body.get("tool_choice")
    if choice is not None:
        _read_choice(choice, chat)
    stops = body.get("stop_sequences")
    if stops:
        chat["stop"] = stops
    user = (body.get("metadata") or {}).get("user_id") if isinstance(body.get("metadata"), Mapping) else None
    if user is not None:
        chat["user"] = user
    _read_thinking(body, chat)
    if chat.get("stream"):
        chat["stream_options"] = {"include_usage": True}
    return _MessagesForm(read_chat(chat, hints=hints, limits=limits), shows_thoughts=_shows_thoughts(body))


def anthropic_error(error: RouterError, request_id: str) -> dict[str, Any]:
    """Anthropic's error shape, ``{"type": "error", "error": {type, message}, "request_id"}``.

    Source: https://docs.anthropic.com/en/api/errors
    """
    kind = _ERRORS.get(error.status, "invalid_request_error" if error.status < 500 else "api_error")
    if isinstance(error, UpstreamError) and error.kind == "overload":
        kind = "overloaded_error"
    return {"type": "error", "error": {"type": kind, "message": str(error)}, "request_id": request_id}


def model_page(names: list[str], *, created_at: str = "1970-01-01T00:00:00Z") -> dict[str, Any]:
    """The answer of ``GET /v1/models`` as Anthropic writes it: https://docs.anthropic.com/en/api/models-list"""
    data = [{"type": "model", "id": name, "display_name": name, "created_at": created_at} for name in names]
    ends = {"first_id": names[0] if names else None, "last_id": names[-1] if names else None}
    return {"data": data, "has_more": False, **ends}


_ERRORS: Mapping[int, str] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


class _MessagesForm:
    __slots__ = ("_shows_thoughts", "request")

    def __init__(self, request: Request, *, shows_thoughts: bool) -> None:
        self.request, self._shows_thoughts = request, shows_thoughts

    def answer(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        message, finish = message_of(body)
        blocks = [thinking_block(thought) for thought in read_thoughts(message)] if self._shows_thoughts else []
        text = said(message.get("content")) or message.get("refusal")
        if text:
            blocks.append({"type": "text", "text": text, "citations": None})
        calls = message.get("tool_calls") or ()
        for call in calls:
            function = call.get("function") or {}
            blocks.append(
                {
                    "type": "tool_use",
                    "id": call.get("id"),
                    "name": function.get("name"),
                    "input": _arguments(function.get("arguments")),
                }
            )
        return {
            "id": block_id(body),
            "type": "message",
            "role": "assistant",
            "model": body.get("model"),
            "content": blocks,
            "stop_reason": stop_reason(finish, is_refusal=bool(message.get("refusal")), has_calls=bool(calls)),
            "stop_sequence": None,
            "usage": usage_of(body.get("usage")),
        }

    def stream(self) -> StreamForm:
        return MessageEvents(anthropic_error, shows_thoughts=self._shows_thoughts)


def _arguments(text: Any) -> Any:
    try:
        return msgspec.json.decode(text) if text else {}
    except msgspec.DecodeError:
        # A model wrote arguments that are no JSON; Anthropic's form has no place for text there.
        return {"arguments": text}


# ----- reading ----------------------------------------------------------------------------------------------------


def _message(message: Any, at: str) -> list[dict[str, Any]]:
    """One message of Anthropic's as one or several of a chat: tool results are messages of their own there."""
    if not isinstance(message, Mapping):
        raise wrong(at, "an object", message)
    role, content = message.get("role"), message.get("content")
    if role not in ("user", "assistant", "system"):
        raise RequestError(f"{at}.role is {shown(role)}.", param=f"{at}.role", hint="Roles: user, assistant.")
    if isinstance(content, str):
        return [{"role": role, "content": content}]
    if not isinstance(content, list):
        raise wrong(f"{at}.content", "text or a list of blocks", content)
    results: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    rest: list[Any] = []
    for number, block in enumerate(content):
        place = f"{at}.content[{number}]"
        if not isinstance(block, Mapping):
            raise wrong(place, "an object", block)
        kind = block.get("type")
        if kind == "tool_result" and role == "user":
            results.append(_tool_result(block, place))
        elif kind == "tool_use" and role == "assistant":
            calls.append(_tool_use(block, place))
        elif kind not in ("thinking", "redacted_thinking"):
            rest.append(block)
    found = results
    if rest or calls or not results:
        own: dict[str, Any] = {"role": role, "content": chat_content(rest, f"{at}.content", _part) if rest else None}
        if calls:
            own["tool_calls"] = calls
        if own["content"] is None and not calls:
            own["content"] = ""
        found = [*results, own]
    return found


def _tool_use(block: Mapping[str, Any], at: str) -> dict[str, Any]:
    for key in ("id", "name"):
        if not isinstance(block.get(key), str):
            raise wrong(f"{at}.{key}", "text", block.get(key))
    arguments = _json(block.get("input") or {}).decode()
    return {"id": block["id"], "type": "function", "function": {"name": block["name"], "arguments": arguments}}


def _tool_result(block: Mapping[str, Any], at: str) -> dict[str, Any]:
    if not isinstance(block.get("tool_use_id"), str):
        raise wrong(f"{at}.tool_use_id", "text", block.get("tool_use_id"))
    content = block.get("content")
    text = chat_content(content, f"{at}.content", _part) if content else ""
    if block.get("is_error"):
        text = f"Error: {text}" if isinstance(text, str) else [{"type": "text", "text": "Error:"}, *text]
    return {"role": "tool", "tool_call_id": block["tool_use_id"], "content": text}


def _part(block: Any, at: str) -> dict[str, Any]:
    if not isinstance(block, Mapping):
        raise wrong(at, "an object", block)
    kind = block.get("type")
    part: dict[str, Any]
    if kind == "text":
        if not isinstance(block.get("text"), str):
            raise wrong(f"{at}.text", "text", block.get("text"))
        part = {"type": "text", "text": block["text"]}
    elif kind == "image":
        part = {"type": "image_url", "image_url": {"url": _url(block.get("source"), f"{at}.source")}}
    elif kind == "document":
        source = block.get("source")
        if isinstance(source, Mapping) and source.get("type") == "text" and isinstance(source.get("data"), str):
            part = {"type": "text", "text": source["data"]}
        else:
            part = {"type": "file", "file": {"file_data": _url(source, f"{at}.source")}}
            if isinstance(block.get("title"), str):
                part["file"]["filename"] = block["title"]
    else:
        raise RequestError(
            f"{at}.type is {shown(kind)}, which cannot be routed.",
            param=f"{at}.type",
            hint="Blocks: text, image, document, tool_use, tool_result.",
        )
    if block.get("cache_control") is not None:
        # Providers that keep a prompt cache read it on the part.
        part["cache_control"] = block["cache_control"]
    return part


def _url(source: Any, at: str) -> str:
    if not isinstance(source, Mapping):
        raise wrong(at, "an object", source)
    if source.get("type") == "url" and isinstance(source.get("url"), str):
        return str(source["url"])
    kind, data = source.get("media_type"), source.get("data")
    if source.get("type") == "base64" and isinstance(kind, str) and isinstance(data, str):
        return f"data:{kind};base64,{data}"
    raise RequestError(f"{at} is no base64 or url source.", param=at, hint="Send the data, or an address.")


def _tools(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise wrong("tools", "a list", value)
    found = []
    for index, tool in enumerate(value):
        at = f"tools[{index}]"
        if not isinstance(tool, Mapping):
            raise wrong(at, "an object", tool)
        if tool.get("type") not in (None, "custom"):
            raise RequestError(
                f"{at} is {shown(tool.get('type'))}, which runs at Anthropic.",
                param=f"{at}.type",
                hint="Only tools of your own can be routed.",
            )
        function = {"name": tool.get("name"), "parameters": tool.get("input_schema") or {"type": "object"}}
        for name in ("description", "strict"):
            if tool.get(name) is not None:
                function[name] = tool[name]
        found.append({"type": "function", "function": function})
    return found


def _read_choice(choice: Any, chat: dict[str, Any]) -> None:
    if not isinstance(choice, Mapping):
        raise wrong("tool_choice", "an object", choice)
    kind = choice.get("type")
    if kind == "tool":
        chat["tool_choice"] = {"type": "function", "function": {"name": choice.get("name")}}
    elif isinstance(kind, str) and kind in _CHOICES:
        chat["tool_choice"] = _CHOICES[kind]
    else:
        raise RequestError(
            f"tool_choice.type is {shown(kind)}.", param="tool_choice.type", hint="Write auto, any, tool or none."
        )
    if choice.get("disable_parallel_tool_use") is True:
        chat["parallel_tool_calls"] = False


def _shows_thoughts(body: Mapping[str, Any]) -> bool:
    """Who did not ask for thinking may take the first block for the text."""
    thinking = body.get("thinking")
    return isinstance(thinking, Mapping) and thinking.get("type") != "disabled" and thinking.get("display") != "omitted"


def _read_thinking(body: Mapping[str, Any], chat: dict[str, Any]) -> None:
    thinking, output = body.get("thinking"), body.get("output_config")
    output = output if isinstance(output, Mapping) else {}
    budget = thinking.get("budget_tokens") if isinstance(thinking, Mapping) else None
    if isinstance(output.get("effort"), str):
        chat["reasoning_effort"] = output["effort"]
    elif isinstance(budget, int):
        chat["reasoning_effort"] = next((name for most, name in _EFFORTS if budget <= most), "high")
    form = output.get("format") or body.get("output_format")
    if isinstance(form, Mapping) and form.get("type") == "json_schema":
        schema = {"name": "answer", "schema": form.get("schema"), "strict": True}
        chat["response_format"] = {"type": "json_schema", "json_schema": schema}
