"""The tree's order is the import order; the pure floors touch no world; `import router` stays light."""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

import router

SOURCE = Path(__file__).parents[2] / "src" / "router"

ORDER = [
    "errors",
    "_ngrams",
    "compiled",
    "types",
    "units",
    "patterns",
    "draws",
    "document",
    "yamlfile",
    "spec",
    "typed",
    "price",
    "catalogue",
    "deployments",
    "features",
    "known_ngrams",
    "reading",
    "contract",
    "redact",
    "wire",
    "signals",
    "policy",
    "selection",
    "telemetry",
    "state",
    "local",
    "backends",
    "config",
    "deciding",
    "engine",
    "embedding",
    "stores",
    "models",
    "shelf",
    "fleet",
    "inputs",
    "plugins",
    "assemble",
    "loop_thread",
    "answers",
    "api",
    "offline",
    "testing",
    "proxy",
    "cli",
]
PURE = ORDER[: ORDER.index("telemetry")]
WORLD = {
    "asyncio", "os", "time", "pathlib", "threading", "socket", "subprocess", "sqlite3", "random", "secrets", "uuid",
    "logging", "aiohttp", "httpx", "requests", "litellm", "openai", "redis", "psycopg", "sklearn", "scipy", "torch",
    "onnxruntime", "transformers", "tokenizers", "uvicorn", "click", "rich", "safetensors",
}  # fmt: skip
PYDANTIC_ROOMS = {"spec.py", "typed.py"}
SKLEARN_ROOMS = {"offline"}

MODULES = sorted(
    path for path in SOURCE.rglob("*.py") if path.parent != SOURCE or path.stem not in {"__init__", "__main__"}
)


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path) -> list[tuple[str, int]]:
    """All imports of a module, late ones included, type-checking ones too; package-internal ones as ``router.x.y``."""
    parents = path.relative_to(SOURCE).parts[:-1]
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.append((node.module or "", node.lineno))
        elif isinstance(node, ast.ImportFrom):
            base = ["router", *parents][: len(parents) + 2 - node.level]
            if node.module:
                found.append((".".join([*base, node.module]), node.lineno))
            else:
                found += [(".".join([*base, alias.name]), node.lineno) for alias in node.names]
    return found


def test_every_module_has_a_room() -> None:
    assert {room(path) for path in MODULES} <= set(ORDER)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_module_imports_only_what_stands_above(path: Path) -> None:
    own = ORDER.index(room(path))
    for name, line in imports(path):
        parts = name.split(".")
        if parts[0] != "router":
            continue
        assert len(parts) > 1, f"{path}:{line} imports the root package"
        assert ORDER.index(parts[1]) <= own, f"{path}:{line} imports {name}, which stands below it"


@pytest.mark.parametrize(
    "path", [path for path in MODULES if room(path) in PURE], ids=lambda path: str(path.relative_to(SOURCE))
)
def test_pure_module_imports_nothing_of_the_world(path: Path) -> None:
    for name, line in imports(path):
        assert name.split(".")[0] not in WORLD, f"{path}:{line} imports {name} above the line"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_heavy_packages_stay_in_their_rooms(path: Path) -> None:
    inside = path.relative_to(SOURCE).as_posix()
    for name, line in imports(path):
        top = name.split(".")[0]
        if top == "pydantic":
            assert inside in PYDANTIC_ROOMS, f"{path}:{line} imports pydantic"
        if top in {"sklearn", "scipy"}:
            assert room(path) in SKLEARN_ROOMS, f"{path}:{line} imports {top}"
        if top == "litellm":
            assert inside.startswith(("backends/litellm", "testing/")), f"{path}:{line} imports litellm"


def test_no_module_changes_globals() -> None:
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not isinstance(node, ast.Global), f"{path}:{node.lineno} uses global"


def test_import_router_loads_nothing_heavy() -> None:
    code = "import router, sys, json; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    loaded = set(json.loads(subprocess.check_output([sys.executable, "-c", code], text=True)))
    assert not loaded & {"litellm", "sklearn", "scipy", "torch", "numpy", "pydantic", "aiohttp", "click", "uvicorn"}


def test_router_class_loads_neither_litellm_nor_sklearn() -> None:
    code = "from router import Router; Router; import sys, json; print(json.dumps(sorted(sys.modules)))"
    loaded = {
        name.split(".")[0] for name in json.loads(subprocess.check_output([sys.executable, "-c", code], text=True))
    }
    assert not loaded & {"litellm", "sklearn", "scipy", "torch", "openai", "uvicorn", "click", "rich"}


def test_sidecar_loads_nothing_that_it_does_not_serve_with() -> None:
    code = "import router.proxy.server, router.proxy.workers, sys, json; print(json.dumps(sorted(sys.modules)))"
    loaded = set(json.loads(subprocess.check_output([sys.executable, "-c", code], text=True)))
    unused = {"pydantic", "yaml", "litellm", "sklearn", "safetensors", "aiohttp", "uvicorn", "click", "multiprocessing"}
    assert not loaded & (unused | {"importlib.metadata", "logging.config", "email.message", "http.client"})


def test_public_face_is_pinned() -> None:
    import router

    assert router.__all__ == [
        "Answer", "AnswerStream", "AsyncAnswerStream", "Budget", "BudgetExceeded", "ConfigError", "DeadlineExceeded",
        "DeadlineInfeasible", "Decision", "Hints", "NoCandidate", "NotConfigured", "Outcome", "Request",
        "RequestError", "Router", "RouterError", "UpstreamError", "Verdict", "__version__",
    ]  # fmt: skip
    for name in router.__all__:
        assert getattr(router, name) is not None


def test_unknown_public_name_is_an_attribute_error() -> None:
    import router

    with pytest.raises(AttributeError, match="no attribute 'Rooter'"):
        _ = router.Rooter


def test_patterns_that_are_compiled_late_are_right() -> None:
    found = 0
    for info in pkgutil.walk_packages(router.__path__, "router."):
        if info.name.startswith(("router.signals", "router.contract")):
            module = importlib.import_module(info.name)
            found += sum(bool(pattern.flags) for value in vars(module).values() for pattern in _late_patterns(value))
    assert found > 100


def _late_patterns(value: object) -> Iterator[re.Pattern[str]]:
    if type(value).__name__ == "_LatePattern":
        yield cast("re.Pattern[str]", value)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _late_patterns(item)
    elif type(value) is dict:
        yield from _late_patterns(list(value.values()))


def test_test_files_have_names_of_their_own() -> None:
    # pytest imports them by their bare names: two of one name end the whole run.
    names = [path.name for path in Path(__file__).parents[1].rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
