"""``router policy check`` and ``test`` as a user runs them, and the pytest plugin in a pytest of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest

from router.cli.main import _run

POLICY = """\
policy: mine
description: Long reads go to the larger tier.
extends: guide
rules:
  - id: LONG
    when: {tokens.input: ">8000"}
    then: {tier: large}
    why: Small models lose the thread.
  - id: ACME
    when: {tenant: acme}
    then: {forbid: llm}
    why: Their contract.
examples:
  - name: a long document
    signals: {task: summarization, tokens: [20000, 300, 1000], safety: []}
    expect: {prefer: llm, tier: large, decided_by: LONG}
"""
TESTS = """\
policy: mine.yaml
examples:
  - name: a story, read by the detectors
    request: Write a story about a fox.
    expect: {target: llm, decided_by: GEN-04}
  - name: code is local
    signals: {task: code, safety: []}
    expect: {prefer: local}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine.yaml").write_text(POLICY, encoding="utf-8")
    (tmp_path / "mine_test.yaml").write_text(TESTS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for name in ("ROUTER_CONFIG", "ROUTER_POLICY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_suite_tells_difference_place_and_coverage(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(["policy", "test", "mine.yaml", "--junit", "out.xml"]) == 1
    out = capsys.readouterr().out
    assert "mine_test.yaml:6:5: code is local\n  prefer: expected local, got llm\n  decided by GEN-05" in out
    assert "mine.yaml: 3 examples, 1 failed; 1 of 2 own rules fired (50%); never fired: ACME" in out
    root = fromstring((folder / "out.xml").read_text(encoding="utf-8"))
    assert (root.get("tests"), root.get("failures")) == ("3", "1")
    failed = [case.get("name") for case in root.iter("testcase") if case.find("failure") is not None]
    assert failed == ["code is local"]
    assert {case.get("line") for case in root.iter("testcase")} == {"14", "3", "6"}


def test_coverage_can_be_demanded(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "mine_test.yaml").unlink()
    assert _run(["policy", "test", "mine.yaml", "--min-coverage", "50"]) == 0
    assert _run(["policy", "test", "mine.yaml", "--min-coverage", "80"]) == 1


def test_folder_runs_all_its_test_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(["policy", "test", "."]) == 1
    assert "3 examples, 1 failed" in capsys.readouterr().out


def test_check_proves_and_shows(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(["policy", "check", "mine.yaml"]) == 0
    rule = "  - {id: DEAD, when: {tokens.input: '>9000, <100'}, then: {warn: x}, why: w}\nexamples:"
    (folder / "mine.yaml").write_text(POLICY.replace("examples:", rule), encoding="utf-8")
    capsys.readouterr()
    assert _run(["policy", "check", "--json", "mine.yaml"]) == 1
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    errors = [each for each in found if each["severity"] == "error"]
    assert [(each["kind"], each["rule"], each["place"]["line"]) for each in errors] == [("unreachable", "DEAD", 13)]


def test_check_tells_a_slip_with_place_and_guess(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "mine.yaml").write_text(
        POLICY.replace("tier: large}\n    why", "teir: large}\n    why"), encoding="utf-8"
    )
    assert _run(["policy", "check", "mine.yaml"]) == 1
    assert 'mine.yaml:7:12: unknown key "teir"; did you mean "tier"?' in capsys.readouterr().err


def test_request_and_signals_exclude_one_another(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "mine_test.yaml").write_text(
        "policy: mine.yaml\nexamples: [{name: n, request: hi, tenant: x, expect: {target: llm}}]\n", encoding="utf-8"
    )
    assert _run(["policy", "test", "mine_test.yaml"]) == 1
    assert "a request or tenant, not both" in capsys.readouterr().err


def test_plugin_collects_files_and_asserts_routes(folder: Path) -> None:
    (folder / "test_routes.py").write_text(
        "def test_story(assert_routes):\n"
        "    decision = assert_routes('Write a story about a fox.', to='llm', rule='GEN-04', task='open_generation')\n"
        "    assert decision.target.tier == 'small'\n"
        "def test_wrong(assert_routes):\n"
        "    assert_routes('Write a story about a fox.', to='local', fired=['LONG'])\n",
        encoding="utf-8",
    )
    # Where the package is installed, its entry point has registered the plugin.
    is_installed = any(point.value == "router.testing.plugin" for point in entry_points(group="pytest11"))
    named = [] if is_installed else ["-p", "router.testing.plugin"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *named, "-p", "no:asyncio", "-p", "no:xdist", "."],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )
    assert "2 failed, 2 passed" in done.stdout
    assert "target: expected local, got llm" in done.stdout
    assert "fired: LONG did not fire" in done.stdout
    assert "prefer: expected local, got llm" in done.stdout


def test_an_example_that_nobody_can_decide_fails_by_itself(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("odd_test.yaml").write_text(
        "policy: guide\nexamples:\n"
        "  - {name: no body, request: {messages: 3}, expect: {target: llm}}\n"
        '  - {name: "a \\u0001 name", signals: {task: code}, expect: {prefer: local}}\n'
        "  - {name: fine, signals: {task: code, safety: []}, expect: {prefer: llm}}\n"
    )
    assert _run(["policy", "test", "odd_test.yaml", "--junit", "odd.xml"]) == 1
    told = capsys.readouterr().out
    assert "odd_test.yaml:3:5: no body\n  nothing is decided: RequestError: messages must be a list" in told
    assert "3 examples, 2 failed" in told
    suites = fromstring(Path("odd.xml").read_text(encoding="utf-8"))
    assert (suites.get("tests"), suites.get("failures")) == ("3", "2")


def test_examples_need_no_keys(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is registered decides, not what could be called from here."""
    Path("models.yaml").write_text(
        "policy: models\notherwise: {prefer: llm, tier: large}\nmodels:\n"
        "  - {name: near, model: m, backend: openai, api_base: 'http://127.0.0.1:1/v1', tier: small}\n"
        "  - {name: far, model: openai/x, tier: large, key_env: NOWHERE_SET}\n"
        "examples: [{name: far it is, request: Hello, expect: {model: far}}]\n"
    )
    assert _run(["policy", "test", "models.yaml"]) == 0
