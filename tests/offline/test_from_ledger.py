"""From recorded traffic to advice and to a local model, through the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from flywheel_traffic import DESK, body, written

from router import Router
from router.cli.main import _run
from router.errors import TooFewRows
from router.local.base import read_card
from router.local.load import load_local_model
from router.offline.exchanges import Exchange, from_record
from router.offline.from_ledger import learn, template_rows
from router.offline.harvest import harvest
from router.types import Message, Record, Request

MAIL = "anna.schmidt@example.org"


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("traffic")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROUTER_CONFIG", "")
        patch.delenv("ROUTER_CONFIG")
        written(folder, 1_150, mail=f"write to {MAIL}")
    return folder


@pytest.fixture(scope="module")
def advised(traffic: Path) -> dict[str, Any]:
    return advice(traffic)


def advice(folder: Path) -> dict[str, Any]:
    """What the command says of a ledger, as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "router", "advise", "--ledger", f"{folder}/ledger.jsonl", "--json"],
        capture_output=True,
        check=True,
        timeout=120,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_closed_set_of_answers_is_worth_a_model(advised: dict[str, Any]) -> None:
    desk, poet = advised["templates"]
    assert (desk["verdict"], desk["requests"], sorted(desk["labels"])) == (
        "train",
        1_150,
        ["complaint", "delivery", "invoice"],
    )
    assert desk["estimate"]["agreement"] > 0.98
    assert desk["estimate"]["coverage"] > 0.8
    assert 1.5 < desk["entropy"] < 1.6
    low, high = desk["saves_interval"]
    assert low <= desk["saves_nano_usd_month"] <= high
    assert desk["rows_missing"] == 0
    assert f"router train --from-ledger {desk['template']}" in advised["config"]
    assert (poet["verdict"], poet["estimate"]) == ("not feasible", None)
    assert "free text" in poet["reasons"][0]


def test_spend_is_exact(traffic: Path, advised: dict[str, Any]) -> None:
    spent = sum(record.nano_usd for record in _records(traffic))
    assert sum(each["spent_nano_usd"] for each in advised["templates"]) == spent


