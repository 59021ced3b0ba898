"""Answers that need no call: a local model's label in the asked form, and a refusal, as OpenAI's objects and chunks.

It renders what the decision already holds (``Decision.evidence``); it runs no model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ..contract import render, render_tool_arguments
from ..errors import RequestError, UpstreamError
from ..types import Contract, Decision, Request, Usage
from .books import usage_body

__all__ = ["completion_chunks", "local_answer", "refusal"]

_NOTHING = Usage()


def local_answer(request: Request, decision: Decision, *, created: int) -> dict[str, Any]:
    """The ``chat.completion`` object of the local model's answer: bare label, JSON text or tool call.

    Raises:
        UpstreamError: the decision holds no answer of the model, or it cannot be written as asked.
    """
    evidence = decision.evidence
    name = decision.target.model or "local"
    if evidence is None or evidence.model != name or evidence.reason is not None or not evidence.answer:
        why = evidence.reason if evidence is not None and evidence.reason else "it gave no answer"
        raise _cannot(name, why)
    if evidence.text is not None:
        plain: dict[str, Any] = {"role": "assistant", "content": evidence.text, "refusal": None}
        return _completion(request, decision, name, plain, "stop", created)
    signal = decision.signals.get("contract")
    contract: Contract | None = signal.value if signal is not None else None
    if contract is None:
        raise _cannot(name, "it is unknown which form of answer was asked for")
    if contract.is_learnable and evidence.template:
        contract = msgspec.structs.replace(contract, blocker=None)
    try:
        if contract.shape == "tool_call":
            arguments = render_tool_arguments(contract, evidence.answer)
        else:
            text = render(contract, evidence.answer)
    except RequestError as error:
        raise _cannot(name, error.message) from error
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    finish = "stop"
    if contract.shape != "tool_call":
        message["content"] = text
    elif not request.body.get("tools") and request.body.get("functions"):
        # The caller speaks the form that preceded tools.
        message["function_call"] = {"name": contract.tool, "arguments": arguments}
        finish = "function_call"
    else:
        call = {"id": f"call_{decision.id}", "type": "function"}
        message["tool_calls"] = [{**call, "function": {"name": contract.tool, "arguments": arguments}}]
        finish = "tool_calls"
    return _completion(request, decision, name, message, finish, created)


def refusal(
    request: Request, decision: Decision, *, created: int, why: str | None = None, usage: Usage = _NOTHING
) -> dict[str, Any]:
    """The ``chat.completion`` object of a refusal: ``message.refusal`` says why, ``finish_reason`` content_filter.

    ``why`` is what the verdict says unless given; ``usage`` what was billed for an answer that is not shown.
    """
    why = why or decision.verdict.refuse or decision.reason
    message = {"role": "assistant", "content": None, "refusal": why}
    return _completion(request, decision, "refusal", message, "content_filter", created, usage)


def completion_chunks(body: Mapping[str, Any], *, include_usage: bool) -> list[dict[str, Any]]:
    """A whole answer as the chunks of a stream: for each choice its role, its content, its end; the usage if asked and
    known."""
    head = {key: value for key, value in body.items() if key not in ("choices", "usage", "object")}
    head["object"] = "chat.completion.chunk"
    if include_usage:
        head["usage"] = None
    found: list[dict[str, Any]] = []
    for number, choice in enumerate(body["choices"]):
        message, index = choice["message"], choice.get("index", number)
        filled = {key: value for key, value in message.items() if key != "role" and value is not None}
        if "tool_calls" in filled:
            filled["tool_calls"] = [{"index": at, **call} for at, call in enumerate(filled["tool_calls"])]
        for delta, logprobs, finish in (
            ({"role": "assistant", "content": "" if "content" in filled else None}, None, None),
            (filled, choice.get("logprobs"), None),
            ({}, None, choice["finish_reason"]),
        ):
            part = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
            found.append({**head, "choices": [part]})
    if include_usage and body.get("usage"):
        found.append({**head, "choices": [], "usage": body["usage"]})
    return found


def _completion(
    request: Request,
    decision: Decision,
    model: str,
    message: Mapping[str, Any],
    finish: str,
    created: int,
    usage: Usage = _NOTHING,
) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{decision.id}",
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [
            {"index": index, "message": dict(message), "logprobs": None, "finish_reason": finish}
            for index in range(request.n)
        ],
        "usage": usage_body(usage),
    }


def _cannot(name: str, why: str) -> UpstreamError:
    return UpstreamError(
        f"the local model {name} cannot answer: {why.rstrip('.')}.",
        kind="unsupported",
        deployment=name,
        hint="Let a hosted model answer it.",
    )
