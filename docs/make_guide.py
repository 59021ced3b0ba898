"""Write docs/guide.md from policies/guide.yaml: ``python docs/make_guide.py``. A test compares the two."""

from __future__ import annotations

from pathlib import Path

from router.policy.compile import compile_policy
from router.policy.describe import describe_policy
from router.policy.read import resolve

DOCS = Path(__file__).resolve().parent
HEAD = """<!-- Made by docs/make_guide.py from policies/guide.yaml; change that file and run the script again. -->

"""


def load(name: str) -> tuple[str, str]:
    path = DOCS.parent / "policies" / f"{name}.yaml"
    return path.name, path.read_text(encoding="utf-8")


def guide_page() -> str:
    return HEAD + describe_policy(compile_policy(resolve("guide", load)))


if __name__ == "__main__":
    (DOCS / "guide.md").write_text(guide_page(), encoding="utf-8")
