from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from router.cli.main import _run
from router.errors import RequestError
from router.local.base import read_card, write_card
from router.local.load import load_local_model
from router.offline.classifier import LocalClassifier
from router.offline.promise import Goal
from router.offline.reading import read_labelled
from router.offline.recalibrate import recalibrate
from router.offline.rows import Rows

THINGS = {
    "en": ("parcel box delivery", "invoice bill refund", "where is my {}|the {} again|about my {} please"),
    "de": ("Paket Sendung Lieferung", "Rechnung Mahnung Erstattung", "wo ist meine {}|die {} fehlt|Frage zu {}"),
    "zh": ("包裹 快递 货物", "发票 账单 退款", "我的{}在哪里|请问{}怎么样了|{}有问题"),
}
WORDS = ("today", "now", "since monday", "thanks", "sorry", "number 7", "for anna", "in june", "once more", "hello")


def rows(count: int, seed: int, language: str = "en", noise: float = 0.0, share: float = 0.5) -> Rows:
    draw = random.Random(seed)
    first, second, frames = THINGS[language][0].split(), THINGS[language][1].split(), THINGS[language][2].split("|")
    texts, labels = [], []
    for _ in range(count):
        label = "delivery" if draw.random() < share else "billing"
        word = draw.choice(first if label == "delivery" else second)
        texts.append(f"{draw.choice(frames).format(word)} {draw.choice(WORDS)} {draw.randint(1, 999)}")
        labels.append(label if draw.random() >= noise else "billing")
    return Rows(texts=tuple(texts), labels=tuple(labels))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    data = rows(900, 1)
    with (folder / "rows.jsonl").open("w") as file:
        for text, label in zip(data.texts, data.labels, strict=True):
            file.write(json.dumps({"text": text, "label": label}) + "\n")
    (folder / "ood.txt").write_text("\n".join(f"compute {n} times {n + 3}" for n in range(30)))
    options = ["--task", "intent_classification", "--minutes", "0.1", "--max-error", "0.1", "--json"]
    where = ["--data", f"{folder}/rows.jsonl", "--ood", f"{folder}/ood.txt", "--out", f"{folder}/model"]
    assert _run(["train", *where, *options]) == 0
    return folder


def test_trained_directory_answers(trained: Path) -> None:
    model = load_local_model(trained / "model")
    report = json.loads((trained / "model" / "report.json").read_text())
    assert model.card.threshold <= 1.0
    assert report["test"]["accuracy"] > 0.95
    assert report["test"]["ood_auroc"] > 0.9
    assert report["promise"]["tested"]["holds"]
    assert {score["maker"] for score in report["cross_validation"]} <= {"linear", "embedding"}


def test_plots_are_drawn_where_matplotlib_is(trained: Path) -> None:
    pytest.importorskip("matplotlib")
    names = {path.name for path in (trained / "model" / "plots").iterdir()}
    assert {"reliability.svg", "coverage.png", "confusion.svg"} <= names


