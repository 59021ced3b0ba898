from __future__ import annotations

import random
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from local_making import OUTSIDE, SPEC, accuracy, card_of, rows
from safetensors.numpy import load_file

from router.errors import ModelFileError
from router.local.base import CARD, read_card, shipped_directory, write_card
from router.local.embedding import EmbeddingModel
from router.local.files import write_arrays
from router.local.linear import MODEL_FILE
from router.local.load import load_local_model
from router.local.static import load_static, shipped_encoder
from router.offline.embedding import EmbeddingMaker
from router.offline.rows import Rows

_LIKED = ("good", "nice", "worth every penny", "easy to use", "highly recommended", "built to last", "a joy to own")
_LOATHED = ("bad", "poor", "a waste of money", "hard to use", "not recommended", "broken in a week", "made me sick")


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


def opinions(count: int, of: slice, seed: int) -> Rows:
    """Opinions in which one of a few words tells liked from loathed."""
    draw = random.Random(seed)
    labels = [draw.choice(("liked", "loathed")) for _ in range(count)]
    texts = [
        f"{draw.choice(('the camera', 'our phone', 'this lamp'))} {draw.choice(('is', 'was'))} "
        f"{draw.choice((_LIKED if label == 'liked' else _LOATHED)[of])}"
        for label in labels
    ]
    return Rows(texts=tuple(texts), labels=tuple(labels))


@pytest.fixture(scope="module")
def transferred() -> EmbeddingMaker:
    outliers = {f"origin{index}": [f"{text} {n}" for n in range(9)] for index, text in enumerate(OUTSIDE)}
    return EmbeddingMaker(transfers=True).fit(opinions(60, slice(2), 1), opinions(200, slice(2), 2), outliers)


def test_shipped_models_lend_words_that_no_row_has(transferred: EmbeddingMaker) -> None:
    outliers = {f"origin{index}": [f"{text} {n}" for n in range(9)] for index, text in enumerate(OUTSIDE)}
    alone = EmbeddingMaker(spec=transferred.spec).fit(opinions(60, slice(2), 1), opinions(200, slice(2), 2), outliers)
    unseen = opinions(200, slice(2, None), 3)
    right = [made.predict(unseen.texts) == np.array(unseen.labels) for made in (transferred, alone)]
    assert right[0].mean() > right[1].mean() + 0.2


def test_what_is_lent_stands_in_the_model_itself(
    transferred: EmbeddingMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = transferred.export(tmp_path, card_of(transferred, aliases={}))
    assert f"sentiment ({read_card(shipped_directory() / 'sentiment').files[MODEL_FILE][:16]})" in card.sources[0]
    monkeypatch.setattr("router.local.base.shipped_directory", lambda: tmp_path / "gone")
    texts = opinions(20, slice(None), 4).texts
    found = np.array([each.probabilities for each in load_local_model(tmp_path).predict(texts)])
    assert found == pytest.approx(transferred.predict_proba(texts))


def test_what_is_lent_is_what_was_fitted(transferred: EmbeddingMaker) -> None:
    """Rounded to int8, the folded weights give the scores that the columns beside n-grams and vectors would give."""
    texts = opinions(50, slice(None), 5).texts
    rows = opinions(60, slice(2), 1)
    weights, biases = transferred.label_heads(transferred.features(rows.texts), rows.labels, np.ones(len(rows)))
    meant = transferred.features(texts) @ weights + biases
    assert transferred.model().measure(texts)[0] == pytest.approx(meant, abs=0.05)  # type: ignore[attr-defined]


def test_lenders_n_grams_are_needed() -> None:
    with pytest.raises(ValueError, match="n-grams and the encoder"):
        EmbeddingMaker(transfers=True, spec=SPEC)
