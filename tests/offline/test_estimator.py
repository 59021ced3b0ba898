"""``LocalClassifier`` as scikit-learn's own tools use an estimator, and what it says to wrong arguments."""

from __future__ import annotations

import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline

from router.errors import RequestError
from router.offline.classifier import LocalClassifier
from router.offline.rows import Rows

QUICK: dict[str, Any] = {"maker": "linear", "minutes": 0.001}


def rows(count: int, seed: int = 0, share: float = 0.5) -> tuple[list[str], list[str]]:
    draw = random.Random(seed)
    texts, labels = [], []
    for number in range(count):
        label = "sea" if draw.random() < share else "moon"
        word = draw.choice(("harbour", "sailor", "tide") if label == "sea" else ("crater", "orbit", "rocket"))
        texts.append(f"{draw.choice(('the', 'a', 'my'))} {word} of {draw.choice(('june', 'old', 'anna'))} {number}")
        labels.append(label)
    return texts, labels


@pytest.fixture(scope="module")
def fitted() -> LocalClassifier:
    return LocalClassifier(**QUICK).fit(*rows(120))


def test_scikit_learn_takes_it_as_a_classifier() -> None:
    texts, labels = rows(90)
    model = LocalClassifier(**QUICK)
    assert is_classifier(model)
    assert cross_val_score(model, texts, labels, cv=2).min() > 0.9
    assert cross_val_score(model, texts, labels, cv=2, scoring="roc_auc").min() > 0.9
    assert (cross_val_predict(model, texts, labels, cv=2) == np.array(labels)).mean() > 0.9
    assert make_pipeline(LocalClassifier(**QUICK)).fit(texts, labels).predict(["the harbour of june"]) == ["sea"]
    found = GridSearchCV(model, {"max_error": [0.1, 0.2]}, cv=2).fit(texts, labels)
    assert found.best_estimator_.goal.max_error in (0.1, 0.2)


def test_a_clone_has_the_settings_and_nothing_else(fitted: LocalClassifier) -> None:
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        copy.predict(["the harbour"])
    with pytest.raises(NotFittedError):
        copy.save("nowhere")


def test_settings_that_were_set_later_are_checked() -> None:
    model = LocalClassifier(**QUICK).set_params(minutes=-1.0)
    with pytest.raises(RequestError, match="minutes"):
        model.fit(*rows(60))


def test_what_is_predicted_are_arrays_of_text(fitted: LocalClassifier) -> None:
    texts, labels = rows(40, 1)
    said = fitted.predict(np.array(texts))
    assert said.shape == (40,)
    assert all(type(label) is str for label in (*said, *fitted.classes_))
    assert (said == np.array(labels)).mean() > 0.9
    assert (fitted.classes_[fitted.predict_proba(texts).argmax(1)] == said).all()
    assert fitted.predict([]).shape == (0,)
    assert fitted.predict_proba([]).shape == (0, 2)


def test_labels_that_are_numbers_are_scored_as_numbers() -> None:
    texts, labels = rows(90)
    numbers = np.array([int(label == "sea") for label in labels])
    model = LocalClassifier(**QUICK).fit(texts, numbers)
    assert list(model.classes_) == ["0", "1"]
    assert model.score(texts, numbers) > 0.9


def test_only_settings_are_pickled(fitted: LocalClassifier) -> None:
    with pytest.raises(TypeError, match="save"):
        pickle.dumps(fitted)
    assert pickle.loads(pickle.dumps(clone(fitted))).get_params() == fitted.get_params()


@pytest.mark.parametrize("given", ["one text", b"one text"])
def test_one_text_is_not_taken_for_a_list_of_letters(fitted: LocalClassifier, given: Any) -> None:
    for call in (fitted.predict, fitted.predict_proba, lambda text: LocalClassifier(**QUICK).fit(text, ["a"] * 8)):
        with pytest.raises(RequestError, match="list of texts"):
            call(given)


