"""``router bench`` and ``router train-quality`` on small, odd or empty files: figures, or a reason."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from router.cli.main import main
from router.offline.rivals import RIVALS

Score = Callable[[int, int], float]
Report = Callable[..., dict[str, Any]]
WORDS = ["river", "table", "music", "engine", "clock", "paper", "garden", "winter", "doctor", "market"]


def outcomes(
    folder: Path,
    score: Score,
    usd: Callable[[int, int], float | None] = lambda model, at: 0.001 * (1 + 9 * model),
    *,
    models: int = 2,
    prompts: int = 80,
    dataset: Callable[[int], str] = lambda at: "one",
) -> Path:
    chance = random.Random(5)
    path = folder / "outcomes.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for at in range(prompts):
            prompt = f"request {at}: {' '.join(chance.choices(WORDS, k=6))}"
            for model in range(models):
                told = {"prompt": prompt, "model": "abc"[model], "score": score(model, at), "cost_usd": usd(model, at)}
                file.write(json.dumps({**told, "dataset": dataset(at)}) + "\n")
    return path


def better(model: int, at: int) -> float:
    return float((at * 7 + model * 3) % 10 < 4 + 3 * model)


class Ran(msgspec.Struct):
    """How a command ended."""

    code: int
    output: str
    errors: str


Run = Callable[..., Ran]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("COLUMNS", "240")

    def command(*arguments: object) -> Ran:
        with pytest.raises(SystemExit) as end:
            main(list(map(str, arguments)))
        told = capsys.readouterr()
        assert "unexpected" not in told.err
        return Ran(int(end.value.code or 0), told.out, told.err)

    return command


@pytest.fixture
def bench(run: Run) -> Run:
    return lambda *arguments: run("bench", "--draws", 20, *arguments)


@pytest.fixture
def report(bench: Run) -> Report:
    def figures(*arguments: object) -> dict[str, Any]:
        done = bench("--json", *arguments)
        assert done.code == 0, done.errors
        found: dict[str, Any] = json.loads(done.output)
        return found

    return figures


def test_models_of_equal_quality_are_two_models_without_a_gap(tmp_path: Path, bench: Run, report: Report) -> None:
    found = report(outcomes(tmp_path, lambda model, at: float(at % 2)))
    assert found["pair"] == ["a", "b"]
    assert found["routers"]["router"]["pair"]["apgr"]["value"] is None
    assert "a is as good as b" in found["cautions"][0]
    assert "no gap" in " ".join(bench(tmp_path / "outcomes.jsonl").output.split())


def test_a_cheap_best_model_is_the_strong_one_and_named(tmp_path: Path, report: Report) -> None:
    found = report(outcomes(tmp_path, lambda model, at: better(1 - model, at)))
    assert found["pair"] == ["b", "a"]
    assert "a is the best model and the cheapest" in found["cautions"][0]


def test_calls_without_a_price_are_counted(tmp_path: Path, report: Report) -> None:
    found = report(outcomes(tmp_path, better, lambda model, at: None if at < 8 else 0.01))
    assert "16 of 160 calls" in found["cautions"][0]
    assert found["routers"]["router"]["many"]["saving_at_95_percent"] is None
    assert "quality_at_cost" not in found["singles"]


def test_free_models_save_nothing(tmp_path: Path, report: Report) -> None:
    found = report(outcomes(tmp_path, better, lambda model, at: 0.0))
    assert "no money to save" in found["cautions"][0]
    assert found["routers"]["router"]["many"]["saving_at_99_percent"] is None


def test_prompts_that_were_left_out_are_told(tmp_path: Path, report: Report) -> None:
    path = outcomes(tmp_path, better, models=3, prompts=90)
    kept = [line for line in path.read_text().splitlines() if '"c"' not in line or int(line.split()[2][:-1]) < 70]
    path.write_text("\n".join(kept))
    assert report(path)["prompts"] == 70
    assert "20 of 90 prompts are left out" in report(path)["cautions"][-1]
    two = report(path, "--models", "a,b")
    assert (two["prompts"], two["cautions"]) == (90, [])


def test_quality_is_told_at_shares_of_the_best_model_s_cost(tmp_path: Path, bench: Run, report: Report) -> None:
    path = outcomes(tmp_path, better, dataset=lambda at: f"set {at % 2}")
    found = report(path)
    mix, routed = found["singles"]["quality_at_cost"], found["routers"]["router"]["many"]["quality_at_cost"]
    low, high = (found["singles"]["models"][name]["quality"] for name in "ab")
    assert mix["0.1"] == low
    assert mix["1.0"] == high
    assert mix["0.5"] == pytest.approx(low + (high - low) * 4 / 9, abs=1e-3)  # 0.005 of 0.001 to 0.01
    assert routed["1.0"] >= high
    shown = " ".join(bench(path).output.split())
    assert "models mixed" in shown
    assert "best model of each data set" in shown


def test_a_router_that_knows_beats_the_random_mix_at_equal_cost(tmp_path: Path, report: Report) -> None:
    path = outcomes(tmp_path, lambda model, at: float(model == 1 or at % 2), prompts=100)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for each in rows:
        is_odd = int(each["prompt"].split()[1][:-1]) % 2
        each["prompt"] = f"{'plain' if is_odd else 'thorny'} {each['prompt']}"
    path.write_text("\n".join(map(json.dumps, rows)))
    gained = report(path)["routers"]["router"]["many"]["over_random_mix"]
    assert gained["interval"][0] > 0.05


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--pair", "a", "a"), "against itself"),
        (("--models", "a"), "two different models"),
        (("--models", "a,q"), "Models: a, b"),
        (("--leave-dataset-out",), "one data set only"),
    ],
)
def test_what_cannot_be_compared_is_refused(tmp_path: Path, bench: Run, arguments: tuple[str, ...], said: str) -> None:
    done = bench(outcomes(tmp_path, better), *arguments)
    assert done.code == 1
    assert said in done.errors


def test_too_few_prompts_say_how_many_are_needed(tmp_path: Path, bench: Run) -> None:
    path = outcomes(tmp_path, better, prompts=62)
    assert "at least 63 prompts (with 5 folds)" in bench(path).errors
    assert bench(path, "--folds", 10).code == 0
    assert bench(outcomes(tmp_path, better, prompts=63)).code == 0
    alone = bench(outcomes(tmp_path, better, dataset=lambda at: "big" if at else "rare"), "--leave-dataset-out")
    assert "without 'big', 1 prompts are left" in alone.errors


def test_help_names_all_predictors(run: Run) -> None:
    told = run("bench", "--help").output
    assert all(name in told for name in RIVALS)


def test_training_without_a_gap_says_so(tmp_path: Path, run: Run) -> None:
    path = outcomes(tmp_path, lambda model, at: 1.0)
    done = run("train-quality", "--outcomes", path, "--out", tmp_path / "q")
    assert done.code == 0, done.errors
    assert "nothing to measure" in done.errors
    assert "expected scores are 0.000 and 0.000 off" in done.errors
    assert "None" not in done.errors
