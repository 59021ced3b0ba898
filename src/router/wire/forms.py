"""A request as its endpoint wrote it, and the way back: an answer, or the pieces of a stream, in that endpoint's form.

Inside there is one form only, OpenAI's chat completion; each module beside this one translates one endpoint's JSON to
it and back. Nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, TypeVar

import msgspec

from ..errors import RouterError, UpstreamError
from ..types import Hints, Request
from .jsonbody import Limits, RawJson, wrong
from .openai import error_body, read_chat
from .sse import DONE, encode_event

__all__ = [
    "ChatForm",
    "Form",
    "ReadForm",
    "StreamForm",
    "chat_content",
    "chat_form",
    "deltas_of",
    "event",
    "is_another_call",
    "message_of",
    "named_event",
    "translated",
]

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode
_DONE = encode_event(DONE)


class StreamForm(Protocol):
    """Chunks of a chat completion, written as one endpoint's server-sent events. Each call gives bytes to send."""

    def take(self, chunk: Mapping[str, Any]) -> bytes:
        """The events of one chunk, those that begin the stream before the first."""
        ...

    def close(self) -> bytes:
        """The events that end a complete stream."""
        ...

    def fail(self, error: RouterError) -> bytes:
        """The event that ends a stream which broke; never one that looks complete."""
        ...


class Form(Protocol):
    """One request in the form of its endpoint. ``request`` is what the router reads of it."""

    @property
    def request(self) -> Request: ...

    def answer(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The endpoint's answer, from a ``chat.completion`` object."""
        ...

    def stream(self) -> StreamForm:
        """A fresh writer of the endpoint's events."""
        ...


class ReadForm(Protocol):
    """Reads a body.

    Raises:
        RequestError: what cannot be read, or cannot be asked for over a chat completion.
    """

    def __call__(self, data: bytes, *, hints: Hints, limits: Limits) -> Form: ...


class ChatForm:
    """``/v1/chat/completions``: nothing needs translating."""

    __slots__ = ("request",)

    def __init__(self, request: Request) -> None:
        self.request = request

    def answer(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The body itself."""
        return body

    def stream(self) -> StreamForm:
        """Chunks as they came, then ``[DONE]``."""
        return _ChatEvents()


def translated(write: Callable[..., T], *found: Any) -> T:
    """``write(*found)``, where ``found`` is what a provider sent: odd values pass in a chat completion, and cannot
    always be said in another endpoint's form.

    Raises:
        UpstreamError: they cannot.
    """
    try:
        return write(*found)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise UpstreamError(
            f"the provider's answer cannot be told in the form of this endpoint ({type(error).__name__}).",
            kind="malformed",
            may_be_billed=True,
            hint="Ask for it as a chat completion.",
        ) from error


def chat_content(value: Any, at: str, read: Callable[[Any, str], dict[str, Any]]) -> Any:
    """Text, or a list of an endpoint's parts as a chat's parts, each by ``read``; a lone text part is its text.

    Raises:
        RequestError: it is neither.
    """
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise wrong(at, "text or a list", value)
    parts = [read(part, f"{at}[{number}]") for number, part in enumerate(value)]
    if len(parts) == 1 and parts[0].keys() == {"type", "text"}:
        return parts[0]["text"]
    return parts


def chat_form(data: bytes, *, hints: Hints, limits: Limits) -> Form:
    """Read a body of ``POST /v1/chat/completions``."""
    return ChatForm(read_chat(data, hints=hints, limits=limits))


class _ChatEvents:
    __slots__ = ()

    def take(self, chunk: Mapping[str, Any]) -> bytes:
        return event(chunk)

    def close(self) -> bytes:
        return _DONE

    def fail(self, error: RouterError) -> bytes:
        return event(error_body(error))


def event(data: Any) -> bytes:
    """``data`` as one event in JSON, in the bytes that it came in where it has them."""
    return b"data: %b\n\n" % (data.raw if type(data) is RawJson else _encode(data))


def named_event(data: Mapping[str, Any]) -> bytes:
    """``data`` as one event in JSON, named by its ``type``."""
    return b"event: %b\ndata: %b\n\n" % (str(data["type"]).encode(), _encode(data))


def message_of(body: Mapping[str, Any]) -> tuple[Mapping[str, Any], str | None]:
    """The first choice's message and finish reason."""
    choice = body["choices"][0]
    return choice.get("message") or {}, choice.get("finish_reason")


def deltas_of(chunk: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """The first choice's deltas, each with the choice that it stands in: what a form of one answer writes."""
    for choice in chunk.get("choices") or ():
        if not choice.get("index"):
            yield choice.get("delta") or {}, choice


def is_another_call(call: Mapping[str, Any], id: Any) -> bool:
    """Whether a piece of a call with the number of the call ``id`` begins one of its own: some providers count no
    calls, and each of theirs has the number 0."""
    return call.get("id") not in (None, "", id)
