"""Whether a smaller model's answer is good enough, or a larger one is asked: the checks of a policy's ``escalate``.

Each is cheap and says why in a sentence. The room judges one OpenAI answer against its request and calls nobody but
the user's own checks, in a worker thread.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ..contract import check as honours
from ..telemetry import log
from ..types import Contract, Decision, Escalation, Request
from ..wire.openai import said
from .means import AnswerCheck

__all__ = ["mean_logprob", "why_not_good_enough"]

_decode = msgspec.json.Decoder().decode
# How models begin when they decline, in the languages that the shipped detectors know best. Only a short answer that
# begins so is a refusal: a long one went on to answer.
_REFUSAL = re.compile(
    r"""(?ix)^\W*(?:
    (?:i(?:['’]m|\s+am)\s+(?:really\s+|very\s+)?(?:sorry|afraid|unable|not\s+able)|sorry\b|unfortunately,?\s+i\b)
    |i\s+(?:can(?:no|['’])t|cannot|can\s+not|won['’]t|will\s+not|must\s+decline|do(?:n['’]t|\s+not)\s+feel\s+comfortable)
    |as\s+an?\s+(?:ai|artificial|language)\b
    |es\s+tut\s+mir\s+leid|ich\s+kann\s+(?:ihnen\s+|dir\s+)?(?:dabei|das|leider)?\s*nicht|leider\s+kann\s+ich
    |je\s+(?:suis\s+désolée?|ne\s+peux\s+pas|regrette)|désolée?\b
    |lo\s+siento|no\s+puedo\b|mi\s+dispiace|non\s+posso\b|desculpe|não\s+posso\b|sinto\s+muito
    )"""
)
_LONG = 500


async def why_not_good_enough(
    body: Mapping[str, Any],
    request: Request,
    decision: Decision,
    escalation: Escalation,
    own: Mapping[str, AnswerCheck],
    *,
    timeout_s: float,
) -> str | None:
    """The first check that the answer fails, as a sentence; None when it passes all.

    A user's check that raises, is unknown or takes longer than ``timeout_s`` counts as failed: what could not be found
    good is not.
    """
    for choice in body.get("choices") or ():
        why = _why(choice, request, decision, escalation)
        if why is not None:
            return why
    for name in escalation.checks:
        why = await _ask(name, own.get(name), request, body, timeout_s)
        if why is not None:
            return why
    return None


def mean_logprob(choice: Mapping[str, Any]) -> float | None:
    """The mean log-probability of a choice's tokens, in nats; None where the provider gave none."""
    logprobs = choice.get("logprobs")
    tokens = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    values = [
        float(token["logprob"])
        for token in tokens or ()
        if isinstance(token, Mapping) and isinstance(token.get("logprob"), int | float)
    ]
    return sum(values) / len(values) if values else None


def _why(choice: Mapping[str, Any], request: Request, decision: Decision, escalation: Escalation) -> str | None:
    message = choice.get("message") or {}
    text, finish = said(message.get("content")), choice.get("finish_reason")
    if "refusal" in escalation.on and _is_refusal(message, text, finish):
        return "the answer is a refusal"
    if "cut_off" in escalation.on and finish == "length" and not _is_limited(request, decision):
        return "the answer was cut off"
    if "contract" in escalation.on and not _is_as_asked(message, text, request, decision):
        return "the answer is not in the form that was asked for"
    if escalation.min_logprob is not None:
        mean = mean_logprob(choice)
        if mean is not None and mean < escalation.min_logprob:
            return f"its mean token log-probability is {mean:.2f}, below {escalation.min_logprob:.2f}"
    return None


def _is_refusal(message: Mapping[str, Any], text: str, finish: object) -> bool:
    if message.get("refusal") or finish == "content_filter":
        return True
    return not message.get("tool_calls") and len(text) < _LONG and _REFUSAL.match(text) is not None


def _is_limited(request: Request, decision: Decision) -> bool:
    # A larger model would be cut off by the caller's own limit as well.
    return request.max_output_tokens is not None or decision.max_output_tokens is not None


def _is_as_asked(message: Mapping[str, Any], text: str, request: Request, decision: Decision) -> bool:
    signal = decision.signals.get("contract")
    contract: Contract | None = signal.value if signal is not None else None
    called = list(_arguments(message))
    if contract is not None and contract.shape == "tool_call":
        return bool(called) and all(honours(contract, arguments) for _, arguments in called)
    if called:
        # A call of a tool that was offered is an answer, as long as it can be read.
        names = {tool.name for tool in request.tools}
        return all(name in names and _is_json(arguments) for name, arguments in called)
    if not text.strip():
        return False
    if (request.wants_json or request.json_schema is not None) and not _is_json(text):
        return False
    return contract is None or honours(contract, text)


def _arguments(message: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for call in message.get("tool_calls") or ():
        function = call.get("function") if isinstance(call, Mapping) else None
        if isinstance(function, Mapping):
            yield str(function.get("name") or ""), str(function.get("arguments") or "{}")
    called = message.get("function_call")
    if isinstance(called, Mapping):
        yield str(called.get("name") or ""), str(called.get("arguments") or "{}")


def _is_json(text: str) -> bool:
    try:
        _decode(text.encode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


async def _ask(
    name: str, check: AnswerCheck | None, request: Request, body: Mapping[str, Any], timeout_s: float
) -> str | None:
    if check is None:
        return f"there is no check {name!r}"
    try:
        async with asyncio.timeout(timeout_s):
            said = await asyncio.to_thread(check, request, body)
    except TimeoutError:
        return f"the check {name!r} did not end in time"
    except Exception as error:  # noqa: BLE001 it is the user's code; its message may quote the answer
        log.error("the check %r of an answer failed: %s", name, type(error).__name__)
        return f"the check {name!r} failed"
    if said is None or said is True:
        return None
    return said if isinstance(said, str) and said else f"the check {name!r} found it wanting"
