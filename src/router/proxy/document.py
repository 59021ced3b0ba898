"""The OpenAPI document of the sidecar, served at ``/openapi.json`` and published as ``docs/openapi.json``.

It describes what the router itself reads and promises; other fields of the vendors' APIs pass through.
Source: https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

from typing import Any

from ..types import TASKS
from ..wire.hints import HEADERS
from .exchange import Exchange, Route

__all__ = ["document", "document_route"]

Json = dict[str, Any]


def document_route() -> Route:
    """``GET /openapi.json``."""

    async def show(exchange: Exchange) -> None:
        await exchange.answer(document())

    return Route(path="/openapi.json", methods={"GET": show}, scope=None, is_light=True)


def document() -> Json:
    """The document as plain data."""
    answers = {
        "/v1/chat/completions": ("Chat completions", _ref("ChatRequest"), _ref("ChatCompletion"), "Error"),
        "/v1/completions": ("Legacy text completions", _ref("CompletionRequest"), _ref("Completion"), "Error"),
        "/v1/responses": ("Responses", _ref("ResponseRequest"), _ref("Response"), "Error"),
        "/v1/messages": ("Anthropic messages", _ref("MessageRequest"), _ref("Message"), "AnthropicError"),
        "/v1/embeddings": ("Embeddings", _ref("EmbeddingRequest"), _ref("List"), "Error"),
    }
    paths: Json = {}
    for path, (summary, body, answer, error) in answers.items():
        streams = path != "/v1/embeddings"
        paths[path] = {"post": _post(summary, body, answer, error, hints=True, streams=streams, receipt=True)}
    counted = {"type": "object", "required": ["input_tokens"], "properties": {"input_tokens": {"type": "integer"}}}
    paths["/v1/messages/count_tokens"] = {
        "post": _post("Estimate the tokens of a message", _ref("CountRequest"), counted, "AnthropicError", hints=True)
    }
    paths["/v1/route"] = {
        "post": _post(
            "Decide only: the decision, a quote, the receipt",
            _ref("RouteRequest"),
            _ref("Route"),
            "Error",
            hints=True,
            receipt=True,
        )
    }
    paths["/v1/feedback"] = {
        "post": _post("A user's verdict on an answer", _ref("FeedbackRequest"), _ref("Taken"), "Error", status="201")
    }
    paths["/v1/receipts/{id}"] = {"get": _get("The receipt of a decision", _ref("Receipt"), has_id=True)}
    paths["/v1/models"] = {"get": _get("What model may say", _ref("List"))}
    paths["/v1/models/{id}"] = {"get": _get("One model", {"type": "object", "required": ["id"]}, has_id=True)}
    health = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}
    paths["/healthz"] = {"get": _get("Whether the process answers", health, is_open=True)}
    paths["/readyz"] = {"get": _get("Whether it takes requests", health, is_open=True)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "guide-router",
            "version": "1",
            "description": "A drop-in for OpenAI's and Anthropic's APIs that decides who answers.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "anthropic": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
        # Without a keys file nobody is asked for one.
        "security": [{}, {"bearer": []}, {"anthropic": []}],
    }


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _post(
    summary: str,
    body: Json,
    answer: Json,
    error: str,
    *,
    hints: bool = False,
    streams: bool = False,
    receipt: bool = False,
    status: str = "200",
) -> Json:
    content: Json = {"application/json": {"schema": answer}}
    if streams:
        content["text/event-stream"] = {"schema": {"type": "string"}}
    found: Json = {
        "summary": summary,
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            status: {"description": "Well", "headers": _headers(receipt), "content": content},
            **_errors(error),
        },
    }
    if hints:
        found["parameters"] = [
            {"name": name, "in": "header", "required": False, "schema": _hint_schema(key)}
            for name, key in HEADERS.items()
        ]
    return found


def _get(summary: str, answer: Json, *, has_id: bool = False, is_open: bool = False) -> Json:
    found: Json = {
        "summary": summary,
        "responses": {
            "200": {"description": "Well", "content": {"application/json": {"schema": answer}}},
            **_errors("Error"),
        },
    }
    if has_id:
        found["parameters"] = [
            {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        ]
    if is_open:
        found["security"] = [{}]
    return found


def _hint_schema(key: str) -> Json:
    if key == "task":
        return {"type": "string", "enum": list(TASKS)}
    if key == "labels":
        return {"type": "string", "description": "At least two distinct labels, separated by commas."}
    return {"type": "string", "minLength": 1}


def _headers(receipt: bool) -> Json:
    found = {"x-request-id": {"schema": {"type": "string"}}, "request-id": {"schema": {"type": "string"}}}
    if receipt:
        for name in ("model", "target", "rule", "policy", "decision-id", "cost-usd"):
            found[f"x-router-{name}"] = {"schema": {"type": "string"}}
    return found


def _errors(name: str) -> Json:
    content = {"application/json": {"schema": _ref(name)}}
    told = {
        "400": "The request is wrong",
        "401": "No key, or one that is not valid",
        "402": "Nothing fits the money left",
        "403": "The key may not do this, or a web page from elsewhere asks",
        "404": "No such model, decision or path",
        "413": "Too large, too deep, too many messages",
        "415": "A web page must send JSON, and nobody a compressed body",
        "422": "Nothing registered can honour the request",
        "429": "A rate limit",
        "431": "The headers are too large",
        "500": "An error of the router itself",
        "502": "A provider failed",
        "503": "No provider is configured, or too many requests",
        "504": "Time ran out",
    }
    return {status: {"description": text, "content": content} for status, text in told.items()}


def _object(required: list[str], **properties: Any) -> Json:
    return {"type": "object", "required": required, "properties": properties}


def _schemas() -> Json:
    text: Json = {"type": "string"}
    texts: Json = {"type": "array", "items": text}
    count: Json = {"type": "integer", "minimum": 1}
    flag: Json = {"type": ["boolean", "null"]}
    anything: Json = {"type": "object"}
    model = {"type": "string", "minLength": 1, "description": "auto, router/POLICY, or a registered model."}
    hints = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "task": {"enum": list(TASKS)},
            "input": {"type": "string", "minLength": 1},
            "labels": {
                "type": "array",
                "items": {"type": "string", "minLength": 1},
                "minItems": 2,
                "uniqueItems": True,
            },
            "max_usd": {"type": ["number", "string"], "minimum": 0},
            "max_latency_ms": {"type": ["number", "string"], "minimum": 0},
            "tenant": {"type": "string", "minLength": 1},
            "policy": {"type": "string", "minLength": 1},
            "session": {"type": "string", "minLength": 1},
        },
    }
    common = {"model": model, "stream": flag, "router": _ref("Hints")}
    parts = {"type": "array", "items": anything}
    message = _object(
        ["role", "content"],
        role={"enum": ["system", "developer", "user", "assistant", "tool", "function"]},
        content={"oneOf": [text, parts, {"type": "null"}]},
    )
    usage = {"type": ["object", "null"]}
    error = {
        "message": text,
        "type": text,
        "param": {"type": ["string", "null"]},
        "code": {"type": ["string", "null"]},
    }
    return {
        "Hints": hints,
        "ChatRequest": _object(
            ["messages"],
            messages={"type": "array", "items": message, "minItems": 1},
            tools={"type": "array", "items": anything},
            response_format=anything,
            n={"type": "integer", "minimum": 1, "maximum": 128},
            max_tokens=count,
            max_completion_tokens=count,
            **common,
        ),
        "RouteRequest": {
            "anyOf": [_ref("ChatRequest"), _object(["prompt"], prompt=text, router=_ref("Hints"))],
        },
        "CompletionRequest": _object(
            ["prompt"],
            prompt={"oneOf": [text, {"type": "array", "items": text, "minItems": 1, "maxItems": 1}]},
            max_tokens=count,
            echo=flag,
            **common,
        ),
        "ResponseRequest": _object(
            ["input"],
            input={"oneOf": [text, {"type": "array", "items": anything}]},
            instructions={"type": ["string", "null"]},
            max_output_tokens=count,
            tools={"type": "array", "items": anything},
            **common,
        ),
        "MessageRequest": _object(
            ["messages", "max_tokens"],
            messages={"type": "array", "items": anything, "minItems": 1},
            system={"oneOf": [text, parts]},
            max_tokens=count,
            **common,
        ),
        "CountRequest": _object(
            ["messages"],
            messages={"type": "array", "items": anything, "minItems": 1},
            system={"oneOf": [text, parts]},
            model=model,
        ),
        "EmbeddingRequest": _object(
            ["input"],
            input={"oneOf": [text, {**texts, "minItems": 1}, {"type": "array", "items": {"type": "integer"}}]},
            model=model,
            router=_ref("Hints"),
        ),
        "FeedbackRequest": {
            **_object(
                ["decision_id", "verdict"],
                decision_id={"type": "string", "minLength": 1},
                verdict={"enum": ["good", "bad"]},
                label={"type": ["string", "null"], "minLength": 1, "maxLength": 200},
            ),
            "additionalProperties": False,
        },
        "ChatCompletion": _object(
            ["id", "object", "choices"], id=text, object={"const": "chat.completion"}, choices=parts, usage=usage
        ),
        "Completion": _object(
            ["id", "object", "choices"], id=text, object={"const": "text_completion"}, choices=parts, usage=usage
        ),
        "Response": _object(
            ["id", "object", "output", "status"], id=text, object={"const": "response"}, output=parts, status=text
        ),
        "Message": _object(
            ["id", "type", "role", "content", "usage"], id=text, type={"const": "message"}, content=parts
        ),
        "List": _object(["data"], data=parts),
        "Route": _object(["decision", "quote", "receipt"], decision=anything, quote=anything, receipt=text),
        "Receipt": _object(["decision", "outcome"], decision=anything, outcome=anything),
        "Taken": _object(["decision_id", "taken"], decision_id=text, taken={"const": True}),
        "Error": _object(["error"], error=_object(["message", "type", "param", "code"], **error)),
        "AnthropicError": _object(
            ["type", "error"], type={"const": "error"}, error=_object(["type", "message"], type=text, message=text)
        ),
    }
