"""Request: what came in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

__all__ = [
    "Budget",
    "Hints",
    "Message",
    "Request",
    "Role",
    "Tool",
    "Units",
]

Role = Literal["system", "developer", "user", "assistant", "tool"]


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """Hard limits of one request; ``None`` is no limit. ``max_latency_ms`` covers the whole way, retries included."""

    max_usd: float | None = None
    max_latency_ms: float | None = None


class Hints(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller tells beside the chat body; every field is optional and beats what would be inferred.

    ``task`` is a task label, ``input`` the text to judge, ``labels`` the allowed answers in the caller's spelling.
    ``key`` is no hint of the caller's: the surface puts a fingerprint of the credential there that it was shown.
    """

    task: str | None = None
    input: str | None = None
    labels: tuple[str, ...] | None = None
    budget: Budget = Budget()
    tenant: str | None = None
    policy: str | None = None
    session: str | None = None
    key: str | None = None


class Message(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One chat message. ``text`` joins its text parts with ``\\n``; ``modalities`` names parts that are not text."""

    role: Role
    text: str
    modalities: frozenset[str] = frozenset()
    has_tool_calls: bool = False
    name: str | None = None


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A function that the caller offers; ``parameters`` is its JSON Schema, verbatim."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = msgspec.field(default_factory=dict)


class Units(msgspec.Struct, frozen=True, kw_only=True):
    """What some providers charge for beside tokens: pictures in the request and in the answer, the ``seconds`` that a
    call took, searches of the web (None: as many as the model likes) and how much context each brings."""

    images: int = 0
    images_output: int = 0
    seconds: float = 0.0
    searches: int | None = 0
    search_size: Literal["low", "medium", "high"] = "medium"


class Request(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An OpenAI-style chat request, read but not altered. ``body`` keeps every field of the caller, verbatim.

    ``json_schema`` is the schema inside ``response_format`` (None when free text or when only ``json_object`` is
    asked; then ``wants_json`` tells). ``tool_choice`` is ``none``/``auto``/``required`` or the name of one tool.
    ``wants_audio``: the answer is to be spoken. ``n_bytes`` is the size of the body as received, or of the texts when
    the body did not come as bytes. ``traceparent`` and ``tracestate`` are the caller's trace, as the headers of these
    names say it. ``units`` is what it asks for that some providers charge beside tokens, None for nothing.
    """

    messages: tuple[Message, ...]
    model: str = "auto"
    tools: tuple[Tool, ...] = ()
    tool_choice: str | None = None
    json_schema: Mapping[str, Any] | None = None
    wants_json: bool = False
    max_output_tokens: int | None = None
    n: int = 1
    stream: bool = False
    include_usage: bool = False
    wants_logprobs: bool = False
    wants_audio: bool = False
    stop: tuple[str, ...] = ()
    hints: Hints = Hints()
    body: Mapping[str, Any] = msgspec.field(default_factory=dict)
    n_bytes: int = 0
    traceparent: str | None = None
    tracestate: str | None = None
    units: Units | None = None

    @property
    def modalities(self) -> frozenset[str]:
        """Kinds of parts that are not text, over all messages (``image``, ``audio``, ``file``)."""
        found: frozenset[str] = frozenset()
        for message in self.messages:
            if message.modalities:
                found |= message.modalities
        return found

    def last_user(self) -> int | None:
        """Index of the last user message, or None."""
        for index in range(len(self.messages) - 1, -1, -1):
            if self.messages[index].role == "user":
                return index
        return None

    def transcript(self, head: int = 3072, tail: int = 1024) -> str:
        """The conversation as one text of at most about ``head + tail`` characters, its middle left out.

        A lone user message is itself; otherwise each message stands behind ``System:``, ``User:`` or ``Assistant:``,
        with a blank line between. Costs time in what is kept, not in what was sent.
        """
        if len(self.messages) == 1 and self.messages[0].role == "user":
            text = self.messages[0].text
            return text if len(text) <= head + tail else f"{text[:head]}\n{text[-tail:]}"
        parts: list[str] = []
        for message in self.messages:
            text = message.text
            if len(text) > head + tail:
                text = f"{text[:head]}\n{text[-tail:]}"
            parts.append(f"{_SPEAKER[message.role]}: {text}")
        whole = "\n\n".join(parts)
        return whole if len(whole) <= head + tail else f"{whole[:head]}\n{whole[-tail:]}"


_SPEAKER: Mapping[str, str] = {
    "system": "System",
    "developer": "System",
    "user": "User",
    "assistant": "Assistant",
    "tool": "Tool",
}
