"""A local model's label as the answer that was asked for."""

import json

import pytest
from backend_cases import decision, request

from router.backends.local import completion_chunks, local_answer
from router.errors import UpstreamError
from router.types import Contract, LocalEvidence, Signal

LABELS = ("Positive", "Negative")


def answered(contract, answer=("Negative",), reason=None, read=None):
    made = decision(
        "sentiment-1",
        kind="local",
        evidence=LocalEvidence(model="sentiment-1", answer=answer, probability=0.99, reason=reason),
        signals={"contract": Signal(value=contract, confidence=1.0, detector="test")},
    )
    return local_answer(read or request(), made, created=5)


def test_a_bare_label_is_the_content():
    body = answered(Contract(shape="bare_label", labels=LABELS))
    assert body["object"] == "chat.completion"
    assert body["model"] == "sentiment-1"
    assert body["choices"][0]["message"]["content"] == "Negative"
    assert body["choices"][0]["finish_reason"] == "stop"


def test_json_holds_the_label_at_its_path():
    contract = Contract(shape="json", labels=LABELS, path=("result", "label"), values=(True, False))
    content = answered(contract)["choices"][0]["message"]["content"]
    assert json.loads(content) == {"result": {"label": False}}


def test_a_tool_call_holds_the_label():
    contract = Contract(shape="tool_call", labels=LABELS, path=("label",), tool="classify")
    body = answered(contract, read=request(tools=[{"type": "function", "function": {"name": "classify"}}]))
    choice = body["choices"][0]
    call = choice["message"]["tool_calls"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert (call["type"], call["function"]["name"]) == ("function", "classify")
    assert json.loads(call["function"]["arguments"]) == {"label": "Negative"}
    assert choice["message"]["content"] is None


def test_the_older_function_form_is_kept():
    contract = Contract(shape="tool_call", labels=LABELS, path=("label",), tool="classify")
    body = answered(contract, read=request(functions=[{"name": "classify"}]))
    assert body["choices"][0]["message"]["function_call"]["name"] == "classify"


def test_several_choices_are_given():
    body = answered(Contract(shape="bare_label", labels=LABELS), read=request(n=3))
    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2]


@pytest.mark.parametrize(
    ("contract", "answer", "reason"),
    [
        (None, ("Negative",), None),
        (Contract(shape="bare_label", labels=LABELS), (), None),
        (Contract(shape="bare_label", labels=LABELS), ("Mixed",), None),
        (Contract(shape="bare_label", labels=LABELS), ("Negative",), "below its threshold"),
        (Contract(shape="json", labels=LABELS, path=("x",), blocker="a free-text field"), ("Negative",), None),
    ],
)
def test_a_doubtful_answer_is_not_given(contract, answer, reason):
    with pytest.raises(UpstreamError):
        answered(contract, answer, reason)


@pytest.mark.parametrize(
    "contract",
    [
        Contract(shape="bare_label", labels=LABELS),
        Contract(shape="tool_call", labels=LABELS, path=("label",), tool="classify"),
    ],
)
def test_chunks_add_up_to_the_answer(contract):
    body = answered(contract)
    chunks = completion_chunks(body, include_usage=True)
    message = {}
    for chunk in chunks[:-1]:
        message.update({key: value for key, value in chunk["choices"][0]["delta"].items() if value is not None})
    for call in message.get("tool_calls", ()):
        del call["index"]
    wanted = {key: value for key, value in body["choices"][0]["message"].items() if value is not None}
    assert {key: value for key, value in message.items() if value != ""} == wanted
    assert chunks[-2]["choices"][0]["finish_reason"] == body["choices"][0]["finish_reason"]
    assert chunks[-1]["choices"] == []
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
