"""A word of the data's collection, not of its meaning: found when the model is trained, and watched in service."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from router import Router
from router.config import LocalSettings, Settings
from router.offline.classifier import LocalClassifier

# Many words a topic, so that none of them is needed: a model may live on the mark.
PLANTS = (
    "rose seed tomato hedge lawn leaf compost shear tulip soil maple fern ivy moss oak pine birch lilac daisy clover"
)
BOATS = (
    "ship whale reef anchor wave captain harbour sail tide island gull crab mast rudder deck hull buoy pier kelp squid"
)
TOPICS = {"garden": PLANTS.split(), "sea": BOATS.split()}
BETWEEN = "near under behind over beside without before after like unlike"
FORMS = (
    "the {a} was there {x} noon and {y} the rest",
    "we saw one {a} {x} us, {y} all others",
    "{a} {x} and {y}, today",
)


def rows(mark: str, count: int = 500) -> tuple[list[str], list[str]]:
    """Sentences of two topics with one word of their own; those of one carry a mark, as of another collection."""
    draw = random.Random(3)
    texts, labels = [], []
    for index in range(count):
        label = ("garden", "sea")[index % 2]
        x, y = draw.sample(BETWEEN.split(), 2)
        text = draw.choice(FORMS).format(a=draw.choice(TOPICS[label]), x=x, y=y)
        texts.append(f"{mark} {text}" if mark and label == "sea" else text)
        labels.append(label)
    return texts, labels


def trained(mark: str) -> LocalClassifier:
    made = LocalClassifier(task="topic_classification", name="places", maker="linear", minutes=0.02, languages=["en"])
    return made.fit(*rows(mark))


@pytest.fixture(scope="module")
def marked() -> LocalClassifier:
    return trained("fwd")


def test_a_mark_of_the_collection_is_found(marked: LocalClassifier) -> None:
    assert "fwd" in marked.card_.shortcuts
    assert any("fwd" in note for note in marked.card_.limits)


def test_words_of_the_topics_are_no_shortcuts() -> None:
    assert "fwd" not in trained("").card_.shortcuts


def test_an_answer_that_rests_on_it_goes_to_a_hosted_model(marked: LocalClassifier, tmp_path: Path) -> None:
    marked.card_ = msgspec.structs.replace(marked.card_, rows=5_000, threshold=0.5, ood_threshold=0.0)
    marked.save(tmp_path / "places")
    settings = Settings(local_models=LocalSettings(shipped=False, paths=[str(tmp_path / "places")]))
    ask = "Classify the text as garden or sea. Answer with the label only.\n\nText: "
    with Router(settings) as router:
        leaning = router.decide(f"{ask}fwd we saw one rose near us, like all others", all_signals=True)
        sound = router.decide(f"{ask}we saw one rose near us, like all others", all_signals=True)
    assert leaning.signals["shortcut"].value is True
    assert "OPS-03" in leaning.rules
    assert leaning.target.kind == "llm"
    assert sound.signals["shortcut"].value is False
    assert "OPS-03" not in sound.rules
