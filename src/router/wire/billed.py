"""What a chat body asks for that some providers charge beside tokens: pictures, and searches of the web."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from ..types import Message, Units

__all__ = ["PICTURES", "read_units"]

PICTURES = frozenset({"image_url", "input_image", "image"})
"""Types of a message's parts that are one picture each."""

# How providers call their own search of the web among a request's tools.
_SEARCH = ("web_search", "google_search", "googleSearch")
_SIZES: Mapping[str, Literal["low", "medium", "high"]] = {"low": "low", "medium": "medium", "high": "high"}


def read_units(body: Mapping[str, Any], messages: Sequence[Message]) -> Units | None:
    """What a body asks for whose messages are read already; None where there is nothing of the kind."""
    has_pictures = False
    for message in messages:
        if message.modalities and "image" in message.modalities:
            has_pictures = True
    if not has_pictures and "tools" not in body and "web_search_options" not in body:
        return None
    images = sum(1 for _ in _pictures(body.get("messages"))) if has_pictures else 0
    options = body.get("web_search_options")
    searches: int | None = int(options is not None)
    size = options.get("search_context_size") if isinstance(options, Mapping) else None
    tools = body.get("tools")
    for tool in tools if isinstance(tools, list) else ():
        if not isinstance(tool, Mapping) or not _searches(tool):
            continue
        size = tool.get("search_context_size") or size
        most = tool.get("max_uses")
        searches = None if searches is None or not isinstance(most, int) else searches + max(0, most)
    if not images and searches == 0:
        return None
    named = _SIZES.get(size, "medium") if isinstance(size, str) else "medium"
    return Units(images=images, searches=searches, search_size=named)


def _pictures(messages: object) -> Iterator[None]:
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, Mapping) else None
        for part in content if isinstance(content, list) else ():
            if isinstance(part, Mapping) and part.get("type") in PICTURES:
                yield


def _searches(tool: Mapping[str, Any]) -> bool:
    kind = tool.get("type")
    return (isinstance(kind, str) and kind.startswith(_SEARCH)) or any(name in tool for name in _SEARCH)
