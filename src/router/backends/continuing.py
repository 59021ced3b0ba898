"""A stream that was cut after its first token and goes on at another deployment, with what was shown as its beginning.

Only plain text is continued, and the first chunk of each continuation says so. The room calls nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..types import Request, Verdict

__all__ = ["MARK", "Continuation", "continuation_of"]

MARK = "router_continuation"
# What a delta of plain text may hold beside its content.
_EMPTY = ("refusal", "tool_calls", "function_call", "audio", "reasoning_content", "reasoning")


class Continuation:
    """One answer over all its deployments. ``text`` is what was shown of it; ``is_plain`` whether that is all."""

    def __init__(self) -> None:
        self.text = ""
        self.is_plain = True
        self._is_finished = False
        self._head: dict[str, Any] = {}
        self._cuts = self._marked = 0

    @property
    def can_go_on(self) -> bool:
        """Whether another model could write on from what was shown."""
        return self.is_plain and not self._is_finished and bool(self.text)

    def cut(self) -> None:
        """The stream broke, and another one takes over."""
        self._cuts += 1

    def take(self, chunk: Mapping[str, Any]) -> None:
        """Take note of a chunk that is shown."""
        if not self._head:
            self._head = {key: chunk[key] for key in ("id", "created") if key in chunk}
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            content = delta.get("content")
            if (choice.get("index") or 0) != 0 or choice.get("logprobs") or any(delta.get(key) for key in _EMPTY):
                self.is_plain = False
            if isinstance(content, str):
                self.text += content
            if choice.get("finish_reason"):
                self._is_finished = True

    def shown(self, chunk: dict[str, Any], model: str) -> dict[str, Any]:
        """The chunk as part of the same answer: its id, no second role, and the mark on the first one of ``model``."""
        if not self._cuts:
            return chunk
        choices = []
        for choice in chunk.get("choices") or ():
            delta = {key: value for key, value in (choice.get("delta") or {}).items() if key != "role"}
            choices.append({**choice, "delta": delta})
        found = {**chunk, **self._head, "choices": choices}
        if self._marked < self._cuts:
            self._marked = self._cuts
            found[MARK] = {"model": model, "after_characters": len(self.text)}
        return found


def continuation_of(request: Request, verdict: Verdict) -> Continuation | None:
    """The continuation of a stream; None for what is checked, graded, masked or must have a form."""
    has_form = request.n != 1 or request.wants_json or request.json_schema is not None or request.wants_logprobs
    is_read = bool(verdict.check or verdict.escalate or verdict.redact)
    return None if has_form or is_read else Continuation()
