from __future__ import annotations

import os
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from local_making import OUTSIDE, accuracy, card_of, maker, rows
from safetensors.numpy import load_file

from router.errors import ModelFileError
from router.local.base import CARD, model_directories, read_card, shipped_directory, write_card
from router.local.files import write_arrays
from router.local.linear import MODEL_FILE, LinearModel
from router.local.linear import load_linear as load_local_model
from router.local.load import load_local_model as load_any_model


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models") / "places"
    made = maker(spells=True)
    made.export(directory, card_of(made))
    return directory


@pytest.fixture(scope="module")
def model(saved: Path) -> LinearModel:
    return load_local_model(saved)


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    for name in (CARD, MODEL_FILE):
        (tmp_path / name).write_bytes((saved / name).read_bytes())
    return tmp_path


def resaved(directory: Path, **changed: np.ndarray) -> None:
    """Write the arrays again with changes, and a card that vouches for them."""
    arrays = load_file(directory / MODEL_FILE)
    metadata = {"format": "linear-1", "spec": '{"bits":12,"words":[1,2],"chars":[4]}'}
    digest = write_arrays(directory / MODEL_FILE, arrays | changed, metadata)
    card = read_card(directory)
    write_card(directory, msgspec.structs.replace(card, files={MODEL_FILE: digest}))


def test_learnt_topics_are_told_apart(model: LinearModel) -> None:
    test = rows(200, 3)
    found = model.predict(test.texts)
    assert accuracy(found, test) > 0.97


def test_mistyped_words_are_read_as_the_training_rows_spell_them(model: LinearModel) -> None:
    typed, meant = model.predict(["the oold shpi left the harbuor", "the old ship left the harbour"])
    assert typed.probabilities == meant.probabilities
    assert typed.in_distribution < meant.in_distribution  # what is known of a text is known of it as it came


def test_probabilities_sum_to_one(model: LinearModel) -> None:
    for prediction in model.predict([*rows(20, 4).texts, *OUTSIDE, "", "海"]):
        assert sum(prediction.probabilities) == pytest.approx(1.0, abs=1e-5)
        assert 0.0 <= prediction.in_distribution <= 1.0


def test_outsiders_score_below_insiders(model: LinearModel) -> None:
    inside = [p.in_distribution for p in model.predict(rows(50, 5).texts)]
    outside = [p.in_distribution for p in model.predict(["paris is in france", "def f(): return 1", "完全に別の話"])]
    assert max(outside) < np.quantile(inside, 0.05)


@pytest.mark.parametrize("text", ["", "   \n\t", "\x00"])
def test_text_without_words_is_never_inside(model: LinearModel, text: str) -> None:
    assert model.predict([text])[0].in_distribution < model.card.ood_threshold


def test_batch_equals_single_predictions(model: LinearModel) -> None:
    texts = rows(10, 6).texts
    assert model.predict(texts) == [model.predict([text])[0] for text in texts]


@given(st.text(max_size=400))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_read(model: LinearModel, text: str) -> None:
    prediction = model.predict([text])[0]
    assert sum(prediction.probabilities) == pytest.approx(1.0, abs=1e-4)
    assert 0.0 <= prediction.in_distribution <= 1.0


def test_huge_text_is_read_in_part(model: LinearModel) -> None:
    assert len(model.predict(["the old ship " * 200_000])[0].probabilities) == 2


def test_saved_model_predicts_like_fitted_one(saved: Path) -> None:
    made = maker()
    texts = rows(20, 7).texts
    probabilities = [p.probabilities for p in load_local_model(saved).predict(texts)]
    assert np.allclose(made.predict_proba(texts), probabilities)


@given(st.data())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_changed_byte_is_refused(saved: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    directory = tmp_path_factory.mktemp("fuzz")
    (directory / CARD).write_bytes((saved / CARD).read_bytes())
    raw = bytearray((saved / MODEL_FILE).read_bytes())
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    (directory / MODEL_FILE).write_bytes(raw)
    with pytest.raises(ModelFileError, match="SHA-256"):
        load_local_model(directory)


@given(st.binary(max_size=300))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_vouched_bytes_are_refused(saved: Path, tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    import hashlib

    directory = tmp_path_factory.mktemp("bytes")
    card = msgspec.structs.replace(read_card(saved), files={MODEL_FILE: hashlib.sha256(raw).hexdigest()})
    write_card(directory, card)
    (directory / MODEL_FILE).write_bytes(raw)
    with pytest.raises(ModelFileError):
        load_local_model(directory)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode) | st.just(b"[" * 100_000))