def test_the_table_is_readable(traffic: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(["advise", "--config", f"{traffic}/router.yaml", "--since", "1d"]) == 0
    shown = capsys.readouterr().out
    assert "train" in shown
    assert "Suggested for router.yaml" in shown
    assert "You sort the mail" in shown


def test_suggested_training_asks_for_the_same_promise(traffic: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(["advise", "--config", f"{traffic}/router.yaml", "--keep", "0.9"]) == 0
    shown = capsys.readouterr().out
    assert "--keep 0.9\n" in shown
    assert "contents: true" not in shown


def test_a_promise_beyond_reach_names_one_within(traffic: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(["advise", "--config", f"{traffic}/router.yaml", "--keep", "0.9999"]) == 0
    assert "with --keep 0.98 it would answer" in capsys.readouterr().out


def test_without_contents_advice_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path, 12, contents=False, poems=3)
    found = advice(tmp_path)
    assert {each["verdict"] for each in found["templates"]} == {"no contents"}
    assert "contents: true" in found["config"]
    assert _run(["train", "--from-ledger", found["templates"][0]["template"], "--out", f"{tmp_path}/m",
                 "--ledger", f"{tmp_path}/ledger.jsonl"]) == 1  # fmt: skip
    assert "holds no contents" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


def test_a_template_becomes_a_model(
    traffic: Path, advised: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = advised["templates"][0]["template"]
    done = _run(["train", "--from-ledger", desk[:8], "--out", f"{tmp_path}/desk", "--keep", "0.97", "--minutes", "0.05",
                 "--config", f"{traffic}/router.yaml", "--no-plots", "--task", "intent_classification"])  # fmt: skip
    assert done == 0, capsys.readouterr().err
    (tmp_path / "router.yaml").write_text("local_models: {paths: [desk]}\n")
    capsys.readouterr()
    assert _run(["models", "history", "--config", f"{tmp_path}/router.yaml"]) == 0
    assert "is in the state shadow: nothing was compared" in capsys.readouterr().out
    card = read_card(tmp_path / "desk")
    assert (card.template, card.promise["of"], card.promise["teacher"]) == (desk, "hosted", "teacher")
    assert (card.promise["keep"], card.promise["max_error"]) == (0.97, 0.03)
    assert card.threshold <= 1.0
    assert load_local_model(tmp_path / "desk").predict(["where is my parcel please"])[0].labels == card.labels
    kept = b"".join(path.read_bytes() for path in (tmp_path / "desk").rglob("*") if path.is_file())
    assert MAIL.encode() not in kept


def test_too_few_rows_are_refused_with_a_number(
    advised: dict[str, Any], traffic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = advised["templates"][0]["template"]
    done = _run(["train", "--from-ledger", desk, "--out", f"{tmp_path}/desk", "--keep", "0.999",
                 "--ledger", f"{traffic}/ledger.jsonl"])  # fmt: skip
    assert done == 1
    assert "at least 20," in capsys.readouterr().err
    assert not (tmp_path / "desk").exists()


def test_an_unknown_template_names_those_there_are(
    advised: dict[str, Any], traffic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = advised["templates"][0]["template"]
    assert _run(["train", "--from-ledger", "zz", "--out", f"{tmp_path}/m", "--ledger", f"{traffic}/ledger.jsonl"]) == 1
    assert desk in capsys.readouterr().err


@pytest.mark.parametrize(
    "options", [[], ["--data", "x.csv", "--from-ledger", "ab"], ["--from-ledger", "ab", "--ood", "x"]]
)
def test_rows_come_from_one_place(options: list[str], tmp_path: Path) -> None:
    assert _run(["train", "--out", f"{tmp_path}/m", *options]) == 2


# ----- rows -------------------------------------------------------------------------------------------------------


def asked(text: str, answer: str, at_s: float, *, system: str = DESK, model: str = "m", **more: Any) -> Exchange:
    request = Request(messages=(Message(role="system", text=system), Message(role="user", text=text)))
    return Exchange(request=request, answer=answer, model=model, at_s=at_s, nano_usd=1_000, **more)


def test_the_newest_answer_counts() -> None:
    exchanges = [
        asked("I was charged twice", "invoice", 2.0),
        asked("I was  charged TWICE", "complaint", 3.0),
        asked("I was charged twice", "delivery", 1.0),
        asked("Where is it?", "delivery", 4.0),
        asked("Where is it?", "delivery", 5.0),
    ]
    (found,), beyond = harvest(exchanges)
    assert beyond == 0
    assert found.as_rows().labels == ("complaint", "delivery")
    assert (found.conflicts, found.repeated) == (2, 1)


def test_answers_are_read_as_labels() -> None:
    said = ("Invoice.", " invoice ", "**delivery**", "I am not sure", "complaint")
    (found,), _ = harvest(asked(f"text number {at}", answer, float(at)) for at, answer in enumerate(said))
    assert found.labels == {"invoice": 2, "delivery": 1, "complaint": 1}
    assert found.unlabelled == 1


def test_slot_values_do_not_split_a_template() -> None:
    exchanges = [
        asked(f"text {name}", "invoice", 1.0, system=f"Your name is {name}. {DESK}")
        for name in ("Anna", "Bob", "Zoe Li")
    ]
    (found,), _ = harvest(exchanges)
    assert (found.requests, len(found.templates), len(found.rows)) == (3, 3, 3)


def test_personal_data_is_masked_before_it_is_kept() -> None:
    (found,), _ = harvest([asked(f"write to {MAIL} about the bill", "invoice", 1.0)])
    assert found.as_rows().texts == ("write to <EMAIL_1> about the bill",)


def test_learning_needs_enough_rows() -> None:
    exchanges = [asked(f"bill {at}", ("invoice", "delivery")[at % 2], float(at)) for at in range(50)]
    with pytest.raises(TooFewRows) as error:
        learn(template_rows(lambda: exchanges, harvest(exchanges)[0][0].template), keep=0.98)
    assert (error.value.rows, error.value.status) == (50, 422)
    assert error.value.needed is not None
    assert error.value.needed > 900


async def test_records_say_what_the_router_read(tmp_path: Path) -> None:
    written_at = tmp_path / "traffic"
    written_at.mkdir()
    import asyncio

    ledger = await asyncio.to_thread(written, written_at, 1, poems=0)
    record = msgspec.json.decode(ledger.read_bytes().splitlines()[0], type=Record)
    exchange = from_record(record)
    assert exchange is not None
    assert exchange.asked is not None
    assert exchange.asked[0] is not None
    assert exchange.asked[0].labels == ("delivery", "invoice", "complaint")
    assert exchange.is_hosted


def test_the_model_answers_its_template_alone(traffic: Path, advised: dict[str, Any], tmp_path: Path) -> None:
    exchanges = [each for each in (from_record(record) for record in _records(traffic)) if each is not None]
    desk = template_rows(lambda: exchanges, advised["templates"][0]["template"])
    learn(desk, keep=0.97, name="desk", minutes=0.02, task="intent_classification").save(tmp_path / "desk")
    (tmp_path / "router.yaml").write_text("local_models: {shipped: false, paths: [desk]}\n")
    with Router.from_config(tmp_path / "router.yaml") as router:
        other = DESK.replace("parcel service", "florist")
        mine, theirs = (
            router.decide(body("track my shipment please today 77", system), all_signals=True)
            for system in (DESK, other)
        )
    assert mine.evidence is not None
    assert mine.evidence.model == "desk"
    assert theirs.evidence is None


def _records(folder: Path) -> list[Record]:
    return [msgspec.json.decode(line, type=Record) for line in (folder / "ledger.jsonl").read_bytes().splitlines()]
