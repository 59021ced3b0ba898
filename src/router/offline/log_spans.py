"""OpenTelemetry's spans and events of generative AI -> exchanges.

Read are OTLP as JSON (``resourceSpans``, ``resourceLogs``) and the console exporter's spans, after the semantic
conventions for GenAI (https://opentelemetry.io/docs/specs/semconv/gen-ai/) in all their forms: the attributes
``gen_ai.input.messages`` and ``gen_ai.output.messages`` (1.37 and later; on the span, or on the event
``gen_ai.client.inference.operation.details``), one event a message (``gen_ai.user.message``, ``gen_ai.choice``; 1.28 to
1.36), ``gen_ai.content.prompt`` and ``gen_ai.content.completion`` (before), and OpenLLMetry's flat
``gen_ai.prompt.0.content``.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..catalogue import Price, cost_usd
from ..errors import RouterError
from ..state.store import to_nano
from ..types import Request, Usage
from ..wire.openai import read_chat
from .exchanges import Exchange, answer_text
from .log_formats import Ignored, Unreadable, parsed, seconds

__all__ = ["SpanReader", "is_telemetry"]

_MOST_OPEN = 10_000
_CALLS = frozenset({"chat", "text_completion", "generate_content", "completion", ""})
_ROLES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}


class _Open:
    """What is known of one call so far: its span, and the events that may come as log records of their own."""

    def __init__(self) -> None:
        self.attributes: dict[str, Any] = {}
        self.messages: list[dict[str, Any]] = []
        self.choice: Mapping[str, Any] | None = None
        self.started: Any = None
        self.ended: Any = None
        self.has_span = False
        self.has_failed = False


class SpanReader:
    """Joins spans and their events by trace and span id; 10,000 calls are held open, the oldest are closed first."""

    def __init__(self, price: Callable[[str], Price | None]) -> None:
        self._price = price
        self._open: OrderedDict[str, _Open] = OrderedDict()

    def add(self, row: Mapping[str, Any]) -> Iterator[Exchange | Unreadable | Ignored]:
        """Take a document or span in; what is complete enough to be pushed out comes back."""
        for span in _spans(row):
            self._span(span)
        for record in _log_records(row):
            name = str(record.get("eventName") or _plain(record.get("attributes")).get("event.name") or "")
            if name.startswith("gen_ai."):
                key = f"{record.get('traceId')}/{record.get('spanId')}"
                attributes = _plain(record.get("attributes"))
                self._event(self._at(key), name, attributes, _value(record.get("body")))
        while len(self._open) > _MOST_OPEN:
            yield self._closed(self._open.popitem(last=False)[1])

    def close(self) -> Iterator[Exchange | Unreadable | Ignored]:
        """All that is still open."""
        while self._open:
            yield self._closed(self._open.popitem(last=False)[1])

    def _at(self, key: str) -> _Open:
        found = self._open.get(key)
        if found is None:
            found = self._open[key] = _Open()
        return found

    def _span(self, span: Mapping[str, Any]) -> None:
        attributes = _plain(span.get("attributes"))
        events = list(_maps(span.get("events")))
        if not any(key.startswith("gen_ai.") for key in attributes):
            return
        context = span.get("context")
        ids = context if isinstance(context, Mapping) else span
        key = f"{ids.get('traceId') or ids.get('trace_id')}/{ids.get('spanId') or ids.get('span_id')}"
        call = self._at(key)
        call.has_span = True
        call.attributes.update(attributes)
        call.started = span.get("startTimeUnixNano") or span.get("start_time")
        call.ended = span.get("endTimeUnixNano") or span.get("end_time")
        status = span.get("status")
        code = status.get("code") or status.get("status_code") if isinstance(status, Mapping) else None
        call.has_failed = code in (2, "STATUS_CODE_ERROR", "ERROR") or "error.type" in attributes
        for event in events:
            self._event(call, str(event.get("name")), _plain(event.get("attributes")), None)

    def _event(self, call: _Open, name: str, attributes: Mapping[str, Any], body: Any) -> None:
        told: Mapping[str, Any] = {**attributes, **body} if isinstance(body, Mapping) else attributes
        if name in _ROLES:
            content = _first(told, "content", "gen_ai.event.content")
            inner = parsed(content)
            if isinstance(inner, Mapping) and "content" in inner:  # one JSON text holds the whole message
                content = inner["content"]
            role = str(told.get("role") or _ROLES[name])
            call.messages.append({"role": role, "content": content if isinstance(content, str) else ""})
        elif name == "gen_ai.choice":
            message = parsed(_first(told, "message", "gen_ai.event.content"))
            if isinstance(message, Mapping) and isinstance(message.get("message"), Mapping):
                message = message["message"]
            message = message if isinstance(message, Mapping) else {"content": told.get("content")}
            if call.choice is None:
                call.choice = {"message": message, "finish_reason": told.get("finish_reason")}
        elif name in ("gen_ai.content.prompt", "gen_ai.content.completion") or name.endswith("operation.details"):
            call.attributes.update({key: value for key, value in told.items() if key.startswith("gen_ai.")})

    def _closed(self, call: _Open) -> Exchange | Unreadable | Ignored:
        attributes = call.attributes
        if call.has_failed:
            return Ignored("a failed call")
        if str(attributes.get("gen_ai.operation.name") or "").lower() not in _CALLS:
            return Ignored("no chat call")
        if not call.has_span and not attributes and call.choice is None:
            return Ignored("events without their call")
        messages = _asked(attributes) or call.messages
        answer = _answered(attributes)
        if answer is None and call.choice is not None:
            answer = answer_text({"choices": [call.choice]})
        request: Request | None = None
        if messages:
            try:
                request = read_chat({"messages": messages})
            except RouterError as error:
                return Unreadable(error.message.rstrip("."))
        model = str(_first(attributes, "gen_ai.response.model", "gen_ai.request.model") or "")
        usage = Usage(
            input=_count(attributes, "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
            output=_count(attributes, "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
        )
        price = self._price(model) if usage.input or usage.output else None
        usd = None if price is None else cost_usd(price, usage)
        started, ended = seconds(call.started), seconds(call.ended)
        service = str(attributes.get("gen_ai.agent.name") or attributes.get("gen_ai.system") or "")
        return Exchange(
            request=request,
            answer=answer,
            template="" if request is not None else f"unread:{model[:40]}:{service[:20]}",
            model=model,
            at_s=started,
            nano_usd=to_nano(usd or 0.0),
            is_priced=usd is not None,
            latency_ms=round((ended - started) * 1000.0, 3) if started is not None and ended is not None else None,
        )


def is_telemetry(row: Mapping[str, Any]) -> bool:
    """Whether a row is OTLP, or a span as the console exporter writes it."""
    if any(key in row for key in ("resourceSpans", "resourceLogs", "resource_spans", "resource_logs", "scopeSpans")):
        return True
    return "attributes" in row and any(key in row for key in ("startTimeUnixNano", "start_time", "spanId", "context"))


# ----- OTLP -----


def _spans(row: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    resources = row.get("resourceSpans") or row.get("resource_spans")
    if resources is None:
        scopes = row.get("scopeSpans")
        resources = [row] if scopes is not None else None
    if resources is None:
        if is_telemetry(row) and "resourceLogs" not in row:
            yield row
        return
    for scope in _listed(resources, "scopeSpans", "scope_spans", "instrumentationLibrarySpans"):
        yield from _maps(scope.get("spans"))


def _log_records(row: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    resources = row.get("resourceLogs") or row.get("resource_logs")
    for scope in _listed(resources or (), "scopeLogs", "scope_logs"):
        yield from _maps(scope.get("logRecords") or scope.get("log_records"))


def _listed(resources: Any, *names: str) -> Iterator[Mapping[str, Any]]:
    for resource in _maps(resources):
        for name in names:
            yield from _maps(resource.get(name))


def _maps(value: Any) -> Iterator[Mapping[str, Any]]:
    return (each for each in value if isinstance(each, Mapping)) if isinstance(value, list | tuple) else iter(())


def _plain(attributes: Any) -> dict[str, Any]:
    """Attributes as a mapping: OTLP's list of keys and typed values, or a mapping already."""
    if isinstance(attributes, Mapping):
        return {str(key): value for key, value in attributes.items()}
    return {str(each.get("key")): _value(each.get("value")) for each in _maps(attributes)}


