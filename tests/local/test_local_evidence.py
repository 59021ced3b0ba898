from __future__ import annotations

import msgspec
import pytest
from local_making import asking, card_of, maker

from router.catalogue import LocalCard
from router.local.linear import LinearModel
from router.signals.ood import LocalDetector
from router.signals.template import template_of
from router.types import Contract, Hints, LocalEvidence, Prediction, Signals, Split

TEXT = "the old ship left the harbour and green waves hit the pier"
LABELS = ("garden", "sea")


@pytest.fixture(scope="module")
def model() -> LinearModel:
    made = maker()
    return LinearModel(card_of(made), made.arrays_)


@pytest.fixture(scope="module")
def detect(model: LinearModel) -> LocalDetector:
    return LocalDetector([model], {model.name: model.card})


class Fixed:
    """A model that always says the same."""

    is_fast = True

    def __init__(self, name: str, probabilities: dict[str, float], inside: float = 0.9) -> None:
        self.name = name
        self._said = Prediction(
            labels=tuple(probabilities), probabilities=tuple(probabilities.values()), in_distribution=inside
        )

    def predict(self, texts: object) -> list[Prediction]:
        return [self._said]

    def card(self, **facts: object) -> LocalCard:
        known: dict[str, object] = {
            "name": self.name, "task": "sentiment", "labels": self._said.labels, "maker": "linear",
            "languages": ("en",), "rows": 10, "threshold": 0.7, "ood_threshold": 0.5,
            "licence": "", "data_hash": "", "files": {},
        }  # fmt: skip
        return LocalCard(**(known | facts))  # type: ignore[arg-type]


def fixed(probabilities: dict[str, float], inside: float = 0.9, **facts: object) -> LocalDetector:
    model = Fixed("fixed", probabilities, inside)
    return LocalDetector([model], {"fixed": model.card(**facts)})


def evidence(detect: LocalDetector, signals: Signals) -> LocalEvidence:
    found = detect(signals)["local"].value
    assert isinstance(found, LocalEvidence)
    return found


def test_fitting_request_is_answered(detect: LocalDetector) -> None:
    found = detect(asking(TEXT, LABELS))
    local = found["local"].value
    assert local.reason is None
    assert local.answer == ("sea",)
    assert found["annotated"].value == 300
    assert found["ood"].value == "in"


@pytest.mark.parametrize("labels", [("Garden", "SEA"), ("Garten", "ocean"), ("garden.", '"sea"')])
def test_answer_has_the_callers_spelling(detect: LocalDetector, labels: tuple[str, str]) -> None:
    assert evidence(detect, asking(TEXT, labels)).answer == (labels[1],)


@pytest.mark.parametrize(
    ("labels", "part"),
    [
        (("garden", "sea", "moon"), "'moon' is no label"),
        (("garden", "sea", "Other"), "cannot tell when that applies"),
        (("sea", "ocean"), "the same label"),
        (("sea",), "fewer than two"),
        (("garden", "sea", "seaside"), "'seaside' is no label"),
    ],
)
def test_foreign_labels_block_the_answer(detect: LocalDetector, labels: tuple[str, ...], part: str) -> None:
    found = detect(asking(TEXT, labels))
    assert part in found["local"].value.reason
    assert found["annotated"].value == 0
    assert found["ood"].value is None


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"language": ("fr", 0.9)}, "does not know the language"),
        ({"language": (None, 0.0)}, "language is unknown"),
        ({"split": (None, 0.0)}, "could not be told from the instruction"),
        ({"split": (Split(message=0, start=0, end=10), 0.2)}, "could not be told from the instruction"),
        ({"split": (Split(message=0, start=0, end=0), 0.9)}, "unlike what"),
        ({"contract": Contract(shape="json", labels=LABELS, blocker="it wants a reason.")}, "it wants a reason"),
        ({"contract": Contract(shape="json", labels=LABELS, multi_label=True)}, "several labels"),
        ({"contract": Contract(shape="free_text")}, "labels that the answer may have are unknown"),
    ],
)
def test_failing_condition_is_named(detect: LocalDetector, changes: dict[str, object], part: str) -> None:
    found = evidence(detect, asking(TEXT, LABELS, **changes))
    assert found.reason is not None
    assert part in found.reason


