"""Chunks of a chat completion as the Responses API's stream events: items opened, filled, closed, then the response.

Source: https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import RequestError, RouterError
from .forms import named_event
from .openai import said

__all__ = ["ResponseEvents", "call_item", "envelope", "finished", "message_item", "response_id"]

_ECHOED: tuple[tuple[str, Any], ...] = (
    ("instructions", None),
    ("max_output_tokens", None),
    ("metadata", {}),
    ("parallel_tool_calls", True),
    ("temperature", None),
    ("text", {"format": {"type": "text"}}),
    ("tool_choice", "auto"),
    ("tools", []),
    ("top_p", None),
    ("reasoning", {"effort": None, "summary": None}),
    ("truncation", "disabled"),
)


def response_id(body: Mapping[str, Any]) -> str:
    """The response's id, from that of a chat completion."""
    return "resp_" + str(body.get("id") or "").removeprefix("chatcmpl-")


def finished(finish: str | None, *, is_refusal: bool) -> tuple[str, dict[str, str] | None]:
    """Status and ``incomplete_details`` from OpenAI's finish reason. A refusal is a complete answer; a text that a
    provider's filter cut off is none."""
    if finish == "length":
        return "incomplete", {"reason": "max_output_tokens"}
    if finish == "content_filter" and not is_refusal:
        return "incomplete", {"reason": "content_filter"}
    return "completed", None


