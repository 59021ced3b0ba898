"""``router train``, ``eval``, ``calibrate`` and ``models`` with what people give them by mistake."""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from router.cli.main import _run
from router.local.base import read_card

Capture = pytest.CaptureFixture[str]
QUICK = ("--maker", "linear", "--minutes", "0.001", "--no-plots")


def rows(count: int, seed: int = 0, share: float = 0.5) -> list[dict[str, Any]]:
    draw = random.Random(seed)
    found = []
    for number in range(count):
        label = "sea" if draw.random() < share else "moon"
        word = draw.choice(("harbour", "sailor", "tide") if label == "sea" else ("crater", "orbit", "rocket"))
        found.append({"text": f"{draw.choice(('the', 'a'))} {word} of anna, number {seed}{number}", "label": label})
    return found


def written(path: Path, found: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in found))
    return str(path)


def lone_error(capsys: Capture) -> str:
    """The last line of the errors, which must be a typed one."""
    said = capsys.readouterr().err.splitlines()
    assert said
    assert said[-1].startswith("error: ")
    assert "unexpected" not in said[-1]
    return said[-1]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    data = written(folder / "rows.jsonl", rows(600))
    assert _run(["train", "--data", data, "--out", f"{folder}/m", "--max-error", "0.1", *QUICK]) == 0
    return folder


# ----- train ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/nowhere"])
def test_a_place_that_cannot_be_written_is_told_before_training(tmp_path: Path, place: str, capsys: Capture) -> None:
    (tmp_path / "file").write_text("")
    out = place if place.startswith("/") else f"{tmp_path}/{place}"
    if place.startswith("/") and not Path("/proc").is_dir():
        pytest.skip("no such place here")
    assert _run(["train", "--data", written(tmp_path / "r.jsonl", rows(60)), "--out", out, *QUICK]) == 1
    assert "--out" in lone_error(capsys)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seed", "-1"], "seed"),
        (["--languages", "en,english"], "'english'"),
        (["--languages", ""], "code ''"),
        (["--label", "nope"], "'text', 'label'"),
        (["--label", "text", "--text", "text"], "as text and as label"),
        (["--test", "ITSELF"], "no test row is left"),
        (["--ood", "EMPTY"], "no text"),
        (["--data", "nowhere"], "no such file"),
    ],
)
def test_wrong_arguments_are_named(tmp_path: Path, arguments: list[str], message: str, capsys: Capture) -> None:
    data = written(tmp_path / "r.jsonl", rows(60))
    (tmp_path / "none.txt").write_text("\n \n")
    given = [{"ITSELF": data, "EMPTY": f"{tmp_path}/none.txt"}.get(each, each) for each in arguments]
    assert _run(["train", "--data", data, "--out", f"{tmp_path}/m", *QUICK, *given]) == 1
    assert message in lone_error(capsys)
    assert not (tmp_path / "m").exists()


def test_a_name_of_no_letters_is_wrong_usage(tmp_path: Path) -> None:
    data = written(tmp_path / "r.jsonl", rows(60))
    assert _run(["train", "--data", data, "--out", f"{tmp_path}/m", "--name", "Ä!", *QUICK]) == 2


