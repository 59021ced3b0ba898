"""Documents say what is true: figures come from results, examples run, named commands and files exist."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from router import Router
from router.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])


def test_figures_are_those_of_the_results() -> None:
    done = subprocess.run(
        [sys.executable, "benchmarks/render.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}run: python benchmarks/render.py"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", document.read_text(encoding="utf-8")):
        assert (document.parent / target).exists(), target


def test_readme_names_only_commands_that_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^    router ([\w-]+)", text, re.MULTILINE))
    assert named == set(COMMANDS)


def test_readme_example_runs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    decide, _, complete = code.partition("answer =")
    assert complete
    for name in ("ROUTER_CONFIG", "ROUTER_POLICY", "ROUTER_UPSTREAM", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    exec(compile(decide, "README.md", "exec"), {})
    assert capsys.readouterr().out.startswith("local ")


def test_quickstart_s_example_is_answered_locally() -> None:
    text = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")
    (prompt,) = set(re.findall(r'^    router (?:explain|route --text) "(.*)"$', text, re.MULTILINE))
    with Router() as router:
        assert router.decide(prompt).target.kind == "local"


def test_quickstart_s_hints_are_answered_locally(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8"), re.DOTALL
    )
    exec(compile(code, "quickstart.md", "exec"), {})
    assert capsys.readouterr().out == "positive\n"


def test_readme_s_curl_is_answered_locally() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (body,) = re.findall(r"-d '(\{.*\})'$", text, re.MULTILINE)
    with Router() as router:
        assert router.decide(json.loads(body)).target.kind == "local"
