from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from local_making import accuracy, copy_damaged, rows, tiny_encoder

pytest.importorskip("onnxruntime")
pytest.importorskip("tokenizers")
pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("onnx")

from router.errors import ModelFileError
from router.local.base import CARD, read_card, write_card
from router.local.encoder import ARRAYS_FILE, GRAPH_FILE, TOKENIZER_FILE
from router.local.files import read_arrays, write_arrays
from router.local.load import load_local_model
from router.local.neighbours import NEIGHBOURS_FILE
from router.offline.classifier import LocalClassifier
from router.offline.neighbours import Learner, NeighboursMaker
from router.offline.promise import Goal
from router.offline.rows import Rows

pytestmark = pytest.mark.filterwarnings("ignore")
FILES = (ARRAYS_FILE, GRAPH_FILE, TOKENIZER_FILE, NEIGHBOURS_FILE)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def saved(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of thirty rows."""
    directory = tmp_path_factory.mktemp("neighbours")
    made = NeighboursMaker(base=base, max_tokens=32, goal=Goal(max_error=0.2))
    made.fit(rows(30, 1), rows(400, 2), {"sums": [f"compute {n} plus {n + 2}" for n in range(40)]})
    made.export(
        directory,
        made.card(
            name="places", task="topic_classification", languages=("en",), rows=30, licence="none", data_hash="none"
        ),
    )
    return directory


def test_few_rows_make_a_model_that_is_served(saved: Path) -> None:
    test = rows(150, 3)
    model = load_local_model(saved)
    found = model.predict(test.texts)
    assert accuracy(found, test) > 0.9
    assert set(read_card(saved).files) == set(FILES)
    alone = model.predict(test.texts[:1])[0]
    assert np.allclose(alone.probabilities, found[0].probabilities, atol=0.1)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("change", ["cut", "changed", "missing"])
def test_damaged_file_is_refused(saved: Path, tmp_path: Path, name: str, change: str) -> None:
    copy_damaged(saved, tmp_path, (CARD, *FILES), name, change)
    with pytest.raises(ModelFileError):
        load_local_model(tmp_path)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda arrays: arrays["truth"].__setitem__(0, 2),
        lambda arrays: arrays["truth"].__setitem__(0, -1),
        lambda arrays: arrays.__setitem__("rows", arrays["rows"][:, :16].copy()),
        lambda arrays: arrays.__setitem__("rows", arrays["rows"][:0].copy()),
        lambda arrays: arrays["offset"].__setitem__(0, np.nan),
        lambda arrays: arrays.pop("weights"),
    ],
    ids=["unknown label", "negative label", "other width", "no rows", "not a number", "no weights"],
)
def test_vouched_arrays_that_do_not_fit_are_refused(
    saved: Path, tmp_path: Path, spoil: Callable[[dict[str, Any]], object]
) -> None:
    for file in FILES:
        (tmp_path / file).write_bytes((saved / file).read_bytes())
    arrays, metadata = read_arrays(saved / NEIGHBOURS_FILE)
    arrays = {name: array.copy() for name, array in arrays.items()}
    spoil(arrays)
    digest = write_arrays(tmp_path / NEIGHBOURS_FILE, arrays, metadata)
    card = read_card(saved)
    write_card(tmp_path, msgspec.structs.replace(card, files={**card.files, NEIGHBOURS_FILE: digest}))
    with pytest.raises(ModelFileError, match="do not fit"):
        load_local_model(tmp_path)


def test_scikit_learn_manner_with_a_directory_as_base(base: Path) -> None:
    known, asked = rows(300, 1), rows(60, 5)
    model = LocalClassifier(task="topic_classification", maker="neighbours", base=str(base), max_error=0.2)
    model.fit(known.texts, known.labels, test=Rows(texts=asked.texts, labels=asked.labels))
    assert model.score(asked.texts, asked.labels) > 0.9
    assert model.card_.maker == "neighbours"


def circle(degrees: float) -> np.ndarray:
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])


def test_name_stands_for_a_label_without_rows() -> None:
    learner = Learner(3, names=np.stack([circle(0), circle(90), circle(180)]))
    for degrees in (2, 5, -4):
        learner.learn(circle(degrees), 0)
    for degrees in (88, 93):
        learner.learn(circle(degrees), 1)
    learner.refit()
    assert learner.learnt_.probabilities(circle(175)[None, :]).argmax() == 2


def test_unlabelled_texts_move_the_border() -> None:
    learner = Learner(2)
    for degrees, label in ((-28, 0), (-20, 0), (50, 1), (58, 1)):
        learner.learn(circle(degrees), label)
    learner.refit()
    border = circle(15)[None, :]
    assert learner.learnt_.probabilities(border)[0, 0] == pytest.approx(0.5, abs=0.005)
    for degrees in range(-25, 38):  # both labels reach farther than their rows tell
        learner.see(circle(degrees))
        learner.see(circle(degrees + 78))
    learner.refit()
    assert learner.learnt_.probabilities(border)[0, 0] > 0.52
