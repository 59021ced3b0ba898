from __future__ import annotations

import json
from pathlib import Path

from router.offline.schema import decision_schema

PUBLISHED = Path(__file__).parents[2] / "docs" / "decision.schema.json"


def test_published_schema_is_the_codes() -> None:
    assert json.loads(PUBLISHED.read_text(encoding="utf-8")) == json.loads(json.dumps(decision_schema())), (
        "run: python -m router.offline.schema > docs/decision.schema.json"
    )


def test_schema_promises_the_fields_people_read() -> None:
    schema = decision_schema()
    decision = schema["$defs"]["Decision"]
    assert {"task", "target", "rules", "signals", "candidates", "estimate"} <= set(decision["required"])
    assert schema["$defs"]["TaskReading"]["required"][:2] == ["label", "probability"]
    assert {"contract", "split", "safety", "language"} <= set(decision["properties"]["signals"]["properties"])
