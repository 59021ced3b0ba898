from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from router.features import FeatureSpec
from router.local.base import model_directories, shipped_directory
from router.local.load import load_local_model
from router.offline.choose import candidates
from router.offline.fit import LinearMaker
from router.offline.measure import expected_calibration_error, figures, ood_figures
from router.offline.promise import Goal
from router.offline.recipes import ATTRIBUTION, RECIPES
from router.offline.rows import Rows, is_kept_for, rows_hash
from router.offline.typos import mistyped
from router.offline.written import written_rows

SPEC = FeatureSpec(bits=12, words=(1, 2), chars=(4,))
THINGS = [
    f"{a}{b}" for a, b in itertools.product(("lamp", "door", "fan", "radio", "oven", "lock"), ("", "s", "let", "ing"))
]
FRAMES = (
    "turn on the {}",
    "is my {} working",
    "please repair the {} today",
    "where did i put the {}",
    "sell the {} now",
)
OUTLIERS = {"code": ["x = y + 1", "return foo(bar)"] * 20, "news": ["shares fell on monday", "the senate voted"] * 20}


def many(count: int, seed: int) -> Rows:
    draw = random.Random(seed)
    labels = [draw.choice(THINGS) for _ in range(count)]
    texts = [f"{draw.choice(FRAMES).format(label)} {draw.choice(('thanks', 'soon', 'ok', 'now'))}" for label in labels]
    return Rows(texts=tuple(texts), labels=tuple(labels))


@pytest.fixture(scope="module")
def made() -> LinearMaker:
    return LinearMaker(spec=SPEC, goal=Goal(max_error=0.1), keep=0.9).fit(many(900, 1), many(900, 2), OUTLIERS)


def test_copies_with_mistakes_are_learnt() -> None:
    draw = random.Random(5)
    test = many(300, 3)
    mistaken = [mistyped(text, draw) for text in test.texts]
    right = []
    for copies in (0, 2):
        settings = {"typos": 0.5, "copies": copies} if copies else {}
        made = LinearMaker(spec=SPEC, goal=Goal(max_error=0.1), **settings).fit(many(900, 1), many(300, 2), OUTLIERS)  # type: ignore[arg-type]
        said = made.predict(mistaken)
        right.append(np.mean([one == other for one, other in zip(said, test.labels, strict=True)]))
    assert right[1] > right[0]


def test_many_labels_are_read_by_shorter_letter_grams() -> None:
    few = Rows(texts=("a", "b") * 10, labels=("x", "y") * 10)
    read = [candidates(rows)[0][2]["spec"].chars for rows in (few, many(300, 1))]
    assert read == [(3, 4, 5), (2, 3, 4)]


def test_many_labels_are_learnt(made: LinearMaker) -> None:
    test = many(300, 3)
    assert made.classes_ == tuple(sorted(THINGS))
    chosen = made.predict_proba(test.texts).argmax(1)
    assert np.mean([made.classes_[i] == label for i, label in zip(chosen, test.labels, strict=True)]) > 0.95


@pytest.mark.parametrize("count", [2, 3, 12])
def test_contrast_helps_telling_words_against_frequent_ones(count: int) -> None:
    """Rare words tell the label, frequent ones say nothing: fewer rows suffice where the rare ones weigh more."""
    noise = [f"word{n}" for n in range(30)]

    def rows(size: int, seed: int) -> Rows:
        draw = random.Random(seed)
        labels = [f"colour{draw.randrange(count)}x" for _ in range(size)]
        texts = [
            " ".join(draw.sample([*draw.choices(noise, k=12), f"{label}{draw.randint(0, 9)}"], 13)) for label in labels
        ]
        return Rows(texts=tuple(texts), labels=tuple(labels))

    def accuracy(contrast: float) -> float:
        spec = FeatureSpec(bits=14, words=(1,), chars=())
        made = LinearMaker(spec=spec, c=0.05, contrast=contrast).fit(rows(150, 1), rows(60, 2), OUTLIERS)
        test = rows(400, 3)
        return float(
            np.mean([said == label for said, label in zip(made.predict(test.texts), test.labels, strict=True)])
        )

    assert accuracy(0.5) > accuracy(0.0) + 0.01


def test_kept_share_is_what_was_asked_for(made: LinearMaker) -> None:
    inside = [p.in_distribution for p in made.model().predict(many(600, 4).texts)]
    assert 0.8 <= np.mean(np.array(inside) >= made.thresholds_.ood_threshold) <= 0.97


def test_outsiders_are_told_from_the_rest(made: LinearMaker) -> None:
    strange = ["the parliament adjourned", "lambda q: q * 2", "ein ganz anderer Satz"]
    model = made.model()
    low = max(p.in_distribution for p in model.predict(strange))
    assert low < made.thresholds_.ood_threshold


