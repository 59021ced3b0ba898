"""Answers that a willing model would give: it calls the tool that is offered, and writes JSON by the schema.

For clients' own test suites, which need a model that does as it is told. Pure: the same body gives the same answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from .upstream import Answer

__all__ = ["obliging"]


def obliging(body: Mapping[str, Any]) -> Answer:
    """The answer to a chat body: a call of the first (or the named) tool unless a tool has just answered; JSON by
    ``response_format``; else a sentence."""
    messages = body.get("messages") or [{}]
    asked = _text(next((each for each in reversed(messages) if each.get("role") == "user"), {}))
    tools = [each["function"] for each in body.get("tools") or () if each.get("type") == "function"]
    choice = body.get("tool_choice")
    if tools and choice != "none" and messages[-1].get("role") != "tool":
        named = choice["function"]["name"] if isinstance(choice, Mapping) else tools[0]["name"]
        tool = next(each for each in tools if each["name"] == named)
        written = json.dumps(_made_up(tool.get("parameters") or {}, asked, ""))
        call = {"id": "call_1", "type": "function", "function": {"name": named, "arguments": written}}
        return Answer(tool_calls=(call,))
    form = body.get("response_format") or {}
    if form.get("type") == "json_schema":
        return Answer(text=json.dumps(_made_up(form["json_schema"].get("schema") or {}, asked, "")))
    if form.get("type") == "json_object":
        # Without a schema there is only what was asked for in words: the keys that it quotes.
        keys = re.findall(r"[`'](\w+)[`']", asked) or ["answer"]
        return Answer(text=json.dumps({key: f"some {key}" for key in keys}))
    return Answer(text="Here is what you asked for, in a sentence of some length.")


def _made_up(schema: Mapping[str, Any], asked: str, name: str, root: Mapping[str, Any] | None = None) -> Any:
    """A value that the schema allows; a number, or a text in single quotes, is taken from what was asked."""
    root = root or schema
    if "$ref" in schema:
        found: Any = root
        for part in str(schema["$ref"]).removeprefix("#/").split("/"):
            found = found[part]
        return _made_up(found, asked, name, root)
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return _made_up(schema[key][0], asked, name, root)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) else kind
    number, quoted = re.search(r"\d+", asked), re.search(r"'([^']+)'", asked)
    if kind == "object":
        return {key: _made_up(each, asked, key, root) for key, each in (schema.get("properties") or {}).items()}
    if kind == "array":
        return [_made_up(schema.get("items") or {}, asked, name, root)]
    if kind in ("integer", "number"):
        return int(number[0]) if number else 1
    text = quoted[1] if quoted else f"some {name}" if name else "text"
    return {"boolean": True, "null": None}.get(str(kind), text)


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return " ".join(str(part.get("text") or "") for part in content if isinstance(part, Mapping))
    return str(content or "")