def envelope(asked: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """What every response object holds besides its output; ``store`` is false, since nothing is kept."""
    found: dict[str, Any] = {
        "id": response_id(body),
        "object": "response",
        "created_at": body.get("created") or 0,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": body.get("model") or "",
        "output": [],
        "previous_response_id": None,
        "store": False,
        "usage": None,
    }
    for name, default in _ECHOED:
        value = asked.get(name)
        found[name] = default if value is None else value
    return found


def message_item(
    name: str, text: str | None, refused: str | None, status: str, logprobs: Sequence[Any] = ()
) -> dict[str, Any]:
    """An output message of one part."""
    parts = [part for part in (_text_part(text, logprobs), _refusal_part(refused)) if part is not None]
    return {"id": name, "type": "message", "role": "assistant", "status": status, "content": parts}


def call_item(name: str, call: Mapping[str, Any], status: str) -> dict[str, Any]:
    """An output item for one tool call."""
    function = call.get("function") or {}
    return {
        "id": name,
        "type": "function_call",
        "call_id": call.get("id"),
        "name": function.get("name"),
        "arguments": function.get("arguments") or "",
        "status": status,
    }


def _text_part(text: str | None, logprobs: Sequence[Any] = ()) -> dict[str, Any] | None:
    if not text:
        return None
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": list(logprobs)}


def _refusal_part(text: str | None) -> dict[str, Any] | None:
    return {"type": "refusal", "refusal": text} if text else None


class _Item:
    """An output item that is being written."""

    __slots__ = ("call", "id", "index", "kind", "logprobs", "pieces")

    def __init__(self, kind: str, name: str, index: int) -> None:
        self.kind, self.id, self.index = kind, name, index
        self.pieces: list[str] = []
        self.logprobs: list[Any] = []
        self.call: dict[str, Any] = {}

    @property
    def written(self) -> str:
        return "".join(self.pieces)


class ResponseEvents:
    """``response.created``, items with their deltas, ``response.completed`` (or ``incomplete``, ``failed``)."""

    __slots__ = ("_asked", "_finish", "_head", "_items", "_number", "_usage", "_usage_of")

    def __init__(self, asked: Mapping[str, Any], usage_of: Callable[[Any], Any]) -> None:
        self._asked, self._usage_of = asked, usage_of
        self._head: dict[str, Any] | None = None
        self._items: dict[object, _Item] = {}
        self._number = 0
        self._usage: Any = None
        self._finish: str | None = None

    def take(self, chunk: Mapping[str, Any]) -> bytes:
        """See :class:`~.forms.StreamForm`. Only the first choice is written: a response has one."""
        out = self._start(chunk) if self._head is None else b""
        if chunk.get("usage"):
            self._usage = chunk["usage"]
        for choice in chunk.get("choices") or ():
            if choice.get("index"):
                continue
            delta = choice.get("delta") or {}
            logprobs = (choice.get("logprobs") or {}).get("content") or []
            text = said(delta.get("content"))
            if text:
                out += self._write("output_text", text, logprobs)
            if delta.get("refusal"):
                out += self._write("refusal", delta["refusal"], [])
            for call in delta.get("tool_calls") or ():
                out += self._call(call)
            self._finish = choice.get("finish_reason") or self._finish
        return out

    def close(self) -> bytes:
        """See :class:`~.forms.StreamForm`."""
        out = self._start({}) if self._head is None else b""
        status, details = finished(self._finish, is_refusal="refusal" in self._items)
        output = []
        for item in self._items.values():
            whole = self._whole(item, status)
            out += self._end(item, whole)
            output.append(whole)
        response = {**(self._head or {}), "status": status, "incomplete_details": details, "output": output}
        response["usage"] = self._usage_of(self._usage)
        return out + self._event(f"response.{status}", response=response)

    def fail(self, error: RouterError) -> bytes:
        """See :class:`~.forms.StreamForm`."""
        param = error.param if isinstance(error, RequestError) else None
        out = self._event("error", code=error.code, message=str(error), param=param)
        failed = {"code": "server_error", "message": str(error)}
        return out + self._event(
            "response.failed", response={**(self._head or {}), "status": "failed", "error": failed}
        )

    def _start(self, chunk: Mapping[str, Any]) -> bytes:
        self._head = envelope(self._asked, chunk)
        return self._event("response.created", response=self._head) + self._event(
            "response.in_progress", response=self._head
        )

    def _event(self, kind: str, **fields: Any) -> bytes:
        self._number += 1
        return named_event({"type": kind, "sequence_number": self._number - 1, **fields})

    def _write(self, kind: str, text: str, logprobs: list[Any]) -> bytes:
        out, item = self._message(kind)
        item.pieces.append(text)
        place = {"item_id": item.id, "output_index": item.index, "content_index": 0}
        if kind == "refusal":
            return out + self._event("response.refusal.delta", **place, delta=text)
        item.logprobs += logprobs
        return out + self._event("response.output_text.delta", **place, delta=text, logprobs=logprobs)

    def _message(self, kind: str) -> tuple[bytes, _Item]:
        item = self._items.get(kind)
        if item is not None:
            return b"", item
        item = self._add(kind, f"msg_{self._suffix}{'_refusal' if kind == 'refusal' else ''}")
        empty = {"id": item.id, "type": "message", "role": "assistant", "status": "in_progress", "content": []}
        part = {"type": "refusal", "refusal": ""} if kind == "refusal" else _empty_text()
        out = self._event("response.output_item.added", output_index=item.index, item=empty)
        place = {"item_id": item.id, "output_index": item.index, "content_index": 0}
        return out + self._event("response.content_part.added", **place, part=part), item

    def _call(self, call: Mapping[str, Any]) -> bytes:
        number, function, out = call.get("index") or 0, call.get("function") or {}, b""
        item = self._items.get(number)
        if item is None:
            item = self._add("function_call", f"fc_{self._suffix}_{number}", key=number)
            item.call = {"id": call.get("id"), "function": {"name": function.get("name")}}
            empty = call_item(item.id, item.call, "in_progress")
            out = self._event("response.output_item.added", output_index=item.index, item=empty)
        piece = function.get("arguments")
        if not piece:
            return out
        item.pieces.append(piece)
        return out + self._event(
            "response.function_call_arguments.delta", item_id=item.id, output_index=item.index, delta=piece
        )

    def _add(self, kind: str, name: str, *, key: object = None) -> _Item:
        item = _Item(kind, name, len(self._items))
        self._items[kind if key is None else key] = item
        return item

    def _whole(self, item: _Item, status: str) -> dict[str, Any]:
        if item.kind == "function_call":
            function = {**item.call["function"], "arguments": item.written}
            return call_item(item.id, {**item.call, "function": function}, status)
        if item.kind == "refusal":
            return message_item(item.id, None, item.written, status)
        return message_item(item.id, item.written, None, status, item.logprobs)

    def _end(self, item: _Item, whole: Mapping[str, Any]) -> bytes:
        place = {"item_id": item.id, "output_index": item.index}
        if item.kind == "function_call":
            name = item.call["function"]["name"]
            out = self._event("response.function_call_arguments.done", **place, name=name, arguments=item.written)
        else:
            place["content_index"] = 0
            if item.kind == "refusal":
                out = self._event("response.refusal.done", **place, refusal=item.written)
            else:
                out = self._event("response.output_text.done", **place, text=item.written, logprobs=item.logprobs)
            out += self._event("response.content_part.done", **place, part=whole["content"][0])
        return out + self._event("response.output_item.done", output_index=item.index, item=whole)

    @property
    def _suffix(self) -> str:
        return str((self._head or {}).get("id", "resp_"))[5:]


def _empty_text() -> dict[str, Any]:
    return {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
