"""What advice and training read of the past: one request with the answer that it got, wherever it was written down.

An exchange is read in the same way as a live request is (contract, text to judge, template), so that what is learnt
here is about requests as the router will see them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ..contract import Memory, given_label
from ..signals.contract import read_asked
from ..signals.template import template_of
from ..state.ledger import read_records
from ..state.store import RecordSink
from ..types import Contract, Record, Request, Split
from .recorded import typed_signals

__all__ = ["Exchange", "ExchangeReader", "Reading", "answer_text", "from_record", "recorded_exchanges"]


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """One request and its answer.

    ``request`` and ``answer`` are None where contents were not kept; then ``template`` is all that is known of the
    wording. ``answer`` is the text, or a tool call's arguments as JSON. ``nano_usd`` is what it cost in whole
    nano-dollars (``is_priced``: every price was known), ``at_s`` Unix time, ``latency_ms`` how long it took.
    ``is_hosted``: a hosted model answered. ``asked`` is what the router understood at the time, None when nobody asked:
    then it is read from ``request``.
    """

    request: Request | None = None
    answer: str | None = None
    template: str = ""
    model: str = ""
    at_s: float | None = None
    nano_usd: int = 0
    is_priced: bool = True
    latency_ms: float | None = None
    is_hosted: bool = True
    asked: tuple[Contract | None, Split | None] | None = None


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What an exchange says when it is read like a live request.

    ``text`` is the text that was judged, None where it cannot be told from the instruction. ``label`` is the answer's
    label in the request's own spelling; where the request names no labels, the answer itself. ``frame`` is the wording
    around the text, ``allowed`` the labels that the request names, ``obstacle`` why no local model could answer such a
    request, whatever it had learnt.
    """

    template: str
    frame: str = ""
    text: str | None = None
    label: str | None = None
    allowed: tuple[str, ...] = ()
    obstacle: str | None = None


class ExchangeReader:
    """Reads exchanges; what instructions say is remembered from one to the next."""

    def __init__(self) -> None:
        self._memory = Memory()

    def __call__(self, exchange: Exchange) -> Reading:
        """The reading of an exchange; without contents it has a template alone."""
        request = exchange.request
        if request is None or not request.messages:
            return Reading(template=exchange.template)
        if exchange.asked is not None:
            contract, split = exchange.asked
        else:
            asked = read_asked(request, self._memory)
            contract, split = asked[0].value, asked[1].value
        text = _judged_text(request, split)
        label = None if exchange.answer is None else _label(contract, exchange.answer)
        return Reading(
            template=exchange.template or template_of(request, split),
            frame=_frame(request, split),
            text=text,
            label=label,
            allowed=contract.labels or () if contract is not None else (),
            obstacle=_obstacle(contract, text),
        )


def from_record(record: Record) -> Exchange | None:
    """The exchange of a ledger's row; None for a row that is no answered chat request."""
    outcome = record.outcome
    if outcome.status != "answered" or record.decision.target.kind == "refuse":
        return None
    calls = [attempt for attempt in outcome.attempts if attempt.error is None]
    is_local = bool(calls) and calls[-1].kind == "local"
    return Exchange(
        request=Request(messages=record.messages) if record.messages else None,
        answer=None if outcome.body is None else answer_text(outcome.body),
        template=record.template,
        model=outcome.model or "",
        at_s=record.at_s,
        nano_usd=record.nano_usd,
        is_priced=record.is_priced,
        latency_ms=outcome.latency_ms,
        is_hosted=not is_local,
        asked=_asked(record),
    )


def recorded_exchanges(
    sink: RecordSink, since_s: float | None = None, until_s: float | None = None
) -> Iterator[Exchange]:
    """The answered requests of a ledger between two Unix times, oldest first as they were written."""
    for record in read_records(sink, since_s, until_s):
        exchange = from_record(record)
        if exchange is not None:
            yield exchange


def answer_text(body: Mapping[str, Any]) -> str | None:
    """The answer of an OpenAI-shaped body: its text, or the arguments of its only tool call; None when cut or empty."""
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list | tuple) and choices else None
    if not isinstance(choice, Mapping) or choice.get("finish_reason") in ("length", "content_filter"):
        return None
    message = choice.get("message")
    if not isinstance(message, Mapping):
        text = choice.get("text")
        return text if isinstance(text, str) and text.strip() else None
    content = message.get("content")
    if isinstance(content, str) and content.strip():
        return content
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, Mapping)]
        joined = "\n".join(part for part in parts if isinstance(part, str))
        return joined if joined.strip() else None
    calls = message.get("tool_calls")
    call = (
        calls[0].get("function")
        if isinstance(calls, list) and len(calls) == 1 and isinstance(calls[0], Mapping)
        else None
    )
    call = call or message.get("function_call")
    arguments = call.get("arguments") if isinstance(call, Mapping) else None
    return arguments if isinstance(arguments, str) and arguments.strip() else None


def _asked(record: Record) -> tuple[Contract | None, Split | None] | None:
    """Schemas, tools and hints are not recorded: what the router read in them then is all that is left of them."""
    signals = {name: record.decision.signals[name] for name in ("contract", "split") if name in record.decision.signals}
    if len(signals) < 2:
        return None
    try:
        read = typed_signals(signals)
    except msgspec.ValidationError:
        return None
    return read["contract"].value, read["split"].value


def _judged_text(request: Request, split: Split | None) -> str | None:
    if split is None:
        return None
    if split.message < 0:
        return request.hints.input
    if split.message >= len(request.messages):
        return None
    return request.messages[split.message].text[split.start : split.end]


def _frame(request: Request, split: Split | None) -> str:
    """The wording that stays when the judged text is taken out."""
    parts: list[str] = []
    for index, message in enumerate(request.messages):
        if split is not None and index == split.message:
            parts += [message.text[: split.start], message.text[split.end :]]
        elif message.role in ("system", "developer"):
            parts.append(message.text)
    return "\n".join(parts)


def _obstacle(contract: Contract | None, text: str | None) -> str | None:
    if contract is None or contract.labels is None:
        return "the request does not name its labels so that they can be read"
    if contract.blocker is not None and not contract.is_learnable:
        return contract.blocker.rstrip(".")
    if contract.multi_label:
        return "several labels may be asked for at once"
    if text is None:
        return "the text to judge cannot be told from the instruction"
    return None


def _label(contract: Contract | None, answer: str) -> str | None:
    """The contract's label that an answer gives; the bare answer where the contract names none; None for no label."""
    bare = answer.strip()
    if contract is None or contract.labels is None or contract.multi_label:
        return bare or None
    if contract.shape == "tool_call":
        function = {"name": contract.tool, "arguments": bare}
        return given_label(contract, {"tool_calls": [{"function": function}]})
    if contract.shape == "json":
        bare = bare.removeprefix("```json").removeprefix("```").removesuffix("```").strip()
    return given_label(contract, {"content": bare})
