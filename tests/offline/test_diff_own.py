"""Comparing policies that bring models, signals, fallbacks and mirrors of their own, with no key, server or store."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from router import Router
from router.config import Settings
from router.offline.bench import OpenBench
from router.offline.diff import Diff, diff
from router.offline.traffic import Compared, compare_rows
from router.selection.beside import copy_of
from router.selection.redecide import facts_of
from router.types import Outcome, Record
from router.wire.openai import read_row

PROMPTS = ["I am furious about my parcel", "Where is my parcel?", "Tell me a story about the sea"]
ROWS = [json.dumps({"prompt": prompt}).encode() for prompt in PROMPTS]
HEAD = """policy: {name}
otherwise: {{prefer: llm, tier: small}}
models:
  - {{name: luna, model: openai/x, tier: small, price_per_million: {{input: $1, output: $1}}}}
  - {{name: sol, model: openai/y, tier: large, price_per_million: {{input: $10, output: $10}}}}
  - {{name: shade, model: openai/z, tier: small, price_per_million: {{input: $2, output: $2}}}}
"""
ANGRY = (
    "signals: {mood: {keywords: [furious]}}\nrules: [{id: ANGRY, when: {custom: {mood: true}}, then: {%s}, why: w}]\n"
)


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "set on this machine alone")

    def written(name: str, text: str = "") -> str:
        Path(f"{name}.yaml").write_text(HEAD.format(name=name) + text)
        return f"{name}.yaml"

    return written


def compared(old: str, new: str, rows: list[bytes] = ROWS) -> tuple[list[Compared], Diff]:
    found = list(compare_rows(rows, old, new, OpenBench(None)))
    return found, diff(found)


def models(rows: list[Compared], side: str) -> list[str | None]:
    return [getattr(row, side).model for row in rows if getattr(row, side) is not None]


def test_each_side_has_its_own_models_and_signals(write) -> None:
    plain, angry = write("plain"), write("angry", ANGRY % "tier: large")
    rows, found = compared(plain, angry)
    assert (models(rows, "old"), models(rows, "new")) == (["luna"] * 3, ["sol", "luna", "luna"])
    assert found.flows == {"llm/small -> llm/small": 2, "llm/small -> llm/large": 1}
    rows, _ = compared("guide", angry)
    assert "sol" not in models(rows, "old")
    assert models(rows, "new")[0] == "sol"


def test_a_signal_of_one_name_means_what_each_file_says(write) -> None:
    angry = write("angry", ANGRY % "tier: large")
    sea = write("sea", ANGRY.replace("furious", "sea") % "tier: large")
    rows, _ = compared(angry, sea)
    assert (models(rows, "old"), models(rows, "new")) == (["sol", "luna", "luna"], ["luna", "luna", "sol"])


def test_keys_that_are_set_change_nothing(write, monkeypatch: pytest.MonkeyPatch) -> None:
    angry = write("angry", ANGRY % "tier: large")
    with_key = compared("guide", angry)
    monkeypatch.delenv("OPENAI_API_KEY")
    assert compared("guide", angry) == with_key


def test_copies_and_fallbacks_are_told(write) -> None:
    plain = write("plain")
    copied = write("copied", ANGRY % "mirror: {to: shade, share: 30%}, fallback: [sol]")
    rows, found = compared(plain, copied)
    assert [row.new.copies for row in rows if row.new] == [0.3, 0.0, 0.0]
    assert (found.changed, found.refallen) == (0, 1)
    assert found.copied == (0.0, pytest.approx(10.0))
    assert found.copies.new > found.copies.old == 0.0
    assert found.cost.change == 0.0
    assert found.measured()["copied"] == pytest.approx(10.0)


def records(policy: str) -> list[Record]:
    with Router(Settings(policy=policy)) as router:
        found = []
        for row in ROWS:
            request = read_row(row)
            decision = router.engine.decide(request)
            found.append(Record(decision=decision, outcome=Outcome(status="answered"), asked=facts_of(request)))
    return found


def lines(found: list[Record]) -> list[bytes]:
    return [msgspec.json.encode(record, order="deterministic") for record in found]


def test_copies_in_a_ledger_are_no_requests(write) -> None:
    angry = write("angry", ANGRY % "tier: large, mirror: {to: shade, share: 100%}")
    asked = records(angry)
    assert [record.decision.mirrors for record in asked] == [("shade",), (), ()]
    copy = copy_of(asked[0].decision, "shade", "mirror-shade", None)
    with_copy = [*asked, msgspec.structs.replace(asked[0], decision=copy)]
    assert compared(angry, "guide", lines(with_copy))[1].rows == 3


def test_a_recorded_signal_counts_only_under_its_definition(write) -> None:
    angry, plain = write("angry", ANGRY % "tier: large"), write("plain")
    ledger = lines(records(angry))
    # The new policy is the one of the ledger, or defines the signal alike.
    for same in (angry, write("alike", ANGRY % "tier: large, warn: x")):
        rows, found = compared(plain if same == angry else angry, same, ledger)
        assert models(rows, "new") == ["sol", "luna", "luna"]
        assert found.missing == {}
    # It defines it in another way: what was recorded does not count, and that is said.
    other = write("other", ANGRY.replace("furious", "sea") % "tier: large")
    rows, found = compared(angry, other, ledger)
    assert (models(rows, "old"), models(rows, "new")) == (["sol", "luna", "luna"], ["luna"] * 3)
    assert found.missing == {"mood": 3}


def test_what_no_rule_would_read_is_not_missed(write) -> None:
    """Signals that are computed only when they matter are no gap where they do not."""
    ledger = lines(records("guide"))
    assert compared("guide", "guide", ledger)[1].missing == {}