@pytest.mark.parametrize("wrong", [None, 3, 1.5, b"bytes", ["a list"], float("nan")])
def test_what_is_no_text_is_named(fitted: LocalClassifier, wrong: Any) -> None:
    texts, labels = rows(60)
    with pytest.raises(RequestError, match="text 7 is"):
        LocalClassifier(**QUICK).fit([*texts[:7], wrong, *texts[8:]], labels)
    with pytest.raises(RequestError, match="text 1 is"):
        fitted.predict(["the harbour", wrong])


@pytest.mark.parametrize("wrong", [None, float("nan"), ["sea"], np.array(["sea"]), {"label": "sea"}])
def test_a_label_that_is_none_is_named(wrong: Any) -> None:
    texts, labels = rows(60)
    with pytest.raises(RequestError, match="the label of text 7"):
        LocalClassifier(**QUICK).fit(texts, [*labels[:7], wrong, *labels[8:]])


def test_texts_without_a_letter_are_left_out_aloud() -> None:
    texts, labels = rows(90)
    model = LocalClassifier(**QUICK).fit([*texts, "", "  \n"], [*labels, "sea", "moon"])
    assert sum(model.splits_.values()) == 90
    assert any("2 texts without a letter" in note for note in model.notes_)


@pytest.mark.parametrize("name", ["hosted", "languages"])
def test_columns_beside_have_one_value_a_text(name: str) -> None:
    with pytest.raises(RequestError, match=f"60 texts and 3 {name}"):
        LocalClassifier(**QUICK).fit(*rows(60), **{name: ["en", "en", "en"]})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"languages": ["en", "english"]}, "'english'"),
        ({"keep": 2.0, "of": "hosted"}, "keep is 2"),
        ({"minutes": float("nan")}, "minutes"),
        ({"name": "Not Plain"}, "name"),
    ],
)
def test_wrong_settings_are_refused_at_once(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        LocalClassifier(**settings)


def test_the_language_of_a_column_is_the_cards() -> None:
    texts, labels = rows(90)
    assert LocalClassifier(**QUICK).fit(texts, labels, languages=["fi"] * 90).card_.languages == ("fi",)


def test_an_unrecognised_language_is_said_to_be_a_guess() -> None:
    draw = random.Random(3)
    texts = [
        " ".join(draw.choice(("qx", "zz", "kk") if n % 2 else ("ww", "jj", "vv")) + str(n) for _ in "ab")
        for n in range(60)
    ]
    model = LocalClassifier(**QUICK).fit(texts, ["odd" if n % 2 else "even" for n in range(60)])
    assert model.card_.languages == ("en",)
    assert any("No language was recognised" in note for note in model.notes_)


def test_a_label_that_is_never_told_is_named() -> None:
    draw = random.Random(5)
    texts = [f"{draw.choice(('the', 'a'))} {draw.choice(('tide', 'orbit'))} {number}" for number in range(300)]
    labels = ["rare" if number % 20 == 0 else "usual" for number in range(300)]
    model = LocalClassifier(**QUICK).fit(texts, labels)
    assert any("'rare'" in note and "promise" in note for note in model.notes_)
    assert any("always saying 'usual'" in note for note in model.notes_)
    test = Rows(texts=("a tide at noon", "an orbit at noon"), labels=("usual", "usual"))
    model = LocalClassifier(**QUICK).fit(texts, labels, test=test)
    assert any("no test row of 'rare'" in note for note in model.notes_)


def test_a_saved_one_answers_as_the_fitted_one(fitted: LocalClassifier, tmp_path: Path) -> None:
    from router.local.load import load_local_model

    fitted.save(tmp_path / "m")
    texts, _ = rows(20, 4)
    found = [prediction.probabilities for prediction in load_local_model(tmp_path / "m").predict(texts)]
    assert np.allclose(fitted.predict_proba(texts), found)
