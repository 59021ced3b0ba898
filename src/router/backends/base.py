"""What a backend is: it sends one call to one deployment, or opens one stream; it knows no retries and no fallbacks.

Also what every backend shares: where calls may go, the body that goes out, the usage that comes back, when a stream is
complete. A backend raises nothing but ``UpstreamError``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any, Literal, Protocol, TypeGuard
from urllib.parse import urlsplit

import msgspec

from ..catalogue import Deployment
from ..errors import UpstreamError
from ..types import Request, Units, Usage
from .upstream_errors import error_in_body, malformed

__all__ = [
    "Backend",
    "ChunkStream",
    "Completeness",
    "Credential",
    "Reach",
    "Reply",
    "UpstreamCall",
    "check_chunk",
    "check_reach",
    "check_reply",
    "is_here",
    "outgoing_body",
    "read_usage",
]

Credential = Callable[[str], str | None]
"""The value of a credential by the name of its environment variable, None when it is not set."""

Reach = Literal["any", "loopback"]
"""Where calls may go: ``loopback`` refuses every call that would leave this machine (tests, dry runs)."""

# The router's own: no provider knows it.
_OWN_FIELD = "router"
_PLAIN_USAGE = frozenset({"prompt_tokens", "completion_tokens", "total_tokens"})
_OUTPUT_LIMITS = ("max_completion_tokens", "max_tokens")
# No model takes or gives so much in one call: whoever says so counts wrongly.
_MOST_TOKENS = 10**9
_LOOPBACK_NAMES = frozenset({"localhost", "ip6-localhost"})


class UpstreamCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call: ``body`` goes out as it stands. ``timeout_s`` bounds the whole call, ``ttft_timeout_s`` a stream's
    first token, ``idle_timeout_s`` the silence after it."""

    deployment: Deployment
    request: Request
    body: Mapping[str, Any]
    timeout_s: float
    ttft_timeout_s: float
    idle_timeout_s: float = 60.0


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer: OpenAI's ``chat.completion`` object, and its usage, None when the provider sent none."""

    body: dict[str, Any]
    usage: Usage | None = None


class ChunkStream(Protocol):
    """An async iterator of OpenAI ``chat.completion.chunk`` objects.

    It ends only when the answer is complete, else it raises UpstreamError; ``aclose`` stops the upstream and may be
    called at any time. One that reads several chunks at once may have ``ready() -> chunk | None``, which never waits,
    and ``has_ready``: whether another one that is to be shown will come without waiting.
    """

    def __aiter__(self) -> ChunkStream: ...
    async def __anext__(self) -> dict[str, Any]: ...
    async def aclose(self) -> None: ...


class Backend(Protocol):
    """A way to reach deployments.

    One that must load something before its first call may have ``is_warm`` (False until then) and ``async warm()``.
    """

    async def send(self, call: UpstreamCall) -> Reply:
        """The whole answer.

        Raises:
            UpstreamError: whatever went wrong, typed.
        """
        ...

    async def open_stream(self, call: UpstreamCall) -> ChunkStream:
        """The stream, once the upstream accepted the call.

        Raises:
            UpstreamError: whatever went wrong before the first chunk.
        """
        ...

    async def aclose(self) -> None:
        """Close connections; the backend may be used again."""
        ...


