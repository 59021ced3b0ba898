"""The JSON Schema of policy and test files, for editors: completion, hover and a first check while typing.

What a schema cannot say (names of rules, thresholds, circles) is left to ``router policy check``.
"""

from __future__ import annotations

from typing import Any

from ..spec import model_of
from .example_schema import ExamplesText
from .schema import PolicyText

__all__ = ["examples_schema", "policy_schema"]

# Models in which a key without a value means something.
_NULLABLE = frozenset({"Observed", "ThenPatch"})


def policy_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a policy file."""
    return _schema(PolicyText, "Policy of guide-router")


def examples_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a file of policy tests (``*_test.yaml``)."""
    return _schema(ExamplesText, "Tests of a policy of guide-router")


def _schema(kind: type[PolicyText] | type[ExamplesText], title: str) -> dict[str, Any]:
    found = model_of(kind).model_json_schema(by_alias=True)
    definitions = {name: _tidied(part, nullable=name in _NULLABLE) for name, part in found.pop("$defs").items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_tidied(found, nullable=False),
        "title": title,
        "$defs": dict(sorted(definitions.items())),
    }


def _tidied(node: Any, *, nullable: bool) -> Any:
    """Without titles that repeat the key, without defaults of None, and without ``null`` where it is an error."""
    if isinstance(node, list):
        return [_tidied(part, nullable=nullable) for part in node]
    if not isinstance(node, dict):
        return node
    kept = {
        key: (
            {name: _tidied(part, nullable=nullable) for name, part in value.items()}
            if key == "properties"
            else _tidied(value, nullable=nullable)
        )
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str)) and not (key == "default" and value in (None, {}, []))
    }
    options = kept.get("anyOf")
    if options and not nullable:
        options = [option for option in options if option != {"type": "null"}]
        if len(options) == 1:
            kept.pop("anyOf")
            return {**options[0], **kept}
        kept["anyOf"] = options
    return kept
