"""What a model thought before it answered, as providers write it beside a chat completion's content.

There is no standard: ``reasoning_content`` (DeepSeek, vLLM, litellm), ``reasoning`` and ``reasoning_details``
(https://openrouter.ai/docs/use-cases/reasoning-tokens), ``thinking_blocks`` with Anthropic's signatures
(https://docs.litellm.ai/docs/reasoning_content). The same fields stand in a message and in a stream's delta.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

__all__ = ["Thought", "read_thoughts", "thought_text"]


class Thought(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of thinking: its text, the signature of the block that ends with it, or what only its writer can read."""

    text: str = ""
    signature: str = ""
    redacted: str = ""


def read_thoughts(said: Mapping[str, Any]) -> list[Thought]:
    """The thinking in a message or delta, in order; whatever has another form is passed over.

    Where the text stands beside the blocks too, it counts: it is the one that checks and masks have seen.
    """
    text = _text(said.get("reasoning_content")) or _text(said.get("reasoning"))
    blocks = [*_blocks(said.get("thinking_blocks"))] or [*_details(said.get("reasoning_details"))]
    if not text or text == "".join([block.text for block in blocks]):
        return blocks
    signature = blocks[-1].signature if blocks and not any(block.text for block in blocks) else ""
    return [*[block for block in blocks if block.redacted], Thought(text=text, signature=signature)]


def thought_text(said: Mapping[str, Any]) -> str:
    """The text of the thinking in a message or delta."""
    return "".join([thought.text for thought in read_thoughts(said)])


def _blocks(value: Any) -> Iterator[Thought]:
    for block in value if isinstance(value, list) else ():
        if not isinstance(block, Mapping):
            continue
        if block.get("type") == "redacted_thinking":
            found = Thought(redacted=_text(block.get("data")))
        else:
            found = Thought(text=_text(block.get("thinking")), signature=_text(block.get("signature")))
        if found != _NOTHING:
            yield found


def _details(value: Any) -> Iterator[Thought]:
    for detail in value if isinstance(value, list) else ():
        if not isinstance(detail, Mapping):
            continue
        text = _text(detail.get("text")) or _text(detail.get("summary"))
        found = Thought(text=text, signature=_text(detail.get("signature")), redacted=_text(detail.get("data")))
        if found != _NOTHING:
            yield found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


_NOTHING = Thought()
