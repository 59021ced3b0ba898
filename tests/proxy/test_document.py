"""The published OpenAPI document: it is what the sidecar serves, and the sidecar does what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from router.proxy.document import document

PUBLISHED = Path(__file__).parents[2] / "docs" / "openapi.json"
schema = schemathesis.openapi.from_dict(document())


def test_document_is_published(sidecar: str) -> None:
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    assert published == document(), "write it again with: python docs/make_openapi.py"
    with urlopen(f"{sidecar}/openapi.json", timeout=10) as answer:
        assert json.load(answer) == published


@schema.parametrize()
@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_sidecar_does_what_the_document_says(case: Any, sidecar: str) -> None:
    response = case.call(base_url=sidecar, timeout=30)
    case.validate_response(
        response,
        checks=[status_code_conformance, content_type_conformance, response_schema_conformance],
        excluded_checks=[not_a_server_error],
    )
    # Without a provider, a hosted decision ends in 503 with a typed error; nothing ends in 500.
    assert response.status_code != 500, response.text