def test_languages_get_thresholds_of_their_own() -> None:
    rows, calibration = many(600, 5), many(900, 6)
    wrong = tuple("lamp" if index % 2 else label for index, label in enumerate(calibration.labels))
    good = Rows(texts=calibration.texts, labels=calibration.labels, languages=("en",) * 900)
    bad = Rows(texts=calibration.texts, labels=wrong, languages=("de",) * 900)
    mixed = Rows(
        texts=good.texts + bad.texts, labels=good.labels + bad.labels, languages=good.languages + bad.languages
    )
    made = LinearMaker(spec=SPEC, goal=Goal(max_error=0.1)).fit(rows, mixed, OUTLIERS)
    assert made.thresholds_.by_language["en"].is_kept
    assert not made.thresholds_.by_language["de"].is_kept


def test_same_rows_give_the_same_file(made: LinearMaker, tmp_path: Path) -> None:
    again = LinearMaker(spec=SPEC, goal=Goal(max_error=0.1), keep=0.9).fit(many(900, 1), many(900, 2), OUTLIERS)
    facts = {"name": "m", "task": "other", "languages": ("en",), "rows": 1, "licence": "x", "data_hash": "x"}
    cards = [maker.export(tmp_path / str(i), maker.card(**facts)) for i, maker in enumerate((made, again))]
    assert cards[0].files == cards[1].files


def test_figures_choose_among_present_labels(made: LinearMaker, tmp_path: Path) -> None:
    facts = {"name": "m", "task": "other", "languages": ("en",), "rows": 1, "licence": "x", "data_hash": "x"}
    made.export(tmp_path, made.card(**facts))
    model = load_local_model(tmp_path)
    test = many(300, 7)
    card, predictions = model.card, model.predict(test.texts)
    found = figures(card, predictions, test.labels)
    assert found["accuracy_interval"][0] <= found["accuracy"] <= found["accuracy_interval"][1]
    assert figures(card, predictions, test.labels, language="xx")["coverage"] == 0.0
    assert ood_figures(card, predictions, model.predict(["return foo", "shares fell"]))["ood_auroc"] > 0.9


def test_perfect_confidence_has_no_calibration_error() -> None:
    assert expected_calibration_error(np.ones(10), np.ones(10, bool)) == 0.0
    assert expected_calibration_error(np.full(10, 0.9), np.zeros(10, bool)) == pytest.approx(0.9)


def test_data_hash_sees_every_label() -> None:
    rows = many(5, 8)
    assert rows_hash(rows) == rows_hash(many(5, 8))
    assert rows_hash(rows) != rows_hash(Rows(texts=rows.texts, labels=("lamp",) * 5))


def test_held_share_is_stable_and_near() -> None:
    kept = [is_kept_for(f"text {n}", 0.2) for n in range(4000)]
    assert kept == [is_kept_for(f"text {n}", 0.2) for n in range(4000)]
    assert 0.17 < np.mean(kept) < 0.23


@pytest.mark.parametrize("name", ["sentiment", "toxicity", "spam"])
def test_written_rows_are_filled_and_repeatable(name: str) -> None:
    rows = written_rows(name)
    assert rows == written_rows(name)
    assert len(rows) > 1500
    assert not [text for text, _ in rows if "{" in text or "}" in text]
    assert {label for _, label in rows} <= set(load_local_model(shipped_directory() / name).labels)


def test_no_set_of_indirect_licence_is_trained_on() -> None:
    indirect = {
        "movie_sentences", "product_reviews", "uci_sentences", "prdect_id", "prdect_id_emotion", "mlma_toxic",
        "youtube_spam", "cfpb_product", "ncbi_disease", "bc5cdr",
    }  # fmt: skip
    for recipe in RECIPES.values():
        trained = {source.set.split("/")[1] for source in recipe.sources} | set(recipe.plain)
        assert not (trained & indirect and recipe.is_shipped)
        assert recipe.is_shipped == (shipped_directory() / recipe.name).is_dir()
        assert all(source.set in ATTRIBUTION for source in recipe.sources)


def test_notice_names_every_source() -> None:
    notice = (Path(__file__).parents[2] / "NOTICE").read_text(encoding="utf-8")
    for directory in model_directories(shipped_directory()):
        for source in load_local_model(directory).card.sources:
            assert source in notice or source.startswith("sentences written for this project")


def test_numerical_libraries_get_one_thread_while_a_model_is_fitted() -> None:
    from threadpoolctl import threadpool_info

    seen: list[int] = []

    class Watched(LinearMaker):
        def features(self, texts: Sequence[str]) -> sp.csr_matrix:
            seen.extend(pool["num_threads"] for pool in threadpool_info())
            return super().features(texts)

    before = [pool["num_threads"] for pool in threadpool_info()]
    Watched(spec=SPEC).fit(many(120, 1), many(60, 2), OUTLIERS)
    assert seen
    assert set(seen) == {1}
    assert [pool["num_threads"] for pool in threadpool_info()] == before