def test_a_named_column_is_not_guessed_for_the_other(tmp_path: Path) -> None:
    draw = random.Random(2)
    with (tmp_path / "r.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["Vorgang", "Abteilung mit sehr langem Namen"])
        for row in rows(80):
            table.writerow([row["text"][:12] + str(draw.random()), f"{row['label']} department with a very long name"])
    command = ["train", "--data", f"{tmp_path}/r.csv", "--out", f"{tmp_path}/m", *QUICK]
    assert _run([*command, "--label", "Abteilung mit sehr langem Namen"]) == 0
    assert read_card(tmp_path / "m").labels == (
        "moon department with a very long name",
        "sea department with a very long name",
    )


def test_what_was_left_out_is_told_when_too_little_is_left(tmp_path: Path, capsys: Capture) -> None:
    data = written(tmp_path / "r.jsonl", [{"text": "the same", "label": "sea"}] * 90)
    assert _run(["train", "--data", data, "--out", f"{tmp_path}/m", *QUICK]) == 1
    said = capsys.readouterr().err
    assert "89 repeated rows" in said
    assert "two or more are needed" in said


def test_test_rows_of_unknown_labels_are_told(tmp_path: Path, capsys: Capture) -> None:
    test = written(tmp_path / "t.jsonl", [*rows(20, 9), {"text": "a comet", "label": "comet"}])
    command = ["train", "--data", written(tmp_path / "r.jsonl", rows(60)), "--out", f"{tmp_path}/m", *QUICK]
    assert _run([*command, "--test", test]) == 0
    assert "1 test rows have labels that were not learnt, and were not tested: comet" in capsys.readouterr().out


def wait_until_at_work(pid: int) -> None:
    """Return when a process has worked for two seconds: on a busy machine its start alone may take longer."""
    stat, until_s = Path(f"/proc/{pid}/stat"), time.monotonic() + 60.0
    if not stat.exists():
        time.sleep(4.0)
        return
    while time.monotonic() < until_s:
        user, system = stat.read_text().rpartition(")")[2].split()[11:13]
        if (int(user) + int(system)) / os.sysconf("SC_CLK_TCK") > 2.0:
            return
        time.sleep(0.1)


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_an_interrupted_training_leaves_nothing(tmp_path: Path) -> None:
    import signal

    data = written(tmp_path / "r.jsonl", [{**row, "label": f"l{n % 40}"} for n, row in enumerate(rows(20_000))])
    command = [sys.executable, "-m", "router", "train", "--data", data, "--out", f"{tmp_path}/m", "--minutes", "5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        wait_until_at_work(running.pid)
        running.send_signal(signal.SIGINT)
        said = running.communicate(timeout=30)[1].decode()
    assert running.returncode == 130
    assert "Traceback" not in said
    assert not (tmp_path / "m").exists()


# ----- eval -----------------------------------------------------------------------------------------------------


def test_rows_of_one_label_are_measured_among_all(
    made: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    crossed = [{"text": row["text"], "label": "moon"} for row in rows(40, 3, share=1.0)]
    assert _run(["eval", "--model", f"{made}/m", "--data", written(tmp_path / "r.jsonl", crossed), "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["accuracy"] < 0.2
    assert found["labels"] == 2


def test_a_choice_among_fewer_labels_is_said_and_can_be_had_otherwise(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = written(
        tmp_path / "r.jsonl",
        [{"text": "It arrived on Tuesday.", "label": "positive"}, {"text": "I hate it, awful", "label": "negative"}],
    )
    assert _run(["eval", "--model", "sentiment", "--data", data, "--json"]) == 0
    among_two = capfd.readouterr()
    assert json.loads(among_two.out)["labels"] == 2
    assert "2 of the model's 3 labels" in among_two.err
    assert _run(["eval", "--model", "sentiment", "--data", data, "--json", "--every-label"]) == 0
    among_all = capfd.readouterr()
    assert json.loads(among_all.out)["labels"] == 3
    assert "note" not in among_all.err


def test_outsiders_without_a_text_are_an_error(made: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "none.txt").write_text("")
    command = ["eval", "--model", f"{made}/m", "--data", f"{made}/rows.jsonl", "--ood", f"{tmp_path}/none.txt"]
    assert _run(command) == 1
    assert "no text" in lone_error(capsys)


def test_a_table_is_readable(made: Path, capsys: Capture) -> None:
    assert _run(["eval", "--model", f"{made}/m", "--data", f"{made}/rows.jsonl"]) == 0
    said = capsys.readouterr().out
    assert "on these rows: holds" in said
    assert "{" not in said


# ----- calibrate ------------------------------------------------------------------------------------------------


def test_calibrating_replaces_what_was_said_of_the_old_threshold(made: Path, tmp_path: Path, capsys: Capture) -> None:
    data = written(tmp_path / "r.jsonl", rows(400, 5))
    command = ["calibrate", "--model", f"{made}/m", "--data", data, "--max-error", "0.1", "--out", f"{tmp_path}/c"]
    assert _run(command) == 0
    metrics = read_card(tmp_path / "c").metrics
    assert "coverage" not in metrics["test"]
    assert metrics["calibrated"]["coverage"] > 0.5
    assert _run(["models", "show", f"{tmp_path}/c"]) == 0
    assert "calibrated" in capsys.readouterr().out


def test_a_promise_about_hosted_answers_counts_no_fractions_of_errors(
    made: Path, tmp_path: Path, capsys: Capture
) -> None:
    data = written(tmp_path / "r.jsonl", [{**row, "hosted": row["label"]} for row in rows(400, 6)])
    command = ["calibrate", "--model", f"{made}/m", "--data", data, "--keep", "0.8", "--out", f"{tmp_path}/c"]
    assert _run(command) == 0
    said = capsys.readouterr().out
    assert "mean loss" in said.splitlines()[0]
    assert "wrong of" not in said.splitlines()[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--inside", "1.5"], "0.5 to 1"),
        (["--test", "DATA"], "no test row is left"),
        (["--out", "FILE"], "--out"),
        (["--model", "spam"], "--out"),
    ],
)
def test_wrong_calibrations_are_refused(
    made: Path, tmp_path: Path, arguments: list[str], message: str, capsys: Capture
) -> None:
    data = written(tmp_path / "r.jsonl", rows(300, 7))
    (tmp_path / "file").write_text("")
    given = [{"DATA": data, "FILE": f"{tmp_path}/file"}.get(each, each) for each in arguments]
    before = (made / "m" / "card.json").read_bytes()
    assert _run(["calibrate", "--model", f"{made}/m", "--data", data, "--max-error", "0.1", *given]) == 1
    assert message in lone_error(capsys)
    assert (made / "m" / "card.json").read_bytes() == before


def test_calibrating_on_one_label_says_what_that_leaves_open(made: Path, tmp_path: Path, capsys: Capture) -> None:
    data = written(tmp_path / "r.jsonl", rows(300, 8, share=1.0))
    command = ["calibrate", "--model", f"{made}/m", "--data", data, "--max-error", "0.1", "--out", f"{tmp_path}/c"]
    assert _run(command) == 0
    assert "no row has the label 'moon'" in capsys.readouterr().err


# ----- models ---------------------------------------------------------------------------------------------------


def test_a_model_that_answers_nothing_is_listed_so(tmp_path: Path, capsys: Capture) -> None:
    data = written(tmp_path / "r.jsonl", rows(60))
    assert _run(["train", "--data", data, "--out", f"{tmp_path}/silent", *QUICK]) == 0
    (tmp_path / "router.yaml").write_text("local_models:\n  paths: [silent]\n")
    capsys.readouterr()
    assert _run(["models", "list", "--config", f"{tmp_path}/router.yaml"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if "silent" in line)
    assert "nothing" in line
    assert "1.01" not in line


def test_a_card_with_odd_figures_is_shown(made: Path, tmp_path: Path) -> None:
    card = json.loads((made / "m" / "card.json").read_text())
    card["promise"] = {"coverage": "much"}
    card["metrics"] = {"a": {"accuracy": 1}, "b": 3}
    (tmp_path / "card.json").write_text(json.dumps(card))
    assert _run(["models", "show", str(tmp_path)]) == 0


def test_shipped_models_are_not_built_from_half_of_their_data(tmp_path: Path, capsys: Capture) -> None:
    assert _run(["models", "build", "spam", "--data", str(tmp_path), "--out", f"{tmp_path}/o"]) == 1
    assert "sms_spam" in lone_error(capsys)
    assert not (tmp_path / "o").exists()


def test_a_model_of_the_config_is_shown_by_its_name(made: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "router.yaml").write_text(f"local_models: {{paths: [{made}/m]}}\n")
    name = read_card(made / "m").name
    assert _run(["models", "show", name, "--config", f"{tmp_path}/router.yaml"]) == 0
    assert "moon, sea" in capsys.readouterr().out


def test_a_history_without_events_says_so(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "router.yaml").write_text("local_models:\n  lifecycle: life.jsonl\n")
    assert _run(["models", "history", "--config", f"{tmp_path}/router.yaml"]) == 0
    assert "No model was ever moved" in capsys.readouterr().out
