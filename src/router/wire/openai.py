"""OpenAI's chat-completions JSON, bytes <-> types; only this room and :mod:`.chat_fields` know its field names.

Source: https://platform.openai.com/docs/api-reference/chat/create. A body is read and checked, never altered: unknown
fields stay in ``Request.body`` and travel on. The room decides nothing and knows no policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import (
    BudgetExceeded,
    DeadlineInfeasible,
    NoCandidate,
    RateLimited,
    RequestError,
    RequestTooLarge,
    RouterError,
    UpstreamError,
)
from ..types import Hints, Message, Request, Role
from .billed import read_units
from .chat_fields import CHECKS, read_max_output_tokens, read_response_format, read_tool_choice, read_tools
from .hints import did_you_mean, merge_hints, read_hints
from .jsonbody import Limits, checked_mapping, decoded, shown, too_large, wrong

__all__ = ["Limits", "error_body", "model_list", "read_chat", "read_prompt", "read_row", "said"]


_DEFAULT_LIMITS = Limits()
_NO_HINTS = Hints()
_PLAIN = frozenset[str]()
_ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "developer",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    # The role of results before tools existed.
    "function": "tool",
}
_MODALITIES: Mapping[str, str] = {
    "image_url": "image",
    "input_image": "image",
    "image": "image",
    "input_audio": "audio",
    "audio_url": "audio",
    "audio": "audio",
    "file": "file",
    "input_file": "file",
    "video_url": "video",
}
_TEXT_PARTS: Mapping[str, str] = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
# Parts that providers write into their answers, and take back as they are.
_OWN_PARTS = frozenset({"thinking", "redacted_thinking", "reasoning", "reference"})
_SIMPLE = frozenset({"messages", "model", "stream", "temperature", "top_p", "seed", "user", "metadata"})


# ----- reading ----------------------------------------------------------------------------------------------------


def read_chat(
    data: bytes | bytearray | memoryview | Mapping[str, Any],
    *,
    hints: Hints = _NO_HINTS,
    limits: Limits = _DEFAULT_LIMITS,
) -> Request:
    """A chat body, as JSON bytes or as a mapping, read into a Request.

    ``hints`` are those given beside the body (headers, arguments); those in the body's ``router`` object are added,
    and the object itself is left out of ``Request.body``. ``model: "router/NAME"`` is the hint ``policy: NAME``.

    Raises:
        RequestTooLarge: more bytes, levels or messages than ``limits`` allow.
        RequestError: not JSON, a wrong type (``param`` is the field's path), no messages, contradictory hints.
    """
    if type(data) is bytes or isinstance(data, bytes | bytearray | memoryview):
        body, n_bytes = decoded(data, limits)
    else:
        body, n_bytes = checked_mapping(data, limits)
    for key, value in body.items():
        check = CHECKS.get(key)
        if check is not None and value is not None:
            check(key, value)
    messages, has_content = _messages(body.get("messages"), limits)
    model = body.get("model")
    if model is None:
        model = "auto"
    if "router" in body:
        given = body["router"]
        body = {key: value for key, value in body.items() if key != "router"}
        if given is not None:
            hints = merge_hints(read_hints(given), hints)
    if model.startswith("router/"):
        hints = merge_hints(Hints(policy=model[7:]), hints) if len(model) > 7 else hints
    if not has_content and hints.input is None:
        raise RequestError("every message is empty.", param="messages", hint="Write what you want to know.")
    if len(body) <= 3 and body.keys() <= _SIMPLE:
        return Request(
            messages=messages,
            model=model,
            hints=hints,
            stream=body.get("stream") is True,
            body=body,
            n_bytes=n_bytes,
            units=read_units(body, messages),
        )
    return _full(body, messages, model, hints, n_bytes, limits)


def read_prompt(text: str, *, hints: Hints = _NO_HINTS, limits: Limits = _DEFAULT_LIMITS) -> Request:
    """One user message as a Request.

    Raises:
        RequestError: empty or not text; RequestTooLarge: larger than ``limits`` allow.
    """
    if not isinstance(text, str):
        raise RequestError("the prompt must be text.", param="prompt")
    if not text or text.isspace():
        raise RequestError("the prompt is empty.", param="prompt", hint="Write what you want to know.")
    return read_chat({"messages": [{"role": "user", "content": text}]}, hints=hints, limits=limits)


def read_row(
    row: bytes | bytearray | Mapping[str, Any], *, hints: Hints = _NO_HINTS, limits: Limits = _DEFAULT_LIMITS
) -> Request:
    """One row of a file of requests: ``{"prompt": TEXT}`` or a chat body, either with an optional ``router`` object.

    Other keys beside ``prompt`` are notes of the row's owner and are passed over: they are no hints.

    Raises:
        RequestError: as :func:`read_chat`; also a row with both or neither of ``prompt`` and ``messages``.
    """
    if not isinstance(row, Mapping):
        if len(row) > limits.max_bytes:
            raise too_large(len(row), limits)
        if b'"prompt"' not in row:
            return read_chat(row, hints=hints, limits=limits)
        row, _ = decoded(row, limits)
    if "messages" in row:
        if "prompt" in row:
            raise RequestError("the row has a prompt and messages.", param="prompt", hint="Give one of them.")
        return read_chat(row, hints=hints, limits=limits)
    if "prompt" not in row:
        raise RequestError(
            "the row has neither a prompt nor messages.",
            hint='Write {"prompt": "..."} or {"messages": [{"role": "user", "content": "..."}]}.',
        )
    given = row.get("router")
    if given is not None:
        CHECKS["router"]("router", given)
        hints = merge_hints(read_hints(given), hints)
    return read_prompt(row["prompt"], hints=hints, limits=limits)


def _full(
    body: dict[str, Any],
    messages: tuple[Message, ...],
    model: str,
    hints: Hints,
    n_bytes: int,
    limits: Limits,
) -> Request:
    tools = read_tools(body, limits)
    schema, wants_json = read_response_format(body.get("response_format"))
    stop = body.get("stop")
    options = body.get("stream_options")
    n = body.get("n")
    if n is not None and not 1 <= n <= limits.max_n:
        raise RequestError(f"n is {n}.", param="n", hint=f"Ask for 1 to {limits.max_n} completions.")
    return Request(
        messages=messages,
        model=model,
        tools=tools,
        tool_choice=read_tool_choice(body, tools),
        json_schema=schema,
        wants_json=wants_json,
        max_output_tokens=read_max_output_tokens(body),
        n=1 if n is None else n,
        stream=body.get("stream") is True,
        include_usage=options is not None and options.get("include_usage") is True,
        wants_logprobs=body.get("logprobs") is True,
        wants_audio="audio" in (body.get("modalities") or ()),
        stop=() if stop is None else (stop,) if isinstance(stop, str) else tuple(stop),
        hints=hints,
        body=body,
        n_bytes=n_bytes,
        units=read_units(body, messages),
    )


# ----- messages ---------------------------------------------------------------------------------------------------


def _messages(value: Any, limits: Limits) -> tuple[tuple[Message, ...], bool]:
    if value is None:
        raise RequestError("messages is missing.", param="messages", hint='Write [{"role": "user", "content": "..."}].')
    if not value:
        raise RequestError("messages is empty.", param="messages", hint="Give at least one message.")
    if len(value) > limits.max_messages:
        raise RequestTooLarge(
            f"{len(value):,} messages are more than the {limits.max_messages:,} allowed.",
            param="messages",
            hint="Drop or summarise the oldest ones.",
        )
    messages: list[Message] = []
    has_content = False
    for index, raw in enumerate(value):
        if not isinstance(raw, dict):
            raise wrong(f"messages[{index}]", "an object", raw)
        written = raw.get("role")
        role = _ROLES.get(written) if isinstance(written, str) else None
        if role is None:
            raise _wrong_role(index, written)
        content = raw.get("content")
        if type(content) is str and len(raw) == 2:
            # As nearly all are: a role and a text.
            has_content = has_content or not (content == "" or content.isspace())
            messages.append(Message(role=role, text=content))
            continue
        if isinstance(content, str):
            text, modalities = content, _PLAIN
        else:
            text, modalities = _parts(content, index, role)
        called = raw.get("tool_calls") or raw.get("function_call")
        if called is not None and raw.get("tool_calls") is not None and not isinstance(raw["tool_calls"], list):
            raise wrong(f"messages[{index}].tool_calls", "a list", raw["tool_calls"])
        name = raw.get("name")
        if name is not None and not isinstance(name, str):
            raise wrong(f"messages[{index}].name", "text", name)
        if not has_content:
            has_content = bool(modalities or called) or (text != "" and not text.isspace())
        messages.append(Message(role=role, text=text, modalities=modalities, has_tool_calls=bool(called), name=name))
    return tuple(messages), has_content


def _parts(content: Any, index: int, role: Role) -> tuple[str, frozenset[str]]:
    """Text and modalities of a content that is not plain text."""
    at = f"messages[{index}].content"
    if content is None:
        # An assistant message may carry calls, a refusal or audio instead of text.
        if role == "assistant":
            return "", _PLAIN
        raise RequestError(f"{at} is missing.", param=at, hint="Write text, or a list of parts.")
    if not isinstance(content, list):
        raise wrong(at, "text or a list of parts", content)
    texts: list[str] = []
    modalities: set[str] = set()
    for number, part in enumerate(content):
        if isinstance(part, str):
            texts.append(part)
            continue
        if not isinstance(part, dict):
            raise wrong(f"{at}[{number}]", "an object", part)
        kind = part.get("type")
        if not isinstance(kind, str):
            raise wrong(f"{at}[{number}].type", "text", kind)
        field = _TEXT_PARTS.get(kind)
        if field is not None:
            text = part.get(field)
            if not isinstance(text, str):
                raise wrong(f"{at}[{number}].{field}", "text", text)
            texts.append(text)
        elif kind not in _OWN_PARTS or role != "assistant":
            if kind == "image_url" and not isinstance(part.get("image_url"), dict | str):
                raise wrong(f"{at}[{number}].image_url", "an object with a url", part.get("image_url"))
            modalities.add(_MODALITIES.get(kind, kind))
    return "\n".join(texts), frozenset(modalities) if modalities else _PLAIN


def _wrong_role(index: int, written: Any) -> RequestError:
    param = f"messages[{index}].role"
    if not isinstance(written, str):
        return wrong(param, "text", written)
    return RequestError(
        f"{param} is {shown(written)}.{did_you_mean(written, _ROLES)}",
        param=param,
        hint=f"Roles: {', '.join(_ROLES)}.",
    )


# ----- writing ----------------------------------------------------------------------------------------------------


def said(content: Any) -> str:
    """The text of an answer's ``content``, which some providers write as a list of parts; what was thought is none."""
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, Mapping) and part.get("type") == "text")
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def error_body(error: RouterError) -> dict[str, Any]:
    """OpenAI's error shape, ``{"error": {message, type, param, code}}``.

    ``needed_usd``, ``needed_ms``, ``reasons`` and ``kind`` are added where the error knows them.
    Source: https://platform.openai.com/docs/guides/error-codes
    """
    found: dict[str, Any] = {
        "message": str(error),
        "type": error.type,
        "param": error.param if isinstance(error, RequestError) else None,
        "code": error.code,
    }
    if isinstance(error, BudgetExceeded):
        found["needed_usd"] = error.needed_usd
        found["left_usd"] = error.left_usd
        found["resets_at"] = error.resets_at
    if isinstance(error, RateLimited):
        found |= {"unit": error.unit, "needed": error.needed, "left": error.left, "resets_at": error.resets_at}
    if isinstance(error, DeadlineInfeasible):
        found["needed_ms"] = error.needed_ms
        found["limit_ms"] = error.limit_ms
    if isinstance(error, NoCandidate) and error.reasons:
        found["reasons"] = error.reasons
    if isinstance(error, UpstreamError):
        found["kind"] = error.kind
    return {"error": found}


def model_list(models: Iterable[tuple[str, str]], *, created: int = 0) -> dict[str, Any]:
    """The answer of ``GET /v1/models``; ``models`` are pairs of id and owner, ``created`` Unix seconds.

    Source: https://platform.openai.com/docs/api-reference/models/list
    """
    return {
        "object": "list",
        "data": [{"id": name, "object": "model", "created": created, "owned_by": owner} for name, owner in models],
    }
