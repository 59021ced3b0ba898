"""OpenAI's Responses JSON, read as a chat body and written back as a response.

Source: https://platform.openai.com/docs/api-reference/responses. The router keeps no conversations: what would need
one (``previous_response_id``, ``conversation``, ``background``), and tools that run at OpenAI, are refused by name.
Unknown fields travel on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import RequestError, RequestTooLarge
from ..types import Hints, Request
from .forms import Form, StreamForm, chat_content, message_of
from .jsonbody import Limits, decoded, shown, wrong
from .openai import read_chat, said
from .response_events import ResponseEvents, call_item, envelope, finished, message_item, reasoning_item, response_id
from .thoughts import thought_text

__all__ = ["responses_form"]

_OWN = frozenset(
    {"input", "instructions", "text", "tools", "tool_choice", "max_output_tokens", "reasoning", "include", "store",
     "top_logprobs", "truncation", "previous_response_id", "conversation", "background", "prompt", "max_tool_calls",
     "stream_options"}
)  # fmt: skip
_STATEFUL = ("previous_response_id", "conversation", "background", "prompt")
_LOGPROBS = "message.output_text.logprobs"


def responses_form(data: bytes, *, hints: Hints, limits: Limits) -> Form:
    """Read a body of ``POST /v1/responses``.

    Raises:
        RequestError: a wrong type, an unknown item, stored state, a tool that runs at OpenAI; RequestTooLarge.
    """
    body, _ = decoded(data, limits)
    for name in _STATEFUL:
        if body.get(name):
            raise RequestError(
                f"{name} needs stored conversations, and none are kept here.",
                param=name,
                hint="Send the whole conversation in input.",
            )
    chat: dict[str, Any] = {key: value for key, value in body.items() if key not in _OWN}
    chat["messages"] = _messages(body, limits)
    if body.get("n") not in (None, 1):
        raise RequestError("a response holds one answer.", param="n", hint="Leave it out.")
    tools = body.get("tools")
    if tools:
        chat["tools"] = _tools(tools)
    choice = body.get("tool_choice")
    # Clients send these two also where there is no tool.
    if tools or choice not in (None, "auto", "none"):
        _read_choice(choice, chat)
    if body.get("max_output_tokens") is not None:
        chat["max_completion_tokens"] = body["max_output_tokens"]
    _read_text(body.get("text"), chat)
    reasoning = body.get("reasoning")
    if isinstance(reasoning, Mapping) and reasoning.get("effort") is not None:
        chat["reasoning_effort"] = reasoning["effort"]
    include = body.get("include")
    if isinstance(include, list) and _LOGPROBS in include:
        chat["logprobs"] = True
        if body.get("top_logprobs") is not None:
            chat["top_logprobs"] = body["top_logprobs"]
    if chat.get("stream"):
        chat["stream_options"] = {"include_usage": True}
    return _ResponsesForm(read_chat(chat, hints=hints, limits=limits), body)


class _ResponsesForm:
    __slots__ = ("_asked", "request")

    def __init__(self, request: Request, asked: Mapping[str, Any]) -> None:
        self.request, self._asked = request, asked

    def answer(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        message, finish = message_of(body)
        output: list[Mapping[str, Any]] = []
        name = response_id(body)
        text, refused = said(message.get("content")), message.get("refusal")
        status, details = finished(finish, is_refusal=bool(refused))
        thought = thought_text(message)
        if thought:
            output.append(reasoning_item(f"rs_{name[5:]}", thought, "completed"))
        if text or refused:
            logprobs = (body["choices"][0].get("logprobs") or {}).get("content") or []
            output.append(message_item(f"msg_{name[5:]}", text, refused, status, logprobs))
        for number, call in enumerate(message.get("tool_calls") or ()):
            output.append(call_item(f"fc_{name[5:]}_{number}", call, status))
        return {
            **envelope(self._asked, body),
            "status": status,
            "incomplete_details": details,
            "output": output,
            "usage": _usage(body.get("usage")),
        }

    def stream(self) -> StreamForm:
        return ResponseEvents(self._asked, _usage)


# ----- reading ----------------------------------------------------------------------------------------------------


def _messages(body: Mapping[str, Any], limits: Limits) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    instructions, given = body.get("instructions"), body.get("input")
    if instructions:
        if not isinstance(instructions, str):
            raise wrong("instructions", "text", instructions)
        messages.append({"role": "system", "content": instructions})
    if isinstance(given, str):
        messages.append({"role": "user", "content": given})
        return messages
    if not isinstance(given, list):
        raise wrong("input", "text or a list of items", given)
    if len(given) > limits.max_messages:
        raise RequestTooLarge(f"{len(given):,} items are more than the {limits.max_messages:,} allowed.")
    for index, item in enumerate(given):
        _read_item(item, f"input[{index}]", messages)
    return messages


def _read_item(item: Any, at: str, messages: list[dict[str, Any]]) -> None:
    if not isinstance(item, Mapping):
        raise wrong(at, "an object", item)
    kind = item.get("type", "message")
    if kind == "message":
        content = chat_content(item.get("content"), f"{at}.content", _part)
        messages.append({"role": item.get("role"), "content": content})
    elif kind == "function_call":
        for key in ("call_id", "name", "arguments"):
            if not isinstance(item.get(key), str):
                raise wrong(f"{at}.{key}", "text", item.get(key))
        call = {
            "id": item["call_id"],
            "type": "function",
            "function": {"name": item["name"], "arguments": item["arguments"]},
        }
        if messages and messages[-1]["role"] == "assistant":
            messages[-1].setdefault("tool_calls", []).append(call)
        else:
            messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
    elif kind == "function_call_output":
        if not isinstance(item.get("call_id"), str):
            raise wrong(f"{at}.call_id", "text", item.get("call_id"))
        content = chat_content(item.get("output"), f"{at}.output", _part)
        messages.append({"role": "tool", "tool_call_id": item["call_id"], "content": content})
    elif kind != "reasoning":
        raise RequestError(
            f"{at}.type is {shown(kind)}, which cannot be routed.",
            param=f"{at}.type",
            hint="Items: message, function_call, function_call_output, reasoning.",
        )


def _part(part: Any, at: str) -> dict[str, Any]:
    if not isinstance(part, Mapping):
        raise wrong(at, "an object", part)
    kind = part.get("type")
    if kind in ("input_text", "output_text", "text", "refusal"):
        text = part.get("refusal" if kind == "refusal" else "text")
        if not isinstance(text, str):
            raise wrong(f"{at}.text", "text", text)
        return {"type": "text", "text": text}
    if kind == "input_image" and isinstance(part.get("image_url"), str):
        image = {"url": part["image_url"]}
        if isinstance(part.get("detail"), str):
            image["detail"] = part["detail"]
        return {"type": "image_url", "image_url": image}
    if kind == "input_file":
        if part.get("file_url") is not None:
            raise RequestError(
                f"{at}.file_url cannot be routed.", param=f"{at}.file_url", hint="Send the file in file_data."
            )
        file = {key: part[key] for key in ("file_id", "filename", "file_data") if part.get(key) is not None}
        return {"type": "file", "file": file}
    if kind == "input_audio" and isinstance(part.get("input_audio"), Mapping):
        return {"type": "input_audio", "input_audio": part["input_audio"]}
    raise RequestError(
        f"{at}.type is {shown(kind)}, which cannot be routed.",
        param=f"{at}.type",
        hint="Parts: input_text, input_image with image_url, input_file, input_audio.",
    )


def _tools(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise wrong("tools", "a list", value)
    found = []
    for index, tool in enumerate(value):
        if not isinstance(tool, Mapping):
            raise wrong(f"tools[{index}]", "an object", tool)
        if tool.get("type") != "function":
            raise RequestError(
                f"tools[{index}] is {shown(tool.get('type'))}, which runs at OpenAI.",
                param=f"tools[{index}].type",
                hint="Only functions can be routed.",
            )
        function = {key: tool[key] for key in ("name", "description", "parameters", "strict") if key in tool}
        found.append({"type": "function", "function": function})
    return found


def _read_choice(choice: Any, chat: dict[str, Any]) -> None:
    if isinstance(choice, Mapping) and choice.get("type") == "function":
        chat["tool_choice"] = {"type": "function", "function": {"name": choice.get("name")}}
    elif isinstance(choice, Mapping) and choice.get("type") == "allowed_tools":
        # Not every server knows the word: the others are not offered at all.
        allowed = choice.get("tools")
        if not isinstance(allowed, list):
            raise wrong("tool_choice.tools", "a list", allowed)
        named = [each.get("name") if isinstance(each, Mapping) else None for each in allowed]
        offered = [tool for tool in chat.get("tools", ()) if tool["function"].get("name") in named]
        if not offered or len(offered) < len(named):
            raise RequestError("tool_choice.tools names a tool that is not offered.", param="tool_choice.tools")
        chat["tools"] = offered
        chat["tool_choice"] = "required" if choice.get("mode") == "required" else "auto"
    elif choice is not None:
        chat["tool_choice"] = choice


def _read_text(text: Any, chat: dict[str, Any]) -> None:
    if text is None:
        return
    if not isinstance(text, Mapping):
        raise wrong("text", "an object", text)
    if text.get("verbosity") is not None:
        chat["verbosity"] = text["verbosity"]
    form = text.get("format")
    if form is None:
        return
    if not isinstance(form, Mapping):
        raise wrong("text.format", "an object", form)
    if form.get("type") == "json_schema":
        named = {key: form[key] for key in ("name", "schema", "strict", "description") if key in form}
        chat["response_format"] = {"type": "json_schema", "json_schema": named}
    elif form.get("type") != "text":
        chat["response_format"] = dict(form)


def _usage(usage: Any) -> dict[str, Any] | None:
    if not isinstance(usage, Mapping):
        return None
    read, spent = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details") or {}
    return {
        "input_tokens": usage.get("prompt_tokens") or 0,
        "input_tokens_details": {
            "cached_tokens": read.get("cached_tokens") or 0,
            "cache_write_tokens": read.get("cache_creation_tokens") or 0,
        },
        "output_tokens": usage.get("completion_tokens") or 0,
        "output_tokens_details": {"reasoning_tokens": spent.get("reasoning_tokens") or 0},
        "total_tokens": usage.get("total_tokens") or 0,
    }