def test_uncertain_contract_is_not_answered_on(detect: LocalDetector) -> None:
    signals = asking(TEXT, LABELS)
    uncertain = msgspec.structs.replace(signals["contract"], confidence=0.3)
    signals._known["contract"] = uncertain
    assert "not read with certainty" in str(evidence(detect, signals).reason)


def test_other_task_has_no_model(detect: LocalDetector) -> None:
    found = detect(asking(TEXT, None, task=("summarization", 0.9), contract=Contract(shape="free_text")))
    assert found["local"].value is None
    assert found["annotated"].value == 0


def test_telling_labels_name_the_model(detect: LocalDetector) -> None:
    assert evidence(detect, asking(TEXT, LABELS, task=("other", 0.3))).reason is None


def test_sure_classifier_overrules_labels(detect: LocalDetector) -> None:
    assert detect(asking(TEXT, LABELS, task=("nli", 0.95)))["local"].value is None


def test_everyday_words_do_not_name_a_task() -> None:
    aliases = {"positive": ("good",), "negative": ("bad",)}
    detect = fixed({"negative": 0.1, "positive": 0.9}, aliases=aliases)
    assert detect(asking("fine", ("good", "bad"), task=("other", 0.4)))["local"].value is None
    assert evidence(detect, asking("fine", ("good", "bad"), task=("sentiment", 0.9))).answer == ("good",)


def test_hinted_task_needs_no_labels(detect: LocalDetector) -> None:
    bare = {"contract": Contract(shape="bare_label"), "task": ("topic_classification", 1.0)}
    assert evidence(detect, asking(TEXT, None, **bare)).reason is not None
    hinted = asking(TEXT, None, hints=Hints(task="topic_classification"), **bare)
    assert evidence(detect, hinted).answer == ("sea",)


def test_choice_among_allowed_is_renormalised() -> None:
    detect = fixed({"negative": 0.10, "neutral": 0.15, "positive": 0.75})
    found = evidence(detect, asking("x", ("positive", "negative"), task=("sentiment", 0.9)))
    assert found.reason is None
    assert found.probability == pytest.approx(0.75 / 0.85)


def test_free_choice_must_be_allowed() -> None:
    detect = fixed({"negative": 0.10, "neutral": 0.5, "positive": 0.40})
    found = evidence(detect, asking("x", ("positive", "negative"), task=("sentiment", 0.9)))
    assert "would rather say 'neutral'" in str(found.reason)


def test_likely_removed_labels_block_the_answer() -> None:
    detect = fixed({"negative": 0.01, "neutral": 0.39, "positive": 0.60})
    found = evidence(detect, asking("x", ("positive", "negative"), task=("sentiment", 0.9)))
    assert "too likely" in str(found.reason)


def test_unsure_model_does_not_answer() -> None:
    found = evidence(
        fixed({"negative": 0.4, "positive": 0.6}), asking("x", ("positive", "negative"), task=("sentiment", 0.9))
    )
    assert "not sure enough" in str(found.reason)


def test_strange_text_is_out_of_distribution() -> None:
    found = fixed({"negative": 0.01, "positive": 0.99}, inside=0.1)(
        asking("x", ("positive", "negative"), task=("sentiment", 0.9))
    )
    assert found["ood"].value == "out"
    assert "unlike what" in found["local"].value.reason


@pytest.mark.parametrize(("field", "answer"), [("is_spam", "true"), ("isSpam", "true"), ("ham", "false")])
def test_boolean_field_named_after_label(field: str, answer: str) -> None:
    contract = Contract(shape="json", labels=("true", "false"), values=(True, False), path=("result", field))
    detect = fixed({"ham": 0.05, "spam": 0.95}, task="other_classification")
    found = evidence(detect, asking("x", None, contract=contract, task=("other_classification", 0.9)))
    assert found.answer == (answer,)