@settings(max_examples=80, deadline=None)
def test_any_card_bytes_are_refused(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    directory = tmp_path_factory.mktemp("cards")
    (directory / CARD).write_bytes(raw)
    with pytest.raises(ModelFileError):
        load_local_model(directory)


def test_truncated_file_is_refused(copy: Path) -> None:
    raw = (copy / MODEL_FILE).read_bytes()
    (copy / MODEL_FILE).write_bytes(raw[: len(raw) // 2])
    with pytest.raises(ModelFileError):
        load_local_model(copy)


def test_oversized_file_is_refused_unread(copy: Path) -> None:
    with (copy / MODEL_FILE).open("r+b") as file:
        file.truncate(40 * 1024 * 1024)
    with pytest.raises(ModelFileError, match="more than"):
        load_local_model(copy)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("name", [MODEL_FILE, CARD])
def test_a_pipe_is_refused_and_not_waited_for(copy: Path, name: str) -> None:
    (copy / name).unlink()
    os.mkfifo(copy / name)
    with pytest.raises(ModelFileError, match="no regular file"):
        load_local_model(copy)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no such device here")
def test_a_link_to_an_endless_device_is_refused(copy: Path) -> None:
    (copy / MODEL_FILE).unlink()
    (copy / MODEL_FILE).symlink_to("/dev/zero")
    with pytest.raises(ModelFileError, match="no regular file"):
        load_local_model(copy)


def test_a_link_to_the_vouched_bytes_is_read(copy: Path, tmp_path: Path) -> None:
    (copy / MODEL_FILE).rename(tmp_path / "elsewhere")
    (copy / MODEL_FILE).symlink_to(tmp_path / "elsewhere")
    assert load_local_model(copy).predict(["a text"])


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("table", np.zeros((8, 3), np.int8)),
        ("table", np.zeros((4096, 3), np.float32)),
        ("bias", np.zeros(2, np.float32)),
        ("scale", np.full(3, np.nan, np.float32)),
        ("gates", np.array([0.0, 0.1], np.float32)),
        ("known", np.zeros(3, np.uint8)),
        ("ood_weights", np.full(7, np.inf, np.float32)),
        ("spelling", np.array([3, 2, 5], np.uint32)),
        ("spelling", np.array([[1, 2]], np.uint32)),
        ("spelling_counts", np.zeros(2, np.uint16)),
    ],
)
def test_misfitting_array_is_refused(copy: Path, name: str, array: np.ndarray) -> None:
    resaved(copy, **{name: array})
    with pytest.raises(ModelFileError, match=r"do not fit"):
        load_local_model(copy)


@pytest.mark.parametrize(
    "change",
    [
        {"labels": ("sea",)},
        {"labels": ("sea", "sea")},
        {"labels": ("a", "b", "c")},
        {"threshold": 2.0},
        {"ood_threshold": -0.5},
        {"files": {"../model.safetensors": "0" * 64}},
        {"files": {}},
        {"aliases": {"moon": ("luna",)}},
        {"name": "../up"},
        {"maker": "encoder"},
        {"languages": ()},
    ],
)
def test_contradicting_card_is_refused(copy: Path, change: dict[str, object]) -> None:
    write_card(copy, msgspec.structs.replace(read_card(copy), **change))
    with pytest.raises(ModelFileError):
        load_local_model(copy)


def test_missing_model_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="cannot be read"):
        load_local_model(tmp_path / "nowhere")


def test_shipped_models_load_and_answer() -> None:
    names = set()
    for directory in model_directories(shipped_directory()):
        model = load_any_model(directory)
        assert model.name == directory.name
        assert model.card.threshold <= 1.0, f"{model.name} could never answer"
        assert model.card.sources
        assert model.card.metrics
        names.add(model.name)
    assert names >= {"sentiment", "toxicity", "spam", "assistant-intents", "banking-intents"}


@pytest.mark.parametrize(
    ("name", "text", "label"),
    [
        ("sentiment", "Great quality, fast shipping, I love it!", "positive"),
        ("sentiment", "Terrible service, rude staff, I want my money back.", "negative"),
        ("toxicity", "you are a stupid pathetic idiot", "toxic"),
        ("toxicity", "Thanks, the meeting is on Tuesday at ten.", "not_toxic"),
        ("spam", "URGENT! You have won a 1000 cash prize. Call 09061701461 now to claim!", "spam"),
        ("spam", "ok see you at home later, can you buy milk", "ham"),
        ("assistant-intents", "set a timer for ten minutes", "timer"),
        ("banking-intents", "My card was stolen, what do I do?", "lost_or_stolen_card"),
    ],
)
def test_shipped_model_knows_plain_cases(name: str, text: str, label: str) -> None:
    model = load_any_model(shipped_directory() / name)
    prediction = model.predict([text])[0]
    assert prediction.labels[int(np.argmax(prediction.probabilities))] == label