def outgoing_body(
    request: Request, deployment: Deployment, *, stream: bool, max_output_tokens: int | None = None
) -> dict[str, Any]:
    """The body for ``deployment``: the caller's fields verbatim, its model and fixed parameters put in.

    ``max_output_tokens`` caps what may be written (all ``n`` answers together). A stream is asked to report its usage.
    """
    body = dict(request.body)
    body.pop(_OWN_FIELD, None)
    if "messages" not in body:
        body["messages"] = [{"role": message.role, "content": message.text} for message in request.messages]
    body["model"] = deployment.model
    body.update(deployment.params)
    if max_output_tokens is not None:
        each = max(1, max_output_tokens // max(1, request.n))
        limits = [name for name in _OUTPUT_LIMITS if isinstance(body.get(name), int)]
        for name in limits:
            body[name] = min(body[name], each)
        if not limits:
            # OpenAI's own models want the newer name, many compatible servers know only the older one.
            older = deployment.backend == "openai" and "api.openai.com" not in (deployment.api_base or "api.openai.com")
            body["max_tokens" if older else "max_completion_tokens"] = each
    if stream:
        options = body.get("stream_options")
        body["stream"] = True
        body["stream_options"] = {**(options if isinstance(options, Mapping) else {}), "include_usage": True}
    else:
        body.pop("stream", None)
        body.pop("stream_options", None)
    return body


def read_usage(usage: object) -> Usage | None:
    """OpenAI's ``usage`` object (https://platform.openai.com/docs/api-reference/chat/object), None when it is none, or
    says what no call can have used."""
    if type(usage) is not dict and not isinstance(usage, Mapping):
        return None
    read, written = usage.get("prompt_tokens"), usage.get("completion_tokens", 0)
    if not (_is_count(read) and _is_count(written)):
        return None
    if usage.keys() <= _PLAIN_USAGE:
        return Usage(input=read, output=written)
    details = usage.get("prompt_tokens_details")
    details = details if isinstance(details, Mapping) else {}
    spent = usage.get("completion_tokens_details")
    spent = spent if isinstance(spent, Mapping) else {}
    cached = min(_count(details, "cached_tokens") or _count(usage, "prompt_cache_hit_tokens"), read)
    stored = _count(details, "cache_creation_tokens") or _count(usage, "cache_creation_input_tokens")
    stored = min(stored, read - cached)
    # Which of the cached tokens were audio is not told: what is left over is billed by its own price.
    heard = min(_count(details, "audio_tokens"), read - cached - stored)
    thought = min(_count(spent, "reasoning_tokens"), written)
    spoken = min(_count(spent, "audio_tokens"), written - thought)
    searches = _searches(usage, details)
    return Usage(
        input=read,
        output=written,
        cached_input=cached,
        cache_write=stored,
        reasoning=thought,
        audio_input=heard,
        audio_output=spoken,
        image_input=min(_count(details, "image_tokens"), read - cached - stored - heard),
        image_output=min(_count(spent, "image_tokens"), written - thought - spoken),
        units=Units(searches=searches) if searches else None,
    )


def _searches(usage: Mapping[str, Any], details: Mapping[str, Any]) -> int:
    """Searches of the web, as Perplexity, Gemini and xAI (through litellm), and Anthropic tell them."""
    tools = usage.get("server_tool_use")
    return (
        _count(usage, "num_search_queries")
        or _count(details, "web_search_requests")
        or (_count(tools, "web_search_requests") if isinstance(tools, Mapping) else 0)
    )


def check_reply(body: object, deployment: str) -> dict[str, Any]:
    """``body`` if it is a chat completion with at least one choice.

    Raises:
        UpstreamError: an error in a body that came with status 200, or something else.
    """
    if isinstance(body, dict):
        if body.get("error"):
            raise error_in_body(body["error"], deployment)
        choices = body.get("choices")
        if isinstance(choices, list) and choices and all(map(_is_answer, choices)):
            return body
    raise malformed(deployment, "the answer is no chat completion")


class Completeness:
    """Whether a stream's answer is complete: every choice that began has its ``finish_reason``.

    ``n`` is how many choices were asked for. A stream that just ends, even with ``[DONE]``, is not complete.
    """

    __slots__ = ("_done", "_n", "_seen")

    def __init__(self, n: int = 1) -> None:
        self._n = n
        self._seen: set[int] = set()
        self._done: set[int] = set()

    def take(self, chunk: Mapping[str, Any]) -> None:
        """Take note of one chunk."""
        for choice in chunk.get("choices") or ():
            index = choice.get("index") or 0
            self._seen.add(index)
            # Some servers write an empty reason where OpenAI's writes null.
            if choice.get("finish_reason"):
                self._done.add(index)

    @property
    def is_complete(self) -> bool:
        """True when nothing is missing."""
        return len(self._done) >= self._n and self._done >= self._seen


def check_chunk(chunk: object, deployment: str) -> dict[str, Any] | None:
    """``chunk`` if it is a chat completion chunk; None for one that tells nothing of an answer: a ping, a notice of the
    provider. What only tells the usage has no choices, as OpenAI writes it.

    Raises:
        UpstreamError: an error sent within the stream, or something else.
    """
    if isinstance(chunk, dict):
        if chunk.get("error"):
            raise error_in_body(chunk["error"], deployment)
        if chunk.get("object") == "error" or chunk.get("type") == "error":
            raise error_in_body(chunk, deployment)
        choices = chunk.get("choices")
        if choices is None:
            return {**chunk, "choices": []} if chunk.get("usage") else None
        if isinstance(choices, list) and all(isinstance(choice, dict) for choice in choices):
            return chunk
    raise malformed(deployment, "the stream holds something that is no chunk")


def check_reach(reach: Reach, deployment: Deployment) -> None:
    """Refuse a call that may not be made.

    Raises:
        UpstreamError: ``reach`` is ``loopback`` and the deployment is elsewhere.
    """
    if reach == "any" or is_here(deployment.api_base):
        return
    raise UpstreamError(
        f"{deployment.name}: calls that leave this machine are switched off.",
        kind="network",
        deployment=deployment.name,
        hint="Point api_base at this machine, or allow calls.",
    )


def is_here(api_base: str | None) -> bool:
    """Whether the server at this address is on this machine."""
    try:
        host = urlsplit(api_base or "").hostname or ""
        return host in _LOOPBACK_NAMES or ip_address(host).is_loopback
    except ValueError:
        return False


def _is_answer(choice: object) -> bool:
    return isinstance(choice, dict) and isinstance(choice.get("message"), dict)


def _count(fields: Mapping[str, Any], name: str) -> int:
    value = fields.get(name)
    return value if _is_count(value) else 0


def _is_count(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= _MOST_TOKENS
