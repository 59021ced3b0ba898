"""Policies of this repository and policies written in a test, read the way the package reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from router.policy.compile import CompiledPolicy, compile_policy
from router.policy.read import PolicyFile, resolve

ROOT = Path(__file__).resolve().parents[2]
Load = Callable[[str], tuple[str, str]]


@pytest.fixture(scope="session")
def load() -> Load:
    def load_builtin(name: str) -> tuple[str, str]:
        path = ROOT / "policies" / f"{name}.yaml"
        if not path.is_file():
            raise LookupError(name)
        return path.name, path.read_text(encoding="utf-8")

    return load_builtin


@pytest.fixture(scope="session")
def builtin(load: Load) -> Mapping[str, CompiledPolicy]:
    names = sorted(path.stem for path in (ROOT / "policies").glob("*.yaml"))
    return {name: compile_policy(resolve(name, load)) for name in names}


@pytest.fixture(scope="session")
def guide(builtin: Mapping[str, CompiledPolicy]) -> CompiledPolicy:
    return builtin["guide"]


@pytest.fixture(scope="session")
def read(load: Load) -> Callable[..., PolicyFile]:
    """Resolve a text; without ``whole`` it gets the keys that every policy needs."""

    def read_text(text: str, *, whole: bool = False) -> PolicyFile:
        head = "" if whole else "policy: mine\ndescription: A test.\notherwise: {prefer: llm}\n"
        return resolve(head + text + "\n", load, file="mine.yaml")

    return read_text