def test_eval_prints_the_named_figures(trained: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    command = ["eval", "--model", f"{trained}/model", "--data", f"{trained}/rows.jsonl", "--json"]
    assert _run([*command, "--ood", f"{trained}/ood.txt"]) == 0
    found = json.loads(capfdbinary.readouterr().out)
    keys = {"accuracy", "macro_f1", "ece", "ood_auroc", "ood_fpr95", "latency_us_p50", "coverage", "promise"}
    assert keys <= set(found)
    assert found["promise"]["here"]["holds"]


def test_shipped_model_is_evaluated_by_name(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    (tmp_path / "r.csv").write_text("text,label\nGreat quality I love it,Positive\nterrible rude staff,neg\n")
    assert _run(["eval", "--model", "sentiment", "--data", f"{tmp_path}/r.csv", "--json"]) == 0
    assert json.loads(capfdbinary.readouterr().out)["accuracy"] == 1.0


def test_calibrate_writes_a_new_promise(trained: Path, tmp_path: Path) -> None:
    fresh = rows(900, 77)
    with (tmp_path / "fresh.jsonl").open("w") as file:
        for text, label in zip(fresh.texts, fresh.labels, strict=True):
            file.write(json.dumps({"text": text, "label": label}) + "\n")
    command = ["calibrate", "--model", f"{trained}/model", "--data", f"{tmp_path}/fresh.jsonl"]
    assert _run([*command, "--out", f"{tmp_path}/calibrated", "--max-error", "0.05"]) == 0
    card = load_local_model(tmp_path / "calibrated").card
    assert card.promise["max_error"] == 0.05
    assert card.promise["tested"]["confirmed"] or card.promise["tested"]["holds"]


def test_too_few_rows_say_how_many_are_needed(trained: Path) -> None:
    model = load_local_model(trained / "model")
    with pytest.raises(RequestError, match=r"at least [\d,]+ are needed"):
        recalibrate(model, rows(60, 5), Goal(max_error=0.02))


def test_promise_about_hosted_answers(trained: Path) -> None:
    model = load_local_model(trained / "model")
    data = rows(1500, 9)
    draw = random.Random(4)
    hosted = tuple(label if draw.random() < 0.85 else "billing" for label in data.labels)
    data = Rows(texts=data.texts, labels=data.labels, hosted=hosted)
    card, tested = recalibrate(model, data, Goal.read({"keep": 0.95, "of": "hosted"}))
    assert card.threshold <= 1.0
    assert tested["holds"]
    with pytest.raises(RequestError, match="hosted"):
        recalibrate(model, rows(500, 9), Goal.read({"keep": 0.95, "of": "hosted"}))


def test_broken_promise_is_not_tested_twice(trained: Path, tmp_path: Path) -> None:
    model = load_local_model(trained / "model")
    wrong = rows(400, 12)
    flipped = Rows(texts=wrong.texts, labels=tuple("billing" for _ in wrong.labels))
    card, tested = recalibrate(model, rows(900, 11), Goal(max_error=0.05), test=flipped)
    assert not tested["holds"]
    write_card(tmp_path, card)
    (tmp_path / "model.safetensors").write_bytes((trained / "model" / "model.safetensors").read_bytes())
    with pytest.raises(RequestError, match="already broke"):
        recalibrate(load_local_model(tmp_path), rows(900, 13), Goal(max_error=0.05), test=flipped)


@pytest.mark.parametrize("language", ["de", "zh"])
def test_other_languages_are_learnt_and_recognised(language: str) -> None:
    data = rows(300, 2, language)
    model = LocalClassifier(maker="linear", minutes=0.02).fit(data.texts, data.labels)
    assert model.score(rows(100, 3, language).texts, rows(100, 3, language).labels) > 0.9
    assert language in model.card_.languages


def test_few_uneven_rows_make_a_silent_model(tmp_path: Path) -> None:
    data = rows(40, 6, share=0.85)
    model = LocalClassifier(maker="embedding", minutes=0.02).fit(data.texts, data.labels)
    assert model.card_.threshold > 1.0
    assert "needed" in model.card_.promise["why"]
    model.save(tmp_path / "m")
    assert np.allclose(
        model.predict_proba(data.texts[:5]),
        [p.probabilities for p in load_local_model(tmp_path / "m").predict(data.texts[:5])],
    )


def test_two_hundred_labels_are_learnt() -> None:
    draw = random.Random(0)
    names = [f"thing{n}" for n in range(200)]
    texts, labels = [], []
    for n in range(1600):
        name = names[n % 200]
        texts.append(f"{draw.choice(('open', 'close', 'find'))} the {name} {draw.choice(WORDS)}")
        labels.append(name)
    model = LocalClassifier(maker="linear", minutes=0.01, task="intent_classification").fit(texts, labels)
    assert len(model.classes_) == 200
    assert model.test_figures_["accuracy"] > 0.9


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        (["a"] * 10, ["x"] * 9, "one label a text"),
        ([f"t {n}" for n in range(40)], ["x"] * 40, "two or more"),
        ([f"t {n}" for n in range(10)], ["x", "y"] * 5, "too few"),
        ([f"t {n}" for n in range(3000)], [f"free text {n}" for n in range(3000)], "free text"),
    ],
)
def test_unusable_rows_are_refused(texts: list[str], labels: list[str], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        LocalClassifier(minutes=0.01).fit(texts, labels)


def test_verify_and_show_speak_of_a_model(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(["models", "verify", f"{trained}/model", "sentiment"]) == 0
    assert _run(["models", "show", f"{trained}/model"]) == 0
    card = read_card(trained / "model")
    write_card(tmp_path, card)
    (tmp_path / "model.safetensors").write_bytes(b"changed")
    assert _run(["models", "verify", str(tmp_path)]) == 1
    assert "NOT TRUSTED" in capsys.readouterr().out


def test_rows_of_a_file_round_trip(trained: Path) -> None:
    assert len(read_labelled(trained / "rows.jsonl").rows) > 800


def test_trained_model_answers_a_request(trained: Path, tmp_path: Path) -> None:
    from router import Router

    (tmp_path / "router.yaml").write_text(f"local_models:\n  paths: [{trained}/model]\n")
    system = "Detect the intent of the customer's message: delivery or billing. Answer with the label only."
    request = {
        "messages": [
            {"role": "system", "content": system},
            {"role": "user", "content": "where is my parcel today 12"},
        ]
    }
    with Router.from_config(tmp_path / "router.yaml") as router:
        answer = router.complete(request)
    assert answer.decision.target.model == "model"
    assert answer.text == "delivery"
