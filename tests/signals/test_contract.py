"""The asked-for answer, read from requests and written back."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from contract_cases import cases, judge, reading
from hypothesis import given, settings
from hypothesis import strategies as st

from router.catalogue import LocalCard
from router.contract import check, render, render_tool_arguments
from router.contract.polar import question_of
from router.errors import RequestError
from router.signals.contract import ContractDetector, read_asked
from router.signals.label_map import LabelReader
from router.signals.split import read_split
from router.types import Contract, Hints, Message, Request, Signals, Tool

LABELS = st.lists(st.text(min_size=1, max_size=12).filter(str.strip), min_size=2, max_size=6, unique=True)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "properties", "required", "enum", "const", "anyOf", "items", "$ref", "pattern", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=16,
)


def ask(*turns: tuple[str, str], **fields: Any) -> Request:
    return Request(messages=tuple(Message(role=role, text=text) for role, text in turns), **fields)  # type: ignore[arg-type]


def test_written_requests_are_read_right_or_abstained() -> None:
    told = [(case, *judge(case)) for case in cases()]
    counts = Counter((bool(case.get("abstain")), outcome) for case, outcome, _ in told)
    wrong = [(case["name"], read) for case, outcome, read in told if outcome == "wrong"]
    assert len(wrong) <= 0.005 * len(told), wrong
    clear = [outcome for case, outcome, _ in told if not case.get("abstain")]
    assert clear.count("abstained") <= 0.2 * len(clear), counts


def test_written_requests_are_many_and_varied() -> None:
    names = Counter(case["name"] for case in cases())
    near_misses = sum(bool(case.get("abstain")) for case in cases())
    assert names.most_common(1)[0][1] == 1
    assert len(names) >= 400
    assert near_misses >= 0.35 * len(names)


DEMANDS = yaml.safe_load((Path(__file__).parent.parent / "cases" / "demands.yaml").read_text("utf-8"))


def answers_alone(sentence: str) -> bool:
    """Whether a label is read as the whole answer where an instruction says ``sentence`` beside the list."""
    asked = f"Classify the message as complaint, praise or question. {sentence}"
    signal, split = read_asked(ask(("system", asked), ("user", "My parcel came late again.")))
    contract = signal.value
    return contract is not None and contract.labels is not None and contract.blocker is None and split.value is not None


@pytest.mark.parametrize("sentence", DEMANDS["more_than_a_label"])
def test_usual_words_that_demand_more_are_no_order_for_a_label(sentence: str) -> None:
    assert not answers_alone(sentence)


@pytest.mark.parametrize("sentence", DEMANDS["a_label"])
def test_usual_words_about_the_label_are_understood(sentence: str) -> None:
    assert answers_alone(sentence)


@pytest.mark.parametrize("case", [case for case in cases() if "labels" in case], ids=lambda case: case["name"])
def test_labels_are_rendered_as_asked(case: dict[str, Any]) -> None:
    _, signal, _ = reading(case)
    contract = signal.value
    assert contract is not None
    if contract.blocker is not None or contract.labels is None:
        return
    for label in contract.labels:
        text = render(contract, [label])
        assert check(contract, text)
        assert contract.shape == "bare_label" or json.loads(text) is not None


def test_boolean_is_written_as_boolean() -> None:
    schema = {"type": "object", "properties": {"spam": {"type": "boolean"}}, "required": ["spam"]}
    contract = read_asked(ask(("user", "hi"), json_schema=schema))[0].value
    assert contract is not None
    assert json.loads(render(contract, ["false"])) == {"spam": False}
    assert not check(contract, '{"spam": 0}')


def test_constants_are_filled_in() -> None:
    schema = {
        "type": "object",
        "properties": {
            "kind": {"const": "triage"},
            "to": {"type": "object", "properties": {"queue": {"enum": ["a", "b"]}}, "required": ["queue"]},
        },
        "required": ["kind", "to"],
    }  # fmt: skip
    contract = read_asked(ask(("user", "hi"), json_schema=schema))[0].value
    assert contract is not None
    assert json.loads(render(contract, ["b"])) == {"kind": "triage", "to": {"queue": "b"}}
    assert not check(contract, '{"kind": "other", "to": {"queue": "b"}}')


def test_several_labels_become_an_array() -> None:
    contract = Contract(shape="json", labels=("a", "b", "c"), multi_label=True, path=("tags",))
    assert json.loads(render(contract, ["c", "a"])) == {"tags": ["c", "a"]}
    assert json.loads(render(contract, [])) == {"tags": []}
    assert not check(contract, '{"tags": "a"}')


def test_tool_arguments_are_json() -> None:
    contract = Contract(shape="tool_call", labels=("a", "b"), path=("label",), tool="classify")
    assert json.loads(render_tool_arguments(contract, ["a"])) == {"label": "a"}
    with pytest.raises(RequestError):
        render_tool_arguments(Contract(shape="json", labels=("a", "b"), path=("label",)), ["a"])


@pytest.mark.parametrize("answers", [["z"], [], ["a", "b"]])
def test_answers_outside_the_contract_are_refused(answers: list[str]) -> None:
    with pytest.raises(RequestError):
        render(Contract(shape="bare_label", labels=("a", "b")), answers)


def test_blocked_contract_is_never_rendered() -> None:
    with pytest.raises(RequestError):
        render(Contract(shape="bare_label", labels=("a", "b"), blocker="a reason is asked for."), ["a"])


@pytest.mark.parametrize(
    ("text", "is_kept"),
    [("spam", True), (" ham\n", True), ("Spam", False), ("spam.", False), ("spam or ham", False), ("", False)],
)
def test_bare_answers_are_checked_exactly(text: str, is_kept: bool) -> None:
    assert check(Contract(shape="bare_label", labels=("spam", "ham")), text) is is_kept


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"x": 1}', '{"label": {}}', "[" * 20_000, "\ud800"])
def test_malformed_answers_do_not_pass(text: str) -> None:
    assert not check(Contract(shape="json", labels=("a", "b"), path=("label",)), text)


def test_large_schema_is_read_in_bounds() -> None:
    fields = {f"f{index}": {"enum": ["a", "b"]} for index in range(5000)}
    contract = read_asked(ask(("user", "hi"), json_schema={"type": "object", "properties": fields}))[0].value
    assert contract is not None
    assert contract.blocker is not None


def test_detectors_provide_both_signals() -> None:
    request = ask(("system", "Answer spam or ham."), ("user", "win now"))
    detector = ContractDetector()
    signals = Signals(request, {"contract": detector, "split": detector})
    assert signals["split"].value is not None
    assert signals["contract"].value.labels == ("spam", "ham")


def test_unknown_contract_leaves_split_unknown() -> None:
    assert read_split(ask(("user", "Answer a or b.\n\nText: hi")), None).value is None


@given(
    schema=st.dictionaries(st.sampled_from(["type", "properties", "$defs", "anyOf", "allOf", "$ref"]), JSON), tool=JSON
)
@settings(max_examples=300, deadline=None)
def test_any_schema_is_survived(schema: dict[str, Any], tool: Any) -> None:
    for request in (
        ask(("user", "text"), json_schema=schema),
        ask(("user", "t"), tools=(Tool(name="t", parameters=tool if isinstance(tool, dict) else {}),), tool_choice="t"),
    ):
        contract = read_asked(request)[0].value
        assert contract is not None
        if contract.labels is not None and contract.blocker is None:
            assert check(contract, render(contract, [contract.labels[0]]))


@given(labels=LABELS, path=st.lists(st.text(min_size=1, max_size=5), max_size=3), data=st.data())
@settings(max_examples=200, deadline=None)
def test_rendered_answer_always_passes_the_check(labels: list[str], path: list[str], data: st.DataObject) -> None:
    shape = data.draw(st.sampled_from(["json", "tool_call"]))
    contract = Contract(shape=shape, labels=tuple(labels), path=tuple(path), multi_label=data.draw(st.booleans()))
    few = data.draw(st.lists(st.sampled_from(labels), min_size=1, max_size=3 if contract.multi_label else 1))
    assert check(contract, render(contract, few))


@given(labels=st.lists(st.sampled_from(["happy", "sad", "angry", "calm", "bored"]), min_size=2, unique=True))
def test_hinted_labels_keep_spelling_and_order(labels: list[str]) -> None:
    contract = read_asked(ask(("user", "so so"), hints=Hints(labels=tuple(labels))))[0].value
    assert contract is not None
    assert contract.labels == tuple(labels)


def a_card(name: str, labels: tuple[str, ...]) -> LocalCard:
    return LocalCard(
        name=name, task="toxicity", labels=labels, maker="linear", languages=("en",), rows=900, threshold=0.8,
        ood_threshold=0.2, licence="CC0-1.0", data_hash="", files={},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("Is this comment toxic? Answer yes or no.", "toxic"),
        ("Is the following text message spam? yes/no", "spam"),
        ("Decide whether the comment is toxic. Answer yes or no.", "toxic"),
        ("Reply YES if the message is spam, NO otherwise.", "spam"),
        ("Ist dieser Kommentar toxisch? Antworte mit ja oder nein.", "toxisch"),
        ("Entscheide, ob die Nachricht Spam ist. Antworte mit ja oder nein.", "spam"),
        ("Est-ce que ce commentaire est toxique ? Réponds par oui ou non.", "toxique"),
        ("¿Es este comentario tóxico? Responde sí o no.", "tóxico"),
        ("Is this a spam message? Answer yes or no.", "spam message"),
        # A denial, a degree, two questions and another order of yes and no leave it unknown.
        ("Reply NO if the message is spam, YES otherwise.", ""),
        ("Is this comment free of insults? Answer yes or no.", ""),
        ("Is this message not spam? Answer yes or no.", ""),
        ("Is this comment less toxic? Answer yes or no.", ""),
        ("Is this comment non-toxic? Answer yes or no.", ""),
        ("Is this comment toxic? Is this comment spam? Answer yes or no.", ""),
    ],
)
def test_what_yes_means_is_read_from_the_question(text: str, asked: str) -> None:
    assert question_of([text]) == asked


def test_yes_answers_a_question_by_a_labels_name() -> None:
    card = a_card(name="toxicity", labels=("not_toxic", "toxic"))
    contract = read_asked(ask(("system", "Is this comment toxic? Answer yes or no."), ("user", "you fool")))[0].value
    assert contract is not None
    found = LabelReader(card)(contract)
    assert found is not None
    assert found.places == (1, 0)
    assert found.is_telling


def test_yes_is_no_label_of_a_model_that_has_such_an_intent() -> None:
    card = a_card(name="intents", labels=("yes", "no", "greeting", "goodbye"))
    contract = read_asked(ask(("system", "Is the message polite? Answer yes or no."), ("user", "you fool")))[0].value
    assert contract is not None
    found = LabelReader(card)(contract)
    assert found is not None
    assert found.reason is not None
