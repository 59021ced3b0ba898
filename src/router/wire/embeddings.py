"""OpenAI's embeddings JSON: what of a body the router must read.

Source: https://platform.openai.com/docs/api-reference/embeddings. The body travels on as it came.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..errors import RequestError
from ..types import Hints, Message, Request
from .hints import merge_hints, read_hints
from .jsonbody import Limits, decoded, wrong

__all__ = ["EmbeddingRequest", "read_embedding"]

MAX_INPUTS = 2_048


class EmbeddingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """``request`` holds the texts as user messages, for the policy to judge; ``body`` goes on. ``has_tokens``: the
    input came as token numbers, which nobody here can read."""

    request: Request
    body: dict[str, Any]
    model: str
    has_tokens: bool = False


def read_embedding(data: bytes, *, hints: Hints, limits: Limits) -> EmbeddingRequest:
    """Read a body of ``POST /v1/embeddings``.

    Raises:
        RequestError: no input, or one of the wrong type; RequestTooLarge.
    """
    body, n_bytes = decoded(data, limits)
    model = body.get("model", "auto")
    if not isinstance(model, str):
        raise wrong("model", "text", model)
    given = body.pop("router", None)
    if given is not None:
        if not isinstance(given, dict):
            raise wrong("router", "an object of hints", given)
        hints = merge_hints(read_hints(given), hints)
    texts, n_tokens = _inputs(body.get("input"))
    messages = tuple(Message(role="user", text=text) for text in texts)
    request = Request(messages=messages, model="auto", hints=hints, body={}, n_bytes=n_bytes)
    return EmbeddingRequest(request=request, body=body, model=model, has_tokens=bool(n_tokens))


def _inputs(value: Any) -> tuple[list[str], int]:
    inputs = value if isinstance(value, list) else [value]
    if not inputs:
        raise RequestError("input is empty.", param="input", hint="Give at least one text.")
    if len(inputs) > MAX_INPUTS:
        raise RequestError(f"input has {len(inputs):,} texts.", param="input", hint=f"Give at most {MAX_INPUTS:,}.")
    if all(isinstance(item, str) for item in inputs):
        if not any(inputs):
            raise RequestError("every input is empty.", param="input", hint="Give at least one text.")
        return inputs, 0
    if all(_is_token(item) for item in inputs):
        return [], len(inputs)
    if all(isinstance(item, list) and item and all(_is_token(token) for token in item) for item in inputs):
        return [], sum(map(len, inputs))
    raise wrong("input", "text, a list of texts, or token numbers", value)


def _is_token(item: Any) -> bool:
    return isinstance(item, int) and not isinstance(item, bool)
