"""Chunks of a chat completion as the Responses API's stream events: items opened, filled, closed, then the response.

An item is closed when the next one begins, so that who waits for a tool call need not wait for the end.
Source: https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from ..errors import RequestError, RouterError
from .forms import deltas_of, is_another_call, named_event
from .openai import said
from .thoughts import thought_text

__all__ = ["ResponseEvents", "call_item", "envelope", "finished", "message_item", "reasoning_item", "response_id"]

_decode = msgspec.json.Decoder().decode

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


def reasoning_item(name: str, text: str, status: str) -> dict[str, Any]:
    """An output item of what the model thought."""
    parts = [{"type": "reasoning_text", "text": text}] if text else []
    return {"id": name, "type": "reasoning", "summary": [], "content": parts, "status": status}


def _text_part(text: str | None, logprobs: Sequence[Any] = ()) -> dict[str, Any] | None:
    if not text:
        return None
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": list(logprobs)}


def _refusal_part(text: str | None) -> dict[str, Any] | None:
    return {"type": "refusal", "refusal": text} if text else None


class _Item:
    """An output item that is being written; ``whole`` once it is closed."""

    __slots__ = ("call", "id", "index", "kind", "logprobs", "pieces", "whole")

    def __init__(self, kind: str, name: str, index: int) -> None:
        self.kind, self.id, self.index = kind, name, index
        self.pieces: list[str] = []
        self.logprobs: list[Any] = []
        self.call: dict[str, Any] = {}
        self.whole: dict[str, Any] | None = None

    @property
    def written(self) -> str:
        return "".join(self.pieces)

    @property
    def may_end(self) -> bool:
        """Whether nothing more can belong to it once another item begins. Providers that write several calls at the
        same time go back to one whose arguments are not whole."""
        if self.kind != "function_call":
            return True
        try:
            _decode(self.written.encode())
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return False
        return True


class ResponseEvents:
    """``response.created``, items with their deltas, ``response.completed`` (or ``incomplete``, ``failed``)."""

    __slots__ = ("_asked", "_finish", "_head", "_is_refused", "_items", "_number", "_open", "_usage", "_usage_of")

    def __init__(self, asked: Mapping[str, Any], usage_of: Callable[[Any], Any]) -> None:
        self._asked, self._usage_of = asked, usage_of
        self._head: dict[str, Any] | None = None
        self._items: list[_Item] = []
        self._open: dict[object, _Item] = {}
        self._number = 0
        self._usage: Any = None
        self._finish: str | None = None
        self._is_refused = False

    def take(self, chunk: Mapping[str, Any]) -> bytes:
        """See :class:`~.forms.StreamForm`. Only the first choice is written: a response has one."""
        out = self._start(chunk) if self._head is None else b""
        if chunk.get("usage"):
            self._usage = chunk["usage"]
        for delta, choice in deltas_of(chunk):
            logprobs = (choice.get("logprobs") or {}).get("content") or []
            thought = thought_text(delta)
            if thought:
                out += self._write("reasoning_text", thought, [])
            text = said(delta.get("content"))
            if text:
                out += self._write("output_text", text, logprobs)
            if delta.get("refusal"):
                self._is_refused = True
                out += self._write("refusal", delta["refusal"], [])
            for call in delta.get("tool_calls") or ():
                out += self._call(call)
            self._finish = choice.get("finish_reason") or self._finish
        return out

    def close(self) -> bytes:
        """See :class:`~.forms.StreamForm`."""
        out = self._start({}) if self._head is None else b""
        status, details = finished(self._finish, is_refusal=self._is_refused)
        for item in self._open.values():
            out += self._end(item, status)
        output = [item.whole for item in self._items]
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

    def _part_event(self, item: _Item, kind: str, **fields: Any) -> bytes:
        """An event of the one part that an item holds."""
        place = {"item_id": item.id, "output_index": item.index, "content_index": 0}
        return self._event(f"response.{kind}", **place, **fields)

    def _write(self, kind: str, text: str, logprobs: list[Any]) -> bytes:
        out, item = self._part(kind)
        item.pieces.append(text)
        if kind != "output_text":
            return out + self._part_event(item, f"{kind}.delta", delta=text)
        item.logprobs += logprobs
        return out + self._part_event(item, "output_text.delta", delta=text, logprobs=logprobs)

    def _part(self, kind: str) -> tuple[bytes, _Item]:
        """The open item of that kind, and the events that open it."""
        item = self._open.get(kind)
        if item is not None:
            return b"", item
        out, item = self._add(kind, kind, "rs" if kind == "reasoning_text" else "msg")
        if kind == "reasoning_text":
            empty = reasoning_item(item.id, "", "in_progress")
        else:
            empty = message_item(item.id, None, None, "in_progress")
        out += self._event("response.output_item.added", output_index=item.index, item=empty)
        return out + self._part_event(item, "content_part.added", part=_EMPTY_PARTS[kind]), item

    def _call(self, call: Mapping[str, Any]) -> bytes:
        number, function, out = call.get("index") or 0, call.get("function") or {}, b""
        item = self._open.get(number)
        if item is not None and is_another_call(call, item.call["id"]):
            out = self._end(self._open.pop(number), "completed")
            item = None
        if item is None:
            added, item = self._add("function_call", number, "fc")
            item.call = {"id": call.get("id"), "function": {"name": function.get("name")}}
            empty = call_item(item.id, item.call, "in_progress")
            out += added + self._event("response.output_item.added", output_index=item.index, item=empty)
        piece = function.get("arguments")
        if not piece:
            return out
        item.pieces.append(piece)
        return out + self._event(
            "response.function_call_arguments.delta", item_id=item.id, output_index=item.index, delta=piece
        )

    def _add(self, kind: str, key: object, prefix: str) -> tuple[bytes, _Item]:
        """A new item, and the events that close those that it ends."""
        out = b""
        for other, item in list(self._open.items()):
            if item.may_end:
                out += self._end(item, "completed")
                del self._open[other]
        item = _Item(kind, f"{prefix}_{self._suffix}_{len(self._items)}", len(self._items))
        self._items.append(item)
        self._open[key] = item
        return out, item

    def _end(self, item: _Item, status: str) -> bytes:
        text = item.written
        if item.kind == "function_call":
            function = {**item.call["function"], "arguments": text}
            item.whole = call_item(item.id, {**item.call, "function": function}, status)
            told = {"item_id": item.id, "output_index": item.index, "name": function["name"], "arguments": text}
            out = self._event("response.function_call_arguments.done", **told)
        else:
            if item.kind == "refusal":
                item.whole = message_item(item.id, None, text, status)
                out = self._part_event(item, "refusal.done", refusal=text)
            elif item.kind == "reasoning_text":
                item.whole = reasoning_item(item.id, text, status)
                out = self._part_event(item, "reasoning_text.done", text=text)
            else:
                item.whole = message_item(item.id, text, None, status, item.logprobs)
                out = self._part_event(item, "output_text.done", text=text, logprobs=item.logprobs)
            out += self._part_event(item, "content_part.done", part=item.whole["content"][0])
        return out + self._event("response.output_item.done", output_index=item.index, item=item.whole)

    @property
    def _suffix(self) -> str:
        return str((self._head or {}).get("id", "resp_"))[5:]


_EMPTY_PARTS: Mapping[str, Mapping[str, Any]] = {
    "output_text": {"type": "output_text", "text": "", "annotations": [], "logprobs": []},
    "refusal": {"type": "refusal", "refusal": ""},
    "reasoning_text": {"type": "reasoning_text", "text": ""},
}
