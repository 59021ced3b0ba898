"""Chunks of a chat completion as Anthropic's stream events: one block after the other, each opened and closed.

Source: https://docs.anthropic.com/en/docs/build-with-claude/streaming
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import RouterError
from .forms import deltas_of, is_another_call, named_event
from .openai import said
from .thoughts import Thought, read_thoughts

__all__ = ["MessageEvents", "block_id", "stop_reason", "thinking_block", "usage_of"]

_STOPS: Mapping[str, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}


def block_id(body: Mapping[str, Any]) -> str:
    """The message's id, from that of a chat completion."""
    return "msg_" + str(body.get("id") or "").removeprefix("chatcmpl-")


def stop_reason(finish: str | None, *, is_refusal: bool = False, has_calls: bool = False) -> str:
    """Anthropic's word for OpenAI's finish reason. A call of a tool that was asked for by name ends with ``stop`` there
    (https://platform.openai.com/docs/guides/function-calling), and with ``tool_use`` here."""
    if is_refusal:
        return "refusal"
    reason = _STOPS.get(finish or "stop", "end_turn")
    return "tool_use" if has_calls and reason == "end_turn" else reason


def usage_of(usage: Any) -> dict[str, Any]:
    """Anthropic's usage from OpenAI's: what was read from or written to a cache stands beside the input, not in it."""
    usage = usage if isinstance(usage, Mapping) else {}
    details = usage.get("prompt_tokens_details")
    details = details if isinstance(details, Mapping) else {}
    read = details.get("cached_tokens") or 0
    stored = details.get("cache_creation_tokens") or usage.get("cache_creation_input_tokens") or 0
    return {
        "input_tokens": max(0, (usage.get("prompt_tokens") or 0) - read - stored),
        "output_tokens": usage.get("completion_tokens") or 0,
        "cache_creation_input_tokens": stored,
        "cache_read_input_tokens": read,
    }


def thinking_block(thought: Thought) -> dict[str, Any]:
    """The block of a thought. Without a signature it was not written by a model of Anthropic's."""
    if thought.redacted:
        return {"type": "redacted_thinking", "data": thought.redacted}
    return {"type": "thinking", "thinking": thought.text, "signature": thought.signature}


class MessageEvents:
    """``message_start``, blocks, ``message_delta`` with the stop reason and usage, ``message_stop``.

    ``shows_thoughts``: the caller asked for thinking blocks.
    """

    __slots__ = (
        "_error_body", "_finish", "_ids", "_is_refusal", "_is_started", "_kind", "_n_blocks", "_open",
        "_shows_thoughts", "_tools", "_usage",
    )  # fmt: skip

    def __init__(
        self, error_body: Callable[[RouterError, str], Mapping[str, Any]], *, shows_thoughts: bool = False
    ) -> None:
        self._error_body, self._shows_thoughts = error_body, shows_thoughts
        self._is_started = self._is_refusal = False
        self._n_blocks = 0
        self._open: int | None = None
        self._kind = ""
        self._tools: dict[int, int] = {}
        self._ids: dict[int, Any] = {}
        self._finish: str | None = None
        self._usage: Any = None

    def take(self, chunk: Mapping[str, Any]) -> bytes:
        """See :class:`~.forms.StreamForm`. Only the first choice is written: a message has one."""
        out = b"" if self._is_started else self._start(chunk)
        if chunk.get("usage"):
            self._usage = chunk["usage"]
        for delta, choice in deltas_of(chunk):
            self._is_refusal = self._is_refusal or bool(delta.get("refusal"))
            for thought in read_thoughts(delta) if self._shows_thoughts else ():
                out += self._think(thought)
            text = said(delta.get("content")) or delta.get("refusal")
            if text:
                if self._open is None or self._kind != "text":
                    out += self._begin({"type": "text", "text": "", "citations": None})
                out += self._delta({"type": "text_delta", "text": text}, self._n_blocks - 1)
            for call in delta.get("tool_calls") or ():
                out += self._call(call)
            self._finish = choice.get("finish_reason") or self._finish
        return out

    def close(self) -> bytes:
        """See :class:`~.forms.StreamForm`."""
        reason = stop_reason(self._finish, is_refusal=self._is_refusal, has_calls=bool(self._tools))
        delta = {"stop_reason": reason, "stop_sequence": None}
        return (
            (b"" if self._is_started else self._start({}))
            + self._end_block()
            + named_event({"type": "message_delta", "delta": delta, "usage": usage_of(self._usage)})
            + named_event({"type": "message_stop"})
        )

    def fail(self, error: RouterError) -> bytes:
        """See :class:`~.forms.StreamForm`."""
        body = self._error_body(error, "")
        return named_event({"type": "error", "error": body["error"]})

    def _start(self, chunk: Mapping[str, Any]) -> bytes:
        self._is_started = True
        message: dict[str, Any] = {
            "id": block_id(chunk),
            "type": "message",
            "role": "assistant",
            "model": chunk.get("model") or "",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            # How much was read is known at the end only; message_delta tells it.
            "usage": usage_of(None),
        }
        return named_event({"type": "message_start", "message": message})

    def _call(self, call: Mapping[str, Any]) -> bytes:
        function = call.get("function") or {}
        number, out = call.get("index") or 0, b""
        if number not in self._tools or is_another_call(call, self._ids[number]):
            self._tools[number], self._ids[number] = self._n_blocks, call.get("id")
            out = self._begin({"type": "tool_use", "id": call.get("id"), "name": function.get("name"), "input": {}})
        if function.get("arguments"):
            # A provider may go back to an earlier call: its piece belongs to that block, though another is open.
            out += self._delta({"type": "input_json_delta", "partial_json": function["arguments"]}, self._tools[number])
        return out

    def _think(self, thought: Thought) -> bytes:
        out = b""
        if thought.redacted:
            out = self._begin(thinking_block(thought)) + self._end_block()
        if (thought.text or thought.signature) and (self._open is None or self._kind != "thinking"):
            out += self._begin(thinking_block(Thought()))
        if thought.text:
            out += self._delta({"type": "thinking_delta", "thinking": thought.text}, self._n_blocks - 1)
        if thought.signature:
            # It signs the whole block, so nothing more belongs to it.
            signed = self._delta({"type": "signature_delta", "signature": thought.signature}, self._n_blocks - 1)
            out += signed + self._end_block()
        return out

    def _begin(self, block: Mapping[str, Any]) -> bytes:
        out = self._end_block()
        self._open, self._kind = self._n_blocks, block["type"]
        self._n_blocks += 1
        return out + named_event({"type": "content_block_start", "index": self._open, "content_block": block})

    def _delta(self, delta: Mapping[str, Any], index: int) -> bytes:
        return named_event({"type": "content_block_delta", "index": index, "delta": delta})

    def _end_block(self) -> bytes:
        if self._open is None:
            return b""
        index, self._open = self._open, None
        return named_event({"type": "content_block_stop", "index": index})
