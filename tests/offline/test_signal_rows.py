"""Rows that the shipped signals are trained on: which are taken, how they weigh, what the written ones look like."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from router.offline.signal_rows import RISKS, WRITTEN, inputs, is_own, read_rows, task_rows
from router.types import TASKS


def pack(path: Path, rows: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("\n".join(json.dumps(row) for row in rows).encode()))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    free = [{"prompt": f"Is it good? {n}", "task": "sentiment", "source": "a/free", "dataset": "d1"} for n in range(9)]
    bound = [{"prompt": "Sum up.", "task": "summarization", "source": "b/bound", "dataset": "d2"}]
    pack(tmp_path / "tasks" / "train.jsonl.gz", free + bound)
    pack(tmp_path / "tasks" / "chat_train.jsonl.gz", [{"prompt": "hi", "task": "dialogue"}])
    pack(tmp_path / "experts_permissive" / "notes" / "train.jsonl.gz", [{"text": "A note on the door.", "label": "x"}])
    licences = {"a/free": {"licence_class": "permissive"}, "b/bound": {"licence_class": "non-commercial"}}
    (tmp_path / "sources.json").write_text(json.dumps(licences))
    return tmp_path


def test_rows_under_other_licences_stay_out(data: Path) -> None:
    assert {row.group for row in task_rows(data) if not is_own(row)} == {"d1"}


def test_kinds_of_rows_weigh_as_asked(data: Path) -> None:
    rows = task_rows(data, chat_share=0.3, written_share=0.5)
    shares = dict.fromkeys(("chat", "written", "d1"), 0.0)
    for row in rows:
        shares[row.group.split(":")[0]] += row.weight / len(rows)
    assert shares == pytest.approx({"chat": 0.3, "written": 0.5, "d1": 0.2})


def test_inputs_name_their_set(data: Path) -> None:
    assert inputs(data) == [("A note on the door.", "notes")]


def test_written_requests_are_labelled_once() -> None:
    seen: dict[str, str] = {}
    for path in sorted(WRITTEN.glob("requests*.jsonl")):
        for row in read_rows(path):
            assert row["task"] in TASKS
            assert seen.setdefault(row["prompt"], row["task"]) == row["task"], row["prompt"]


def test_written_risks_are_labelled_once() -> None:
    seen: dict[str, str] = {}
    for path in sorted(WRITTEN.glob("risk*.jsonl")):
        for row in read_rows(path):
            assert row["flag"] in (*RISKS, "benign"), row
            assert row["where"] in ("user", "data", "answer"), row
            assert row["pair"], row
            assert seen.setdefault(row["prompt"], row["flag"]) == row["flag"], row["prompt"]
