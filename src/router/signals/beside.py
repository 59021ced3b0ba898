"""What travels in a request beside the texts of its messages: arguments of tool calls, names, fields nobody knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["beside"]

# A message's text is read as such; sound, pictures and files in it cannot be.
_READ = frozenset(("role", "content"))
_MARKS = frozenset(("type", "tool_call_id", "signature", "thought_signature", "thought_signatures"))
_CONTROLS = frozenset(
    ("messages", "model", "tools", "functions", "tool_choice", "function_call", "response_format", "stop", "modalities",
     "reasoning_effort", "service_tier", "verbosity", "stream_options", "guided_json", "guided_regex", "guided_choice",
     "guided_grammar", "router")
)  # fmt: skip


def beside(body: Mapping[str, Any]) -> list[tuple[int, str]]:
    """Texts that are none of the messages', each with the message that it belongs to (the first where it has none)."""
    sent = body.get("messages")
    found: list[tuple[int, str]] = []
    for index, entry in enumerate(sent if isinstance(sent, list) else ()):
        if type(entry) is dict and len(entry) == 2 and type(entry.get("content")) is str and "role" in entry:
            continue  # as nearly all are
        if not isinstance(entry, Mapping):
            continue
        content = entry.get("content")
        if isinstance(content, list) and entry.get("role") == "assistant":
            # What it thought; its texts are read.
            found.extend((index, text) for part in content if not _is_text(part) for text in _texts(part))
        if len(entry) > 2 or "content" not in entry:
            for key, value in entry.items():
                if key not in _READ and key not in _MARKS:
                    found.extend((index, text) for text in _texts(value))
    for key, value in body.items():
        if key not in _CONTROLS and isinstance(value, str | list | Mapping):
            found.extend((0, text) for text in _texts(value))
    return found


def _is_text(part: Any) -> bool:
    return not isinstance(part, Mapping) or part.get("type") in ("text", "refusal")


def _texts(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str) and not node.startswith("data:"):
            # An escaped line break would glue its "n" to the number behind it.
            yield node.replace("\\n", "  ")
        elif isinstance(node, Mapping):
            waiting.extend(each for key, each in node.items() if key not in _MARKS)
        elif isinstance(node, list):
            waiting.extend(node)
