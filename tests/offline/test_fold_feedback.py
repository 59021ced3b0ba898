"""Verdicts folded into learned quality: bounded, by task, and undone by the file before."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from router import Router
from router.cli.main import _run
from router.local.files import read_arrays
from router.offline.fit_quality import QualityFit, save_quality
from router.offline.outcomes import Outcomes
from router.signals.quality import LearnedQuality, quality_from_arrays
from router.state.feedback import read_feedback
from router.state.learning import completed
from router.types import Feedback, Outcome, Record

CONFIG = """
quality: {quality}
ledger: {{path: ledger.jsonl}}
deployments:
  - {{name: tiny, model: openai/small, tier: small, backend: openai, api_base: "http://127.0.0.1:9/v1",
      price_per_million: {{input: 1, output: 1}}}}
  - {{name: large, model: openai/large, tier: large, backend: openai, api_base: "http://127.0.0.1:9/v1",
      price_per_million: {{input: 10, output: 30}}}}
"""
STORY, CODE = "Write a story about a fox who learns to read.", "Write a Python function that reverses a list."


def quality(path: Path) -> LearnedQuality:
    return quality_from_arrays(*read_arrays(path))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A predictor that says 0.6 and 0.8 of everything."""
    path = tmp_path_factory.mktemp("fold") / "q.safetensors"
    prompts = tuple(f"tell number {at}" for at in range(60))
    scores = np.tile([[0.6, 0.8]], (60, 1))
    fit = QualityFit(alphas=(1e4,)).fit(
        Outcomes(prompts, ("d",) * 60, ("openai/small", "large"), scores, np.full((60, 2), np.nan))
    )
    save_quality(fit, path)
    return path


@pytest.fixture
def folder(base: Path, tmp_path: Path) -> Path:
    """Forty verdicts: the small model is good at stories and bad at code."""
    (tmp_path / "router.yaml").write_text(CONFIG.format(quality=base), encoding="utf-8")
    records, verdicts = [], []
    with Router.from_config(tmp_path / "router.yaml") as router:
        for at in range(80):
            decision = router.engine.decide(_request(STORY if at % 2 else CODE))
            outcome = Outcome(status="answered", model="tiny")
            records.append(Record(id=f"r{at}", decision=decision, outcome=outcome))
            told = Feedback(decision_id=decision.id, verdict="good" if at % 2 else "bad", at_s=float(at))
            # Half are told as the sidecar writes them, half as it did before it wrote who answered.
            verdicts.append(completed(told, records[-1]) if at % 4 < 2 else told)
    (tmp_path / "ledger.jsonl").write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in records))
    (tmp_path / "ledger.feedback.jsonl").write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in verdicts))
    return tmp_path


def _request(prompt: str):
    from router.api import as_request

    return as_request(prompt, {})


def fold(folder: Path, base: Path, out: str, *more: str) -> int:
    config = str(folder / "router.yaml")
    return _run(
        ["train-quality", "--from-ledger", "--base", str(base), "--out", str(folder / out), "-c", config, *more]
    )


def test_verdicts_move_a_model_by_task_within_the_bound(
    folder: Path, base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = base.read_bytes()
    assert fold(folder, base, "new.safetensors", "--max-shift", "0.15") == 0
    told = capsys.readouterr()
    assert "80 verdicts, 80 of them on predictions of" in told.err
    assert "openai/small, code: 40 verdicts" in told.err
    found = quality(folder / "new.safetensors")
    shifts = found.facts.shifts["openai/small"]
    assert (shifts["code"], shifts["open_generation"]) == (-0.15, 0.15)
    assert shifts["*"] == pytest.approx(0.8 * (0.5 - 0.6), abs=0.01)  # eighty verdicts count four fifths of themselves
    assert "large" not in found.facts.shifts
    assert base.read_bytes() == before
    assert found.name != quality(base).name


def test_a_router_expects_what_was_folded(folder: Path, base: Path) -> None:
    assert fold(folder, base, "new.safetensors") == 0

    def expected(path: Path, prompt: str) -> dict[str, float]:
        (folder / "router.yaml").write_text(CONFIG.format(quality=path), encoding="utf-8")
        with Router.from_config(folder / "router.yaml") as router:
            decision = router.decide(prompt)
        return {each.model: round(each.estimate.quality or 0, 2) for each in decision.candidates if each.kind == "llm"}

    assert expected(base, STORY) == expected(base, CODE) == {"tiny": 0.6, "large": 0.8}
    assert expected(folder / "new.safetensors", STORY) == {"tiny": 0.7, "large": 0.8}
    assert expected(folder / "new.safetensors", CODE) == {"tiny": 0.5, "large": 0.8}


def test_verdicts_count_once_over_two_folds(folder: Path, base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fold(folder, base, "one.safetensors") == 0
    # They were on predictions of the file before, and say nothing of this one.
    assert fold(folder, folder / "one.safetensors", "two.safetensors") == 1
    assert "0 of them on predictions of" in capsys.readouterr().err
    assert not (folder / "two.safetensors").exists()


def test_little_evidence_and_no_way_back_are_refused(
    folder: Path, base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fold(folder, base, "new.safetensors", "--least", "100") == 1
    assert "too little evidence" in capsys.readouterr().err
    (folder / "own.safetensors").write_bytes(base.read_bytes())
    assert fold(folder, folder / "own.safetensors", "own.safetensors") == 1
    assert "the way back" in capsys.readouterr().err
    assert _run(["train-quality", "--out", str(folder / "x")]) == 1
    assert _run(["train-quality", "--from-ledger", "--out", str(folder / "x")]) == 1


def test_verdicts_that_cannot_be_read_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_bytes(b'{"decision_id":"a","verdict":"good","at_s":1.0}\n{"decision_id":"b","ver')
    assert [each.decision_id for each in read_feedback(path)] == ["a"]
    assert read_feedback(tmp_path / "none.jsonl") == []
