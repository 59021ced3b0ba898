"""``store_kind`` in its four values, and ``open_store`` for one more view of the same accounts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import stores


@pytest.fixture(params=stores.KINDS)
def store_kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    stores.require(kind)
    return kind


@pytest.fixture
def open_store(store_kind: str, tmp_path: Path) -> Iterator[stores.Open]:
    found = stores.Open(store_kind, tmp_path)
    yield found
    found.close()


@pytest.fixture(scope="session", autouse=True)
def clean() -> Iterator[None]:
    yield
    stores.drop_schemas()
