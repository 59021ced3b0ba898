"""The form of an answer that a local model writes itself: entities, a span, a number, as text or into a JSON schema.

As with labels, what cannot be honoured exactly is not answered: every required field must be one that the model fills.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..catalogue import LocalCard
from ..types import Request
from .label_map import folded

__all__ = ["Unfit", "written"]

_FIELDS: Mapping[str, frozenset[str]] = {
    "text": frozenset({"text", "entity", "name", "value", "span", "word", "mention"}),
    "type": frozenset({"type", "label", "category", "entity type", "tag", "class"}),
    "start": frozenset({"start", "start char", "begin"}),
    "end": frozenset({"end", "end char", "stop"}),
}
_SAME: Mapping[str, str] = {
    "per": "person", "persons": "person", "people": "person", "loc": "location", "locations": "location",
    "org": "organization", "organisation": "organization", "organizations": "organization", "misc": "miscellaneous",
}  # fmt: skip


class Unfit(Exception):
    """The asked form cannot be written; the message says why, as a sentence without its full stop."""


def written(request: Request, card: LocalCard, value: Any) -> str:
    """The whole answer's text.

    Raises:
        Unfit: the request asks for a form that this value cannot fill exactly.
    """
    if request.tools and request.tool_choice != "none":
        raise Unfit("the answer may be a tool call")
    schema = request.json_schema
    if schema is None:
        if request.wants_json:
            raise Unfit("JSON is asked for without a schema")
        if card.head == "number":
            return f"{value:.4g}"
        return value if card.head == "span" else json.dumps(value, ensure_ascii=False)
    inner = schema.get("schema")
    found = _filled(inner if isinstance(inner, Mapping) else schema, card, value, 0)
    return json.dumps(found, ensure_ascii=False, separators=(", ", ": "))


def _filled(schema: Any, card: LocalCard, value: Any, depth: int) -> Any:
    if not isinstance(schema, Mapping) or depth > 8 or "$ref" in schema or "anyOf" in schema or "oneOf" in schema:
        raise Unfit("the schema is too deep or leaves a choice")
    properties = schema.get("properties")
    kind = schema.get("type")
    if isinstance(properties, Mapping):
        if len(properties) != 1:
            raise Unfit("the schema asks for more than one field")
        name, child = next(iter(properties.items()))
        return {str(name): _filled(child, card, value, depth + 1)}
    if card.head == "entities" and kind == "array":
        return _entities(schema.get("items"), card, value)
    if card.head == "span" and kind == "string" and not {"enum", "const", "pattern", "format"} & schema.keys():
        return value
    if card.head == "number" and kind in ("number", "integer"):
        return _number(schema, value, whole=kind == "integer")
    raise Unfit(f"the schema asks for {kind!r}, which {card.name} does not give")


def _number(schema: Mapping[str, Any], value: float, *, whole: bool) -> float:
    found = round(value) if whole else round(value, 4)
    low, high = schema.get("minimum", float("-inf")), schema.get("maximum", float("inf"))
    if {"exclusiveMinimum", "exclusiveMaximum", "multipleOf", "enum"} & schema.keys() or not low <= found <= high:
        raise Unfit("the number may not be what the schema allows")
    return found


def _entities(items: Any, card: LocalCard, value: list[dict[str, Any]]) -> list[Any]:
    if not isinstance(items, Mapping):
        raise Unfit("the schema does not say what an entity looks like")
    if items.get("type") == "string" and len(card.entity_types) == 1 and "enum" not in items:
        return [entity["text"] for entity in value]
    properties = items.get("properties")
    if not isinstance(properties, Mapping):
        raise Unfit("the schema does not say what an entity looks like")
    fields: dict[str, str] = {}
    for name in properties:
        mine = next((field for field, names in _FIELDS.items() if folded(str(name)) in names), None)
        if mine is None or mine in fields.values():
            raise Unfit(f"the schema asks for {name!r}, which {card.name} does not give")
        fields[str(name)] = mine
    if "text" not in fields.values():
        raise Unfit("the schema has no field for an entity's text")
    spelled = {entity_type: entity_type for entity_type in card.entity_types}
    for name, mine in fields.items():
        if mine == "type" and isinstance(child := properties[name], Mapping) and "enum" in child:
            spelled = _types(child["enum"], card)
    return [
        {name: spelled[entity["type"]] if mine == "type" else entity[mine] for name, mine in fields.items()}
        for entity in value
        if entity["type"] in spelled
    ]


def _types(asked: Any, card: LocalCard) -> dict[str, str]:
    known = {_canonical(entity_type): entity_type for entity_type in card.entity_types}
    found: dict[str, str] = {}
    for spelling in asked if isinstance(asked, list) else ():
        mine = known.get(_canonical(str(spelling)))
        if mine is None or mine in found:
            raise Unfit(f"{spelling!r} is no type of {card.name}")
        found[mine] = str(spelling)
    return found


def _canonical(name: str) -> str:
    plain = folded(name)
    return _SAME.get(plain, plain)