def test_boolean_field_of_unknown_sense_is_blocked() -> None:
    contract = Contract(shape="json", labels=("true", "false"), values=(True, False), path=("flag",))
    detect = fixed({"ham": 0.05, "spam": 0.95}, task="other_classification")
    assert "not certain" in str(
        evidence(detect, asking("x", None, contract=contract, task=("other_classification", 0.9))).reason
    )


def test_model_whose_labels_fit_is_chosen() -> None:
    one = Fixed("one", {"alarm": 0.9, "timer": 0.1})
    two = Fixed("two", {"refund": 0.9, "card": 0.1})
    cards = {model.name: model.card(task="intent_classification") for model in (one, two)}
    detect = LocalDetector([one, two], cards)
    asked = {"task": ("intent_classification", 0.9)}
    assert evidence(detect, asking("x", ("card", "refund"), **asked)).model == "two"
    assert evidence(detect, asking("x", ("timer", "alarm"), **asked)).model == "one"
    assert detect(asking("x", ("hire", "fire"), **asked))["local"].value is None


def test_no_models_mean_no_evidence() -> None:
    found = LocalDetector([], {})(asking(TEXT, LABELS))
    assert found["local"].value is None
    assert found["annotated"].value == 0
    assert found["ood"].value is None


# ----- models that are bound to one prompt template -----


def bound(template: str, away: dict[str, str] | None = None) -> LocalDetector:
    model = Fixed("fixed", {"garden": 0.95, "sea": 0.05})
    return LocalDetector([model], {"fixed": model.card(template=template)}, away=lambda: away or {})


def own_template() -> str:
    signals = asking(TEXT, LABELS)
    return template_of(signals.request, signals["split"].value)


def test_bound_model_answers_its_template_whatever_the_task_is_read_as() -> None:
    found = evidence(bound(own_template()), asking(TEXT, LABELS, task=("translation", 0.99)))
    assert found.reason is None
    assert found.answer == ("garden",)


def test_bound_model_answers_no_other_template() -> None:
    assert bound("0123456789abcdef")(asking(TEXT, LABELS, task=("sentiment", 0.9)))["local"].value is None


def test_bound_model_asks_for_the_other_conditions() -> None:
    found = evidence(bound(own_template()), asking(TEXT, (*LABELS, "moon")))
    assert "'moon' is no label" in (found.reason or "")


@pytest.mark.parametrize("state", ["shadow", "quarantined", "retired"])
def test_model_that_is_away_says_so_and_reads_nothing(state: str) -> None:
    found = evidence(bound(own_template(), {"fixed": state}), asking(TEXT, LABELS))
    assert "does not answer for now" in (found.reason or "")
    assert found.probability is None


def test_model_in_shadow_is_tried_beside_and_a_retired_one_is_not() -> None:
    tried = bound(own_template(), {"fixed": "shadow"}).trial(asking(TEXT, LABELS))
    assert [each.answer for each in tried] == [("garden",)]
    assert not bound(own_template(), {"fixed": "retired"}).trial(asking(TEXT, LABELS))
    assert not bound("0123456789abcdef", {"fixed": "shadow"}).trial(asking(TEXT, LABELS))


def test_bound_model_honours_what_it_has_learnt_and_no_other_form() -> None:
    defined = Contract(shape="bare_label", labels=LABELS, blocker="labels with meanings", is_learnable=True)
    assert evidence(bound(own_template()), asking(TEXT, LABELS, contract=defined)).reason is None
    free = fixed({"garden": 0.9, "sea": 0.1}, task="topic_classification")
    assert evidence(free, asking(TEXT, LABELS, contract=defined)).reason == "labels with meanings"
    tags = Contract(shape="bare_label", labels=LABELS, blocker="the answer is to be wrapped in tags")
    assert evidence(bound(own_template()), asking(TEXT, LABELS, contract=tags)).reason == tags.blocker
