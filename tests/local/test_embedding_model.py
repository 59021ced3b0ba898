from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from local_making import OUTSIDE, SPEC, accuracy, card_of, rows
from safetensors.numpy import load_file

from router.errors import ModelFileError
from router.local.base import CARD, read_card, write_card
from router.local.embedding import EmbeddingModel
from router.local.files import write_arrays
from router.local.linear import MODEL_FILE
from router.local.load import load_local_model
from router.local.static import load_static, shipped_encoder
from router.offline.embedding import EmbeddingMaker


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models") / "places"
    outliers = {f"origin{index}": [f"{text} {n}" for n in range(30)] for index, text in enumerate(OUTSIDE)}
    made = EmbeddingMaker(spec=SPEC, spells=True).fit(rows(300, 1), rows(900, 2), outliers)
    made.export(directory, card_of(made))
    return directory


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    for name in (CARD, MODEL_FILE):
        (tmp_path / name).write_bytes((saved / name).read_bytes())
    return tmp_path


def resaved(directory: Path, metadata: dict[str, str] | None = None, **changed: np.ndarray) -> None:
    """Write the arrays again with changes, and a card that vouches for them."""
    arrays = load_file(directory / MODEL_FILE)
    facts = {
        "format": "embedding-1",
        "spec": '{"bits":12,"words":[1,2],"chars":[4]}',
        "encoder": shipped_encoder().name,
    }
    digest = write_arrays(directory / MODEL_FILE, arrays | changed, facts | (metadata or {}))
    write_card(directory, msgspec.structs.replace(read_card(directory), files={MODEL_FILE: digest}))


def test_loaded_model_tells_topics_and_outsiders(saved: Path) -> None:
    model = load_local_model(saved)
    assert isinstance(model, EmbeddingModel)
    test = rows(200, 3)
    found = model.predict(test.texts)
    assert accuracy(found, test) > 0.97
    outside = [p.in_distribution for p in model.predict(["paris is in france", "def f(): return 1"])]
    assert max(outside) < np.quantile([p.in_distribution for p in found], 0.05)


def test_mistyped_words_have_the_vectors_of_what_is_meant(saved: Path) -> None:
    typed, meant = load_local_model(saved).predict(["the oold shpi left the harbuor", "the old ship left the harbour"])
    assert typed.probabilities == pytest.approx(meant.probabilities, abs=1e-6)


@pytest.mark.parametrize("text", ["", " \n", "\x00", "🦀", "海" * 5000])
def test_odd_texts_are_read(saved: Path, text: str) -> None:
    prediction = load_local_model(saved).predict([text])[0]
    assert sum(prediction.probabilities) == pytest.approx(1.0, abs=1e-4)
    assert prediction.in_distribution < 0.5


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("dense", np.zeros((4, 3), np.float32)),
        ("dense", np.full((128, 3), np.nan, np.float32)),
        ("prototypes", np.zeros((0, 128), np.float32)),
        ("prototypes", np.zeros(128, np.float32)),
        ("whitening", np.zeros((7, 7), np.float32)),
        ("means", np.zeros((2, 5), np.float64)),
        ("ood_weights", np.zeros(7, np.float32)),
    ],
)
def test_misfitting_array_is_refused(copy: Path, name: str, array: np.ndarray) -> None:
    resaved(copy, **{name: array})
    with pytest.raises(ModelFileError, match="do not fit"):
        load_local_model(copy)


def test_model_of_another_encoder_is_refused(copy: Path) -> None:
    resaved(copy, {"encoder": "static-0000"})
    with pytest.raises(ModelFileError, match="trained with the encoder"):
        load_local_model(copy)


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_changed_byte_is_refused(saved: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    directory = tmp_path_factory.getbasetemp() / "fuzzed"
    directory.mkdir(exist_ok=True)
    (directory / CARD).write_bytes((saved / CARD).read_bytes())
    raw = bytearray((saved / MODEL_FILE).read_bytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    (directory / MODEL_FILE).write_bytes(raw)
    with pytest.raises(ModelFileError, match="SHA-256"):
        load_local_model(directory)


@given(st.binary(max_size=400))
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_no_word_vectors(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "vectors.safetensors"
    path.write_bytes(raw)
    with pytest.raises(ModelFileError):
        load_static(path)


def test_vectors_of_near_words_are_near() -> None:
    ship, boat, tax = shipped_encoder().embed(["ship", "boat", "tax"])
    assert ship @ boat > ship @ tax + 0.2
    assert np.linalg.norm(ship) == pytest.approx(1.0, abs=1e-5)
    assert not shipped_encoder().embed(["完全に別の話"]).any()
