"""A stream's chunks put together into the whole answer that they are, so that a check may read it as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["whole_answer"]


def whole_answer(chunks: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The ``chat.completion`` of ``chat.completion.chunk`` objects: texts joined, tool calls by their index."""
    body: dict[str, Any] = {"object": "chat.completion"}
    choices: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        for key in ("id", "created", "model"):
            if key in chunk:
                body.setdefault(key, chunk[key])
        if chunk.get("usage"):
            body["usage"] = chunk["usage"]
        for part in chunk.get("choices") or ():
            index = part.get("index") or 0
            choice = choices.setdefault(index, {"index": index, "message": {"role": "assistant", "content": None}})
            _add(choice["message"], part.get("delta") or {})
            logprobs = part.get("logprobs")
            if isinstance(logprobs, Mapping) and logprobs.get("content"):
                choice.setdefault("logprobs", {"content": []})["content"].extend(logprobs["content"])
            if part.get("finish_reason"):
                choice["finish_reason"] = part["finish_reason"]
    body["choices"] = [choices[index] for index in sorted(choices)]
    return body


def _add(message: dict[str, Any], delta: Mapping[str, Any]) -> None:
    for key, value in delta.items():
        if key == "tool_calls" and isinstance(value, list):
            calls = message.setdefault("tool_calls", [])
            for at, call in enumerate(value):
                _add_call(calls, call.get("index", at), call)
        elif isinstance(value, str) and key != "role":
            message[key] = (message.get(key) or "") + value
        elif value is not None:
            message[key] = value


def _add_call(calls: list[dict[str, Any]], index: int, part: Mapping[str, Any]) -> None:
    call = next((call for call in calls if call["index"] == index), None)
    if call is None:
        call = {"index": index, "type": "function", "function": {"name": "", "arguments": ""}}
        calls.append(call)
    call.update({key: value for key, value in part.items() if key not in ("index", "function")})
    function = part.get("function") or {}
    for key in ("name", "arguments"):
        if isinstance(function.get(key), str):
            call["function"][key] += function[key]
