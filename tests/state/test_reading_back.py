"""Commands that read records back: the same from a file of JSON lines, SQLite and PostgreSQL."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import stores

from router import Router
from router.cli.main import _run
from router.config import Settings
from router.selection.redecide import facts_of
from router.state.jsonl import JsonlSink
from router.state.ledger import LedgerWriter
from router.state.postgres import PostgresSink
from router.state.sqlite import SqliteSink
from router.types import Outcome, Record
from router.wire.openai import read_row

PROMPTS = [
    "Write a story about a fox who learns to read.",
    "What is 17 * 23 + 4? Think step by step.",
    "Translate into French: The contract ends in May.",
    "Write a Python function that reverses a list.",
]


@pytest.fixture(params=["jsonl", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A configuration whose ledger holds a record a prompt."""
    if request.param == "postgres":
        stores.require("postgres")
        place = stores.schema_url(stores.fresh_name())
        sink = PostgresSink(place)
    else:
        place = str(tmp_path / ("ledger.jsonl" if request.param == "jsonl" else "ledger.db"))
        sink = JsonlSink(Path(place)) if request.param == "jsonl" else SqliteSink(Path(place))
    ledger = LedgerWriter(sink, spool=tmp_path / "spool")
    router = Router(Settings())
    for at, prompt in enumerate(PROMPTS):
        request_ = read_row(json.dumps({"prompt": prompt}).encode())
        decision = router.engine.decide(request_)
        ledger.append(
            Record(
                id=f"r{at}", at_s=1.8e9 + at, decision=decision, outcome=Outcome(status="answered"),
                asked=facts_of(request_),
            )
        )  # fmt: skip
    ledger.close()
    if request.param == "jsonl":  # a spool that was replayed twice writes a record again
        Path(place).write_bytes(Path(place).read_bytes() + Path(place).read_bytes().splitlines(keepends=True)[-1])
    path = tmp_path / "router.yaml"
    key = "url" if request.param == "postgres" else "path"
    path.write_text(json.dumps({"policy": "guide", "ledger": {key: place}}), encoding="utf-8")
    return path


def test_any_ledger_is_replayed(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(["replay", "-c", str(config), "--strict"]) == 0
    assert "4 records: 4 the same byte for byte" in capsys.readouterr().out


def test_any_ledger_is_compared(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(["policy", "diff", "guide", "quality-first", "-c", str(config), "-j", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"], found["errors"]) == (4, 0)
    assert found["changed"] > 0


def test_a_ledgers_file_may_be_named(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = json.loads(config.read_text(encoding="utf-8"))["ledger"].get("path")
    if path is None:
        assert _run(["replay", "nowhere.db", "-c", str(config)]) == 1
        assert "there is no ledger yet" in capsys.readouterr().err
        return
    assert _run(["replay", path, "-c", str(config), "--strict"]) == 0
    assert _run(["policy", "diff", "guide", "guide", "--on", path, "-c", str(config), "-j", "1", "--json"]) == 0
    told = capsys.readouterr().out
    assert json.loads(told[told.index("{") :])["changed"] == 0


def test_savings_are_the_same_from_any_ledger(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(["savings", "-c", str(config), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["requests"] == 4
    assert {single["model"] for single in found["singles"]}
