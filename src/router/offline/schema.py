"""The published JSON Schema of a Decision: ``python -m router.offline.schema > docs/decision.schema.json``."""

from __future__ import annotations

import inspect
import json
import re
import sys
from typing import Any

import msgspec

from ..types import Contract, Decision, Flag, LocalEvidence, Signal, Split, TokenCount

__all__ = ["decision_schema"]

_SIGNALS: dict[str, Any] = {
    "task": Signal[str],
    "contract": Signal[Contract],
    "split": Signal[Split],
    "language": Signal[str],
    "tokens": Signal[TokenCount],
    "safety": Signal[tuple[Flag, ...]],
    "pii": Signal[tuple[Flag, ...]],
    "local": Signal[LocalEvidence],
    "annotated": Signal[int],
    "ood": Signal[str],
    "intents": Signal[int],
    "few_shot": Signal[int],
    "stakes": Signal[str],
    "resource": Signal[str],
    **dict.fromkeys(
        (
            "context",
            "knowledge",
            "symbols",
            "inverse",
            "adversarial",
            "noise",
            "reasoning",
            "explanation",
            "agent",
        ),
        Signal[bool],
    ),
}


def decision_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of ``router decide``'s rows, ``/v1/route`` and the ledger's ``decision``."""
    types = [Decision, *_SIGNALS.values()]
    refs, components = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    for component in components.values():
        # msgspec before 0.23 keeps the indentation of docstrings.
        if "description" in component:
            component["description"] = inspect.cleandoc(component["description"])
    names = dict(zip(["Decision", *_SIGNALS], refs, strict=True))
    decision = components["Decision"]
    decision["properties"]["signals"] = {
        "type": "object",
        "description": "Every computed signal by name; a null value is unknown: never clean, false or zero.",
        "properties": {name: names[name] for name in sorted(_SIGNALS)},
        "additionalProperties": {"$ref": "#/$defs/Signal_Any_"},
    }
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Decision",
        "description": "Who answers a request, who is next, and the whole reasoning as data.",
        **names["Decision"],
        "$defs": dict(sorted(components.items())),
    }
    # A generic's name says in which module its argument stands, which is nobody's business outside.
    renamed: dict[str, Any] = json.loads(re.sub(r"router\.types\.(?:\w+\.)?", "", json.dumps(schema)))
    return renamed


if __name__ == "__main__":
    json.dump(decision_schema(), sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")
