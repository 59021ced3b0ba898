"""OpenAI's legacy text completions, read as one user message and written back as text.

Source: https://platform.openai.com/docs/api-reference/completions. What a chat model cannot do (a suffix, several
prompts at once, token arrays) is refused by name instead of being dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import RequestError, RouterError
from ..types import Hints, Request
from .forms import Form, StreamForm, event
from .jsonbody import Limits, decoded, wrong
from .openai import error_body, read_chat, said
from .sse import DONE, encode_event

__all__ = ["completions_form"]

_OWN = ("prompt", "suffix", "echo", "best_of", "logprobs")
_DONE = encode_event(DONE)


def completions_form(data: bytes, *, hints: Hints, limits: Limits) -> Form:
    """Read a body of ``POST /v1/completions``.

    Raises:
        RequestError: several prompts, tokens instead of text, a suffix, ``best_of`` above ``n``; RequestTooLarge.
    """
    body, _ = decoded(data, limits)
    prompt = _prompt(body.get("prompt"))
    for name in ("messages", "suffix"):
        if body.get(name):
            raise RequestError(
                f"{name} cannot be used here.", param=name, hint="Use /v1/chat/completions with messages instead."
            )
    n, best_of = body.get("n"), body.get("best_of")
    if best_of is not None and best_of != (1 if n is None else n):
        raise RequestError("best_of must equal n.", param="best_of", hint="Leave it out.")
    echo = body.get("echo")
    if echo is not None and not isinstance(echo, bool):
        raise wrong("echo", "true or false", echo)
    chat = {key: value for key, value in body.items() if key not in _OWN}
    chat["messages"] = [{"role": "user", "content": prompt}]
    logprobs = body.get("logprobs")
    if logprobs is not None:
        if not isinstance(logprobs, int) or isinstance(logprobs, bool) or not 0 <= logprobs <= 20:
            raise wrong("logprobs", "a whole number of at most 20", logprobs)
        if echo:
            raise RequestError("echo and logprobs cannot be had together.", param="echo", hint="Leave one out.")
        chat["logprobs"] = True
        chat["top_logprobs"] = logprobs
    return _CompletionsForm(read_chat(chat, hints=hints, limits=limits), prompt if echo else "")


def _prompt(value: Any) -> str:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, str):
        if not value or value.isspace():
            raise RequestError("the prompt is empty.", param="prompt", hint="Write what you want to know.")
        return value
    if isinstance(value, list) and value:
        what = "tokens" if isinstance(value[0], int | list) else "several prompts"
        raise RequestError(f"prompt holds {what}.", param="prompt", hint="Send one text a request.")
    raise wrong("prompt", "text", value)


class _CompletionsForm:
    __slots__ = ("_echo", "request")

    def __init__(self, request: Request, echo: str) -> None:
        self.request, self._echo = request, echo

    def answer(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        found: dict[str, Any] = {key: value for key, value in body.items() if key != "choices"}
        found["id"] = _id(body)
        found["object"] = "text_completion"
        found["choices"] = [
            {
                "text": self._echo + _text(choice.get("message") or {}),
                "index": choice.get("index", 0),
                "logprobs": _legacy_logprobs(choice.get("logprobs"), 0),
                "finish_reason": choice.get("finish_reason"),
            }
            for choice in body["choices"]
        ]
        return found

    def stream(self) -> StreamForm:
        return _Events(self._echo)


class _Events:
    __slots__ = ("_echo", "_echoed", "_offsets")

    def __init__(self, echo: str) -> None:
        self._echo = echo
        self._echoed: set[int] = set()
        self._offsets: dict[int, int] = {}

    def take(self, chunk: Mapping[str, Any]) -> bytes:
        choices = []
        for choice in chunk.get("choices") or ():
            index = choice.get("index") or 0
            text = _text(choice.get("delta") or {})
            if index not in self._echoed:
                self._echoed.add(index)
                text = self._echo + text
            at = self._offsets.get(index, 0)
            self._offsets[index] = at + len(text)
            finish = choice.get("finish_reason") or None
            if text or finish is not None:
                logprobs = _legacy_logprobs(choice.get("logprobs"), at)
                choices.append({"text": text, "index": index, "logprobs": logprobs, "finish_reason": finish})
        if not choices and not chunk.get("usage"):
            return b""
        head = {key: value for key, value in chunk.items() if key != "choices"}
        return event({**head, "id": _id(chunk), "object": "text_completion", "choices": choices})

    def close(self) -> bytes:
        return _DONE

    def fail(self, error: RouterError) -> bytes:
        return event(error_body(error))


def _id(body: Mapping[str, Any]) -> str:
    return "cmpl-" + str(body.get("id") or "").removeprefix("chatcmpl-")


def _text(message: Mapping[str, Any]) -> str:
    # A completion has no field for a refusal: its text is what there is to read.
    return said(message.get("content")) or message.get("refusal") or ""


def _legacy_logprobs(logprobs: Any, offset: int) -> dict[str, Any] | None:
    """Token by token lists, as completions had them before chat; ``offset`` is where the text began."""
    tokens = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    if not isinstance(tokens, list):
        return None
    offsets = []
    for token in tokens:
        offsets.append(offset)
        offset += len(token["token"])
    return {
        "tokens": [token["token"] for token in tokens],
        "token_logprobs": [token["logprob"] for token in tokens],
        "top_logprobs": [
            {other["token"]: other["logprob"] for other in token.get("top_logprobs") or ()} for token in tokens
        ],
        "text_offset": offsets,
    }