def _value(value: Any, depth: int = 0) -> Any:
    """A typed value of OTLP (``{"stringValue": ...}``) as plain data."""
    if not isinstance(value, Mapping) or depth > 32:
        return value
    for name, inner in value.items():
        if name in ("stringValue", "boolValue", "doubleValue", "string_value", "bool_value", "double_value"):
            return inner
        if name in ("intValue", "int_value"):
            return int(inner) if str(inner).lstrip("-").isdigit() else None
        if name in ("arrayValue", "array_value"):
            return [
                _value(each, depth + 1) for each in _maps(inner.get("values") if isinstance(inner, Mapping) else ())
            ]
        if name in ("kvlistValue", "kvlist_value"):
            rows = inner.get("values") if isinstance(inner, Mapping) else ()
            return {str(each.get("key")): _value(each.get("value"), depth + 1) for each in _maps(rows)}
    return value


# ----- messages -----


def _asked(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = [
        {"role": "system", "content": text} for text in _texts(parsed(attributes.get("gen_ai.system_instructions")))
    ]
    for key in ("gen_ai.input.messages", "gen_ai.prompt"):
        told = parsed(attributes.get(key))
        if isinstance(told, str) and told.strip():
            return [*found, {"role": "user", "content": told}]
        messages = [_message(each) for each in _maps(told)]
        if messages:
            return [*found, *messages]
    numbered = _numbered(attributes, "gen_ai.prompt")
    return [*found, *numbered] if numbered else []


def _answered(attributes: Mapping[str, Any]) -> str | None:
    for key in ("gen_ai.output.messages", "gen_ai.completion"):
        told = parsed(attributes.get(key))
        if isinstance(told, str) and told.strip():
            return told
        for each in _maps(told):
            message = _message(each)
            return answer_text({"choices": [{"message": message, "finish_reason": each.get("finish_reason")}]})
    numbered = _numbered(attributes, "gen_ai.completion")
    return answer_text({"choices": [{"message": numbered[0]}]}) if numbered else None


def _message(told: Mapping[str, Any]) -> dict[str, Any]:
    """A message in either form: ``content`` as text, or ``parts`` with a type each."""
    role = str(told.get("role") or "user")
    parts = told.get("parts")
    if not isinstance(parts, list):
        content = told.get("content")
        message = {"role": role, "content": content if isinstance(content, str | list) else ""}
        return {**message, "tool_calls": told["tool_calls"]} if told.get("tool_calls") else message
    text = "\n".join(_texts(parts))
    calls = [part for part in _maps(parts) if part.get("type") == "tool_call"]
    if len(calls) == 1 and not text:
        arguments = calls[0].get("arguments")
        said = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        function = {"name": str(calls[0].get("name")), "arguments": said}
        return {"role": role, "content": None, "tool_calls": [{"id": "call", "type": "function", "function": function}]}
    return {"role": role, "content": text}


def _texts(parts: Any) -> list[str]:
    if isinstance(parts, str):
        return [parts]
    found = [part.get("content") or part.get("text") for part in _maps(parts) if part.get("type", "text") == "text"]
    return [text for text in found if isinstance(text, str)]


def _numbered(attributes: Mapping[str, Any], stem: str) -> list[dict[str, Any]]:
    """OpenLLMetry's flat form: ``gen_ai.prompt.0.role``, ``gen_ai.prompt.0.content``."""
    found = []
    for index in range(1_000):
        content = attributes.get(f"{stem}.{index}.content")
        if content is None and f"{stem}.{index}.role" not in attributes:
            break
        role = attributes.get(f"{stem}.{index}.role") or ("user" if stem.endswith("prompt") else "assistant")
        found.append({"role": str(role), "content": content if isinstance(content, str) else ""})
    return found


def _first(told: Mapping[str, Any], *names: str) -> Any:
    return next((told[name] for name in names if told.get(name) is not None), None)


def _count(attributes: Mapping[str, Any], *names: str) -> int:
    value = _first(attributes, *names)
    try:
        return max(0, int(value)) if value is not None else 0
    except (TypeError, ValueError):
        return 0
